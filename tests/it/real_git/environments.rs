//! From where, by whom and with what around it git is run.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    process::Command,
};

use super::worlds;
use crate::world::{Ran, World, is_root, key, left_out, secret};

fn with_app() -> World {
    World::new().patient().repo("app", &[("a.txt", "one\n")])
}

#[test]
fn a_gui_has_no_variables_and_no_terminal() {
    for world in worlds() {
        let world = world.repo("app", &[("a.txt", "one\n")]).up();
        let app = world.at("app");
        let git = Ran::of(world.command("sh").args(["-c", "command -v git"])).fine().stdout;
        let bare = |script: &str| {
            let mut command = Command::new("env");
            command.args(["-i", "PATH=/usr/bin:/bin", "setsid", "-w", "sh", "-c", script]);
            Ran::of(command.current_dir(&app.path))
        };
        let commit =
            format!("exec '{}' -c user.name=T -c user.email=t@example.org commit -qm gui", git.trim());
        app.stage("a.txt", "two\n");
        bare(&commit).fine().silent();
        app.stage("a.txt", "three\n");
        bare(&format!("{commit} <&- >&- 2>&-")).fine().silent();
        // It finds its home by itself, and starts what it needs.
        world.stop();
        app.stage("a.txt", secret());
        bare(&format!("{commit} <&- >&- 2>&-")).ended(1).silent();
        bare(&commit).ended(1).says("secrets a.txt:1").hides(&key());
        assert!(world.is_running());
        world.until_events("verdict", 4);
        assert!(!world.user().join(".local").exists() && !world.user().join(".config").exists());
    }
}

#[test]
fn a_hook_of_one_repository_may_run_git_in_another() {
    for world in worlds() {
        let world = world.repo("one", &[("a.txt", "one\n")]).repo("two", &[("a.txt", "one\n")]);
        let one = world.at("one");
        // With what git sets for hooks still in the environment, and without.
        World::script(
            &one.hook("post-commit"),
            "#!/bin/sh\ngit -C ../two commit -q --allow-empty -m 'from one'\n",
        );
        World::script(
            &one.hook("pre-commit"),
            "#!/bin/sh\nunset $(git rev-parse --local-env-vars)\ncd ../two && cp ../one/a.txt . && git add a.txt && git commit -qm 'too'\n",
        );
        let world = world.up();
        let (one, two) = (world.at("one"), world.at("two"));
        one.stage("a.txt", "two\n").commit().fine().silent();
        assert_eq!(two.ask(["log", "--format=%s"]), "from one\ntoo\nfirst");
        one.stage("a.txt", secret()).commit().refused().says("refused in two").hides("refused in one");
        world.until_captured();
        let verdicts = world.events("verdict");
        let of =
            |name: &str| verdicts.iter().filter(|event| event["repo"] == world.status(name)["id"]).count();
        assert_eq!((of("one"), of("two")), (1, 3));
        assert_eq!(world.events("head-moved").len(), 3);
    }
}

#[test]
fn variables_of_another_git_lead_where_git_itself_is_led() {
    let world = with_app().repo("other", &[("b.txt", "one\n")]).up();
    let (app, other) = (world.at("app"), world.at("other"));
    app.stage("a.txt", secret());
    // Whoever runs git in `other` with this works in `app`.
    let git_dir = app.path.join(".git");
    other.git_with("GIT_DIR", &git_dir, ["commit", "-qm", "x"]).refused().says("refused in app");
    // A relative index is the other repository's own.
    other.stage("b.txt", "two\n");
    other.git_with("GIT_INDEX_FILE", ".git/index", ["commit", "-qm", "x"]).fine().silent();
    // `git submodule foreach` and hooks have these; they say nothing wrong.
    other.git_with("GIT_PREFIX", "somewhere/", ["commit", "-q", "--allow-empty", "-m", "y"]).fine().silent();
    app.commit().refused().says("refused in app");
}

#[test]
fn root_may_work_in_anothers_repository_where_git_lets_it() {
    if !is_root() {
        return left_out("only root can give a repository away");
    }
    let world = with_app().up();
    let app = world.at("app");
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(&app.path).status().unwrap();
    assert!(given.success());
    app.git(["commit", "-qam", "x"]).ended(128).says("dubious ownership");
    app.git(["config", "--global", "--add", "safe.directory", app.path.to_str().unwrap()]).fine();
    app.stage("a.txt", secret()).commit().refused().says("refused in app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    world.until_events("head-moved", 1);
    // Its own user has no governor of root's to ask, and no say in it.
    world.kpmo(["doctor", "app"]).fine();
    chown(&app.path, Some(0), Some(0)).unwrap();
}

/// kpmo puts no template there; those who do get what an unregistered repository
/// gets, and `kpmo repo add` finds its hooks in place.
#[test]
fn hooks_of_a_template_are_hooks_of_an_unknown_repository() {
    for world in worlds() {
        let world = world.repo("app", &[("a.txt", "one\n")]).up();
        let app = world.at("app");
        let hooks = world.path("template/hooks");
        fs::create_dir_all(&hooks).unwrap();
        for entry in fs::read_dir(app.path.join(".git/hooks")).unwrap().map(Result::unwrap) {
            if let Ok(target) = fs::read_link(entry.path()) {
                symlink(target, hooks.join(entry.file_name())).unwrap();
            }
        }
        app.git(["config", "--global", "init.templateDir", world.path("template").to_str().unwrap()]).fine();
        app.git(["clone", "-q", ".", "../cloned"]).fine().silent();
        let new = world.init("new", &[], &[]);
        for repo in [&world.at("cloned"), &new] {
            repo.stage("b.txt", "b\n").commit().fine().says("warning registered");
            repo.stage("b.txt", secret()).commit().refused().says("secrets b.txt:1");
        }
        world.kpmo(["repo", "add", "cloned"]).fine();
        world.kpmo(["install-hooks", "cloned", "--check"]).fine();
        world.at("cloned").stage("b.txt", "c\n").commit().fine().silent();
    }
}

#[test]
fn a_skip_is_told_by_whoever_skips() {
    let world = with_app().up();
    let app = world.at("app");
    let skip = |args: &[&str]| app.git_with("KPMO_HOOK", "0", args);
    app.stage("a.txt", secret());
    skip(&["commit", "-qm", "skipped"]).fine().silent();
    // Without any other hook or push.
    world.until_unvalidated("app", 1);
    let moved = world.until_events("head-moved", 1);
    assert_eq!(moved[0]["attributes"]["skipped"], "KPMO_HOOK=0");
    assert!(world.events("verdict").is_empty());
    skip(&["switch", "-qc", "side"]).fine().silent();
    world.until_events("head-moved", 2);

    // With no governor it is kept, and none is started.
    world.stop();
    app.stage("b.txt", secret());
    skip(&["commit", "-qm", "skipped, too"]).fine().silent();
    assert!(!world.is_running() && world.spool().len() == 1);
    world.kpmo(["governor", "start"]).fine();
    world.until_unvalidated("app", 2);
    world.until("it is taken in", || world.spool().is_empty());
    // One that is stopped keeps nobody waiting.
    world.signal("STOP");
    app.stage("c.txt", "c\n");
    skip(&["commit", "-qm", "skipped in silence"]).fine().silent();
    assert_eq!(world.spool().len(), 1);
    world.signal("CONT");
    world.until("it is taken in", || world.spool().is_empty());
    world.until_unvalidated("app", 2);
}

#[test]
fn a_rebase_makes_one_snapshot_of_what_it_leaves() {
    let world = World::new()
        .settings(
            "snapshots: {quiet_ms: 2000}\nbudgets: {connect_ms: 5000, start_ms: 60000, verdict_ms: 60000}\n",
        )
        .repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    app.git(["switch", "-qc", "side"]).fine();
    for n in 0..8 {
        app.stage(&format!("s{n}"), "s\n").commit().fine();
    }
    app.git(["switch", "-q", "main"]).fine();
    app.stage("m", "m\n").commit().fine();
    let world = world.up();
    let app = world.at("app");
    world.until_captured();
    let before = world.snapshots("app").len();
    app.git(["rebase", "-q", "main", "side"]).fine().silent();
    world.until_captured();
    let made: Vec<_> = world.snapshots("app").into_iter().rev().skip(before).collect();
    // What was about to go, if that took less than git waits for, and what came.
    assert!((1..=2).contains(&made.len()), "{made:#?}");
    assert_eq!(made.last().unwrap()["head"], app.head());
    world.until("all nine are known", || {
        let known = world.known_commits();
        app.ask(["rev-list", "main..side"]).lines().all(|commit| known.contains(commit))
    });
}
