//! Who is next: the snapshots that are wanted, and what workers do about them.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    generated::probe as contract,
    governor::{
        calm::{self, Calm},
        locked,
    },
};

#[cfg(test)]
mod tests;

/// After this time at most a repository that is never quiet is to have a snapshot;
/// others that are being served may put it off for [`calm::PATIENCE`].
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long after a failure a snapshot is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How long nobody must have been at work before the store is tidied up.
pub(super) const IDLE: Duration = Duration::from_secs(20);
/// What makes many wishes at once that nobody is waiting for: they come after
/// those that tell of somebody's work.
const PATIENT: [&str; 4] = ["added", "up", "manual", AGAIN];
/// What git waits for.
const AWAITED: &str = "pre-rebase";
/// Why a snapshot is taken that could not be taken before.
pub(super) const AGAIN: &str = "again";
/// Of so many repositories at most the next snapshot is made a quick one: what is
/// remembered of more would not stay in memory.
const PREPARED: usize = 100;

/// Snapshots that are wanted, of each repository one at most, and those that are
/// being taken. What is wanted is marked by a file each, until it is taken.
pub(super) struct Queue {
    marks: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wishes: HashMap<String, Wish>,
    /// Repositories whose wish is being granted, and how far that has come.
    running: HashMap<String, contract::Progress>,
    /// Why the last try failed, by repository.
    failures: HashMap<String, String>,
    /// Snapshots since the store was last pruned.
    since_prune: u64,
    /// Repositories whose next snapshot is to be made a quick one, the latest
    /// last.
    unprepared: VecDeque<String>,
    /// Until when nothing is tidied up: somebody is at work.
    busy_until: Option<Instant>,
    /// The store is being tidied up, and whoever wants it would wait in vain.
    is_tidying: bool,
    ending: bool,
    threads: usize,
}

/// What is wanted of a repository.
pub(super) struct Wish {
    /// Why.
    pub trigger: String,
    /// When it was first wanted.
    since: Instant,
    /// When it was wanted last.
    latest: Instant,
    due: Instant,
}

impl Wish {
    fn is_patient(&self) -> bool {
        PATIENT.contains(&self.trigger.as_str())
    }

    /// When it may be granted if others are served for so much longer: those come
    /// first, for a while.
    fn begins(&self, calm_at: Option<Instant>) -> Instant {
        match calm_at.filter(|_| self.trigger != AWAITED) {
            Some(at) => self.due.max(at.min(self.due + calm::PATIENCE)),
            None => self.due,
        }
    }
}

impl State {
    fn taken(&mut self, repo_id: &str) {
        self.failures.remove(repo_id);
        self.since_prune += 1;
        self.unprepared.retain(|other| other != repo_id);
        self.unprepared.push_back(repo_id.to_owned());
        if self.unprepared.len() > PREPARED {
            self.unprepared.pop_front();
        }
    }
}

/// What a worker does next.
pub(super) enum Next {
    Take(String, Wish),
    Prepare(String),
    TidyUp,
    End,
}

/// What became of a wish.
pub(super) enum Outcome {
    Taken,
    /// Why not.
    Failed(String),
    /// Why not yet: it is to be tried again.
    NotYet(String),
    /// There is no such repository any more.
    Gone,
}

impl Queue {
    /// With a file for each wish in `marks`.
    pub fn new(marks: PathBuf) -> Self {
        Self { marks, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Wants a snapshot of a repository once it has been `quiet` for so long.
    pub fn want(&self, repo_id: &str, trigger: &str, quiet: Duration) {
        let now = Instant::now();
        let mut state = locked(&self.state);
        let is_new = !state.wishes.contains_key(repo_id);
        let wish = state.wishes.entry(repo_id.to_owned()).or_insert_with(|| Wish {
            trigger: String::new(),
            since: now,
            latest: now,
            due: now,
        });
        wish.latest = now;
        // What git waits for is granted as it was wanted, whatever else happens.
        if is_new || wish.trigger != AWAITED {
            trigger.clone_into(&mut wish.trigger);
            wish.due = (now + quiet).min(wish.since + LONGEST_WAIT.max(quiet));
        }
        if is_new {
            self.mark(repo_id, trigger);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Not synced: what a loss of power takes away is only that it was wanted.
    fn mark(&self, repo_id: &str, trigger: &str) {
        let path = self.marks.join(repo_id);
        // A home that is gone is not made anew.
        let made = fs::DirBuilder::new().mode(0o700).create(&self.marks);
        let made = made.or_else(|error| if self.marks.is_dir() { Ok(()) } else { Err(error) });
        let write = |()| {
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(trigger.as_bytes())
        };
        let marked = made.and_then(write);
        if let Err(error) = marked {
            tracing::warn!(path = %path.display(), %error, "that a snapshot is wanted is not on disk");
        }
    }

    fn unmark(&self, repo_id: &str) {
        // One that stays makes the next governor look, and find nothing new.
        let _ = fs::remove_file(self.marks.join(repo_id));
    }

    /// Wants what a governor that was killed has left.
    pub fn take_over(&self) {
        let Ok(marks) = fs::read_dir(&self.marks) else { return };
        for mark in marks.flatten() {
            let trigger = fs::read_to_string(mark.path()).unwrap_or_default();
            if let Ok(repo_id) = mark.file_name().into_string() {
                let trigger = if trigger.is_empty() { AGAIN } else { &trigger };
                self.want(&repo_id, trigger, Duration::ZERO);
            }
        }
    }

    /// Repositories whose snapshot is wanted or being taken.
    pub fn waiting(&self) -> usize {
        let state = locked(&self.state);
        let again = state.running.keys().filter(|id| state.wishes.contains_key(*id)).count();
        state.wishes.len() + state.running.len() - again
    }

    /// Repositories whose wish is being granted, and how far that has come.
    pub fn running(&self) -> Vec<(String, contract::Progress)> {
        locked(&self.state).running.iter().map(|(id, progress)| (id.clone(), *progress)).collect()
    }

    /// A wish has been granted so far.
    pub fn told(&self, repo_id: &str, progress: contract::Progress) {
        if let Some(running) = locked(&self.state).running.get_mut(repo_id) {
            *running = progress;
        }
    }

    pub fn failures(&self) -> Vec<(String, String)> {
        locked(&self.state).failures.clone().into_iter().collect()
    }

    /// What is to be done, and by whom: `first` is the worker that also tidies up.
    /// While others are being served it waits.
    pub fn next(&self, first: bool, calm: &Calm) -> Next {
        let mut state = locked(&self.state);
        loop {
            if state.ending {
                return Next::End;
            }
            if state.is_tidying {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let now = Instant::now();
            let calm_at = calm.missing(calm::QUIET).map(|missing| now + missing);
            let free = || state.wishes.iter().filter(|(id, _)| !state.running.contains_key(*id));
            let due = free().filter(|(_, wish)| wish.begins(calm_at) <= now);
            let next = due.min_by_key(|(_, wish)| (wish.is_patient(), wish.due)).map(|(id, _)| id.clone());
            let due = free().map(|(_, wish)| wish.begins(calm_at)).min();
            if let Some((id, wish)) = next.and_then(|id| state.wishes.remove_entry(&id)) {
                state.running.insert(id.clone(), contract::Progress::default());
                return Next::Take(id, wish);
            }
            let is_prepared = state.unprepared.is_empty();
            if calm_at.is_none()
                && let Some(id) = state.unprepared.pop_back()
            {
                return Next::Prepare(id);
            }
            let is_quiet = first && due.is_none() && state.running.is_empty();
            let tidy_up = state.busy_until.filter(|_| is_quiet);
            if tidy_up.is_some_and(|at| at <= now) {
                state.busy_until = None;
                state.is_tidying = true;
                return Next::TidyUp;
            }
            state = match due.into_iter().chain(tidy_up).chain(calm_at.filter(|_| !is_prepared)).min() {
                Some(at) => {
                    let waited = self.changed.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A wish was granted, or not.
    pub fn ended(&self, repo_id: &str, outcome: Outcome) {
        let mut state = locked(&self.state);
        state.running.remove(repo_id);
        state.busy_until = Some(Instant::now() + IDLE);
        match outcome {
            Outcome::Taken => state.taken(repo_id),
            Outcome::Failed(why) => {
                state.failures.insert(repo_id.to_owned(), why);
            }
            Outcome::NotYet(why) => {
                state.failures.insert(repo_id.to_owned(), why);
                let due = Instant::now() + TRY_AGAIN;
                let wish = Wish { trigger: AGAIN.to_owned(), since: due, latest: due, due };
                state.wishes.entry(repo_id.to_owned()).or_insert(wish);
            }
            Outcome::Gone => {
                state.failures.remove(repo_id);
                state.wishes.remove(repo_id);
            }
        }
        if !state.wishes.contains_key(repo_id) {
            self.unmark(repo_id);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A snapshot that somebody asked for was taken; it was begun at `since`.
    pub fn granted_aside(&self, repo_id: &str, since: Instant) {
        let mut state = locked(&self.state);
        state.busy_until = Some(Instant::now() + IDLE);
        state.taken(repo_id);
        // What was wanted before then is granted, too.
        if state.wishes.get(repo_id).is_some_and(|wish| wish.latest < since) {
            state.wishes.remove(repo_id);
            if !state.running.contains_key(repo_id) {
                self.unmark(repo_id);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing is wanted of a repository any more. What is being taken of it is
    /// taken to the end.
    pub fn forget(&self, repo_id: &str) {
        let mut state = locked(&self.state);
        state.wishes.remove(repo_id);
        state.failures.remove(repo_id);
        state.unprepared.retain(|other| other != repo_id);
        if !state.running.contains_key(repo_id) {
            self.unmark(repo_id);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The store is tidy: others may have it again.
    pub fn tidied(&self) {
        locked(&self.state).is_tidying = false;
        self.changed.notify_all();
    }

    /// Waits until a wish is granted, or given up, but no longer than `patience`.
    pub fn wait_for(&self, repo_id: &str, patience: Duration) {
        let state = locked(&self.state);
        let is_wanted =
            |state: &mut State| state.wishes.contains_key(repo_id) || state.running.contains_key(repo_id);
        drop(self.changed.wait_timeout_while(state, patience, is_wanted));
    }

    /// Snapshots since the store was last pruned.
    pub fn since_prune(&self) -> u64 {
        locked(&self.state).since_prune
    }

    pub fn pruned(&self) {
        locked(&self.state).since_prune = 0;
    }

    /// An earlier governor has taken so many since the store was last pruned.
    pub fn add_since_prune(&self, count: u64) {
        let mut state = locked(&self.state);
        state.since_prune += count;
        if count > 0 {
            state.busy_until = Some(Instant::now() + IDLE);
        }
    }

    /// A worker begins, or has ended.
    pub fn count_thread(&self, begins: bool) {
        let mut state = locked(&self.state);
        state.threads = if begins { state.threads + 1 } else { state.threads - 1 };
        drop(state);
        self.changed.notify_all();
    }

    /// Ends the workers after what they are doing, or leaves them behind.
    pub fn finish(&self, patience: Duration) {
        let mut state = locked(&self.state);
        state.ending = true;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.threads > 0);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.threads > 0 {
            tracing::info!("a snapshot that was being taken is left for the next governor");
        }
    }
}
