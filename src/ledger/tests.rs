mod backup;
mod chain;
mod concurrent;
mod crash;
mod full;
mod later;
mod projections;
mod schema;
mod snapshots;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    CommitState, EventDraft, EventKind, Filter, Ledger, LedgerError, Projection, SnapshotRecord,
    VerifyReport, queue::Task, verify,
};

/// A ledger in a directory of its own, with a clock that goes one second a look.
struct Fixture {
    dir: TempDir,
    ledger: Ledger,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(&dir.path().join("ledger.sqlite3"));
        Self { dir, ledger }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ledger.sqlite3")
    }

    fn verified(&self) -> VerifyReport {
        verify(&self.path()).unwrap()
    }

    /// A second connection, without the triggers: what somebody who tampers has.
    fn tampering(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 DROP TRIGGER events_are_not_updated;
                 DROP TRIGGER events_are_not_deleted;
                 DROP TRIGGER events_are_not_replaced;",
            )
            .unwrap();
        connection
    }
}

fn open(path: &std::path::Path) -> Ledger {
    let seconds = AtomicI64::new(1_700_000_000);
    let clock =
        move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).expect("it is this century");
    Ledger::open_with_clock(path, Arc::new(clock)).unwrap()
}

impl Ledger {
    /// Does something with the writer's own connection, before whatever is
    /// asked of the ledger next.
    fn with_writer<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let run = Task::Run(Box::new(move |connection| done.send(work(connection)).unwrap()));
        self.shared().queue.push_task(run).unwrap();
        result.recv().unwrap()
    }

    /// Keeps the writer busy until the returned sender is dropped.
    fn hold_writer(&self) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let run = Task::Run(Box::new(move |_| assert!(held.recv().is_err())));
        self.shared().queue.push_task(run).unwrap();
        release
    }
}

fn draft(kind: EventKind, repo_id: &str) -> EventDraft {
    EventDraft { repo_id: Some(repo_id.to_owned()), ..EventDraft::new(kind, "test") }
}

fn verdict(tree: &str, passed: bool) -> EventDraft {
    EventDraft {
        projection: Some(Projection::Verdict {
            base_tree: "base".to_owned(),
            tree: tree.to_owned(),
            policy: "policy".to_owned(),
            passed,
        }),
        ..draft(EventKind::Verdict, "repo")
    }
}

fn commit(commit_id: &str, state: CommitState) -> EventDraft {
    EventDraft {
        projection: Some(Projection::Commits { ids: vec![commit_id.to_owned()], state }),
        ..draft(EventKind::HeadMoved, "repo")
    }
}

/// A snapshot that was taken so many seconds after the others' beginning.
fn taken(id: &str, second: i64) -> SnapshotRecord {
    SnapshotRecord {
        id: id.to_owned(),
        repo_name: "name".to_owned(),
        time: Timestamp::from_second(1_600_000_000 + second).unwrap(),
        trigger: "post-commit".to_owned(),
        branch: Some("main".to_owned()),
        head: None,
        status: "complete".to_owned(),
        files: 1,
        bytes: 2,
        added: 3,
        ledger_seq: None,
    }
}

fn snapshot(repo_id: &str, record: SnapshotRecord) -> EventDraft {
    EventDraft {
        projection: Some(Projection::Snapshot(Box::new(record))),
        ..draft(EventKind::Snapshot, repo_id)
    }
}

fn forgotten(ids: &[&str]) -> EventDraft {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    EventDraft {
        projection: Some(Projection::Forgotten { ids }),
        ..EventDraft::new(EventKind::SnapshotsForgotten, "test")
    }
}

#[test]
fn an_event_comes_back_as_it_was_recorded() {
    let fixture = Fixture::new();
    let mut sent = draft(EventKind::Closed, "repo");
    sent.card = Some("TASK-B06".to_owned());
    sent.attributes.insert("ключ \"\\\n".to_owned(), "значение \u{0}\u{7f}".to_owned());
    sent.attributes.insert(String::new(), String::new());
    let record = fixture.ledger.append(sent.clone()).unwrap();

    assert_eq!(record.seq, 1);
    assert_eq!(record.event_id, sent.event_id);
    assert_eq!(record.time, Timestamp::from_second(1_700_000_000).unwrap());
    assert_eq!((record.kind, &record.card), (EventKind::Closed, &sent.card));
    assert_eq!(record.attributes, sent.attributes);
    assert_eq!(fixture.ledger.read(0, 10, &Filter::default()).unwrap(), std::slice::from_ref(&record));
    assert_eq!(fixture.ledger.head(), 1);

    let path = fixture.path();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    assert!(matches!(fixture.ledger.append(sent.clone()), Err(LedgerError::Closed)));
    assert!(matches!(fixture.ledger.read(0, 1, &Filter::default()), Err(LedgerError::Closed)));
    let again = open(&path);
    assert_eq!(again.head(), 1);
    assert_eq!(again.read(1, 10, &Filter::default()).unwrap(), [record]);
}

#[test]
fn closing_leaves_one_file() {
    let fixture = Fixture::new();
    fixture.ledger.append(draft(EventKind::Tick, "repo")).unwrap();
    fixture.ledger.read(1, 1, &Filter::default()).unwrap();
    fixture.ledger.clone().close(std::time::Duration::from_secs(10));
    let names: Vec<_> =
        fixture.dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ledger.sqlite3"]);
}

#[test]
fn dropping_the_last_handle_writes_what_is_pending() {
    let fixture = Fixture::new();
    let path = fixture.path();
    for _ in 0..100 {
        fixture.ledger.append_later(draft(EventKind::Tick, "repo"));
    }
    drop(fixture.ledger);
    assert_eq!(open(&path).head(), 100);
}

#[test]
fn a_repeated_id_is_recorded_once() {
    let fixture = Fixture::new();
    let first = draft(EventKind::Open, "repo");
    let record = fixture.ledger.append(first.clone()).unwrap();
    let other = EventDraft { event_id: first.event_id, ..draft(EventKind::Closed, "other") };
    assert_eq!(fixture.ledger.append(other.clone()).unwrap(), record);

    // Within one group, too.
    let held = fixture.ledger.hold_writer();
    let third = draft(EventKind::Wip, "repo");
    fixture.ledger.append_later(third.clone());
    fixture.ledger.append_later(third.clone());
    drop(held);
    let again = fixture.ledger.append(third).unwrap();
    assert_eq!((again.seq, fixture.ledger.head()), (2, 2));
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn drafts_that_say_two_things_are_refused() {
    let fixture = Fixture::new();
    let field = |draft| match fixture.ledger.append(draft) {
        Err(LedgerError::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let with = |mut draft: EventDraft, key: &str, value: &str| {
        draft.attributes.insert(key.to_owned(), value.to_owned());
        draft
    };
    assert_eq!(field(EventDraft { repo_id: None, ..verdict("t", true) }), "repo_id");
    assert_eq!(field(EventDraft { actor: String::new(), ..verdict("t", true) }), "actor");
    assert_eq!(field(EventDraft { kind: EventKind::Commit, ..verdict("t", true) }), "projection");
    assert_eq!(field(with(verdict("t", true), "outcome", "refuse")), "attributes");
    assert_eq!(field(with(draft(EventKind::Push, "repo"), Projection::KEY, "what")), "attributes");
    assert_eq!(field(with(draft(EventKind::Push, "repo"), Projection::KEY, "verdict")), "attributes");
    assert_eq!(field(with(draft(EventKind::Push, "repo"), "x", &"x".repeat(1 << 20))), "attributes");
    assert_eq!(fixture.ledger.head(), 0);
}

#[test]
fn filters_choose_kinds_and_repositories() {
    let fixture = Fixture::new();
    for kind in [EventKind::Open, EventKind::Wip, EventKind::Tick, EventKind::Wip] {
        for repo in ["a", "b"] {
            fixture.ledger.append_later(draft(kind, repo));
        }
    }
    fixture.ledger.append(EventDraft::new(EventKind::GovernorStarted, "governor")).unwrap();
    let seqs = |from, limit, kinds: &[EventKind], repo: Option<&str>| -> Vec<u64> {
        let filter = Filter { kinds: kinds.to_vec(), repo_id: repo.map(str::to_owned) };
        fixture.ledger.read(from, limit, &filter).unwrap().iter().map(|event| event.seq).collect()
    };
    assert_eq!(seqs(0, usize::MAX, &[], None), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(seqs(4, 2, &[], None), [4, 5]);
    assert_eq!(seqs(1, 9, &[EventKind::Wip], None), [3, 4, 7, 8]);
    assert_eq!(seqs(4, 9, &[EventKind::Wip, EventKind::Tick], Some("a")), [5, 7]);
    assert_eq!(seqs(1, 9, &[], Some("b")), [2, 4, 6, 8]);
    assert!(seqs(u64::MAX, 9, &[], None).is_empty());
}

#[test]
fn kinds_have_names_of_their_own() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
    }
    assert_eq!(EventKind::parse("Verdict"), None);
    let names: std::collections::HashSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), EventKind::ALL.len());
}
