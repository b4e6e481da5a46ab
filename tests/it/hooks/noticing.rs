//! What went by the hooks is noticed.

use std::fs;

use crate::world::{World, key, secret};

#[test]
fn a_skip_is_noticed_and_stops_the_push() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    app.git(["push", "-q", "origin", "main"]).fine();
    app.stage("a.txt", "two\n").commit().fine();

    let bad = app.slip("bad.txt", secret()).head();
    world.until_unvalidated("app", 1);
    let said = app.git(["push", "-q", "origin", "main"]).refused();
    said.says("push refused in app")
        .says(&format!("secrets bad.txt:1 (commit {})", &bad[..10]))
        .hides(&key());
    assert_eq!(
        app.ask(["ls-remote", "origin", "main"]).split('\t').next(),
        Some(&*app.ask(["rev-parse", "HEAD~2"]))
    );

    // Neither judged nor noted; the next hook or push notices.
    app.stage("worse.txt", secret());
    app.git_with("KPMO_HOOK", "0", ["commit", "-qm", "skipped"]).fine().silent();
    app.stage("a.txt", "three\n").commit().fine();
    world.until_unvalidated("app", 2);
    app.git(["push", "-q", "origin", "main"])
        .refused()
        .says("2 findings")
        .says("secrets worse.txt:1 (commit ");
    app.git_with("KPMO_HOOK", "0", ["push", "-q", "origin", "main"]).fine().silent();
    // A push has no hook afterwards that would notice.
    let skipped = || world.events("push").into_iter().find(|push| push["attributes"]["outcome"] == "skipped");
    world.until("the push is noticed", || skipped().is_some());
    let push = skipped().unwrap();
    assert_eq!(push["attributes"]["remote"], "origin");
    assert_eq!(push["attributes"]["refs"], "refs/heads/main");
    world.kpmo(["doctor", "app"]).says("KPMO_HOOK=0");
}

#[test]
fn a_commit_that_is_gone_is_no_commit_to_worry_about() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.slip("bad.txt", secret());
    world.until_unvalidated("app", 1);
    app.git(["rm", "-qf", "bad.txt"]).fine();
    app.git(["commit", "-q", "--amend", "--allow-empty", "-m", "without"]).fine();
    world.until_unvalidated("app", 0);
}

#[test]
fn what_came_by_another_way_is_judged_late() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["checkout", "-q", "-b", "side"]).fine();
    app.stage("b.txt", "b\n").commit().fine();
    app.stage("c.txt", "c\n").commit().fine();
    app.git(["checkout", "-q", "main"]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    app.git(["cherry-pick", "side"]).fine();
    app.git(["rebase", "-q", "main", "side"]).fine();
    let late = || world.events("late-verdict").len() as u64;
    world.until("the commits are judged", || late() >= 2);
    assert_eq!(world.status("app")["unvalidated"], 0);
    app.git(["checkout", "-q", "-b", "bad", "main"]).fine();
    app.slip("bad.txt", secret());
    app.git(["checkout", "-q", "main"]).fine();
    app.stage("a.txt", "three\n").commit().fine();
    app.git(["cherry-pick", "bad"]).fine();
    world.until_unvalidated("app", 2);
}

/// Nobody told of these: there were no hooks.
#[test]
fn what_came_while_there_were_no_hooks_is_judged_when_they_are_back() {
    let world = World::new().settings("hooks: {heal: false}\n").repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let unhook = || {
        for entry in fs::read_dir(app.path.join(".git/hooks")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    };
    unhook();
    app.stage("bad.txt", secret()).commit().fine();
    let said = world.kpmo(["doctor", "app"]).ended(1);
    said.hides("every commit since registration has passed").says("not judged yet");
    world.kpmo(["install-hooks", "app"]).fine();
    world.until("it is judged", || world.status("app")["unvalidated"] == 1);
    world.kpmo(["doctor", "app"]).fine().says("1 commit has not passed the rules");

    // And at the governor's start, be the hooks there or not.
    unhook();
    app.stage("worse.txt", secret()).commit().fine();
    world.kpmo(["governor", "restart"]).fine();
    world.until("it is judged as well", || world.status("app")["unvalidated"] == 2);
}
