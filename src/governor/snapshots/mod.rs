//! Snapshots: taken when hooks tell that something happened, and when asked for.
//!
//! What a hook tells becomes a wish ([`Snapshots::want`]): of each repository
//! there is one at most, however many hooks came, and it waits until the
//! repository has been quiet for a moment. Wishes are marked by a file each, so
//! that a governor that was killed leaves them to the next one. What is in the
//! store is listed in the ledger; where the two differ, the store is right.

mod find;
mod restoring;
mod retention;
mod upkeep;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Error, Governor, Reason,
    call::{HookCall, Judgement},
    locked,
};
use crate::{
    fs::bytes_of,
    generated::probe as contract,
    git::{Git, Location},
    ledger::{EventDraft, EventKind, ListedSnapshot, Projection, SnapshotRecord},
    probe::{Hands, Told},
    registry::{Repo, RepoStatus},
};
pub use find::{SnapshotDetails, SnapshotEntry, Which};
pub use restoring::{Phase, RestoreOrder, RestoreReport, RestoreStep};
pub use upkeep::{StoreReport, VerifyReport};

/// How many repositories are captured at a time by themselves: each capture has
/// threads and tens of megabytes of its own.
const WORKERS: usize = 1;
/// A repository that is never quiet has a snapshot this often.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long git waits before a rebase for the state that is about to go.
const BEFORE_REBASE: Duration = Duration::from_millis(180);
/// How long after a failure a snapshot is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// nice(1)'s value of what nobody waits for.
const BACKGROUND: i32 = 10;

/// Snapshots that are wanted, and the hands that take them.
pub(super) struct Snapshots {
    hands: Hands,
    marks: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wishes: HashMap<String, Wish>,
    running: HashSet<String>,
    /// Why the last try failed, by repository.
    failures: HashMap<String, String>,
    /// Snapshots since the store was last pruned.
    since_prune: u64,
    /// Repositories whose next snapshot is to be made a quick one.
    unprepared: Vec<String>,
    /// Until when nothing is tidied up: somebody is at work.
    busy_until: Option<Instant>,
    ending: bool,
    threads: usize,
}

struct Wish {
    trigger: String,
    /// When it was first wanted.
    since: Instant,
    /// When it was wanted last.
    latest: Instant,
    due: Instant,
}

impl State {
    fn taken(&mut self, repo_id: &str) {
        self.failures.remove(repo_id);
        self.since_prune += 1;
        self.unprepared.retain(|other| other != repo_id);
        self.unprepared.push(repo_id.to_owned());
    }
}

/// What a worker does next.
enum Next {
    Take(String, Wish),
    Prepare(String),
    TidyUp,
    End,
}

/// A snapshot that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSnapshot {
    /// The repository's last snapshot.
    pub listed: ListedSnapshot,
    /// It was there already: nothing has changed since.
    pub unchanged: bool,
    /// Why it is not complete.
    pub reasons: Vec<String>,
}

impl Snapshots {
    pub(super) fn new(home: &crate::client::Home, git: Git) -> Self {
        Self {
            hands: Hands::new(home.probe.clone(), home.state.clone(), git),
            marks: home.state.join("snapshots-wanted"),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Wants a snapshot of a repository once it has been `quiet` for so long.
    fn want(&self, repo_id: &str, trigger: &str, quiet: Duration) {
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
        trigger.clone_into(&mut wish.trigger);
        wish.due = (now + quiet).min(wish.since + LONGEST_WAIT.max(quiet));
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

    /// Repositories whose snapshot is wanted or being taken.
    pub(super) fn waiting(&self) -> usize {
        let state = locked(&self.state);
        state.wishes.len() + state.running.len()
    }

    fn failures(&self) -> Vec<(String, String)> {
        locked(&self.state).failures.clone().into_iter().collect()
    }

    /// What is to be done, and by whom: `first` is the thread that also tidies up.
    fn next(&self, first: bool) -> Next {
        let mut state = locked(&self.state);
        loop {
            if state.ending {
                return Next::End;
            }
            let now = Instant::now();
            let free = |(id, _): &(&String, &Wish)| !state.running.contains(*id);
            let earliest = state.wishes.iter().filter(free).min_by_key(|(_, wish)| wish.due);
            let due = match earliest {
                Some((id, wish)) if wish.due <= now => {
                    let id = id.clone();
                    if let Some(wish) = state.wishes.remove(&id) {
                        state.running.insert(id.clone());
                        return Next::Take(id, wish);
                    }
                    continue;
                }
                Some((_, wish)) => Some(wish.due),
                None => None,
            };
            if let Some(id) = state.unprepared.pop() {
                return Next::Prepare(id);
            }
            let tidy_up = state.busy_until.filter(|_| first && due.is_none());
            if tidy_up.is_some_and(|at| at <= now) {
                state.busy_until = None;
                return Next::TidyUp;
            }
            state = match due.into_iter().chain(tidy_up).min() {
                Some(at) => {
                    let waited = self.changed.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A wish was granted, or not.
    fn ended(&self, repo_id: &str, failed: Option<(String, bool)>) {
        let mut state = locked(&self.state);
        state.running.remove(repo_id);
        state.busy_until = Some(Instant::now() + upkeep::IDLE);
        match failed {
            None => {
                state.taken(repo_id);
                if !state.wishes.contains_key(repo_id) {
                    let _ = fs::remove_file(self.marks.join(repo_id));
                }
            }
            Some((why, again)) => {
                state.failures.insert(repo_id.to_owned(), why);
                if again {
                    let due = Instant::now() + TRY_AGAIN;
                    let wish = Wish { trigger: "again".to_owned(), since: due, latest: due, due };
                    state.wishes.entry(repo_id.to_owned()).or_insert(wish);
                } else if !state.wishes.contains_key(repo_id) {
                    let _ = fs::remove_file(self.marks.join(repo_id));
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A snapshot that somebody asked for was taken; it was begun at `since`.
    fn granted_aside(&self, repo_id: &str, since: Instant) {
        let mut state = locked(&self.state);
        state.busy_until = Some(Instant::now() + upkeep::IDLE);
        state.taken(repo_id);
        // What was wanted before then is granted, too.
        if state.wishes.get(repo_id).is_some_and(|wish| wish.latest < since) {
            state.wishes.remove(repo_id);
            if !state.running.contains(repo_id) {
                let _ = fs::remove_file(self.marks.join(repo_id));
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Ends the workers after what they are doing, or leaves them behind.
    pub(super) fn finish(&self, patience: Duration) {
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

/// Starts the workers, which begin with what an earlier governor left.
pub(super) fn start(governor: &Arc<Governor>) {
    for number in 0..WORKERS {
        let worker = Arc::clone(governor);
        locked(&governor.snapshots.state).threads += 1;
        let spawned = std::thread::Builder::new().name("snapshots".into()).spawn(move || {
            // Threads of a capture inherit it.
            let _ = rustix::process::setpriority_process(None, BACKGROUND);
            if number == 0 {
                worker.take_over();
            }
            worker.work(number == 0);
            locked(&worker.snapshots.state).threads -= 1;
            worker.snapshots.changed.notify_all();
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the thread for snapshots could not be started");
            locked(&governor.snapshots.state).threads -= 1;
        }
    }
}

impl Governor {
    /// Something happened in a repository: its state is wanted.
    pub(super) fn want_snapshot(&self, repo_id: Option<&str>, trigger: &str) {
        let settings = self.settings().snapshots;
        let Some(repo_id) = repo_id.filter(|_| settings.enabled) else { return };
        self.snapshots.want(repo_id, trigger, settings.quiet);
    }

    /// A rebase is about to begin: its repository's state is wanted now, and git
    /// waits for a moment.
    pub(super) fn before_rebase(&self, call: &HookCall) -> Judgement {
        let location = Location::of(&call.surroundings).ok();
        let repo = location.and_then(|location| self.registered(&location));
        let identity = repo.map(|repo| (repo.id.clone().unwrap_or_default(), repo.name.clone()));
        if let Some((repo_id, _)) = &identity
            && self.settings().snapshots.enabled
        {
            self.snapshots.want(repo_id, "pre-rebase", Duration::ZERO);
            let state = locked(&self.snapshots.state);
            let is_wanted =
                |state: &mut State| state.wishes.contains_key(repo_id) || state.running.contains(repo_id);
            // Done or not, git goes on then.
            drop(self.snapshots.changed.wait_timeout_while(state, BEFORE_REBASE, is_wanted));
        }
        Judgement::noted(identity)
    }

    fn work(&self, first: bool) {
        loop {
            match self.snapshots.next(first) {
                Next::Take(repo_id, wish) => self.grant(&repo_id, &wish),
                Next::Prepare(repo_id) => {
                    if let Err(error) = self.snapshots.hands.prepare(&repo_id) {
                        tracing::info!(repo_id, %error, "its next snapshot takes longer");
                    }
                }
                Next::TidyUp => self.tidy_up(),
                Next::End => return,
            }
        }
    }

    fn grant(&self, repo_id: &str, wish: &Wish) {
        let repo = self
            .registry
            .view()
            .document
            .repos
            .iter()
            .find(|repo| repo.id.as_deref() == Some(repo_id))
            .cloned();
        let Some(repo) = repo else {
            // It has left the registry meanwhile.
            self.snapshots.ended(repo_id, None);
            return;
        };
        let limit = self.settings().snapshots.first_limit;
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.take_snapshot(&repo, &wish.trigger, limit, &|_| !self.is_stopping())
        }));
        let failed = match taken {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::warn!(repo = repo.name, error = error.message, "no snapshot was taken");
                let again =
                    matches!(error.reason, Reason::StoreBusy | Reason::DiskFull | Reason::StoreUnavailable);
                Some((error.message, again))
            }
            Err(_) => Some(("it failed; the governor's log tells where".to_owned(), false)),
        };
        self.snapshots.ended(repo_id, failed);
    }

    /// Takes a snapshot of one repository now, unless nothing has changed.
    pub fn take_snapshot(
        &self,
        repo: &Repo,
        trigger: &str,
        limit: Option<u64>,
        told: Told<'_>,
    ) -> Result<TakenSnapshot, Error> {
        let Some(repo_id) = repo.id.clone() else {
            let name = &repo.name;
            return Err(Error::new(
                Reason::RegistryInvalid,
                format!("{name} has no id yet, and can't be given one; `kpmo governor status` tells why"),
            ));
        };
        let request = contract::SnapshotRequest {
            repo_id: repo_id.clone(),
            repo_name: repo.name.clone(),
            path: bytes_of(&repo.local_path),
            trigger: trigger.to_owned(),
            env: self.settings().snapshots.env,
            limit_bytes: limit.unwrap_or_default(),
        };
        let mut taken = self.snapshots.hands.snapshot(&request, told)?;
        let reasons = std::mem::take(&mut taken.reasons);
        let listed = ListedSnapshot { repo_id, snapshot: record(taken.clone(), repo, trigger) };
        if !taken.unchanged {
            self.list_snapshot(&listed);
        }
        let known = self.ledger.snapshots_beginning(&taken.id, 1).ok().and_then(|mut found| found.pop());
        // One that was there has its own trigger and numbers.
        let listed = known.filter(|_| taken.unchanged).unwrap_or(listed);
        Ok(TakenSnapshot { listed, unchanged: taken.unchanged, reasons })
    }

    /// Tells the ledger of a snapshot. It is in the store, whatever becomes of
    /// that: the next start finds it there.
    fn list_snapshot(&self, listed: &ListedSnapshot) {
        let is_ledger = listed.repo_id.is_empty();
        let kind = if is_ledger { EventKind::DatabaseSynced } else { EventKind::Snapshot };
        let mut draft = EventDraft::new(kind, "governor");
        draft.repo_id = (!is_ledger).then(|| listed.repo_id.clone());
        draft.projection = Some(Projection::Snapshot(Box::new(listed.snapshot.clone())));
        self.ledger.append_later(draft);
    }

    /// Takes snapshots of some repositories, one after the other, while `sink`
    /// returns true.
    pub fn snapshot_all(
        &self,
        repos: &[Repo],
        trigger: &str,
        no_limit: bool,
        sink: &(dyn Fn(&Repo, SnapshotStep) -> bool + Send + Sync),
    ) {
        let limit = self.settings().snapshots.first_limit.filter(|_| !no_limit);
        for repo in repos {
            if !sink(repo, SnapshotStep::Started) {
                return;
            }
            let since = Instant::now();
            let taken = self.take_snapshot(repo, trigger, limit, &|progress| {
                // Nobody listening ends nothing.
                let _ = sink(repo, SnapshotStep::Progress(progress));
                !self.is_stopping()
            });
            let goes_on = match taken {
                Ok(taken) => {
                    if let Some(id) = &repo.id {
                        self.snapshots.granted_aside(id, since);
                    }
                    sink(repo, SnapshotStep::Done(taken))
                }
                Err(error) => sink(repo, SnapshotStep::Failed(error)),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Wants snapshots of repositories, and does not wait for them.
    pub fn snapshot_later(&self, repo: &Repo, trigger: &str) {
        if let Some(id) = &repo.id {
            self.snapshots.want(id, trigger, Duration::ZERO);
        }
    }

    /// Those that are looked after: all but the archived.
    pub fn active_repos(&self) -> Vec<Repo> {
        let document = self.document();
        document.repos.iter().filter(|repo| repo.status != RepoStatus::Archived).cloned().collect()
    }

    /// Repositories whose snapshot is wanted or being taken.
    pub fn snapshots_waiting(&self) -> usize {
        self.snapshots.waiting()
    }

    /// What is wrong with snapshots, a line each.
    pub(super) fn snapshot_problems(&self) -> Vec<String> {
        let document = self.registry.view().document;
        let name = |id: &str| {
            let repo = document.repos.iter().find(|repo| repo.id.as_deref() == Some(id));
            repo.map(|repo| repo.name.clone())
        };
        let mut problems: Vec<String> = self
            .snapshots
            .failures()
            .into_iter()
            .filter_map(|(id, why)| Some(format!("no snapshot of {}: {why}", name(&id)?)))
            .collect();
        problems.sort();
        problems
    }
}

/// How far a repository's snapshot has come.
#[derive(Debug)]
pub enum SnapshotStep {
    /// It is being taken.
    Started,
    /// So much of it.
    Progress(contract::Progress),
    /// It is there.
    Done(TakenSnapshot),
    /// There is none.
    Failed(Error),
}

fn record(taken: contract::SnapshotTaken, repo: &Repo, trigger: &str) -> SnapshotRecord {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let status = match taken.status() {
        contract::SnapshotStatus::Torn => "torn",
        contract::SnapshotStatus::Partial => "partial",
        contract::SnapshotStatus::Complete | contract::SnapshotStatus::Unspecified => "complete",
    };
    let time = taken.time.unwrap_or_default();
    SnapshotRecord {
        id: taken.id,
        repo_name: repo.name.clone(),
        time: jiff::Timestamp::new(time.seconds, time.nanos).unwrap_or_default(),
        trigger: trigger.to_owned(),
        branch: some(taken.branch),
        head: some(taken.head),
        status: status.to_owned(),
        files: taken.files,
        bytes: taken.bytes,
        added: taken.added_bytes,
        ledger_seq: None,
    }
}
