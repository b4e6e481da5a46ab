//! `kpmo doctor`: what is wrong on the way from git to a verdict, and its mend.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use serde_json::Value;

use crate::world::{Ran, Repo, World, is_root, same, secret, tree};

fn with_app() -> World {
    World::new().patient().repo("app", &[("a.txt", "one\n")])
}

/// The same, where nothing that is wrong with hooks goes away by itself.
fn unhealed() -> World {
    with_app()
        .settings("budgets: {connect_ms: 5000, start_ms: 60000, verdict_ms: 60000}\nhooks: {heal: false}\n")
}

/// `kpmo doctor`, run in this repository.
fn doctor(world: &World, repo: &Repo<'_>, args: &[&str]) -> Ran {
    Ran::of(repo.command(world.home().join("bin/kpmo")).arg("doctor").args(args))
}

/// What is found of one rule.
fn findings(world: &World, repo: &Repo<'_>, rule: &str) -> Vec<Value> {
    let ran = doctor(world, repo, &["--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let findings = told["findings"].as_array().unwrap();
    let is_wrong = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(ran.code, Some(i32::from(is_wrong)), "{findings:#?}");
    for finding in findings {
        let mut keys: Vec<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["fix", "line", "message", "path", "repo", "rule", "severity"]);
    }
    findings.iter().filter(|finding| finding["rule"] == rule).cloned().collect()
}

#[test]
fn where_all_is_well_it_tells_the_way_from_git_to_a_verdict() {
    let world = with_app();
    World::script(&world.at("app").hook("pre-push"), "#!/bin/sh\n");
    let world = world.up();
    let app = world.at("app");
    let said = doctor(&world, &app.sub("deep/er"), &[]).fine();
    let mut rest = said.stdout.as_str();
    for words in [
        "✓ git 2.",
        "bin/kpmo-hook ",
        "bin/kpmo ",
        "commits go on with a warning and pushes are stopped",
        "repos.yml: 1 registered",
        "policy.yml is in order",
        "the ledger can be read",
        "no event waits",
        "the governor answers (pid ",
        "hooks are in place in 1 registered repository",
        "on branch main",
        "registered as app (active)",
        ".git/hooks, as it does by default",
        "pre-commit is kpmo's\n",
        "pre-push is kpmo's; ",
        "hooks.kpmo/pre-push runs first\n",
        "every commit since registration has passed",
        "0 things are wrong, 0 warnings\n",
    ] {
        let at = rest.find(words).unwrap_or_else(|| panic!("{words:?} is not in {rest}"));
        rest = &rest[at + words.len()..];
    }
    said.hides("✗").hides("fix:");
    assert!(findings(&world, &app, "hooks").is_empty());
    for repo in ["app", app.path.to_str().unwrap()] {
        world.kpmo(["doctor", repo]).fine().says("pre-commit is kpmo's").hides("in 1 registered");
    }
    world.kpmo(["doctor", "nowhere"]).ended(2).says("neither registered nor a path");
}

#[test]
fn it_starts_and_writes_nothing() {
    let world = with_app().up();
    world.until_captured();
    world.stop();
    let before = tree(&world.path(""));
    doctor(&world, &world.at("app"), &[]).fine().says("no governor runs; the next hook starts it");
    same(&tree(&world.path("")), &before);
    assert!(!world.is_running());

    let empty = World::new();
    let said = empty.kpmo(["doctor"]).ended(1);
    said.says("there is no home").says("run `kpmo up`");
    assert!(!empty.home().join("state").exists());
}

#[test]
fn hooks_that_do_not_stand_there_are_named_and_put_back() {
    let world = unhealed().repo("other", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    fs::remove_file(app.hook("pre-commit")).unwrap();
    fs::remove_file(app.hook("post-commit")).unwrap();
    World::script(&app.hook("post-commit"), "#!/bin/sh\necho theirs\n");
    fs::remove_file(app.hook("pre-push")).unwrap();
    symlink("/gone/bin/kpmo-hook", app.hook("pre-push")).unwrap();
    let said = doctor(&world, &app, &[]).ended(1);
    said.says("✗ pre-commit is missing")
        .says("✗ post-commit is another's")
        .says("✗ pre-push is missing (kpmo's hook does not work: it leads to /gone/bin/kpmo-hook")
        .says("✓ post-merge is kpmo's")
        .says("fix: run: kpmo install-hooks app")
        .says("things are wrong");
    let found = findings(&world, &app, "hooks");
    assert_eq!(found.len(), 4, "each, and the whole: {found:#?}");
    assert!(found.iter().all(|finding| finding["repo"] == "app" && finding["severity"] == "error"));
    assert!(found.iter().any(|finding| finding["path"] == app.hook("pre-commit").to_str().unwrap()));
    // From elsewhere it is told all the same.
    doctor(&world, &world.at("other"), &[]).ended(1).says("app: hooks are partial");

    let before = tree(&app.path);
    doctor(&world, &app, &["--fix", "--dry-run"]).ended(1).says("app: hooks would be put in place");
    same(&tree(&app.path), &before);
    doctor(&world, &app, &["--fix"]).fine().says("app: hooks are put in place").says("pre-commit is kpmo's");
    world.kpmo(["install-hooks", "app", "--check"]).fine();
    app.stage("a.txt", "two\n").commit().fine().says("theirs");
    doctor(&world, &app, &["--dry-run"]).ended(2).says("--fix");
}

#[test]
fn what_the_environment_does_is_told() {
    let world = with_app().up();
    let app = world.at("app");
    let with = |name: &str, value: &str| {
        let mut kpmo = app.command(world.home().join("bin/kpmo"));
        Ran::of(kpmo.arg("doctor").env(name, value))
    };
    with("KPMO_HOOK", "0").ended(1).says("KPMO_HOOK=0 is set here").says("fix: unset KPMO_HOOK");
    with("KPMO_HOOK_CHAIN", "1:pre-commit:/x").ended(1).says("unset KPMO_HOOK_CHAIN");
    with("GIT_DIR", "/elsewhere/.git").fine().says("! GIT_DIR: every git that is started from here");
    with("GIT_INDEX_FILE", "x").fine().says("unset GIT_INDEX_FILE");
    with("PATH", "/nowhere").ended(1).says("cannot run git").says("install git");
}

#[test]
fn where_hooks_are_looked_for_is_told_with_the_line() {
    let world = unhealed();
    let app = world.at("app");
    app.git(["config", "core.hooksPath", ".husky"]).fine();
    World::script(&app.path.join(".husky/pre-commit"), "#!/bin/sh\n");
    let world = world.up();
    let app = world.at("app");
    let config = fs::read_to_string(app.path.join(".git/config")).unwrap();
    let line = config.lines().position(|line| line.trim().starts_with("hooksPath")).unwrap() + 1;
    let place = format!("set in {}/.git/config:{line} (local)", app.path.display());
    let said = doctor(&world, &app, &[]).fine();
    said.says("core.hooksPath is ").says(&place).says("/.husky/pre-commit runs first");

    app.git(["config", "--unset", "core.hooksPath"]).fine();
    app.git(["config", "--global", "core.hooksPath", "/dev/null"]).fine();
    let said = doctor(&world, &app, &[]).ended(1);
    said.says("core.hooksPath is /dev/null, set in ")
        .says(".gitconfig:")
        .says("(global)")
        .says("pre-commit is missing");
}

#[test]
fn what_is_wrong_with_the_home_is_told_with_its_mend() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let wrong = |says: &str, fix: &str| doctor(&world, &app, &[]).ended(1).says(says).says(fix);

    world.configure("policy.yml", "version: 1\nrules: {secrets: {severity: sometimes}}\n");
    wrong("config/policy.yml:2:", "fix: mend the line");
    assert_eq!(findings(&world, &app, "policy")[0]["line"], 2);
    world.configure("policy.yml", "version: 1\n");
    let registry = world.registry();
    world.configure("repos.yml", &format!("{registry}  - nmae: x\n"));
    wrong("config/repos.yml:", "fix: mend the line");
    std::os::unix::fs::symlink("app", world.path("src/link")).unwrap();
    let link = world.path("src/link");
    world.configure(
        "repos.yml",
        &format!("{registry}  - {{name: link, local_path: \"{}\"}}\n", link.display()),
    );
    let doubled = "/src/link is the repository that `app` is";
    world.kpmo(["doctor"]).fine().says(doubled).says("take one of the two entries out");
    world.configure("repos.yml", &registry);
    doctor(&world, &app, &[]).fine();

    let state = world.home().join("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    wrong("others may enter", &format!("run: chmod 700 {}", state.display()));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();

    fs::write(world.home().join("state/spool/000-x.failed"), "").unwrap();
    doctor(&world, &app, &[]).fine().says("! ").says("000-x.failed was set aside").says("logs/governor.log");

    world.signal("STOP");
    wrong("gave no sign of life", "`kpmo governor restart --force`");
    world.signal("CONT");

    world.spare_no_hook();
    let hook = world.home().join("bin/kpmo-hook");
    fs::rename(&hook, world.path("kept")).unwrap();
    wrong("bin/kpmo-hook is not there", "run `kpmo up`");
    fs::write(&hook, "").unwrap();
    wrong("bin/kpmo-hook is not executable", "run `kpmo up`");
    fs::remove_file(&hook).unwrap();
    fs::rename(world.path("kept"), &hook).unwrap();
    world.stop();
    fs::write(world.home().join("state/ledger.sqlite3"), vec![7; 4096]).unwrap();
    wrong("ledger.sqlite3 is damaged", "`kpmo ledger verify`");
}

#[test]
fn a_home_from_which_nothing_may_be_run_is_told() {
    if !is_root() {
        return crate::world::left_out("only root may mount");
    }
    let world = with_app().up();
    let bin = world.home().join("bin");
    let kept = world.path("kept");
    fs::rename(&bin, &kept).unwrap();
    fs::create_dir(&bin).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "noexec", "kpmo-test"]).arg(&bin).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return crate::world::left_out("mounting a tmpfs is not permitted here");
    }
    World::program(&bin.join("kpmo-hook"), &kept.join("kpmo-hook"));
    let said = Ran::of(world.at("app").command(kept.join("kpmo")).arg("doctor"));
    assert!(Command::new("umount").arg(&bin).status().unwrap().success());
    said.ended(1).says("from which no program may be run (noexec)").says("KPMO_HOME");
}

#[test]
fn what_is_not_as_others_are_is_told() {
    let world = with_app().repo("old", &[("a.txt", "one\n")]).up();
    let (app, old) = (world.at("app"), world.at("old"));
    world.edit_registry("name: old\n", "name: old\n    status: archived\n");
    doctor(&world, &old, &[]).fine().says("! registered as old, which is archived");
    world.init("new", &[], &[("a.txt", "one\n")]);
    let said = doctor(&world, &world.at("new"), &[]).ended(1);
    said.says("✗ the repository is not registered").says("run: kpmo repo add /");

    app.slip("bad.txt", secret());
    world.until_unvalidated("app", 1);
    world.until("it is on disk", || world.spool().is_empty());
    let named = format!("! 1 commit has not passed the rules: {}; ", &app.head()[..10]);
    doctor(&world, &app, &[]).fine().says(&named).says("pushes of them are refused");
    // Somebody has pushed it all the same: `git push` has nothing to say then.
    app.git(["update-ref", "refs/remotes/origin/main", "HEAD"]).fine();
    doctor(&world, &app, &[]).fine().says(&named).says("a remote has them already").hides("refused");
    app.git_with("KPMO_HOOK", "0", ["commit", "-q", "--allow-empty", "-m", "x"]).fine();
    world.until_events("head-moved", 2);
    let found = findings(&world, &app, "unjudged");
    assert!(found.len() == 1 && found[0]["message"].as_str().unwrap().contains("KPMO_HOOK=0"), "{found:?}");

    fs::rename(&old.path, world.path("gone")).unwrap();
    world.edit_registry("    status: archived\n", "");
    doctor(&world, &app, &[]).ended(1).says("old: ").says("any more");
}

/// What nobody has judged yet has not passed.
#[test]
fn what_waits_for_the_governor_is_not_known_yet() {
    let world = with_app().up();
    let app = world.at("app");
    world.signal("STOP");
    app.slip("bad.txt", secret());
    world.until("the event is kept", || !world.spool().is_empty());
    let found = findings(&world, &app, "unvalidated");
    world.signal("CONT");
    assert!(found[0]["message"].as_str().unwrap().contains("is not known yet"), "{found:?}");
    world.until_unvalidated("app", 1);
}
