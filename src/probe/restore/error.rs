use std::{fmt::Write as _, path::PathBuf};

use super::Difference;
use crate::{
    fs::{PathError, shown},
    git::GitError,
    probe::store::StoreError,
};

/// Why nothing was restored. Unless it is [`RestoreError::Unfinished`], nothing
/// has changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store could not give it.
    #[error(transparent)]
    Store(StoreError),
    /// git could not tell how the target is.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be read, written or moved.
    #[error(transparent)]
    Io(PathError),
    /// The target has what would be lost.
    #[error("{} would be replaced, but {}; to go on: --force takes a snapshot of the present first, --to DIR restores elsewhere", shown(path), reasons.join("; "))]
    Dirty {
        /// What would be replaced.
        path: PathBuf,
        /// What is there, a clause each.
        reasons: Vec<String>,
    },
    /// The target can't be restored to, with or without force.
    #[error("cannot restore to {}: {why}", shown(path))]
    Target {
        /// The target.
        path: PathBuf,
        /// What is the matter, and what to do.
        why: String,
    },
    /// The snapshot does not have what was asked for.
    #[error("the snapshot has no {}{}", shown(path), nearest.as_ref().map(|it| format!("; it has {}", shown(it))).unwrap_or_default())]
    NoPath {
        /// What was asked for, below the repository's top.
        path: PathBuf,
        /// What the snapshot has that is most like it.
        nearest: Option<PathBuf>,
    },
    /// What was restored beside the target is not what the snapshot has.
    #[error(
        "what was restored to {} is not what the snapshot has ({}); nothing was changed; `kpmo probe verify --read-data` checks the store",
        shown(path),
        told(differences)
    )]
    Differs {
        /// The target.
        path: PathBuf,
        /// How they differ.
        differences: Vec<Difference>,
    },
    /// There is no room for it.
    #[error(
        "the disk is full: cannot restore to {}; nothing was changed; make room, or restore elsewhere with --to DIR",
        shown(path)
    )]
    Full {
        /// Where there is no room.
        path: PathBuf,
    },
    /// It was asked to stop; nothing was changed.
    #[error("stopped; nothing was changed")]
    Interrupted,
    /// Another restore is going on.
    #[error("another restore is going on; try again when it is done")]
    Busy,
    /// A restore's journal can't be read.
    #[error(
        "the journal {} can't be read: {message}; what it tells of must be looked at by hand",
        shown(path)
    )]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// It failed, and so did undoing it.
    #[error(
        "{cause}; it could not be undone, either ({undo}); the governor tries again at its next start, by {}",
        shown(journal)
    )]
    Unfinished {
        /// Why it failed.
        cause: Box<RestoreError>,
        /// Why it could not be undone.
        undo: Box<RestoreError>,
        /// The journal that tells how far it came.
        journal: PathBuf,
    },
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(error) => error.into(),
            StoreError::Full { path, .. } => Self::Full { path },
            StoreError::Stopped => Self::Interrupted,
            other => Self::Store(other),
        }
    }
}

impl From<PathError> for RestoreError {
    fn from(error: PathError) -> Self {
        if error.is_full() { Self::Full { path: error.path } } else { Self::Io(error) }
    }
}

/// The first few differences.
fn told(differences: &[Difference]) -> String {
    const FEW: usize = 3;
    let few: Vec<String> = differences.iter().take(FEW).map(ToString::to_string).collect();
    let mut told = few.join(", ");
    if differences.len() > FEW {
        // Writing to a string can't fail.
        let _ = write!(told, " and {} more", differences.len() - FEW);
    }
    told
}
