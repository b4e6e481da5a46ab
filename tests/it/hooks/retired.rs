//! Hooks of kpmo's predecessor are archived and not run.

use std::{fs, os::unix::fs::symlink};

use crate::world::{World, tree};

#[test]
fn the_predecessors_hooks_run_no_more_and_come_back() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("shared", &[("a.txt", "one\n")]);
    let app = world.at("app");
    let (check, snapshot) = (world.path("pmp/context-check.sh"), world.path("pmp/dev-snapshot.sh"));
    for script in [&check, &snapshot] {
        World::script(script, "#!/bin/sh\necho predecessor >&2\ncurl -s http://localhost:1/ || exit 9\n");
    }
    let calls = format!("#!/bin/sh\nexec {} \"$@\"\n", check.display());
    World::script(&app.hook("pre-commit"), &calls);
    symlink(&snapshot, app.hook("post-commit")).unwrap();
    World::script(
        &app.hook("pre-push"),
        &format!("#!/bin/sh\n{} || true\necho own >&2\n", snapshot.display()),
    );
    // Where nothing may be touched.
    let shared = world.at("shared");
    World::script(&world.path("all-hooks/pre-commit"), &calls);
    World::script(&world.path("all-hooks/commit-msg"), "#!/bin/sh\necho theirs >&2\n");
    shared.git(["config", "core.hooksPath", world.path("all-hooks").to_str().unwrap()]).fine();
    let before = (tree(&app.path.join(".git/hooks")), tree(&world.path("all-hooks")));

    let world = world.up();
    let (app, shared) = (world.at("app"), world.at("shared"));
    app.stage("a.txt", "two\n").commit().fine().hides("predecessor");
    shared.stage("a.txt", "two\n").commit().fine().hides("predecessor").says("theirs");
    app.git(["hook", "run", "pre-push"]).says("own");
    world.kpmo(["install-hooks", "app", "--check"]).fine();
    let said = world.json(["install-hooks", "app", "--dry-run"]);
    assert_eq!(said["repos"][0]["changes"][0]["action"], "unchanged");
    assert!(said["repos"][0]["changes"][0].is_object());
    assert_eq!(fs::read_to_string(app.path.join(".git/hooks.kpmo/archived/pre-commit")).unwrap(), calls);

    world.kpmo(["uninstall-hooks", "--all"]).fine();
    assert!(before == (tree(&app.path.join(".git/hooks")), tree(&world.path("all-hooks"))));
    app.stage("a.txt", "three\n").commit().ended(1).says("predecessor");
}

#[test]
fn it_is_said_what_becomes_of_them() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\nexec /opt/pmp/context-check.sh\n");
    world.kpmo(["governor", "start"]).fine();
    world.kpmo(["repo", "add", "app", "--dry-run"]).fine().says("archived").says("predecessor");
    world.kpmo(["repo", "add", "app"]).fine().says("archived");
}
