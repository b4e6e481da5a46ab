//! Into another directory.

use std::fs;

use super::{
    World, assert_same, picture,
    world::{back, picture_without},
};
use crate::probe::{restore::Target, store::Snapshot};

fn copy<'a>(world: &World, snapshot: &'a Snapshot) -> crate::probe::restore::Order<'a> {
    let mut order = back(world, snapshot, None);
    order.target = Target::Directory(world.path("copy"));
    order
}

#[test]
fn nothing_done_in_a_copy_touches_the_original() {
    let world = World::new();
    world.repo("app");
    world.write("app/.gitignore", "target/\n*.o\n.worktrees/\n");
    world.git("app", &["commit", "-q", "-a", "-m", "ignore"]);
    world.git("app", &["worktree", "add", "-q", "../elsewhere", "-b", "one"]);
    world.git("app", &["worktree", "add", "-q", ".worktrees/two", "-b", "two"]);
    world.git("app", &["worktree", "add", "-q", "../not-captured", "-b", "three"]);
    let snapshot = world.snapshot(&["app", "elsewhere", "app/.worktrees/two"]);
    let pictures = || ["app", "elsewhere", "not-captured"].map(|root| picture(&world.path(root)));
    let before = pictures();
    fs::create_dir(world.path("copy")).unwrap();

    let restored = world.run(&copy(&world, &snapshot)).unwrap();
    assert_eq!(restored.roots, [world.path("copy"), world.path("copy-worktrees")]);
    assert_eq!(world.names(""), ["app", "copy", "copy-worktrees", "elsewhere", "not-captured"]);
    let copies = ["copy", "copy-worktrees/elsewhere", "copy/.worktrees/two"];
    for copy in copies {
        assert_eq!(world.status(copy).lines().filter(|line| !line.starts_with('#')).count(), 0, "{copy}");
        world.git(copy, &["commit", "-q", "--allow-empty", "-m", "in the copy"]);
        let top = world.git(copy, &["rev-parse", "--path-format=absolute", "--git-common-dir"]);
        assert_eq!(top.trim_end(), world.path("copy/.git").to_str().unwrap());
    }
    world.git("copy", &["worktree", "repair"]);
    world.git("copy", &["worktree", "prune"]);
    world.fsck("copy");
    for (now, before) in pictures().iter().zip(&before) {
        assert_same(now, before);
    }
    assert_eq!(world.git("app", &["log", "--all", "--grep=in the copy", "--oneline"]), "");
}

#[test]
fn a_copy_borrows_nothing() {
    let world = World::new();
    world.repo("lender");
    world.git("", &["clone", "-q", "--shared", "lender", "between"]);
    world.write("between/c.txt", "three\n");
    world.git("between", &["add", "."]);
    world.git("between", &["commit", "-q", "-m", "third"]);
    world.git("", &["clone", "-q", "--shared", "between", "app"]);
    world.git("lender", &["repack", "-q", "-a", "-d"]);
    let snapshot = world.snapshot(&["app", "between/.git/objects", "lender/.git/objects"]);
    world.run(&copy(&world, &snapshot)).unwrap();
    for gone in ["app", "between", "lender"] {
        fs::remove_dir_all(world.path(gone)).unwrap();
    }
    assert!(!world.path("copy/.git/objects/info/alternates").exists());
    assert!(!world.path("copy/.git/objects/kpmo-borrowed").exists());
    assert_eq!(world.git("copy", &["log", "--oneline"]).lines().count(), 3);
    world.fsck("copy");
}

#[test]
fn a_git_directory_from_elsewhere_becomes_the_copy_s_own() {
    let world = World::new();
    world.repo("module");
    world.repo("app");
    world.git("app", &["submodule", "add", "-q", "../module", "sub"]);
    world.git("app", &["commit", "-q", "-m", "sub"]);
    world.write("app/sub/a.txt", "changed\n");
    let status = world.status("app/sub");
    // The submodule alone.
    let snapshot = world.snapshot(&["app/sub", "app/.git/modules/sub"]);
    let before = picture(&world.path("app"));
    world.run(&copy(&world, &snapshot)).unwrap();
    assert_eq!(world.status("copy"), status);
    world.fsck("copy");
    world.git("copy", &["commit", "-q", "-a", "-m", "in the copy"]);
    let top = world.git("copy", &["rev-parse", "--show-toplevel", "--absolute-git-dir"]);
    let own = [world.path("copy"), world.path("copy/.git")].map(|path| path.display().to_string());
    assert_eq!(top.lines().collect::<Vec<_>>(), own);
    assert_same(&picture(&world.path("app")), &before);

    // With the repository that it is in.
    fs::remove_dir_all(world.path("copy")).unwrap();
    let snapshot = world.snapshot(&["app"]);
    world.run(&copy(&world, &snapshot)).unwrap();
    assert_same(&picture(&world.path("copy")), &before);
    assert_eq!(world.status("copy/sub"), status);

    // And to where it was, after its superproject has lost it.
    fs::remove_dir_all(world.path("app")).unwrap();
    world.run(&back(&world, &snapshot, None)).unwrap();
    assert_same(&picture(&world.path("app")), &before);
}

#[test]
fn single_paths_are_put_below_the_directory() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    let mut order = copy(&world, &snapshot);
    order.paths = vec!["src/b.txt".into(), "./a.txt".into()];
    let restored = world.run(&order).unwrap();
    assert_eq!((restored.files, restored.roots), (2, vec![world.path("copy")]));
    let wanted = picture_without(&world.path("app"), &[".git", ".gitignore"]);
    assert_same(&picture(&world.path("copy")), &wanted);
}
