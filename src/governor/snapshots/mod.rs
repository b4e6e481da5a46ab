//! Snapshots: taken when hooks tell that something happened, and when asked for.
//!
//! What a hook tells becomes a wish ([`Queue::want`]): of each repository
//! there is one at most, however many hooks came, and it waits until the
//! repository has been quiet for a moment. Wishes are marked by a file each, so
//! that a governor that was killed leaves them to the next one. What is in the
//! store is listed in the ledger; where the two differ, the store is right.

mod find;
mod queue;
mod restoring;
mod retention;
mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Error, Governor, Reason,
    call::{HookCall, Judgement},
    calm,
};
use crate::{
    fs::bytes_of,
    generated::probe as contract,
    git::{Git, Location},
    ledger::{EventDraft, EventKind, ListedSnapshot, Projection, SnapshotRecord},
    probe::{Hands, Told},
    registry::{Repo, RepoStatus},
};
use queue::{Next, Outcome, Queue, Wish};

pub use find::{SnapshotDetails, SnapshotEntry, Which};
pub use restoring::{Phase, RestoreOrder, RestoreReport, RestoreStep};
pub use upkeep::{StoreReport, VerifyReport};

/// How many repositories are captured at a time by themselves, so that a large one
/// does not keep all others waiting: each capture has threads and tens of megabytes
/// of its own.
const WORKERS: usize = 2;
/// Repositories that are named where they lack a snapshot for one reason.
const NAMED: usize = 3;
/// How long git waits before a rebase for the state that is about to go.
const BEFORE_REBASE: Duration = Duration::from_millis(180);

/// Snapshots that are wanted, and the hands that take them.
pub(super) struct Snapshots {
    hands: Hands,
    queue: Queue,
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

/// A repository whose snapshot is being taken by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningSnapshot {
    /// Its id.
    pub repo_id: String,
    /// Its name.
    pub repo_name: String,
    /// How far it has come; its total is an estimate.
    pub progress: contract::Progress,
}

impl Snapshots {
    pub(super) fn new(home: &crate::client::Home, git: Git) -> Self {
        Self {
            hands: Hands::new(home.probe.clone(), home.state.clone(), git),
            queue: Queue::new(home.state.join("snapshots-wanted")),
        }
    }

    pub(super) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// A repository has left the registry: nothing is wanted of it, and nothing
    /// need be remembered.
    pub(super) fn forget(&self, repo_id: &str) {
        self.queue.forget(repo_id);
        self.hands.forget(repo_id);
    }

    /// Ends the workers after what they are doing, or leaves them behind.
    pub(super) fn finish(&self, patience: Duration) {
        self.queue.finish(patience);
    }
}

/// Starts the workers, which begin with what an earlier governor left.
pub(super) fn start(governor: &Arc<Governor>) {
    for number in 0..WORKERS {
        let worker = Arc::clone(governor);
        governor.snapshots.queue.count_thread(true);
        let spawned = std::thread::Builder::new().name("snapshots".into()).spawn(move || {
            calm::be_nice();
            if number == 0 {
                worker.take_over();
            }
            worker.work(number == 0);
            worker.snapshots.queue.count_thread(false);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the thread for snapshots could not be started");
            governor.snapshots.queue.count_thread(false);
        }
    }
}

impl Governor {
    /// Something happened in a repository: its state is wanted.
    pub(super) fn want_snapshot(&self, repo_id: Option<&str>, trigger: &str) {
        let settings = self.settings().snapshots;
        let Some(repo_id) = repo_id.filter(|_| settings.enabled) else { return };
        self.snapshots.queue.want(repo_id, trigger, settings.quiet);
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
            self.snapshots.queue.want(repo_id, "pre-rebase", Duration::ZERO);
            // Done or not, git goes on then.
            self.snapshots.queue.wait_for(repo_id, BEFORE_REBASE);
        }
        Judgement::noted(identity)
    }

    fn work(&self, first: bool) {
        let queue = &self.snapshots.queue;
        loop {
            match queue.next(first, &self.calm) {
                Next::Take(repo_id, wish) => queue.ended(&repo_id, self.grant(&repo_id, &wish)),
                Next::Prepare(repo_id) if self.registered_as(&repo_id).is_some() => {
                    if let Err(error) = self.snapshots.hands.prepare(&repo_id) {
                        tracing::info!(repo_id, %error, "its next snapshot takes longer");
                    }
                }
                Next::Prepare(repo_id) => self.snapshots.forget(&repo_id),
                Next::TidyUp => {
                    let tidied = catch_unwind(AssertUnwindSafe(|| self.tidy_up()));
                    queue.tidied();
                    if tidied.is_err() {
                        tracing::error!("tidying up the store failed; the lines above tell where");
                    }
                }
                Next::End => return,
            }
        }
    }

    fn registered_as(&self, repo_id: &str) -> Option<Repo> {
        let document = self.registry.view().document;
        document.repos.iter().find(|repo| repo.id.as_deref() == Some(repo_id)).cloned()
    }

    fn grant(&self, repo_id: &str, wish: &Wish) -> Outcome {
        let Some(repo) = self.registered_as(repo_id) else {
            // It has left the registry meanwhile.
            self.snapshots.hands.forget(repo_id);
            return Outcome::Gone;
        };
        let limit = self.settings().snapshots.first_limit;
        let taken = catch_unwind(AssertUnwindSafe(|| {
            self.take_snapshot(&repo, &wish.trigger, limit, &|progress| {
                self.snapshots.queue.told(repo_id, progress);
                !self.is_stopping()
            })
        }));
        match taken {
            Ok(Ok(_)) => Outcome::Taken,
            Ok(Err(error)) => {
                tracing::warn!(repo = repo.name, error = error.message, "no snapshot was taken");
                match error.reason {
                    Reason::StoreBusy | Reason::DiskFull | Reason::StoreUnavailable => {
                        Outcome::NotYet(error.message)
                    }
                    _ => Outcome::Failed(error.message),
                }
            }
            Err(_) => Outcome::Failed("it failed; the governor's log tells where".to_owned()),
        }
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
                        self.snapshots.queue.granted_aside(id, since);
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
            self.snapshots.queue.want(id, trigger, Duration::ZERO);
        }
    }

    /// Those that are looked after: all but the archived.
    pub fn active_repos(&self) -> Vec<Repo> {
        let document = self.document();
        document.repos.iter().filter(|repo| repo.status != RepoStatus::Archived).cloned().collect()
    }

    /// Repositories whose snapshot is wanted or being taken.
    pub fn snapshots_waiting(&self) -> usize {
        self.snapshots.queue.waiting()
    }

    /// Those that are being taken by themselves, by name.
    pub fn snapshots_running(&self) -> Vec<RunningSnapshot> {
        let named = |(repo_id, progress): (String, _)| {
            let repo_name = self.registered_as(&repo_id)?.name;
            Some(RunningSnapshot { repo_id, repo_name, progress })
        };
        let mut running: Vec<_> = self.snapshots.queue.running().into_iter().filter_map(named).collect();
        running.sort_by(|one, other| one.repo_name.cmp(&other.repo_name));
        running
    }

    /// What is wrong with snapshots, a line for each reason.
    pub(super) fn snapshot_problems(&self) -> Vec<String> {
        let failures = self.snapshots.queue.failures().into_iter();
        told_together(failures.filter_map(|(id, why)| Some((self.registered_as(&id)?.name, why))))
    }
}

/// One reason often holds for all of a machine's repositories.
fn told_together(failures: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut by_reason = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, why) in failures {
        by_reason.entry(why).or_default().insert(name);
    }
    let told = by_reason.into_iter().map(|(why, names)| {
        let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
        let more = match names.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("no snapshot of {}{more}: {why}", shown.join(", "))
    });
    told.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_without_a_snapshot_are_told_by_reason() {
        let failures =
            [("b", "full"), ("d", "gone"), ("c", "full"), ("a", "full"), ("e", "full"), ("f", "full")];
        let told = told_together(failures.map(|(name, why)| (name.to_owned(), why.to_owned())).into_iter());
        assert_eq!(told, ["no snapshot of a, b, c and 2 more: full", "no snapshot of d: gone"]);
    }
}
