//! States that are named one by one.

use super::*;
use crate::git::cached_tree::cached_tree;

#[test]
fn a_clean_repository_is_known_without_asking() {
    let world = World::committed();
    let origin = world.dir.path().join("origin.git");
    world.git(&["init", "-q", "--bare", origin.to_str().unwrap()]);
    world.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    world.git(&["push", "-q", "-u", "origin", "main"]);
    for args in
        [&["commit", "-q", "--allow-empty", "-m", "more"][..], &["commit", "-q", "--allow-empty", "-m", "x"]]
    {
        world.git(args);
    }
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    world.write("a.txt", "changed\n").git(&["stash", "-q"]);
    // Until no file is as young as the index.
    loop {
        fs::remove_file(world.path(".git/index")).unwrap();
        world.git(&["read-tree", "HEAD"]);
        world.git(&["update-index", "-q", "--refresh"]);
        let written = |path: &str| fs::metadata(world.path(path)).unwrap().modified().unwrap();
        if written("a.txt") < written(".git/index") {
            break;
        }
    }
    world.check("clean");
    assert_eq!(world.asked(), 0, "{:?}", world.seen());
    let seen = world.seen().work;
    assert_eq!((seen.ahead_behind, seen.stash), (Some((1, 0)), 1));
    // Any of these is git's to judge.
    world.write("new", "").check("untracked");
    fs::remove_file(world.path("new")).unwrap();
    fs::create_dir(world.path("empty")).unwrap();
    world.check("an empty directory");
    fs::remove_dir(world.path("empty")).unwrap();
    fs::remove_file(world.path("a.txt")).unwrap();
    world.check("deleted");
    assert_eq!(world.asked(), 3);
}

#[test]
fn what_git_is_in_the_middle_of_is_told() {
    for format in ["files", "reftable"] {
        let world = World::with(&["init", "-q", &format!("--ref-format={format}")]);
        world.write("a", "1\n").git(&["add", "."]);
        world.git(&["commit", "-q", "-m", "one"]);
        world.git(&["checkout", "-q", "-b", "side"]);
        world.write("a", "side\n").git(&["commit", "-q", "-am", "side"]);
        world.git(&["checkout", "-q", "main"]);
        world.write("a", "main\n").git(&["commit", "-q", "-am", "main"]);
        let doing = || world.seen().work.operation;
        assert_eq!(doing(), None);
        for (start, expected, abort) in [
            (&["merge", "side"][..], Operation::Merge, &["merge", "--abort"][..]),
            (&["rebase", "side"], Operation::Rebase, &["rebase", "--abort"]),
            (&["rebase", "--apply", "side"], Operation::Rebase, &["rebase", "--abort"]),
            (&["cherry-pick", "side"], Operation::CherryPick, &["cherry-pick", "--abort"]),
            (&["revert", "HEAD~1"], Operation::Revert, &["revert", "--abort"]),
        ] {
            let (said, fine) = try_git(&world.top(), start);
            assert!(!fine, "{start:?} was to stop: {said}");
            assert_eq!(doing(), Some(expected), "{format} {start:?}");
            world.check("in the middle");
            world.git(abort);
            assert_eq!(doing(), None, "{format} {abort:?}");
        }
        world.git(&["format-patch", "-q", "-1", "side", "-o", ".git/patches"]);
        let (_, fine) = try_git(&world.top(), &["am", ".git/patches/0001-side.patch"]);
        assert!(!fine);
        assert_eq!(doing(), Some(Operation::Am));
        world.git(&["am", "--abort"]);
        world.git(&["bisect", "start", "HEAD", "HEAD~1"]);
        assert_eq!(doing(), Some(Operation::Bisect));
        world.git(&["bisect", "reset"]);
        assert_eq!(doing(), None);
    }
}

#[test]
fn every_kind_of_repository_is_told_of() {
    for init in [
        &["init", "-q", "--object-format=sha256"][..],
        &["init", "-q", "--ref-format=reftable"],
        &["init", "-q"],
    ] {
        let world = World::with(init);
        world.check("unborn");
        world.write("a", "1\n").write("d/b", "2\n").git(&["add", "."]);
        world.check("staged, unborn");
        world.git(&["commit", "-q", "-m", "one"]);
        world.git(&["update-index", "--split-index"]);
        world.write("a", "2\n").check("split index");
        world.git(&["update-index", "--no-split-index"]);
        world.git(&["checkout", "-q", "--detach"]);
        world.write("untracked", "").check("detached");
        world.git(&["sparse-checkout", "set", "--sparse-index", "d"]);
        world.check("sparse");
        world.git(&["sparse-checkout", "disable"]);
        world.git(&["worktree", "add", "-q", "../linked", "-b", "other"]);
        let linked = world.dir.path().join("linked");
        fs::write(linked.join("a"), "3\n").unwrap();
        let location = Location::at(&linked).unwrap();
        let seen = world.memory.look(&world.git).at(&location, &[]).unwrap();
        assert_eq!(counts(&seen.work), by_git(&linked));
        world.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
        let bare = Location::at(&world.dir.path().join("bare.git")).unwrap();
        let seen = world.memory.look(&world.git).at(&bare, &[]).unwrap();
        assert!(seen.work.is_bare);
        assert_eq!(seen.work.head.commit, world.seen().work.head.commit);
    }
}

#[test]
fn an_index_is_read_in_every_format() {
    let world = World::committed();
    world.write(&format!("{}/x", "long-name-".repeat(20)), "x\n").git(&["add", "."]);
    for version in ["2", "4"] {
        world.git(&["update-index", "--index-version", version]);
        let listed = index::read(&fs::read(world.path(".git/index")).unwrap()).unwrap();
        assert_eq!((listed.files.len(), listed.dirs.len()), (4, 3));
        for file in ["a.txt", "dir/b.txt", "dir/deep/c.txt"] {
            let key = stamp::PathKey::default().below(file.as_bytes());
            assert!(listed.files[&key].is(&stamp::Facts::of_path(world.path(file)).unwrap()), "{file}");
        }
    }
    for (flag, back) in
        [("--assume-unchanged", "--no-assume-unchanged"), ("--skip-worktree", "--no-skip-worktree")]
    {
        world.git(&["update-index", flag, "a.txt"]);
        assert!(index::read(&fs::read(world.path(".git/index")).unwrap()).is_none(), "{flag}");
        world.git(&["update-index", back, "a.txt"]);
    }
    let whole = fs::read(world.path(".git/index")).unwrap();
    for length in 0..whole.len() {
        // Cut between its parts it is whole, and without a tree.
        let part = &whole[..length];
        let is_taken = index::read(part).is_some() && cached_tree(part, 20).is_some();
        assert!(!is_taken, "{length} of {} bytes", whole.len());
    }
}
