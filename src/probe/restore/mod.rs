//! Bringing a snapshot back.
//!
//! What is to be is made beside what is, on the same file system, and compared
//! with the snapshot to the last byte; then the two change places. What git
//! ignores comes over from the old; what a snapshot of the present has of the
//! old goes, and the rest is kept beside. A journal tells of every step before
//! it is done, so that [`recover`] finds either the old or the new, and makes it
//! whole.
//!
//! Not restored: owners, where the system does not allow it, and the times of
//! directories that something comes over to.

mod ask;
mod clear;
pub(in crate::probe) mod content;
mod error;
mod fill;
mod journal;
mod mend;
mod plan;
mod preview;
mod recover;
mod standing;
mod swap;
mod verify;

#[cfg(test)]
pub(in crate::probe) mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    fs::{IoContext, shown},
    git::Git,
    probe::store::{Progress, Snapshot, SnapshotStatus, Store},
};
pub use error::RestoreError;
pub use preview::{Previewed, preview};
pub use recover::{Recovered, is_pending, recover};
pub use verify::{Difference, Mismatch, verify};

/// Where a snapshot is to go. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Where it was: each root to its own path, but the first to `main`, where
    /// the repository is today.
    Original {
        /// The repository's registered path.
        main: PathBuf,
    },
    /// A copy, in a directory that is absent or empty; linked work trees go to
    /// `DIR-worktrees/NAME`.
    Directory(PathBuf),
}

/// What is to be restored.
#[derive(Debug)]
pub struct Order<'a> {
    /// From what.
    pub snapshot: &'a Snapshot,
    /// Where to.
    pub target: Target,
    /// Only these, relative to the first root; empty: all.
    pub paths: Vec<PathBuf>,
    /// Go on although the target has what is not in git.
    pub force: bool,
    /// A snapshot of the present, if one was taken. What a complete one has of
    /// what is replaced is removed; without one, everything is kept.
    pub present: Option<&'a Snapshot>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// The places that were taken; none if everything was there already.
    pub roots: Vec<PathBuf>,
    /// Files and links restored.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was put aside, because no snapshot has it.
    pub kept: Vec<PathBuf>,
    /// What is not as the snapshot has it, because it names places that have
    /// moved or that are not there any more.
    pub mended: Vec<PathBuf>,
    /// What there is to be said.
    pub warnings: Vec<String>,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The places that would be taken, and whether something is there.
    pub roots: Vec<(PathBuf, bool)>,
    /// Files and links in them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Says what [`restore`] would do, and refuses what it would refuse; nothing is
/// written.
pub fn outline(store: &dyn Store, git: &Git, order: &Order<'_>) -> Result<Outline, RestoreError> {
    store.settle()?;
    let mut plan = plan::plan(store, order, "outline")?;
    standing::judge(store, git, order, &mut plan)?;
    let is_there = |place: &Path| place.symlink_metadata().is_ok();
    Ok(Outline {
        roots: plan.units.iter().map(|unit| (unit.place.clone(), is_there(&unit.place))).collect(),
        files: plan.survey.files,
        bytes: plan.survey.bytes,
    })
}

/// Restores a snapshot, or some paths of it, as a whole or not at all.
///
/// `journal_dir` is the home's state directory; one restore at a time is going
/// on with it. `progress` is told bytes, each counted twice: written, and read
/// again. Where it says so, everything is undone.
pub fn restore(
    store: &dyn Store,
    git: &Git,
    journal_dir: &Path,
    order: &Order<'_>,
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    Run { store, git, progress, steps: &|_, _| Ok(()), can_exchange: true }.restore(journal_dir, order)
}

/// What a restore works with.
struct Run<'a> {
    store: &'a dyn Store,
    git: &'a Git,
    progress: Progress<'a>,
    /// Told of every change before it is made, which fails if this does.
    steps: &'a (dyn Fn(&'static str, &Path) -> io::Result<()> + Sync),
    /// Whether two paths can be exchanged; whether the file system can is found
    /// out.
    can_exchange: bool,
}

impl Run<'_> {
    fn step(&self, action: &'static str, path: &Path) -> Result<(), RestoreError> {
        Ok((self.steps)(action, path).at(action, path)?)
    }

    fn restore(&self, journal_dir: &Path, order: &Order<'_>) -> Result<Restored, RestoreError> {
        let _lock = journal::lock(journal_dir)?;
        self.store.settle()?;
        let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        let mut plan = plan::plan(self.store, order, &id)?;
        let mut warnings = standing::judge(self.store, self.git, order, &mut plan)?;
        let present = order.present.filter(|it| it.draft.status == SnapshotStatus::Complete);
        let made = fill::missing_above(&plan);
        let ids = (&order.snapshot.id, present.map(|present| &present.id));
        let mut journal = journal::Journal::begin(journal_dir, &id, ids.0, ids.1, plan.units.clone(), made)?;
        let swapped = self.fill(order, &plan, &mut journal).and_then(|mended| {
            self.step("write", journal.path())?;
            journal.swap()?;
            journal.units.iter().try_for_each(|unit| self.forward(unit))?;
            Ok(mended)
        });
        let mended = match swapped {
            Ok(mended) => mended,
            Err(cause) => {
                return Err(match self.undo(&mut journal) {
                    Ok(kept) => {
                        for path in kept {
                            tracing::warn!(path = %shown(&path), "put aside: another thing is in its place");
                        }
                        cause
                    }
                    Err(undo) => RestoreError::Unfinished {
                        cause: Box::new(cause),
                        undo: Box::new(undo),
                        journal: journal.path().into(),
                    },
                });
            }
        };
        let mut kept = Vec::new();
        let finished = self.finish(&journal, Some(order.snapshot), present, false, &mut kept, &mut warnings);
        if let Err(error) = finished {
            warnings.push(format!(
                "everything is restored, but what was there before is not cleared away yet ({error}); the \
                 governor does it at its next start"
            ));
        }
        Ok(Restored {
            roots: plan.units.into_iter().map(|unit| unit.place).collect(),
            files: plan.survey.files,
            bytes: plan.survey.bytes,
            kept,
            mended,
            warnings,
        })
    }
}
