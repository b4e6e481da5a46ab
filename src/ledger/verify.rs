use std::{cmp::Ordering, path::Path};

use rusqlite::{Connection, Row};

use super::{
    EventRecord, LedgerError,
    chain::{Fields, GENESIS},
    error::DuringContext,
    event::{COLUMNS, get_seq},
    schema, store,
};

/// How many problems of one sort are listed before they are only counted.
const LISTED: usize = 20;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Number of events read.
    pub events: u64,
    /// The last event's hash; zeros if there is none.
    pub head_hash: [u8; 32],
    /// What is wrong; empty: nothing. Those of the chain come first, in order.
    pub problems: Vec<Problem>,
}

impl VerifyReport {
    /// The first event that is not what it was, if any.
    pub fn first_broken(&self) -> Option<u64> {
        self.problems.iter().filter(|problem| problem.fault.is_of_the_chain()).find_map(|problem| problem.seq)
    }
}

/// One thing that is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The event it is about.
    pub seq: Option<u64>,
    /// What sort of thing it is.
    pub fault: Fault,
    /// What was found, for people.
    pub detail: String,
}

/// Sorts of things that are wrong with ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// An event's hash does not follow from the event and the one before.
    Hash,
    /// Sequence numbers are missing between two events.
    Gap,
    /// Events are missing at the end.
    Truncated,
    /// An event cannot be understood.
    Malformed,
    /// A projection is not what the events say: [`super::Ledger::rebuild`] mends it.
    Projection,
    /// Tables or triggers are not what this version creates.
    Schema,
    /// SQLite finds the file damaged.
    Database,
}

impl Fault {
    const fn is_of_the_chain(self) -> bool {
        matches!(self, Self::Hash | Self::Gap | Self::Truncated | Self::Malformed)
    }
}

/// Checks a ledger, whether or not somebody writes it meanwhile: recomputes the
/// chain, looks for gaps and a truncated tail, compares projections and schema
/// with what they should be, and has SQLite check the file.
///
/// What can be read and is wrong is in the report; an error means that the file
/// cannot be read as a ledger at all.
pub fn verify(path: &Path) -> Result<VerifyReport, LedgerError> {
    let connection = schema::open_reader(path)?;
    // One view of it all, however long this takes.
    let view = connection.unchecked_transaction().during("read", path)?;
    let version = schema::check_version(&view, schema::MIGRATIONS.len(), path)?;
    let model = schema::in_memory(version, path)?;
    let mut report = VerifyReport { events: 0, head_hash: GENESIS, problems: Vec::new() };

    let checks: [Check; 4] = [check_tail, check_projections, check_schema, check_file];
    let mut findings = Findings::default();
    if let Err(error) = check_chain(&view, &model, &mut report, &mut findings) {
        findings.add(None, Fault::Database, error.to_string());
    }
    report.problems.append(&mut findings.listed());
    for check in checks {
        let mut findings = Findings::default();
        if let Err(error) = check(&view, &model, &mut findings) {
            findings.add(None, Fault::Database, error.to_string());
        }
        report.problems.append(&mut findings.listed());
    }
    Ok(report)
}

/// Compares a ledger with a model of it.
type Check = fn(&Connection, &Connection, &mut Findings) -> rusqlite::Result<()>;

/// Problems of one check.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    left_out: Option<(Fault, u64)>,
}

impl Findings {
    fn add(&mut self, seq: Option<u64>, fault: Fault, detail: impl Into<String>) {
        if self.problems.len() < LISTED {
            self.problems.push(Problem { seq, fault, detail: detail.into() });
        } else {
            self.left_out = Some((fault, self.left_out.map_or(0, |(_, count)| count) + 1));
        }
    }

    fn listed(mut self) -> Vec<Problem> {
        if let Some((fault, count)) = self.left_out {
            self.problems.push(Problem { seq: None, fault, detail: format!("and {count} more") });
        }
        self.problems
    }
}

/// Walks the chain, and fills the model's projections on the way.
fn check_chain(
    view: &Connection,
    model: &Connection,
    report: &mut VerifyReport,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let mut statement = view.prepare(&format!("SELECT {COLUMNS} FROM events NOT INDEXED ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    model.execute_batch("BEGIN")?;
    let mut last = 0;
    while let Some(row) = rows.next()? {
        let seq = get_seq(row, 0)?;
        if seq == 0 {
            findings.add(Some(0), Fault::Malformed, "sequence numbers start at 1");
        } else if seq != last + 1 {
            let (first, until) = (last + 1, seq - 1);
            findings.add(Some(first), Fault::Gap, format!("events {first} to {until} are missing"));
        }
        last = seq;
        report.events += 1;
        match stored_and_computed(row, seq, &report.head_hash) {
            Ok((stored, computed)) => {
                if stored != computed {
                    findings.add(
                        Some(seq),
                        Fault::Hash,
                        "the hash does not follow from this event and the one before",
                    );
                }
                // With the stored one: what comes after is judged by itself.
                report.head_hash = stored;
            }
            Err(error) => findings.add(Some(seq), Fault::Malformed, error.to_string()),
        }
        if let Err(error) = EventRecord::from_row(row).and_then(|event| store::project(&event, model)) {
            findings.add(Some(seq), Fault::Malformed, error.to_string());
        }
    }
    model.execute_batch("COMMIT")
}

fn stored_and_computed(row: &Row<'_>, seq: u64, before: &[u8; 32]) -> rusqlite::Result<([u8; 32], [u8; 32])> {
    let text = |column| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
    let required = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let fields = Fields {
        seq,
        event_id: &row.get(1)?,
        time_ns: row.get(2)?,
        kind: required(3)?,
        repo_id: text(4)?,
        card: text(5)?,
        actor: required(6)?,
        attributes: required(7)?,
    };
    Ok((row.get(8)?, fields.hash(before)))
}

fn check_tail(view: &Connection, _: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let last = view.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| get_seq(row, 0))?;
    let given = store::counter(view)?.unwrap_or(0);
    match given.cmp(&last) {
        Ordering::Equal => {}
        Ordering::Greater => findings.add(
            Some(last + 1),
            Fault::Truncated,
            format!("events {} to {given} are missing at the end", last + 1),
        ),
        Ordering::Less => findings.add(
            None,
            Fault::Truncated,
            format!("the counter says {given}, the last event is {last}: the counter was changed"),
        ),
    }
    Ok(())
}

/// Compares the projections with the model's, which follow from the events.
fn check_projections(view: &Connection, model: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    for (table, query) in [
        (
            "verdicts",
            "SELECT repo_id, base_tree, tree, policy, outcome, seq FROM verdicts ORDER BY 1, 2, 3, 4",
        ),
        ("commits", "SELECT repo_id, commit_id, '', '', state, seq FROM commits ORDER BY 1, 2"),
        (
            "snapshots",
            "SELECT snapshot_id, '', '', '',
                    json_array(repo_id, repo_name, time_ns, \"trigger\", branch, head, status,
                               files, bytes, added, ledger_seq),
                    seq FROM snapshots ORDER BY 1",
        ),
    ] {
        // A ledger of an older version lacks the younger tables.
        if !model.table_exists(None, table)? {
            continue;
        }
        let (mut of_view, mut of_model) = (view.prepare(query)?, model.prepare(query)?);
        let mut actual = of_view.query_map([], Derived::from_row)?.peekable();
        let mut wanted = of_model.query_map([], Derived::from_row)?.peekable();
        loop {
            // Both are sorted by key: the smaller key is missing on the other side.
            let order = match (actual.peek(), wanted.peek()) {
                (None, None) => break,
                (Some(Ok(a)), Some(Ok(b))) => a.key.cmp(&b.key),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), Some(_)) => Ordering::Equal,
            };
            let a = if order.is_le() { actual.next().transpose()? } else { None };
            let b = if order.is_ge() { wanted.next().transpose()? } else { None };
            if a != b {
                let what = match (&a, &b) {
                    (Some(_), None) => "has a row that follows from no event",
                    (None, _) => "lacks what this event says",
                    (Some(_), Some(_)) => "says something else than this event",
                };
                let seq = b.or(a).map(|row| row.seq);
                findings.add(seq, Fault::Projection, format!("the table {table} {what}"));
            }
        }
    }
    Ok(())
}

/// A row of a projection.
#[derive(PartialEq)]
struct Derived {
    key: [String; 4],
    value: String,
    seq: u64,
}

impl Derived {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let key = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok(Self { key, value: row.get(4)?, seq: get_seq(row, 5)? })
    }
}

/// Compares the schema with the model's: a trigger that is gone lets events be
/// changed.
fn check_schema(view: &Connection, model: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let objects = |connection: &Connection| -> rusqlite::Result<Vec<(String, String)>> {
        connection
            .prepare(
                "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema
                 WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    let (actual, wanted) = (objects(view)?, objects(model)?);
    for (name, _) in wanted.iter().filter(|object| !actual.contains(object)) {
        findings.add(None, Fault::Schema, format!("the {name} is missing or changed"));
    }
    for (name, _) in actual.iter().filter(|(name, _)| !wanted.iter().any(|(known, _)| known == name)) {
        findings.add(None, Fault::Schema, format!("the {name} is not kpmo's"));
    }
    Ok(())
}

fn check_file(view: &Connection, _: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = view.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    for line in lines {
        let line = line?;
        if line != "ok" {
            findings.add(None, Fault::Database, line);
        }
    }
    Ok(())
}
