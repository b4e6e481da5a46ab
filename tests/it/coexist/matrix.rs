//! Tool by tool, in both orders.

use super::{
    Hooks, Tool, both_work, commit, hooks, nobody_is_left, ran, refuses, tool::AT_COMMIT, until_well,
};
use crate::world::{Repo, World};

/// A repository `app` that the tool is configured for, and what the tool alone
/// makes of one like it.
fn configured(tool: Tool) -> Option<(World, Hooks)> {
    tool.program()?;
    let world = tool.world()?.repo("app", &[("a.txt", "one\n")]);
    tool.configure(&world.at("app"));
    let alone = world.init_in_home("alone");
    alone.write("a.txt", "one\n");
    tool.configure(&alone);
    tool.install(&alone);
    // Once more is the same to a tool.
    tool.install(&alone);
    let wanted = hooks(&alone);
    ran(&world);
    Some((world, wanted))
}

/// From here on both are installed and well.
fn goes_on(world: &World, app: &Repo<'_>, tool: Tool, wanted: &Hooks) {
    both_work(world, app, "both\n", &AT_COMMIT);

    // The tool is installed again: whatever state that leaves, nothing runs twice,
    // and after healing all is as before.
    tool.install(app);
    assert_eq!(commit(world, app, "again\n"), AT_COMMIT, "{tool:?} installed again");
    until_well(world);
    both_work(world, app, "healed\n", &AT_COMMIT);
    assert_eq!(app.ask(["status", "--porcelain"]), "", "no file of the user's has changed");

    // kpmo goes: what is left is what the tool alone makes.
    world.kpmo(["uninstall-hooks", "app"]).fine();
    assert_eq!(&hooks(app), wanted, "{tool:?} after kpmo's removal");
    assert_eq!(commit(world, app, "without kpmo\n"), AT_COMMIT);

    // And comes again; the tool goes by its own command, as far as that reaches.
    world.kpmo(["install-hooks", "app"]).fine();
    both_work(world, app, "with kpmo\n", &AT_COMMIT);
    tool.uninstall(app);
    until_well(world);
    refuses(world, app);

    // For good it goes while kpmo is not in the way.
    if tool != Tool::Husky {
        world.kpmo(["uninstall-hooks", "app"]).fine();
        tool.uninstall(app);
        world.kpmo(["install-hooks", "app"]).fine();
    }
    both_work(world, app, "without the tool\n", &[]);
    world.kpmo(["uninstall-hooks", "app"]).fine();
    let left = hooks(app);
    let links = left[".git/hooks"].values().filter(|(kind, ..)| *kind != 'd').count();
    assert_eq!(
        (links, left.contains_key(".git/hooks.kpmo"), left.contains_key(".git/kpmo")),
        (0, false, false)
    );
    nobody_is_left(world, &app.path);
}

fn tool_first(tool: Tool) {
    let Some((world, wanted)) = configured(tool) else { return };
    tool.install(&world.at("app"));
    let world = world.up();
    let app = world.at("app");
    assert_eq!(world.status("app")["hooks"], "ok");
    goes_on(&world, &app, tool, &wanted);
}

fn kpmo_first(tool: Tool) {
    let Some((world, wanted)) = configured(tool) else { return };
    let world = world.up();
    let app = world.at("app");
    tool.install(&app);
    // Not healed yet, perhaps: nothing goes round in circles, nothing runs twice.
    assert_eq!(commit(&world, &app, "over ours\n"), AT_COMMIT, "{tool:?} over kpmo's");
    until_well(&world);
    goes_on(&world, &app, tool, &wanted);
}

/// The tool goes at once, before anything was healed.
fn there_and_gone(tool: Tool) {
    let Some((world, _)) = configured(tool) else { return };
    let world = world.settings("budgets: {start_ms: 60000, verdict_ms: 60000}\nhooks: {heal: false}\n").up();
    let app = world.at("app");
    let before = hooks(&app);
    tool.install(&app);
    tool.uninstall(&app);
    // hk takes away what it wrote over.
    if tool == Tool::Hk {
        world.kpmo(["install-hooks", "app"]).fine();
    }
    assert_eq!(hooks(&app), before, "{tool:?} puts back what it found");
    both_work(&world, &app, "two\n", &[]);
}

macro_rules! matrix {
    ($($name:ident: $tool:expr,)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn before_kpmo() {
                tool_first($tool);
            }

            #[test]
            fn after_kpmo() {
                kpmo_first($tool);
            }

            #[test]
            fn there_and_gone_again() {
                there_and_gone($tool);
            }
        })+
    };
}

matrix! {
    pre_commit: Tool::PreCommit,
    prek: Tool::Prek,
    lefthook: Tool::Lefthook,
    husky: Tool::Husky,
    hk: Tool::Hk,
    hk_by_configuration: Tool::HkEntries,
}
