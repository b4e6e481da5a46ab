use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::*;

const CHILD: &str = "KPMO_TEST_LEDGER_TO_WRITE";

/// This program again, to run one of the tests here that are ignored otherwise.
fn child(test: &str, ledger: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .arg(format!("{}::{test}", module_path!().split_once("::").unwrap().1))
        .env(CHILD, ledger);
    command
}

/// Writes until it is killed, and says what was acknowledged.
#[test]
#[ignore = "the child of what_was_acknowledged_survives_a_kill"]
fn child_writer() {
    let ledger = Ledger::open(std::env::var_os(CHILD).expect("its parent says where").as_ref()).unwrap();
    thread::scope(|scope| {
        for writer in 0..3 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0.. {
                    ledger.append_later(verdict(&format!("{writer}-{number}"), true));
                    let record =
                        ledger.append(commit(&format!("{writer}-{number}"), CommitState::Late)).unwrap();
                    let line = format!("ACK {} {}\n", record.seq, record.event_id);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite3");
    let mut acknowledged: Vec<(u64, Uuid)> = Vec::new();
    for round in 0..6 {
        let mut child =
            child("child_writer", &path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |line: &str| {
            if let Some((seq, id)) = line.strip_prefix("ACK ").and_then(|rest| rest.split_once(' ')) {
                acknowledged.push((seq.parse().unwrap(), id.parse().unwrap()));
            }
        };
        // Wherever it is after so many lines; it writes on until the signal comes.
        for line in lines.by_ref().take(5 + round * 17) {
            take(&line.unwrap());
        }
        child.kill().unwrap();
        // What it said before it died counts, too; the last line may be cut.
        for line in lines.map_while(Result::ok).filter(|line| line.len() > 40) {
            take(&line);
        }
        child.wait().unwrap();

        let report = verify(&path).unwrap();
        assert_eq!(report.problems, [], "round {round}");
        let ledger = Ledger::open(&path).unwrap();
        for (seq, id) in &acknowledged {
            assert_eq!(ledger.read(*seq, 1, &Filter::default()).unwrap()[0].event_id, *id);
        }
        ledger.append(draft(EventKind::GovernorStarted, "repo")).unwrap();
        ledger.close(std::time::Duration::from_secs(10));
    }
    assert!(acknowledged.len() > 6 * 5, "{}", acknowledged.len());
}

/// Writes one event and goes.
#[test]
#[ignore = "the child of a_process_that_comes_and_goes_takes_nothing_along"]
fn child_visitor() {
    let ledger = Ledger::open(std::env::var_os(CHILD).expect("its parent says where").as_ref()).unwrap();
    ledger.append(draft(EventKind::Tick, "repo")).unwrap();
    ledger.close(std::time::Duration::from_secs(10));
}

/// The last process to close a ledger removes its write-ahead log; a visitor is
/// not the last, and must know it.
#[test]
fn a_process_that_comes_and_goes_takes_nothing_along() {
    let fixture = Fixture::new();
    fixture.ledger.append(draft(EventKind::Tick, "repo")).unwrap();
    fixture.ledger.read(1, 1, &Filter::default()).unwrap();
    assert_eq!(fixture.verified().events, 1);
    let visitor = child("child_visitor", &fixture.path()).output().unwrap();
    assert!(visitor.status.success(), "{visitor:?}");
    assert_eq!(fixture.ledger.append(draft(EventKind::Tick, "repo")).unwrap().seq, 3);
    let elsewhere = fixture.dir.path().join("copy");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", fixture.path().display());
        std::fs::copy(from, format!("{}{suffix}", elsewhere.display())).unwrap();
    }
    let report = verify(&elsewhere).unwrap();
    assert_eq!((report.events, report.problems), (3, vec![]));
}
