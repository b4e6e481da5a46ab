use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ledger::{
    schema::{MIGRATIONS, check_version, open_writer},
    store::{self, Entry, Tail},
};

const NEXT: &str = "ALTER TABLE events ADD COLUMN note TEXT; CREATE INDEX events_by_card ON events (card);";

#[test]
fn an_older_ledger_is_migrated() {
    let fixture = Fixture::new();
    fixture.ledger.append(verdict("a", true)).unwrap();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    let newer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    let connection = open_writer(&fixture.path(), &newer).unwrap();
    assert_eq!(check_version(&connection, newer.len(), &fixture.path()).unwrap() as usize, newer.len());
    let (events, notes): (i64, i64) = connection
        .query_row("SELECT count(*), count(note) FROM events", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((events, notes), (1, 0));
}

/// What the first version wrote is read, checked and carried on by this one.
#[test]
fn a_ledger_of_the_first_version_is_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite3");
    let connection = open_writer(&path, &MIGRATIONS[..1]).unwrap();
    let mut tail = Tail::of(&connection).unwrap();
    for draft in [verdict("a", true), commit("1", CommitState::Unvalidated)] {
        store::append(&connection, &Entry::new(draft).unwrap(), &mut tail).unwrap();
    }
    connection.close().unwrap();
    let report = verify(&path).unwrap();
    assert_eq!((report.events, report.problems), (2, vec![]), "before it is migrated");

    let ledger = open(&path);
    assert_eq!(verify(&path).unwrap().problems, []);
    assert_eq!(ledger.verdict("repo", "base", "a", "policy").unwrap(), Some(true));
    assert_eq!(ledger.snapshots(None, 9).unwrap(), []);
    assert_eq!(ledger.append(snapshot("repo", taken("aa", 1))).unwrap().seq, 3);
    assert_eq!(ledger.last_snapshot("repo").unwrap().unwrap().snapshot, taken("aa", 1));
    assert_eq!(ledger.rebuild().unwrap(), 3);
    let report = verify(&path).unwrap();
    assert_eq!((report.events, report.problems), (3, vec![]));
}

#[test]
fn a_migration_that_fails_leaves_the_version_before() {
    let fixture = Fixture::new();
    fixture.ledger.append(verdict("a", true)).unwrap();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    let broken: Vec<&str> =
        MIGRATIONS.iter().copied().chain(["CREATE TABLE new (a); CREATE TABLE events (b);"]).collect();
    assert!(open_writer(&fixture.path(), &broken).is_err());
    assert_eq!(open(&fixture.path()).append(verdict("b", true)).unwrap().seq, 2);
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn a_newer_ledger_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    Connection::open(fixture.path()).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
    let before = std::fs::read(fixture.path()).unwrap();
    let known = u32::try_from(MIGRATIONS.len()).unwrap();
    for error in [Ledger::open(&fixture.path()).unwrap_err(), verify(&fixture.path()).unwrap_err()] {
        assert!(matches!(error, LedgerError::TooNew { found: 7, known: k, .. } if k == known), "{error}");
        assert!(error.to_string().contains("ledger.sqlite3"), "{error}");
    }
    assert_eq!(std::fs::read(fixture.path()).unwrap(), before);
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (a)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Corrupt { .. })));
    assert!(matches!(verify(&path), Err(LedgerError::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(&path, "Dear diary, today I was quite long enough to be a file header. ".repeat(99))
        .unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Corrupt { .. })));
    let nowhere = dir.path().join("missing").join("ledger");
    assert!(matches!(Ledger::open(&nowhere), Err(LedgerError::Io(_))));
}

#[test]
fn only_the_owner_may_read_it() {
    let fixture = Fixture::new();
    fixture.ledger.append(verdict("a", true)).unwrap();
    let modes = || -> Vec<u32> {
        let entries = fixture.dir.path().read_dir().unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o7777).collect()
    };
    assert_eq!(modes(), [0o600; 3]);
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    std::fs::set_permissions(fixture.path(), std::fs::Permissions::from_mode(0o664)).unwrap();
    let again = open(&fixture.path());
    again.append(verdict("b", true)).unwrap();
    assert_eq!(modes(), [0o600; 3]);
}

#[test]
fn the_connection_is_set_up_for_durability() {
    let fixture = Fixture::new();
    let settings = fixture.ledger.with_writer(|connection| {
        ["journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout"].map(|name| {
            connection
                .query_row(&format!("PRAGMA {name}"), [], |row| {
                    Ok(match row.get_ref(0)? {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        other => other.as_str()?.to_owned(),
                    })
                })
                .unwrap()
        })
    });
    assert_eq!(settings, ["wal", "2", "1", "0", "5000"]);
}
