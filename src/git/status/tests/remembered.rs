//! What is remembered is as long used as nothing has changed, and no longer.

use super::*;

/// What it is, and how it is done.
type Change = (&'static str, fn(&World));

#[test]
fn what_has_not_changed_is_not_asked_again() {
    let world = World::committed();
    world
        .write("untracked/x", "")
        .write(".gitignore", "target\n*.o\n")
        .write("target/big", "")
        .write("a.o", "");
    world.until_remembered();
    let asked = world.asked();
    for _ in 0..5 {
        world.seen();
    }
    // What git ignores may change.
    world.write("target/more/deep", "x").write("a.o", "changed");
    world.seen();
    assert_eq!(world.asked(), asked);
    world.check("remembered");
    // All of these may not.
    let changes: [Change; 14] = [
        ("the same size", |w| w.put("a.txt", "ONE\n")),
        ("a file in a directory that is not tracked", |w| fs::remove_file(w.path("untracked/x")).unwrap()),
        ("an ignore rule", |w| w.put("dir/.gitignore", "b.*\n")),
        ("an ignore rule of its own", |w| w.put(".git/info/exclude", "untracked\n")),
        ("staged", |w| drop(w.git(&["add", "a.txt"]))),
        ("committed", |w| drop(w.git(&["commit", "-q", "-m", "x"]))),
        ("a mode", |w| {
            assert!(Command::new("chmod").arg("+x").arg(w.path("a.txt")).status().unwrap().success());
        }),
        ("configuration", |w| drop(w.git(&["config", "core.fileMode", "false"]))),
        ("HEAD", |w| drop(w.git(&["checkout", "-q", "--detach"]))),
        ("a stash", |w| drop(w.git(&["stash", "-q", "-u"]))),
        ("refs that are packed", |w| drop(w.git(&["pack-refs", "--all"]))),
        ("a link for a file", |w| {
            fs::remove_file(w.path("dir/b.txt")).unwrap();
            std::os::unix::fs::symlink("x", w.path("dir/b.txt")).unwrap();
        }),
        ("a time that is set back", |w| {
            w.write("a.txt", "two\n");
            let touch = Command::new("touch").args(["-d", "2001-01-01"]).arg(w.path("a.txt")).status();
            assert!(touch.unwrap().success());
        }),
        ("a branch", |w| drop(w.git(&["branch", "-q", "-f", "other"]))),
    ];
    for (when, change) in changes {
        world.until_remembered();
        change(&world);
        world.check(when);
        world.check(when);
    }
}

#[test]
fn what_a_configuration_includes_counts() {
    let world = World::committed();
    let outside = world.dir.path().join("outside");
    fs::write(&outside, "").unwrap();
    world.git(&["config", "include.path", outside.to_str().unwrap()]);
    world.write("x", "");
    world.until_remembered();
    world.check("included");
    let patterns = world.dir.path().join("patterns");
    fs::write(&outside, format!("[core]\nexcludesFile = {}\n", patterns.display())).unwrap();
    world.check("an excludes file that is not there");
    world.until_remembered();
    fs::write(&patterns, "x\n").unwrap();
    world.check("an excludes file that is there now");
    assert_eq!(world.seen().work.untracked, 0);
    world.until_remembered();
    fs::write(&patterns, "y\n").unwrap();
    world.check("another pattern");
    assert_eq!(world.seen().work.untracked, 1);
}

/// A directory whose files are tracked becomes a repository of its own.
#[test]
fn what_the_index_has_in_another_repository_counts() {
    for inside in ["lib", "lib/deep"] {
        let world = World::committed();
        world.write("lib/x", "one\n").write("lib/deep/y", "one\n").write("[l]ib/z", "");
        world.git(&["add", "lib"]);
        world.git(&["commit", "-q", "-m", "lib"]);
        world.git(&["init", "-q", inside]);
        world.git(&["-C", inside, "commit", "-q", "--allow-empty", "-m", "x"]);
        for text in ["two\n", "three\n", "one\n"] {
            World::until_settled();
            world.seen();
            world.write("lib/deep/y", text).check(inside);
        }
        fs::remove_dir_all(world.path(inside).join(".git")).unwrap();
        world.until_remembered();
        world.check("no repository any more");
    }
}

/// git need not look at what it does not know: asking it costs less.
#[test]
fn too_many_files_are_not_looked_at_one_by_one() {
    let world = World::committed();
    let walk = || tree::walk(&world.top(), &tree::Ignored::default(), &mut ());
    fs::create_dir(world.path("data")).unwrap();
    for number in 0..=50_000 {
        fs::File::create(world.path("data").join(number.to_string())).unwrap();
    }
    assert!(walk().is_none());
    world.check("many");
    // Where the index is that large, git looks at each, too.
    let index = fs::File::options().write(true).open(world.path(".git/index")).unwrap();
    index.set_len(4 << 20).unwrap();
    assert!(walk().is_some());
}

/// With reftable, too, where every HEAD's file says the same.
#[test]
fn heads_of_other_work_trees_count() {
    for format in ["files", "reftable"] {
        let world = World::new();
        fs::remove_dir_all(world.path(".git")).unwrap();
        if !try_git(&world.top(), &["init", "-q", &format!("--ref-format={format}")]).1 {
            eprintln!("LEFT OUT: {format}; this git is too old");
            continue;
        }
        world.write("a", "1\n").git(&["add", "."]);
        world.git(&["commit", "-q", "-m", "one"]);
        world.git(&["worktree", "add", "-q", "--detach", "../linked"]);
        world.git(&["-C", "../linked", "commit", "-q", "--allow-empty", "-m", "two"]);
        let commits = [world.git(&["-C", "../linked", "rev-parse", "HEAD"]).trim().to_owned()];
        let reachable = || world.memory.look(&world.git).at(&world.location(), &commits).unwrap().reachable;
        assert_eq!(reachable(), 1, "{format}");
        while !world.memory.has(&world.location()) {
            reachable();
        }
        world.git(&["-C", "../linked", "checkout", "-q", "--detach", "main"]);
        assert_eq!(reachable(), 0, "{format}");
    }
}

/// What is relative in the user's configuration is so to each work tree.
#[test]
fn a_users_relative_excludes_file_is_another_in_each_work_tree() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    let now = |text: &str| {
        fs::write(&config, text).unwrap();
        users::Users::in_file(&config).now().is_some()
    };
    assert!(now("[core]\n excludesFile = /etc/ignore\n attributesFile = ~/attributes\n"));
    assert!(!now("[core]\n excludesFile = ignore\n"));
    assert!(!now("[core]\n attributesFile = ./attributes\n"));
    assert!(!now("[core]\n excludesFile = :(optional)/etc/ignore\n"));
    fs::write(dir.path().join("more"), "").unwrap();
    assert!(now("[include]\n path = more\n"));
}

#[test]
fn commits_are_counted_that_a_ref_leads_to() {
    let world = World::committed();
    let commit = world.git(&["rev-parse", "HEAD"]).trim().to_owned();
    world.git(&["commit", "-q", "--amend", "-m", "another"]);
    let amended = world.git(&["rev-parse", "HEAD"]).trim().to_owned();
    world.until_remembered();
    let reachable = |commits: &[&String]| {
        let commits: Vec<String> = commits.iter().map(|id| (*id).clone()).collect();
        world.memory.look(&world.git).at(&world.location(), &commits).unwrap().reachable
    };
    assert_eq!(reachable(&[&commit]), 0);
    assert_eq!(reachable(&[&commit, &amended]), 1);
    world.git(&["branch", "old", &commit]);
    assert_eq!(reachable(&[&commit, &amended]), 2);
}

#[test]
fn a_configured_hooks_path_is_found_and_followed() {
    let world = World::committed();
    world.until_remembered();
    assert_eq!(world.seen().hooks_path, None);
    world.git(&["config", "core.hooksPath", "there"]);
    for _ in 0..2 {
        let found = world.seen().hooks_path.unwrap();
        assert_eq!((found.value, found.own.is_some()), ("there".into(), true));
        world.until_remembered();
    }
    world.git(&["config", "--unset", "core.hooksPath"]);
    assert_eq!(world.seen().hooks_path, None);
}

/// Files are looked at by their remembered names: whatever comes, goes, or is
/// another kind of thing under the same name has to be seen.
#[test]
fn names_are_remembered_and_directories_are_not_read() {
    let world = World::committed();
    world.write("nested/x", "");
    world.git(&["init", "-q", "nested/repo"]);
    world.write("nested/repo/y", "").write("dir/späte\n", "").write("empty/.keep", "");
    fs::remove_file(world.path("empty/.keep")).unwrap();
    let top = world.top();
    let walk = || tree::walk(&top, &tree::Ignored::default(), &mut ()).unwrap();
    let walked = walk();
    let listing = walked.listing.unwrap();
    assert_eq!(listing.stamp(&top), Some(walked.stamp));
    let changed = |what: &str| {
        assert_ne!(listing.stamp(&top), Some(walked.stamp), "{what}");
        assert_ne!(walk().stamp, walked.stamp, "{what}");
    };
    world.git(&["-C", "nested/repo", "commit", "-q", "--allow-empty", "-m", "x"]);
    changed("another repository's commit");
    fs::rename(world.path("dir"), world.path("other")).unwrap();
    changed("a directory that is gone");
    std::os::unix::fs::symlink("other", world.path("dir")).unwrap();
    changed("a link instead of a directory");
    fs::remove_file(world.path("dir")).unwrap();
    fs::rename(world.path("other"), world.path("dir")).unwrap();
    changed("a directory with the same files, back in its place");
    let again = walk();
    let listing = again.listing.unwrap();
    assert_eq!(listing.stamp(&top), Some(again.stamp));
    fs::create_dir(world.path("empty/more")).unwrap();
    assert_ne!(listing.stamp(&top), Some(again.stamp), "a directory in an empty one");
}
