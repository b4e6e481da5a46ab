use super::*;

fn ids(listed: &[crate::ledger::ListedSnapshot]) -> Vec<&str> {
    listed.iter().map(|row| row.snapshot.id.as_str()).collect()
}

#[test]
fn snapshots_are_listed_newest_first() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    // In the order in which they were taken, which is not that of recording.
    for (repo, id, second) in [("a", "a2", 20), ("b", "b1", 15), ("a", "a1", 10), ("a", "a3", 30)] {
        ledger.append(snapshot(repo, taken(id, second))).unwrap();
    }
    assert_eq!(ids(&ledger.snapshots(Some("a"), 9).unwrap()), ["a3", "a2", "a1"]);
    assert_eq!(ids(&ledger.snapshots(Some("a"), 2).unwrap()), ["a3", "a2"]);
    assert_eq!(ids(&ledger.snapshots(None, 9).unwrap()), ["a3", "a2", "b1", "a1"]);
    assert_eq!(ids(&ledger.snapshots(Some("c"), 9).unwrap()), [""; 0]);
    assert_eq!(ledger.last_snapshot("b").unwrap().unwrap().snapshot, taken("b1", 15));
    assert_eq!(ledger.last_snapshot("c").unwrap(), None);
    assert_eq!(Vec::from_iter(ledger.snapshot_ids().unwrap()), ["a1", "a2", "a3", "b1"]);

    let at = |second: i64| {
        let time = Timestamp::from_second(1_600_000_000 + second).unwrap();
        ledger.snapshot_at("a", time).unwrap().map(|row| row.snapshot.id)
    };
    assert_eq!(
        [at(9), at(10), at(29), at(99)],
        [None, Some("a1"), Some("a2"), Some("a3")].map(|id| id.map(str::to_owned))
    );
}

#[test]
fn ids_are_found_by_their_first_digits() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    let held = ledger.hold_writer();
    for (id, second) in [("abcd0", 1), ("abcdf", 2), ("abce0", 3), ("ffff0", 4)] {
        ledger.append_later(snapshot("a", taken(id, second)));
    }
    let check = || {
        let beginning = |digits, limit| ledger.snapshots_beginning(digits, limit).unwrap();
        assert_eq!(ids(&beginning("abcd", 9)), ["abcdf", "abcd0"]);
        assert_eq!(ids(&beginning("abcd", 1)), ["abcdf"]);
        assert_eq!(ids(&beginning("abcd0", 9)), ["abcd0"]);
        assert_eq!(ids(&beginning("ffff", 9)), ["ffff0"]);
        assert_eq!(ids(&beginning("abcd00", 9)), [""; 0]);
        assert_eq!(beginning("", 9).len(), 4);
    };
    check();
    drop(held);
    ledger.flush().unwrap();
    check();
}

#[test]
fn lists_see_what_is_pending() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    for (id, second) in [("a1", 10), ("a2", 20), ("a3", 30)] {
        ledger.append(snapshot("a", taken(id, second))).unwrap();
    }
    let held = ledger.hold_writer();
    ledger.append_later(snapshot("a", taken("a4", 40)));
    ledger.append_later(forgotten(&["a3", "a1", "gone"]));
    ledger.append_later(snapshot("b", taken("b1", 5)));
    ledger.append_later(forgotten(&["b2"]));
    ledger.append_later(snapshot("b", taken("b2", 6)));
    let check = || {
        assert_eq!(ids(&ledger.snapshots(Some("a"), 9).unwrap()), ["a4", "a2"]);
        // What is forgotten does not count.
        assert_eq!(ids(&ledger.snapshots(Some("a"), 2).unwrap()), ["a4", "a2"]);
        assert_eq!(ids(&ledger.snapshots(None, 9).unwrap()), ["a4", "a2", "b2", "b1"]);
        assert_eq!(ledger.last_snapshot("b").unwrap().unwrap().snapshot.id, "b2");
        assert_eq!(Vec::from_iter(ledger.snapshot_ids().unwrap()), ["a2", "a4", "b1", "b2"]);
    };
    assert_eq!(ledger.head(), 3);
    check();
    drop(held);
    ledger.flush().unwrap();
    assert_eq!(ledger.head(), 8);
    check();
    assert!(ledger.shared().queue.pending(|pending| pending.snapshots().is_empty()));
    assert_eq!(fixture.verified().problems, []);
}

/// A copy of the ledger is about no repository, and a snapshot like the others.
#[test]
fn copies_of_the_ledger_are_listed_apart() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    ledger.append(snapshot("a", taken("a1", 10))).unwrap();
    let copy = SnapshotRecord { ledger_seq: Some(1), trigger: "ledger".to_owned(), ..taken("c1", 20) };
    let mut event = snapshot("", copy.clone());
    event.repo_id = None;
    event.kind = EventKind::DatabaseSynced;
    let event = ledger.append(event).unwrap();
    assert_eq!((event.repo_id, event.attributes["seq"].as_str()), (None, "1"));
    let copies = ledger.snapshots(Some(""), 9).unwrap();
    assert_eq!((copies.len(), &copies[0].snapshot), (1, &copy));
    assert_eq!(ids(&ledger.snapshots(Some("a"), 9).unwrap()), ["a1"]);
    assert_eq!(ledger.rebuild().unwrap(), 2);
    assert_eq!(ledger.snapshots(Some(""), 9).unwrap(), copies);
    ledger.append(forgotten(&["c1"])).unwrap();
    assert_eq!(ledger.snapshots(Some(""), 9).unwrap(), []);
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn snapshots_that_make_no_sense_are_refused() {
    let fixture = Fixture::new();
    let refused = |record| match fixture.ledger.append(snapshot("a", record)) {
        Err(LedgerError::Invalid { field: "attributes", why }) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(SnapshotRecord { status: "fine".to_owned(), ..taken("a1", 1) }).contains("status"));
    assert!(refused(SnapshotRecord { files: u64::MAX, ..taken("a1", 1) }).contains("files"));
    assert!(refused(taken("", 1)).contains("snapshot"));
    // It would be two, once it is to be forgotten.
    assert!(refused(taken("a1 a2", 1)).contains("snapshot"));
    let mut spelled = draft(EventKind::Snapshot, "a");
    for (key, value) in Projection::Snapshot(Box::new(taken("a1", 1))).attributes() {
        spelled.attributes.insert(key.to_owned(), value.into_owned());
    }
    for key in ["snapshot", "repo_name", "time", "trigger", "status", "files", "bytes", "added"] {
        let mut lacking = spelled.clone();
        lacking.attributes.remove(key);
        assert!(matches!(fixture.ledger.append(lacking), Err(LedgerError::Invalid { .. })), "{key}");
    }
    assert_eq!(fixture.ledger.head(), 0);
    fixture.ledger.append(spelled).unwrap();
    assert_eq!(fixture.ledger.last_snapshot("a").unwrap().unwrap().snapshot, taken("a1", 1));
}
