//! What was there comes back, and nothing is lost on the way.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use crate::world::{Repo, World, same, tree};

/// All that git says of a repository, and its index's bytes.
fn as_git_has_it(repo: &Repo<'_>) -> (Vec<String>, Vec<u8>) {
    let index = fs::read(repo.path.join(".git/index")).unwrap_or_default();
    let said = [
        repo.ask(["status", "--porcelain=v2", "--branch", "--show-stash"]),
        repo.ask(["for-each-ref"]),
        repo.ask(["reflog", "--all"]),
        repo.ask(["stash", "list"]),
        fs::read_to_string(repo.path.join(".git/HEAD")).unwrap(),
    ];
    (said.to_vec(), index)
}

/// Every kind of work that is in no commit.
fn unfinished_work(repo: &Repo<'_>) {
    repo.stage("stashed.txt", "stashed\n").git(["stash", "-q"]).fine();
    repo.stage("staged.txt", "staged\n");
    repo.write("a.txt", "not staged\n").write("dir/untracked.bin", [0, 255, 10, 13, 10]);
    fs::create_dir_all(repo.path.join("empty/below")).unwrap();
    symlink("a.txt", repo.path.join("link")).unwrap();
    symlink("/nowhere/at all", repo.path.join("dangling")).unwrap();
    repo.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(repo.path.join("run.sh"), fs::Permissions::from_mode(0o751)).unwrap();
    repo.write(".env", "TOKEN=kept\n");
}

#[test]
fn after_rm_rf_everything_is_as_it_was() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), (".gitignore", ".env\ntarget/\n")]).up();
    let app = world.at("app");
    unfinished_work(&app);
    world.snapshot("app");
    let (before, files) = (as_git_has_it(&app), tree(&app.path));
    fs::remove_dir_all(&app.path).unwrap();
    world.kpmo(["restore", "app"]).fine();
    same(&files, &tree(&app.path));
    assert_eq!(as_git_has_it(&app), before);
    app.git(["fsck", "--strict"]).fine();
    world.nothing_beside(&app.path);
    // It is governed as before.
    app.stage("b.txt", "b\n").commit().fine().silent();
}

#[test]
fn an_unfinished_merge_and_an_unfinished_rebase_come_back() {
    for verb in ["merge", "rebase"] {
        let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
        let app = world.at("app");
        app.git(["switch", "-qc", "side"]).fine();
        app.stage("a.txt", "side\n").commit().fine();
        app.git(["switch", "-q", "main"]).fine();
        app.stage("a.txt", "main\n").commit().fine();
        app.git([verb, "side"]).ended(1);
        world.snapshot("app");
        let (before, files) = (as_git_has_it(&app), tree(&app.path));
        fs::remove_dir_all(&app.path).unwrap();
        world.kpmo(["restore", "app"]).fine();
        same(&files, &tree(&app.path));
        assert_eq!(as_git_has_it(&app), before);
        app.write("a.txt", "both\n").git(["add", "a.txt"]).fine();
        app.git_with("GIT_EDITOR", "true", [verb, "--continue"]).fine();
        app.git(["fsck", "--strict"]).fine();
    }
}

#[test]
fn what_is_dirty_is_not_replaced_and_force_keeps_it() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), (".gitignore", "target/\n")]).up();
    let app = world.at("app");
    app.write("target/built", "an hour's work\n");
    let old = world.snapshot("app");
    app.stage("a.txt", "two\n").commit().fine();
    world.until_captured();
    app.write("a.txt", "precious\n");
    let before = tree(&app.path);
    let many = world.snapshots("app").len();
    world.kpmo(["restore", "app", "--snapshot", &old]).ended(1).says("a.txt").says("--force");
    same(&before, &tree(&app.path));
    assert_eq!(world.snapshots("app").len(), many, "what is refused leaves no snapshot");

    world.kpmo(["restore", "app", "--snapshot", &old, "--force"]).fine();
    assert_eq!(fs::read_to_string(app.path.join("a.txt")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(app.path.join("target/built")).unwrap(), "an hour's work\n");
    world.nothing_beside(&app.path);
    let kept = world.snapshots("app").into_iter().find(|it| it["trigger"] == "restore").unwrap();
    world.kpmo(["restore", "app", "--snapshot", kept["id"].as_str().unwrap(), "--force"]).fine();
    assert_eq!(fs::read_to_string(app.path.join("a.txt")).unwrap(), "precious\n");
}

#[test]
fn latest_is_never_what_a_restore_has_just_replaced() {
    let world = World::new().repo("app", &[("a.txt", "good\n")]).up();
    world.until_captured();
    let app = world.at("app");
    app.write("a.txt", "broken\n");
    world.kpmo(["diff", "latest", "--repo", "app"]).fine().says("a.txt");
    world.kpmo(["restore", "app"]).ended(1);
    world.kpmo(["restore", "app", "--force"]).fine();
    assert_eq!(fs::read_to_string(app.path.join("a.txt")).unwrap(), "good\n");
}

#[test]
fn a_copy_elsewhere_stands_alone() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    app.beside(&world.path("src/linked")).write("in linked", "x\n");
    world.snapshot("app");
    let before = (tree(&app.path), tree(&world.path("src/linked")));
    let copy = world.path("copy");
    world.kpmo(["restore", "app", "--to", copy.to_str().unwrap()]).fine();
    let copied = app.beside(&copy);
    copied.stage("a.txt", "in the copy\n");
    copied.git(["commit", "-qnm", "in the copy"]).fine();
    copied.git(["fsck", "--strict"]).fine();
    assert_eq!((tree(&app.path), tree(&world.path("src/linked"))), before, "the original is untouched");
    let trees = copied.ask(["worktree", "list", "--porcelain"]);
    assert!(!trees.contains(world.path("src/linked").to_str().unwrap()), "{trees}");
    world.kpmo(["restore", "app", "--to", copy.to_str().unwrap()]).ended(1);
}

#[test]
fn single_paths_and_times() {
    let world =
        World::new().repo("app", &[("a.txt", "one\n"), ("d/b.txt", "b one\n"), ("d/c.txt", "c\n")]).up();
    let app = world.at("app");
    world.snapshot("app");
    let first = world.snapshots("app")[0]["time"].as_str().unwrap().to_owned();
    app.stage("a.txt", "two\n").stage("d/b.txt", "b two\n").commit().fine();
    world.until_captured();
    world.kpmo(["restore", "app", "--at", &first, "d"]).fine();
    let text = |name: &str| fs::read_to_string(app.path.join(name)).unwrap();
    assert_eq!((text("a.txt").as_str(), text("d/b.txt").as_str()), ("two\n", "b one\n"));
    world.kpmo(["restore", "app", "--at", &first, "nothing.txt"]).ended(2).says("nothing.txt");
    world.kpmo(["restore", "app", "--at", "2001-01-01"]).ended(2).says("2001-01-01");
    world.kpmo(["restore", "app", "--snapshot", "0000ffff"]).ended(2).says("0000ffff");
    world.kpmo(["restore", "nobody"]).ended(2).says("nobody");
}

#[test]
fn the_whole_fleet_as_it_was() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("b.txt", "one\n")]).up();
    world.until_captured();
    let then = world.snapshots("lib")[0]["time"].as_str().unwrap().to_owned();
    let then = then.max(world.snapshots("app")[0]["time"].as_str().unwrap().to_owned());
    for (name, file) in [("app", "a.txt"), ("lib", "b.txt")] {
        world.at(name).stage(file, "two\n").commit().fine();
    }
    world.until_captured();
    world.kpmo(["restore", "--all", "--at", &then]).fine();
    for (name, file) in [("app", "a.txt"), ("lib", "b.txt")] {
        assert_eq!(fs::read_to_string(world.at(name).path.join(file)).unwrap(), "one\n");
    }
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), (".gitignore", "target/\n")]).up();
    world.until_captured();
    let app = world.at("app");
    let old = world.snapshot("app");
    app.stage("a.txt", "two\n").commit().fine();
    world.until_captured();
    // It is recorded a moment after it is there.
    world.until("both are recorded", || world.events("snapshot").len() >= 2);
    app.write("target/built", "ignored\n");
    let whole = || tree(&world.path("."));
    let (before, known) = (whole(), world.kpmo(["events"]).fine().stdout);
    let said = world.kpmo(["restore", "app", "--snapshot", &old, "--dry-run"]).fine().says("a.txt");
    said.says("1 path").hides("target");
    same(&before, &whole());
    assert_eq!(world.kpmo(["events"]).fine().stdout, known);
}

#[test]
fn a_restore_that_was_killed_leaves_one_of_the_two_whole() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    for number in 0..40 {
        app.write(&format!("many/{number}.bin"), vec![number; 50_000]);
    }
    let old = world.snapshot("app");
    let old_tree = tree(&app.path);
    app.git(["add", "."]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    world.until_captured();
    let new_tree = tree(&app.path);
    for round in 0..12 {
        let mut command = world.command(world.home().join("bin/kpmo"));
        command.args(["restore", "app", "--snapshot", &old, "--force"]);
        let mut asked = crate::world::Background::start(&mut command);
        for _ in 0..round * 6 {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        world.kill_any();
        let _ = asked.end();
        // The one that was killed may still be on its way out.
        world.until("another has started", || world.kpmo(["governor", "start"]).code == Some(0));
        world.until("what was killed is dealt with", || {
            let journals = world.home().join("state/restores");
            fs::read_dir(journals).map_or(true, |mut entries| {
                !entries
                    .any(|entry| entry.is_ok_and(|it| it.path().extension().is_some_and(|it| it == "json")))
            })
        });
        let now = tree(&app.path);
        let is = |wanted| crate::world::differing(&now, wanted).is_empty();
        assert!(is(&old_tree) || is(&new_tree), "{:?}", crate::world::differing(&now, &old_tree));
        world.nothing_beside(&app.path);
        app.git(["fsck", "--strict"]).fine();
        if is(&old_tree) {
            let newest =
                world.snapshots("app").into_iter().find(|it| it["trigger"] == "post-commit").unwrap();
            world.kpmo(["restore", "app", "--force", "--snapshot", newest["id"].as_str().unwrap()]).fine();
        }
    }
    assert!(Path::new(&app.path).is_dir());
}
