//! Reading a ledger without the governor that may be writing it.

use std::path::Path;

use rusqlite::Connection;

use super::{EventKind, EventRecord, LedgerError, error::DuringContext, event::COLUMNS, schema, store};

/// At most `limit` events of these kinds, newest first; about one repository, if
/// its id is given.
pub fn newest(
    path: &Path,
    kinds: &[EventKind],
    repo_id: Option<&str>,
    limit: u32,
) -> Result<Vec<EventRecord>, LedgerError> {
    let connection = open(path)?;
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let names = serde_json::Value::from(names).to_string();
    let read = || {
        connection
            .prepare(&format!(
                "SELECT {COLUMNS} FROM events
                 WHERE kind IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR repo_id = ?2)
                 ORDER BY seq DESC LIMIT ?3"
            ))?
            .query_map((&names, repo_id, limit), EventRecord::from_row)?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    read().during("read", path)
}

/// The commits of a repository that are unvalidated, whether or not they are
/// still there; those that are on disk.
pub fn unvalidated(path: &Path, repo_id: &str) -> Result<Vec<String>, LedgerError> {
    store::unvalidated(&open(path)?, repo_id, &[]).during("read", path)
}

/// Whether anything is known of how a commit stands; on disk.
pub fn knows_commit(path: &Path, repo_id: &str, commit: &str) -> Result<bool, LedgerError> {
    let state = store::commit_state(&open(path)?, repo_id, commit).during("read", path)?;
    Ok(state.is_some())
}

fn open(path: &Path) -> Result<Connection, LedgerError> {
    let connection = schema::open_reader(path)?;
    schema::check_version(&connection, schema::MIGRATIONS.len(), path)?;
    Ok(connection)
}
