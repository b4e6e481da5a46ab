//! What is kept in memory of the store's index.
//!
//! The engine reads the index once and does not learn of what is added after
//! that. For storing, an index that is behind only costs space: what it does not
//! know is stored again. It must not be ahead, though: where something was
//! pruned after it was read, it would have snapshots rest on what is gone. So it
//! is good for one generation of the store (see [`super::lock`]) only.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use rustic_core::{Open, Repository, repofile::IndexId};

use super::{StoreError, backend::locked};

/// An index in memory, with the handle that it belongs to.
#[derive(Debug)]
pub(super) struct Indexed<S> {
    pub(super) repository: Repository<S>,
    generation: u64,
    /// The files that it was read from, or fewer.
    files: BTreeSet<IndexId>,
}

impl<S: Open> Indexed<S> {
    /// `files`: listed before `repository` has read them.
    pub(super) fn new(repository: Repository<S>, generation: u64, files: BTreeSet<IndexId>) -> Self {
        Self { repository, generation, files }
    }

    /// Whether it was read from `files`.
    pub(super) fn has_read(&self, files: &BTreeSet<IndexId>) -> bool {
        self.files == *files
    }
}

/// Keeps an index until it is of no use.
#[derive(Debug)]
pub(super) struct Keeper<S> {
    kept: RwLock<Option<Arc<Indexed<S>>>>,
    reading: Mutex<()>,
}

impl<S> Default for Keeper<S> {
    fn default() -> Self {
        Self { kept: RwLock::new(None), reading: Mutex::default() }
    }
}

impl<S> Keeper<S> {
    /// The index of `generation`, which `knows` what is looked for; read anew
    /// (by one thread at a time) unless the kept one does. One that has just
    /// been read is given whatever it knows.
    pub(super) fn get(
        &self,
        generation: u64,
        knows: impl Fn(&Indexed<S>) -> bool,
        read: impl FnOnce() -> Result<Indexed<S>, StoreError>,
    ) -> Result<Arc<Indexed<S>>, StoreError> {
        let fitting = || self.kept().filter(|indexed| indexed.generation == generation && knows(indexed));
        if let Some(indexed) = fitting() {
            return Ok(indexed);
        }
        let _alone = locked(&self.reading);
        if let Some(indexed) = fitting() {
            return Ok(indexed);
        }
        let indexed = Arc::new(read()?);
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&indexed));
        Ok(indexed)
    }

    /// Lets go of it.
    pub(super) fn forget(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether one is kept, and it is another than one of `generation` that has
    /// read `files`.
    pub(super) fn is_behind(&self, generation: u64, files: &BTreeSet<IndexId>) -> bool {
        self.kept().is_some_and(|indexed| indexed.generation != generation || indexed.files != *files)
    }

    fn kept(&self) -> Option<Arc<Indexed<S>>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
