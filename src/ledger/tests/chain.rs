use super::*;
use crate::ledger::{Fault, chain::Fields};

fn filled(count: u64) -> Fixture {
    let fixture = Fixture::new();
    for number in 0..count {
        fixture.ledger.append_later(commit(&format!("c{number}"), CommitState::Validated));
    }
    fixture.ledger.flush().unwrap();
    assert_eq!(fixture.verified().problems, []);
    fixture
}

#[test]
fn the_encoding_is_the_documented_one() {
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    let fields = Fields {
        seq: 1,
        event_id: id.as_bytes(),
        time_ns: -1,
        kind: "closed",
        repo_id: None,
        card: Some(""),
        actor: "cli",
        attributes: r#"{"a":"b"}"#,
    };
    // Computed by another program from the room's documentation:
    // sha256(32*b'\0' + b'kpmo-ledger-1' + (1).to_bytes(8) + id + (-1).to_bytes(8, signed=True)
    //        + t('closed') + b'\0' + t('') + t('cli') + t('{"a":"b"}')),
    // t(x) = b'\1' + len(x).to_bytes(8) + x
    let wanted = "87f5d5b76eeb519e8f7e1cca2de5c52f88fb7de55e1d2f20fa5a7444e3c75305";
    assert_eq!(hex(fields.hash(&[0; 32])), wanted);
}

fn hex(bytes: [u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn a_changed_field_is_found_at_its_event() {
    for change in [
        "time_ns = time_ns + 1",
        "kind = 'push'",
        "repo_id = NULL",
        "card = ''",
        "actor = 'somebody'",
        "attributes = replace(attributes, 'c4', 'c9')",
        "attributes = attributes || ' '",
        "event_id = zeroblob(16)",
        "hash = zeroblob(32)",
    ] {
        let fixture = filled(9);
        let changed = fixture.tampering().execute(&format!("UPDATE events SET {change} WHERE seq = 5"), []);
        assert_eq!(changed.unwrap(), 1);
        let report = fixture.verified();
        assert_eq!(report.first_broken(), Some(5), "{change}");
        assert_eq!(report.problems[0].fault, Fault::Hash, "{change}");
        assert!(report.problems.iter().any(|problem| problem.fault == Fault::Schema), "{change}");
    }
}

#[test]
fn a_hash_that_was_made_to_fit_is_found_at_the_next_event() {
    let fixture = filled(9);
    let tampering = fixture.tampering();
    tampering.execute("UPDATE events SET actor = 'x' WHERE seq = 5", []).unwrap();
    let events = fixture.ledger.read(4, 2, &Filter::default()).unwrap();
    let json = serde_json::to_string(&events[1].attributes).unwrap();
    let hash = Fields {
        seq: 5,
        event_id: events[1].event_id.as_bytes(),
        time_ns: i64::try_from(events[1].time.as_nanosecond()).unwrap(),
        kind: events[1].kind.as_str(),
        repo_id: events[1].repo_id.as_deref(),
        card: None,
        actor: "x",
        attributes: &json,
    }
    .hash(&events[0].hash);
    tampering.execute("UPDATE events SET hash = ?1 WHERE seq = 5", [hash]).unwrap();
    assert_eq!(fixture.verified().first_broken(), Some(6));
}

#[test]
fn removed_and_exchanged_events_are_found() {
    let fixture = filled(9);
    fixture.tampering().execute("DELETE FROM events WHERE seq IN (4, 5)", []).unwrap();
    let report = fixture.verified();
    assert_eq!(report.first_broken(), Some(4));
    assert_eq!((report.problems[0].fault, report.events), (Fault::Gap, 7));
    assert!(report.problems[0].detail.contains("4 to 5"), "{report:?}");

    let fixture = filled(9);
    fixture
        .tampering()
        .execute_batch(
            "UPDATE events SET seq = 100 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4;
             UPDATE events SET seq = 4 WHERE seq = 100;",
        )
        .unwrap();
    assert_eq!(fixture.verified().first_broken(), Some(3));

    let fixture = filled(3);
    fixture.tampering().execute("UPDATE events SET seq = 0 WHERE seq = 1", []).unwrap();
    assert_eq!(fixture.verified().first_broken(), Some(0));
}

#[test]
fn a_truncated_tail_is_found_and_stays_found() {
    let fixture = filled(9);
    fixture.tampering().execute("DELETE FROM events WHERE seq > 7", []).unwrap();
    let report = fixture.verified();
    assert_eq!(report.first_broken(), Some(8));
    assert_eq!(report.problems[0].fault, Fault::Truncated);
    // Numbers that are gone are not given again: that would cover the traces.
    assert_eq!(fixture.ledger.append(draft(EventKind::Tick, "repo")).unwrap().seq, 10);
    let report = fixture.verified();
    assert_eq!((report.first_broken(), report.problems[0].fault), (Some(8), Fault::Gap));

    let fixture = filled(9);
    fixture.tampering().execute_batch("DELETE FROM events; DELETE FROM commits;").unwrap();
    assert_eq!(fixture.verified().first_broken(), Some(1));

    let fixture = filled(9);
    fixture.tampering().execute("UPDATE sqlite_sequence SET seq = 3", []).unwrap();
    assert_eq!(fixture.verified().problems[0].fault, Fault::Truncated);
}

#[test]
fn the_table_refuses_changes() {
    let fixture = filled(3);
    let connection = Connection::open(fixture.path()).unwrap();
    for change in [
        "UPDATE events SET actor = 'x'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT 2, zeroblob(16), time_ns, kind, repo_id, card, actor, attributes, hash
         FROM events WHERE seq = 3",
        "INSERT OR REPLACE INTO events SELECT 9, event_id, time_ns, kind, repo_id, card, actor, attributes, hash
         FROM events WHERE seq = 3",
        "REPLACE INTO events SELECT * FROM events",
    ] {
        let error = connection.execute(change, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{change}: {error}");
    }
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn events_that_make_no_sense_are_found() {
    let fixture = filled(3);
    let tampering = fixture.tampering();
    tampering.execute("UPDATE events SET attributes = 'no json' WHERE seq = 2", []).unwrap();
    tampering.execute("UPDATE events SET kind = 'future' WHERE seq = 3", []).unwrap();
    let report = fixture.verified();
    let broken: Vec<_> =
        report.problems.iter().filter(|p| p.fault == Fault::Malformed).map(|p| p.seq).collect();
    assert_eq!(broken, [Some(2), Some(3)]);
    assert!(matches!(fixture.ledger.read(1, 9, &Filter::default()), Err(LedgerError::Corrupt { .. })));
    assert!(matches!(fixture.ledger.rebuild(), Err(LedgerError::Corrupt { .. })));
    assert_eq!(fixture.ledger.append(draft(EventKind::Tick, "repo")).unwrap().seq, 4);
}

#[test]
fn many_problems_are_counted() {
    let fixture = filled(100);
    fixture.tampering().execute_batch("DELETE FROM commits").unwrap();
    let of_projections: Vec<_> =
        fixture.verified().problems.into_iter().filter(|p| p.fault == Fault::Projection).collect();
    assert_eq!(of_projections.len(), 21);
    assert_eq!(of_projections[20].detail, "and 80 more");
}

#[test]
fn damaged_files_are_found() {
    let fixture = filled(2000);
    let path = fixture.path();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    let report = verify(&path).unwrap();
    assert!(report.problems.iter().any(|p| p.fault == Fault::Database), "{report:?}");

    bytes[..4096].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(verify(&path), Err(LedgerError::Corrupt { .. })));
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Corrupt { .. })));
}

#[test]
fn verify_works_beside_a_writer_and_without_one() {
    let fixture = filled(5);
    let beside = fixture.verified();
    assert_eq!((beside.events, beside.first_broken()), (5, None));
    let last = fixture.ledger.read(5, 1, &Filter::default()).unwrap().remove(0);
    assert_eq!(beside.head_hash, last.hash);
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    assert_eq!(fixture.verified(), beside);
    let missing = fixture.dir.path().join("missing");
    assert!(matches!(verify(&missing), Err(LedgerError::Io(_))));
    assert!(!missing.exists());
}
