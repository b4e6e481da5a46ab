//! `--mode config`, with a git that runs hooks by its configuration: where
//! `KPMO_TEST_GIT` names one, 2.54 or later.

use std::fs;

use super::{Tool, commit, hooks, ran, refuses, tool::AT_COMMIT, verdicts};
use crate::world::{World, newest_git, secret};

/// A world whose git is that one.
fn world() -> Option<World> {
    newest_git().map(|git| World::new().patient().with_program("git", &git))
}

fn entries(world: &World) -> usize {
    let listed = world.at("app").git(["config", "--local", "--get-regexp", r"^hook\.kpmo-.*\.command$"]);
    listed.stdout.lines().count()
}

#[test]
fn git_runs_the_entries_and_no_hooks_directory_is_touched() {
    let Some(world) = world() else { return };
    let world = world.repo("app", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\necho theirs >> \"$HOME/ran\"\n");
    let before = (hooks(&world.at("app")), fs::read(world.at("app").path.join(".git/config")).unwrap());
    world.kpmo(["repo", "add", "app", "--no-hooks"]).fine();
    let app = world.at("app").with_origin();
    let config = fs::read(app.path.join(".git/config")).unwrap();

    world.kpmo(["install-hooks", "app", "--mode", "config", "--dry-run"]).fine();
    assert_eq!(entries(&world), 0);
    world.kpmo(["install-hooks", "app", "--mode", "config"]).fine().says("by the configuration");
    assert_eq!((hooks(&app), world.status("app")["hooks"].as_str()), (before.0.clone(), Some("ok")));
    assert_eq!(entries(&world), 9);
    assert_eq!(world.json(["install-hooks", "app", "--check"])["repos"][0]["mode"], "config");

    let judged = verdicts(&world);
    app.stage("a.txt", "two\n").commit().fine();
    assert_eq!(ran(&world), ["theirs"]);
    assert_eq!(verdicts(&world), judged + 1);
    world.until("post-commit is noted", || !world.events("head-moved").is_empty());
    app.stage("bad.txt", secret()).commit().refused().says("secrets bad.txt:1");
    app.git(["commit", "-qnm", "slipped"]).fine();
    // pre-push has arguments, and is told the refs.
    app.git(["push", "-q", "origin", "main"]).refused().says("secrets bad.txt:1 (commit ");
    app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
    app.git(["push", "-q", "origin", "main"]).fine();

    // `up` again leaves the mode as it is.
    let world = world.up();
    assert_eq!(entries(&world), 9);
    let app = world.at("app");
    // Without the program git goes on.
    world.spare_no_hook();
    fs::rename(world.home().join("bin/kpmo-hook"), world.home().join("bin/gone")).unwrap();
    app.stage("bad.txt", secret()).commit().fine().hides("kpmo");
    app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
    fs::rename(world.home().join("bin/gone"), world.home().join("bin/kpmo-hook")).unwrap();

    world.kpmo(["uninstall-hooks", "app"]).fine();
    assert_eq!((hooks(&app), fs::read(app.path.join(".git/config")).unwrap()), (before.0, config));
    app.stage("bad.txt", secret()).commit().fine();
}

#[test]
fn changing_the_mode_doubles_nothing() {
    let Some(world) = world() else { return };
    let world = world.repo("app", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\necho theirs >> \"$HOME/ran\"\n");
    let world = world.up();
    let app = world.at("app");
    let links = hooks(&app);
    for mode in ["config", "links", "config"] {
        world.kpmo(["install-hooks", "app", "--mode", mode]).fine();
        world.kpmo(["install-hooks", "app", "--check"]).fine();
        assert_eq!(hooks(&app) == links, mode == "links");
        let before = verdicts(&world);
        assert_eq!(commit(&world, &app, &format!("{mode} {before}\n")), ["theirs"]);
        assert_eq!(verdicts(&world), before + 1, "{mode}");
    }
    // Somebody takes one out: healed by itself.
    app.git(["config", "--remove-section", "hook.kpmo-pre-push"]).fine();
    world.until("it is healed", || entries(&world) == 9 && world.status("app")["hooks"] == "ok");
}

#[test]
fn other_tools_come_and_go_as_if_kpmo_were_not_there() {
    let Some(world) = world() else { return };
    let world = world.repo("app", &[("a.txt", "one\n")]);
    world.kpmo(["repo", "add", "app", "--no-hooks"]).fine();
    world.kpmo(["install-hooks", "app", "--mode", "config"]).fine();
    for tool in [Tool::PreCommit, Tool::Prek, Tool::Lefthook, Tool::Husky] {
        if tool.program().is_none() {
            continue;
        }
        let app = world.at("app");
        let before = hooks(&app);
        tool.configure(&app);
        tool.install(&app);
        assert_eq!(commit(&world, &app, &format!("{tool:?}\n")), AT_COMMIT);
        refuses(&world, &app);
        tool.uninstall(&app);
        assert_eq!(commit(&world, &app, &format!("{tool:?} is gone\n")), [""; 0]);
        app.git(["rm", "-rqf", "--ignore-unmatch", ".pre-commit-config.yaml", "lefthook.yml", ".husky"])
            .fine();
        app.git(["commit", "-qm", "cleared"]).fine();
        assert_eq!(hooks(&app), before, "{tool:?}");
    }
}

#[test]
fn an_older_git_is_told_apart() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    // The version is all that is asked.
    let git = world.path("old-git");
    World::script(
        &git,
        &format!(
            "#!/bin/sh\nfor last; do :; done\nif [ \"$last\" = version ]; then echo git version 2.53.1; exit; fi\n\
             PATH='{}'; export PATH; exec git \"$@\"\n",
            std::env::var("PATH").unwrap()
        ),
    );
    let world = world.with_program("git", &git).up();
    let said = world.kpmo(["install-hooks", "app", "--mode", "config"]).ended(1);
    said.says("git 2.53.1").says("--mode links");
    assert_eq!((entries(&world), world.status("app")["hooks"].as_str()), (0, Some("ok")));
}
