//! What is pushed: every commit that the other side does not have.

use crate::world::{Repo, World, key, secret};

/// A repository with a remote that has its first commit.
fn pushed() -> World {
    pushed_as(&[])
}

/// As [`pushed`], both made by `git init` with these arguments.
fn pushed_as(init: &[&str]) -> World {
    let world = World::new();
    world.init("app", init, &[("a.txt", "one\n")]);
    let world = world.up();
    world.at("app").with_origin_as(init).git(["push", "-q", "origin", "main"]).fine().silent();
    world
}

/// What libgit2 reads, and what only git does.
const FORMATS: [&[&str]; 2] = [&[], &["--object-format=sha256"]];

fn at_origin(app: &Repo<'_>, name: &str) -> Option<String> {
    app.ask(["ls-remote", "origin", name]).split('\t').next().filter(|id| !id.is_empty()).map(str::to_owned)
}

#[test]
fn a_clean_push_passes_without_a_word_whatever_it_is_of() {
    for format in FORMATS {
        clean_pushes(&pushed_as(format));
    }
}

fn clean_pushes(world: &World) {
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    app.git(["tag", "light"]).fine();
    app.git(["tag", "-a", "-m", "annotated", "heavy"]).fine();
    let blob = app.ask(["rev-parse", "HEAD:a.txt"]);
    app.git(["tag", "of-a-blob", &blob]).fine();
    app.git(["tag", "-a", "-m", "tree", "of-a-tree", "HEAD^{tree}"]).fine();
    app.git(["checkout", "-q", "-b", "side"]).fine();
    app.stage("b.txt", "b\n").commit().fine();
    for what in [
        &["side:new/name"][..],
        &["light", "heavy"],
        &["of-a-blob", "of-a-tree"],
        &["HEAD~:refs/heads/old"],
        &["--delete", "old", "light"],
        &["--force", "main~:main"],
        &["--all"],
        &["--mirror"],
    ] {
        let args = ["push", "-q", "origin"].iter().chain(what);
        app.git(args).fine().silent();
    }
    let url = world.path("remote/app.git");
    app.git(["push", "-q", url.to_str().unwrap(), "side:by-url"]).fine().silent();
    let outcomes: Vec<_> =
        world.until_events("push", 12).iter().map(|push| push["attributes"]["outcome"].clone()).collect();
    assert!(outcomes.iter().all(|outcome| outcome == "pass"), "{outcomes:?}");
}

#[test]
fn a_secret_that_came_and_went_is_found_in_the_commit_that_has_it() {
    for format in FORMATS {
        came_and_went(&pushed_as(format));
    }
}

fn came_and_went(world: &World) {
    let app = world.at("app");
    let first = app.head();
    app.stage("a.txt", "two\n").commit().fine();
    let bad = app.slip("dir/bad.txt", format!("x\n{}", secret())).head();
    app.git(["rm", "-qf", "dir/bad.txt"]).fine();
    app.commit().fine();
    let place = format!("secrets dir/bad.txt:2 (commit {})\n", &bad[..10]);
    app.git(["tag", "-a", "-m", "annotated", "heavy"]).fine();
    app.git(["tag", "blob", &format!("{bad}:dir/bad.txt")]).fine();
    app.git(["tag", "-a", "-m", "annotated", "tree", &format!("{bad}:dir")]).fine();
    app.git(["push", "-q", "origin", "blob"]).refused().says("secrets refs/tags/blob:2\n").hides(&key());
    app.git(["push", "-q", "origin", "tree"]).refused().says("secrets bad.txt:2\n");
    for what in [
        &["main"][..],
        &["main:refs/heads/new"],
        &["heavy"],
        &["--force", "main"],
        &["--branches"],
        &["main:refs/heads/one", "main~3:refs/heads/two"],
    ] {
        let said = app.git(["push", "-q", "origin"].iter().chain(what)).refused();
        said.says("push refused in app: 1 finding\n").says(&place).hides(&key());
    }
    let url = world.path("remote/app.git");
    app.git(["push", "-q", url.to_str().unwrap(), "main"]).refused().says(&place);
    assert_eq!((at_origin(&app, "main"), at_origin(&app, "new")), (Some(first), None));

    // Rewritten, it may go.
    app.git(["rebase", "-q", "--onto", "main~2", "main~1"]).fine();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    assert_eq!(at_origin(&app, "main"), Some(app.head()));
}

#[test]
fn what_the_other_side_has_is_not_judged_again() {
    let world = World::new().repo("app", &[("old.txt", &secret())]);
    let app = world.at("app").with_origin();
    app.git(["push", "-q", "origin", "main"]).fine();
    world.kpmo(["repo", "add", "app"]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    app.git(["push", "-q", "origin", "main:copy"]).fine().silent();

    // To a new side all of it is new.
    let other = world.bare("other.git", &[]);
    app.git(["remote", "add", "other", other.path.to_str().unwrap()]).fine();
    app.git(["push", "-q", "other", "main"]).refused().says("secrets old.txt:1 (commit ");
    // What the governor said is good for a commit, not for a remote.
    app.git_with("KPMO_HOOK", "0", ["push", "-q", "other", "main"]).fine();
    app.stage("a.txt", "three\n").commit().fine();
    app.git(["push", "-q", "other", "main"]).fine().silent();
}

#[test]
fn a_verdict_can_be_reconsidered() {
    let world = pushed();
    let app = world.at("app");
    app.slip("bad.txt", secret());
    world.until_unvalidated("app", 1);
    let said = app.git(["push", "-q", "origin", "main"]).refused();
    let fingerprint = said.stderr.split("fingerprint: ").nth(1).unwrap()[..16].to_owned();
    world.policy(&format!("rules: {{secrets: {{allow: [\"{fingerprint}\"]}}}}\n"));
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    world.until_unvalidated("app", 0);
}

/// Makes a branch `long` on top of `main`, of so many commits of a file each.
fn import_long(world: &World, commits: usize, text: impl Fn(usize) -> String) {
    let mut stream = String::from("reset refs/heads/long\nfrom refs/heads/main\n\n");
    for at in 0..commits {
        let text = text(at);
        stream += &format!(
            "commit refs/heads/long\ncommitter T <t@example.org> {} +0000\ndata 1\nx\nM 644 inline f{at}\ndata {}\n{text}\n",
            1_767_225_600 + at,
            text.len()
        );
    }
    std::fs::write(world.path("stream"), stream).unwrap();
    let mut import = world.at("app").command("git");
    import.args(["fast-import", "--quiet"]).stdin(std::fs::File::open(world.path("stream")).unwrap());
    assert!(import.status().unwrap().success());
}

#[test]
fn a_long_history_is_judged_as_a_whole() {
    let world = pushed();
    let app = world.at("app");
    app.write("many", "");
    import_long(&world, 230, |at| if at == 3 { secret() } else { format!("{at}\n") });
    app.git(["tag", "-a", "-m", "annotated", "heavy", "long"]).fine();
    for what in ["long", "heavy"] {
        app.git(["push", "-q", "origin", what]).refused().says("secrets f3:1 (commit ");
    }
    // The commits of 4 to 229 are clean, and the other side has the one before.
    app.git_with("KPMO_HOOK", "0", ["push", "-q", "origin", "long~226:refs/heads/long"]).fine();
    for what in ["heavy", "long"] {
        app.git(["push", "-q", "origin", what]).fine().silent();
    }
}

/// What one commit brought and the next took away is in no sum of all.
#[test]
fn a_long_history_hides_no_commit_that_did_not_pass() {
    let world = pushed();
    let app = world.at("app");
    app.slip("bad.txt", secret());
    world.until_unvalidated("app", 1);
    app.git(["rm", "-q", "bad.txt"]).fine();
    app.git(["commit", "-qm", "without it"]).fine();
    import_long(&world, 210, |at| format!("{at}\n"));
    app.git(["push", "-q", "origin", "long"]).refused().says("secrets bad.txt:1 (commit ");
}

#[test]
fn a_hook_that_was_there_reads_the_refs_and_may_refuse() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app").with_origin();
    let script = "#!/bin/sh\ncat > ../refs\necho \"$@\" >> ../refs\ntest ! -e no || exit 9\n";
    World::script(&app.hook("pre-push"), script);
    let world = world.up();
    let app = world.at("app");
    let refs = || std::fs::read_to_string(world.path("src/refs")).unwrap();
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    let zero = "0".repeat(40);
    let url = world.path("remote/app.git");
    let wanted = format!("refs/heads/main {} refs/heads/main {zero}\norigin {}\n", app.head(), url.display());
    assert_eq!(refs(), wanted);
    app.slip("bad.txt", secret());
    app.git(["push", "-q", "origin", "main"]).refused();
    app.write("no", "").git(["push", "-q", "origin", "main"]).ended(1).hides("kpmo");
    world.until_events("push", 2);
}

#[test]
fn what_can_not_be_judged_does_not_go_out() {
    let world = pushed();
    let app = world.at("app");
    app.stage("b.txt", "b\n").commit().fine();
    app.git(["push", "-q", "origin", "main"]).fine();
    // The other side has the content that is missing here, so that git itself
    // would push.
    let blob = app.ask(["rev-parse", "HEAD:b.txt"]);
    std::fs::remove_file(app.path.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    app.git(["commit", "-qnm", "change", "--allow-empty"]).fine();
    app.write("b.txt", "c\n").git(["commit", "-qnam", "change"]).fine();
    world.until_unvalidated("app", 1);
    app.git(["push", "-q", "origin", "main"]).refused().says("could not be judged").says("commit ");
}

#[test]
fn an_archived_repository_pushes_nothing() {
    let world = pushed();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine();
    world.edit_registry("name: app\n", "name: app\n    status: archived\n");
    app.git(["push", "-q", "origin", "main"]).refused().says("error registered").says("archived");
}

#[test]
fn a_shallow_clone_pushes_what_it_added() {
    let world = pushed();
    let app = world.at("app");
    app.stage("old.txt", "old\n").commit().fine();
    app.git(["push", "-q", "origin", "main"]).fine();
    let url = format!("file://{}", world.path("remote/app.git").display());
    app.git(["clone", "-q", "--depth=1", &url, "../shallow"]).fine();
    world.kpmo(["repo", "add", "shallow"]).fine();
    let shallow = world.at("shallow");
    shallow.stage("b.txt", "b\n").commit().fine().silent();
    shallow.git(["push", "-q", "origin", "main", "main:new"]).fine().silent();
    shallow.slip("c.txt", secret());
    shallow
        .git(["push", "-q", "origin", "main"])
        .refused()
        .says("1 finding")
        .says("secrets c.txt:1 (commit ");
}

#[test]
fn refs_beyond_counting_are_not_let_through_unread() {
    let world = pushed();
    let app = world.at("app");
    let line =
        format!("refs/heads/main {0} refs/heads/{1} {2}\n", app.head(), "n".repeat(200), "0".repeat(40));
    std::fs::write(world.path("stdin"), line.repeat((2 << 20) / line.len() + 2)).unwrap();
    let mut hook = app.command(world.home().join("bin/kpmo-hook"));
    hook.args(["run", "pre-push", "origin", "url"]).stdin(std::fs::File::open(world.path("stdin")).unwrap());
    let said = hook.output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("in several parts"));
}

#[test]
fn a_replaced_commit_is_judged_as_what_goes_out() {
    for format in FORMATS {
        let world = pushed_as(format);
        let app = world.at("app");
        let good = app.ask(["commit-tree", "-m", "good", "-p", "HEAD", "HEAD^{tree}"]);
        let bad = app.slip("bad.txt", secret()).head();
        world.until_unvalidated("app", 1);
        app.git(["replace", &bad, &good]).fine();
        app.git(["push", "-q", "origin", "main"]).refused().says("secrets bad.txt:1 (commit ");
    }
}
