//! What changes while a snapshot is taken, and what can't be read.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::world::{World, git};
use crate::probe::store::{SnapshotStatus, Store as _};

/// Does something before `path` is opened, so many times.
fn before(world: &mut World, path: PathBuf, times: usize, act: impl Fn(&Path) + Send + Sync + 'static) {
    let count = AtomicUsize::new(0);
    world.capturer.before_open = Some(Arc::new(move |opened| {
        if opened == path && count.fetch_add(1, Relaxed) < times {
            act(opened);
        }
        Ok(())
    }));
}

fn grow(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().write_all(b"more\n").unwrap();
}

#[test]
fn a_file_that_grows_is_tried_again() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/log", "begin\n");
    let log = world.at("r/log");
    before(&mut world, log.clone(), 2, grow);
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    // Without an end to it the snapshot is torn, and as long as it says.
    world.write("r/log", "begin\n");
    before(&mut world, log.clone(), usize::MAX, grow);
    let snapshot = world.capture("r").snapshot;
    assert_eq!(snapshot.draft.status, SnapshotStatus::Torn);
    assert_eq!(snapshot.draft.reasons.len(), 1);
    assert!(snapshot.draft.reasons[0].starts_with(log.to_str().unwrap()), "{:?}", snapshot.draft.reasons);
    // Reading what it says checks lengths against the stored sizes.
    assert!(world.stored(&snapshot, &world.at("r")).contains_key(&log));
    // And once it holds still the next is complete.
    world.capturer.before_open = None;
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    assert_eq!(world.store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn a_file_that_shrinks_is_stored_as_long_as_it_was() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/file", vec![b'x'; 100_000]);
    let file = world.at("r/file");
    before(&mut world, file.clone(), usize::MAX, |path| {
        let length = fs::metadata(path).unwrap().len();
        fs::File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
    });
    let snapshot = world.capture("r").snapshot;
    assert_eq!(snapshot.draft.status, SnapshotStatus::Torn);
    assert!(world.stored(&snapshot, &world.at("r")).contains_key(&file));
}

#[test]
fn what_goes_or_is_replaced_meanwhile_is_tried_again() {
    for replace in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
        |path: &Path| {
            // Whoever opened this would wait for its other end.
            fs::remove_file(path).unwrap();
            mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        },
        |path: &Path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("a.txt", path).unwrap();
        },
    ] {
        let mut world = World::new();
        world.repo("r");
        world.write("r/file", "content");
        let file = world.at("r/file");
        before(&mut world, file, 1, replace);
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
    }
}

#[test]
fn a_commit_meanwhile_makes_it_look_again() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/file", "content");
    let (file, repo) = (world.at("r/file"), world.at("r"));
    before(&mut world, file, 1, move |_| {
        let head = repo.join(".git/refs/heads");
        let branch = fs::read_dir(&head).unwrap().next().unwrap().unwrap().path();
        fs::copy(branch, head.join("other")).unwrap();
    });
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
}

#[test]
fn what_has_been_read_of_a_large_repository_is_not_read_again() {
    let mut world = World::new();
    world.repo("r");
    // Not to be compressed away.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    });
    world.write("r/large", noise.take(12 << 20).collect::<Vec<u8>>());
    world.write("r/log", "begin\n");
    world.still("r");
    let (large, log) = (world.at("r/large"), world.at("r/log"));
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, grown) = (Arc::clone(&opened), AtomicBool::new(false));
    world.capturer.before_open = Some(Arc::new(move |path| {
        if path == large {
            count.fetch_add(1, Relaxed);
        } else if path == log && !grown.swap(true, Relaxed) {
            grow(path);
        }
        Ok(())
    }));
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    assert_eq!(opened.load(Relaxed), 1);
    // The torn one between is not there any more.
    assert_eq!(world.store.snapshots().unwrap(), [snapshot]);
}

#[test]
fn what_cannot_be_read_makes_it_partial_and_is_named() {
    let mut world = World::new();
    world.repo("r");
    for number in 0..30 {
        world.write(format!("r/secret{number:02}"), "x");
    }
    world.capturer.before_open = Some(Arc::new(|path| {
        let is_secret = path.file_name().unwrap().to_str().unwrap().starts_with("secret");
        if is_secret { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }));
    let snapshot = world.capture("r").snapshot;
    assert_eq!(snapshot.draft.status, SnapshotStatus::Partial);
    assert_eq!(snapshot.draft.reasons.len(), 21);
    assert!(snapshot.draft.reasons[0].contains("/r/secret00: cannot be read"));
    assert_eq!(snapshot.draft.reasons[20], "and 10 more");
    let stored = world.stored(&snapshot, &world.at("r"));
    assert!(stored.contains_key(&world.at("r/a.txt")) && !stored.contains_key(&world.at("r/secret00")));
    // As soon as it can be read it is there.
    world.capturer.before_open = None;
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
}

#[test]
fn an_object_that_could_not_be_read_is_there_as_soon_as_it_can() {
    let mut world = World::new();
    world.repo("r");
    world.still("r");
    let objects = world.at("r/.git/objects");
    world.capturer.before_open = Some(Arc::new(move |path| {
        if path.starts_with(&objects) { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }));
    assert_eq!(world.capture("r").snapshot.draft.status, SnapshotStatus::Partial);
    world.capturer.before_open = None;
    // Nothing has changed of the directories that they are in.
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
}

#[test]
fn a_lock_that_was_left_behind_stops_nobody() {
    let world = World::new();
    world.repo("r");
    world.write("r/.git/index.lock", "left behind");
    world.write("r/.git/HEAD.lock", "left behind");
    world.complete("r");
}

#[test]
fn what_stays_in_a_directory_that_changes_while_it_is_listed_is_captured() {
    const STAYING: usize = 400;
    let world = World::new();
    world.repo("r");
    for number in 0..STAYING {
        world.write(format!("r/busy/{number}"), "");
    }
    let (listed_again, stop) = (world.at("r/busy/coming and going"), AtomicBool::new(false));
    let snapshots: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                fs::write(&listed_again, "").unwrap();
                fs::remove_file(&listed_again).unwrap();
            }
        });
        let snapshots = (0..12).map(|_| world.capture("r").snapshot).collect();
        stop.store(true, Relaxed);
        snapshots
    });
    for snapshot in snapshots {
        let mut stored = world.stored(&snapshot, &world.at("r/busy"));
        stored.remove(&listed_again);
        assert_eq!(stored.len(), STAYING, "{:?}", snapshot.draft);
    }
}

#[test]
fn a_work_tree_that_moves_meanwhile_is_in_every_complete_snapshot() {
    let mut world = World::new();
    world.repo("r");
    world.git("r", &["worktree", "add", "-q", "../one"]);
    let (repo, mut places) = (world.at("r"), ["../one", "../other"]);
    for _ in 0..20 {
        // What is remembered shortens the moment that matters.
        world.restart();
        let captured = thread::scope(|scope| {
            let captured = scope.spawn(|| world.try_capture("r"));
            let moved = git(&repo).args(["worktree", "move"]).args(places).output().unwrap();
            assert!(moved.status.success(), "{moved:?}");
            captured.join().unwrap()
        });
        places.reverse();
        let snapshot = captured.unwrap().snapshot;
        assert_eq!(snapshot.draft.status, SnapshotStatus::Complete, "{:?}", snapshot.draft.reasons);
        let files = ["one", "other"].map(|tree| world.stored(&snapshot, &world.at(tree)).len());
        assert_eq!(files.iter().sum::<usize>(), 2, "{files:?} {:?}", snapshot.draft);
        assert_eq!(snapshot.draft.roots.len(), 2, "{:?}", snapshot.draft);
    }
}

/// Runs git again and again while snapshots are taken; each that says it is
/// complete has all that its refs and its index need.
fn while_git_works(work: impl Fn(&World, usize) + Sync) {
    let world = World::new();
    world.repo("r");
    let stop = AtomicBool::new(false);
    let snapshots: Vec<_> = thread::scope(|scope| {
        let working = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Relaxed) {
                work(&world, number);
                number += 1;
            }
            number
        });
        let snapshots = (0..12).map(|_| world.capture("r").snapshot).collect();
        stop.store(true, Relaxed);
        assert!(working.join().unwrap() > 0);
        snapshots
    });
    let last = world.capture("r").snapshot;
    assert_eq!(last.draft.status, SnapshotStatus::Complete, "{:?}", last.draft.reasons);
    let mut complete = 0;
    for snapshot in snapshots.iter().chain([&last]) {
        if snapshot.draft.status != SnapshotStatus::Complete {
            assert!(!snapshot.draft.reasons.is_empty());
            continue;
        }
        complete += 1;
        let copy = world.restore(snapshot, "r");
        let fsck = world.git(copy.path(), &["fsck", "--strict", "--no-dangling"]);
        assert!(!fsck.contains("missing") && !fsck.contains("broken"), "{fsck}");
        world.git(copy.path(), &["status", "--porcelain"]);
        let head = world.git(copy.path(), &["rev-parse", "HEAD"]);
        assert_eq!(snapshot.draft.head.as_deref(), Some(head.trim()));
    }
    assert!(complete > 0);
}

#[test]
fn commits_meanwhile_leave_no_complete_snapshot_that_is_not_whole() {
    while_git_works(|world, number| {
        world.write(format!("r/file{}", number % 7), format!("{number}"));
        world.git("r", &["add", "."]);
        world.git("r", &["commit", "-q", "-m", "more"]);
    });
}

#[test]
fn repacking_meanwhile_leaves_no_complete_snapshot_that_is_not_whole() {
    while_git_works(|world, number| {
        world.write("r/file", format!("{number}"));
        world.git("r", &["commit", "-q", "-a", "--allow-empty", "-m", "more"]);
        if number % 3 == 0 {
            world.git("r", &["repack", "-a", "-d", "-q", "--write-midx"]);
            world.git("r", &["commit-graph", "write", "--reachable"]);
            world.git("r", &["pack-refs", "--all", "--prune"]);
        }
    });
}
