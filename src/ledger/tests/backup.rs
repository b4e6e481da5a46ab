use std::{os::unix::fs::PermissionsExt, thread};

use super::*;

#[test]
fn a_copy_is_a_ledger() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    ledger.append(verdict("a", true)).unwrap();
    ledger.append(snapshot("repo", taken("aa", 1))).unwrap();
    let path = fixture.dir.path().join("copy");
    assert_eq!(ledger.backup_to(&path).unwrap(), 2);
    ledger.append(verdict("b", true)).unwrap();

    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let names: Vec<_> =
        fixture.dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "copy-wal" || name == "copy-shm"), "{names:?}");
    let report = verify(&path).unwrap();
    assert_eq!((report.events, report.problems), (2, vec![]));
    let last = ledger.read(2, 1, &Filter::default()).unwrap().remove(0);
    assert_eq!(report.head_hash, last.hash);

    let copy = open(&path);
    assert_eq!(copy.last_snapshot("repo").unwrap(), ledger.last_snapshot("repo").unwrap());
    assert_eq!(copy.append(verdict("c", true)).unwrap().seq, 3);
}

#[test]
fn an_empty_ledger_can_be_copied() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("copy");
    assert_eq!(fixture.ledger.backup_to(&path).unwrap(), 0);
    assert_eq!(verify(&path).unwrap().problems, []);
}

/// Every copy is what the ledger was at one moment, whoever writes meanwhile.
#[test]
fn copies_are_taken_while_it_is_written() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    ledger.append(verdict("first", true)).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..300 {
                ledger.append(verdict(&number.to_string(), true)).unwrap();
            }
        });
        let mut number = 0;
        while !writer.is_finished() || number < 2 {
            let path = fixture.dir.path().join(format!("copy-{number}"));
            let before = ledger.head();
            let last = ledger.backup_to(&path).unwrap();
            // What is written and not yet answered for may be in it.
            assert!((before..=ledger.head() + 1).contains(&last));
            let report = verify(&path).unwrap();
            assert_eq!((report.events, report.problems), (last, vec![]));
            number += 1;
        }
    });
    assert_eq!(ledger.head(), 301);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let fixture = Fixture::new();
    fixture.ledger.append(verdict("a", true)).unwrap();
    let path = fixture.dir.path().join("copy");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(fixture.ledger.backup_to(&path), Err(LedgerError::Io(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let nowhere = fixture.dir.path().join("missing").join("copy");
    assert!(matches!(fixture.ledger.backup_to(&nowhere), Err(LedgerError::Io(_))));
    // The connection that was lent for it is as good as before.
    assert_eq!(fixture.ledger.verdict("repo", "base", "a", "policy").unwrap(), Some(true));
}
