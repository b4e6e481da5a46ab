use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use super::{
    CommitState, EventDraft, EventRecord, Filter, LedgerError, ListedSnapshot, backup,
    error::DuringContext,
    pending::Pending,
    queue::{Queue, Task},
    readers::Readers,
    schema,
    snapshots::{self, Of},
    steps,
    store::{self, Entry, Tail},
    writer,
};
use crate::fs::IoContext;

/// What tells the ledger the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long the last handle waits for what is still to be written.
const DRAIN_ON_DROP: Duration = Duration::from_secs(5);

/// The ledger, open for reading and writing. Clones are handles to the same one.
///
/// Every method but [`Ledger::append_async`], [`Ledger::append_later`],
/// [`Ledger::head`], [`Ledger::subscribe`] and [`Ledger::problem`] may wait for
/// the disk: call them on threads that may block.
#[derive(Clone)]
pub struct Ledger {
    handle: Arc<Handle>,
}

/// What handles and the writer's thread share.
pub(super) struct Shared {
    pub path: PathBuf,
    pub queue: Queue,
    pub readers: Readers,
    pub head: watch::Sender<u64>,
    clock: Clock,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.queue.wait_for_end(DRAIN_ON_DROP);
    }
}

impl Ledger {
    /// Opens the ledger at `path` for writing, creates it (mode 0600) if it isn't
    /// there, and brings its schema up to date. The directory must exist.
    ///
    /// [`LedgerError::TooNew`] if a newer kpmo wrote it, [`LedgerError::Corrupt`]
    /// if it is something else. That there is one writer in a home is up to the
    /// governor's lock; a second one would be correct, and slow.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with_clock(path, Arc::new(Timestamp::now))
    }

    /// As [`Ledger::open`]; events get their times from `clock`.
    pub fn open_with_clock(path: &Path, clock: Clock) -> Result<Self, LedgerError> {
        let connection = schema::open_writer(path, schema::MIGRATIONS)?;
        let last = Tail::of(&connection).during("read", path)?.seq;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            queue: Queue::default(),
            readers: Readers::new(path),
            head: watch::Sender::new(last),
            clock,
        });
        let of_writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(connection, &of_writer))
            .at("start the writer of", path)?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// Records an event; it is on disk when this returns. A repeated `event_id`
    /// is recorded once, and answered with the first record.
    ///
    /// On an error nothing was recorded; the next call is a fresh attempt.
    pub fn append(&self, draft: EventDraft) -> Result<EventRecord, LedgerError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let reply = Box::new(move |result| drop(reply.send(result)));
        let shared = self.shared();
        shared.queue.push(Entry::new(draft)?, &*shared.clock, reply)?;
        answer.recv().unwrap_or(Err(LedgerError::Closed))
    }

    /// As [`Ledger::append`], without blocking the thread. Dropping the future
    /// does not take the event back.
    pub async fn append_async(&self, draft: EventDraft) -> Result<EventRecord, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(move |result| drop(reply.send(result)));
        let shared = self.shared();
        shared.queue.push_async(Entry::new(draft)?, &*shared.clock, reply).await?;
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Takes an event in and returns at once: it is written with the next group,
    /// and lookups of what it projects see it from now on.
    ///
    /// While the ledger can't be written, 10,000 such events are kept and tried
    /// again; beyond that the oldest are lost, and counted in the log and in
    /// [`Ledger::problem`]. An event that can't be recorded at all is logged.
    pub fn append_later(&self, draft: EventDraft) {
        let name = format!("{} {}", draft.kind, draft.event_id);
        let shared = self.shared();
        let taken = Entry::new(draft).and_then(|entry| shared.queue.push_later(entry, &*shared.clock));
        if let Err(error) = taken {
            tracing::error!(event = name, %error, "an event is lost");
        }
    }

    /// Whether a tree passed when it was last judged against this base by this
    /// policy; `None` if it never was.
    pub fn verdict(
        &self,
        repo_id: &str,
        base_tree: &str,
        tree: &str,
        policy: &str,
    ) -> Result<Option<bool>, LedgerError> {
        let shared = self.shared();
        // In this order: what is no longer pending is in the table by then.
        match shared.queue.pending(|pending| pending.verdict(repo_id, base_tree, tree, policy)) {
            Some(passed) => Ok(Some(passed)),
            None => shared.readers.with(|reader| store::verdict(reader, repo_id, base_tree, tree, policy)),
        }
    }

    /// Whether a tree passed by steps: each against the tree before it, the first
    /// one against `base_tree`, all by this policy. What a step brought was judged
    /// with it. Few steps are looked at; false may mean that there were more.
    pub fn passed_by_steps(
        &self,
        repo_id: &str,
        base_tree: &str,
        tree: &str,
        policy: &str,
    ) -> Result<bool, LedgerError> {
        let shared = self.shared();
        let pending = shared.queue.pending(|pending| pending.verdicts_of(repo_id, policy));
        shared.readers.with(|reader| {
            let before = |tree: &str| store::passed_against(reader, repo_id, tree, policy, &pending);
            steps::lead(base_tree, tree, before)
        })
    }

    /// How a commit stands with the rules; `None` if nothing is known of it.
    pub fn commit_state(&self, repo_id: &str, commit_id: &str) -> Result<Option<CommitState>, LedgerError> {
        let shared = self.shared();
        match shared.queue.pending(|pending| pending.commit(repo_id, commit_id)) {
            Some(state) => Ok(Some(state)),
            None => shared.readers.with(|reader| store::commit_state(reader, repo_id, commit_id)),
        }
    }

    /// The commits of a repository that are unvalidated, whether or not they are
    /// still there.
    pub fn unvalidated(&self, repo_id: &str) -> Result<Vec<String>, LedgerError> {
        let shared = self.shared();
        let pending = shared.queue.pending(|pending| pending.commits_of(repo_id));
        shared.readers.with(|reader| store::unvalidated(reader, repo_id, &pending))
    }

    /// At most `limit` snapshots of a repository, newest first; `Some("")`: copies
    /// of the ledger; `None`: all, these among them.
    pub fn snapshots(&self, repo_id: Option<&str>, limit: usize) -> Result<Vec<ListedSnapshot>, LedgerError> {
        self.listed(repo_id.map_or(Of::All, Of::Repo), limit)
    }

    /// The newest snapshot of a repository.
    pub fn last_snapshot(&self, repo_id: &str) -> Result<Option<ListedSnapshot>, LedgerError> {
        Ok(self.listed(Of::Repo(repo_id), 1)?.pop())
    }

    /// The newest snapshot of a repository that was taken at `time` or before.
    pub fn snapshot_at(&self, repo_id: &str, time: Timestamp) -> Result<Option<ListedSnapshot>, LedgerError> {
        Ok(self.listed(Of::Until(repo_id, time), 1)?.pop())
    }

    /// At most `limit` snapshots, newest first, whose ids begin with these
    /// hexadecimal digits (lower case).
    pub fn snapshots_beginning(
        &self,
        digits: &str,
        limit: usize,
    ) -> Result<Vec<ListedSnapshot>, LedgerError> {
        self.listed(Of::Beginning(digits), limit)
    }

    /// The ids of all snapshots, to compare with the store's.
    pub fn snapshot_ids(&self) -> Result<BTreeSet<String>, LedgerError> {
        let shared = self.shared();
        let pending = shared.queue.pending(Pending::snapshots);
        shared.readers.with(|reader| snapshots::ids(reader, pending))
    }

    fn listed(&self, of: Of<'_>, limit: usize) -> Result<Vec<ListedSnapshot>, LedgerError> {
        let shared = self.shared();
        // In this order: what is no longer pending is in the table by then.
        let pending = shared.queue.pending(Pending::snapshots);
        shared.readers.with(|reader| snapshots::list(reader, of, limit, pending))
    }

    /// Copies all that is on disk to a new file at `path` (mode 0600, a ledger
    /// that [`super::verify`] passes), while writing goes on; returns the number
    /// of the last event in the copy, 0 if there is none.
    ///
    /// [`LedgerError::Io`] if there is a file already or none can be made,
    /// [`LedgerError::DiskFull`] if it does not fit; then nothing is left there.
    pub fn backup_to(&self, path: &Path) -> Result<u64, LedgerError> {
        self.shared().readers.with(|reader| Ok(backup::copy(reader, path)))?
    }

    /// At most `limit` events from sequence number `from_seq` on, in order; those
    /// that are on disk.
    ///
    /// To follow: ask [`Ledger::head`] first, then read. Fewer events than
    /// `limit` mean that all up to that head were looked at, so the next read
    /// starts behind it (or behind the last event, if that is further).
    pub fn read(
        &self,
        from_seq: u64,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<EventRecord>, LedgerError> {
        self.shared().readers.with(|reader| store::read(reader, from_seq, limit, filter))
    }

    /// The last sequence number on disk; 0: there is none.
    pub fn head(&self) -> u64 {
        *self.shared().head.borrow()
    }

    /// Tells of each new [`Ledger::head`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared().head.subscribe()
    }

    /// Waits until all that was taken in before is on disk; an error says why it
    /// can't be written now.
    pub fn flush(&self) -> Result<(), LedgerError> {
        self.task(Task::Flush)
    }

    /// Derives the tables of verdicts, commits and snapshots anew from the events,
    /// in one transaction; returns the number of events.
    pub fn rebuild(&self) -> Result<u64, LedgerError> {
        self.task(Task::Rebuild)
    }

    /// Takes nothing in any more, for all handles, and waits `within` that time
    /// for what was taken in to be written. What takes longer goes on meanwhile,
    /// and is logged if it fails.
    pub fn close(self, within: Duration) {
        self.shared().queue.close();
        if !self.shared().queue.wait_for_end(within) {
            tracing::warn!("the ledger is still being written");
        }
    }

    /// What keeps the ledger from being written: what, where, and how to mend it.
    /// `None` as soon as writing works again.
    pub fn problem(&self) -> Option<String> {
        self.shared().queue.problem()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn task<T: Send + 'static>(
        &self,
        task: impl FnOnce(Box<dyn FnOnce(Result<T, LedgerError>) + Send>) -> Task,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.shared().queue.push_task(task(Box::new(move |result| drop(reply.send(result)))))?;
        answer.recv().unwrap_or(Err(LedgerError::Closed))
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.shared().path).field("head", &self.head()).finish()
    }
}
