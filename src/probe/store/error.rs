use std::path::PathBuf;

use crate::fs::PathError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file of the store's, or one that was to be restored.
    #[error(transparent)]
    Io(#[from] PathError),
    /// No such snapshot, or more than one that begins so.
    #[error("{0}")]
    NoSnapshot(String),
    /// A snapshot does not have this.
    #[error("the snapshot has no {}", path.display())]
    NoPath {
        /// What was looked for.
        path: PathBuf,
    },
    /// Somebody else prunes the store, or uses it while it is to be pruned.
    #[error("the store is in use by another process; try again when it is done")]
    Busy,
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
    /// The disk is full.
    #[error("cannot {what}: the disk is full ({})", path.display())]
    Full {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The store's own library failed.
    #[error("cannot {what}: {message}")]
    Store {
        /// What was being done.
        what: &'static str,
        /// What it said.
        message: String,
    },
}
