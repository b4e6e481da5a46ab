//! One operation, told twice: by another hook that calls kpmo's, and by git's
//! configuration.

use crate::world::{Ran, Repo, World, key, newest_git, secret};

/// Hooks that stood there first, and call kpmo's themselves.
fn with_callers() -> World {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    let hook = world.home().join("bin/kpmo-hook");
    for name in ["pre-commit", "post-commit", "post-rewrite"] {
        // One more shell between git and it, and a refusal that counts for nothing.
        let call = format!("#!/bin/sh\nsh -c '\"$0\" run {name} \"$@\"; :' '{}' \"$@\"\n", hook.display());
        World::script(&app.hook(name), &call);
    }
    world.up()
}

fn events(world: &World, kind: &str) -> usize {
    world.until_captured();
    world.events(kind).len()
}

#[test]
fn the_same_event_of_the_same_git_is_judged_and_recorded_once() {
    let world = with_callers();
    let app = world.at("app");
    let said = app.stage("a.txt", secret()).commit().refused();
    assert_eq!(said.stderr.matches("secrets a.txt:1").count(), 1, "said once: {said:?}");
    said.hides(&key());
    assert_eq!(events(&world, "verdict"), 1);

    // Another git, that finds the same.
    app.commit().refused().says("secrets a.txt:1");
    app.stage("a.txt", "two\n").commit().fine().silent();
    assert_eq!((events(&world, "verdict"), events(&world, "head-moved")), (3, 1));

    // One git, several commits: each is an event.
    app.stage("b.txt", "b\n").commit().fine();
    app.git(["switch", "-qc", "side", "HEAD~2"]).fine();
    app.stage("c.txt", "c\n").commit().fine();
    let before = events(&world, "head-moved");
    app.git(["cherry-pick", "HEAD..main"]).fine();
    assert_eq!(events(&world, "head-moved"), before + 2);
    assert_eq!(world.status("app")["unvalidated"], 0);
}

#[test]
fn what_a_hook_stages_in_between_is_judged_again() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    let hook = world.home().join("bin/kpmo-hook");
    let text =
        format!("#!/bin/sh\n'{}' run pre-commit || exit\ncp more b.txt && git add b.txt\n", hook.display());
    World::script(&app.hook("pre-commit"), &text);
    let world = world.up();
    let app = world.at("app");
    app.write("more", secret()).stage("a.txt", "two\n").commit().refused().says("secrets b.txt:1");
    world.until_events("verdict", 2);
}

#[test]
fn by_hand_it_answers_each_time() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.stage("a.txt", secret());
    for _ in 0..2 {
        let mut hook = app.command(world.home().join("bin/kpmo-hook"));
        Ran::of(hook.args(["run", "pre-commit"])).ended(1).says("secrets a.txt:1");
    }
}

#[test]
fn kept_twice_it_counts_once() {
    let world = with_callers();
    let app = world.at("app");
    world.stop();
    let program = world.home().join("bin/kpmo");
    std::fs::rename(&program, world.path("kpmo")).unwrap();
    app.stage("a.txt", "two\n").commit().fine().says("was not judged");
    let kept = world.spool().len();
    assert_eq!(kept, 4, "each of both hooks twice");
    std::fs::rename(world.path("kpmo"), &program).unwrap();
    world.kpmo(["governor", "start"]).fine();
    assert_eq!(events(&world, "unjudged"), 1);
    assert!(world.knows(&app.head()));
}

/// `hook.NAME.command`, as a user may write it by hand, with what git has beside it
/// in the hooks directory.
fn configure(app: &Repo<'_>, world: &World) {
    let hook = world.home().join("bin/kpmo-hook");
    for name in ["pre-commit", "pre-push", "post-commit", "post-rewrite", "post-checkout"] {
        let command = format!("'{}' run {name}", hook.display());
        app.git(["config", &format!("hook.own-{name}.command"), &command]).fine();
        app.git(["config", &format!("hook.own-{name}.event"), name]).fine();
    }
}

#[test]
fn hooks_of_gits_configuration_beside_those_of_the_directory_count_once() {
    let Some(git) = newest_git() else { return };
    let world = World::new().patient().with_git(&git);
    let world = world.repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    configure(&app, &world);
    let said = app.stage("a.txt", secret()).commit().refused();
    assert_eq!(said.stderr.matches("secrets a.txt:1").count(), 1, "{said:?}");
    app.stage("a.txt", "two\n").commit().fine().silent();
    app.git(["commit", "-q", "--amend", "-m", "amended"]).fine().silent();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    app.git(["switch", "-qc", "side"]).fine().silent();
    assert_eq!((events(&world, "verdict"), events(&world, "push")), (3, 1));
    let moved = world.events("head-moved");
    let hooks: Vec<_> = moved.iter().map(|event| event["attributes"]["hook"].as_str().unwrap()).collect();
    assert_eq!(hooks, ["post-commit", "post-commit", "post-rewrite", "post-checkout"]);

    // What a user wrote stays. In the configuration alone they read what git writes
    // to them, too.
    world.kpmo(["uninstall-hooks", "app"]).fine();
    app.slip("bad.txt", secret());
    app.git(["push", "-q", "origin", "side"]).refused().says("push refused in app").says("secrets bad.txt:1");
}
