//! What tools do that do not keep what they find.

use super::{Tool, both_work, commit, hooks, tool::AT_COMMIT, until_well};
use crate::world::{Repo, World, secret};

#[test]
fn prek_that_overwrites_what_it_finds_is_chained_all_the_same() {
    if Tool::Prek.program().is_none() {
        return;
    }
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    Tool::Prek.configure(&world.at("app"));
    let world = world.up();
    let app = world.at("app");
    let program = std::fs::read(world.home().join("bin/kpmo-hook")).unwrap();
    Tool::Prek.run(&app, &["install", "--overwrite"]).fine();
    assert!(std::fs::read(world.home().join("bin/kpmo-hook")).unwrap() == program, "it wrote through a link");
    commit(&world, &app, "two\n");
    until_well(&world);
    both_work(&world, &app, "three\n", &AT_COMMIT);
}

#[test]
fn pre_commit_that_forces_its_hook_is_chained_all_the_same() {
    if Tool::PreCommit.program().is_none() {
        return;
    }
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    Tool::PreCommit.configure(&world.at("app"));
    let world = world.up();
    let app = world.at("app");
    Tool::PreCommit.run(&app, &["install", "--overwrite"]).fine();
    commit(&world, &app, "two\n");
    until_well(&world);
    both_work(&world, &app, "three\n", &AT_COMMIT);
}

/// What a tool takes over it runs, or keeps; what kpmo stands for there must not be
/// lost to it.
#[test]
fn a_hook_from_before_kpmo_is_taken_over_as_if_kpmo_were_not_there() {
    for tool in [Tool::PreCommit, Tool::Prek, Tool::Lefthook] {
        if tool.program().is_none() {
            continue;
        }
        let theirs = |app: &Repo<'_>| {
            World::script(&app.hook("pre-commit"), "#!/bin/sh\necho theirs >> \"$HOME/ran\"\n");
        };
        let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
        let alone = world.init_in_home("alone");
        for repo in [&world.at("app"), &alone] {
            tool.configure(repo);
            theirs(repo);
        }
        tool.install(&alone);
        let wanted = hooks(&alone);
        let with_theirs = commit(&world, &alone, "two\n");
        let world = world.up();
        let app = world.at("app");
        tool.install(&app);
        until_well(&world);
        both_work(&world, &app, "two\n", &with_theirs);
        // Nor is it written over by another installation.
        tool.install(&app);
        until_well(&world);
        both_work(&world, &app, "three\n", &with_theirs);
        world.kpmo(["uninstall-hooks", "app"]).fine();
        assert_eq!(hooks(&app), wanted, "{tool:?} after kpmo's removal");
        assert_eq!(commit(&world, &app, "four\n"), with_theirs);
    }
}

#[test]
fn git_init_again_with_hooks_in_its_template_changes_nothing() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let template = world.path("template");
    World::script(&template.join("hooks/pre-commit"), "#!/bin/sh\necho template >&2\n");
    World::script(&template.join("hooks/commit-msg"), "#!/bin/sh\necho template >&2\n");
    let app = world.at("app");
    let before = crate::world::tree(&app.path.join(".git/hooks"));
    app.git(["init", "-q", "--template", template.to_str().unwrap()]).fine();
    let mut after = crate::world::tree(&app.path.join(".git/hooks"));
    assert!(after.remove(std::path::Path::new("commit-msg")).is_some());
    crate::world::same(&after, &before);
    app.stage("a.txt", secret()).commit().refused().hides("template");

    // A repository that is made with them has them chained.
    world.init("new", &["--template", template.to_str().unwrap()], &[("a.txt", "one\n")]);
    world.kpmo(["repo", "add", "new"]).fine();
    let said = world.at("new").stage("a.txt", secret()).commit().refused();
    assert_eq!(said.stderr.matches("template").count(), 1);
}
