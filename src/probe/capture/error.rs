use std::path::PathBuf;

use crate::{git::GitError, probe::store::StoreError};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The repository is not there, or git can't work in it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A first snapshot would read more than it may.
    #[error(
        "{files} files with {bytes} bytes would be read for a first snapshot, and {limit} may be; are there \
         large files that git should ignore?"
    )]
    TooLarge {
        /// Files that would be read.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// How many bytes may be read.
        limit: u64,
    },
    /// The directory of the repository can't be looked at.
    #[error("cannot read {}: {message}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}
