//! The list of snapshots: what an event says of one, and the table of those
//! that are in the store.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, types::Type};

use super::event::stored_seq;

/// How faithful a snapshot can be, as stored.
const STATUSES: [&str; 3] = ["complete", "partial", "torn"];

/// What an event says of a snapshot that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The store's id; hexadecimal.
    pub id: String,
    /// Name of the repository at that time.
    pub repo_name: String,
    /// When it was taken.
    pub time: Timestamp,
    /// Why: a hook's name, "manual", …
    pub trigger: String,
    /// Short name of the branch, if one was checked out.
    pub branch: Option<String>,
    /// Commit that HEAD led to, if any; hexadecimal.
    pub head: Option<String>,
    /// `complete`, `partial` or `torn`.
    pub status: String,
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the store grew by.
    pub added: u64,
    /// Last event in a copy of the ledger; `None` for a repository's.
    pub ledger_seq: Option<u64>,
}

/// A snapshot that is in the store, as far as the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSnapshot {
    /// Id of the repository; empty for a copy of the ledger.
    pub repo_id: String,
    /// What is known of it.
    pub snapshot: SnapshotRecord,
}

impl SnapshotRecord {
    /// The attributes that say all this.
    pub(super) fn attributes(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut attributes: Vec<(_, Cow<'_, str>)> = vec![
            ("snapshot", (&self.id).into()),
            ("repo_name", (&self.repo_name).into()),
            ("time", self.time.to_string().into()),
            ("trigger", (&self.trigger).into()),
            ("status", (&self.status).into()),
            ("files", self.files.to_string().into()),
            ("bytes", self.bytes.to_string().into()),
            ("added", self.added.to_string().into()),
        ];
        attributes.extend(self.branch.as_ref().map(|branch| ("branch", branch.into())));
        attributes.extend(self.head.as_ref().map(|head| ("head", head.into())));
        attributes.extend(self.ledger_seq.map(|seq| ("seq", seq.to_string().into())));
        attributes
    }

    /// What these attributes say; the error says which cannot be understood.
    pub(super) fn derive(attributes: &BTreeMap<String, String>) -> Result<Self, String> {
        let wanted = |key: &str| {
            attributes.get(key).cloned().ok_or_else(|| format!("lack {key:?}, which a projection needs"))
        };
        let number = |key: &str| -> Result<u64, String> {
            let number = wanted(key)?.parse().map_err(|_| format!("have no number in {key:?}"))?;
            // What SQLite holds.
            if i64::try_from(number).is_ok() { Ok(number) } else { Err(format!("have too much in {key:?}")) }
        };
        let id = wanted("snapshot")?;
        if id.is_empty() || id.contains(char::is_whitespace) {
            return Err("have no id in \"snapshot\"".to_owned());
        }
        let time: Timestamp = wanted("time")?.parse().map_err(|_| "have no time in \"time\"")?;
        i64::try_from(time.as_nanosecond()).map_err(|_| "have a time beyond 64 bits of nanoseconds")?;
        let status = wanted("status")?;
        if !STATUSES.contains(&status.as_str()) {
            return Err("have an unknown \"status\"".to_owned());
        }
        Ok(Self {
            id,
            repo_name: wanted("repo_name")?,
            time,
            trigger: wanted("trigger")?,
            branch: attributes.get("branch").cloned(),
            head: attributes.get("head").cloned(),
            status,
            files: number("files")?,
            bytes: number("bytes")?,
            added: number("added")?,
            ledger_seq: attributes.contains_key("seq").then(|| number("seq")).transpose()?,
        })
    }

    /// Puts it into the table.
    pub(super) fn apply(&self, connection: &Connection, repo_id: &str, seq: u64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO snapshots ({COLUMNS}, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            ))?
            .execute((
                &self.id,
                repo_id,
                &self.repo_name,
                time_ns(self.time),
                &self.trigger,
                &self.branch,
                &self.head,
                &self.status,
                stored_seq(self.files),
                stored_seq(self.bytes),
                stored_seq(self.added),
                self.ledger_seq.map(stored_seq),
                stored_seq(seq),
            ))
            .map(drop)
    }
}

/// Takes snapshots out of the table.
pub(super) fn forget(connection: &Connection, ids: &[String]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM snapshots WHERE snapshot_id = ?1")?;
    ids.iter().try_for_each(|id| delete.execute([id]).map(drop))
}

/// Which snapshots are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// All of them.
    All,
    /// Of this repository.
    Repo(&'a str),
    /// Of this repository, taken then or before.
    Until(&'a str, Timestamp),
    /// Those whose ids begin so.
    Beginning(&'a str),
}

impl Of<'_> {
    fn has(&self, listed: &ListedSnapshot) -> bool {
        match self {
            Self::All => true,
            Self::Repo(repo_id) => listed.repo_id == *repo_id,
            Self::Until(repo_id, time) => listed.repo_id == *repo_id && listed.snapshot.time <= *time,
            Self::Beginning(digits) => listed.snapshot.id.starts_with(digits),
        }
    }
}

/// Snapshots that are not written yet, by id; `None`: one that is to be
/// forgotten.
pub(super) type PendingSnapshots = HashMap<String, Option<ListedSnapshot>>;

/// At most `limit` of those that are wanted, newest first, once what is not
/// written yet is taken into account.
pub(super) fn list(
    connection: &Connection,
    of: Of<'_>,
    limit: usize,
    pending: PendingSnapshots,
) -> rusqlite::Result<Vec<ListedSnapshot>> {
    // Rows that are not to be seen any more must not use up the limit.
    let rows = i64::try_from(limit.saturating_add(pending.len())).unwrap_or(i64::MAX);
    let mut found = match of {
        Of::All => select(connection, "true", [rows]),
        Of::Repo(repo_id) => select(connection, "repo_id = ?2", (rows, repo_id)),
        Of::Until(repo_id, time) => {
            select(connection, "repo_id = ?2 AND time_ns <= ?3", (rows, repo_id, time_ns(time)))
        }
        // No digit comes after "g".
        Of::Beginning(digits) => {
            select(connection, "snapshot_id >= ?2 AND snapshot_id < ?2 || 'g'", (rows, digits))
        }
    }?;
    if !pending.is_empty() {
        found.retain(|row| !pending.contains_key(&row.snapshot.id));
        found.extend(pending.into_values().flatten().filter(|row| of.has(row)));
        found.sort_by(|a, b| (b.snapshot.time, &b.snapshot.id).cmp(&(a.snapshot.time, &a.snapshot.id)));
        found.truncate(limit);
    }
    Ok(found)
}

fn select(
    connection: &Connection,
    condition: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<ListedSnapshot>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM snapshots WHERE {condition}
             ORDER BY time_ns DESC, snapshot_id DESC LIMIT ?1"
        ))?
        .query_map(params, from_row)?
        .collect()
}

/// The ids of all, once what is not written yet is taken into account.
pub(super) fn ids(connection: &Connection, pending: PendingSnapshots) -> rusqlite::Result<BTreeSet<String>> {
    let mut ids: BTreeSet<String> = connection
        .prepare_cached("SELECT snapshot_id FROM snapshots")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (id, listed) in pending {
        if listed.is_some() {
            ids.insert(id);
        } else {
            ids.remove(&id);
        }
    }
    Ok(ids)
}

/// The columns that [`from_row`] wants, in its order.
const COLUMNS: &str = "snapshot_id, repo_id, repo_name, time_ns, \"trigger\", branch, head, status, files, bytes, added, ledger_seq";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ListedSnapshot> {
    let number = |column: usize| -> rusqlite::Result<u64> {
        let number: i64 = row.get(column)?;
        u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
    };
    let time = Timestamp::from_nanosecond(i128::from(row.get::<_, i64>(3)?))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, Type::Integer, error.into()))?;
    Ok(ListedSnapshot {
        repo_id: row.get(1)?,
        snapshot: SnapshotRecord {
            id: row.get(0)?,
            repo_name: row.get(2)?,
            time,
            trigger: row.get(4)?,
            branch: row.get(5)?,
            head: row.get(6)?,
            status: row.get(7)?,
            files: number(8)?,
            bytes: number(9)?,
            added: number(10)?,
            ledger_seq: row.get::<_, Option<i64>>(11)?.map(|_| number(11)).transpose()?,
        },
    })
}

/// A time as SQLite takes it. None that is recorded is cut.
fn time_ns(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(if time > Timestamp::UNIX_EPOCH {
        i64::MAX
    } else {
        i64::MIN
    })
}
