//! Single paths, to where they were.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::{
    World, assert_same, picture,
    world::{back, chmod},
};
use crate::probe::restore::{Order, RestoreError};

fn order<'a>(world: &World, snapshot: &'a crate::probe::store::Snapshot, paths: &[&str]) -> Order<'a> {
    let mut order = back(world, snapshot, None);
    order.paths = paths.iter().map(PathBuf::from).collect();
    order
}

#[test]
fn a_file_a_directory_and_a_link_come_back_and_nothing_else_changes() {
    let world = World::new();
    world.repo("app");
    world.write("app/src/deep/er/c.txt", "three\n");
    chmod(&world.path("app/src/deep"), 0o750);
    symlink("a.txt", world.path("app/link")).unwrap();
    world.git("app", &["add", "."]);
    world.git("app", &["commit", "-q", "-m", "third"]);
    let snapshot = world.snapshot(&["app"]);
    let before = picture(&world.path("app"));
    world.git("app", &["rm", "-q", "-r", "src", "link"]);
    world.write("app/a.txt", "changed\n");
    world.git("app", &["commit", "-q", "-a", "-m", "fourth"]);
    let fourth = picture(&world.path("app"));

    let restored = world.run(&order(&world, &snapshot, &["src/deep/er/c.txt", "link"])).unwrap();
    assert_eq!(restored.files, 2);
    let now = picture(&world.path("app"));
    for path in ["src/deep", "src/deep/er", "src/deep/er/c.txt", "link"].map(PathBuf::from) {
        assert_eq!(now[&path], before[&path], "{path:?}");
    }
    let untouched = |path: &PathBuf| !path.starts_with("src") && !path.starts_with("link");
    assert!(now.iter().filter(|(path, _)| untouched(path)).eq(fourth.iter()));

    // Replaced, what git ignores comes over.
    world.git("app", &["add", "-A"]);
    world.git("app", &["commit", "-q", "-m", "fifth"]);
    world.write("app/src/d.txt", "four\n");
    world.git("app", &["add", "-A"]);
    world.git("app", &["commit", "-q", "-m", "sixth"]);
    world.write("app/src/target/x", "built\n");
    let present = world.snapshot(&["app"]);
    let mut order = order(&world, &snapshot, &["src", "a.txt", "src/b.txt"]);
    order.present = Some(&present);
    let restored = world.run(&order).unwrap();
    assert_eq!(restored.roots, [world.path("app/a.txt"), world.path("app/src")]);
    assert_eq!(restored.kept, Vec::<PathBuf>::new());
    assert_eq!(world.names("app/src"), ["b.txt", "deep", "target"]);
    assert_eq!(fs::read_to_string(world.path("app/a.txt")).unwrap(), "one\nand more\n");
    assert_eq!(world.names("app"), [".git", ".gitignore", "a.txt", "link", "src"]);

    // What is there already stays.
    order.paths.remove(0);
    assert_eq!(world.run(&order).unwrap().roots, Vec::<PathBuf>::new());
}

#[test]
fn changed_paths_are_replaced_by_force_alone() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    world.write("app/a.txt", "work\n");
    world.write("app/src/new.txt", "work\n");
    let before = picture(&world.path("app"));
    for (path, named) in [("a.txt", "a.txt"), ("src", "src/new.txt")] {
        match world.run(&order(&world, &snapshot, &[path])) {
            Err(RestoreError::Dirty { path: at, reasons }) => {
                assert_eq!(at, world.path("app").join(path));
                assert!(reasons[0].contains(named), "{reasons:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_same(&picture(&world.path("app")), &before);
    // What else has changed is in nobody's way.
    world.git("app", &["checkout", "-q", "--", "a.txt"]);
    world.git("app", &["rm", "-q", "a.txt"]);
    world.git("app", &["commit", "-q", "-m", "gone"]);
    world.run(&order(&world, &snapshot, &["a.txt"])).unwrap();

    world.write("app/a.txt", "work\n");
    let present = world.snapshot(&["app"]);
    let mut forced = order(&world, &snapshot, &["a.txt", "src"]);
    forced.force = true;
    forced.present = Some(&present);
    let restored = world.run(&forced).unwrap();
    assert_eq!(restored.kept, Vec::<PathBuf>::new());
    assert_eq!(world.names("app/src"), ["b.txt"]);

    // Ignored, and in no snapshot: kept.
    world.write("app/.gitignore", "a.txt\n");
    world.git("app", &["commit", "-q", "-a", "-m", "ignored"]);
    world.write("app/a.txt", "nobody has this\n");
    let present = world.snapshot(&["app"]);
    let mut order = order(&world, &snapshot, &["a.txt"]);
    order.present = Some(&present);
    let restored = world.run(&order).unwrap();
    let [kept] = &*restored.kept else { panic!("{restored:?}") };
    assert_eq!(fs::read_to_string(kept).unwrap(), "nobody has this\n");
}

#[test]
fn what_the_snapshot_has_not_is_told_with_what_it_has() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    for (asked, nearest) in
        [("src/B.text", Some("src/b.txt")), ("scr", Some("src")), ("src/zzz", Some("src")), ("qqqq", None)]
    {
        match world.run(&order(&world, &snapshot, &[asked])) {
            Err(RestoreError::NoPath { path, nearest: found }) => {
                assert_eq!((path, found), (asked.into(), nearest.map(PathBuf::from)));
            }
            other => panic!("{other:?}"),
        }
    }
    for refused in [".git/config", "src/.git", "../other", "/etc/passwd", ".", ""] {
        let result = world.run(&order(&world, &snapshot, &[refused]));
        assert!(matches!(result, Err(RestoreError::Target { .. })), "{refused}: {result:?}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    fs::rename(world.path("app/src"), world.path("outside")).unwrap();
    symlink(world.path("outside"), world.path("app/src")).unwrap();
    world.write("outside/b.txt", "outside\n");
    let mut order = order(&world, &snapshot, &["src/b.txt"]);
    order.force = true;
    let refused = world.run(&order).unwrap_err();
    assert!(refused.to_string().contains("app/src is not a directory now"), "{refused}");
    assert_eq!(fs::read_to_string(world.path("outside/b.txt")).unwrap(), "outside\n");
    // The link itself can be replaced.
    order.paths = vec!["src".into()];
    world.run(&order).unwrap();
    assert!(world.path("app/src").symlink_metadata().unwrap().is_dir());
    assert_eq!(fs::read_to_string(world.path("outside/b.txt")).unwrap(), "outside\n");
}
