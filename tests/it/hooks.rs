//! Hooks: put, checked, healed and taken away, beside those of others.

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
};

use crate::world::{Ran, Repo, World, differing, key, same, secret, tree};

/// Tells what git gave a hook, less what names the process.
const TELLTALE: &str = r#"#!/bin/sh
{
    printf '== %s' "${0##*/}"; printf ' <%s>' "$@"; echo
    env | grep -v '^KPMO_HOOK_CHAIN=\|^_=' | sort
    cat
} >> "$HOME/told"
"#;

fn told(world: &World) -> String {
    let path = world.user().join("told");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text
}

/// Starts a repository whose hooks are others'.
fn with_hook(name: &str, text: &str) -> World {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook(name), text);
    world.up()
}

fn config(repo: &Repo<'_>) -> Option<String> {
    let ran = repo.git(["config", "--local", "core.hooksPath"]);
    (ran.code == Some(0)).then(|| ran.stdout.trim_end().to_owned())
}

#[test]
fn what_stood_there_is_restored_to_the_byte_and_the_mode() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    World::script(&app.hook("pre-commit"), "#!/bin/sh\n. \"$(dirname \"$0\")/helper\"\n");
    fs::set_permissions(app.hook("pre-commit"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::copy("/bin/true", app.hook("post-commit")).unwrap();
    World::script(&app.path.join("tools/push"), "#!/bin/sh\n");
    symlink("../../tools/push", app.hook("pre-push")).unwrap();
    symlink("/nowhere", app.hook("post-merge")).unwrap();
    fs::write(app.hook("post-checkout"), "#!/bin/sh\nexit 1 # not executable\n").unwrap();
    fs::write(app.hook("helper"), "helped=yes\n").unwrap();
    world.kpmo(["repo", "add", "app", "--no-hooks"]).fine();

    let before = tree(&app.path);
    world.kpmo(["install-hooks", "app", "--check"]).ended(1).says("app: foreign");
    same(&tree(&app.path), &before);
    world.kpmo(["install-hooks", "app"]).fine();
    world.kpmo(["install-hooks", "app", "--check"]).fine().says("app: ok");
    assert_eq!(world.status("app")["hooks"], "ok");
    let installed = tree(&app.path);
    world.kpmo(["install-hooks", "--all"]).fine();
    same(&tree(&app.path), &installed);
    for name in ["pre-commit", "pre-push", "post-merge"] {
        assert_eq!(fs::read_link(app.hook(name)).unwrap(), world.home().join("bin/kpmo-hook"));
    }
    app.git(["checkout", "-q", "-b", "side"]).fine().silent();

    world.kpmo(["uninstall-hooks", "app"]).fine();
    same(&tree(&app.path.join(".git/hooks")), &hooks_of(&before));
    assert_eq!(world.status("app")["hooks"], "foreign");
    app.git(["checkout", "-q", "main"]).fine();
    app.git(["branch", "-qD", "side"]).fine();
    let left = differing(&tree(&app.path), &before);
    assert!(left.iter().all(|path| path.starts_with(".git/logs") || path.ends_with("index")), "{left:?}");
}

/// The part of a work tree's tree that is its hooks.
fn hooks_of(tree: &crate::world::Tree) -> crate::world::Tree {
    let hooks = |path: &std::path::PathBuf| Some(path.strip_prefix(".git/hooks").ok()?.to_owned());
    tree.iter()
        .filter_map(|(path, entry)| Some((hooks(path)?, entry.clone())))
        .filter(|(path, _)| !path.as_os_str().is_empty())
        .collect()
}

#[test]
fn a_hook_that_was_there_is_told_what_git_tells_it() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    for name in [
        "pre-commit",
        "pre-merge-commit",
        "pre-push",
        "post-commit",
        "post-checkout",
        "post-merge",
        "post-rewrite",
    ] {
        World::script(&app.hook(name), TELLTALE);
    }
    let first = app.head();
    let work = || {
        app.git(["reset", "-q", "--hard", &first]).fine();
        let origin = app.path.join("../../remote/app.git");
        let _ = fs::remove_dir_all(&origin);
        let app = app.beside(&app.path).with_origin();
        app.write("a.txt", "two\n").git(["commit", "-qam", "second"]).fine();
        app.stage("b.txt", "b\n").sub("dir").git(["commit", "-q", "--amend", "-m", "amended"]).fine();
        app.git(["checkout", "-q", "-b", "side", "HEAD~"]).fine();
        app.stage("c.txt", "c\n").commit().fine();
        app.git(["checkout", "-q", "main"]).fine();
        app.git(["merge", "-q", "--no-edit", "side"]).fine();
        app.git(["push", "-q", "origin", "main", "side"]).fine();
        app.git(["push", "-q", "origin", ":side"]).fine();
        app.git(["branch", "-qD", "side"]).fine();
        app.git(["remote", "remove", "origin"]).fine();
        told(&world)
    };
    let without = work();
    assert_eq!(without.matches("== ").count(), 13, "{without}");
    world.kpmo(["repo", "add", "app"]).fine();
    pretty_equal(&work(), &without);
    world.kpmo(["up", "."]).fine();
    pretty_equal(&work(), &without);
}

fn pretty_equal(one: &str, other: &str) {
    for (one, other) in one.lines().zip(other.lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_hook_that_was_there_has_the_first_word() {
    let world = with_hook("pre-commit", "#!/bin/sh\necho theirs >&2\nexit 7\n");
    let app = world.at("app");
    app.stage("a.txt", secret()).commit().ended(1).says("theirs").hides("kpmo");
    app.git(["hook", "run", "pre-commit"]).ended(7);
    World::script(&app.path.join(".git/hooks.kpmo/pre-commit"), "#!/bin/sh\nkill -TERM $$\n");
    app.git(["hook", "run", "pre-commit"]).ended(128 + 15);
    fs::remove_file(app.path.join(".git/hooks.kpmo/pre-commit")).unwrap();
    app.commit().refused();
    world.until_events("verdict", 1);
}

#[test]
fn what_a_hook_that_was_there_makes_of_the_index_is_judged() {
    let script = "#!/bin/sh\nif test -e add; then cp add made.txt; git add made.txt; else git rm -q --cached bad.txt; fi\n";
    let world = with_hook("pre-commit", script);
    let app = world.at("app");
    app.write("add", secret()).stage("a.txt", "two\n").commit().refused().says("secrets made.txt:1\n");
    fs::remove_file(app.path.join("add")).unwrap();
    app.git(["reset", "-q"]).fine();
    app.stage("bad.txt", secret()).stage("a.txt", "two\n").commit().fine().hides("kpmo");
    assert_eq!(app.ask(["show", "--format=", "--name-only"]), "a.txt");
}

#[test]
fn a_hook_with_no_first_line_runs_as_git_runs_it() {
    let world = with_hook("pre-commit", "echo \"as a script\" >&2\n");
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().says("as a script");
}

#[test]
fn hooks_of_a_configured_directory_go_on_and_it_is_not_touched() {
    for tracked in [true, false] {
        let world = World::new().repo("app", &[("a.txt", "one\n"), ("husky.log", "")]);
        let app = world.at("app");
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho husky-pre >&2\n");
        World::script(&app.path.join(".husky/_/commit-msg"), "#!/bin/sh\necho husky-msg \"$1\" >&2\n");
        if tracked {
            app.git(["add", ".husky"]).fine();
            app.git(["commit", "-qm", "hooks"]).fine();
        }
        app.git(["config", "core.hooksPath", ".husky/_"]).fine();
        let before = tree(&app.path);
        let world = world.up();
        let app = world.at("app");
        assert_eq!(app.ask(["diff", "HEAD", "--stat"]), "");
        assert_eq!(tree(&app.path.join(".husky")).len(), 3);
        world.kpmo(["install-hooks", "app", "--check"]).fine();

        app.stage("a.txt", "two\n").commit().fine().says("husky-pre").says("husky-msg .git/COMMIT_EDITMSG");
        app.stage("a.txt", secret())
            .commit()
            .refused()
            .says("husky-pre")
            .says("secrets a.txt:1\n")
            .hides("husky-msg");
        app.git(["reset", "-q", "--hard"]).fine();
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho changed >&2\nexit 1\n");
        app.stage("a.txt", "three\n").commit().ended(1).says("changed").hides("kpmo");
        app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho husky-pre >&2\n");

        world.kpmo(["uninstall-hooks", "app"]).fine();
        assert_eq!(config(&app).as_deref(), Some(".husky/_"));
        let left = differing(&tree(&app.path), &before);
        let moved = |path: &std::path::Path| {
            ["index", "ORIG_HEAD", "COMMIT_EDITMSG"].iter().any(|name| path.ends_with(name))
                || path.starts_with(".git/objects")
                || path.starts_with(".git/logs")
        };
        assert!(left.iter().all(|path| moved(path)), "{left:?}");
    }
}

#[test]
fn another_tools_install_over_ours_is_noticed_and_healed() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    // As pre-commit does it: what stood there becomes its own legacy hook.
    fs::rename(app.hook("pre-commit"), app.hook("pre-commit.legacy")).unwrap();
    let legacy = "#!/bin/sh\necho tool >&2\nhere=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\n\
        if test -x \"$here/pre-commit.legacy\"; then \"$here/pre-commit.legacy\" \"$@\" || exit 1; fi\n";
    World::script(&app.hook("pre-commit"), legacy);
    assert_eq!(world.status("app")["hooks"], "partial");
    app.stage("a.txt", secret()).commit().refused().says("secrets a.txt:1\n");
    world.kpmo(["install-hooks", "app", "--check"]).ended(1).says("pre-commit");

    world.kpmo(["install-hooks", "app"]).fine();
    let said = app.commit().refused();
    assert_eq!((said.stderr.matches("tool").count(), said.stderr.matches("commit refused").count()), (1, 1));
    app.stage("a.txt", "two\n").commit().fine().hides("kpmo");

    fs::remove_file(app.hook("pre-push")).unwrap();
    fs::remove_file(app.hook("post-commit")).unwrap();
    symlink("/gone/bin/kpmo-hook", app.hook("post-commit")).unwrap();
    world
        .kpmo(["install-hooks", "app", "--check"])
        .ended(1)
        .says("app: partial")
        .says("pre-push")
        .says("post-commit");
    world.kpmo(["up", "."]).fine();
    world.kpmo(["install-hooks", "app", "--check"]).fine();
}

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

#[test]
fn a_dry_run_writes_nothing() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("husky", &[("a.txt", "one\n")]);
    world.at("husky").git(["config", "core.hooksPath", ".husky/_"]).fine();
    let whole = || tree(&world.path("."));
    let before = whole();
    world.kpmo(["up", ".", "--dry-run"]).fine().says("src/app").says("h/state\n");
    same(&whole(), &before);
    assert!(!world.is_running());

    world.kpmo(["up", "."]).fine();
    world.until_captured();
    world.init("new", &[], &[("a.txt", "one\n")]);
    World::script(&world.at("app").path.join(".git/hooks.new"), "#!/bin/sh\n");
    fs::rename(world.at("app").path.join(".git/hooks.new"), world.at("app").hook("pre-push")).unwrap();
    let events = || world.kpmo(["events"]).fine().stdout;
    let (before, known) = (whole(), events());
    for (args, says) in [
        (&["up", ".", "--dry-run"][..], "src/new"),
        (&["repo", "add", "new", "--dry-run"], "would add new"),
        (&["install-hooks", "--all", "--dry-run"], "chained"),
        (&["uninstall-hooks", "--all", "--dry-run"], "removed"),
        (&["repo", "remove", "app", "--dry-run"], "would remove app"),
        (&["down", "--dry-run"], "would be taken out of 2"),
    ] {
        world.kpmo(args).fine().says(says);
        same(&whole(), &before);
        assert_eq!(events(), known, "{args:?}");
    }
    assert!(world.is_running());
}

#[test]
fn up_again_changes_nothing_and_down_leaves_no_trace_in_a_repository() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("deep/er/lib", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\n");
    let bare = world.init("bare.git", &["--bare"], &[]);
    fs::remove_dir_all(bare.path.join("hooks")).unwrap();
    let src = world.path("src");
    let before = tree(&src);
    let first = world.kpmo(["up", "."]).fine();
    let (after, registry) = (tree(&src), world.registry());
    assert_ne!(after, before);
    let second = world.kpmo(["up", "."]).fine();
    assert_eq!((first.stdout, &*registry), (second.stdout, &*world.registry()));
    same(&tree(&src), &after);
    assert_eq!(world.events("repo-added").len(), 3);
    assert_eq!(world.events("hooks-installed").len(), 3);

    world.kpmo(["down"]).fine().says("out of 3 repositories");
    same(&tree(&src), &before);
    assert!(!world.is_running());
    assert_eq!(world.registry(), registry);
    world.at("app").stage("a.txt", secret()).commit().fine().silent();
    world.kpmo(["up", "."]).fine();
    assert_eq!(world.events("repo-added").len(), 3);
    world.at("app").stage("b.txt", secret()).commit().refused();
}

#[test]
fn up_does_not_search_a_home_directory_unasked() {
    let world = World::new();
    let said = world.kpmo(["up"]).ended(2);
    said.says("--yes").says("--dry-run").says(world.user().to_str().unwrap());
    assert!(!world.home().join("config").exists() && !world.is_running());
    world.kpmo(["up", "/nowhere/at/all"]).ended(2).says("/nowhere/at/all");
    world.init_in_home("dotfiles");
    world.kpmo(["up", "--yes"]).fine().says("dotfiles");
}

#[test]
fn a_hook_can_be_run_by_hand() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let hook = |args: &[&str]| Ran::of(app.command(world.home().join("bin/kpmo-hook")).args(args));
    hook(&["run", "pre-commit"]).fine().silent();
    app.stage("a.txt", secret());
    hook(&["run", "pre-commit"]).ended(1).says("commit refused in app").says("secrets a.txt:1\n");
    hook(&["run", "post-commit"]).fine().silent();
    hook(&["--help"]).fine().says("Usage: kpmo-hook run EVENT").says("pre-merge-commit");
    hook(&["--version"]).fine().says(env!("CARGO_PKG_VERSION"));
    hook(&["run", "pre-comit"]).ended(2).says("pre-comit").says("--help");
    hook(&["run"]).ended(2).says("Usage");
    hook(&["pre-commit"]).ended(2).says("Usage");
    let odd = std::ffi::OsStr::from_bytes(b"\xff\x1b[31m");
    Ran::of(app.command(world.home().join("bin/kpmo-hook")).arg("run").arg(odd)).ended(2).hides("\x1b");
}

#[test]
fn a_hook_says_how_to_mend_what_it_can_not_put() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    fs::create_dir(app.hook("pre-push")).unwrap();
    fs::write(app.hook("pre-push").join("x"), "").unwrap();
    let before = tree(&app.path);
    world.kpmo(["repo", "add", "app"]).fine().says("hooks were not installed").says("move it away");
    same(&tree(&app.path), &before);
    world.kpmo(["install-hooks", "app"]).ended(1).says("is a directory");
    fs::remove_dir_all(app.hook("pre-push")).unwrap();
    world.kpmo(["install-hooks", "app"]).fine();
}
