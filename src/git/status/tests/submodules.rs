//! Repositories in a work tree, and of these the ones that belong to it.

use super::*;

#[test]
fn other_repositories_inside_count_by_their_head() {
    let world = World::committed();
    world.git(&["init", "-q", "nested"]);
    world.git(&["-C", "nested", "commit", "-q", "--allow-empty", "-m", "x"]);
    world.add_submodule("sub");
    world.until_remembered();
    world.check("remembered");
    let asked = world.asked();
    // It is not in any index.
    world.write("nested/new", "x").check("a file in it");
    assert_eq!(world.asked(), asked);
    world.git(&["-C", "sub", "commit", "-q", "--allow-empty", "-m", "more"]);
    world.check("a commit in a submodule");
    assert_eq!(world.seen().work.unstaged, 1);
    world.until_remembered();
    world.git(&["-C", "nested", "commit", "-q", "--allow-empty", "-m", "more"]);
    world.check("a commit in the one that is not tracked");
    fs::remove_dir_all(world.path("nested/.git")).unwrap();
    world.check("no repository any more");
}

/// What is done, and which changes there are then in it, by the paths of what is
/// looked at.
type Change = (&'static str, fn(&World), &'static [(&'static str, u32)]);

#[test]
fn what_is_not_committed_in_a_submodule_counts() {
    let world = World::committed();
    world.add_submodule("mod/sub");
    let changes: [Change; 17] = [
        ("nothing", |_| (), &[("mod/sub", 0), ("mod/sub/inner", 0)]),
        ("untracked", |w| w.put("mod/sub/new", ""), &[("mod/sub", 1), ("mod/sub/inner", 0)]),
        ("changed", |w| w.put("mod/sub/x", "two\n"), &[("mod/sub", 2), ("mod/sub/inner", 0)]),
        ("added", |w| drop(w.git(&["-C", "mod/sub", "add", "."])), &[("mod/sub", 2), ("mod/sub/inner", 0)]),
        (
            "committed",
            |w| drop(w.git(&["-C", "mod/sub", "commit", "-q", "-m", "x"])),
            &[("mod/sub", 0), ("mod/sub/inner", 0)],
        ),
        ("changed again", |w| w.put("mod/sub/x", "one\n"), &[("mod/sub", 1), ("mod/sub/inner", 0)]),
        // Its new commit, and not what it has besides.
        ("staged", |w| drop(w.git(&["add", "mod/sub"])), &[("mod/sub", 1), ("mod/sub/inner", 0)]),
        (
            "reset",
            |w| drop(w.git(&["-C", "mod/sub", "reset", "-q", "--hard"])),
            &[("mod/sub", 0), ("mod/sub/inner", 0)],
        ),
        (
            "untracked two levels deep",
            |w| w.put("mod/sub/inner/new", ""),
            &[("mod/sub", 1), ("mod/sub/inner", 1)],
        ),
        (
            "ignored by what the index has",
            |w| drop(w.git(&["update-index", "--skip-worktree", "mod/sub"])),
            &[],
        ),
        (
            "assumed unchanged",
            |w| {
                w.git(&["update-index", "--no-skip-worktree", "mod/sub"]);
                w.git(&["update-index", "--assume-unchanged", "mod/sub"]);
            },
            &[],
        ),
        (
            "not any more",
            |w| drop(w.git(&["update-index", "--no-assume-unchanged", "mod/sub"])),
            &[("mod/sub", 1), ("mod/sub/inner", 1)],
        ),
        (
            "without a record in .gitmodules",
            |w| fs::remove_file(w.path(".gitmodules")).unwrap(),
            &[("mod/sub", 1), ("mod/sub/inner", 1)],
        ),
        (
            "in the middle of a merge",
            |w| {
                w.git(&["-C", "mod/sub/inner", "checkout", "-q", "-b", "side"]);
                w.write("mod/sub/inner/x", "two\n").git(&["-C", "mod/sub/inner", "commit", "-qam", "x"]);
                w.git(&["-C", "mod/sub/inner", "checkout", "-q", "-b", "third", "HEAD~"]);
                w.write("mod/sub/inner/x", "three\n").git(&["-C", "mod/sub/inner", "commit", "-qam", "x"]);
                assert!(!try_git(&w.path("mod/sub/inner"), &["merge", "-q", "side"]).1);
            },
            &[("mod/sub", 1), ("mod/sub/inner", 2)],
        ),
        (
            "behind a link",
            |w| {
                fs::rename(w.path("mod"), w.path("../moved")).unwrap();
                std::os::unix::fs::symlink("../moved", w.path("mod")).unwrap();
            },
            &[],
        ),
        (
            "back",
            |w| {
                fs::remove_file(w.path("mod")).unwrap();
                fs::rename(w.path("../moved"), w.path("mod")).unwrap();
            },
            &[("mod/sub", 1), ("mod/sub/inner", 2)],
        ),
        ("gone", |w| fs::remove_dir_all(w.path("mod/sub")).unwrap(), &[]),
    ];
    for (when, change, submodules) in changes {
        change(&world);
        let check = || {
            world.check(when);
            let seen = world.seen().submodules;
            let seen: Vec<_> =
                seen.iter().map(|sub| (sub.path.clone(), sub.work.as_ref().unwrap().dirty)).collect();
            let wanted: Vec<_> = submodules.iter().map(|(path, dirty)| (world.path(path), *dirty)).collect();
            assert_eq!(seen, wanted, "{when}");
        };
        check();
        if !when.contains("link") {
            world.until_remembered();
            check();
        }
    }
}

/// Also where its superproject is remembered.
#[test]
fn a_submodule_that_has_not_changed_is_not_asked_again() {
    let world = World::committed();
    world.add_submodule("sub");
    world.write("sub/new", "");
    let submodules = || {
        let location = Location::at(&world.path("sub")).unwrap();
        let inner = Location::at(&world.path("sub/inner")).unwrap();
        world.memory.has(&location) && world.memory.has(&inner)
    };
    world.until_remembered();
    while !submodules() {
        world.seen();
    }
    let asked = world.asked();
    world.check("remembered");
    assert_eq!(world.asked(), asked);
    world.write("sub/x", "two\n").check("changed");
    assert_eq!(world.asked(), asked + 1);
    // It may be registered by itself: then other commits are asked about.
    World::until_settled();
    let location = Location::at(&world.path("sub")).unwrap();
    let head = [world.git(&["-C", "sub", "rev-parse", "HEAD"]).trim().to_owned()];
    let by_itself = || world.memory.look(&world.git).at(&location, &head).unwrap();
    assert_eq!(by_itself().reachable, 1);
    let asked = world.asked();
    world.check("by itself, too");
    assert_eq!(by_itself().reachable, 1);
    assert_eq!(world.asked(), asked);
}

#[test]
fn what_configuration_ignores_does_not_count() {
    let world = World::committed();
    world.add_submodule("sub");
    world.git(&["mv", "sub", "other name"]);
    world.git(&["commit", "-q", "-m", "moved"]);
    let set = |file: &str, key: &str, value: &str| {
        let key = format!("{key}.ignore{}", if key == "diff" { "Submodules" } else { "" });
        if value.is_empty() {
            let _ = try_git(&world.top(), &["config", "--file", file, "--unset-all", &key]);
        } else {
            world.git(&["config", "--file", file, &key, value]);
        }
    };
    let all = ["all", "dirty", "untracked", "none", ""];
    let check = |what: &str| {
        for (of_all, module, own) in [("", "", ""), ("all", "none", ""), ("none", "all", "none")]
            .into_iter()
            .chain(all.map(|value| (value, "", "")))
            .chain(all.map(|value| ("", value, "")))
            .chain(all.map(|value| ("dirty", "dirty", value)))
        {
            set(".git/config", "diff", of_all);
            set(".gitmodules", "submodule.sub", module);
            set(".git/config", "submodule.sub", own);
            world.check(&format!("{what}: of all {of_all:?}, by .gitmodules {module:?}, its own {own:?}"));
        }
    };
    check("nothing");
    world.write("other name/inner/new", "");
    check("a new file two levels deep");
    world.write("other name/new", "");
    check("a new file");
    world.write("other name/x", "two\n");
    check("a change");
    world.git(&["-C", "other name", "commit", "-q", "-am", "x"]);
    check("a commit, and a new file");
    world.git(&["add", "other name"]);
    check("that commit staged");
    world.git(&["-C", "other name", "commit", "-q", "--allow-empty", "-m", "x"]);
    check("that commit staged, and another");
    fs::rename(world.path("other name"), world.path("../away")).unwrap();
    check("gone");
    world.put("other name", "");
    check("a file in its place");
}

/// `.gitmodules` says which path is whose.
#[test]
fn what_is_ignored_is_found_where_git_finds_it() {
    let world = World::committed();
    world.add_submodule("sub");
    let modules = fs::read_to_string(world.path(".gitmodules")).unwrap();
    let with = |ignore: &str| format!("{modules}\tignore = {ignore}\n");
    world.write("sub/new", "").check("not ignored");
    world.write(".gitmodules", with("all")).git(&["add", ".gitmodules"]);
    fs::remove_file(world.path(".gitmodules")).unwrap();
    world.check("in the index alone");
    world.git(&["commit", "-q", "-m", "ignored"]);
    world.git(&["rm", "-q", "--cached", ".gitmodules"]);
    world.check("in HEAD alone");
    world.git(&["reset", "-q", "--hard"]);
    fs::write(world.path("../modules"), with("none")).unwrap();
    fs::remove_file(world.path(".gitmodules")).unwrap();
    std::os::unix::fs::symlink("../modules", world.path(".gitmodules")).unwrap();
    for ignore in ["none", "all", "untracked"] {
        // What is behind the link must not be remembered.
        World::until_settled();
        world.check("a link");
        fs::write(world.path("../modules"), with(ignore)).unwrap();
        world.check(ignore);
    }
    world.git(&["reset", "-q", "--hard"]);
    world.git(&["config", "submodule.sub.ignore", "all"]);
    world.check("by name");
    world.git(&["checkout", "-q", "-b", "side"]);
    world.write(".gitmodules", with("dirty")).git(&["commit", "-qam", "dirty"]);
    world.git(&["checkout", "-q", "-b", "third", "HEAD~"]);
    world.write(".gitmodules", with("untracked")).git(&["commit", "-qam", "untracked"]);
    assert!(!try_git(&world.top(), &["merge", "-q", "side"]).1);
    world.check("in conflict");
}

/// A walk ends where the other repository begins; the index does not.
#[test]
fn one_in_another_repository_is_looked_at() {
    let world = World::committed();
    world.write("lib/x", "").git(&["add", "."]);
    world.add_submodule("lib/sub");
    world.git(&["init", "-q", "lib"]);
    world.write("lib/sub/new", "").check("in another repository");
    assert_eq!(world.seen().work.unstaged, 1);
}

/// Few files may make many of them.
#[test]
fn each_repository_is_looked_at_once() {
    let world = World::new();
    let mut git_dir = world.path(".git");
    let entry = |name: &str| format!("160000,{},{name}", "1".repeat(40));
    for level in 1..=20 {
        let (top, next) = (world.path(&format!("w{level}")), world.path(&format!("../m{level}")));
        let work_tree = if level == 1 { world.top() } else { world.path(&format!("w{}", level - 1)) };
        assert!(try_git(&world.top(), &["init", "-q", "--bare", next.to_str().unwrap()]).1);
        fs::write(next.join("config"), format!("[core]\n\tworktree = {}\n", top.display())).unwrap();
        fs::create_dir_all(&top).unwrap();
        for name in ["d0", "d1"] {
            fs::create_dir(work_tree.join(name)).unwrap();
            fs::write(work_tree.join(name).join(".git"), format!("gitdir: {}\n", next.display())).unwrap();
            let git_dir = format!("--git-dir={}", git_dir.display());
            let (said, fine) = try_git(
                &work_tree,
                &[&git_dir, "--work-tree=.", "update-index", "--add", "--cacheinfo", &entry(name)],
            );
            assert!(fine, "{said}");
        }
        git_dir = next;
    }
    assert_eq!(world.seen().submodules.len(), 20);
}

#[test]
fn a_file_that_names_no_path_is_not_repeated() {
    let world = World::committed();
    world.add_submodule("sub");
    world.write("sub/.git", format!("gitdir: {}\n", "a/".repeat(1 << 20)));
    let seen = world.seen();
    let error = seen.submodules[0].work.as_ref().unwrap_err().to_string();
    assert!(error.len() < 1_000 && error.contains("sub/.git"), "{error:.1000}");
}

#[test]
fn one_that_cannot_be_read_hides_nothing_else() {
    let world = World::committed();
    world.add_submodule("sub");
    world.write("a.txt", "two\n");
    let seen = world.seen();
    assert_eq!(seen.submodules.len(), 2);
    fs::rename(world.path(".git/modules/sub"), world.path("../away")).unwrap();
    let seen = world.seen();
    assert_eq!(seen.work.unstaged, 1);
    let [submodule] = &seen.submodules[..] else { panic!("{:?}", seen.submodules) };
    assert_eq!(submodule.path, world.path("sub"));
    assert!(matches!(submodule.work, Err(GitError::LeadsNowhere { .. })), "{submodule:?}");
}

/// No end of them, to whoever follows.
#[test]
fn one_that_leads_back_is_passed_over() {
    let world = World::committed();
    world.add_submodule("sub");
    world.git(&["config", "core.worktree", world.top().to_str().unwrap()]);
    world.put("sub/inner/.git", &format!("gitdir: {}\n", world.path(".git").display()));
    let seen = world.seen();
    assert_eq!(seen.submodules.len(), 1, "{seen:?}");
}

/// An archive may hold more than there is room for in a thread's stack.
#[test]
fn there_may_be_any_number_within_each_other() {
    let world = World::new();
    let mut top = world.top();
    let entry = format!("160000,{},d", "1".repeat(40));
    for _ in 0..60 {
        assert!(try_git(&top, &["update-index", "--add", "--cacheinfo", &entry]).1);
        top.push("d");
        assert!(try_git(&world.top(), &["init", "-q", top.to_str().unwrap()]).1);
    }
    let seen = world.seen();
    let (last, others) = seen.submodules.split_last().unwrap();
    assert!(matches!(last.work, Err(GitError::TooMany { .. })), "{last:?}");
    assert!(others.iter().all(|submodule| submodule.work.is_ok()), "{others:?}");
    assert_eq!(others.len(), 50);
}
