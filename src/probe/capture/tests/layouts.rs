//! Wherever a repository keeps its parts, they are in the snapshot.

use std::fs;

use super::world::World;
use crate::probe::store::SnapshotStatus;

#[test]
fn linked_work_trees_are_captured_wherever_they_are() {
    let world = World::new();
    world.repo("r");
    world.write("r/.gitignore", "/.trees/\n*.o\n");
    world.git("r", &["worktree", "add", "-q", "-b", "one", ".trees/one"]);
    world.git("r", &["worktree", "add", "-q", "-b", "two", "inside"]);
    world.git("r", &["worktree", "add", "-q", "-b", "three", "../elsewhere/three"]);
    world.git("r", &["worktree", "add", "-q", "-b", "four", "../gone"]);
    fs::remove_dir_all(world.at("gone")).unwrap();
    world.write("r/.trees/ignored", "");
    world.write("r/.trees/one/.gitignore", "*.p\n");
    for tree in ["r/.trees/one", "r/inside", "elsewhere/three"] {
        world.write(format!("{tree}/x.o"), "");
        world.write(format!("{tree}/x.p"), "");
    }
    for again in [false, true] {
        let snapshot = world.complete("r");
        assert_eq!(snapshot.draft.roots, [world.at("r"), world.at("elsewhere/three")]);
        let mut left_out = vec![".trees/ignored", ".trees/one/x.p", "inside/x.o"];
        // That is ignored by a file which only this work tree has.
        left_out.retain(|path| *path != "inside/x.o");
        world.assert_whole(&snapshot, "r", &left_out);
        world.assert_whole(&snapshot, "elsewhere/three", &[]);
        if !again {
            world.write("elsewhere/three/x.p", "changed");
        }
    }
    // By the linked work tree it is the same repository.
    let snapshot = world.complete("elsewhere/three");
    assert_eq!(snapshot.draft.roots, [world.at("elsewhere/three"), world.at("r")]);
    assert_eq!(snapshot.draft.branch.as_deref(), Some("three"));
    world.assert_whole(&snapshot, "r", &[".trees/ignored", ".trees/one/x.p"]);
}

#[test]
fn nested_repositories_are_captured_whole_unless_ignored() {
    let world = World::new();
    world.repo("r");
    world.write("r/.gitignore", "/vendor/\n*.o\n");
    world.repo("r/nested");
    world.write("r/nested/.gitignore", "*.p\n");
    world.write("r/nested/x.o", "");
    world.write("r/nested/x.p", "");
    world.repo("r/nested/in/nested");
    world.write("r/nested/in/nested/x.p", "");
    world.repo("r/vendor/ignored");
    fs::create_dir_all(world.at("r/not/.git")).unwrap();
    world.write("r/not/.git/file", "it only looks like one");
    world.git("r", &["init", "-q", "--separate-git-dir", "../apart.git", "separate"]);
    world.write("r/separate/file", "");
    for _ in 0..2 {
        let snapshot = world.complete("r");
        assert_eq!(snapshot.draft.roots, [world.at("r"), world.at("apart.git")]);
        world.assert_whole(&snapshot, "r", &["vendor", "nested/x.p"]);
        world.assert_whole(&snapshot, "apart.git", &[]);
        world.write("r/a.txt", "changed");
    }
    world.complete("r");
    assert!(world.capture("r").unchanged);
}

#[test]
fn submodules_are_captured_with_their_git_directories() {
    let world = World::new();
    world.repo("library");
    world.repo("r");
    world.git("r", &["submodule", "--quiet", "add", "../library", "lib/one"]);
    world.git("r", &["commit", "-q", "-m", "with a submodule"]);
    world.write("r/lib/one/.gitignore", "*.o\n");
    world.write("r/lib/one/x.o", "");
    world.write("r/x.o", "not ignored here");
    let snapshot = world.complete("r");
    assert_eq!(snapshot.draft.roots, [world.at("r")]);
    world.assert_whole(&snapshot, "r", &["lib/one/x.o"]);
    let copy = world.restore(&snapshot, "r");
    world.git(copy.path().join("lib/one"), &["fsck", "--strict"]);
    assert_eq!(
        world.git(copy.path(), &["status", "--porcelain"]),
        world.git("r", &["status", "--porcelain"])
    );
    // The submodule by itself.
    let snapshot = world.complete("r/lib/one");
    assert_eq!(snapshot.draft.roots, [world.at("r/lib/one"), world.at("r/.git/modules/lib/one")]);
    world.assert_whole(&snapshot, "r/lib/one", &["x.o"]);
    world.assert_whole(&snapshot, "r/.git/modules/lib/one", &[]);
}

#[test]
fn bare_repositories_and_their_work_trees() {
    let world = World::new();
    world.repo("r");
    world.git("", &["clone", "-q", "--bare", "r", "b.git"]);
    world.git("b.git", &["worktree", "add", "-q", "-b", "in", "inside"]);
    world.git("b.git", &["worktree", "add", "-q", "-b", "out", "../outside"]);
    world.write("b.git/inside/new", "new");
    let snapshot = world.complete("b.git");
    assert_eq!(snapshot.draft.roots, [world.at("b.git"), world.at("outside")]);
    world.assert_whole(&snapshot, "b.git", &[]);
    world.assert_whole(&snapshot, "outside", &[]);
}

#[test]
fn sha256_and_reftable_repositories() {
    let world = World::new();
    for (name, init) in [("s", "--object-format=sha256"), ("t", "--ref-format=reftable")] {
        world.repo_by(name, &[init, "-b", "trunk"]);
        world.write(format!("{name}/new"), "new");
        let snapshot = world.complete(name);
        world.assert_whole(&snapshot, name, &[]);
        assert_eq!(snapshot.draft.branch.as_deref(), Some("trunk"));
        assert_eq!(snapshot.draft.head.as_deref(), Some(world.git(name, &["rev-parse", "HEAD"]).trim()));
        let copy = world.restore(&snapshot, name);
        world.git(copy.path(), &["fsck", "--strict"]);
    }
}

#[test]
fn a_git_directory_elsewhere_is_a_root() {
    let world = World::new();
    fs::create_dir(world.at("r")).unwrap();
    fs::create_dir(world.at("far")).unwrap();
    world.git("r", &["init", "-q", "--separate-git-dir", "../far/g"]);
    world.write("r/file", "content");
    let snapshot = world.complete("r");
    assert_eq!(snapshot.draft.roots, [world.at("r"), world.at("far/g")]);
    world.assert_whole(&snapshot, "r", &[]);
    world.assert_whole(&snapshot, "far/g", &[]);
    // Within the work tree, by another name.
    fs::create_dir(world.at("s")).unwrap();
    world.git("s", &["init", "-q", "--separate-git-dir", "data"]);
    world.write("s/file", "content");
    let snapshot = world.complete("s");
    assert_eq!(snapshot.draft.roots, [world.at("s")]);
    world.assert_whole(&snapshot, "s", &[]);
}

#[test]
fn objects_that_are_borrowed_are_captured_with_the_borrower() {
    let world = World::new();
    world.repo("lender");
    world.git("", &["clone", "-q", "--shared", "lender", "between"]);
    world.git("", &["clone", "-q", "--shared", "between", "r"]);
    for _ in 0..2 {
        let snapshot = world.complete("r");
        let lenders = [world.at("between/.git/objects"), world.at("lender/.git/objects")];
        assert_eq!(snapshot.draft.roots, [&[world.at("r")][..], &lenders].concat());
        world.assert_whole(&snapshot, "r", &[]);
        world.assert_whole(&snapshot, "lender/.git/objects", &[]);
        world.write("r/a.txt", "changed");
    }
}

#[test]
fn what_was_in_an_ignored_directory_is_captured_once_that_is_not_ignored() {
    let world = World::new();
    fs::create_dir_all(world.at("r/.cache")).unwrap();
    world.git("r", &["init", "-q", "--separate-git-dir", ".cache/repo.git"]);
    world.write("r/.gitignore", "/.cache/\n/.trees/\n");
    world.git("r", &["add", "."]);
    world.git("r", &["commit", "-q", "-m", "first"]);
    world.git("r", &["worktree", "add", "-q", ".trees/linked"]);
    world.repo("r/.trees/linked/nested");
    world.complete("r");
    // Part of it is tracked now; or nothing is ignored any more.
    world.write("r/.cache/keep", "");
    world.git("r", &["add", "-f", ".cache/keep"]);
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
    world.write("r/.gitignore", "");
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
}

#[test]
fn branches_that_are_called_like_parts_of_a_git_directory_are_captured() {
    let world = World::new();
    world.repo("r");
    world.write("r/.git/refs/remotes/origin/HEAD", "ref: refs/remotes/origin/main\n");
    world.write("r/.git/logs/refs/remotes/origin/HEAD", "");
    world.write("r/.git/hooks/Gemfile.lock", "");
    let fetch = || {
        for branch in ["main", "objects/x/y", "lfs/x", "hooks/x"] {
            let reference = format!("refs/remotes/origin/{branch}");
            world.git("r", &["update-ref", "--create-reflog", "-m", "fetched", &reference, "HEAD"]);
        }
    };
    for message in ["second", "third"] {
        world.git("r", &["commit", "-q", "--allow-empty", "-m", message]);
        fetch();
        world.still("r/.git");
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
    }
}

#[test]
fn parts_that_are_links_make_it_partial() {
    let world = World::new();
    for part in ["objects", "objects/pack", "refs", "config"] {
        let repo = part.replace('/', "-");
        world.repo(&repo);
        fs::rename(world.at(format!("{repo}/.git/{part}")), world.at(format!("{repo}-apart"))).unwrap();
        std::os::unix::fs::symlink(
            world.at(format!("{repo}-apart")),
            world.at(format!("{repo}/.git/{part}")),
        )
        .unwrap();
        let draft = world.capture(&repo).snapshot.draft;
        assert_eq!(draft.status, SnapshotStatus::Partial, "{part}: {:?}", draft.reasons);
        let place = world.at(format!("{repo}/.git/{part}"));
        let expected = format!("{}: it is a link, and what it leads to is not captured", place.display());
        assert_eq!(draft.reasons, [expected]);
    }
}

#[test]
fn borrowed_objects_are_captured_wherever_they_are_or_it_is_told() {
    let world = World::new();
    world.repo("r");
    fs::rename(world.at("r/.git/objects"), world.at("pool")).unwrap();
    for objects in ["further", "r/.git/objects"] {
        fs::create_dir_all(world.at(objects).join("pack")).unwrap();
    }
    let path = |name: &str| format!("{}\n", world.at(name).display());
    world.write("further/info/alternates", path("pool"));
    world.write("r/.git/objects/info/alternates", path("further"));
    let snapshot = world.complete("r");
    for place in ["r", "further", "pool"] {
        world.assert_whole(&snapshot, place, &[]);
    }
    world.write("r/.git/objects/info/alternates", path("further") + &path("not there"));
    let draft = world.capture("r").snapshot.draft;
    assert_eq!(draft.status, SnapshotStatus::Partial);
    assert!(draft.reasons[0].contains("/not there: objects that are borrowed from there"), "{draft:?}");
}

#[test]
fn a_work_tree_in_which_git_does_not_work_is_told_and_left_out() {
    let world = World::new();
    world.repo("r");
    for name in ["../apart", "within"] {
        world.git("r", &["worktree", "add", "-q", name]);
    }
    for name in ["apart", "within"] {
        world.write(format!("r/.git/worktrees/{name}/index"), "garbage");
    }
    let snapshot = world.capture("r").snapshot;
    assert_eq!(snapshot.draft.status, SnapshotStatus::Partial);
    for (reason, tree) in snapshot.draft.reasons.iter().zip(["apart", "r/within"]) {
        let expected = format!("{}: is left out, since git can't tell", world.at(tree).display());
        assert!(reason.starts_with(&expected), "{reason}");
        assert!(world.stored(&snapshot, &world.at(tree)).is_empty());
    }
    assert_eq!((snapshot.draft.reasons.len(), snapshot.draft.roots.clone()), (2, vec![world.at("r")]));
    world.assert_whole(&snapshot, "r", &["within"]);
}

#[test]
fn work_trees_that_can_not_be_told_of_make_it_partial() {
    let world = World::new();
    world.repo("r");
    for name in ["relative", "unknown"] {
        world.git("r", &["worktree", "add", "-q", &format!("../{name}")]);
    }
    // As `worktree.useRelativePaths` has it.
    world.write("r/.git/worktrees/relative/gitdir", "../../../../relative/.git\n");
    let snapshot = world.complete("r");
    assert_eq!(snapshot.draft.roots, [world.at("r"), world.at("relative"), world.at("unknown")]);
    world.assert_whole(&snapshot, "relative", &[]);

    let record = world.at("r/.git/worktrees/unknown/gitdir");
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let draft = world.capture("r").snapshot.draft;
    assert_eq!(draft.status, SnapshotStatus::Partial);
    assert_eq!(draft.roots, [world.at("r"), world.at("relative")]);
    assert!(draft.reasons[0].contains("worktrees/unknown/gitdir: cannot be read"), "{draft:?}");
    fs::remove_dir(&record).unwrap();

    // The other one's way back leads nowhere.
    fs::rename(world.at("r"), world.at("moved")).unwrap();
    world.write("moved/.git/worktrees/relative/gitdir", world.at("relative/.git\n").to_str().unwrap());
    let draft = world.capture("moved").snapshot.draft;
    assert_eq!(draft.status, SnapshotStatus::Partial);
    assert!(draft.reasons[0].contains("git worktree repair"), "{draft:?}");
}
