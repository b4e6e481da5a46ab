//! One capture: look, compare, put, look again; and once more, if something
//! moved meanwhile.

use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    CaptureError, CaptureOptions, Captured, Reading, Subject, Told,
    compare::{Comparison, compare, is_as_stored},
    entries::{Entries, Plan},
    files::open_regular,
    metadata::{first_difference, look},
    notes::{Notes, Witness},
    scan::{Scan, scan},
    states::State,
};
use crate::git::Git;
use crate::probe::store::{Draft, Snapshot, SnapshotId, SnapshotStatus, Store, StoreError, Stored};

/// How often it is tried to have everything of one moment.
const TRIES: usize = 3;
/// What a try has stored is kept for the next one, as a torn snapshot, if it is
/// more than this.
const WORTH_KEEPING: u64 = 8 << 20;
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// A capture that was asked for.
pub(super) struct Take<'a> {
    pub git: &'a Git,
    pub store: &'a dyn Store,
    pub of: &'a Subject,
    pub options: &'a CaptureOptions,
    pub told: Told<'a>,
    #[cfg(test)]
    pub before_open: Option<super::BeforeOpen>,
}

/// What a try came to.
enum Taken {
    Done(Captured),
    /// Something moved; what was stored is a snapshot if that is worth it.
    Torn(Option<Snapshot>),
}

impl Take<'_> {
    /// Takes the snapshot.
    pub fn run(&self, state: &mut State) -> Result<Captured, CaptureError> {
        let mut torn: Vec<SnapshotId> = Vec::new();
        let mut tries = 1;
        let done = loop {
            let begun = Instant::now();
            state.refresh(self.store, &self.of.repo_id)?;
            tracing::debug!(took = ?begun.elapsed(), "know what the store has");
            match self.once(state, tries == TRIES)? {
                Taken::Done(done) => break done,
                Taken::Torn(None) => {}
                Taken::Torn(Some(snapshot)) => {
                    torn.push(snapshot.id.clone());
                    state.follow(snapshot);
                }
            }
            tries += 1;
        };
        if !torn.is_empty()
            && let Err(error) = self.store.forget(&torn)
        {
            tracing::warn!(%error, "a torn snapshot stays beside the one that replaces it");
        }
        Ok(done)
    }

    fn once(&self, state: &mut State, is_last: bool) -> Result<Taken, CaptureError> {
        let (begun, time) = (Instant::now(), Timestamp::now());
        let (hints, known) = (state.hints.as_ref(), state.known());
        let mut scan = scan(self.git, &self.of.path, self.options.env, hints, known)?;
        let scanned = begun.elapsed();
        state.hints = Some(std::mem::take(&mut scan.hints));
        leave_out_unreadable(&mut scan, state);
        let comparison = compare(&scan.tree, state.known(), &state.unreadable, &state.trusted);
        let (compared, entries) = (begun.elapsed(), scan.tree.len());
        tracing::debug!(?scanned, ?compared, entries, "looked at a repository");

        if let Some(last) = unchanged(state, self.store, &scan, &comparison)? {
            return Ok(Taken::Done(Captured { snapshot: last, unchanged: true }));
        }
        if let Some(limit) = self.options.limit
            && state.last.is_none()
            && comparison.bytes > limit
        {
            let Comparison { files, bytes, .. } = comparison;
            return Err(CaptureError::TooLarge { files, bytes, limit });
        }

        if !(self.told)(Reading { total_bytes: comparison.bytes, ..Reading::default() }) {
            return Err(CaptureError::Stopped);
        }

        let witness = Witness::default();
        #[cfg(test)]
        let witness = witness.telling(self.before_open.clone());
        let witness = Arc::new(witness);
        let Scan { roots, tree, contents, head, git_dirs, held, metadata, mut unreadable, mut moved, .. } =
            scan;
        let plan = Plan { tree, known: comparison.known, contents, witness: Arc::clone(&witness) };
        let parent = state.last.as_ref().map(|last| last.id.clone());
        let stored = self.put(Entries::new(Arc::new(plan)), parent.as_ref(), &witness, comparison.bytes)?;
        let (not_read, moved_meanwhile) = witness.notes();
        if let Some(path) = first_difference(&metadata, &look(&git_dirs, &held).1) {
            moved.add(&path, "changed while files were read");
        }
        unreadable.extend(not_read.clone());
        moved.extend(moved_meanwhile);
        let is_torn = !moved.is_empty();
        tracing::debug!(put = ?begun.elapsed(), added = stored.added, is_torn, "stored what differs");
        if is_torn && !is_last && stored.added < WORTH_KEEPING {
            return Ok(Taken::Torn(None));
        }

        let draft = Draft {
            repo_id: self.of.repo_id.clone(),
            repo_name: self.of.repo_name.clone(),
            time,
            trigger: self.options.trigger.clone(),
            roots,
            branch: head.branch,
            head: head.commit,
            status: status(&unreadable, &moved),
            reasons: [moved.lines(), unreadable.lines()].concat(),
            ledger_seq: None,
        };
        let snapshot = self.store.commit(&stored, draft)?;
        tracing::debug!(committed = ?begun.elapsed(), "made a snapshot of it");
        state.unreadable = not_read.paths().cloned().collect();
        if is_torn && !is_last {
            return Ok(Taken::Torn(Some(snapshot)));
        }
        state.follow(snapshot.clone());
        Ok(Taken::Done(Captured { snapshot, unchanged: false }))
    }

    /// Puts the entries into the store, telling of its progress.
    fn put(
        &self,
        entries: Entries,
        parent: Option<&SnapshotId>,
        witness: &Witness,
        bytes: u64,
    ) -> Result<Stored, CaptureError> {
        let (done, ended) = mpsc::sync_channel::<()>(1);
        let store = self.store;
        let stored = thread::scope(|scope| {
            let putting = scope.spawn(move || {
                // Its end is what is waited for.
                let _done = done;
                store.put(Box::new(entries), parent)
            });
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TOLD_EVERY) {
                if !(self.told)(witness.reading(bytes)) {
                    witness.stop.store(true, Relaxed);
                }
            }
            putting.join()
        });
        if witness.is_stopped() {
            return Err(CaptureError::Stopped);
        }
        match stored {
            Ok(stored) => {
                (self.told)(Reading { bytes, ..witness.reading(bytes) });
                Ok(stored?)
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn status(unreadable: &Notes, moved: &Notes) -> SnapshotStatus {
    match (moved.is_empty(), unreadable.is_empty()) {
        (false, _) => SnapshotStatus::Torn,
        (true, false) => SnapshotStatus::Partial,
        (true, true) => SnapshotStatus::Complete,
    }
}

/// Files that could not be read the last time, and can't still, are none that
/// the store lacks.
fn leave_out_unreadable(scan: &mut Scan, state: &mut State) {
    state.unreadable.retain(|path| match open_regular(path) {
        Err(error) if scan.tree.find(path).is_some() => {
            scan.unreadable.add(path, format!("cannot be read: {error}"));
            true
        }
        _ => false,
    });
}

/// The last snapshot, if it has everything as it is.
fn unchanged(
    state: &mut State,
    store: &dyn Store,
    scan: &Scan,
    comparison: &Comparison,
) -> Result<Option<Snapshot>, StoreError> {
    let Some(last) = state.last.as_ref().filter(|last| {
        !comparison.differs
            && last.draft.status == status(&scan.unreadable, &scan.moved)
            && last.draft.status != SnapshotStatus::Torn
            && last.draft.roots == scan.roots
    }) else {
        return Ok(None);
    };
    if !is_as_stored(store, &comparison.doubts, &scan.contents)? {
        return Ok(None);
    }
    let trusted = comparison.doubts.iter().filter(|doubt| !doubt.racy);
    state.trusted.extend(trusted.map(|doubt| (doubt.path.clone(), doubt.stat)));
    Ok(Some(last.clone()))
}
