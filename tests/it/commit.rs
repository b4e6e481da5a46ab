//! What is judged: the index that git really commits.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use crate::world::{Ran, World, key, secret};

#[test]
fn a_clean_commit_passes_without_a_word() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    assert_eq!(app.ask(["log", "--format=%s"]), "change\nfirst");
}

#[test]
fn each_rule_refuses_with_its_name_place_reason_fix_and_way_around() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let private = ["-----BEGIN OPENSSH ", "PRIVATE KEY-----\n"].concat()
        + &"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n".repeat(4)
        + "-----END OPENSSH PRIVATE KEY-----\n";
    for (rule, place, file, text) in [
        ("workflows", ".github/workflows/ci.yml", ".github/workflows/ci.yml", "on: push\n".to_owned()),
        ("secrets", "cfg.py:2", "cfg.py", format!("x = 1\n{}", secret())),
        ("private-key", "id:1", "id", private),
        ("conflict-marker", "c.txt:2", "c.txt", "x\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> b\n".to_owned()),
        ("governed-files", ".env", ".env", "A=1\n".to_owned()),
        ("large-file", "big", "big", "0123456789".repeat(1_100_000)),
    ] {
        let head = app.head();
        let said = app.stage(file, &text).commit().refused();
        let said = said.says(&format!("{rule} {place}\n")).says("fix:").says("around:");
        said.hides(&key());
        assert_eq!(app.head(), head, "{rule}");
        app.git(["reset", "-q", "--hard"]).fine();
    }
    assert_eq!(world.home_contains(&key()), None, "the secret is kept nowhere");
    world.kpmo(["events", "--json"]).fine().hides(&key());
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn what_is_committed_is_judged_and_not_what_lies_about() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), ("b.txt", "one\n")]).up();
    let app = world.at("app");
    let head = app.head();

    // In the work tree alone.
    app.stage("b.txt", "two\n").write("a.txt", secret()).commit().fine().silent();
    app.git(["commit", "-qam", "all"]).refused().says("secrets a.txt:1\n");

    // In another file of the index than those of the commit.
    app.git(["add", "a.txt"]).fine();
    app.write("b.txt", "three\n").git(["commit", "-qm", "only b", "--", "b.txt"]).fine().silent();
    app.git(["commit", "-qm", "only a", "--", "a.txt"]).refused().says("secrets a.txt:1\n");
    app.git(["commit", "-qm", "only a", "--include", "a.txt"]).refused();

    // In the index alone.
    app.write("a.txt", "one\n").commit().refused().says("secrets a.txt:1\n");
    app.git(["commit", "-q", "--amend", "--no-edit"]).refused().says("secrets a.txt:1\n");

    app.git(["add", "a.txt"]).fine();
    app.git(["commit", "-q", "--amend", "-m", "amended"]).fine().silent();
    assert_eq!(app.ask(["log", "--format=%s", &format!("{head}..")]), "amended\nchange");
}

#[test]
fn another_index_file_is_the_one_that_counts() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.write("a.txt", secret());
    for index in [app.path.join(".git/other"), ".git/relative".into()] {
        let with = |args: [&str; 3]| app.git_with("GIT_INDEX_FILE", &index, args);
        with(["read-tree", "--reset", "HEAD"]).fine();
        with(["add", "--", "a.txt"]).fine();
        with(["commit", "-qm", "other"]).refused().says("secrets a.txt:1\n");
    }
    app.git(["commit", "-q", "--allow-empty", "-m", "ordinary"]).fine().silent();
}

#[test]
fn a_first_commit_is_judged_whole() {
    let world = World::new();
    world.init("new", &[], &[]);
    let world = world.up();
    let new = world.at("new");
    new.stage("deep/er/a.txt", secret()).commit().refused().says("secrets deep/er/a.txt:1\n");
    new.git(["rev-parse", "--verify", "HEAD"]).ended(128);
    new.stage("deep/er/a.txt", "one\n").commit().fine().silent();
}

#[test]
fn every_format_of_repository_is_judged() {
    let world = World::new();
    let files = [("a.txt", "one\n"), ("dir/b.txt", "one\n")];
    world.init("sha256", &["--object-format=sha256"], &files);
    world.init("reftable", &["--ref-format=reftable"], &files);
    world.init("split", &[], &files).git(["update-index", "--split-index"]).fine();
    world.init("split-set", &[], &files).git(["config", "core.splitIndex", "true"]).fine();
    world.init("index-v4", &[], &files).git(["update-index", "--index-version=4"]).fine();
    world.init("untracked", &[], &files).git(["update-index", "--force-untracked-cache"]).fine();
    world.init("sparse", &[], &files).git(["sparse-checkout", "set", "--sparse-index", "other"]).fine();
    let partial = world.path("src/partial").into_os_string();
    let from = OsStr::new("file:///").to_owned();
    let from = [from.as_bytes(), world.path("src/split-set").as_os_str().as_bytes()].concat();
    let clone = [
        OsStr::new("clone"),
        "-q".as_ref(),
        "--filter=blob:none".as_ref(),
        OsStr::from_bytes(&from),
        &partial,
    ];
    world.at("split-set").git(["config", "uploadpack.allowFilter", "true"]).fine();
    world.at("split-set").git(clone).fine();
    let world = world.up();
    for name in ["sha256", "reftable", "split", "split-set", "index-v4", "untracked", "sparse", "partial"] {
        let repo = world.at(name);
        repo.stage("a.txt", secret())
            .commit()
            .refused()
            .says(&format!("in {name}: 1 finding"))
            .says("secrets a.txt:1\n");
        repo.stage("a.txt", "two\n").commit().fine().silent();
        world.until(name, || !world.status(name)["unvalidated"].is_null());
        assert_eq!(world.status(name)["unvalidated"], 0, "{name}");
    }
}

#[test]
fn linked_work_trees_and_submodules_are_judged_as_what_they_are() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("l.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "-b", "side", "../linked"]).fine();
    let linked = world.at("linked");
    linked.stage("a.txt", secret()).commit().refused().says("refused in app").says("secrets a.txt:1\n");
    linked.stage("a.txt", "two\n").commit().fine().silent();

    app.git(["submodule", "--quiet", "add", "../lib", "lib"]).fine();
    world.kpmo(["repo", "add", "app/lib", "--name", "app-lib"]).fine();
    let sub = world.at("app/lib");
    sub.stage("l.txt", secret()).commit().refused().says("refused in app-lib").says("secrets l.txt:1\n");
    sub.stage("l.txt", "two\n").commit().fine().silent();
    // A submodule's entry has no content to judge.
    app.git(["add", "lib"]).fine();
    app.commit().fine().silent();

    let verdicts = world.until_events("verdict", 5);
    let of = |name: &str| verdicts.iter().filter(|v| v["repo"] == world.status(name)["id"]).count();
    assert_eq!((of("app"), of("app-lib"), of("lib")), (3, 2, 0));
}

#[test]
fn a_merge_is_judged_before_it_is_committed() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), ("b.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["checkout", "-q", "-b", "side"]).fine();
    app.slip("s.txt", secret()).stage("b.txt", "side\n").commit().fine();
    app.git(["checkout", "-q", "main"]).fine();
    app.stage("a.txt", "two\n").commit().fine();

    let head = app.head();
    app.git(["merge", "-q", "--no-edit", "side"]).refused().says("merge refused").says("secrets s.txt:1\n");
    assert_eq!(app.head(), head);
    app.git(["commit", "-qm", "concluded"]).refused().says("secrets s.txt:1\n");
    app.git(["rm", "-qf", "s.txt"]).fine();
    app.git(["commit", "-qm", "concluded without"]).fine().silent();
    assert_eq!(app.ask(["rev-list", "--parents", "-n1", "HEAD"]).split(' ').count(), 3);
}

#[test]
fn a_conflict_must_be_resolved_before_it_is_committed() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["checkout", "-q", "-b", "side"]).fine();
    app.stage("a.txt", "side\n").commit().fine();
    app.git(["checkout", "-q", "main"]).fine();
    app.stage("a.txt", "main\n").commit().fine();
    app.git(["merge", "-q", "side"]).ended(1);
    app.git(["commit", "-qam", "unresolved"]).refused().says("conflict-marker a.txt:1\n");
    app.write("a.txt", "both\n").git(["commit", "-qam", "resolved"]).fine().silent();
}

#[test]
fn workflows_may_go_and_may_not_come() {
    let ci = ".github/workflows/ci.yml";
    let world =
        World::new().repo("app", &[(ci, "on: push\n"), (".github/workflows/b.yaml", "on: pull\n")]).up();
    let app = world.at("app");
    app.stage(ci, "on: [push]\n").commit().refused().says(&format!("workflows {ci}\n"));
    app.git(["reset", "-q", "--hard"]).fine();
    app.git(["rm", "-q", ".github/workflows/b.yaml"]).fine();
    app.commit().fine().silent();
    fs::create_dir(app.path.join("old-archive")).unwrap();
    app.git(["mv", ci, "old-archive/ci.yml"]).fine();
    app.commit().fine().silent();
    fs::create_dir_all(app.path.join(".github/workflows")).unwrap();
    app.git(["mv", "old-archive/ci.yml", ci]).fine();
    app.commit().refused().says(&format!("workflows {ci}\n"));
}

#[test]
fn only_added_lines_are_judged_and_their_numbers_are_right() {
    let old = format!("1\n2\n{}4\n5\n6\n", secret());
    let world = World::new().repo("app", &[("a.txt", &old)]).up();
    let app = world.at("app");
    app.stage("a.txt", format!("0\n{old}7\n")).commit().fine().silent();
    app.git(["mv", "a.txt", "b.txt"]).fine();
    app.commit().fine().silent();
    let said = app.stage("b.txt", format!("0\n{old}7\n8\n{}", secret())).commit().refused();
    said.says("1 finding\n").says("secrets b.txt:10\n").hides("b.txt:4");
    app.stage("b.txt", format!("\u{feff}{}\r\n{}", secret().trim(), secret()))
        .commit()
        .refused()
        .says("b.txt:1\n");
}

#[test]
fn names_of_files_are_shown_so_that_a_terminal_stays_whole() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    for (name, shown) in [
        (&b"with space's \"and\" more.txt"[..], "secrets with space's \"and\" more.txt:1\n"),
        (b"grinn\xc3\xa9 \xe2\x98\xba.txt", "secrets grinné ☺.txt:1\n"),
        (b"new\nline \x1b[31m.txt", "secrets new\\nline \\x1b[31m.txt:1\n"),
        (b"not\xffutf-8.txt", "secrets not\\xffutf-8.txt:1\n"),
        (b"-leading \t.txt", "secrets -leading \\t.txt:1\n"),
    ] {
        let name = OsStr::from_bytes(name);
        fs::write(app.path.join(name), secret()).unwrap();
        app.git([OsStr::new("add"), "--".as_ref(), name]).fine();
        app.commit().refused().says(shown).hides("\x1b");
        app.git([OsStr::new("rm"), "-qf".as_ref(), "--".as_ref(), name]).fine();
    }
}

#[test]
fn it_does_not_matter_from_where_git_is_run() {
    let world = World::new().repo("with space/app's", &[("a.txt", "one\n"), ("sub/dir/b.txt", "one\n")]);
    std::os::unix::fs::symlink(world.path("src/with space"), world.path("link")).unwrap();
    let world = world.up();
    let app = world.at("with space/app's");
    let by_link = app.beside(&world.path("link/app's"));
    let git_dir = world.path("link/app's/.git");
    for repo in [app.sub("sub/dir"), by_link.sub("sub"), by_link] {
        app.stage("a.txt", secret());
        repo.commit().refused().says("refused in app's").says("secrets a.txt:1\n");
        app.write("a.txt", format!("{:?}\n", repo.path));
        repo.git(["commit", "-qam", "change"]).fine().silent();
    }
    app.stage("a.txt", secret());
    let tree =
        [OsStr::new("--work-tree"), app.path.as_ref(), "commit".as_ref(), "-qm".as_ref(), "far".as_ref()];
    let far = app.beside(&world.user());
    far.git_with("GIT_DIR", git_dir, tree).refused().says("refused in app's");
}

#[test]
fn severities_allow_lists_and_overrides_come_from_the_policy() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lax", &[("a.txt", "one\n")]).up();
    let (app, lax) = (world.at("app"), world.at("lax"));
    let said = app.stage("a.txt", secret()).commit().refused();
    let fingerprint = said.stderr.split("fingerprint: ").nth(1).unwrap()[..16].to_owned();

    // That finding and no other: not in another place, not another secret.
    world.policy(&format!("rules: {{secrets: {{allow: [\"{fingerprint}\"]}}}}\n"));
    app.stage("b.txt", secret()).commit().refused().says("secrets b.txt:1\n").hides("a.txt");
    app.git(["rm", "-qf", "b.txt"]).fine();
    app.commit().fine().silent();

    app.stage("c.txt", format!("{} # kpmo:allow, a fixture\n", secret().trim())).commit().fine().silent();

    world.policy("repos: {lax: {rules: {secrets: {severity: warn}}}}\n");
    app.stage("d.txt", secret()).commit().refused();
    let said = lax.stage("d.txt", secret()).commit().fine();
    said.says("passed with 1 finding in lax").says("warning secrets d.txt:1\n").hides(&key());
    assert_eq!(world.status("lax")["unvalidated"], 0);
    world.edit_registry("name: app\n", "name: app\n    tags: [trusting]\n");
    world.policy("tags: {trusting: {rules: {secrets: {severity: off}}}}\n");
    app.commit().fine().silent();
    lax.stage("e.txt", secret()).commit().refused();
}

#[test]
fn a_broken_policy_changes_nothing_and_is_told() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    world.policy("rules: {secrets: {severity: sometimes}}\n");
    world.kpmo(["up", "."]).fine();
    let app = world.at("app");
    world.kpmo(["governor", "status"]).ended(1).says("config/policy.yml:2:").says("sometimes");
    app.stage("a.txt", secret()).commit().refused();

    world.policy("rules: {secrets: {severity: warn}}\n");
    world.kpmo(["governor", "status"]).fine();
    app.commit().fine().says("warning secrets");
    world.policy("rules: {secrets: {severity: error}}\nroules: {}\n");
    let said = world.kpmo(["governor", "status"]).ended(1);
    said.says("config/policy.yml:3:").says("roules");
    app.stage("b.txt", secret()).commit().fine().says("warning secrets");
    world.kpmo(["status"]).fine().says("config/policy.yml:3:");
}

#[test]
fn archived_repositories_take_no_commits_and_unknown_ones_a_warning() {
    let world = World::new().repo("old", &[("a.txt", "one\n")]).repo("left", &[("a.txt", "one\n")]).up();
    let (old, left) = (world.at("old"), world.at("left"));
    world.edit_registry("name: old\n", "name: old\n    status: archived\n");
    old.stage("a.txt", "two\n").commit().refused().says("error registered\n").says("archived in repos.yml");
    assert_eq!(world.status("old")["status"], "archived");

    world.kpmo(["repo", "remove", "left", "--keep-hooks"]).fine();
    left.stage("a.txt", "two\n").commit().fine().says("passed with 1 finding").says("warning registered\n");
    left.stage("a.txt", secret()).commit().refused().says("secrets a.txt:1\n");
}

#[test]
fn git_directories_apart_from_their_work_trees_are_judged() {
    let world = World::new();
    world.init("apart", &["--separate-git-dir=../../git-of-apart"], &[("a.txt", "one\n")]);
    world.init("dotfiles.git", &["--bare"], &[]);
    let world = world.up();
    let apart = world.at("apart");
    apart.stage("a.txt", secret()).commit().refused().says("refused in apart").says("secrets a.txt:1\n");
    apart.stage("a.txt", "two\n").commit().fine().silent();

    let home = apart.beside(&world.user());
    let git_dir = world.path("src/dotfiles.git");
    let in_home = |args: &[&str]| {
        let mut git = home.command("git");
        Ran::of(git.env("GIT_DIR", &git_dir).env("GIT_WORK_TREE", world.user()).args(args))
    };
    home.write(".profile", secret());
    in_home(&["add", ".profile"]).fine();
    in_home(&["commit", "-qm", "first"]).refused().says("refused in dotfiles").says("secrets .profile:1\n");
    home.write(".profile", "PS1=$\n");
    in_home(&["commit", "-qam", "first"]).fine().silent();
    let said = world.status("dotfiles");
    assert_eq!((&said["hooks"], &said["unvalidated"]), (&"ok".into(), &0.into()));
}

#[test]
fn a_commit_with_very_many_findings_lists_the_first() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let said = app.stage("a.txt", secret().repeat(60)).commit().refused();
    assert_eq!(said.stderr.matches("secrets a.txt:").count(), 50);
    said.says("refused in app: 60 findings\n").says("and 10 more\n");
}

#[test]
fn what_is_only_meant_to_be_added_is_not_in_the_commit() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.write("later.txt", secret()).write(".env", "A=1\n").git(["add", "-N", "later.txt", ".env"]).fine();
    app.stage("a.txt", "two\n").commit().fine().silent();
    // The verdict is for the very tree that git made of it.
    world.until_events("head-moved", 1);
    assert!(world.events("late-verdict").is_empty());
    app.git(["commit", "-qam", "now"]).refused().says("secrets later.txt:1\n").says("governed-files .env\n");
}

#[test]
fn a_repository_is_known_however_git_was_led_to_it() {
    let files = [("a.txt", "one\n"), ("sub/b.txt", "one\n")];
    let world = World::new().repo("app", &files).repo("elsewhere", &files);
    world.init("apart", &["--separate-git-dir", "../apart.store"], &files);
    let top = world.path("src/trees");
    fs::create_dir(&top).unwrap();
    let trees = world.at("trees");
    trees.git(["clone", "-q", "--bare", "../app", ".bare"]).fine();
    trees.write(".git", "gitdir: ./.bare\n");
    trees.git(["worktree", "add", "-q", "linked"]).fine();
    for (path, name) in [("app", "app"), ("elsewhere", "elsewhere"), ("apart", "apart"), ("trees", "trees")] {
        world.kpmo(["repo", "add", path, "--name", name]).fine();
    }

    trees.sub("linked").stage("x", secret()).commit().refused().says("refused in trees");

    let apart = world.at("apart");
    apart.git(["worktree", "add", "-q", "../linked"]).fine();
    world.at("linked").stage("x", secret()).commit().refused().says("refused in apart");

    let sub = world.at("app").sub("sub");
    // To git this directory is the top now.
    sub.write("x", secret());
    sub.git_with("GIT_DIR", "../.git", ["add", "x"]).fine();
    sub.git_with("GIT_DIR", "../.git", ["commit", "-qm", "x"]).refused().says("refused in app");

    let elsewhere = world.at("elsewhere");
    elsewhere.git(["config", "core.worktree", "../../tree"]).fine();
    fs::create_dir(world.path("src/tree")).unwrap();
    let tree = world.at("tree");
    tree.write("x", secret());
    let dir = elsewhere.path.join(".git");
    tree.git_with("GIT_DIR", &dir, ["add", "x"]).fine();
    tree.git_with("GIT_DIR", &dir, ["commit", "-qm", "x"]).refused().says("refused in elsewhere");
}

#[test]
fn objects_that_a_variable_puts_elsewhere_are_judged() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let objects = world.path("objects");
    fs::create_dir(&objects).unwrap();
    let git = |args: &[&str]| {
        let mut command = app.command("git");
        command.args(args).env("GIT_OBJECT_DIRECTORY", &objects);
        Ran::of(command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", app.path.join(".git/objects")))
    };
    app.write("a.txt", secret());
    git(&["add", "a.txt"]).fine();
    git(&["commit", "-qm", "x"]).refused().says("secrets a.txt:1\n");
    app.write("a.txt", "two\n");
    git(&["add", "a.txt"]).fine();
    git(&["commit", "-qm", "x"]).fine().silent();
}

#[test]
fn what_a_partial_clone_has_left_at_its_remote_does_not_stop_a_merge() {
    let world = World::new().repo("up", &[("in/a.txt", "one\n"), ("out/b.txt", "one\n")]);
    let up = world.at("up");
    up.git(["config", "uploadpack.allowFilter", "true"]).fine();
    let url = format!("file://{}", up.path.display());
    up.git(["clone", "-q", "--filter=blob:none", "--sparse", &url, "../app"]).fine();
    let app = world.at("app");
    app.git(["sparse-checkout", "set", "in"]).fine();
    world.kpmo(["repo", "add", "app"]).fine();

    up.stage("out/b.txt", "two\n").stage("out/c.txt", "new\n").commit().fine();
    app.stage("in/a.txt", "two\n").commit().fine().silent();
    app.git(["fetch", "-q"]).fine();
    app.git(["merge", "-q", "--no-stat", "-m", "merged", "origin/main"]).fine().silent();
    let missing = format!("?{}", up.ask(["rev-parse", "HEAD:out/c.txt"]));
    let objects = app.ask(["rev-list", "--missing=print", "--objects", "HEAD"]);
    assert!(objects.contains(&missing), "{missing} is not in {objects}");
    app.stage("in/a.txt", secret()).commit().refused().says("secrets in/a.txt:1\n");
    world.until_events("verdict", 3);
    world.until_unvalidated("app", 0);
}
