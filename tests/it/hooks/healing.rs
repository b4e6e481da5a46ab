//! Hooks that others changed are put in place again.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::world::{Ran, Repo, World, secret};

#[test]
fn another_tools_install_over_ours_is_noticed_and_healed() {
    // By hand, step by step.
    let world = World::new().settings("hooks: {heal: false}\n").repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    // As pre-commit does it: what stood there becomes its own legacy hook.
    fs::rename(app.hook("pre-commit"), app.hook("pre-commit.legacy")).unwrap();
    let legacy = "#!/bin/sh\necho tool >&2\nhere=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\n\
        if test -x \"$here/pre-commit.legacy\"; then \"$here/pre-commit.legacy\" \"$@\" || exit 1; fi\n";
    World::script(&app.hook("pre-commit"), legacy);
    assert_eq!(world.status("app")["hooks"], "partial");
    app.stage("a.txt", secret()).commit().refused().says("secrets a.txt:1\n");
    world.kpmo(["install-hooks", "app", "--check"]).ended(1).says("pre-commit");

    world.kpmo(["install-hooks", "app"]).fine();
    let said = app.commit().refused();
    assert_eq!((said.stderr.matches("tool").count(), said.stderr.matches("commit refused").count()), (1, 1));
    app.stage("a.txt", "two\n").commit().fine().hides("kpmo");

    fs::remove_file(app.hook("pre-push")).unwrap();
    fs::remove_file(app.hook("post-commit")).unwrap();
    symlink("/gone/bin/kpmo-hook", app.hook("post-commit")).unwrap();
    world
        .kpmo(["install-hooks", "app", "--check"])
        .ended(1)
        .says("app: partial")
        .says("pre-push")
        .says("post-commit");
    world.kpmo(["up", "."]).fine();
    world.kpmo(["install-hooks", "app", "--check"]).fine();
}

/// Replaces a hook as other tools do: ours becomes `NAME.legacy`, which theirs
/// runs.
fn usurp(app: &Repo<'_>, name: &str) {
    fs::rename(app.hook(name), app.hook(&format!("{name}.legacy"))).unwrap();
    let script = format!(
        "#!/bin/sh\necho tool-{name} >&2\nlegacy=$(dirname \"$0\")/{name}.legacy\n\
         if test -x \"$legacy\"; then \"$legacy\" \"$@\" || exit 1; fi\n"
    );
    World::script(&app.hook(name), &script);
}

fn is_ours(world: &World, app: &Repo<'_>, name: &str) -> bool {
    fs::read_link(app.hook(name)).is_ok_and(|target| target == world.home().join("bin/kpmo-hook"))
}

#[test]
fn it_is_healed_at_the_next_event_of_the_past() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    usurp(&app, "pre-commit");
    app.stage("a.txt", "two\n").commit().fine().says("tool-pre-commit");
    world.until("the hook is ours again", || is_ours(&world, &app, "pre-commit"));
    let healed = world.until_events("hooks-healed", 1);
    assert_eq!(healed[0]["attributes"]["hooks"], "pre-commit");
    assert!(!app.hook("pre-commit.legacy").exists());
    let said = app.stage("a.txt", secret()).commit().refused();
    assert_eq!(said.stderr.matches("tool-pre-commit").count(), 1);
    app.stage("a.txt", "three\n").commit().fine().says("tool-pre-commit");
    world.kpmo(["install-hooks", "app", "--check"]).fine();
    // What is well is healed no more.
    assert_eq!(world.events("hooks-healed").len(), 1);
}

#[test]
fn it_is_healed_while_the_governor_runs_and_at_its_start() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    for name in ["pre-commit", "post-commit"] {
        fs::remove_file(app.hook(name)).unwrap();
    }
    world.until("status is well again", || world.status("app")["hooks"] == "ok");
    world.until("it is told", || !world.events("hooks-healed").is_empty());

    world.stop();
    usurp(&app, "post-commit");
    world.kpmo(["governor", "start"]).fine();
    world.until("the hook is ours again", || is_ours(&world, &app, "post-commit"));
}

#[test]
fn a_hooks_path_that_another_tool_sets_is_healed() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    World::script(&app.path.join(".tool/pre-commit"), "#!/bin/sh\necho tool >&2\n");
    app.git(["config", "core.hooksPath", ".tool"]).fine();
    world.until("status is well again", || world.status("app")["hooks"] == "ok");
    let said = app.stage("a.txt", secret()).commit().refused();
    assert_eq!(said.stderr.matches("tool").count(), 1);
    // And the same again, with kpmo's own directory there already.
    app.git(["config", "core.hooksPath", ".tool"]).fine();
    world.until("status is well again", || world.status("app")["hooks"] == "ok");
    app.commit().refused().says("tool");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_changed_is_healed_without_anybody_coming_by() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let (app, lib) = (world.at("app"), world.at("lib"));
    // As husky's `prepare` does it, each time that packages are installed.
    World::script(&app.path.join(".tool/pre-commit"), "#!/bin/sh\necho tool >&2\n");
    for times in 1..=2 {
        app.git(["config", "core.hooksPath", ".tool"]).fine();
        world.until_events("hooks-healed", times);
    }
    let path = app.ask(["config", "core.hooksPath"]);
    assert!(path.ends_with(".git/kpmo/hooks"), "{path}");

    usurp(&lib, "pre-commit");
    let healed = world.until_events("hooks-healed", 3);
    assert_eq!(healed[2]["attributes"]["hooks"], "pre-commit");
    assert!(is_ours(&world, &lib, "pre-commit"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_hooks_path_in_the_users_own_configuration_is_healed() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["config", "--global", "core.hooksPath", "/nowhere"]).fine();
    world.until_events("hooks-healed", 2);
    app.stage("key.txt", secret()).commit().refused();
    // Without it nothing stays of it.
    app.git(["config", "--global", "--unset", "core.hooksPath"]).fine();
    world.until_events("hooks-healed", 4);
    assert_eq!(app.git(["config", "core.hooksPath"]).code, Some(1));
    assert!(is_ours(&world, &app, "pre-commit"));
    // What says nothing of hooks is nobody's concern.
    app.git(["config", "--global", "user.name", "T"]).fine();
    app.commit().refused();
}

#[cfg(target_os = "linux")]
#[test]
fn so_is_one_in_a_file_that_it_includes_or_comes_to_include() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let includes =
        |file: &str| world.at("app").git(["config", "--global", "--add", "include.path", file]).fine();
    includes("work/first");
    fs::create_dir(world.user().join("work")).unwrap();
    let world = world.up();
    let (app, user) = (world.at("app"), world.user());
    let at_once = |name: &str, times: usize| {
        let hooks = format!("[core]\n\thooksPath = /nowhere/{name}\n");
        fs::write(user.join("work").join(name), hooks).unwrap();
        world.until_events("hooks-healed", times);
        app.stage("key.txt", secret()).commit().refused();
    };
    at_once("first", 1);
    // It takes the place of kpmo's; the repository's own goes before it.
    app.git(["config", "--global", "--add", "includeIf.gitdir:/.path", "~/work/second"]).fine();
    app.git(["config", "--local", "--unset", "core.hooksPath"]).fine();
    world.until_events("hooks-healed", 2);
    app.git(["config", "--local", "--unset", "core.hooksPath"]).fine();
    world.until_events("hooks-healed", 3);
    app.stage("key.txt", secret()).commit().refused();
}

#[cfg(target_os = "linux")]
#[test]
fn hooks_go_on_in_a_repository_that_gets_another_name() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    app.git(["config", "core.hooksPath", ".hooks"]).fine();
    World::script(&app.path.join(".hooks/pre-commit"), "#!/bin/sh\necho theirs >&2\n");
    let world = world.up();
    fs::rename(world.path("src/app"), world.path("src/renamed")).unwrap();
    world.until_events("hooks-healed", 1);
    let renamed = world.at("renamed");
    renamed.stage("a.txt", "two\n").commit().says("theirs");
    world.kpmo(["scan", ".", "--register"]).fine().says("app moved");
    renamed.stage("key.txt", secret()).commit().refused().says("theirs");
    // And goes back to what it was.
    world.kpmo(["uninstall-hooks", "app"]).fine();
    assert_eq!(renamed.ask(["config", "core.hooksPath"]), ".hooks");
}

#[cfg(target_os = "linux")]
#[test]
fn a_policy_that_judges_messages_has_their_hook_put_and_taken_away() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    world.policy("rules: {message: {max_subject: 4}}\n");
    world.until("its hook is there", || is_ours(&world, &app, "commit-msg"));
    app.stage("a.txt", "two\n").commit().refused().says("message");
    world.policy("");
    world.until("it is gone", || !app.hook("commit-msg").is_symlink());
}

#[cfg(target_os = "linux")]
#[test]
fn a_tool_that_writes_through_a_hooks_link_gets_no_further() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    // Programs of the home's own, as `up` installs them.
    fs::rename(world.home().join("bin"), world.path("bin")).unwrap();
    let up = || {
        let mut up = world.command(world.path("bin/kpmo"));
        Ran::of(up.arg("up").arg(world.path("src"))).fine();
    };
    up();
    let (app, program) = (world.at("app"), world.home().join("bin/kpmo-hook"));
    let before = fs::read(&program).unwrap();
    // The mode does not keep root from it, nor who makes hooks executable first.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(app.hook("pre-commit"), "#!/bin/sh\necho tool\n").unwrap();
    let healed = world.until_events("hooks-healed", 1);
    assert!(fs::read(&program).unwrap() == before);
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o555);
    let kept = healed[0]["attributes"]["kept"].as_str().unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), "#!/bin/sh\necho tool\n");
    app.stage("key.txt", secret()).commit().refused();

    // What happened while no governor was there is found at the next start.
    world.stop();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(app.hook("pre-commit"), "#!/bin/sh\necho tool\n").unwrap();
    world.kpmo(["governor", "start"]).fine();
    world.until_events("hooks-healed", 2);
    app.commit().refused();
    // And an upgrade is none of that: a program with more behind its end is another.
    let newer = [&before[..], b"newer"].concat();
    fs::write(world.path("newer"), &newer).unwrap();
    fs::remove_file(world.path("bin/kpmo-hook")).unwrap();
    World::program(&world.path("bin/kpmo-hook"), &world.path("newer"));
    up();
    assert!(fs::read(&program).unwrap() == newer);
    world.until_events("hooks-healed", 2);
}

#[test]
fn what_was_taken_away_altogether_stays_away() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let (app, lib) = (world.at("app"), world.at("lib"));
    fs::remove_dir_all(app.path.join(".git/hooks")).unwrap();
    world.kpmo(["uninstall-hooks", "lib"]).fine();
    assert_eq!(world.status("app")["hooks"], "missing");
    assert_eq!(world.status("lib")["hooks"], "missing");
    // One after the other, by one thread: when this is done, those are, too.
    world.init("new", &[], &[("a.txt", "one\n")]);
    world.kpmo(["repo", "add", "new"]).fine();
    fs::remove_file(world.at("new").hook("pre-push")).unwrap();
    world.until("new is healed", || world.status("new")["hooks"] == "ok");
    assert_eq!(world.status("app")["hooks"], "missing");
    assert_eq!(world.status("lib")["hooks"], "missing");
    assert!(!app.path.join(".git/hooks").exists() && !lib.hook("pre-commit").is_symlink());
    world.until_events("hooks-healed", 1);
}
