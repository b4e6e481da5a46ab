//! The hook that was there runs first.

use std::fs;

use super::with_hook;
use crate::world::{World, secret};

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
