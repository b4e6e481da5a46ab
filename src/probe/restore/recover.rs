//! What a restore that was killed has left.

use std::path::{Path, PathBuf};

use super::{
    RestoreError, Run,
    journal::{self, Journal, Phase, inode},
};
use crate::{
    git::Git,
    probe::store::{Snapshot, SnapshotId, Store, StoreError},
};

/// What became of a restore that was killed.
#[derive(Debug)]
pub struct Recovered {
    /// The places that it was about to take.
    pub roots: Vec<PathBuf>,
    /// True: what was restored is there, whole. False: what was there before is.
    pub finished: bool,
    /// What was put aside because no snapshot has it.
    pub kept: Vec<PathBuf>,
    /// What there is to be said.
    pub warnings: Vec<String>,
}

/// Whether a restore that was killed, or is going on, has left something.
/// `journal_dir` as for [`super::restore`].
pub fn is_pending(journal_dir: &Path) -> Result<bool, RestoreError> {
    Ok(!journal::pending(journal_dir)?.is_empty())
}

/// Finishes or undoes what killed restores have left, one result each.
/// [`RestoreError::Busy`] if a restore is going on.
pub fn recover(
    store: &dyn Store,
    git: &Git,
    journal_dir: &Path,
) -> Result<Vec<Result<Recovered, RestoreError>>, RestoreError> {
    let run = Run { store, git, progress: &|_, _| true, steps: &|_, _| Ok(()), can_exchange: true };
    run.recover(journal_dir)
}

impl Run<'_> {
    pub(super) fn recover(
        &self,
        journal_dir: &Path,
    ) -> Result<Vec<Result<Recovered, RestoreError>>, RestoreError> {
        let _lock = journal::lock(journal_dir)?;
        let pending = journal::pending(journal_dir)?;
        if !pending.is_empty() {
            self.store.settle()?;
        }
        Ok(pending.into_iter().map(|journal| self.recover_one(&mut journal?)).collect())
    }

    fn recover_one(&self, journal: &mut Journal) -> Result<Recovered, RestoreError> {
        let roots = journal.units.iter().map(|unit| unit.place.clone()).collect();
        if journal.phase != Phase::Swapping {
            let kept = self.undo(journal)?;
            return Ok(Recovered { roots, finished: false, kept, warnings: Vec::new() });
        }
        for unit in &journal.units {
            self.forward(unit)?;
        }
        let known = |id: &str| match self.store.snapshot(&SnapshotId(id.to_owned())) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(StoreError::NoSnapshot(_)) => Ok(None),
            Err(error) => Err(RestoreError::from(error)),
        };
        let snapshot = known(&journal.snapshot)?;
        let present = journal.present.as_deref().map(known).transpose()?.flatten();
        let (mut kept, mut warnings) = (Vec::new(), Vec::new());
        self.finish(journal, snapshot.as_ref(), present.as_ref(), true, &mut kept, &mut warnings)?;
        Ok(Recovered { roots, finished: true, kept, warnings })
    }

    /// Everything new is in place: deals with what was there, and ends it.
    pub(super) fn finish(
        &self,
        journal: &Journal,
        snapshot: Option<&Snapshot>,
        present: Option<&Snapshot>,
        is_last_try: bool,
        kept: &mut Vec<PathBuf>,
        warnings: &mut Vec<String>,
    ) -> Result<(), RestoreError> {
        for unit in &journal.units {
            kept.extend(self.settle(unit, snapshot, present, is_last_try, warnings)?);
        }
        self.step("remove", journal.path())?;
        journal.end()
    }

    /// Puts everything back, and takes away what was made. Returns where something is
    /// that was there before and can't be put back: another thing is in its place.
    pub(super) fn undo(&self, journal: &mut Journal) -> Result<Vec<PathBuf>, RestoreError> {
        journal.undo()?;
        for unit in journal.units.iter().rev() {
            self.backward(unit)?;
        }
        let mut kept = Vec::new();
        for unit in &journal.units {
            let old = if inode(&unit.before)?.is_some() {
                Some(&unit.before)
            } else {
                unit.is_old_beside()?.then_some(&unit.beside)
            };
            if let Some(old) = old {
                self.rename(old, &unit.kept)?;
                kept.push(unit.kept.clone());
            }
            self.remove(&unit.beside)?;
        }
        for dir in journal.made.iter().rev() {
            // What others have put there meanwhile stays.
            let _ = std::fs::remove_dir(dir);
        }
        journal.end()?;
        Ok(kept)
    }
}
