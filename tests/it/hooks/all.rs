//! What users do about hooks, from `up` to `down`.

use std::{fs, os::unix::ffi::OsStrExt};

use crate::world::{Ran, World, same, secret, tree};

#[test]
fn a_dry_run_makes_no_home_and_an_addition_makes_a_whole_one() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let home = world.path("fresh");
    world.at("app").write("old.yml", "repos: {}\n");
    let kpmo = |args: &[&str]| {
        let mut kpmo = world.command(world.home().join("bin/kpmo"));
        Ran::of(kpmo.arg("--home").arg(&home).args(args).current_dir(world.path("src")))
    };
    for args in [
        &["repo", "add", "app", "--dry-run"][..],
        &["scan", ".", "--register", "--dry-run"],
        &["registry", "import", "app/old.yml", "--dry-run"],
    ] {
        kpmo(args).ended(2).says("there is no home at ").says("a dry run makes none");
        assert!(!home.exists(), "{args:?}");
    }
    kpmo(&["up", ".", "--dry-run"]).fine().says("install hooks in, 1 repository:");
    kpmo(&["repo", "add", "app"]).fine().hides("warning");
    assert_eq!(fs::read_link(world.at("app").hook("pre-commit")).unwrap(), home.join("bin/kpmo-hook"));
    kpmo(&["up", ".", "--dry-run"]).fine().says("as registered already, 1 repository:").hides("and register");

    // What is wrong with the registry is said by whoever reads it.
    fs::write(home.join("config/repos.yml"), "version: 1\nrepos: []\nx: 1\n").unwrap();
    for args in [&["up", "."][..], &["scan", "."], &["repo", "add", "app"]] {
        kpmo(args).fine().says("repos.yml:3:1: unknown key `x`");
    }
    kpmo(&["governor", "stop"]).fine();
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("husky", &[("a.txt", "one\n")]);
    // Or the governor writes, by itself.
    let world = world.settings("hooks: {heal: false}\n");
    world.at("husky").git(["config", "core.hooksPath", ".husky/_"]).fine();
    let whole = || tree(&world.path("."));
    let before = whole();
    world.kpmo(["up", ".", "--dry-run"]).fine().says("src/app").says("h/state\n");
    same(&whole(), &before);
    assert!(!world.is_running());

    world.kpmo(["up", "."]).fine();
    world.until_captured();
    world.init("new", &[], &[("a.txt", "one\n")]);
    World::script(&world.at("app").path.join(".git/hooks.new"), "#!/bin/sh\n");
    fs::rename(world.at("app").path.join(".git/hooks.new"), world.at("app").hook("pre-push")).unwrap();
    let events = || world.kpmo(["events"]).fine().stdout;
    let (before, known) = (whole(), events());
    for (args, says) in [
        (&["up", ".", "--dry-run"][..], "src/new"),
        (&["repo", "add", "new", "--dry-run"], "would add new"),
        (&["install-hooks", "--all", "--dry-run"], "chained"),
        (&["uninstall-hooks", "--all", "--dry-run"], "removed"),
        (&["repo", "remove", "app", "--dry-run"], "would remove app"),
        (&["down", "--dry-run"], "would be taken out of 2"),
    ] {
        world.kpmo(args).fine().says(says);
        same(&whole(), &before);
        assert_eq!(events(), known, "{args:?}");
    }
    assert!(world.is_running());
}

#[test]
fn up_again_changes_nothing_and_down_leaves_no_trace_in_a_repository() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("deep/er/lib", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\n");
    let bare = world.init("bare.git", &["--bare"], &[]);
    fs::remove_dir_all(bare.path.join("hooks")).unwrap();
    let src = world.path("src");
    let before = tree(&src);
    world.kpmo(["up", "."]).fine();
    // What it shows next does not depend on how far snapshots are.
    world.until_captured();
    let first = world.kpmo(["up", "."]).fine();
    let (after, registry) = (tree(&src), world.registry());
    assert_ne!(after, before);
    let second = world.kpmo(["up", "."]).fine();
    assert_eq!((first.stdout, &*registry), (second.stdout, &*world.registry()));
    same(&tree(&src), &after);
    assert_eq!(world.events("repo-added").len(), 3);
    assert_eq!(world.events("hooks-installed").len(), 3);

    world.kpmo(["down"]).fine().says("out of 3 repositories");
    same(&tree(&src), &before);
    assert!(!world.is_running());
    assert_eq!(world.registry(), registry);
    world.at("app").stage("a.txt", secret()).commit().fine().silent();
    world.kpmo(["up", "."]).fine();
    assert_eq!(world.events("repo-added").len(), 3);
    world.at("app").stage("b.txt", secret()).commit().refused();
}

#[test]
fn up_does_not_search_a_home_directory_unasked() {
    let world = World::new();
    let said = world.kpmo(["up"]).ended(2);
    said.says("--yes").says("--dry-run").says(world.user().to_str().unwrap());
    assert!(!world.home().join("config").exists() && !world.is_running());
    world.kpmo(["up", "/nowhere/at/all"]).ended(2).says("/nowhere/at/all");
    world.init_in_home("dotfiles");
    world.kpmo(["up", "--yes"]).fine().says("dotfiles");
}

#[test]
fn a_hook_can_be_run_by_hand() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let hook = |args: &[&str]| Ran::of(app.command(world.home().join("bin/kpmo-hook")).args(args));
    hook(&["run", "pre-commit"]).fine().silent();
    app.stage("a.txt", secret());
    hook(&["run", "pre-commit"]).ended(1).says("commit refused in app").says("secrets a.txt:1\n");
    hook(&["run", "post-commit"]).fine().silent();
    hook(&["--help"]).fine().says("Usage: kpmo-hook run EVENT").says("pre-merge-commit");
    hook(&["--version"]).fine().says(env!("CARGO_PKG_VERSION"));
    hook(&["run", "pre-comit"]).ended(2).says("pre-comit").says("--help");
    hook(&["run"]).ended(2).says("Usage");
    hook(&["pre-commit"]).ended(2).says("Usage");
    let odd = std::ffi::OsStr::from_bytes(b"\xff\x1b[31m");
    Ran::of(app.command(world.home().join("bin/kpmo-hook")).arg("run").arg(odd)).ended(2).hides("\x1b");
}
