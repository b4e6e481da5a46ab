//! Ctrl-C, and whatever else ends git, at every moment: git ends by that signal,
//! nothing stays behind, and nothing is half done.

use std::{
    fs,
    io::Write as _,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
};

use super::worlds;
use crate::world::{Background, World, peer};

const SIGNALS: [(&str, i32); 3] = [("INT", 2), ("TERM", 15), ("HUP", 1)];

/// A program that tells that it runs and then does nothing, for ever.
fn sleeper(told: &Path) -> String {
    format!("#!/bin/sh\necho $$ >>'{}'\nexec sleep 1000\n", told.display())
}

/// How a moment is brought about, and known.
struct Moment {
    name: &'static str,
    prepare: fn(&World),
    /// Whether a hook is at it, by the process that is there then.
    is_there: fn(&World, &Background) -> bool,
    after: fn(&World),
}

const MOMENTS: [Moment; 3] = [
    Moment {
        name: "a chained hook runs",
        prepare: |world| {
            let hook = world.at("app").path.join(".git/hooks.kpmo/pre-commit");
            World::script(&hook, &sleeper(&world.path("told")));
        },
        is_there: |world, _| told(world).is_some(),
        after: |world| fs::remove_file(world.at("app").path.join(".git/hooks.kpmo/pre-commit")).unwrap(),
    },
    Moment {
        name: "the hook waits for a verdict",
        prepare: |world| world.signal("STOP"),
        is_there: |_, git| git.runs("pre-commit"),
        after: |world| world.signal("CONT"),
    },
    Moment {
        name: "the governor is being started",
        prepare: |world| {
            world.stop();
            let program = world.home().join("bin/kpmo");
            fs::rename(&program, world.path("kpmo")).unwrap();
            World::script(&program, &sleeper(&world.path("told")));
        },
        is_there: |world, _| told(world).is_some(),
        after: |world| fs::rename(world.path("kpmo"), world.home().join("bin/kpmo")).unwrap(),
    },
];

fn told(world: &World) -> Option<String> {
    let pid = fs::read_to_string(world.path("told")).ok()?;
    pid.ends_with('\n').then(|| pid.trim().to_owned())
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("status").exists()
        && !fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default().contains("State:\tZ")
}

#[test]
fn at_every_moment_git_ends_and_nothing_is_left() {
    for world in worlds() {
        let world = world.repo("app", &[("a.txt", "one\n")]);
        // Something is chained from the start, so that its place is known.
        World::script(&world.at("app").hook("pre-commit"), "#!/bin/sh\n");
        let world = world.up();
        let app = world.at("app");
        fs::remove_file(app.path.join(".git/hooks.kpmo/pre-commit")).unwrap();
        for moment in &MOMENTS {
            for (signal, number) in SIGNALS {
                for to_all in [true, false] {
                    let case =
                        format!("{}, SIG{signal} to {}", moment.name, if to_all { "all" } else { "git" });
                    one(&world, moment, signal, number, to_all, &case);
                }
            }
        }
        world.kpmo(["ledger", "verify"]).fine();
    }
}

fn one(world: &World, moment: &Moment, signal: &str, number: i32, to_all: bool, case: &str) {
    let app = world.at("app");
    let before = app.head();
    let _ = fs::remove_file(world.path("told"));
    (moment.prepare)(world);
    app.stage("a.txt", format!("{case}\n"));
    // Tests may be run where some are ignored: in the background, under nohup.
    let mut git = app.command("env");
    git.args(["--default-signal=INT,QUIT,TERM,HUP", "git", "commit", "-qm", "never"]);
    let mut git = Background::start(&mut git);
    world.until(case, || (moment.is_there)(world, &git));
    if to_all {
        git.signal_all(signal);
    } else {
        let pid = git.pid().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }
    let status = git.end();
    assert_eq!(status.signal(), Some(number), "{case}: {status:?}");
    if let Some(starting) = told(world) {
        if moment.name.starts_with("the governor") && !to_all {
            // One that would have become the governor goes on, as is intended.
            assert!(Command::new("kill").args(["-KILL", &starting]).status().unwrap().success());
        }
        world.until(&format!("{case}: what the hook started is gone"), || !is_alive(&starting));
    }
    world.until(&format!("{case}: no process is left"), || !git.is_there());
    (moment.after)(world);
    assert_eq!(app.head(), before, "{case}");
    assert!(!app.path.join(".git/index.lock").exists(), "{case}");
    assert!(world.spool().is_empty(), "{case}: nothing has happened");
    app.commit().fine().silent();
    world.until("it is taken in", || world.spool().is_empty());
}

/// What is typed at a terminal comes to all that runs there: the chained hook has it
/// already, and a second one would cut short what it does about the first.
#[test]
fn ctrl_c_at_a_terminal_comes_to_a_chained_hook_once() {
    let Some(script) = peer("script") else { return };
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let (told, ended) = (world.path("told"), world.path("ended"));
    let hook = format!(
        "#!/bin/sh\ntrap 'echo typed >>\"{0}\"' INT\necho up >\"{0}\"\n\
         n=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); grep -q typed \"{0}\" && break; done\n\
         sleep 0.5\necho end >\"{1}\"\nexit 1\n",
        told.display(),
        ended.display()
    );
    World::script(&world.at("app").hook("pre-commit"), &hook);
    let world = world.up();
    let app = world.at("app");
    app.stage("a.txt", "two\n");
    // The shell stays, as people's do: with it the terminal would go.
    let wait = format!("until [ -s '{}' ]; do sleep 0.1; done", ended.display());
    let commands = format!("trap : INT; git commit -qm never; {wait}; exit 1");
    let mut terminal = app.command(script);
    terminal.args(["-qefc", &commands, "/dev/null"]).process_group(0);
    terminal.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut terminal = terminal.spawn().unwrap();
    world.until("the chained hook runs", || told_of(&told));
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    world.until("it has ended", || told_of(&ended));
    assert!(!terminal.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&told).unwrap(), "up\ntyped\n");
    assert_eq!(app.ask(["rev-list", "--count", "HEAD"]), "1");
}

/// What is started to ignore hang-ups goes on, and so does what it chains.
#[test]
fn what_ignores_a_hang_up_is_not_ended_by_it() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let (told, go) = (world.path("told"), world.path("go"));
    let text = format!("#!/bin/sh\necho $$ >>'{}'\ncat '{}' >/dev/null\n", told.display(), go.display());
    World::script(&world.at("app").hook("pre-commit"), &text);
    let world = world.up();
    let app = world.at("app");
    assert!(Command::new("mkfifo").arg(&go).status().unwrap().success());
    app.stage("a.txt", "two\n");
    let mut hook = Background::start(app.command("nohup").arg(app.hook("pre-commit")));
    world.until("the chained hook runs", || told_of(&told));
    hook.signal_all("HUP");
    // Not waited for in vain, should nobody be there to read it.
    let mut writer = Background::start(app.command("sh").args(["-c", "echo go >\"$0\""]).arg(&go));
    assert!(hook.end().success());
    assert!(writer.end().success());
    world.until_events("verdict", 1);
}

fn told_of(told: &Path) -> bool {
    fs::read_to_string(told).is_ok_and(|text| text.ends_with('\n'))
}

/// Not even a SIGKILL leaves a hook behind that waits for a verdict.
#[test]
fn a_killed_git_takes_its_hook_along() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app").with_origin();
    world.signal("STOP");
    let mut git = Background::start(app.command("git").args(["push", "-q", "origin", "main"]));
    world.until("the hook waits", || git.runs("pre-push"));
    assert!(Command::new("kill").args(["-KILL", &git.pid().to_string()]).status().unwrap().success());
    assert_eq!(git.end().signal(), Some(9));
    world.until("no process is left", || !git.is_there());
    world.signal("CONT");
    assert_eq!(app.ask(["ls-remote", "origin"]), "");
}

/// The same where git runs the hook by a command of its configuration.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_git_takes_along_what_it_started_by_a_command() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    world.signal("STOP");
    let call = format!("alias.judge=!exec '{}' run pre-commit", world.home().join("bin/kpmo-hook").display());
    let mut git = Background::start(app.command("git").args(["-c", &call, "judge"]));
    world.until("the hook waits", || git.runs("kpmo-hook run pre-commit") && !git.runs("sh -c"));
    assert!(Command::new("kill").args(["-KILL", &git.pid().to_string()]).status().unwrap().success());
    assert_eq!(git.end().signal(), Some(9));
    world.until("no process is left", || !git.is_there());
    world.signal("CONT");
}
