//! Every hook leaves a snapshot, and what is in the store outlives everything.

use std::{cell::RefCell, fs, process::Command, thread};

use crate::world::{Background, World};

#[test]
fn every_hook_leaves_the_state_that_it_was_told_of() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let app = world.at("app").with_origin();
    app.stage("a.txt", "two\n").commit().fine().silent();
    world.until_captured();
    let last = &world.snapshots("app")[0];
    assert_eq!(
        (&last["trigger"], &last["branch"], &last["head"], &last["status"]),
        (&"post-commit".into(), &"main".into(), &app.head().into(), &"complete".into())
    );
    // The push's own ref is written after the hook; a slow one's after the snapshot.
    app.write("in no commit.txt", "x\n").git(["push", "-q", "origin", "main"]).fine();
    world.until_captured();
    let last = &world.snapshots("app")[0];
    assert_eq!(last["trigger"], "pre-push");
    app.git(["switch", "-qc", "side"]).fine();
    world.until_captured();
    let last = &world.snapshots("app")[0];
    assert_eq!((&last["trigger"], &last["branch"]), (&"post-checkout".into(), &"side".into()));
    let status = world.status("app");
    assert_eq!(status["last_snapshot"], last["time"]);
}

#[test]
fn a_rebase_has_one_snapshot_before_and_few_after() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["switch", "-qc", "side"]).fine();
    for number in 0..12 {
        app.stage(&format!("f{number}"), "x\n").commit().fine();
    }
    app.git(["switch", "-q", "main"]).fine();
    app.stage("b.txt", "b\n").commit().fine();
    app.git(["switch", "-q", "side"]).fine();
    world.until_captured();
    // Not committed, and git's autostash is about to take it away.
    app.write("a.txt", "mine\n");
    let before = world.snapshots("app").len();
    app.git(["rebase", "-q", "--autostash", "main"]).fine();
    world.until_captured();
    let after = world.snapshots("app");
    let triggers: Vec<&str> =
        after[..after.len() - before].iter().map(|it| it["trigger"].as_str().unwrap()).collect();
    assert!(!triggers.is_empty() && triggers.len() < 8, "{triggers:?}");
    assert_eq!(after[0]["head"], app.head());
}

#[test]
fn nothing_new_makes_no_snapshot() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let before = world.snapshots("app");
    assert_eq!(before.len(), 1);
    world.kpmo(["snapshot", "app"]).fine().says("unchanged");
    world.kpmo(["snapshot", "--all"]).fine().says("unchanged");
    assert_eq!(world.snapshots("app"), before);
    world.at("app").write("a.txt", "two\n");
    world.kpmo(["snapshot", "app"]).fine();
    let after = world.snapshots("app");
    assert_eq!((after.len(), &after[0]["trigger"]), (2, &"manual".into()));
    let keys: Vec<&String> = after[0].as_object().unwrap().keys().collect();
    for key in ["id", "repo", "time", "trigger", "branch", "head", "status"] {
        assert!(keys.iter().any(|it| *it == key), "{key} in {keys:?}");
    }
}

#[test]
fn what_was_wanted_when_the_governor_was_killed_is_taken_by_the_next() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let app = world.at("app");
    for number in 0..5 {
        app.stage("a.txt", format!("{number}\n")).commit().fine();
        world.kill();
        world.kpmo(["governor", "start"]).fine();
        world.until_captured();
        assert_eq!(world.snapshots("app")[0]["head"], app.head(), "{number}");
    }
    world.kpmo(["probe", "verify", "--read-data"]).fine();
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn the_list_can_be_had_from_the_store_alone() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("b.txt", "b\n")]).up();
    world.until_captured();
    world.at("app").stage("a.txt", "two\n").commit().fine();
    world.until_captured();
    let before = (world.snapshots("app"), world.snapshots("lib"));
    assert_eq!((before.0.len(), before.1.len()), (2, 1));
    world.stop();
    for name in ["ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"] {
        let _ = fs::remove_file(world.home().join("state").join(name));
    }
    world.kpmo(["governor", "start"]).fine();
    world.until("the list is there again", || world.snapshots("app").len() == 2);
    assert_eq!((world.snapshots("app"), world.snapshots("lib")), before);
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn the_ladder_decides_what_stays_and_the_rest_still_restores() {
    let world = World::new()
        .settings("snapshots: {keep: {last: 2, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0}}\n")
        .repo("app", &[("a.txt", "one\n")])
        .up();
    world.until_captured();
    let app = world.at("app");
    for number in 0..6 {
        app.write("a.txt", format!("{number}\n"));
        world.snapshot("app");
    }
    let before = world.snapshots("app");
    assert_eq!(before.len(), 7);
    world.kpmo(["probe", "prune", "--dry-run"]).fine().says("5");
    assert_eq!(world.snapshots("app"), before, "a dry run forgets nothing");
    world.kpmo(["probe", "prune"]).fine();
    assert_eq!(world.snapshots("app"), before[..2]);
    world.kpmo(["probe", "verify", "--read-data"]).fine();
    fs::remove_dir_all(&app.path).unwrap();
    world.kpmo(["restore", "app"]).fine();
    assert_eq!(fs::read_to_string(app.path.join("a.txt")).unwrap(), "5\n");
    if let Some(checked) = world.restic(["check", "--read-data"]) {
        checked.fine();
    }
}

#[test]
fn a_first_snapshot_beyond_its_limit_waits_for_a_person() {
    let world = World::new().settings("snapshots: {first_limit: 4KiB}\n").repo("app", &[("a.txt", "one\n")]);
    world.at("app").write("large.bin", vec![7; 100_000]);
    let world = world.up();
    world.until("it says so", || {
        world.kpmo(["governor", "status"]).stdout.contains("no snapshot of app")
            || world.json(["governor", "status"])["problems"].to_string().contains("no snapshot of app")
    });
    assert_eq!(world.snapshots("app").len(), 0);
    world.kpmo(["snapshot", "app"]).ended(1).says("first_limit");
    world.kpmo(["snapshot", "app", "--no-limit"]).fine();
    assert_eq!(world.snapshots("app").len(), 1);
}

/// The engine writes times with the zone's offset in minutes.
#[test]
fn where_clocks_were_off_by_odd_seconds_no_large_file_is_lost() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    world.kpmo(["governor", "stop"]).fine();
    let started = world
        .command(world.home().join("bin/kpmo"))
        .args(["governor", "start"])
        .env("TZ", "LMT-5:53:28")
        .output();
    assert!(started.unwrap().status.success());
    let app = world.at("app");
    app.write("large.bin", vec![7; 3_000_000]);
    world.kpmo(["snapshot", "app"]).fine();
    assert_eq!(world.snapshots("app")[0]["status"], "complete");
    world
        .kpmo(["restore", "app", "--to"].iter().map(AsRef::as_ref).chain([world.path("copy").as_os_str()]))
        .fine();
    assert_eq!(fs::read(world.path("copy/large.bin")).unwrap(), vec![7; 3_000_000]);
}

/// People see how far it has come, and nobody waits for it.
#[test]
fn a_large_first_snapshot_is_told_of_and_keeps_no_other_waiting() {
    const LARGE: u64 = 6 << 30;
    let world = World::new()
        .repo("a-large-one", &[("a.txt", "one\n")])
        .repo("app", &[("a.txt", "one\n")])
        .repo("lib", &[("b.txt", "b\n")]);
    let large = world.at("a-large-one");
    // Zeros, which take no place on the disk, and long to be read.
    fs::File::create(large.path.join("zeros")).unwrap().set_len(LARGE).unwrap();
    world
        .kpmo(["up", world.path("src").to_str().unwrap()])
        .fine()
        .says("are being taken in the background")
        .says("kpmo governor status");
    for name in ["app", "lib"] {
        world.until("it has its first", || world.snapshots(name).len() == 1);
    }
    assert_eq!(world.snapshots("a-large-one").len(), 0);
    let status = RefCell::default();
    world.until("it is being read", || {
        status.replace(world.json(["governor", "status"]));
        status.borrow()["snapshots_running"][0]["bytes"].as_u64() > Some(0)
    });
    let status = status.into_inner();
    let running = &status["snapshots_running"];
    assert_eq!((running.as_array().unwrap().len(), &running[0]["name"]), (1, &"a-large-one".into()));
    assert_eq!(running[0]["repo"], world.status("a-large-one")["id"]);
    let of = |key: &str| running[0][key].as_u64().unwrap();
    assert!(of("bytes") <= of("total_bytes") && of("files") > 0, "{running}");
    assert!((LARGE..LARGE + (1 << 20)).contains(&of("total_bytes")), "{running}");
    world.kpmo(["governor", "status"]).fine().says("  a-large-one: ").says(" of about 6.00 GiB (");
    // Nor does whoever wants the governor to end.
    world.stop();
}

#[test]
fn of_what_has_left_the_registry_nothing_is_wanted() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let wanted = world.home().join("state/snapshots-wanted");
    let id = world.status("app")["id"].as_str().unwrap().to_owned();
    world.stop();
    // Longer than this test asks for it.
    world.configure("governor.yml", "version: 1\nsnapshots: {quiet_ms: 60000}\n");
    // As one that was killed leaves it, of a repository that it knew.
    fs::create_dir_all(&wanted).unwrap();
    fs::write(wanted.join("0190aaaa-0000-7000-8000-000000000000"), "post-commit").unwrap();
    world.kpmo(["governor", "start"]).fine();
    world.until_captured();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine();
    world.until("its snapshot is wanted", || wanted.join(&id).exists());
    world.kpmo(["repo", "remove", "app"]).fine();
    assert!(!wanted.join(&id).exists());
    let status = world.json(["governor", "status"]);
    assert_eq!((&status["snapshots_waiting"], &status["problems"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(world.snapshots(&id).len(), 1, "those that were taken stay");
}

#[test]
fn without_snapshots_hooks_take_none_and_people_still_can() {
    let world =
        World::new().settings("snapshots: {enabled: false}\n").repo("app", &[("a.txt", "one\n")]).up();
    world.at("app").stage("a.txt", "two\n").commit().fine().silent();
    world.until_events("head-moved", 1);
    world.until_captured();
    assert_eq!(world.snapshots("app").len(), 0);
    world.kpmo(["snapshot", "app"]).fine();
    assert_eq!(world.snapshots("app").len(), 1);
}

#[test]
fn keys_are_their_owners_alone_and_nowhere_said() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let mode = |path: &str| {
        fs::metadata(world.home().join("probe").join(path)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!((mode(""), mode("password"), mode("master.key")), (0o700, 0o600, 0o600));
    let password = fs::read_to_string(world.home().join("probe/password")).unwrap();
    let password = password.trim();
    assert!(password.len() >= 32);
    assert!(!world.log().contains(password));
    world.kpmo(["events", "--json"]).fine().hides(password);
    world.kpmo(["probe", "stats"]).fine().hides(password);
}

#[test]
fn the_ledger_has_a_copy_in_the_store() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.until_captured();
    world.kpmo(["probe", "sync-db"]).fine();
    let synced = world.until_events("database-synced", 1);
    let seq: u64 = synced[0]["attributes"]["seq"].as_str().unwrap().parse().unwrap();
    assert!(seq >= 4, "{seq}");
    let out = world.path("out");
    world
        .restic([
            "restore",
            synced[0]["attributes"]["snapshot"].as_str().unwrap(),
            "--target",
            out.to_str().unwrap(),
        ])
        .unwrap()
        .fine();
    let copy = out.join(world.home().join("state/ledger.sqlite3").strip_prefix("/").unwrap());
    assert!(fs::metadata(copy).unwrap().len() > 0);
}

#[test]
fn restic_lists_checks_and_restores() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), ("d/b.txt", "b\n")]).up();
    let app = world.at("app");
    app.write("new.txt", "new\n");
    std::os::unix::fs::symlink("a.txt", app.path.join("link")).unwrap();
    let id = world.snapshot("app");
    let Some(listed) = world.restic(["snapshots", "--json", "--tag", "kpmo"]) else { return };
    let listed: serde_json::Value = serde_json::from_str(&listed.fine().stdout).unwrap();
    assert!(listed.as_array().unwrap().iter().any(|it| it["id"] == id.as_str()), "{listed}");
    world.restic(["check", "--read-data"]).unwrap().fine().says("no errors were found");
    let out = world.path("out");
    world.restic(["restore", &id, "--target", out.to_str().unwrap()]).unwrap().fine();
    let restored = out.join(app.path.strip_prefix("/").unwrap());
    let there = crate::world::tree(&app.path);
    crate::world::same(&there, &crate::world::tree(&restored));
}

/// Killed at any moment of captures and prunes, the store is sound, and every
/// snapshot that anybody was told of restores.
#[test]
fn killed_fifty_times_the_store_is_sound_and_has_all_that_was_told() {
    let world = World::new()
        .patient()
        .settings(
            "budgets: {connect_ms: 5000, start_ms: 60000, verdict_ms: 60000}\n\
             snapshots: {quiet_ms: 0, keep: {last: 15, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0}}\n",
        )
        .repo("app", &[("a.txt", "one\n")])
        .up();
    world.until_captured();
    let app = world.at("app");
    let mut told: Vec<(String, String)> = Vec::new();
    for round in 0..50_u32 {
        // Different sizes, so that it takes different times.
        let text = format!("{round}\n").repeat(1 + (round as usize * 7919) % 40_000);
        app.write("a.txt", &text).write(&format!("f{round}"), &text);
        let mut command = world.command(world.home().join("bin/kpmo"));
        command.args(if round % 5 == 4 {
            ["probe", "prune"].as_slice()
        } else {
            ["snapshot", "app", "--json"].as_slice()
        });
        let out = world.path(&format!("out{round}"));
        let mut asked = Background::start_into(&mut command, &out);
        // Every third is told of its end first; others are killed from at once to
        // about then.
        if round % 3 == 0 {
            let _ = asked.end();
            world.kill_any();
        } else {
            for _ in 0..(round * 37) % 60 {
                thread::park_timeout(std::time::Duration::from_millis(1));
            }
            world.kill_any();
            let _ = asked.end();
        }
        for line in fs::read_to_string(&out).unwrap_or_default().lines() {
            if let Ok(answer) = serde_json::from_str::<serde_json::Value>(line) {
                let id = find_id(&answer);
                told.extend(id.map(|id| (id, text.clone())));
            }
        }
    }
    // One that was killed may take a moment to be gone.
    let answers = || world.kpmo(["governor", "status"]).code == Some(0);
    world.until("the last one is gone or answers", || !world.is_running() || answers());
    world.kpmo(["probe", "verify", "--read-data"]).fine();
    world.kpmo(["ledger", "verify"]).fine();
    if let Some(checked) = world.restic(["check", "--read-data"]) {
        checked.fine().says("no errors were found");
    }
    let kept: Vec<String> =
        world.snapshots("app").iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let (newest, _) = told.last().expect("some were told of");
    assert!(kept.contains(newest), "{newest} was the last to be told of, and is not among {kept:?}");
    let restored: Vec<_> = told.iter().filter(|(id, _)| kept.contains(id)).collect();
    assert!(restored.len() >= 5, "of {} that were told of, {} are kept", told.len(), restored.len());
    for (id, text) in restored {
        let to = world.path(&format!("to-{}", &id[..8]));
        world.kpmo(["restore", "app", "--snapshot", id, "--to", to.to_str().unwrap()]).fine();
        assert_eq!(&fs::read_to_string(to.join("a.txt")).unwrap(), text);
        let fsck = Command::new("git").arg("-C").arg(&to).args(["fsck", "--strict"]).output().unwrap();
        assert!(fsck.status.success(), "{fsck:?}");
    }
}

fn find_id(answer: &serde_json::Value) -> Option<String> {
    match answer {
        serde_json::Value::Object(map) => {
            let own = map.get("id").and_then(|id| id.as_str()).filter(|id| id.len() == 64).map(str::to_owned);
            own.or_else(|| map.values().find_map(find_id))
        }
        serde_json::Value::Array(items) => items.iter().find_map(find_id),
        _ => None,
    }
}
