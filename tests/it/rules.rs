//! The rules that look beyond what is changed: where a commit goes, whose it is,
//! what it says, what it stands beside, and where it is pushed.

use std::fs;

use crate::world::{Ran, Repo, World};

/// Makes a repository one of this stage.
fn stage(world: &World, name: &str, stage: &str) {
    let entry = format!("name: {name}\n");
    world.edit_registry(&entry, &format!("{entry}    stage: {stage}\n"));
    assert_eq!(world.status(name)["stage"], stage);
}

/// A repository with a branch `topic` that is one commit ahead.
fn with_topic() -> World {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["switch", "-q", "-c", "topic"]).fine();
    app.stage("t.txt", "one\n").commit().fine();
    app.git(["switch", "-q", "main"]).fine();
    world
}

#[test]
fn nobodys_main_is_protected_before_it_is_promoted() {
    let world = with_topic();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    stage(&world, "app", "staging");
    let said = app.stage("a.txt", "three\n").commit().refused();
    said.says("commit refused in app: 1 finding\n")
        .says("error branch\n")
        .says("main takes no direct commits")
        .says("fix:    commit on a branch of its own")
        .says("`rules.branch.protected.staging`");
    app.git(["commit", "-q", "--amend", "-m", "reworded"]).refused().says("error branch\n");
    // What was to be committed goes along.
    app.git(["switch", "-q", "-c", "other"]).fine();
    app.commit().fine().silent();
    app.git(["switch", "-q", "main"]).fine();

    world.policy("rules: {branch: {severity: warn}}\n");
    app.stage("a.txt", "four\n").commit().fine().says("warning branch\n");
    world.policy("repos: {app: {rules: {branch: {protected: {staging: [\"release/*\"]}}}}}\n");
    app.stage("a.txt", "five\n").commit().fine().silent();
    app.git(["switch", "-q", "-c", "release/1"]).fine();
    app.stage("a.txt", "six\n").commit().refused().says("release/1 takes no direct commits");
}

#[test]
fn a_squashing_merge_is_one_too() {
    let world = with_topic();
    let app = world.at("app");
    stage(&world, "app", "prod");
    app.stage("a.txt", "two\n").commit().refused();
    app.git(["reset", "-q", "--hard"]).fine();
    app.git(["merge", "-q", "--squash", "topic"]).fine();
    app.commit().fine().silent();
    app.stage("a.txt", "two\n").commit().refused();
}

#[test]
fn protection_is_in_the_way_of_nothing_but_direct_commits() {
    let world = with_topic();
    let app = world.at("app");
    stage(&world, "app", "prod");
    app.git(["merge", "-q", "--ff-only", "topic"]).fine().silent();
    app.git(["switch", "-q", "topic"]).fine();
    let picked = app.stage("t.txt", "two\n").commit().fine();
    assert_eq!(picked.stderr, "");
    app.stage("u.txt", "one\n").commit().fine();
    app.git(["switch", "-q", "main"]).fine();
    app.git(["cherry-pick", "topic~"]).fine();
    app.git(["revert", "--no-edit", "HEAD"]).fine();
    app.git(["merge", "-q", "--no-ff", "-m", "Merge topic", "-X", "theirs", "topic"]).fine().silent();
    let patch = app.ask(["format-patch", "-1", "--stdout", "topic"]);
    app.git(["switch", "-q", "-c", "before", "main~2"]).fine();
    world.policy("rules: {branch: {protected: {prod: [\"**\"]}}}\n");
    fs::write(world.path("patch"), patch + "\n").unwrap();
    app.git(["am", "-q", world.path("patch").to_str().unwrap()]).fine();
    app.git(["rebase", "-q", "--force-rebase", "--onto", "main~3", "HEAD~"]).fine();

    // Stopped by a conflict, each is concluded by hand.
    app.git(["checkout", "-q", "-b", "left", "main"]).fine();
    app.write("c.txt", "left\n").git(["add", "c.txt"]).fine();
    app.git(["commit", "-qnm", "left"]).fine();
    app.git(["checkout", "-q", "-b", "right", "main"]).fine();
    app.write("c.txt", "right\n").git(["add", "c.txt"]).fine();
    app.git(["commit", "-qnm", "right"]).fine();
    for (stops, with) in [("merge", "left"), ("cherry-pick", "left"), ("revert", "HEAD~2")] {
        app.git(["checkout", "-q", "-B", stops, "right"]).fine();
        if stops == "revert" {
            app.write("c.txt", "again\n").git(["commit", "-qnam", "again"]).fine();
            app.git([stops, "--no-edit", "HEAD~"]).ended(1);
        } else {
            app.git([stops, with]).ended(1);
        }
        app.write("c.txt", format!("{stops}\n")).git(["add", "c.txt"]).fine();
        app.git(["commit", "-q", "--no-edit"]).fine().silent();
    }
    app.stage("c.txt", "directly\n").commit().refused().says("error branch\n");
    app.git(["reset", "-q", "--hard"]).fine();
    app.git(["bisect", "start", "HEAD", "HEAD~2"]).ended(0);
    app.git(["bisect", "reset"]).fine();

    // A branch begins with a commit, and a detached HEAD is none.
    app.git(["checkout", "-q", "--orphan", "fresh"]).fine();
    app.commit().fine().silent();
    app.git(["checkout", "-q", "--detach"]).fine();
    app.stage("c.txt", "detached\n").commit().fine().silent();
    world.until_unvalidated("app", 0);
}

/// git without what tests usually say of who they are.
fn nobody(repo: &Repo<'_>, args: &[&str]) -> Ran {
    let mut git = repo.command("git");
    for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
        git.env_remove(name);
    }
    Ran::of(git.args(["-c", "user.name=T"]).args(args))
}

#[test]
fn commits_are_made_by_registered_addresses() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("home", &[("a.txt", "one\n")]).up();
    let (app, home) = (world.at("app"), world.at("home"));
    world.policy(
        "rules: {identity: {emails: [\"*@example.org\"]}}\nrepos: {home: {rules: {identity: {emails: [me@example.net]}}}}\n",
    );
    app.stage("a.txt", "two\n").commit().fine().silent();
    home.stage("a.txt", "two\n").commit().refused().says("of the author and committer is \"t@example.org\"");

    app.stage("a.txt", "three\n");
    let by = |name: &str| app.git_with(name, "x@example.net", ["commit", "-qm", "x"]);
    by("GIT_AUTHOR_EMAIL").refused().says("error identity\n").says("of the author is \"x@example.net\"");
    by("GIT_COMMITTER_EMAIL").refused().says("of the committer is \"x@example.net\"");
    app.git(["commit", "-qm", "x", "--author=X <x@example.net>"]).refused().says("of the author is");
    // By the configuration, as git has it: of the repository, else of the user.
    app.git(["config", "user.email", "x@example.net"]).fine();
    nobody(&app, &["commit", "-qm", "x"]).refused().says("of the author is \"x@example.net\"");
    nobody(&app, &["-c", "user.email=y@example.org", "commit", "-qm", "x"]).fine().silent();
    app.git(["config", "author.email", "y@example.org"]).fine();
    app.stage("a.txt", "four\n");
    nobody(&app, &["commit", "-qm", "x"]).fine();
    // The committer was told by nobody, and is judged when the commit is there.
    world.until_unvalidated("app", 1);
    app.git(["config", "user.email", "y@example.org"]).fine();
    nobody(&app, &["commit", "-q", "--amend", "--no-edit", "--reset-author"]).fine().silent();
    world.until_unvalidated("app", 0);

    // A merge asks for the author, too.
    app.git(["switch", "-q", "-c", "topic", "HEAD~"]).fine();
    app.stage("t.txt", "one\n").commit().fine();
    app.git(["switch", "-q", "main"]).fine();
    app.git(["config", "author.email", "x@example.net"]).fine();
    nobody(&app, &["merge", "-q", "--no-edit", "topic"])
        .refused()
        .says("merge refused")
        .says("error identity\n");
}

#[test]
fn a_foreign_address_that_slipped_in_is_stopped_at_push() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    app.git(["push", "-q", "origin", "main"]).fine();
    world.policy("rules: {identity: {emails: [\"*@example.org\"]}}\n");
    app.stage("a.txt", "two\n");
    app.git_with("GIT_AUTHOR_EMAIL", "x@example.net", ["commit", "-qnm", "x"]).fine();
    let bad = app.head();
    world.until_unvalidated("app", 1);
    app.git(["push", "-q", "origin", "main"])
        .refused()
        .says(&format!("error identity (commit {})\n", &bad[..10]))
        .says("--reset-author");
    app.git(["commit", "-q", "--amend", "--no-edit", "--reset-author"]).fine().silent();
    world.until_unvalidated("app", 0);
    app.git(["push", "-q", "origin", "main"]).fine().silent();
}

#[test]
fn what_was_there_before_kpmo_is_not_to_be_reworded() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    app.stage("a.txt", "two\n")
        .git_with("GIT_AUTHOR_EMAIL", "x@example.net", ["commit", "-qm", "old"])
        .fine();
    let world = world.up();
    let app = world.at("app").with_origin();
    world.policy("rules: {message: {card: required}, identity: {emails: [t@example.org]}}\n");
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    app.stage("a.txt", "three\n").git(["commit", "-qnm", "new"]).fine();
    let other = world.bare("other.git", &[]);
    app.git(["push", "-q", other.path.to_str().unwrap(), "main"])
        .refused()
        .says("1 finding\n")
        .says("no card");
}

/// Sets a policy for messages, and has the hook put that it needs: the governor
/// does so by itself, but a moment later.
fn judge_messages(world: &World, policy: &str) {
    world.policy(policy);
    world.kpmo(["install-hooks", "app"]).fine();
}

#[test]
fn messages_have_the_demanded_form_and_card() {
    let world = with_topic();
    let app = world.at("app");
    app.stage("a.txt", "0\n").git(["commit", "-qm", "anything"]).fine().silent();
    // It is looked at before its message would matter.
    world.until_captured();
    judge_messages(&world, "rules: {message: {pattern: '^(feat|fix): ', card: required, max_subject: 30}}\n");
    app.stage("a.txt", "1\n");
    let head = app.head();
    app.git(["commit", "-qm", "change it"])
        .refused()
        .says("commit refused in app: 2 findings\n")
        .says("error message\n")
        .says("has not the form that is demanded here: ^(feat|fix): ")
        .says("names no card")
        .says("COMMIT_EDITMSG");
    assert_eq!(app.head(), head);
    // What was written is not lost.
    let kept = [
        "-c",
        "core.editor=sed -i -e '1s/^/fix: TASK-7 /'",
        "commit",
        "-q",
        "--edit",
        "--file=.git/COMMIT_EDITMSG",
    ];
    let mut git = app.command("git");
    Ran::of(git.env_remove("GIT_EDITOR").args(kept)).fine();
    assert_eq!(app.ask(["log", "-1", "--format=%B"]), "fix: TASK-7 change it");
    app.stage("a.txt", "2\n").git(["commit", "-qm", "fix: it\n\nCard: TASK-B06"]).fine().silent();
    app.stage("a.txt", "3\n")
        .git(["commit", "-qm", "fix: a subject of more than thirty characters TASK-1"])
        .refused();
    app.git(["commit", "-q", "--fixup=HEAD"]).fine().silent();
    app.git(["revert", "--no-edit", "HEAD"]).fine();
    app.git(["merge", "-q", "--no-edit", "topic"]).fine().silent();
    world.until_unvalidated("app", 0);
}

#[test]
fn comments_of_an_edited_message_are_none_of_it_and_others_are() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    judge_messages(&world, "rules: {message: {pattern: '^#\\d+ '}}\n");
    // Nothing is edited: git leaves the line in.
    app.stage("a.txt", "two\n").git(["commit", "-qm", "#12 is done"]).fine().silent();
    world.policy("rules: {message: {max_subject: 20}}\n");
    let edited = |char: &str| {
        let first = if char == "auto" { "#" } else { char };
        let write = format!(
            "core.editor=f() {{ {{ echo '{first} what is a comment is as long as it likes'; echo short; \
             cat \"$1\"; }} >x && mv x \"$1\"; }}; f"
        );
        let comment = format!("core.commentChar={char}");
        let args = ["-c", write.as_str(), "-c", comment.as_str(), "commit", "-qa", "--verbose"];
        let mut git = app.command("git");
        git.env_remove("GIT_EDITOR").args(args);
        // The governor sees the configuration of the repository, not of one command.
        app.git(["config", "core.commentChar", char]).fine();
        Ran::of(&mut git)
    };
    for char in ["#", ";", "auto"] {
        app.write("a.txt", format!("{char}\n"));
        edited(char).fine();
        assert_eq!(app.ask(["log", "-1", "--format=%B"]), "short", "{char}");
    }
    world.until_unvalidated("app", 0);
}

#[test]
fn a_message_that_slipped_in_is_stopped_at_push() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    app.git(["push", "-q", "origin", "main"]).fine();
    world.policy("rules: {message: {card: required}}\n");
    // The hook is not there: as if another tool had taken it.
    app.stage("a.txt", "two\n").git(["commit", "-qm", "change"]).fine();
    let bad = app.head();
    world.until_unvalidated("app", 1);
    let place = format!("error message (commit {})\n", &bad[..10]);
    app.git(["push", "-q", "origin", "main"]).refused().says(&place).says("names no card");
    app.git(["commit", "-q", "--amend", "-m", "change for TASK-1"]).fine();
    world.until_unvalidated("app", 0);
    app.git(["push", "-q", "origin", "main"]).fine().silent();
}

#[test]
fn names_that_case_alone_tells_apart_do_not_come_together() {
    let world = World::new();
    let files = [("readme.md", "one\n"), ("src/lib.rs", "one\n"), ("other.txt", "one\n")];
    world.init("app", &[], &files);
    world.init("sha256", &["--object-format=sha256"], &files);
    world.init("split", &[], &files).git(["update-index", "--split-index"]).fine();
    let world = world.up();
    for name in ["app", "sha256", "split"] {
        let app = world.at(name);
        let said = app.stage("README.md", "two\n").commit().refused();
        said.says("error case-collision README.md\n").says("README.md and readme.md are one name");
        app.git(["rm", "-qf", "README.md"]).fine();
        app.stage("Src/new.rs", "x\n").stage("Src/more.rs", "x\n").commit().refused().says("1 finding\n");
        app.git(["rm", "-qf", "Src/new.rs", "Src/more.rs"]).fine();
        app.git(["mv", "readme.md", "README.md"]).fine();
        app.git(["mv", "src", "Src"]).fine();
        app.commit().fine().silent();
        app.slip("OTHER.txt", "one\n");
        world.until_unvalidated(name, 1);
        app.stage("OTHER.txt", "there already\n").commit().fine().silent();
    }
}

#[test]
fn a_hook_that_stages_more_is_judged_with_what_it_staged() {
    let world = World::new();
    let files = [("readme.md", "one\n")];
    world.init("app", &[], &files);
    world.init("sha256", &["--object-format=sha256"], &files);
    for name in ["app", "sha256"] {
        let stages = "#!/bin/sh\necho x >README.md; git add README.md\n";
        World::script(&world.at(name).hook("pre-commit"), stages);
    }
    let world = world.up();
    for name in ["app", "sha256"] {
        world.at(name).stage("a.txt", "x\n").commit().refused().says("error case-collision README.md\n");
    }
}

#[test]
fn what_a_stage_forbids_is_not_pushed() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let world = World::new();
        world.init("app", format, &[("a.txt", "one\n")]);
        let world = world.up();
        let app = world.at("app").with_origin_as(format);
        app.stage("a.txt", "two\n").commit().fine();
        let push = |args: &[&str]| app.git(["push", "-q", "origin"].iter().chain(args));
        push(&["main", "main:topic"]).fine().silent();
        push(&["--force", "main~:main"]).fine().silent();
        push(&["main"]).fine();

        stage(&world, "app", "staging");
        push(&["--force", "main~:main", "main~:topic"])
            .refused()
            .says("push refused in app: 1 finding\n")
            .says("error stage\n")
            .says("gives up commits that main has on the other side");
        push(&["--delete", "main", "topic"]).refused().says("1 finding\n").says("this push deletes main");
        push(&["--force", "main~:topic"]).fine().silent();
        push(&["--delete", "topic"]).fine().silent();
        app.git(["switch", "-q", "-c", "next"]).fine();
        app.stage("a.txt", "three\n").commit().fine();
        push(&["next:main", "next:new"]).fine().silent();

        // What the other side has, nobody here knows.
        let theirs = app.ask(["commit-tree", "-m", "theirs", "-p", "HEAD", "HEAD^{tree}"]);
        app.git(["push", "-q", "--no-verify", "origin", &format!("{theirs}:main")]).fine();
        app.git(["update-ref", "-d", "refs/remotes/origin/main"]).fine();
        app.git(["gc", "-q", "--prune=now"]).fine();
        push(&["--force", "next:main"]).refused().says("gives up commits");
        app.git(["push", "-q", "--no-verify", "--force", "origin", "next:main"]).fine();
    }
}

#[test]
fn only_what_is_tagged_goes_to_prod() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    stage(&world, "app", "prod");
    let push = |args: &[&str]| app.git(["push", "-q", "origin"].iter().chain(args));
    push(&["main"]).refused().says("at the stage prod only tagged commits go onto main").says("git tag -a");
    push(&["main:refs/heads/topic"]).fine().silent();
    app.git(["tag", "-a", "-m", "one", "v1"]).fine();
    push(&["main", "v1"]).fine().silent();
    app.git(["switch", "-q", "-c", "next"]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    push(&["next:main"]).refused().says("only tagged commits");
    app.git(["tag", "v2"]).fine();
    push(&["next:main", "v2"]).fine().silent();
    push(&["--delete", "v1"]).fine().silent();
}

#[test]
fn what_is_offline_only_stays_on_this_machine() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    let entry = "name: app\n";
    world.edit_registry(entry, &format!("{entry}    status: offline-only\n"));
    app.git(["push", "-q", "origin", "main"]).fine().silent();
    // A program between leads anywhere.
    let other = world.bare("other.git", &[]);
    let url = format!("ext::git %s {}", other.path.display());
    let push = |args: &[&str]| {
        let before = ["-c", "protocol.ext.allow=always", "push", "-q", url.as_str()];
        app.git(before.iter().chain(args))
    };
    push(&["main"]).refused().says("error stage\n").says("offline-only").says("is not on this machine");
    assert_eq!(other.ask(["for-each-ref"]), "");
    world.edit_registry("    status: offline-only\n", "    status: active\n");
    push(&["main"]).fine().silent();
    // Also with nothing to push.
    world.edit_registry("    status: active\n", "    status: offline-only\n");
    push(&["main"]).refused().says("offline-only");
}
