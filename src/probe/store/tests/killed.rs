use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use super::*;

const PROBE: &str = "KPMO_TEST_PROBE";
const WORK: &str = "KPMO_TEST_WORK";

/// The other side of the next test: stores, commits, forgets and prunes, says
/// which snapshots there are, and never ends.
#[test]
#[ignore = "run by another test, which kills it"]
fn writes_until_killed() {
    let (probe, work) = (std::env::var_os(PROBE).unwrap(), PathBuf::from(std::env::var_os(WORK).unwrap()));
    let hasty = StoreOptions { keep_marked: Duration::ZERO, ..quick() };
    let store = RusticStore::open(Path::new(&probe), hasty).unwrap();
    let mut last: Vec<Snapshot> = store.snapshots().unwrap();
    for round in 0_u64.. {
        fs::write(work.join("round"), format!("{round} {}", std::process::id())).unwrap();
        fs::write(work.join("noise"), noise(100_000)).unwrap();
        let stored = store.put(walk(&work), last.last().map(|last| &last.id)).unwrap();
        let snapshot = store.commit(&stored, draft(&work)).unwrap();
        println!("\ncommitted {} {}", snapshot.id.0, fs::read_to_string(work.join("round")).unwrap());
        last.push(snapshot);
        if last.len() > 3 {
            println!("\nforgetting {}", last[0].id.0);
            store.forget(&[last.remove(0).id]).unwrap();
            store.prune().unwrap();
        }
    }
}

/// Killed at any moment, it leaves a store in which restic finds nothing wrong,
/// and each snapshot of which it was said that it is there.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let fixture = Fixture::new();
    fixture.write("a/file", "content");
    let mut there: Vec<(SnapshotId, String)> = Vec::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "probe::store::tests::killed::writes_until_killed"])
            .env(PROBE, &fixture.probe)
            .env(WORK, &fixture.work)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // After so many lines, at another moment in each round.
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        let mut lines = 0;
        for line in said {
            lines += 1;
            if lines == 12 + round {
                child.kill().unwrap();
            }
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["committed", id, round, process] => {
                    there.push((SnapshotId(id.into()), format!("{round} {process}")));
                }
                ["forgetting", id] => there.retain(|(there, _)| there.0 != id),
                _ => {}
            }
        }
        child.wait().unwrap();
        fixture.restic_ok(&["check"]);
        let known = fixture.store.snapshots().unwrap();
        for (id, said) in &there {
            assert!(known.iter().any(|known| known.id == *id), "{id:?} is gone");
            let snapshot = fixture.store.snapshot(id).unwrap();
            let node = node_at(&fixture.store, &snapshot, &fixture.work.join("round")).unwrap();
            let NodeKind::File(pieces) = node.kind else { panic!("no file") };
            assert_eq!(fixture.store.blob(&pieces[0]).unwrap(), said.as_bytes());
        }
    }
    assert!(!there.is_empty());
    fixture.restic_checks();
    assert_eq!(fixture.store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
}
