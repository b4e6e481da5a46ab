//! Which snapshot is each repository's last.
//!
//! To find one among all, all have to be read, and the governor of a fleet asks
//! for each of its repositories. So what was read once is remembered: of every
//! snapshot its id, and of every repository which is its last.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rustic_core::repofile::{SnapshotFile, SnapshotId as EngineId};

use super::{RusticStore, Snapshot, SnapshotId, StoreError, backend::locked, describe};

/// What is remembered. Snapshots never change; they come and go.
#[derive(Debug, Default)]
pub(super) struct Lasts {
    seen: BTreeSet<EngineId>,
    last: BTreeMap<String, (Timestamp, EngineId)>,
}

impl Lasts {
    /// Leaves out what is not listed any more. Which one was before it is not
    /// known: where a repository's last is gone, all are read anew.
    fn keep(&mut self, listed: &BTreeSet<EngineId>) {
        if self.last.values().all(|(_, id)| listed.contains(id)) {
            self.seen.retain(|id| listed.contains(id));
        } else {
            *self = Self::default();
        }
    }

    fn add(&mut self, file: &SnapshotFile) {
        self.seen.insert(file.id);
        let Some(snapshot) = describe::of_file(file) else { return };
        let this = (snapshot.draft.time, file.id);
        let last = self.last.entry(snapshot.draft.repo_id).or_insert(this);
        *last = this.max(*last);
    }
}

impl RusticStore {
    /// See [`super::Store::last`].
    pub(super) fn last_of(&self, repo_id: &str) -> Result<Option<Snapshot>, StoreError> {
        let _held = self.lock.shared()?;
        let handle = self.plain_handle()?;
        let listed = || -> Result<BTreeSet<EngineId>, _> {
            self.run("list the snapshots", || Ok(handle.list()?.collect()))
        };
        let mut lasts = locked(&self.lasts);
        loop {
            let now = listed()?;
            lasts.keep(&now);
            let new = now.difference(&lasts.seen).copied().collect();
            let found = self.read_all(&handle, new).and_then(|files| {
                for file in &files {
                    lasts.add(file);
                }
                let Some((_, id)) = lasts.last.get(repo_id) else { return Ok(None) };
                let file = self.find(&handle, &SnapshotId(id.to_hex().to_string()))?;
                Ok(describe::of_file(&file))
            });
            // One that was forgotten meanwhile can't be read.
            if found.is_ok() || now.is_subset(&listed()?) {
                return found;
            }
        }
    }
}
