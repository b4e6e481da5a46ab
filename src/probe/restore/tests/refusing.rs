//! What is refused, or fails, changes nothing.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    World, assert_same, picture,
    world::{back, chmod, try_git},
};
use crate::{
    git::Git,
    probe::{
        restore::{Difference, Mismatch, RestoreError, Target, restore, verify},
        store::{NodeKind, Store},
    },
};

/// What is to be named, what makes it so, and what mends it.
type Dirt<'a> = (&'a str, &'a dyn Fn(), &'a dyn Fn());

#[test]
fn work_that_is_nowhere_else_is_not_replaced() {
    let world = World::new();
    world.repo("app");
    world.git("app", &["checkout", "-q", "-b", "side", "HEAD~1"]);
    world.write("app/a.txt", "the other side\n");
    world.git("app", &["commit", "-q", "-a", "-m", "side"]);
    world.git("app", &["worktree", "add", "-q", "../linked", "-b", "linked"]);
    world.repo("module");
    world.git("app", &["submodule", "add", "-q", "../module", "sub"]);
    world.git("app", &["commit", "-q", "-m", "sub"]);
    let snapshot = world.snapshot(&["app", "linked"]);
    let app = world.path("app");
    let cases: &[Dirt<'_>] = &[
        ("a.txt", &|| world.write("app/a.txt", "changed\n"), &|| {
            let _ = world.git("app", &["checkout", "a.txt"]);
        }),
        (
            "staged.txt",
            &|| {
                world.write("app/staged.txt", "staged\n");
                world.git("app", &["add", "staged.txt"]);
            },
            &|| _ = world.git("app", &["rm", "-q", "-f", "staged.txt"]),
        ),
        ("new/", &|| world.write("app/new/file", "new\n"), &|| fs::remove_dir_all(app.join("new")).unwrap()),
        ("a merge is in progress", &|| assert!(!try_git(&app, &["merge", "main"]).status.success()), &|| {
            let _ = world.git("app", &["merge", "--abort"]);
        }),
        ("a bisection is in progress", &|| _ = world.git("app", &["bisect", "start"]), &|| {
            let _ = world.git("app", &["bisect", "reset"]);
        }),
        ("index.lock", &|| world.write("app/.git/index.lock", ""), &|| {
            fs::remove_file(app.join(".git/index.lock")).unwrap();
        }),
        (
            "in sub has changes that are not committed: b.txt",
            &|| world.write("app/sub/b.txt", "changed\n"),
            &|| fs::remove_file(app.join("sub/b.txt")).unwrap(),
        ),
        ("linked would be replaced", &|| world.write("linked/a.txt", "changed\n"), &|| {
            let _ = world.git("linked", &["checkout", "a.txt"]);
        }),
    ];
    for (named, make, mend) in cases {
        make();
        let before = picture(&world.path(""));
        let refused = world.run(&back(&world, &snapshot, None)).unwrap_err();
        assert!(matches!(refused, RestoreError::Dirty { .. }), "{refused:?}");
        for word in [named, "--force", "--to"] {
            assert!(refused.to_string().contains(word), "{refused}");
        }
        assert_same(&picture(&world.path("")), &before);
        mend();
    }
    world.run(&back(&world, &snapshot, None)).unwrap();
}

/// A repository's own filters are programs that its author chose.
#[test]
fn nothing_that_a_repository_names_is_run() {
    let world = World::new();
    world.repo("app");
    let ran = world.path("ran");
    world.git("app", &["config", "filter.evil.clean", &format!("touch {}; cat", ran.display())]);
    world.git("app", &["config", "filter.evil.required", "true"]);
    world.write("app/.git/info/attributes", "* filter=evil\n");
    let snapshot = world.snapshot(&["app"]);
    world.write("app/a.txt", "two\nand more\n");
    let refused = world.run(&back(&world, &snapshot, None));
    assert!(matches!(refused, Err(RestoreError::Dirty { .. })), "{refused:?}");
    assert!(!ran.exists());
}

#[test]
fn some_targets_are_never_taken() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    fs::create_dir(world.path("full")).unwrap();
    world.write("full/file", "something\n");
    symlink(world.path("app"), world.path("link")).unwrap();
    let before = picture(&world.path(""));
    let original = |path: &str| Target::Original { main: world.path(path) };
    let directory = |path: &str| Target::Directory(world.path(path));
    let cases = [
        (original("link"), "a symbolic link"),
        (original("full/file"), "not a directory"),
        (original("app/.git/here"), "is a git directory"),
        (directory("app/.git/objects/here"), "is a git directory"),
        (directory("full"), "not an empty directory"),
        (directory("link"), "not an empty directory"),
        (directory("full/file"), "not an empty directory"),
        (Target::Directory("relative".into()), "no absolute path"),
        (Target::Directory(world.path("x/../y")), "no absolute path"),
        (Target::Directory("/".into()), "no absolute path"),
    ];
    for (target, why) in cases {
        let mut order = back(&world, &snapshot, None);
        order.target = target.clone();
        order.force = true;
        let refused = world.run(&order).unwrap_err();
        assert!(matches!(refused, RestoreError::Target { .. }), "{target:?}: {refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
        assert_same(&picture(&world.path("")), &before);
    }
    // Something that is no repository goes by force alone, and is kept.
    let mut order = back(&world, &snapshot, None);
    order.target = original("full");
    let refused = world.run(&order).unwrap_err();
    assert!(refused.to_string().contains("not a git repository"), "{refused}");
    order.force = true;
    let restored = world.run(&order).unwrap();
    assert!(restored.kept[0].join("file").is_file());
    assert!(world.path("full/.git/HEAD").is_file());
}

#[test]
fn whoever_stops_it_finds_everything_as_it_was() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    world.git("app", &["commit", "-q", "--allow-empty", "-m", "later"]);
    let before = picture(&world.path(""));
    fs::create_dir_all(world.state()).unwrap();
    let calls = AtomicU64::new(0);
    let mut stopped = 0;
    for after in 0.. {
        calls.store(0, Ordering::Relaxed);
        let progress = |_, _| calls.fetch_add(1, Ordering::Relaxed) < after;
        let order = back(&world, &snapshot, None);
        match restore(&world.store, &Git::default(), &world.state(), &order, &progress) {
            Err(RestoreError::Interrupted) => stopped += 1,
            Ok(_) => break,
            other => panic!("{other:?}"),
        }
        assert_same(&picture(&world.path("")), &before);
        world.assert_no_journal();
    }
    assert!(stopped > 3, "{stopped}");
}

#[test]
fn a_second_restore_at_the_same_time_is_refused() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    let order = back(&world, &snapshot, None);
    let calls = AtomicU64::new(0);
    let progress = |_, _| {
        if calls.fetch_add(1, Ordering::Relaxed) > 0 {
            return true;
        }
        let second = restore(&world.store, &Git::default(), &world.state(), &order, &|_, _| true);
        assert!(matches!(second, Err(RestoreError::Busy)), "{second:?}");
        true
    };
    fs::create_dir_all(world.state()).unwrap();
    restore(&world.store, &Git::default(), &world.state(), &order, &progress).unwrap();
}

#[test]
fn a_full_disk_changes_nothing() {
    // A file system of its own takes root.
    let world = World::new();
    world.repo("app");
    let noise: Vec<u8> =
        (0..4_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(world.path("app/large"), &noise).unwrap();
    let snapshot = world.snapshot(&["app"]);
    let small = world.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(&small)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: no file system can be mounted here");
        return;
    }
    let mut order = back(&world, &snapshot, None);
    order.target = Target::Directory(small.join("copy"));
    let result = world.run(&order);
    let left: Vec<_> = fs::read_dir(&small).unwrap().map(|entry| entry.unwrap().path()).collect();
    order.target = Target::Original { main: small.clone() };
    order.force = true;
    let onto = world.run(&order);
    std::process::Command::new("umount").arg(&small).output().unwrap();
    assert!(matches!(result, Err(RestoreError::Full { .. })), "{result:?}");
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    assert!(onto.unwrap_err().to_string().contains("mounted there"));
}

#[test]
fn every_difference_is_found() {
    let world = World::new();
    world.repo("app");
    for name in ["mode", "content", "time", "missing", "kind", "shorter", "longer"] {
        world.write(&format!("app/{name}"), "0123456789\n");
    }
    world.write("app/dir/file", "file\n");
    symlink("here", world.path("app/link")).unwrap();
    let snapshot = world.snapshot(&["app"]);
    let found = crate::probe::restore::content::find(&world.store, &snapshot.tree, &world.path("app"));
    let NodeKind::Directory(tree) = found.unwrap().unwrap().kind else { panic!("a directory") };
    let differences = || verify(&world.store, &tree, &world.path("app"), &|_, _| true).unwrap();
    assert_eq!(differences(), []);

    let at = |name: &str| world.path("app").join(name);
    let time = |name: &str| fs::metadata(at(name)).unwrap().modified().unwrap();
    let with_time = |name: &str, text: &str| {
        let time = time(name);
        fs::write(at(name), text).unwrap();
        fs::File::options().write(true).open(at(name)).unwrap().set_modified(time).unwrap();
    };
    chmod(&at("mode"), 0o600);
    with_time("content", "0123456780\n");
    with_time("shorter", "0123\n");
    with_time("longer", "0123456789\nmore");
    let later = time("time") + std::time::Duration::from_nanos(1);
    fs::File::options().write(true).open(at("time")).unwrap().set_modified(later).unwrap();
    fs::remove_file(at("missing")).unwrap();
    fs::remove_file(at("kind")).unwrap();
    fs::create_dir(at("kind")).unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink("there", at("link")).unwrap();
    world.write("app/dir/extra/deep", "");
    let mode = fs::symlink_metadata(at("time")).unwrap();
    let wanted = std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o7777;
    let told: Vec<(String, Mismatch)> = differences()
        .into_iter()
        .map(|Difference { path, what }| (path.display().to_string(), what))
        .collect();
    let expected = [
        ("content", Mismatch::Content),
        ("dir/extra", Mismatch::Extra),
        ("kind", Mismatch::Kind),
        ("link", Mismatch::Target),
        ("longer", Mismatch::Content),
        ("missing", Mismatch::Missing),
        ("mode", Mismatch::Mode { wanted, found: 0o600 }),
        ("shorter", Mismatch::Content),
        ("time", Mismatch::Time),
    ];
    assert_eq!(told, expected.map(|(path, what)| (path.to_owned(), what)));
    let stopped = verify(&world.store, &tree, &world.path("app"), &|_, _| false);
    assert!(matches!(stopped, Err(crate::probe::store::StoreError::Stopped)), "{stopped:?}");
    assert!(!Path::new(&world.path("app")).join("missing").exists());
    world.store.settle().unwrap();
}
