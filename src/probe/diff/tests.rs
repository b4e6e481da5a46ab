//! git itself says what changed, and how much.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::*;
use crate::probe::restore::tests::world::{World, chmod, try_git};

fn told(world: &World, old: &Snapshot, new: &Snapshot, options: &DiffOptions) -> Vec<(String, &'static str)> {
    let changes = diff(&world.store, old, new, options).unwrap().paths;
    changes.iter().map(|change| (change.path.display().to_string(), change.kind.as_str())).collect()
}

fn plain(wanted: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    wanted.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect()
}

#[test]
fn each_kind_of_change_is_told() {
    let world = World::new();
    world.repo("app");
    for name in ["mode", "content", "gone", "moved/from", "kind", "dir/inner/deep"] {
        world.write(&format!("app/{name}"), &format!("{name}\n"));
    }
    symlink("here", world.path("app/link")).unwrap();
    fs::create_dir(world.path("app/was-empty")).unwrap();
    let old = world.snapshot(&["app"]);
    let app = world.path("app");
    chmod(&app.join("mode"), 0o755);
    world.write("app/content", "other\n");
    fs::remove_file(app.join("gone")).unwrap();
    fs::create_dir(app.join("to")).unwrap();
    fs::rename(app.join("moved/from"), app.join("to/from")).unwrap();
    fs::remove_dir(app.join("moved")).unwrap();
    fs::remove_file(app.join("kind")).unwrap();
    symlink("content", app.join("kind")).unwrap();
    fs::remove_file(app.join("link")).unwrap();
    symlink("there", app.join("link")).unwrap();
    fs::remove_dir(app.join("was-empty")).unwrap();
    fs::create_dir(app.join("is-empty")).unwrap();
    fs::remove_dir_all(app.join("dir")).unwrap();
    world.write("app/dir", "a file now\n");
    let new = world.snapshot(&["app"]);

    let all = [
        ("content", "modified"),
        ("dir", "type-changed"),
        ("dir/inner/deep", "deleted"),
        ("gone", "deleted"),
        ("is-empty", "added"),
        ("kind", "type-changed"),
        ("link", "modified"),
        ("mode", "mode-changed"),
        ("to/from", "renamed"),
        ("was-empty", "deleted"),
    ];
    let options = DiffOptions::default();
    assert_eq!(told(&world, &old, &new, &options), plain(&all));
    assert_eq!(told(&world, &old, &old, &options), []);
    let found = diff(&world.store, &old, &new, &options).unwrap();
    assert!(found.git.is_empty(), "{:?}", found.git);
    let renamed = found.paths.iter().find(|change| change.path == Path::new("to/from")).unwrap();
    assert_eq!(renamed.kind, ChangeKind::Renamed { from: PathBuf::from("moved/from") });
    let mode = found.paths.iter().find(|change| change.path == Path::new("mode")).unwrap();
    assert_eq!(mode.new.unwrap().mode & 0o7777, 0o755);
    assert_eq!(mode.new.unwrap().size, 5);

    let below = DiffOptions { paths: vec!["dir".into(), "to".into()], ..DiffOptions::default() };
    let wanted = [("dir", "type-changed"), ("dir/inner/deep", "deleted"), ("to/from", "added")];
    assert_eq!(told(&world, &old, &new, &below), plain(&wanted));
}

/// Against `git diff --no-index --numstat` of the same two states.
#[test]
fn lines_are_counted_as_git_counts_them() {
    let world = World::new();
    world.repo("app");
    let many = |skip: u32, word: &str| {
        let lines =
            (0..200).filter(|n| n % skip != 0).map(|n| if n == 77 { word.into() } else { n.to_string() });
        lines.collect::<Vec<String>>().join("\n")
    };
    world.write("app/many", &many(7, "one"));
    world.write("app/same", "same\n");
    world.write("app/gone", "1\n2\n3\n");
    fs::write(world.path("app/binary"), b"1\0\n2\n").unwrap();
    world.write("app/crlf", "1\r\n2\r\n");
    world.write("app/empty", "");
    let old = world.snapshot(&["app"]);
    let before = world.path("before");
    std::process::Command::new("cp").args(["-a"]).args([world.path("app"), before.clone()]).output().unwrap();
    world.write("app/many", &many(5, "two"));
    fs::remove_file(world.path("app/gone")).unwrap();
    fs::write(world.path("app/binary"), b"1\0\n3\n").unwrap();
    world.write("app/crlf", "1\n2\n");
    world.write("app/new", "no end of line");
    world.write("app/empty", "not any more\n");
    let new = world.snapshot(&["app"]);

    let mut wanted = Vec::new();
    let args = ["diff", "--no-index", "--numstat", "--no-renames", "before", "app"];
    let said = String::from_utf8(try_git(&world.path(""), &args).stdout).unwrap();
    for line in said.lines().filter(|line| !line.contains(".git/")) {
        let [insertions, deletions, path] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let name =
            ["binary", "crlf", "empty", "gone", "many", "new"].into_iter().find(|name| path.contains(name));
        let lines = insertions
            .parse()
            .ok()
            .map(|insertions| Lines { insertions, deletions: deletions.parse().unwrap() });
        wanted.push((name.unwrap().to_owned(), lines));
    }
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(wanted.len(), 6, "{said}");
    let found = diff(&world.store, &old, &new, &DiffOptions::default()).unwrap();
    let found: Vec<_> =
        found.paths.into_iter().map(|change| (change.path.display().to_string(), change.lines)).collect();
    assert_eq!(found, wanted);

    let without = DiffOptions { lines: false, ..DiffOptions::default() };
    assert!(diff(&world.store, &old, &new, &without).unwrap().paths.iter().all(|it| it.lines.is_none()));
}

#[test]
fn git_s_state_is_summed_up() {
    let world = World::new();
    world.repo("app");
    world.git("app", &["branch", "moves"]);
    world.git("app", &["branch", "goes"]);
    world.git("app", &["pack-refs", "--all"]);
    let id = |name: &str| world.git("app", &["rev-parse", name]).trim_end().to_owned();
    let old = world.snapshot(&["app"]);
    let first = id("main");
    world.write("app/a.txt", "stashed\n");
    world.git("app", &["stash", "-q"]);
    world.git("app", &["checkout", "-q", "moves"]);
    world.write("app/a.txt", "other\n");
    world.git("app", &["commit", "-q", "-a", "-m", "moved"]);
    world.git("app", &["branch", "-q", "-D", "goes"]);
    world.git("app", &["checkout", "-q", "-b", "side", "main~1"]);
    world.write("app/a.txt", "conflict\n");
    world.git("app", &["commit", "-q", "-a", "-m", "side"]);
    assert!(!try_git(&world.path("app"), &["merge", "main"]).status.success());
    let new = world.snapshot(&["app"]);

    let found = diff(&world.store, &old, &new, &DiffOptions::default()).unwrap().git;
    assert_eq!((found.old.stashes, found.new.stashes), (0, 1));
    assert_eq!((found.old.operations.len(), found.new.operations), (0, vec!["merge".to_owned()]));
    assert!(found.index);
    let refs = found.refs.unwrap();
    let change = |name: &str, old: Option<&String>, new: Option<&String>| RefChange {
        name: name.into(),
        old: old.cloned(),
        new: new.cloned(),
    };
    let (moved, side, stash) = (id("moves"), id("side"), id("refs/stash"));
    let wanted = [
        change("refs/heads/goes", Some(&first), None),
        change("refs/heads/moves", Some(&first), Some(&moved)),
        change("refs/heads/side", None, Some(&side)),
        change("refs/stash", None, Some(&stash)),
    ];
    assert_eq!(refs, wanted);
    // Files of git's own are told if they are asked for.
    let options = DiffOptions { git_dir: true, ..DiffOptions::default() };
    let paths = told(&world, &old, &new, &options);
    assert!(paths.contains(&(".git/MERGE_HEAD".to_owned(), "added")), "{paths:?}");
}

#[test]
fn a_linked_work_tree_s_state_and_a_reftable_s_are_known_as_far_as_may_be() {
    let world = World::new();
    world.repo("app");
    world.git("app", &["worktree", "add", "-q", "../linked", "-b", "linked"]);
    let roots = ["linked", "app/.git"];
    let old = world.snapshot(&roots);
    world.write("linked/a.txt", "changed\n");
    world.git("linked", &["commit", "-q", "-a", "-m", "there"]);
    world.git("linked", &["bisect", "start"]);
    let new = world.snapshot(&roots);
    let found = diff(&world.store, &old, &new, &DiffOptions::default()).unwrap();
    assert_eq!(found.git.new.operations, ["bisect"]);
    assert!(found.git.index);
    let names: Vec<Vec<u8>> = found.git.refs.unwrap().into_iter().map(|change| change.name).collect();
    assert_eq!(names, [b"refs/heads/linked".to_vec()]);
    // The git directory is a root of its own, and git's.
    assert_eq!(found.paths.iter().map(|change| &change.path).collect::<Vec<_>>(), [Path::new("a.txt")]);

    world.init("reftable", &["--ref-format=reftable"]);
    let old = world.snapshot(&["reftable"]);
    world.git("reftable", &["branch", "new"]);
    let new = world.snapshot(&["reftable"]);
    assert_eq!(diff(&world.store, &old, &new, &DiffOptions::default()).unwrap().git.refs, None);
}

#[test]
fn another_work_tree_s_paths_are_absolute_and_a_moved_repository_s_are_not() {
    let world = World::new();
    world.repo("app");
    world.git("app", &["worktree", "add", "-q", "../linked", "-b", "linked"]);
    let old = world.snapshot(&["app", "linked"]);
    world.write("linked/a.txt", "changed\n");
    fs::rename(world.path("app"), world.path("moved")).unwrap();
    world.write("moved/a.txt", "changed\n");
    let new = world.snapshot_as(
        &[world.path("moved"), world.path("linked")],
        crate::probe::store::SnapshotStatus::Complete,
    );
    let there = world.path("linked/a.txt").display().to_string();
    let wanted = plain(&[(&there, "modified"), ("a.txt", "modified")]);
    assert_eq!(told(&world, &old, &new, &DiffOptions::default()), wanted);
}
