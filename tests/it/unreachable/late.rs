//! A governor that does not understand, or not in time; and what is told it
//! afterwards.

use std::{collections::BTreeSet, fs};

use super::{calls, commit, git, unjudged, until_taken_in, with_app};
use crate::world::{Ran, World};

/// A hook and a governor that can't understand each other: as without a governor,
/// with the mend.
#[test]
fn one_of_another_major_version_is_told_so() {
    let world = with_app().patient().up();
    let app = world.at("app").with_origin();
    let program = world.home().join("bin/kpmo-hook");
    // In one that was not optimised the version stands as it is said.
    let ours = fs::read(env!("CARGO_BIN_EXE_kpmo-hook")).unwrap();
    let (version, other) =
        (env!("CARGO_PKG_VERSION").as_bytes(), format!("9{}", &env!("CARGO_PKG_VERSION")[1..]));
    let mut theirs = ours.clone();
    for at in 0..theirs.len() - version.len() {
        if &ours[at..at + version.len()] == version {
            theirs[at..at + version.len()].copy_from_slice(other.as_bytes());
        }
    }
    // As it is put there by its own kpmo: the spare first.
    let put = |bytes: &[u8]| {
        let file = world.path("put");
        fs::write(&file, bytes).unwrap();
        World::program(&world.home().join("bin/.kpmo-hook.spare"), &file);
        World::program(&program, &file);
    };
    put(&theirs);
    Ran::of(world.command(&program).arg("--version")).fine().says(&other);

    let mend = format!(
        "kpmo-hook {other} and governor {} do not understand each other; run `kpmo up`",
        env!("CARGO_PKG_VERSION")
    );
    unjudged(&app, "two\n", &mend);
    let waiting = calls(&world);
    git(&app, &["push", "-q", "origin", "main"]).refused().says("push stopped").says(&mend);
    assert_eq!(app.ask(["ls-remote", "origin"]), "");
    world.kpmo(["doctor"]).ended(1).says(&format!("is of version {other}")).says("run `kpmo up`");
    // What it kept is read as it is written: the contract is the same.
    until_taken_in(&world, &waiting);
    put(&ours);
    commit(&app, "three\n").fine().silent();
    git(&app, &["push", "-q", "origin", "main"]).fine();
}

/// git that answers the governor late, and everybody else at once.
#[test]
fn a_verdict_that_is_late_is_not_waited_for() {
    let world = World::new();
    let (late, wrapper) = (world.path("late"), world.path("git-bin/git"));
    let real = Ran::of(world.command("sh").args(["-c", "command -v git"])).fine().stdout;
    let text = format!(
        "#!/bin/sh\nwhile test \"$GIT_OPTIONAL_LOCKS\" = 0 && test -e '{}'; do sleep 0.05; done\nexec '{}' \"$@\"\n",
        late.display(),
        real.trim()
    );
    World::script(&wrapper, &text);
    let world =
        world.with_git(&wrapper).settings("budgets: {connect_ms: 5000, start_ms: 60000, verdict_ms: 2000}\n");
    // Of a kind that only the program reads.
    world.init("app", &["--object-format=sha256"], &[("a.txt", "one\n")]);
    let world = world.up();
    let app = world.at("app").with_origin_as(&["--object-format=sha256"]);
    fs::write(&late, "").unwrap();
    unjudged(&app, "two\n", "the governor gave no verdict within 2000 ms");
    let unknown = app.head();
    git(&app, &["push", "-q", "origin", "main"])
        .refused()
        .says("push stopped")
        .says("no verdict within 2000 ms");
    assert_eq!(app.ask(["ls-remote", "origin"]), "");
    fs::remove_file(&late).unwrap();
    commit(&app, "three\n").fine();
    world.until("both commits are known", || world.knows(&unknown) && world.knows(&app.head()));
    let ledger = world.ledger();
    let ids: BTreeSet<_> = ledger.iter().map(|event| event["event_id"].to_string()).collect();
    assert_eq!(ids.len(), ledger.len(), "nothing counts twice");
    assert_eq!(world.status("app")["unvalidated"], 0);
}

#[test]
fn what_was_kept_is_taken_in_in_the_order_that_it_happened() {
    let world = with_app().patient().up();
    let app = world.at("app");
    world.stop();
    let program = world.home().join("bin/kpmo");
    fs::rename(&program, world.path("kpmo")).unwrap();
    for n in 0..3 {
        unjudged(&app, &format!("{n}\n"), "run `kpmo up`");
    }
    git(&app, &["switch", "-qc", "side"]).fine();
    git(&app, &["commit", "-q", "--amend", "-m", "again"]).fine();
    git(&app, &["rebase", "-q", "--force-rebase", "HEAD~2"]).fine();
    git(&app, &["switch", "-q", "main"]).fine();
    let waiting = calls(&world);
    assert!(waiting.len() > 10, "{waiting:?}");
    fs::rename(world.path("kpmo"), &program).unwrap();
    world.kpmo(["governor", "start"]).fine();
    until_taken_in(&world, &waiting);
    let ledger = world.ledger();
    let order: Vec<_> = ledger.iter().filter_map(|event| event["event_id"].as_str()).collect();
    let order: Vec<_> = order.into_iter().filter(|id| waiting.iter().any(|call| call == id)).collect();
    assert_eq!(order, waiting);
    assert_eq!(world.status("app")["unvalidated"], 0);
}
