//! What tools do that do not keep what they find.

use super::{Tool, both_work, commit, tool::AT_COMMIT, until_well};
use crate::world::{World, secret};

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
