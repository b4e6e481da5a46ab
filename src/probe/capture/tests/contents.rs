//! Everything that a repository has is in its snapshot.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::world::World;
use crate::probe::{
    capture::{CaptureError, Reading},
    store::SnapshotStatus,
};

#[test]
fn work_of_every_kind_is_there_byte_by_byte() {
    let world = World::new();
    world.repo("r");
    world.write("r/stashed", "away\n");
    world.git("r", &["add", "."]);
    world.git("r", &["stash", "-q"]);
    world.git("r", &["switch", "-q", "-c", "side"]);
    world.write("r/a.txt", "theirs\n");
    world.git("r", &["commit", "-q", "-a", "-m", "theirs"]);
    world.git("r", &["switch", "-q", "-"]);
    world.write("r/a.txt", "ours\n");
    world.git("r", &["commit", "-q", "-a", "-m", "ours"]);
    assert!(world.try_git("r", &["merge", "-q", "side"]).is_none());
    world.write("r/staged", "staged\n");
    world.git("r", &["add", "staged"]);
    world.write("r/staged", "and changed\n");
    world.write("r/untracked/deep/file", "untracked\n");
    fs::create_dir_all(world.at("r/empty/one/in/another")).unwrap();
    let odd = world.at("r").join(OsStr::from_bytes(b"odd \xff\n name"));
    fs::write(&odd, "odd").unwrap();
    symlink("/nowhere/at/all", world.at("r/dangling")).unwrap();
    symlink(OsStr::from_bytes(b"\xfe\xff"), world.at("r/odd-link")).unwrap();
    symlink(".", world.at("r/loop")).unwrap();
    for (name, mode) in [("none", 0o000), ("all", 0o6777), ("sticky", 0o1644)] {
        world.write(format!("r/{name}"), name);
        fs::set_permissions(world.at("r").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(world.at("r/closed")).unwrap();
    fs::set_permissions(world.at("r/closed"), fs::Permissions::from_mode(0o1700)).unwrap();
    fs::hard_link(world.at("r/a.txt"), world.at("r/linked")).unwrap();
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    assert_eq!(snapshot.draft.roots, [world.at("r")]);
    let head = world.git("r", &["rev-parse", "HEAD"]);
    assert_eq!(snapshot.draft.head.as_deref(), Some(head.trim()));
    let branch = world.git("r", &["branch", "--show-current"]);
    assert_eq!(snapshot.draft.branch.as_deref(), Some(branch.trim()));

    let status = ["status", "--porcelain=v2", "--branch", "--show-stash"];
    let copy = world.restore(&snapshot, "r");
    world.git(copy.path(), &["fsck", "--strict"]);
    assert_eq!(world.git(copy.path(), &status), world.git("r", &status));
}

#[test]
fn what_git_ignores_is_left_out_but_env_files_by_setting() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/.gitignore", "*.o\n/target/\n.env*\n/kept/*\n!/kept/this\n");
    world.write("r/a.o", "");
    world.write("r/only/ignored/b.o", "");
    world.write("r/target/debug/x", "");
    world.write("r/target/.env", "IN=target");
    world.write("r/kept/this", "");
    world.write("r/kept/that", "");
    world.write("r/sub/.env", "A=1\n");
    world.write("r/.env.local", "B=1\n");
    world.write("r/tracked.o", "tracked although ignored");
    world.git("r", &["add", "-f", "tracked.o"]);
    let ignored = ["a.o", "only/ignored/b.o", "target", "kept/that"];
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &ignored);
    world.options.env = false;
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[&ignored[..], &["sub/.env", ".env.local"]].concat());
    // What is ignored no longer is captured, what is now is not.
    world.write("r/.gitignore", "/sub/\n");
    for _ in 0..2 {
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &["sub"]);
        world.write("r/a.txt", "changed, and again with all that was learned");
    }
}

#[test]
fn what_is_ignored_within_what_was_ignored_stays_left_out() {
    let world = World::new();
    world.repo("r");
    world.write("r/.gitignore", "*.o\n/build/\n");
    world.write("r/build/x.o", "");
    world.write("r/build/deep/target/x", "");
    world.write("r/build/x.c", "");
    world.repo("r/build/nested");
    world.write("r/build/nested/.gitignore", "*.p\n");
    world.write("r/build/nested/x.p", "");
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &["build"]);
    world.write("r/.gitignore", "*.o\ntarget/\n");
    for _ in 0..2 {
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &["build/x.o", "build/deep/target", "build/nested/x.p"]);
        world.write("r/a.txt", "changed");
    }
}

#[test]
fn what_is_neither_file_nor_link_is_not_opened() {
    let world = World::new();
    world.repo("r");
    mknodat(CWD, world.at("r/fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    mknodat(CWD, world.at("r/.git/fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _listener = UnixListener::bind(world.at("r/socket")).unwrap();
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    assert!(world.capture("r").unchanged);
}

#[test]
fn what_lives_only_as_long_as_a_command_is_left_out() {
    let world = World::new();
    world.repo("r");
    for name in ["index.lock", "refs/heads/x.lock", "objects/pack/tmp_pack_x", "objects/00/tmp_obj_x"] {
        world.write(Path::new("r/.git").join(name), "");
    }
    world.write("r/.git/fsmonitor--daemon/cookies/1", "");
    world.write("r/Cargo.lock", "people's own");
    let snapshot = world.complete("r");
    world.assert_whole(
        &snapshot,
        "r",
        &[
            ".git/index.lock",
            ".git/refs/heads/x.lock",
            ".git/objects/pack/tmp_pack_x",
            ".git/objects/00/tmp_obj_x",
            ".git/fsmonitor--daemon",
        ],
    );
}

#[test]
fn a_repository_before_its_first_commit_and_with_head_detached() {
    let world = World::new();
    fs::create_dir(world.at("r")).unwrap();
    world.git("r", &["init", "-q", "-b", "trunk"]);
    let draft = world.complete("r").draft;
    assert_eq!((draft.branch.as_deref(), draft.head), (Some("trunk"), None));
    world.git("r", &["commit", "-q", "--allow-empty", "-m", "first"]);
    world.git("r", &["pack-refs", "--all"]);
    let id = world.git("r", &["rev-parse", "HEAD"]);
    let draft = world.complete("r").draft;
    assert_eq!((draft.branch.as_deref(), draft.head.as_deref()), (Some("trunk"), Some(id.trim())));
    world.git("r", &["switch", "-q", "--detach"]);
    let draft = world.complete("r").draft;
    assert_eq!((draft.branch, draft.head.as_deref()), (None, Some(id.trim())));
}

#[test]
fn a_first_snapshot_has_a_limit_and_a_size() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/large", vec![7; 100_000]);
    world.write("r/.git/info/exclude", "ignored");
    world.write("r/ignored", vec![7; 100_000]);
    world.options.limit = Some(99_999);
    let error = world.try_capture("r").unwrap_err();
    let CaptureError::TooLarge { files, bytes, limit: 99_999 } = error else { panic!("{error}") };
    assert!(files > 10 && (100_000..200_000).contains(&bytes), "{files} {bytes}");
    world.options.limit = Some(200_000);
    let told = std::sync::Mutex::new(Vec::new());
    let (store, subject) = (&world.store, world.subject("r"));
    let captured = world.capturer.capture(store, &subject, &world.options, &|reading| {
        told.lock().unwrap().push(reading);
        true
    });
    assert_eq!(captured.unwrap().snapshot.draft.status, SnapshotStatus::Complete);
    let told = told.into_inner().unwrap();
    // The estimate first, before anything is read; all of it in the end.
    assert_eq!(told.first(), Some(&Reading { total_bytes: bytes, ..Reading::default() }));
    assert_eq!(told.last(), Some(&Reading { files, bytes, total_bytes: bytes }));
    // It is for a first snapshot alone.
    world.options.limit = Some(0);
    world.write("r/a.txt", "changed");
    world.complete("r");
}

#[test]
fn who_asks_it_to_stop_gets_no_snapshot() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/slow", vec![1; 4 << 20]);
    let (told, is_told) = std::sync::mpsc::channel::<()>();
    let is_told = std::sync::Mutex::new(is_told);
    // A file that is not opened before somebody has asked to stop.
    world.capturer.before_open = Some(std::sync::Arc::new(move |path| {
        if path.ends_with("slow") {
            let _ = is_told.lock().unwrap().recv();
        }
        Ok(())
    }));
    let told = std::sync::Mutex::new(Some(told));
    let calls = AtomicUsize::new(0);
    let error = world
        .capturer
        .capture(&world.store, &world.subject("r"), &world.options, &|reading| {
            if calls.fetch_add(1, Relaxed) == 0 {
                // Only how much there is; nothing is being read yet.
                return reading.bytes == 0;
            }
            told.lock().unwrap().take();
            false
        })
        .unwrap_err();
    assert!(matches!(error, CaptureError::Stopped), "{error}");
    world.capturer.before_open = None;
    world.complete("r");
}
