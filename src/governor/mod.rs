//! The governor's flows: each gathers facts from the rooms, asks the rules, and
//! records the outcome.
//!
//! One commit: [`Governor::hook`] → `commit` → facts from git → rules → ledger
//! → back. What needs no answer (that HEAD moved) is kept in a file first,
//! answered, and then worked off in order by one thread (`after`).

mod after;
mod call;
mod calm;
mod change;
mod check;
mod commit;
mod config;
mod doctor;
mod errands;
mod error;
mod events;
mod facts;
mod fleet;
mod found;
mod hooks;
mod identify;
mod identity;
mod late;
mod moved;
mod onboard;
mod push;
mod recognize;
mod registration;
mod registry;
mod selection;
mod snapshots;
mod twice;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    client::{Endpoint, Home},
    fs::{PathError, RealWriter, Writer},
    git::{self, Git},
    ledger::{EventDraft, EventKind, Ledger},
    policy::{GovernorSettings, PolicyVersion},
    probe::{Hands, TrackOptions},
    registry::{Registry, View},
};
pub use call::{HookCall, Judged, Judgement};
pub use change::{ChangeOptions, Changed, RepoDifference};
pub use check::{CheckScope, CheckStep, Checked};
pub use doctor::{Check, Doctor, Level, OPEN};
pub use error::{Cause, Error, Reason};
pub use events::Emission;
pub use fleet::{RepoState, TreeState};
pub use found::{FoundOrder, FoundOutcome, FoundStep, RegisteredFound};
pub use hooks::RepoHooks;
pub use moved::Whereabouts;
pub use onboard::{AddOptions, Added, Removed};
pub use recognize::{Recognition, Recognized};
pub use registry::{
    CheckReport, ExportFormat, ImportOrder, ImportReport, Skipped, check_registry, last_good,
};
pub use snapshots::{
    Phase, RestoreOrder, RestoreReport, RestoreStep, RunningSnapshot, SnapshotDetails, SnapshotEntry,
    SnapshotStep, StoreReport, TakenSnapshot, VerifyReport, Which,
};

/// The one authority over the repositories of a home.
pub struct Governor {
    home: Home,
    socket: PathBuf,
    git: Git,
    /// What repositories were like when somebody last asked.
    seen: git::Memory,
    registry: Registry,
    ledger: Ledger,
    config: config::Config,
    /// Keys the fingerprints of findings, so that they give nothing away about
    /// what was found.
    fingerprint_key: [u8; 32],
    places: Mutex<identify::Places>,
    identities: identity::Identities,
    after: after::Queue,
    reconsidered: late::Reconsidered,
    healing: hooks::Healing,
    twice: twice::Twice,
    snapshots: snapshots::Snapshots,
    calm: calm::Calm,
    started: Instant,
    started_at: jiff::Timestamp,
    stop: OnceLock<Arc<watch::Sender<bool>>>,
}

/// How the governor is.
#[derive(Debug)]
pub struct Status {
    /// Path of the socket.
    pub socket: PathBuf,
    /// When it was opened.
    pub started_at: jiff::Timestamp,
    /// For how long it has been running.
    pub uptime: Duration,
    /// Registered repositories.
    pub repos: usize,
    /// Those whose snapshot is being taken, or waits for its turn.
    pub snapshots_waiting: usize,
    /// Those of them whose snapshot is being taken.
    pub snapshots_running: Vec<RunningSnapshot>,
    /// Last sequence number of the ledger.
    pub ledger_seq: u64,
    /// What is not as it should be.
    pub problems: Vec<String>,
}

impl Governor {
    /// Opens a home's registry, policy and ledger. The home's directories must
    /// be there, and its lock held. A registry or policy that can't be used is
    /// no error here: it is told by [`Governor::status`].
    pub fn open(home: Home, socket: PathBuf) -> Result<Self, Error> {
        let user = Endpoint::user(Endpoint::read(&home).as_ref());
        let registry = Registry::open(home.config.join("repos.yml"), home.state.join("repos.lock"), user)
            .remembering(last_good(&home));
        let ledger = Ledger::open(&home.state.join("ledger.sqlite3"))?;
        let fingerprint_key = fingerprint_key(&home)?;
        let git = scratch_git(&home)?;
        Ok(Self {
            snapshots: snapshots::Snapshots::new(&home, git.clone()),
            config: config::Config::open(&home.config, &home.state),
            socket,
            git,
            seen: git::Memory::default(),
            registry,
            ledger,
            fingerprint_key,
            places: Mutex::default(),
            identities: identity::Identities::open(home.state.join("identities.json")),
            after: after::Queue::default(),
            reconsidered: late::Reconsidered::default(),
            healing: hooks::Healing::default(),
            twice: twice::Twice::default(),
            calm: calm::Calm::default(),
            started: Instant::now(),
            started_at: jiff::Timestamp::now(),
            stop: OnceLock::new(),
            home,
        })
    }

    /// Begins to work: replays what was kept while nobody was there.
    pub fn start(self: &Arc<Self>, stop: Arc<watch::Sender<bool>>) {
        let _ = self.stop.set(stop);
        let mut started = EventDraft::new(EventKind::GovernorStarted, "governor");
        started.attributes.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        // Known before anybody is served; where the disk is full, as soon as may be.
        if let Err(error) = self.ledger.append(started.clone()) {
            tracing::warn!(%error, "the start is not recorded yet");
            self.ledger.append_later(started);
        }
        after::start(self);
        snapshots::start(self);
        identity::start(self);
        hooks::start(self);
    }

    /// Asks the daemon to end, by way of what [`Governor::start`] was given.
    pub fn ask_to_stop(&self) {
        if let Some(stop) = self.stop.get() {
            stop.send_replace(true);
        }
    }

    /// Whether the daemon is ending: no new work is taken then.
    pub fn is_stopping(&self) -> bool {
        self.stop.get().is_some_and(|stop| *stop.borrow())
    }

    /// Records why the daemon ends.
    pub fn note_stopped(&self, reason: &str) {
        let mut stopped = EventDraft::new(EventKind::GovernorStopped, "governor");
        stopped.attributes.insert("reason".into(), reason.into());
        self.ledger.append_later(stopped);
    }

    /// Finishes what was taken in, within `patience`, and closes the ledger.
    /// What is left undone stays kept for the next governor.
    pub fn close(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.identities.finish();
        self.after.finish(patience);
        self.snapshots.finish(deadline.saturating_duration_since(Instant::now()));
        self.healing.finish();
        self.ledger.clone().close(patience);
    }

    /// The ledger, to read.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The hands that take and restore snapshots; their contract is mounted here.
    pub fn hands(&self) -> &Hands {
        self.snapshots.hands()
    }

    /// The home that this governor lives in.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<GovernorSettings> {
        self.config.settings()
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<PolicyVersion> {
        let policy = self.config.policy();
        self.hooks_follow(&policy);
        policy
    }

    /// Reads policy and settings again; an error names the file that can't be
    /// used, and what was in force stays.
    pub fn reload(&self) -> Result<Arc<PolicyVersion>, Error> {
        match self.config.problems().into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self.policy()),
        }
    }

    /// How the governor is.
    pub fn status(&self) -> Status {
        let view = self.registry.view();
        let mut problems: Vec<String> = view.problem.iter().map(ToString::to_string).collect();
        problems.extend(self.config.problems().into_iter().map(|problem| problem.message));
        problems.extend(self.ledger.problem());
        problems.extend(self.id_problem());
        problems.extend(self.snapshot_problems());
        Status {
            socket: self.socket.clone(),
            started_at: self.started_at,
            uptime: self.started.elapsed(),
            repos: view.document.repos.len(),
            snapshots_waiting: self.snapshots_waiting(),
            snapshots_running: self.snapshots_running(),
            ledger_seq: self.ledger.head(),
            problems,
        }
    }

    /// The registry in force, and what is wrong with the file if anything is.
    pub fn registry_view(&self) -> View {
        self.registry.view()
    }

    /// Returns once the daemon is ending; never, where nothing can end it.
    pub async fn stopping(&self) {
        match self.stop.get() {
            // The sender is ours, so this ends only by its word.
            Some(stop) => drop(stop.subscribe().wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }

    /// How repositories are looked for: as the settings say, and as asked.
    pub fn track_options(&self, mut skip: Vec<String>, cross_file_systems: bool) -> TrackOptions {
        let settings = self.settings();
        skip.extend(settings.scan.skip.iter().cloned());
        TrackOptions {
            skip,
            cross_file_systems: cross_file_systems || settings.scan.cross_file_systems,
            ..TrackOptions::default()
        }
    }

    fn hook_program(&self) -> PathBuf {
        self.home.hook_program()
    }
}

/// git, with a place for what it must write to answer; what a governor that
/// was killed has left there goes away.
fn scratch_git(home: &Home) -> Result<Git, Error> {
    let scratch = home.state.join("scratch");
    RealWriter.create_dir_all(&scratch, 0o700)?;
    let git = Git::new(scratch);
    git.sweep()?;
    Ok(git)
}

/// This home's key, made on first use.
fn fingerprint_key(home: &Home) -> Result<[u8; 32], PathError> {
    let path = home.state.join("fingerprint.key");
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(key) = bytes.try_into()
    {
        return Ok(key);
    }
    let mut key = [0; 32];
    for half in key.chunks_mut(16) {
        // 122 random bits each.
        half.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    RealWriter.write(&path, &key, 0o600)?;
    Ok(key)
}

/// A lock whose holder panicked holds what it held: every holder leaves its
/// data whole at each step.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
