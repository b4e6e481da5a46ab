//! Kills and full disks: nothing that was acknowledged is lost, and git goes on.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::world::{Caller, Repo, World, is_root, key, left_out, secret};

const KILLS: usize = 25;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A sequence that is the same in every run (xorshift).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Says so when the killing is over, also if it ends in a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing() {
    let mut world = World::new().patient();
    for name in NAMES {
        world = world.repo(name, &[("a.txt", "one\n")]);
    }
    let world = &world.up();
    for name in NAMES {
        world.at(name).stage("a.txt", "two\n").commit().fine().silent();
        world.until("it is known", || world.knows(&world.at(name).head()));
    }
    let (over, commits) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    let (made, acknowledged) = (&Mutex::new(Vec::new()), &Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for name in NAMES {
            scope.spawn(move || {
                let repo = world.at(name);
                for n in 0.. {
                    repo.stage("a.txt", format!("{n}\n")).commit().fine();
                    made.lock().unwrap().push((name, repo.head()));
                    commits.fetch_add(1, SeqCst);
                    if over.load(SeqCst) {
                        return;
                    }
                }
            });
        }
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let id = Uuid::now_v7().to_string();
                // Again, until it is acknowledged, as a client would.
                while !over.load(SeqCst) {
                    if let Ok(event) =
                        Caller::new(world).map_err(drop).and_then(|c| c.emit(&id).map_err(drop))
                    {
                        acknowledged.lock().unwrap().push((id, event.seq));
                        break;
                    }
                    thread::yield_now();
                }
            }
        });
        let _over = Over(over);
        let mut seeded = Seeded(0x6b70_6d6f);
        let mut kills = 0;
        while kills < KILLS {
            let goal = commits.load(SeqCst) + usize::try_from(seeded.below(4)).unwrap();
            world.until("commits go on", || commits.load(SeqCst) >= goal);
            // Somewhere within a commit.
            thread::park_timeout(Duration::from_micros(seeded.below(20_000)));
            kills += usize::from(world.kill_any());
        }
    });

    let (made, acknowledged) = (made.lock().unwrap(), acknowledged.lock().unwrap());
    assert!(made.len() > KILLS && acknowledged.len() > KILLS, "{} {}", made.len(), acknowledged.len());
    for name in NAMES {
        let repo = world.at(name);
        repo.stage("a.txt", "last\n").commit().fine().silent();
        let ours: Vec<_> = made.iter().filter(|(of, _)| *of == name).map(|(_, id)| id.clone()).collect();
        let listed = repo.ask(["rev-list", "--reverse", "HEAD"]);
        let listed: Vec<_> = listed.lines().map(str::to_owned).collect();
        assert_eq!(listed[2..listed.len() - 1], ours, "every commit that was let through is there");
    }
    world.until("all that was spooled is taken in", || world.spool().is_empty());
    world.until("every commit is known", || {
        let known = world.known_commits();
        made.iter().all(|(_, id)| known.contains(id))
    });
    let ledger = world.ledger();
    for (id, seq) in acknowledged.iter() {
        let found: Vec<_> = ledger.iter().filter(|event| event["event_id"] == id.as_str()).collect();
        assert!(found.len() == 1 && found[0]["seq"] == *seq, "{id} was acknowledged as {seq}: {found:?}");
    }
    for name in NAMES {
        assert_eq!(world.status(name)["unvalidated"], 0, "{name}");
    }
    world.kpmo(["ledger", "verify"]).fine();
}

/// A file system of its own for the governor's state.
struct SmallDisk<'a>(&'a World);

impl<'a> SmallDisk<'a> {
    /// `None` where the kernel doesn't let us.
    fn under_the_state_of(world: &'a World) -> Option<Self> {
        let state = world.home().join("state");
        fs::create_dir_all(&state).unwrap();
        let options = "size=2m,mode=0700";
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "kpmo-test"]).arg(&state).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(world))
    }

    fn fill(&self) {
        let filler = self.0.home().join("state/filler");
        for size in [64 << 10, 4 << 10, 1] {
            let bytes = vec![b'x'; size];
            let mut file = fs::File::options().create(true).append(true).open(&filler).unwrap();
            while std::io::Write::write(&mut file, &bytes).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.home().join("state/filler")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0.kill();
        }
        let _ = Command::new("umount").arg(self.0.home().join("state")).status();
    }
}

/// `git commit`, which must end whatever happens, and say nothing of a panic.
fn commit(repo: &Repo<'_>, text: &str) -> crate::world::Ran {
    repo.stage("a.txt", text);
    let ran = crate::world::Ran::of(repo.command("timeout").args(["20", "git", "commit", "-qm", "change"]));
    assert_ne!(ran.code, Some(124), "git hangs: {ran:?}");
    ran
}

#[test]
fn a_full_disk_stops_nobody_from_committing_and_loses_nothing_acknowledged() {
    if !is_root() {
        return left_out("only root may mount a small file system");
    }
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let Some(disk) = SmallDisk::under_the_state_of(&world) else {
        return left_out("mounting a tmpfs is not permitted here");
    };
    let app = world.at("app");
    world.kpmo(["up", world.path("src").to_str().unwrap()]).fine();
    let caller = Caller::new(&world).unwrap();
    let mut acknowledged = vec![caller.emit(&Uuid::now_v7().to_string()).unwrap()];

    disk.fill();
    // What the ledger has allocated already takes some more.
    let refused = (0..5_000).find_map(|_| match caller.emit(&Uuid::now_v7().to_string()) {
        Ok(event) => {
            acknowledged.push(event);
            None
        }
        Err(status) => Some(status),
    });
    let status = refused.expect("a full disk takes no more");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("DISK_FULL", "kpmo"));
    assert!(
        status.message().contains("ledger.sqlite3") && status.message().contains("make room"),
        "{status:?}"
    );

    world.kpmo(["governor", "status"]).ended(1).says("the disk or quota is full");
    commit(&app, &secret()).refused().says("secrets a.txt:1").hides(&key());
    // Judged all the same; what can't be kept is not taken in, and said.
    commit(&app, "two\n").fine().says("was not noted").says("No space left");
    let while_full = app.head();

    disk.make_room();
    commit(&app, "three\n").fine().silent();
    acknowledged.push(caller.emit(&Uuid::now_v7().to_string()).unwrap());
    world.until("both commits are known", || world.knows(&while_full) && world.knows(&app.head()));
    world.kpmo(["governor", "status"]).fine();
    let ledger = world.ledger();
    for event in &acknowledged {
        assert!(
            ledger
                .iter()
                .any(|found| found["event_id"] == event.event_id.as_str() && found["seq"] == event.seq)
        );
    }
    world.kpmo(["ledger", "verify"]).fine();
    // Nothing of what was half written is left about; some files are there to be
    // used again.
    let left = || {
        let all = fs::read_dir(world.home().join("state/spool")).unwrap().flatten();
        all.filter(|entry| !entry.file_name().to_string_lossy().starts_with(".spare-")).count()
    };
    world.until("the spool is empty", || left() == 0);
}

#[test]
fn killed_on_a_full_disk_it_comes_back_when_there_is_room() {
    if !is_root() {
        return left_out("only root may mount a small file system");
    }
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    let Some(disk) = SmallDisk::under_the_state_of(&world) else {
        return left_out("mounting a tmpfs is not permitted here");
    };
    let app = world.at("app");
    world.kpmo(["up", world.path("src").to_str().unwrap()]).fine();
    world.kill();
    disk.fill();
    let said = commit(&app, "two\n").fine();
    // Whether a start needs more room than is left is up to the file system.
    if !said.stderr.is_empty() {
        said.says("kpmo: this commit was ");
        world.kpmo(["governor", "start"]).ended(2).says("/state/").says("No space left on device");
    }
    disk.make_room();
    commit(&app, "three\n").fine().silent();
    world.until("it is known", || world.knows(&app.head()));
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn a_damaged_ledger_is_named_and_git_goes_on() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    world.stop();
    let ledger = world.home().join("state/ledger.sqlite3");
    let rubbish = vec![7; 64 << 10];
    fs::write(&ledger, &rubbish).unwrap();
    world.kpmo(["governor", "start"]).ended(2).says("ledger.sqlite3 is damaged").says("kpmo ledger verify");
    commit(&world.at("app"), "two\n").fine().says("was not judged").says("ledger.sqlite3 is damaged");
    assert_eq!(world.spool().len(), 2);
    assert_eq!(fs::read(&ledger).unwrap(), rubbish, "left as it was");
    // What a backup would be.
    fs::remove_file(&ledger).unwrap();
    commit(&world.at("app"), "three\n").fine().silent();
    world.until("what was spooled is taken in", || world.spool().is_empty());
    assert_eq!(world.events("unjudged").len(), 1);
}

#[test]
fn a_damaged_endpoint_record_is_as_good_as_none() {
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]).up();
    let record = world.home().join("state/endpoint.json");
    for damage in ["", "{", "{\"socket\": 1}"] {
        world.stop();
        fs::write(&record, damage).unwrap();
        fs::set_permissions(&record, fs::Permissions::from_mode(0o600)).unwrap();
        commit(&world.at("app"), &format!("{damage}.\n")).fine().silent();
        assert!(world.is_running() && world.pid().is_some());
    }
}
