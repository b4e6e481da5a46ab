//! What a preview tells is what a restore then does, and it does nothing itself.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    World, assert_same, picture,
    world::{back, chmod},
};
use crate::{
    git::Git,
    probe::restore::{Mismatch, Order, Previewed, RestoreError, preview},
};

fn told(world: &World, order: &Order<'_>) -> Vec<Previewed> {
    let before = picture(&world.root);
    let told = preview(&world.store, &Git::default(), order, &|_, _| true).unwrap();
    assert_same(&picture(&world.root), &before);
    told
}

/// Paths that a restore really changes, less what is git's own, times, and what it
/// keeps beside because no snapshot has it.
fn done(world: &World, order: &Order<'_>) -> BTreeSet<PathBuf> {
    let before = picture(&world.path("app"));
    world.run(order).unwrap();
    let now = picture(&world.path("app"));
    let of = |picture: &super::world::Picture, path: &Path| {
        picture.get(path).map(|(mode, bytes, _)| (*mode, bytes.clone()))
    };
    let paths: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let is_other = |path: &Path| {
        path.components().any(|it| it.as_os_str() == ".git") || path.to_string_lossy().contains(".kpmo-kept-")
    };
    let changed = paths.into_iter().filter(|path| !is_other(path) && of(&before, path) != of(&now, path));
    changed.cloned().collect()
}

fn is_all(told: &[Previewed], done: &BTreeSet<PathBuf>) {
    let told: BTreeSet<&PathBuf> = told.iter().map(|it| &it.path).collect();
    assert!(told.iter().all(|path| done.contains(*path)), "told {told:?}, done {done:?}");
    let is_told = |path: &PathBuf| told.iter().any(|told| path.starts_with(told));
    assert!(done.iter().all(is_told), "told {told:?}, done {done:?}");
}

#[test]
fn a_preview_tells_what_a_restore_does() {
    let world = World::new();
    world.repo("app");
    world.repo("app/inner");
    world.write("app/both", "one\n");
    world.write("app/mode", "one\n");
    world.write("app/deep/er/x", "x\n");
    world.write("app/deep/er/y", "y\n");
    world.write("app/kind", "a file\n");
    symlink("a.txt", world.path("app/link")).unwrap();
    let snapshot = world.snapshot(&["app"]);

    world.write("app/both", "two\n");
    chmod(&world.path("app/both"), 0o755);
    chmod(&world.path("app/mode"), 0o755);
    world.write("app/touched", "in neither\n");
    fs::remove_dir_all(world.path("app/deep")).unwrap();
    fs::remove_file(world.path("app/kind")).unwrap();
    fs::create_dir(world.path("app/kind")).unwrap();
    fs::remove_file(world.path("app/link")).unwrap();
    symlink("elsewhere", world.path("app/link")).unwrap();
    world.write("app/target/built", "ignored\n");
    world.write("app/src/made.o", "ignored\n");
    world.write("app/inner/target/built", "ignored by another repository\n");
    world.write("app/inner/new", "new\n");
    let mut order = back(&world, &snapshot, None);
    let refused = preview(&world.store, &Git::default(), &order, &|_, _| true).unwrap_err();
    assert!(matches!(refused, RestoreError::Dirty { .. }), "{refused}");

    order.force = true;
    let told = told(&world, &order);
    let what = |path: &str| told.iter().find(|it| it.path == Path::new(path)).map(|it| &it.what);
    assert_eq!(what("both"), Some(&Mismatch::Content));
    assert!(matches!(what("mode"), Some(Mismatch::Mode { .. })));
    assert_eq!(what("deep"), Some(&Mismatch::Missing));
    assert_eq!(what("kind"), Some(&Mismatch::Kind));
    assert_eq!(what("link"), Some(&Mismatch::Target));
    assert_eq!(what("inner/new"), Some(&Mismatch::Extra));
    let sides = |path: &str| {
        let it = told.iter().find(|it| it.path == Path::new(path)).unwrap();
        [it.old, it.new].map(|side| side.map(|side| (side.mode >> 12, side.size)))
    };
    assert_eq!(sides("both"), [Some((0o10, 4)), Some((0o10, 4))]);
    assert_eq!(sides("kind"), [Some((0o4, 0)), Some((0o10, 7))]);
    assert_eq!(sides("inner/new"), [Some((0o10, 4)), None]);
    assert_eq!(sides("deep").map(|side| side.is_some()), [false, true]);
    is_all(&told, &done(&world, &order));
    assert_eq!(self::told(&world, &order), []);
}

#[test]
fn a_preview_of_paths_tells_of_these_alone() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    world.write("app/a.txt", "changed\n");
    world.write("app/src/b.txt", "changed\n");
    world.write("app/src/new", "new\n");
    world.write("app/src/x.o", "ignored\n");
    let mut order = back(&world, &snapshot, None);
    (order.paths, order.force) = (vec!["src".into()], true);
    let told = told(&world, &order);
    let paths: Vec<&Path> = told.iter().map(|it| it.path.as_path()).collect();
    assert_eq!(paths, [Path::new("src/b.txt"), Path::new("src/new")]);
    is_all(&told, &done(&world, &order));
}

#[test]
fn of_what_is_gone_a_preview_tells_what_comes_back() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    fs::remove_dir_all(world.path("app")).unwrap();
    let told = told(&world, &back(&world, &snapshot, None));
    let paths: Vec<&Path> = told.iter().map(|it| it.path.as_path()).collect();
    assert_eq!(paths, [".gitignore", "a.txt", "src"].map(Path::new));
}
