use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{EventRecord, LedgerError, pending::Pending, store::Entry};

/// How many callers may wait for the disk before others wait to be let in.
const MAX_WAITING: usize = 1024;
/// How many events nobody waits for are kept while they can't be written.
pub(super) const MAX_LATER: usize = 10_000;
/// How many events go into one transaction.
const MAX_GROUP: usize = 1024;
/// How long an event that nobody waits for may wait for company. A sync of the
/// disk holds up whoever writes files at that moment, and right after a hook
/// that is git.
const LINGER: Duration = Duration::from_millis(150);
/// How long after a failure what nobody waits for is tried again.
const RETRY: Duration = Duration::from_secs(3);

pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, LedgerError>) + Send>;

/// An event on its way to the disk.
pub(super) struct Append {
    pub entry: Entry,
    /// Tells this event from others in [`Pending`].
    pub ticket: u64,
    /// Whoever waits for it; `None`: nobody does.
    pub reply: Option<Reply<EventRecord>>,
}

/// Something that takes its turn between the events.
pub(super) enum Task {
    /// Says when all before it was written.
    Flush(Reply<()>),
    /// Derives the projections anew.
    Rebuild(Reply<u64>),
    /// Does something with the connection.
    #[cfg(test)]
    Run(Box<dyn FnOnce(&rusqlite::Connection) + Send>),
}

#[expect(clippy::large_enum_variant, reason = "nearly all jobs are events")]
enum Job {
    Append(Append),
    Task(Task),
}

/// What the writer is to do next.
pub(super) enum Work {
    /// Write these, in this order, in one transaction.
    Group(Vec<Append>),
    Task(Task),
    /// Nothing will come any more.
    End,
}

/// What goes from the callers to the writer: first in, first out.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is work, or none will come.
    work: Condvar,
    /// There is room for another caller, or the writer has ended.
    room: Condvar,
    room_async: Notify,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// How many of `jobs` somebody waits for.
    waiting: usize,
    last_ticket: u64,
    /// How many events were dropped since writing last worked.
    dropped: u64,
    pending: Pending,
    /// Writing failed: nothing is tried before then, unless something comes.
    retry_at: Option<Instant>,
    /// Until when events that nobody waits for may wait for company.
    linger_until: Option<Instant>,
    problem: Option<String>,
    closing: bool,
    ended: bool,
}

impl Queue {
    /// Lets an event in that somebody waits for, as soon as there is room.
    pub fn push(
        &self,
        entry: Entry,
        clock: impl Fn() -> Timestamp,
        reply: Reply<EventRecord>,
    ) -> Result<(), LedgerError> {
        let mut state = self.lock();
        while state.waiting >= MAX_WAITING && !state.closing {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.admit(&mut state, entry, &clock, Some(reply))
    }

    /// As [`Queue::push`], for asynchronous callers.
    pub async fn push_async(
        &self,
        entry: Entry,
        clock: impl Fn() -> Timestamp,
        reply: Reply<EventRecord>,
    ) -> Result<(), LedgerError> {
        loop {
            // Registered before the look, so that no wake-up is missed after it.
            let room = self.room_async.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.lock();
                if state.waiting < MAX_WAITING || state.closing {
                    return self.admit(&mut state, entry, &clock, Some(reply));
                }
            }
            room.await;
        }
    }

    /// Takes an event in that nobody waits for. If too many are kept already,
    /// the oldest is dropped.
    pub fn push_later(&self, entry: Entry, clock: impl Fn() -> Timestamp) -> Result<(), LedgerError> {
        let mut state = self.lock();
        self.admit(&mut state, entry, &clock, None)?;
        state.drop_beyond_limit();
        Ok(())
    }

    /// Lines a task up behind what is there.
    pub fn push_task(&self, task: Task) -> Result<(), LedgerError> {
        let mut state = self.lock();
        if state.closing {
            return Err(LedgerError::Closed);
        }
        state.jobs.push_back(Job::Task(task));
        state.retry_at = None;
        self.work.notify_one();
        Ok(())
    }

    /// Waits for work.
    pub fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            if state.jobs.is_empty() && state.closing {
                return Work::End;
            }
            let now = Instant::now();
            match state.retry_at.filter(|at| *at > now && !state.closing) {
                _ if state.jobs.is_empty() => {
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(at) => {
                    let waited = self.work.wait_timeout(state, at - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => match state.linger_until.filter(|at| *at > now && state.may_linger()) {
                    Some(at) => {
                        let waited = self.work.wait_timeout(state, at - now);
                        state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                    None => break,
                },
            }
        }
        state.linger_until = None;
        let mut group = Vec::new();
        while group.len() < MAX_GROUP {
            match state.jobs.pop_front() {
                Some(Job::Append(append)) => group.push(append),
                Some(Job::Task(task)) if group.is_empty() => return Work::Task(task),
                Some(task @ Job::Task(_)) => {
                    state.jobs.push_front(task);
                    break;
                }
                None => break,
            }
        }
        state.waiting -= group.iter().filter(|append| append.reply.is_some()).count();
        drop(state);
        self.room.notify_all();
        self.room_async.notify_waiters();
        Work::Group(group)
    }

    /// Writing worked: what these events project is found in the tables now.
    pub fn written(&self, group: &[Append]) {
        let mut state = self.lock();
        state.forget(group);
        state.problem = None;
        state.retry_at = None;
        if state.dropped > 0 {
            tracing::error!(dropped = state.dropped, "the ledger is written again; events were lost");
            state.dropped = 0;
        }
    }

    /// These events will never be written.
    pub fn given_up(&self, group: &[Append]) {
        self.lock().forget(group);
    }

    /// Writing failed. What nobody waits for goes back to the front of the
    /// queue; all that somebody waits for, in the group or in the queue, is
    /// handed back to be refused.
    pub fn failed(&self, group: Vec<Append>, why: &LedgerError) -> (Vec<Append>, Vec<Task>) {
        let mut state = self.lock();
        if state.problem.is_none() {
            tracing::error!(error = %why, "the ledger cannot be written");
        }
        state.problem = Some(why.to_string());
        state.retry_at = Some(Instant::now() + RETRY);
        state.waiting = 0;
        let mut refused = Vec::new();
        let mut tasks = Vec::new();
        let queued = std::mem::take(&mut state.jobs);
        for job in group.into_iter().map(Job::Append).chain(queued) {
            match job {
                Job::Append(append) if append.reply.is_some() => refused.push(append),
                Job::Task(task) => tasks.push(task),
                later @ Job::Append(_) => state.jobs.push_back(later),
            }
        }
        state.drop_beyond_limit();
        if state.closing && !state.jobs.is_empty() {
            tracing::error!(lost = state.jobs.len(), "the ledger is closed with events unwritten");
            state.jobs.clear();
        }
        drop(state);
        self.room.notify_all();
        self.room_async.notify_waiters();
        (refused, tasks)
    }

    /// Lets nothing in any more; what is there is still written.
    pub fn close(&self) {
        self.lock().closing = true;
        self.work.notify_all();
        self.room.notify_all();
        self.room_async.notify_waiters();
    }

    /// The writer is gone. Whoever still waits is told so by their reply being
    /// dropped.
    pub fn end(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.ended = true;
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        drop(left);
        self.room.notify_all();
        self.room_async.notify_waiters();
    }

    /// Waits until the writer is gone; false if it isn't `within` that time.
    pub fn wait_for_end(&self, within: Duration) -> bool {
        let waited = self.room.wait_timeout_while(self.lock(), within, |state| !state.ended);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Looks at what is not written yet.
    pub fn pending<T>(&self, look: impl FnOnce(&Pending) -> T) -> T {
        look(&self.lock().pending)
    }

    /// What keeps the ledger from being written, and what it cost so far.
    pub fn problem(&self) -> Option<String> {
        let state = self.lock();
        let problem = state.problem.clone()?;
        Some(match state.dropped {
            0 => problem,
            lost => format!("{problem}; {lost} events were lost meanwhile"),
        })
    }

    fn admit(
        &self,
        state: &mut State,
        mut entry: Entry,
        clock: &impl Fn() -> Timestamp,
        reply: Option<Reply<EventRecord>>,
    ) -> Result<(), LedgerError> {
        if state.closing {
            return Err(LedgerError::Closed);
        }
        // Under the lock: times are in the order of sequence numbers.
        entry.stamp(clock())?;
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        match &reply {
            Some(_) => state.waiting += 1,
            None => {
                state.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
                if let Some((repo_id, projection)) = entry.projection() {
                    state.pending.add(repo_id, projection, ticket);
                }
            }
        }
        state.jobs.push_back(Job::Append(Append { entry, ticket, reply }));
        state.retry_at = None;
        self.work.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Nobody waits for any of the jobs.
    fn may_linger(&self) -> bool {
        let is_event = |job: &Job| matches!(job, Job::Append(_));
        self.waiting == 0 && !self.closing && self.jobs.len() < MAX_GROUP && self.jobs.iter().all(is_event)
    }

    fn forget(&mut self, group: &[Append]) {
        for append in group {
            if let Some((repo_id, projection)) = append.entry.projection() {
                self.pending.remove(repo_id, projection, append.ticket);
            }
        }
    }

    fn drop_beyond_limit(&mut self) {
        // At most MAX_WAITING jobs are no later ones, and few are tasks.
        while self.jobs.len() > self.waiting + MAX_LATER {
            let oldest =
                self.jobs.iter().position(|job| matches!(job, Job::Append(append) if append.reply.is_none()));
            let Some(Job::Append(oldest)) = oldest.and_then(|at| self.jobs.remove(at)) else { return };
            if self.dropped == 0 {
                tracing::error!(limit = MAX_LATER, "too many events wait for the ledger: the oldest is lost");
            }
            self.dropped += 1;
            self.forget(std::slice::from_ref(&oldest));
        }
    }
}
