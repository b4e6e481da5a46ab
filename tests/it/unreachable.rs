//! When there is no governor to be had: git goes on or is told what to do, and
//! what happened meanwhile is taken in afterwards.

mod late;

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
};

use crate::world::{Background, Ran, Repo, World, is_root, key, left_out, secret};

/// git, which must end whatever happens.
fn git(repo: &Repo<'_>, args: &[&str]) -> Ran {
    let ran = Ran::of(repo.command("timeout").args(["20", "git"]).args(args));
    assert_ne!(ran.code, Some(124), "git hangs: {ran:?}");
    ran
}

fn commit(repo: &Repo<'_>, text: &str) -> Ran {
    repo.stage("a.txt", text);
    git(repo, &["commit", "-qm", "change"])
}

/// A commit that goes by unjudged, with this for a reason.
fn unjudged(repo: &Repo<'_>, text: &str, why: &str) {
    let before = repo.head();
    commit(repo, text).fine().says("kpmo: this commit was not judged").says(why);
    assert_ne!(repo.head(), before);
}

fn with_app() -> World {
    World::new().repo("app", &[("a.txt", "one\n")])
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The ids of the calls that wait in the spool.
fn calls(world: &World) -> Vec<String> {
    let stem = |file: &std::path::PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    world.spool().iter().map(stem).map(|stem| stem.split_once('-').unwrap().1.to_owned()).collect()
}

/// Waits until these calls are in the ledger, each once, and nowhere else.
fn until_taken_in(world: &World, calls: &[String]) {
    world.until("the spool is empty", || world.spool().is_empty());
    let ledger = world.ledger();
    for call in calls {
        assert_eq!(ledger.iter().filter(|event| event["event_id"] == call.as_str()).count(), 1, "{call}");
    }
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn while_it_is_stopped_commits_go_on_and_pushes_are_told_what_to_do() {
    let world = with_app().up();
    let app = world.at("app").with_origin();
    world.signal("STOP");
    unjudged(&app, "two\n", "gave no sign of life");
    let waiting = calls(&world);
    assert_eq!(waiting.len(), 2, "pre-commit and post-commit");
    git(&app, &["push", "-q", "origin", "main"])
        .refused()
        .says("push stopped")
        .says("gave no sign of life")
        .says("fix:    `kpmo governor status`")
        .says("`kpmo governor restart --force`")
        .says("around: git push --no-verify");
    assert_eq!(app.ask(["ls-remote", "origin"]), "");
    for command in ["status", "stop"] {
        world.kpmo(["governor", command]).ended(2).says("gave no sign of life").says("restart --force");
    }
    world.signal("CONT");
    until_taken_in(&world, &waiting);
    git(&app, &["push", "-q", "origin", "main"]).fine();
    assert_eq!(app.ask(["rev-parse", "origin/main"]), app.head());
    assert_eq!(world.status("app")["unvalidated"], 0);
}

/// pre-rebase only tells: whatever becomes of the call, git goes on, nothing is
/// said, and nothing is kept of what has gone by then.
#[test]
fn a_rebase_is_held_up_by_nobody() {
    let world = with_app().settings("on_unreachable: {commit: block, push: block}\n").up();
    let app = world.at("app");
    app.git(["switch", "-qc", "topic"]).fine();
    app.stage("b.txt", "b\n").commit().fine();
    app.git(["switch", "-q", "main"]).fine();
    app.stage("c.txt", "c\n").commit().fine();
    world.until("all is taken in", || world.spool().is_empty());

    let tell = || Ran::of(app.command(app.hook("pre-rebase")).args(["main", "topic"])).fine().silent();
    tell();
    world.signal("STOP");
    tell();
    assert_eq!(world.spool().len(), 0);
    git(&app, &["rebase", "-q", "main", "topic"]).fine().silent();
    world.signal("CONT");
    world.until("the rebase is taken in", || world.spool().is_empty());
    world.kill();
    fs::remove_file(world.home().join("bin/kpmo")).unwrap();
    tell();
    assert_eq!(world.spool().len(), 0);
}

#[test]
fn one_that_does_not_answer_is_replaced_by_force() {
    let world = with_app().up();
    let app = world.at("app");
    world.signal("STOP");
    unjudged(&app, "two\n", "`kpmo governor restart --force`");
    app.slip("b.txt", secret());
    let waiting = calls(&world);
    assert_eq!(waiting.len(), 3, "and the post-commit of what was slipped in");
    let stopped = world.pid();
    world.kpmo(["governor", "restart", "--force"]).fine().says("running: pid ");
    assert_ne!(world.pid(), stopped);
    until_taken_in(&world, &waiting);
    world.until_unvalidated("app", 1);
    assert_eq!(world.events("unjudged").len(), 1);
    commit(&app, "three\n").fine().silent();
}

#[test]
fn each_commit_that_is_slipped_in_meanwhile_counts() {
    let world = with_app().up();
    let app = world.at("app");
    commit(&app, "two\n").fine().silent();
    world.until("it is known", || world.knows(&app.head()));
    world.signal("STOP");
    app.slip("a.txt", secret()).slip("b.txt", secret()).slip("a.txt", "three\n");
    world.signal("CONT");
    world.until("the spool is empty", || world.spool().is_empty());
    // What the first brought is no longer there, and was all the same.
    assert_eq!(world.status("app")["unvalidated"], 2);
}

#[test]
fn governor_yml_turns_both_defaults_round() {
    let world = with_app().settings("on_unreachable: {commit: block, push: warn}\n").up();
    let app = world.at("app").with_origin();
    world.signal("STOP");
    let before = app.head();
    commit(&app, "two\n")
        .refused()
        .says("commit stopped")
        .says("could not be judged")
        .says("`kpmo governor restart --force`")
        .says("around: git commit --no-verify");
    assert_eq!(app.head(), before);
    assert!(world.spool().is_empty(), "nothing has happened");
    git(&app, &["commit", "-qnm", "slipped"]).fine();
    git(&app, &["push", "-q", "origin", "main"]).fine().says("this push was not judged");
    assert_eq!(app.ask(["rev-parse", "origin/main"]), app.head());
    let waiting = calls(&world);
    assert_eq!(waiting.len(), 1, "the post-commit");
    world.signal("CONT");
    until_taken_in(&world, &waiting);
}

#[test]
fn a_socket_that_a_killed_one_left_is_replaced() {
    let world = with_app().patient().up();
    let first = world.pid();
    world.kill();
    assert!(world.socket().exists(), "nobody took it away");
    world.kpmo(["governor", "status"]).ended(1).says("not running");
    commit(&world.at("app"), "two\n").fine().silent();
    assert_ne!(world.pid(), first);
    world.kill();
    world.kpmo(["governor", "start"]).fine();
}

#[test]
fn what_else_stands_in_the_sockets_place_is_named_and_left_alone() {
    type Put = fn(&Path);
    let things: [(&str, Put); 4] = [
        ("file", |path| fs::write(path, "mine").unwrap()),
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("fifo", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("link to nothing", |path| symlink("/nowhere", path).unwrap()),
    ];
    let world = with_app().patient().up();
    let (app, socket) = (world.at("app"), world.socket());
    for (what, put) in things {
        world.stop();
        put(&socket);
        let as_it_was = fs::symlink_metadata(&socket).unwrap();
        let place = socket.to_str().unwrap();
        for command in ["start", "run", "status"] {
            world.kpmo(["governor", command]).ended(2).says(place).says("not a socket").says("KPMO_SOCKET");
        }
        unjudged(&app, &format!("{what}\n"), "not a socket");
        let now = fs::symlink_metadata(&socket).unwrap();
        assert_eq!(now.file_type(), as_it_was.file_type(), "{what}");
        assert_eq!(now.modified().unwrap(), as_it_was.modified().unwrap(), "{what}");
        let waiting = calls(&world);
        if as_it_was.is_dir() { fs::remove_dir(&socket) } else { fs::remove_file(&socket) }.unwrap();
        commit(&app, &format!("no {what}\n")).fine().silent();
        until_taken_in(&world, &waiting);
    }
}

#[test]
fn somebody_elses_socket_is_not_talked_to() {
    if !is_root() {
        return left_out("only root can make a socket another user's");
    }
    let world = with_app().patient().up();
    world.stop();
    let listener = UnixListener::bind(world.socket()).unwrap();
    listener.set_nonblocking(true).unwrap();
    chown(world.socket(), Some(65_534), Some(65_534)).unwrap();
    world.kpmo(["governor", "start"]).ended(2).says("belongs to user 65534 and not to you");
    unjudged(&world.at("app"), "two\n", "belongs to user 65534");
    assert!(listener.accept().is_err(), "nobody has come");
    assert!(fs::symlink_metadata(world.socket()).unwrap().file_type().is_socket());
}

#[test]
fn a_directory_that_others_may_enter_is_refused_with_the_mend() {
    let world = with_app().patient().up();
    let run = world.home().join("run");
    let mend = format!("run: chmod 700 {}", run.display());
    mode(&run, 0o755);
    world.kpmo(["governor", "status"]).ended(2).says(&mend);
    unjudged(&world.at("app"), "two\n", &mend);
    world.kill();
    for command in ["start", "run"] {
        world.kpmo(["governor", command]).ended(2).says(&mend);
    }
    let state = world.home().join("state");
    mode(&run, 0o700);
    mode(&state, 0o750);
    world.kpmo(["governor", "start"]).ended(2).says(&format!("run: chmod 700 {}", state.display()));
    mode(&state, 0o700);
    let waiting = calls(&world);
    commit(&world.at("app"), "three\n").fine().silent();
    until_taken_in(&world, &waiting);
}

#[test]
fn one_that_listens_elsewhere_than_it_is_looked_for_is_told_at_once() {
    let world = with_app().patient().up();
    let (listens, asked) = (world.home().join("run/governor.sock"), world.path("elsewhere/g.sock"));
    let said = format!("listens on {}, and KPMO_SOCKET is {}", listens.display(), asked.display());
    let mut kpmo = world.command(world.home().join("bin/kpmo"));
    Ran::of(kpmo.args(["repo", "list"]).env("KPMO_SOCKET", &asked)).ended(2).says(&said);
    let app = world.at("app");
    app.stage("a.txt", "two\n");
    let mut git = app.command("git");
    git.args(["commit", "-qm", "change"]).env("KPMO_SOCKET", &asked);
    Ran::of(&mut git).fine().says("this commit was not judged").says(&said);
    // It is worked off all the same: the home is one.
    world.until("what the hooks kept is taken in", || world.spool().is_empty());
}

#[test]
fn a_path_too_long_for_a_socket_is_named_with_its_length() {
    let world = with_app().patient().up();
    world.stop();
    let deep = world.path(&"deep/".repeat(25)).join("h");
    let length = format!("{} bytes", deep.join("run/governor.sock").as_os_str().len());
    for command in ["start", "run", "status"] {
        let mut kpmo = world.command(world.home().join("bin/kpmo"));
        kpmo.arg("--home").arg(&deep).args(["governor", command]);
        Ran::of(&mut kpmo).ended(2).says(&length).says("a unix socket takes at most 103").says("KPMO_SOCKET");
    }
    for words in [&["repo", "add"][..], &["scan", "--register"]] {
        let mut kpmo = world.command(world.home().join("bin/kpmo"));
        kpmo.arg("--home").arg(&deep).args(words).arg(world.path("src/app"));
        Ran::of(&mut kpmo).ended(2);
        assert!(!deep.exists(), "{words:?}");
    }
    // A hook whose home has moved there.
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    fs::rename(world.home(), &deep).unwrap();
    fs::remove_file(deep.join("state/endpoint.json")).unwrap();
    symlink(&deep, world.home()).unwrap();
    unjudged(&world.at("app"), "two\n", &length);
    assert_eq!(fs::read_dir(deep.join("state/spool")).unwrap().count(), 2);
}

#[test]
fn a_home_that_cannot_be_written_is_named_and_git_goes_on() {
    let world = with_app().up();
    world.stop();
    let app = world.at("app");
    let (state, run) = (world.home().join("state"), world.home().join("run"));
    // Root can write everywhere, and becomes somebody else; others lock
    // themselves out.
    let mut program = vec!["env"];
    if is_root() {
        program = vec!["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
        let owned =
            Command::new("chown").args(["-R", "65534:65534"]).arg(&app.path).arg(world.user()).status();
        assert!(owned.unwrap().success());
        mode(&world.path(""), 0o755);
    } else {
        mode(&state, 0);
        mode(&run, 0);
    }
    let other = |args: &[&str]| {
        let mut command = app.command("timeout");
        command.arg("20").args(&program).args(args);
        Ran::of(&mut command)
    };
    let kpmo = world.home().join("bin/kpmo");
    other(&[kpmo.to_str().unwrap(), "governor", "start"])
        .ended(2)
        .says("Permission denied")
        .says(world.home().to_str().unwrap());
    other(&["sh", "-c", "echo two >a.txt && git commit -qam change"])
        .fine()
        .says("this commit was neither judged nor noted")
        .says("Permission denied");
    assert_eq!(other(&["git", "log", "--format=%s"]).fine().stdout, "change\nfirst\n");
    mode(&state, 0o700);
    mode(&run, 0o700);
}

#[test]
fn it_ends_when_its_home_is_deleted() {
    let world = with_app().up();
    let pid = world.pid().unwrap();
    // It may be writing where this has just removed everything.
    world.until("the home is gone", || {
        let _ = fs::remove_dir_all(world.home());
        !world.home().exists()
    });
    commit(&world.at("app"), "two\n").fine();
    world.until("the process is gone", || !world.is_governor(pid));
    commit(&world.at("app"), "three\n").fine();
    assert!(!world.home().exists(), "nobody has made it anew");
}

#[test]
fn one_whose_state_is_deleted_makes_way_for_another() {
    let world = with_app().patient().up();
    let app = world.at("app");
    let first = world.pid().unwrap();
    for part in ["state", "run"] {
        fs::remove_dir_all(world.home().join(part)).unwrap();
    }
    commit(&app, "two\n").fine().silent();
    assert_ne!(world.pid(), Some(first));
    world.until("the first is gone", || !world.is_governor(first));
    assert!(world.is_governor(world.pid().unwrap()) && world.socket().exists());
    commit(&app, "three\n").fine().silent();
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn it_ends_when_its_socket_is_taken_away_and_another_begins() {
    let world = with_app().patient().up();
    let app = world.at("app");
    let first = world.pid().unwrap();
    fs::remove_file(world.socket()).unwrap();
    // It notices sooner than the hook loses patience with its successor.
    commit(&app, "two\n").fine().silent();
    world.until("the first is gone", || !world.is_governor(first));
    let reasons = world.events("governor-stopped");
    assert_eq!(reasons[0]["attributes"]["reason"], "its socket or its home was taken away");
}

#[test]
fn a_program_that_is_gone_is_named() {
    let world = with_app().patient().up();
    world.stop();
    fs::remove_file(world.home().join("bin/kpmo")).unwrap();
    unjudged(&world.at("app"), "two\n", "run `kpmo up`");
}

#[test]
fn one_that_does_not_come_up_is_not_waited_for_beyond_the_budget() {
    let world = with_app().settings("budgets: {start_ms: 300}\n").up();
    world.stop();
    let program = world.home().join("bin/kpmo");
    let pids = world.path("pids");
    fs::rename(&program, world.path("kpmo")).unwrap();
    World::script(&program, &format!("#!/bin/sh\necho $$ >>{}\nexec sleep 100\n", pids.display()));
    unjudged(&world.at("app"), "two\n", "the governor did not come up within 300 ms");
    let hung = fs::read_to_string(&pids).unwrap();
    for pid in hung.lines() {
        assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
    }
    World::script(&program, "#!/bin/sh\necho 'no, thanks' >&2\nexit 7\n");
    unjudged(&world.at("app"), "three\n", "the governor did not start: no, thanks");
    fs::remove_file(&program).unwrap();
    fs::rename(world.path("kpmo"), &program).unwrap();
    let waiting = calls(&world);
    assert_eq!(waiting.len(), 4);
    world.kpmo(["governor", "start"]).fine();
    until_taken_in(&world, &waiting);
}

#[test]
fn ctrl_c_ends_git_while_a_hook_waits() {
    let world = with_app().patient().up();
    let app = world.at("app");
    let before = app.head();
    world.signal("STOP");
    app.stage("a.txt", "two\n");
    let mut git = Background::start(app.command("git").args(["commit", "-qm", "change"]));
    world.until("the hook waits", || git.runs("pre-commit"));
    git.signal_all("INT");
    assert!(!git.end().success());
    world.until("no process is left", || !git.is_there());
    assert_eq!(app.head(), before);
    assert!(!app.path.join(".git/index.lock").exists());
    world.signal("CONT");
    commit(&app, "two\n").fine().silent();
}

#[test]
fn a_secret_waits_for_nobody() {
    // The verdict of a governor that a hook had to start first.
    let world = with_app().patient().up();
    let app = world.at("app");
    for end in ["KILL", "TERM"] {
        world.signal(end);
        world.until("it has ended", || !world.is_running());
        commit(&app, &secret()).refused().says("secrets a.txt:1").hides(&key());
    }
}
