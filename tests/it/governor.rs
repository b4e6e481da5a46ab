//! The governor's life: started by whoever needs it, one in a home, told to end.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::{Value, json};

use crate::world::{Background, Ran, World, key, peer, secret};

/// `kpmo` of this world, to be run in special ways.
fn kpmo(world: &World) -> Command {
    world.command(world.home().join("bin/kpmo"))
}

/// Waits until a governor that is being started in the foreground answers.
fn until_it_serves(world: &World) {
    world.until("it serves", || world.kpmo(["governor", "status"]).code == Some(0));
}

fn pid_of(status: &Value) -> u64 {
    status["pid"].as_u64().unwrap_or_else(|| panic!("no pid in {status}"))
}

#[test]
fn it_starts_tells_how_it_is_restarts_and_stops() {
    let world = World::new();
    let socket = world.socket().to_str().unwrap().to_owned();
    world.kpmo(["governor", "status"]).ended(1).says("not running").says(&socket);
    let none = json!({"running": false, "pid": null, "version": null, "socket": socket, "uptime_s": null});
    assert_eq!(world.json(["governor", "status"]), none);
    assert!(!world.home().join("state").exists(), "to look is not to create");
    world.kpmo(["governor", "stop"]).fine().says("not running");

    world.kpmo(["governor", "start"]).fine().says("running: pid ").says(&socket);
    let first = world.json(["governor", "status"]);
    assert_eq!(first["running"], true);
    assert_eq!(first["pid"], world.pid().unwrap());
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["socket"], socket.as_str());
    assert!(first["uptime_s"].is_u64() && first["problems"] == json!([]), "{first}");
    world.kpmo(["governor", "status"]).fine().says("running: pid ");
    assert_eq!(pid_of(&world.json(["governor", "start"])), pid_of(&first), "it runs already");

    let second = world.json(["governor", "restart"]);
    assert_ne!(pid_of(&second), pid_of(&first));
    assert_eq!(world.json(["governor", "stop"]), json!({"stopped": true}));
    assert!(!world.socket().exists() && !world.is_running());
    assert_eq!(world.json(["governor", "stop"]), json!({"stopped": false}));
    world.kpmo(["governor", "status"]).ended(1);
}

#[test]
fn events_outlive_it() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let before = world.ledger();
    world.stop();
    let after = world.ledger();
    assert_eq!(after[..before.len()], before[..]);
    let ended = &after[before.len()];
    assert_eq!(
        (&ended["kind"], &ended["attributes"]["reason"]),
        (&json!("governor-stopped"), &json!("a client asked for it"))
    );
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn in_the_foreground_it_ends_by_signals_and_says_why() {
    let world = World::new();
    for (signal, reason) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let mut governor = Background::start(kpmo(&world).args(["governor", "run"]));
        until_it_serves(&world);
        assert_eq!(world.pid(), Some(governor.pid()));
        governor.signal_all(signal);
        assert_eq!(governor.end().code(), Some(0));
        assert!(!world.socket().exists());
        let stopped = world.events("governor-stopped");
        assert_eq!(stopped.last().unwrap()["attributes"]["reason"], reason);
        world.stop();
    }
}

#[test]
fn a_home_has_one() {
    let world = World::new();
    let mut first = Background::start(kpmo(&world).args(["governor", "run"]));
    until_it_serves(&world);
    world
        .kpmo(["governor", "run"])
        .ended(2)
        .says("a governor is running already")
        .says("kpmo governor status");
    assert_eq!(
        pid_of(&world.json(["governor", "status"])),
        u64::from(first.pid()),
        "the first one serves on"
    );
    world.stop();
    assert_eq!(first.end().code(), Some(0));
}

#[test]
fn of_many_who_start_it_one_does() {
    let world = World::new().patient();
    let pids: Vec<u64> = thread::scope(|scope| {
        let start = || pid_of(&world.json(["governor", "start"]));
        let starters: Vec<_> = (0..12).map(|_| scope.spawn(start)).collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    assert_eq!(pids, vec![pids[0]; 12]);
    assert_eq!(world.events("governor-started").len(), 1);
}

#[test]
fn of_many_hooks_and_commands_one_starts_it() {
    let mut world = World::new().patient();
    for name in ["a", "b", "c", "d", "e", "f"] {
        world = world.repo(name, &[("a.txt", "one\n")]);
    }
    let world = world.up();
    world.stop();
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f"] {
            scope.spawn(|| world.at(name).stage("a.txt", "two\n").commit().fine().silent());
            scope.spawn(|| world.kpmo(["governor", "start"]).fine());
        }
    });
    assert_eq!(world.events("governor-started").len(), 2, "by `up`, and by one of them");
    assert_eq!(world.events("unjudged").len(), 0);
}

#[test]
fn a_hook_of_a_program_without_environment_starts_it() {
    let Some(git) = peer("git") else { return };
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    world.stop();
    let commit = |with: &[(&str, &str)]| {
        let mut bare = Command::new(&git);
        bare.env_clear().envs(with.iter().copied()).current_dir(&app.path);
        bare.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "change"]);
        Ran::of(&mut bare)
    };
    app.stage("a.txt", "two\n");
    commit(&[]).fine().silent();
    assert!(world.is_running(), "in its own home, that no variable names");
    world.stop();
    app.stage("a.txt", secret());
    commit(&[("PATH", git.parent().unwrap().to_str().unwrap())])
        .refused()
        .says("secrets a.txt:1")
        .hides(&key());
    assert!(world.is_running());
}

/// What Linux tells of a process.
#[cfg(target_os = "linux")]
mod on_linux {
    use super::*;

    fn proc(world: &World, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", world.pid().unwrap()))
    }

    fn environment(world: &World) -> Vec<String> {
        let bytes = fs::read(proc(world, "environ")).unwrap();
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    fn descriptors(world: &World) -> Vec<PathBuf> {
        let fds = fs::read_dir(proc(world, "fd")).unwrap();
        fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
    }

    fn session(world: &World) -> String {
        let stat = fs::read_to_string(proc(world, "stat")).unwrap();
        // After the name in parentheses: state, parent, group, session.
        stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().to_owned()
    }

    /// Nothing of a starter that had much about it is in the governor.
    fn is_its_own(world: &World, open: &Path) {
        let environment = environment(world);
        for name in ["MARKER", "GIT_", "VIRTUAL_ENV", "KPMO_HOME"] {
            assert!(!environment.iter().any(|word| word.starts_with(name)), "{name}: {environment:?}");
        }
        assert!(environment.iter().any(|word| word.starts_with("PATH=/")), "{environment:?}");
        assert_eq!(fs::read_link(proc(world, "cwd")).unwrap(), Path::new("/"));
        let descriptors = descriptors(world);
        assert!(!descriptors.contains(&open.to_path_buf()), "{descriptors:?}");
        assert_eq!(session(world), world.pid().unwrap().to_string());
    }

    #[test]
    fn it_keeps_nothing_of_its_starter() {
        let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
        world.stop();
        let open = fs::canonicalize(world.user()).unwrap().join("open");
        fs::write(&open, "").unwrap();
        let with_baggage = |script: &str| {
            let mut shell = world.command("sh");
            shell.args(["-c", &format!("exec 7<\"$OPEN\" 9>>\"$OPEN\"; {script}")]);
            shell.env("OPEN", &open).env("KPMO", world.home().join("bin/kpmo"));
            shell.env("MARKER", "1").env("VIRTUAL_ENV", "/v").current_dir(world.at("app").path);
            Ran::of(&mut shell).fine();
        };
        with_baggage("exec env GIT_DIR=.git \"$KPMO\" governor start");
        is_its_own(&world, &open);
        world.stop();
        with_baggage("echo two >a.txt; exec git commit -qam change");
        is_its_own(&world, &open);
        world.stop();
        with_baggage("\"$KPMO\" governor start <&- >&- 2>&-");
        is_its_own(&world, &open);
    }
}

#[test]
fn signals_to_its_starters_do_not_reach_it() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    world.stop();
    world.at("app").stage("a.txt", "two\n");
    for start in ["\"$KPMO\" governor start >&2", "git commit -qm change --allow-empty"] {
        let mut shell = world.command("sh");
        shell.args(["-c", &format!("trap '' INT HUP; {start}; kill -INT 0; kill -HUP 0")]).process_group(0);
        shell.env("KPMO", world.home().join("bin/kpmo")).current_dir(world.at("app").path);
        Ran::of(&mut shell).fine();
        let pid = world.pid().unwrap();
        assert_eq!(pid_of(&world.json(["governor", "status"])), u64::from(pid), "{start}");
        world.stop();
    }
    let reasons = world.events("governor-stopped");
    assert!(
        reasons.iter().all(|event| event["attributes"]["reason"] == "a client asked for it"),
        "{reasons:?}"
    );
}

#[test]
fn what_it_creates_is_its_owners_alone() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    // A home that is not there yet, and a umask that would let everybody in.
    fs::rename(world.home().join("bin"), world.path("bin")).unwrap();
    fs::remove_dir(world.home()).unwrap();
    let mut up = world.command("sh");
    up.args(["-c", "umask 0; exec \"$0\" up \"$1\""]).arg(world.path("bin/kpmo")).arg(world.path("src"));
    Ran::of(&mut up).fine();
    world.at("app").stage("a.txt", "two\n").commit().fine().silent();
    world.signal("STOP");
    world.at("app").stage("a.txt", "three\n").commit().fine();
    let mut looked_at = 0;
    let mut left = vec![world.home()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let program =
            path.parent().unwrap().ends_with("h/bin") && path.file_name() != Some("home.json".as_ref());
        let wanted = match meta.file_type() {
            kind if kind.is_dir() => 0o700,
            _ if program => 0o555,
            kind => {
                assert!(kind.is_file() || kind.is_socket(), "{}", path.display());
                0o600
            }
        };
        assert_eq!(format!("{:o}", meta.mode() & 0o7777), format!("{wanted:o}"), "{}", path.display());
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
        looked_at += 1;
    }
    assert!(looked_at > 20, "{looked_at}");
    assert!(fs::symlink_metadata(world.socket()).unwrap().file_type().is_socket());
}

#[test]
fn nobody_who_is_connected_keeps_it_from_ending() {
    let world = World::new();
    world.kpmo(["governor", "start"]).fine();
    let silent = UnixStream::connect(world.socket()).unwrap();
    let output = world.path("output");
    let mut follow = kpmo(&world);
    follow.args(["events", "--follow"]);
    let mut follower = Background::start_into(&mut follow, &output);
    world.until("somebody follows", || fs::read_to_string(&output).is_ok_and(|text| !text.is_empty()));
    world.stop();
    assert!(!world.socket().exists());
    drop(silent);
    // Whoever follows goes on with the next, and misses nothing; it does not start it.
    let told = |words: &str| fs::read_to_string(&output).unwrap().matches(words).count();
    world.until("it is told that this is the end", || told("the governor has ended") == 1);
    assert!(!world.is_running());
    world.kpmo(["governor", "start"]).fine();
    world.until("it follows the next", || told("governor-started") == 2);
    assert_eq!(told("governor-stopped"), 1);
    follower.signal_all("TERM");
    follower.end();
}

#[test]
fn a_broken_configuration_is_named_and_git_is_judged_all_the_same() {
    for (file, text, place) in [
        ("governor.yml", "version: 1\nbudgets:\n  connect_ms: soon\n", "governor.yml:3:15"),
        ("policy.yml", "version: 1\nrules: [\n", "policy.yml:"),
        ("repos.yml", "version: 1\nrepos:\n  - name: app\n   local_path: x\n", "repos.yml:"),
    ] {
        let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
        world.stop();
        world.configure(file, text);
        world.kpmo(["governor", "start"]).fine();
        let said = world.kpmo(["governor", "status"]).ended(1).says("problem: ").says(place);
        let after = said.stdout.split(&format!("/{file}:")).nth(1).unwrap();
        let numbers: Vec<u32> = after.splitn(3, ':').take(2).map(|number| number.parse().unwrap()).collect();
        assert!(numbers.iter().all(|number| *number > 0), "{numbers:?}");
        let problems = world.json(["governor", "status"])["problems"].clone();
        assert!(problems[0].as_str().unwrap().contains(place), "{problems}");
        let app = world.at("app");
        app.stage("a.txt", secret()).commit().refused().says("secrets a.txt:1").hides(&key());
        app.stage("a.txt", "two\n").commit().fine();
        assert_eq!(
            fs::read_to_string(world.home().join("config").join(file)).unwrap(),
            text,
            "left as it was"
        );
    }
}

/// `~` is where it was when the home was made, whoever starts the governor.
#[test]
fn whoever_starts_it_the_users_home_stays_what_it_was() {
    let world = World::new().patient();
    let app = world.init_in_home("app");
    app.stage("a.txt", "one\n").commit().fine();
    world.kpmo(["repo", "add", app.path.to_str().unwrap()]).fine();
    world.kpmo(["repo", "set", "app", "--status", "archived"]).fine();
    assert!(world.registry().contains("local_path: ~/app"), "{}", world.registry());
    let registry = world.registry();
    let other = world.path("other");
    fs::create_dir(&other).unwrap();
    for home in [Some(&other), None] {
        world.stop();
        app.stage("a.txt", format!("{home:?}\n"));
        let mut git = app.command("git");
        match home {
            Some(home) => git.env("HOME", home),
            None => git.env_remove("HOME"),
        };
        let commit = ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "change"];
        crate::world::Ran::of(git.args(commit)).refused().says("archived");
        let mut scan = world.command(world.home().join("bin/kpmo"));
        scan.args(["scan", "--register"]).arg(&app.path);
        crate::world::Ran::of(scan.env("HOME", &other)).fine();
        assert_eq!(world.registry(), registry);
    }
    let mut doctor = world.command(world.home().join("bin/kpmo"));
    let said = format!("HOME is {} here", other.display());
    doctor.arg("doctor").current_dir(world.path("src"));
    crate::world::Ran::of(doctor.env("HOME", &other)).fine().says(&said);
    world.kpmo(["doctor"]).fine().hides("`~` in repos.yml");
}

#[test]
fn a_home_chosen_by_variables_is_found_by_a_hook_that_lacks_them() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let kpmo = |args: &[&str]| {
        let mut command = world.command(env!("CARGO_BIN_EXE_kpmo"));
        command.env_remove("KPMO_HOME").env("XDG_STATE_HOME", world.path("xs")).args(args);
        // Not where the user of this machine may have one.
        crate::world::Ran::of(command.env("KPMO_SOCKET", world.path("run/g.sock")))
    };
    kpmo(&["up", world.path("src").to_str().unwrap()]).fine();
    let app = world.at("app");
    app.stage("a.txt", "two\n");
    let commit = || {
        let mut command = app.command("git");
        for name in ["KPMO_HOME", "HOME"] {
            command.env_remove(name);
        }
        crate::world::Ran::of(command.args(["commit", "-qm", "change"]))
    };
    commit().fine().silent();
    // The hook starts the next one: of the same home, on the same socket.
    kpmo(&["governor", "stop"]).fine();
    app.stage("a.txt", "three\n");
    commit().fine().silent();
    kpmo(&["governor", "status"]).fine().says("1 repositories").says("run/g.sock");
    assert!(!world.user().join(".local/state").exists(), "no second home");
    kpmo(&["down"]).fine();
}
