//! Commits that came about without a verdict: noticed, judged afterwards, shown,
//! and stopped at push; and those that need no second one.

use std::fs;

use crate::world::{Repo, World, secret};

fn with_app() -> World {
    World::new().repo("app", &[("a.txt", "one\n")]).up()
}

/// How the ledger says that a commit stands, once it says so.
fn state(world: &World, commit: &str) -> String {
    let said = || {
        let ledger = world.ledger();
        let about = |event: &&serde_json::Value| {
            let commits = event["attributes"]["commit"].as_str().unwrap_or_default();
            commits.split(' ').any(|id| id == commit)
        };
        ledger.iter().rev().find(about).map(|event| event["attributes"]["state"].as_str().unwrap().to_owned())
    };
    world.until(&format!("{commit} is known"), || said().is_some());
    said().unwrap()
}

/// The trees that were judged after their commits were made.
fn judged_late(world: &World) -> usize {
    let late = world.events("late-verdict");
    late.iter().filter(|event| event["attributes"]["projection"] == "judged").count()
}

/// Commits past the hooks, all of them.
fn unseen(repo: &Repo<'_>, name: &str, text: &str) -> String {
    repo.stage(name, text).git_with("KPMO_HOOK", "0", ["commit", "-qm", "unseen"]).fine().silent();
    repo.head()
}

#[test]
fn what_was_judged_once_is_not_judged_again() {
    let world = with_app();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    assert_eq!(state(&world, &app.head()), "validated");
    // Another message.
    app.git(["commit", "-q", "--amend", "-m", "reworded"]).fine().silent();
    assert_eq!(state(&world, &app.head()), "validated");
    // More changes, twice: each was judged against the commit before.
    for text in ["three\n", "four\n"] {
        app.stage("a.txt", text).git(["commit", "-q", "--amend", "--no-edit"]).fine().silent();
        assert_eq!(state(&world, &app.head()), "validated");
    }
    // Several in one.
    for text in ["five\n", "six\n", "seven\n"] {
        app.stage("a.txt", text).stage(text.trim(), text).commit().fine().silent();
    }
    app.git(["reset", "-q", "--soft", "HEAD~3"]).fine();
    app.git(["commit", "-q", "--no-verify", "-m", "squashed"]).fine();
    assert_eq!(state(&world, &app.head()), "validated");
    // The same trees once more.
    app.git(["rebase", "-q", "--force-rebase", "HEAD~"]).fine();
    app.git(["commit", "-q", "--amend", "--reset-author", "--no-edit", "--no-verify"]).fine();
    assert_eq!(state(&world, &app.head()), "validated");
    assert_eq!(world.events("late-verdict"), Vec::<serde_json::Value>::new());
    assert_eq!(world.status("app")["unvalidated"], 0);
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn what_was_judged_late_is_not_judged_again_either() {
    let world = with_app();
    let app = world.at("app");
    app.slip("a.txt", "two\n");
    assert_eq!((state(&world, &app.head()), judged_late(&world)), ("late".to_owned(), 1));
    app.git(["commit", "-q", "--amend", "--no-verify", "-m", "reworded"]).fine();
    assert_eq!(state(&world, &app.head()), "validated");
    app.stage("a.txt", "three\n").git(["commit", "-q", "--amend", "--no-edit"]).fine().silent();
    assert_eq!(state(&world, &app.head()), "validated");
    assert_eq!(judged_late(&world), 1);
    // Unjudged changes are judged, whatever they are amended to.
    app.stage("b.txt", "x\n").git(["commit", "-q", "--amend", "--no-edit", "--no-verify"]).fine();
    assert_eq!((state(&world, &app.head()), judged_late(&world)), ("late".to_owned(), 2));
    app.stage("b.txt", secret()).git(["commit", "-q", "--amend", "--no-edit", "--no-verify"]).fine();
    assert_eq!(state(&world, &app.head()), "unvalidated");
}

#[test]
fn what_comes_to_stand_on_something_else_is_judged_there() {
    let world = with_app();
    let app = world.at("app");
    app.git(["switch", "-q", "-c", "topic"]).fine();
    app.stage("t.txt", "one\n").commit().fine();
    app.stage("t.txt", "two\n").commit().fine();
    app.git(["switch", "-q", "main"]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    app.git(["cherry-pick", "-x", "topic~"]).fine();
    assert_eq!(state(&world, &app.head()), "late");
    app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
    app.git(["switch", "-q", "topic"]).fine();
    app.git(["rebase", "-q", "main"]).fine();
    // The first stands where the one that was picked stood.
    assert_eq!(state(&world, &app.ask(["rev-parse", "HEAD~"])), "validated");
    assert_eq!(state(&world, &app.head()), "late");
    assert_eq!(world.status("app")["unvalidated"], 0);
}

#[test]
fn every_way_past_the_rules_is_noticed_shown_and_stopped_at_push() {
    for way in ["--no-verify", "KPMO_HOOK=0", "no hooks", "another tool", "cherry-pick", "rebase"] {
        let world = with_app();
        let app = world.at("app").with_origin();
        app.git(["push", "-q", "origin", "main"]).fine();
        let fine = unseen(&app, "fine.txt", "x\n");
        let bad = match way {
            "--no-verify" => app.slip("bad.txt", secret()).head(),
            "KPMO_HOOK=0" => unseen(&app, "bad.txt", &secret()),
            "no hooks" => {
                let hooks = app.path.join(".git/hooks");
                fs::rename(&hooks, app.path.join(".git/elsewhere")).unwrap();
                app.stage("bad.txt", secret()).commit().fine().silent();
                fs::rename(app.path.join(".git/elsewhere"), &hooks).unwrap();
                app.head()
            }
            "another tool" => {
                app.stage("bad.txt", secret());
                let tree = app.ask(["write-tree"]);
                let commit = app.ask(["commit-tree", "-m", "plumbed", "-p", "HEAD", &tree]);
                app.git(["update-ref", "refs/heads/main", &commit]).fine();
                commit
            }
            "cherry-pick" | "rebase" => {
                app.git(["switch", "-q", "-c", "side", "HEAD~"]).fine();
                let side = unseen(&app, "bad.txt", &secret());
                if way == "rebase" {
                    app.git(["rebase", "-q", "main"]).fine();
                    app.git(["branch", "-q", "-f", "main", "side"]).fine();
                    app.git(["switch", "-q", "main"]).fine();
                } else {
                    app.git(["switch", "-q", "main"]).fine();
                    app.git(["cherry-pick", &side]).fine();
                }
                app.git(["branch", "-q", "-D", "side"]).fine();
                app.head()
            }
            other => panic!("{other}"),
        };
        // What is done next tells the governor.
        app.stage("a.txt", "two\n").commit().fine().silent();
        assert_eq!(
            (state(&world, &fine), state(&world, &bad)),
            ("late".into(), "unvalidated".into()),
            "{way}"
        );
        assert_eq!(world.status("app")["unvalidated"], 1, "{way}");
        let place = format!("secrets bad.txt:1 (commit {})\n", &bad[..10]);
        app.git(["push", "-q", "origin", "main"]).refused().says("1 finding\n").says(&place);
    }
}

#[test]
fn a_push_notices_what_no_hook_has_told() {
    let world = with_app();
    let app = world.at("app").with_origin();
    app.git(["push", "-q", "origin", "main"]).fine();
    let fine = unseen(&app, "fine.txt", "x\n");
    let bad = unseen(&app, "bad.txt", &secret());
    app.git(["push", "-q", "origin", "main"]).refused().says("secrets bad.txt:1");
    assert_eq!((state(&world, &fine), state(&world, &bad)), ("late".into(), "unvalidated".into()));
    world.until_unvalidated("app", 1);
}

#[test]
fn what_happened_while_nobody_answered_is_judged_by_replay() {
    let world = with_app();
    let app = world.at("app");
    world.signal("STOP");
    app.stage("fine.txt", "x\n").commit().fine().says("was not judged");
    let fine = app.head();
    app.stage("bad.txt", secret()).commit().fine().says("was not judged");
    let bad = app.head();
    world.signal("CONT");
    assert_eq!((state(&world, &fine), state(&world, &bad)), ("late".into(), "unvalidated".into()));
    world.until_unvalidated("app", 1);
}

#[test]
fn what_happened_on_another_branch_while_nobody_answered_is_judged_too() {
    let world = with_app();
    let app = world.at("app");
    world.signal("STOP");
    app.git(["switch", "-qc", "topic"]).fine();
    app.stage("bad.txt", secret()).commit().fine().says("was not judged");
    let bad = app.head();
    app.git(["switch", "-q", "main"]).fine();
    world.signal("CONT");
    assert_eq!(state(&world, &bad), "unvalidated");
    world.until_unvalidated("app", 1);
}

#[test]
fn what_is_amended_or_reset_away_counts_no_more() {
    let world = with_app();
    let app = world.at("app");
    let bad = app.slip("bad.txt", secret()).head();
    assert_eq!(state(&world, &bad), "unvalidated");
    world.until_unvalidated("app", 1);
    app.stage("bad.txt", "harmless\n").git(["commit", "-q", "--amend", "--no-edit"]).fine().silent();
    world.until_unvalidated("app", 0);
    assert_eq!(state(&world, &app.head()), "late", "its base is another than the one that was judged");

    app.slip("worse.txt", secret());
    world.until_unvalidated("app", 1);
    app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
    world.until_unvalidated("app", 0);
    // As long as something leads there, it counts.
    app.git(["branch", "kept", &bad]).fine();
    world.until_unvalidated("app", 1);
    app.git(["branch", "-q", "-D", "kept"]).fine();
    world.until_unvalidated("app", 0);
}

#[test]
fn another_policy_judges_what_is_new_and_leaves_history_alone() {
    let world = with_app();
    let app = world.at("app").with_origin();
    app.stage("big.txt", "0123456789").commit().fine();
    let before = app.head();
    assert_eq!(state(&world, &before), "validated");
    world.policy("rules: {large-file: {limit: 5B}}\n");
    assert_eq!(world.status("app")["unvalidated"], 0);
    app.git(["commit", "-q", "--allow-empty", "-m", "empty"]).fine().silent();
    assert_eq!(state(&world, &app.head()), "validated");
    world.until_unvalidated("app", 0);
    // The old verdict on these very trees is no good any more.
    app.git(["checkout", "-q", "--detach", "HEAD~2"]).fine();
    app.git(["restore", "-q", "--source", &before, "--staged", "--worktree", "big.txt"]).fine();
    app.commit().refused().says("large-file big.txt\n");
    app.git(["commit", "-qnm", "past it"]).fine();
    assert_eq!(state(&world, &app.head()), "unvalidated");
    app.git(["switch", "-q", "-f", "main"]).fine();
    world.until_unvalidated("app", 0);
    app.git(["push", "-q", "origin", "main"]).fine().silent();
}

#[test]
fn a_policy_that_is_mended_is_asked_again_at_the_next_look() {
    let world = with_app();
    let app = world.at("app");
    let said = app.stage("bad.txt", secret()).commit().refused();
    let fingerprint = said.stderr.split("fingerprint: ").nth(1).unwrap()[..16].to_owned();
    app.git(["commit", "-qnm", "past it"]).fine();
    app.slip("worse.txt", format!("x\n{}", secret()));
    world.until_unvalidated("app", 2);
    world.policy(&format!("rules: {{secrets: {{allow: [\"{fingerprint}\"]}}}}\n"));
    assert_eq!(world.status("app")["unvalidated"], 1);
    // What nobody waits for is recorded a moment after the answer.
    let mended = app.ask(["rev-parse", "HEAD~"]);
    world.until("that is recorded", || state(&world, &mended) == "late");
    assert_eq!(world.status("app")["unvalidated"], 1);
    // Stopping writes down all that there is to write.
    world.stop();
    assert_eq!(world.events("late-verdict").len(), 3, "two that failed, and one that passes now");
    world.policy("rules: {secrets: {severity: off}}\n");
    assert_eq!(world.status("app")["unvalidated"], 0);
    // What passed once stays as it is.
    world.policy("");
    assert_eq!(world.status("app")["unvalidated"], 0);
    world.kpmo(["ledger", "verify"]).fine();
}

/// That a remote has it says nothing: it was made here.
#[test]
fn what_was_made_and_pushed_while_no_hook_ran_counts() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    // Reflogs tell the time, which stands still elsewhere.
    let now = format!("@{} +0000", std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let without = |args: &[&str]| {
        let args = ["-c", "core.hooksPath=/dev/null"].iter().chain(args);
        app.git_with("GIT_COMMITTER_DATE", &now, args).fine()
    };
    app.git(["push", "-q", "origin", "main"]).fine();
    app.stage("bad.txt", secret());
    without(&["commit", "-qm", "past"]);
    without(&["push", "-q", "origin", "main"]);
    let bad = app.head();
    app.stage("a.txt", "two\n").commit().fine();
    world.until_unvalidated("app", 1);
    assert_eq!(state(&world, &bad), "unvalidated");

    // And what others made is theirs to judge.
    let other = world.path("other");
    let origin = app.ask(["remote", "get-url", "origin"]);
    without(&["push", "-q", "origin", "main"]);
    app.git(["clone", "-q", &origin, other.to_str().unwrap()]).fine();
    fs::write(other.join("b.txt"), secret()).unwrap();
    for args in [&["add", "."][..], &["commit", "-qm", "theirs"], &["push", "-q", "origin", "main"]] {
        app.git(["-C", other.to_str().unwrap()].iter().chain(args)).fine();
    }
    app.git(["pull", "-q", "--ff-only", "origin", "main"]).fine();
    app.stage("a.txt", "three\n").commit().fine();
    world.until("it is noted", || world.spool().is_empty());
    world.until_captured();
    assert_eq!(world.status("app")["unvalidated"], 1);

    // The same where the governor begins after it.
    world.stop();
    app.stage("worse.txt", secret());
    without(&["commit", "-qm", "past again"]);
    without(&["push", "-q", "origin", "main"]);
    world.kpmo(["governor", "start"]).fine();
    world.until_unvalidated("app", 2);
}
