use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, types::Type};

use super::{
    CommitState, EventDraft, EventRecord, Filter, LedgerError, Projection,
    chain::{Fields, GENESIS},
    event::{COLUMNS, get_seq, stored_seq},
    projection,
};

/// Attributes are for what scripts and people look up, not for documents: at
/// most this many bytes as JSON.
const MAX_ATTRIBUTES: usize = 1 << 20;

/// A draft that can be recorded, in the form in which it will be.
#[derive(Debug)]
pub(super) struct Entry {
    draft: EventDraft,
    json: String,
    time: Timestamp,
    time_ns: i64,
}

impl Entry {
    /// Checks a draft, and adds to its attributes what it projects.
    pub fn new(mut draft: EventDraft) -> Result<Self, LedgerError> {
        let invalid = |field, why: &str| Err(LedgerError::Invalid { field, why: why.to_owned() });
        if draft.actor.is_empty() {
            return invalid("actor", "is empty");
        }
        if let Some(projection) = &draft.projection {
            if draft.kind.is_card() {
                return invalid("projection", "is not for events about cards");
            }
            projection.add_to(&mut draft.attributes)?;
        }
        draft.projection = Projection::derive(draft.kind, &draft.attributes)
            .map_err(|why| LedgerError::Invalid { field: "attributes", why })?;
        if draft.projection.as_ref().is_some_and(Projection::needs_repo) && draft.repo_id.is_none() {
            return invalid("repo_id", "is missing, which a projection needs");
        }
        let json = canonical(&draft.attributes);
        if json.len() > MAX_ATTRIBUTES {
            return invalid("attributes", "are larger than 1 MiB");
        }
        Ok(Self { draft, json, time: Timestamp::UNIX_EPOCH, time_ns: 0 })
    }

    /// Says when it was taken in.
    pub fn stamp(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        self.time = now;
        self.time_ns = i64::try_from(now.as_nanosecond()).map_err(|_| LedgerError::Invalid {
            field: "time",
            why: format!("{now} is beyond what 64 bits of nanoseconds hold"),
        })?;
        Ok(())
    }

    /// What it projects, with the repository it is about; empty: none.
    pub fn projection(&self) -> Option<(&str, &Projection)> {
        let repo_id = self.draft.repo_id.as_deref().unwrap_or_default();
        self.draft.projection.as_ref().map(|projection| (repo_id, projection))
    }

    /// For the log.
    pub fn name(&self) -> String {
        format!("{} {}", self.draft.kind, self.draft.event_id)
    }
}

/// Attributes as they are stored and hashed: compact, in the map's order, which
/// is that of the keys' bytes.
fn canonical(attributes: &BTreeMap<String, String>) -> String {
    let object = attributes.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    serde_json::Value::Object(object).to_string()
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The last sequence number ever given.
    pub seq: u64,
    /// The last event's hash.
    pub hash: [u8; 32],
}

impl Tail {
    /// Reads it.
    ///
    /// A truncated tail leaves the table's counter ahead of the last event.
    /// The counter wins: the numbers that are gone are not given a second
    /// time, so that the gap stays to be seen.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let last = connection
            .prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok(Self { seq: get_seq(row, 0)?, hash: row.get(1)? }))
            .optional()?
            .unwrap_or(Self { seq: 0, hash: GENESIS });
        let given = counter(connection)?.unwrap_or(0);
        Ok(Self { seq: last.seq.max(given), hash: last.hash })
    }
}

/// The last sequence number that SQLite knows to have been given.
pub(super) fn counter(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?
        .query_row([], |row| get_seq(row, 0))
        .optional()
}

/// Records an entry inside the transaction that is open, and moves the tail; an
/// event that is there already is returned as it is.
pub(super) fn append(
    connection: &Connection,
    entry: &Entry,
    tail: &mut Tail,
) -> rusqlite::Result<EventRecord> {
    let Entry { draft, json, time, time_ns } = entry;
    let known = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE event_id = ?1"))?
        .query_row([draft.event_id.as_bytes()], EventRecord::from_row)
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let seq = tail.seq + 1;
    let fields = Fields {
        seq,
        event_id: draft.event_id.as_bytes(),
        time_ns: *time_ns,
        kind: draft.kind.as_str(),
        repo_id: draft.repo_id.as_deref(),
        card: draft.card.as_deref(),
        actor: &draft.actor,
        attributes: json,
    };
    let hash = fields.hash(&tail.hash);
    connection
        .prepare_cached(&format!(
            "INSERT INTO events ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ))?
        .execute((
            stored_seq(seq),
            fields.event_id,
            time_ns,
            fields.kind,
            fields.repo_id,
            fields.card,
            fields.actor,
            fields.attributes,
            hash,
        ))?;
    if let Some((repo_id, projection)) = entry.projection() {
        projection.apply(connection, repo_id, seq)?;
    }
    *tail = Tail { seq, hash };
    Ok(EventRecord {
        seq,
        event_id: draft.event_id,
        time: *time,
        kind: draft.kind,
        repo_id: draft.repo_id.clone(),
        card: draft.card.clone(),
        actor: draft.actor.clone(),
        attributes: draft.attributes.clone(),
        hash,
    })
}

/// Derives all projections anew from the events, inside the transaction that is
/// open; returns the number of events read.
pub(super) fn rebuild(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch("DELETE FROM verdicts; DELETE FROM commits; DELETE FROM snapshots;")?;
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM events ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let event = EventRecord::from_row(row)?;
        project(&event, connection)?;
        count += 1;
    }
    Ok(count)
}

/// Applies what one event projects.
pub(super) fn project(event: &EventRecord, to: &Connection) -> rusqlite::Result<()> {
    let projection = Projection::derive(event.kind, &event.attributes).map_err(|why| {
        let why = format!("the attributes of event {} {why}", event.seq);
        rusqlite::Error::FromSqlConversionFailure(7, Type::Text, why.into())
    })?;
    match (projection, event.repo_id.as_deref()) {
        (Some(projection), None) if projection.needs_repo() => Ok(()),
        (Some(projection), repo_id) => projection.apply(to, repo_id.unwrap_or_default(), event.seq),
        (None, _) => Ok(()),
    }
}

/// Events from a sequence number on, in order.
pub(super) fn read(
    connection: &Connection,
    from_seq: u64,
    limit: usize,
    filter: &Filter,
) -> rusqlite::Result<Vec<EventRecord>> {
    // One text for each shape, so that each has its own plan and is prepared once.
    let of_repo = if filter.repo_id.is_some() { "AND repo_id = ?3" } else { "AND ?3 IS NULL" };
    let of_kinds = if filter.kinds.is_empty() { "" } else { "AND kind IN (SELECT value FROM json_each(?4))" };
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = serde_json::Value::from(kinds).to_string();
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM events WHERE seq >= ?1 {of_repo} {of_kinds} AND ?4 IS NOT NULL
             ORDER BY seq LIMIT ?2"
        ))?
        .query_map(
            (stored_seq(from_seq), i64::try_from(limit).unwrap_or(i64::MAX), &filter.repo_id, kinds),
            EventRecord::from_row,
        )?
        .collect()
}

/// Whether a tree passed when it was judged last; `None`: it was not.
pub(super) fn verdict(
    connection: &Connection,
    repo_id: &str,
    base_tree: &str,
    tree: &str,
    policy: &str,
) -> rusqlite::Result<Option<bool>> {
    connection
        .prepare_cached(
            "SELECT outcome FROM verdicts
             WHERE repo_id = ?1 AND base_tree = ?2 AND tree = ?3 AND policy = ?4",
        )?
        .query_row([repo_id, base_tree, tree, policy], |row| parsed(row, projection::passed))
        .optional()
}

/// The trees that a tree passed against, once these verdicts (base tree, tree,
/// whether it passed) are taken into account that are not written yet.
pub(super) fn passed_against(
    connection: &Connection,
    repo_id: &str,
    tree: &str,
    policy: &str,
    pending: &[(String, String, bool)],
) -> rusqlite::Result<BTreeSet<String>> {
    let mut bases: BTreeSet<String> = connection
        .prepare_cached(
            "SELECT base_tree FROM verdicts
             WHERE repo_id = ?1 AND tree = ?2 AND policy = ?3 AND outcome = 'pass' LIMIT 100",
        )?
        .query_map([repo_id, tree, policy], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (base_tree, _, passed) in pending.iter().filter(|(_, of, _)| of == tree) {
        if *passed {
            bases.insert(base_tree.clone());
        } else {
            bases.remove(base_tree);
        }
    }
    Ok(bases)
}

/// How a commit stands; `None`: nothing is known of it.
pub(super) fn commit_state(
    connection: &Connection,
    repo_id: &str,
    commit_id: &str,
) -> rusqlite::Result<Option<CommitState>> {
    connection
        .prepare_cached("SELECT state FROM commits WHERE repo_id = ?1 AND commit_id = ?2")?
        .query_row([repo_id, commit_id], |row| parsed(row, CommitState::parse))
        .optional()
}

/// The unvalidated commits of a repository, once these states are taken into
/// account that are not written yet.
pub(super) fn unvalidated(
    connection: &Connection,
    repo_id: &str,
    pending: &[(String, CommitState)],
) -> rusqlite::Result<Vec<String>> {
    let mut commits: BTreeSet<String> = connection
        .prepare_cached("SELECT commit_id FROM commits WHERE repo_id = ?1 AND state = 'unvalidated'")?
        .query_map([repo_id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (commit_id, state) in pending {
        if *state == CommitState::Unvalidated {
            commits.insert(commit_id.clone());
        } else {
            commits.remove(commit_id);
        }
    }
    Ok(commits.into_iter().collect())
}

fn parsed<T>(row: &Row<'_>, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name = row.get_ref(0)?.as_str()?;
    parse(name).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("{name:?} is unknown").into())
    })
}
