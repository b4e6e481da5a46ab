//! A hook from before a tool that takes it over: run, or not, as it is without kpmo.

use std::fs;

use super::{Tool, hooks, ran, refuses, until_well};
use crate::world::{Repo, World};

fn with_elder(repo: &Repo<'_>, tool: Tool) {
    repo.write("a.txt", "one\n");
    tool.configure(repo);
    World::script(&repo.path.join(".git/hooks/pre-commit"), "#!/bin/sh\necho elder >> \"$HOME/ran\"\n");
}

/// What a commit makes run, and in which order is the tool's.
#[track_caller]
fn runs(world: &World, app: &Repo<'_>, text: &str) -> Vec<String> {
    ran(world);
    app.stage("a.txt", text).commit().fine();
    ran(world)
}

fn as_without_kpmo(tool: Tool, kpmo_first: bool) {
    if tool.program().is_none() {
        return;
    }
    let world = tool.world().unwrap().repo("app", &[("a.txt", "one\n")]);
    let alone = world.init_in_home("alone");
    with_elder(&alone, tool);
    tool.install(&alone);
    let (made, expected) = (hooks(&alone), runs(&world, &alone, "alone\n"));
    assert!(expected.iter().filter(|line| *line == "pre-commit").count() == 1, "{expected:?}");

    with_elder(&world.at("app"), tool);
    if !kpmo_first {
        tool.install(&world.at("app"));
    }
    let world = world.up();
    let app = world.at("app");
    if kpmo_first {
        assert_eq!(runs(&world, &app, "kpmo alone\n"), ["elder"]);
        tool.install(&app);
        until_well(&world);
    }
    let kept = app.path.join(".git/hooks.kpmo/pre-commit");
    for time in ["both\n", "again\n", "another version\n"] {
        assert_eq!(runs(&world, &app, time), expected, "{tool:?}: {time}");
        refuses(&world, &app);
        if time == "again\n" {
            // The text of a tool's hook is not the same for ever.
            let text = fs::read_to_string(&kept).unwrap();
            fs::write(&kept, text + "\n# as it was\n").unwrap();
        }
        tool.install(&app);
        until_well(&world);
    }
    // Also before anybody has healed what the tool did.
    world.stop();
    tool.install(&app);
    assert_eq!(runs(&world, &app, "nobody was there\n"), expected, "{tool:?}");
    until_well(&world);
    world.kpmo(["uninstall-hooks", "app"]).fine();
    let mut left = hooks(&app);
    left.remove(".git/hooks.kpmo");
    assert_eq!(left, made, "{tool:?} after kpmo's removal");
    assert_eq!(runs(&world, &app, "without kpmo\n"), expected);
}

macro_rules! takes_over {
    ($($name:ident: $tool:expr,)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn before_kpmo() {
                as_without_kpmo($tool, false);
            }

            #[test]
            fn after_kpmo() {
                as_without_kpmo($tool, true);
            }
        })+
    };
}

takes_over! {
    pre_commit: Tool::PreCommit,
    prek: Tool::Prek,
    lefthook: Tool::Lefthook,
}

#[test]
fn a_configuration_that_comes_after_kpmo_makes_hooks_texts_by_itself() {
    if Tool::Prek.program().is_none() {
        return;
    }
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let hook = app.path.join(".git/hooks/pre-commit");
    assert!(hook.is_symlink());
    app.write(".pre-commit-config.yaml", "repos: []\n");
    world.until("the hook is a text", || !hook.is_symlink());
    Tool::Prek.run(&app, &["install"]).fine();
    until_well(&world);
}
