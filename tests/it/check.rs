//! `kpmo check`: the rules without a commit.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Ran, Repo, World, key, secret};

/// `kpmo check` in a directory of a repository.
fn check(world: &World, repo: &Repo<'_>, args: &[&str]) -> Ran {
    Ran::of(repo.command(world.home().join("bin/kpmo")).arg("check").args(args))
}

fn findings(ran: &Ran) -> Vec<Value> {
    let parsed: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    parsed["findings"].as_array().unwrap().clone()
}

#[test]
fn what_is_staged_is_judged_and_nothing_recorded() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.stage("sub/b.txt", format!("x\n{}", secret())).write("a.txt", secret());
    let before = app.ask(["status", "--porcelain"]);
    for from in [&app, &app.sub("sub")] {
        check(&world, from, &[])
            .ended(1)
            .says("app: error secrets sub/b.txt:2\n")
            .says("fix:")
            .says("around:")
            .says("fingerprint: ")
            .says("app: 1 finding in 1 changed file\n")
            .hides("a.txt")
            .hides(&key());
    }
    let ran = check(&world, &app, &["--staged", "--json"]).ended(1);
    let found = findings(&ran);
    assert_eq!(found.len(), 1);
    for (key, value) in [
        ("rule", json!("secrets")),
        ("severity", json!("error")),
        ("repo", json!("app")),
        ("path", json!("sub/b.txt")),
        ("line", json!(2)),
        ("commit", Value::Null),
    ] {
        assert_eq!(found[0][key], value, "{key}");
    }
    assert!(found[0]["message"].is_string() && found[0]["fix"].is_string());
    assert_eq!(app.ask(["status", "--porcelain"]), before);

    world.policy("rules: {secrets: {severity: warn}}\n");
    check(&world, &app, &[]).fine().says("app: warning secrets sub/b.txt:2\n");
    world.policy("rules: {secrets: {severity: off}}\n");
    check(&world, &app, &["app"]).fine().says("app: no findings in 1 changed file\n");
    assert_eq!(findings(&check(&world, &app, &["--json"]).fine()), Vec::<Value>::new());
    // Stopping writes down all that there is to write.
    world.stop();
    for kind in ["verdict", "late-verdict", "push", "head-moved"] {
        assert_eq!(world.events(kind), Vec::<Value>::new());
    }
}

#[test]
fn each_commit_of_a_range_is_judged_whatever_the_ledger_says() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let bad = app.slip("bad.txt", secret()).head();
    app.git(["rm", "-q", "bad.txt"]).fine();
    app.commit().fine();
    let place = format!("app: error secrets bad.txt:1 (commit {})\n", &bad[..10]);
    check(&world, &app, &["--range", "HEAD~2..HEAD"]).ended(1).says(&place).says("of 2 commits\n");
    check(&world, &app, &["--range", "HEAD~.."])
        .fine()
        .says("app: no findings in 1 changed file of 1 commit\n");
    // What was there before kpmo is judged, too.
    check(&world, &app, &["--range", "HEAD"]).ended(1).says("of 3 commits\n");
    let found = findings(&check(&world, &app, &["--range", "HEAD~2..HEAD", "--json"]).ended(1));
    assert_eq!((found.len(), &found[0]["commit"]), (1, &json!(bad)));

    world.policy("rules: {message: {max_subject: 6}, identity: {emails: [x@example.org]}}\n");
    let found = findings(&check(&world, &app, &["--range", "HEAD~2..HEAD", "--json"]).ended(1));
    let mut rules: Vec<_> = found.iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["identity", "identity", "message", "secrets"]);

    for range in ["nothing..HEAD", "--all", "HEAD --output=x"] {
        let argument = format!("--range={range}");
        check(&world, &app, &[&argument]).ended(2).says("app: range: ");
    }
    check(&world, &app, &["--range", "HEAD", "--all-files"]).ended(2).says("cannot be used with");
}

#[test]
fn all_files_are_judged_as_if_they_were_new() {
    let world = World::new();
    let files = [("old.txt", secret()), ("readme.md", "x\n".into()), ("README.md", "y\n".into())];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    world.init("app", &[], &files);
    world.init("sha256", &["--object-format=sha256"], &files);
    let world = world.up();
    for name in ["app", "sha256"] {
        let app = world.at(name);
        check(&world, &app, &[]).fine().says("no findings in 0 changed files\n");
        // What is staged counts, as it does for the next commit.
        app.stage("new.txt", secret()).write("untracked.txt", secret());
        check(&world, &app, &["--all-files"])
            .ended(1)
            .says("error secrets old.txt:1\n")
            .says("error secrets new.txt:1\n")
            .says("error case-collision README.md\n")
            .says("3 findings in 4 changed files\n")
            .hides("untracked");
    }
    let bare = world.bare("bare.git", &[]);
    world.at("app").git(["push", "-q", "--no-verify", bare.path.to_str().unwrap(), "main"]).fine();
    check(&world, &bare, &["--all-files"]).ended(1).says("bare.git: error secrets old.txt:1\n");
    check(&world, &bare, &[]).ended(2).says("has no work tree");
}

#[test]
fn the_branch_and_the_address_are_judged_as_they_would_be_at_a_commit() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["config", "user.email", "x@example.net"]).fine();
    world.policy("rules: {branch: {protected: {dev: [main]}}, identity: {emails: ['*@example.org']}}\n");
    check(&world, &app, &[]).ended(1).says("error branch\n").says("error identity\n");
    app.git(["switch", "-q", "-c", "topic"]).fine();
    app.git(["config", "user.email", "x@example.org"]).fine();
    check(&world, &app, &[]).fine();
}

#[test]
fn any_repository_and_the_whole_fleet_can_be_checked() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.stage("bad.txt", secret());
    check(&world, &world.at("lib"), &["--all"])
        .ended(1)
        .says("app: error secrets bad.txt:1\n")
        .says("lib: no findings in 0 changed files\n");
    check(&world, &app, &["lib"]).fine();
    check(&world, &app, &["nobody"]).ended(2).says("no registered repository is called nobody");
    check(&world, &app, &["--all", "lib"]).ended(2);

    // A linked work tree has an index of its own.
    app.git(["worktree", "add", "-q", "-b", "side", "../linked"]).fine();
    let linked = world.at("linked");
    check(&world, &linked, &[]).fine().says("app: no findings in 0 changed files\n");

    // One that nobody registered, and no repository at all.
    let other = world.init("other", &[], &[("a.txt", "one\n")]);
    check(&world, &other, &[]).fine().says("other: warning registered\n");
    other.stage("bad.txt", secret());
    check(&world, &other, &[]).ended(1).says("other: error secrets bad.txt:1\n");
    check(&world, &world.at("app").beside(&world.user()), &[]).ended(1).says("is not in a git repository");

    fs::rename(world.path("src/lib"), world.path("src/gone")).unwrap();
    app.git(["rm", "-qf", "bad.txt"]).fine();
    let said = check(&world, &app, &["--all"]).ended(2);
    said.says("kpmo: error: lib: there is no git repository at").says("app: no findings");
}

/// Of one repository it is told what a commit would come to, of many only where one
/// is about to be made.
#[test]
fn of_many_those_where_nothing_is_staged_are_passed_over() {
    let world =
        World::new().repo("api-one", &[("a.txt", "one\n")]).repo("api-two", &[("a.txt", "one\n")]).up();
    world.init("plain", &["--bare"], &[]);
    world.kpmo(["repo", "add", "plain"]).fine();
    world.kpmo(["repo", "set", "api-*", "--stage", "staging"]).fine();
    let one = world.at("api-one");
    check(&world, &one, &[]).ended(1).says("api-one: error branch");
    check(&world, &one, &["api-*"]).fine().says("api-one: no findings").says("api-two: no findings");
    check(&world, &one, &["api-*", "api-two"]).fine().says("api-two: no findings");
    check(&world, &one, &["--all"]).fine().says("plain: no findings");
    check(&world, &one, &["plain"]).ended(2).says("nothing is staged");
    one.stage("a.txt", "two\n");
    check(&world, &one, &["stage:staging"])
        .ended(1)
        .says("api-one: error branch")
        .says("api-two: no findings");
}
