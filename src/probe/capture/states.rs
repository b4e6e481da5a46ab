//! What is remembered of repositories from one capture to the next.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{known::Known, scan::Hints};
use crate::probe::store::{Snapshot, Stat, Store, StoreError};

/// Entries of directories that are remembered in all: 150 bytes each.
const ENTRIES: usize = 200_000;

/// What is remembered of one repository.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Its last snapshot.
    pub last: Option<Snapshot>,
    /// What is in it; of one before it until [`State::refresh`].
    known: Option<Known>,
    /// Files that are as the last snapshot has them, although their state is not.
    pub trusted: HashMap<PathBuf, Stat>,
    /// Files that could not be read for it.
    pub unreadable: HashSet<PathBuf>,
    pub hints: Option<Hints>,
}

impl State {
    /// Brings it up to date with the store.
    pub fn refresh(&mut self, store: &dyn Store, repo_id: &str) -> Result<(), StoreError> {
        if let Some(last) = &self.last {
            match store.snapshot(&last.id) {
                Ok(_) => {}
                // It was forgotten; and what it had may be gone.
                Err(StoreError::NoSnapshot(_)) => {
                    *self = Self { hints: self.hints.take(), ..Self::default() }
                }
                Err(error) => return Err(error),
            }
        }
        if self.last.is_none() {
            self.last = store.last(repo_id)?;
        }
        let Some(last) = &self.last else { return Ok(()) };
        if self.known().is_none() {
            let known = Known::load(store, last.clone(), self.known.as_ref())?;
            self.known = Some(known);
        }
        Ok(())
    }

    /// What is in the last snapshot.
    pub fn known(&self) -> Option<&Known> {
        self.known
            .as_ref()
            .filter(|known| Some(&known.snapshot.id) == self.last.as_ref().map(|last| &last.id))
    }

    /// There is another last snapshot.
    pub fn follow(&mut self, snapshot: Snapshot) {
        self.last = Some(snapshot);
        self.trusted.clear();
    }

    pub fn entries(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.entries)
    }
}

/// The states of all repositories, those that were not used for longest
/// forgotten.
#[derive(Default)]
pub(super) struct States(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    states: HashMap<String, Slot>,
    clock: u64,
}

#[derive(Default)]
struct Slot {
    state: Arc<Mutex<State>>,
    entries: usize,
    used: u64,
}

impl States {
    pub fn of(&self, repo_id: &str) -> Arc<Mutex<State>> {
        let mut inner = self.lock();
        Arc::clone(&inner.states.entry(repo_id.to_owned()).or_default().state)
    }

    /// Notes that a repository's state was used, and how large it is.
    pub fn used(&self, repo_id: &str, entries: usize) {
        let mut inner = self.lock();
        inner.clock += 1;
        let clock = inner.clock;
        if let Some(slot) = inner.states.get_mut(repo_id) {
            (slot.entries, slot.used) = (entries, clock);
        }
        let mut all: usize = inner.states.values().map(|slot| slot.entries).sum();
        while all > ENTRIES {
            let held = inner.states.iter().filter(|(_, slot)| slot.entries > 0);
            let Some(oldest) = held.min_by_key(|(_, slot)| slot.used).map(|(id, _)| id.clone()) else {
                return;
            };
            // Whoever is using it has it to the end.
            all -= inner.states.remove(&oldest).map_or(0, |slot| slot.entries);
        }
    }

    pub fn forget(&self, repo_id: &str) {
        self.lock().states.remove(repo_id);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
