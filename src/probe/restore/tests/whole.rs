//! A whole repository, to where it was.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use super::{
    World, assert_same, picture,
    world::{back, chmod, picture_without},
};
use crate::probe::{restore::Target, store::SnapshotStatus};

/// Staged, unstaged, untracked and stashed work, links, modes, empty
/// directories, and an unfinished merge.
fn work(world: &World, name: &str) {
    let at = |path: &str| world.path(name).join(path);
    world.write(&format!("{name}/a.txt"), "stashed\n");
    world.git(name, &["stash", "-q"]);
    world.git(name, &["checkout", "-q", "-b", "side", "HEAD~1"]);
    world.write(&format!("{name}/a.txt"), "the other side\n");
    world.git(name, &["commit", "-q", "-a", "-m", "side"]);
    world.git(name, &["tag", "-a", "-m", "a tag", "v1"]);
    let merged = super::world::try_git(&world.path(name), &["merge", "main"]);
    assert!(!merged.status.success(), "it is to conflict");
    world.write(&format!("{name}/staged.txt"), "staged\n");
    world.git(name, &["add", "staged.txt"]);
    world.write(&format!("{name}/staged.txt"), "and changed\n");
    world.write(&format!("{name}/untracked/ü\t.txt"), "untracked\n");
    world.write(&format!("{name}/script"), "#!/bin/sh\n");
    chmod(&at("script"), 0o4750);
    fs::create_dir_all(at("empty/inner")).unwrap();
    chmod(&at("empty/inner"), 0o700);
    symlink("nowhere", at("dangling")).unwrap();
    symlink("src", at("to-a-directory")).unwrap();
    symlink(crate::fs::path_from(b"not\xffutf8"), at("odd-link")).unwrap();
    fs::write(at("src").join(crate::fs::path_from(b"\xff.bin")), [0, 1, 2]).unwrap();
    fs::hard_link(at("script"), at("script-too")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

#[test]
fn after_it_was_removed_everything_is_as_it_was() {
    for args in [&[][..], &["--object-format=sha256"], &["--ref-format=reftable"]] {
        let world = World::new();
        world.init("in/here/app", args);
        work(&world, "in/here/app");
        let app = world.path("in/here/app");
        let status = world.status("in/here/app");
        let before = picture(&app);
        assert!(status.contains("\nu UU"), "{status}");
        let snapshot = world.snapshot(&["in/here/app"]);
        fs::remove_dir_all(world.path("in")).unwrap();

        let restored = world.run(&back(&world, &snapshot, None)).unwrap();
        assert_eq!((restored.roots, restored.kept, restored.warnings), (vec![app.clone()], vec![], vec![]));
        assert_eq!(restored.mended, Vec::<std::path::PathBuf>::new());
        assert_same(&picture(&app), &before);
        let inode = |path: &str| fs::symlink_metadata(app.join(path)).unwrap().ino();
        assert_eq!(inode("script"), inode("script-too"));
        assert_eq!(world.status("in/here/app"), status);
        world.fsck("in/here/app");
        assert_eq!(world.names("in/here"), ["app"]);
    }
}

#[test]
fn a_bare_repository_comes_back() {
    let world = World::new();
    world.repo("app");
    world.git("", &["clone", "-q", "--bare", "app", "bare.git"]);
    let before = picture(&world.path("bare.git"));
    let snapshot = world.snapshot(&["bare.git"]);
    world.git("bare.git", &["update-ref", "-d", "refs/heads/main"]);
    let present = world.snapshot(&["bare.git"]);
    world.run(&back(&world, &snapshot, Some(&present))).unwrap();
    assert_same(&picture(&world.path("bare.git")), &before);
    world.fsck("bare.git");
}

#[test]
fn what_git_ignores_survives_and_the_rest_is_replaced() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    let before = picture(&world.path("app"));
    world.write("app/later/c.txt", "later\n");
    world.git("app", &["add", "."]);
    world.git("app", &["commit", "-q", "-m", "third"]);
    world.write("app/target/debug/app", "built\n");
    world.write("app/src/b.o", "built\n");
    world.write("app/later/c.o", "built, in what was not there\n");
    let present = world.snapshot(&["app"]);

    let restored = world.run(&back(&world, &snapshot, Some(&present))).unwrap();
    assert_eq!(restored.kept, Vec::<std::path::PathBuf>::new());
    assert_same(&picture_without(&world.path("app"), &["target", "src/b.o", "later"]), &before);
    for path in ["target/debug/app", "src/b.o", "later/c.o"] {
        assert!(world.path("app").join(path).is_file(), "{path}");
    }
    assert_eq!(world.status("app").lines().filter(|line| !line.starts_with('#')).count(), 0);
    assert_eq!(world.names(""), ["app"]);
}

/// What comes over must not show up in git's status.
#[test]
fn what_would_not_be_ignored_any_more_is_kept_beside() {
    let world = World::new();
    world.repo("app");
    world.write("app/.gitignore", "target/\n");
    world.git("app", &["commit", "-q", "-a", "-m", "fewer"]);
    let snapshot = world.snapshot(&["app"]);
    let status = world.status("app");
    world.write("app/.gitignore", "target/\n*.o\nlogs/\n");
    world.git("app", &["commit", "-q", "-a", "-m", "more"]);
    world.write("app/src/b.o", "built\n");
    world.write("app/logs/one", "log\n");
    world.write("app/target/x", "built\n");
    let present = world.snapshot(&["app"]);

    let restored = world.run(&back(&world, &snapshot, Some(&present))).unwrap();
    assert_eq!(world.status("app"), status);
    assert!(world.path("app/target/x").is_file());
    let [kept] = &*restored.kept else { panic!("{restored:?}") };
    let left: Vec<_> = picture(kept).into_iter().filter(|(_, (_, bytes, _))| !bytes.is_empty()).collect();
    let names: Vec<&Path> = left.iter().map(|(path, _)| path.as_path()).collect();
    assert_eq!(names, [Path::new("logs/one"), Path::new("src/b.o")]);
}

#[test]
fn what_came_after_the_snapshot_of_the_present_is_kept() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    let present = world.snapshot(&["app"]);
    let same_size = fs::metadata(world.path("app/a.txt")).unwrap();
    world.write("app/a.txt", "one\nand MORE\n");
    world.write("app/new.txt", "new\n");
    let file = fs::File::options().write(true).open(world.path("app/a.txt")).unwrap();
    file.set_modified(same_size.modified().unwrap()).unwrap();
    let mut order = back(&world, &snapshot, Some(&present));
    order.force = true;

    let restored = world.run(&order).unwrap();
    let [kept] = &*restored.kept else { panic!("{restored:?}") };
    assert_eq!(fs::read_to_string(kept.join("a.txt")).unwrap(), "one\nand MORE\n");
    assert_eq!(fs::read_to_string(kept.join("new.txt")).unwrap(), "new\n");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(world.path("app/a.txt")).unwrap(), "one\nand more\n");
}

#[test]
fn without_a_complete_snapshot_of_the_present_all_of_it_is_kept() {
    let world = World::new();
    world.repo("app");
    let snapshot = world.snapshot(&["app"]);
    world.write("app/a.txt", "changed\n");
    world.write("app/target/x", "built\n");
    let torn = world.snapshot_as(&[world.path("app")], SnapshotStatus::Torn);
    for present in [None, Some(&torn)] {
        world.write("app/a.txt", "changed\n");
        let mut order = back(&world, &snapshot, present);
        order.force = true;
        let restored = world.run(&order).unwrap();
        let [kept] = &*restored.kept else { panic!("{restored:?}") };
        assert_eq!(fs::read_to_string(kept.join("a.txt")).unwrap(), "changed\n");
        assert!(kept.join(".git/HEAD").is_file());
        assert!(world.path("app/target/x").is_file(), "what is ignored comes over all the same");
        fs::remove_dir_all(kept).unwrap();
    }
}

#[test]
fn linked_work_trees_are_restored_with_their_repository() {
    let world = World::new();
    world.repo("app");
    world.write("app/.gitignore", "target/\n*.o\n.worktrees/\n");
    world.git("app", &["commit", "-q", "-a", "-m", "ignore"]);
    world.git("app", &["worktree", "add", "-q", "../elsewhere", "-b", "one"]);
    world.git("app", &["worktree", "add", "-q", ".worktrees/two", "-b", "two"]);
    world.write("elsewhere/a.txt", "changed there\n");
    world.write("app/.worktrees/two/new.txt", "new there\n");
    let roots = ["app", "elsewhere", "app/.worktrees/two"];
    let statuses = || roots.map(|root| world.status(root));
    let pictures = || roots.map(|root| picture(&world.path(root)));
    let (before, states) = (pictures(), statuses());
    let snapshot = world.snapshot(&roots);
    fs::remove_dir_all(world.path("app")).unwrap();
    fs::remove_dir_all(world.path("elsewhere")).unwrap();
    world.run(&back(&world, &snapshot, None)).unwrap();
    for (now, before) in pictures().iter().zip(&before) {
        assert_same(now, before);
    }
    assert_eq!(statuses(), states);
    world.fsck("app");

    // Replaced, with what is ignored in each, and with a work tree that is newer.
    for root in roots {
        world.git(root, &["add", "-A"]);
        world.git(root, &["commit", "-q", "--allow-empty", "-m", "later"]);
        world.write(&format!("{root}/target/x"), "built\n");
    }
    world.git("app", &["worktree", "add", "-q", ".worktrees/three", "-b", "three"]);
    world.write("app/.worktrees/three/target/x", "built\n");
    let present = world.snapshot(&["app", "elsewhere", "app/.worktrees/two", "app/.worktrees/three"]);
    let restored = world.run(&back(&world, &snapshot, Some(&present))).unwrap();
    assert_eq!(statuses(), states);
    for root in roots {
        assert!(world.path(root).join("target/x").is_file(), "{root}");
    }
    // Nobody knows of that work tree now; what no snapshot has of it is kept.
    let [kept] = &*restored.kept else { panic!("{restored:?}") };
    assert!(kept.join(".worktrees/three/target/x").is_file());
    assert!(!kept.join(".git").exists());
    assert!(!world.path("app/.worktrees/three").exists());
}

#[test]
fn a_linked_work_tree_that_lost_its_repository_stays_if_it_is_as_it_was() {
    let world = World::new();
    world.repo("app");
    world.git("app", &["worktree", "add", "-q", "../elsewhere", "-b", "one"]);
    world.write("elsewhere/target/x", "built\n");
    let snapshot = world.snapshot(&["app", "elsewhere"]);
    let inode = || fs::symlink_metadata(world.path("elsewhere")).unwrap().ino();
    let before = inode();
    fs::remove_dir_all(world.path("app")).unwrap();
    let restored = world.run(&back(&world, &snapshot, None)).unwrap();
    assert_eq!((restored.roots, inode()), (vec![world.path("app")], before));
    assert!(!world.status("elsewhere").contains("\n1"));

    // One that is not as it was may have work in it.
    fs::remove_dir_all(world.path("app")).unwrap();
    world.write("elsewhere/a.txt", "work\n");
    let refused = world.run(&back(&world, &snapshot, None)).unwrap_err();
    assert!(refused.to_string().contains("elsewhere"), "{refused}");
    assert!(!world.path("app").exists());
}

#[test]
fn a_repository_that_has_moved_is_restored_to_where_it_is() {
    let world = World::new();
    world.repo("app");
    world.write("app/.gitignore", "target/\n*.o\n.worktrees/\n");
    world.git("app", &["commit", "-q", "-a", "-m", "ignore"]);
    world.git("app", &["worktree", "add", "-q", "../elsewhere", "-b", "one"]);
    world.git("app", &["worktree", "add", "-q", ".worktrees/two", "-b", "two"]);
    let snapshot = world.snapshot(&["app", "elsewhere", "app/.worktrees/two"]);
    fs::remove_dir_all(world.path("app")).unwrap();
    fs::remove_dir_all(world.path("elsewhere")).unwrap();
    let mut order = back(&world, &snapshot, None);
    order.target = Target::Original { main: world.path("moved") };
    let restored = world.run(&order).unwrap();
    assert_eq!(restored.roots, [world.path("moved"), world.path("elsewhere")]);
    assert_eq!(restored.mended.len(), 3, "{:?}", restored.mended);
    for root in ["moved", "elsewhere", "moved/.worktrees/two"] {
        assert!(!world.status(root).contains("\n1"), "{root}");
    }
    let list = world.git("moved", &["worktree", "list", "--porcelain"]);
    for root in ["moved", "elsewhere", "moved/.worktrees/two"] {
        assert!(list.contains(&format!("worktree {}\n", world.path(root).display())), "{list}");
    }
    assert!(!list.contains("prunable"), "{list}");
    assert!(!world.path("app").exists());
}

#[test]
fn what_was_borrowed_is_there_even_if_the_lender_is_not() {
    let world = World::new();
    world.repo("lender");
    world.git("", &["clone", "-q", "--shared", "lender", "app"]);
    world.git("lender", &["repack", "-q", "-a", "-d"]);
    let alternates = world.path("app/.git/objects/info/alternates");
    let snapshot = world.snapshot(&["app", "lender/.git/objects"]);
    let before = picture(&world.path("app"));
    fs::remove_dir_all(world.path("app")).unwrap();
    world.run(&back(&world, &snapshot, None)).unwrap();
    assert_same(&picture(&world.path("app")), &before);

    fs::remove_dir_all(world.path("app")).unwrap();
    fs::remove_dir_all(world.path("lender")).unwrap();
    let restored = world.run(&back(&world, &snapshot, None)).unwrap();
    assert!(!alternates.exists());
    assert!(restored.mended.contains(&alternates));
    assert_eq!(world.git("app", &["log", "--oneline"]).lines().count(), 2);
    world.fsck("app");
    assert!(!world.path("lender").exists());
}
