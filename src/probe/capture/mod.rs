//! Takes snapshots of repositories: the whole state, as it was at one moment.
//!
//! A capture looks at every entry of a repository ([`scan`]), compares that with
//! what the store has of it ([`known`], [`compare`]), and puts what differs into
//! the store ([`entries`]); a directory of which nothing differs is one entry.
//! Nothing is ever written to the repository, and none of its locks is taken:
//! what changes while it is looked at is noticed, and looked at again.
//!
//! Two things are beyond it. A file that is changed through a memory mapping has
//! times that tell of it only later. And work-tree files are not read at one
//! moment: each is whole, and none was changed while it was read, but one may
//! have been changed shortly before another was read.

mod clock;
mod compare;
mod entries;
mod error;
mod files;
mod head;
mod ignored;
mod known;
mod layout;
mod metadata;
mod mode;
mod notes;
mod scan;
mod states;
mod take;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::PoisonError};

use crate::{
    git::Git,
    probe::store::{Snapshot, Store, StoreError, Trigger},
};
pub use error::CaptureError;
use states::States;
use take::Take;

#[cfg(test)]
type BeforeOpen = std::sync::Arc<dyn Fn(&std::path::Path) -> std::io::Result<()> + Send + Sync>;

/// Whose snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Id of the repository.
    pub repo_id: String,
    /// Its name.
    pub repo_name: String,
    /// Where it is: its work tree, a linked one, or a bare repository; absolute.
    pub path: PathBuf,
}

/// How a snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Whether `.env` files (and `.env.*`) that git ignores are captured.
    pub env: bool,
    /// How many bytes a first snapshot may read.
    pub limit: Option<u64>,
    /// Why it is taken.
    pub trigger: Trigger,
}

/// A snapshot, or that none was needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The repository's last snapshot.
    pub snapshot: Snapshot,
    /// Nothing differs from it, and it has been there before.
    pub unchanged: bool,
}

/// How much has been read of what is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Files that have been opened so far.
    pub files: u64,
    /// Bytes that have been read so far.
    pub bytes: u64,
    /// Bytes of all files that are to be read, as they were when the repository was
    /// looked at.
    pub total_bytes: u64,
}

/// Told how far a capture has come: once when it is known how much is to be read,
/// and then as it is. False: stop.
pub type Told<'a> = &'a (dyn Fn(Reading) -> bool + Send + Sync);

/// Takes snapshots, and remembers of the repositories of late what the store has
/// of them.
pub struct Capturer {
    git: Git,
    states: States,
    #[cfg(test)]
    before_open: Option<BeforeOpen>,
}

impl Capturer {
    /// Without anything remembered.
    pub fn new(git: Git) -> Self {
        Self {
            git,
            states: States::default(),
            #[cfg(test)]
            before_open: None,
        }
    }

    /// Takes a snapshot, unless the last one has everything as it is. Captures of
    /// the same repository wait for each other.
    ///
    /// What can't be read makes the snapshot partial; what goes on changing, torn.
    pub fn capture(
        &self,
        store: &dyn Store,
        of: &Subject,
        options: &CaptureOptions,
        told: Told<'_>,
    ) -> Result<Captured, CaptureError> {
        let state = self.states.of(&of.repo_id);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let take = Take {
            git: &self.git,
            store,
            of,
            options,
            told,
            #[cfg(test)]
            before_open: self.before_open.clone(),
        };
        let captured = take.run(&mut state);
        self.states.used(&of.repo_id, state.entries());
        captured
    }

    /// Brings what is remembered of a repository up to date with the store, so
    /// that its next capture need not. For when nobody waits.
    pub fn prepare(&self, store: &dyn Store, repo_id: &str) -> Result<(), StoreError> {
        let state = self.states.of(repo_id);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = state.refresh(store, repo_id);
        self.states.used(repo_id, state.entries());
        prepared
    }

    /// Forgets what is remembered of a repository.
    pub fn forget(&self, repo_id: &str) {
        self.states.forget(repo_id);
    }
}
