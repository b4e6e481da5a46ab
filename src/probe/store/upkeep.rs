//! What keeps the store in order.

use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

use jiff::{SignedDuration, Span};
use rustic_core::{
    CheckOptions, DataId, IndexedFull, LsOptions, PruneOptions, Repository,
    repofile::{IndexFile, Node, NodeType, SnapshotFile, SnapshotId as EngineId},
};

use super::{
    Checked, Progress, Pruned, RusticStore, SnapshotId, Stats, StoreError, backend::Ending, keys::Handle,
    lock::StoreLock, watch::Meter,
};
use crate::fs::IoContext;

/// What the engine calls a file that it has not finished writing.
const UNFINISHED: &[u8] = b"-tmp-";

/// Removes what killed writers have left; nothing if somebody uses the store.
pub(super) fn sweep(store: &Path, lock: &StoreLock) -> Result<(), StoreError> {
    let _alone = match lock.alone_at_once() {
        Err(StoreError::Busy) => return Ok(()),
        held => held?,
    };
    let mut directories = vec![store.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).at("list", &directory)? {
            let entry = entry.at("list", &directory)?;
            let path = entry.path();
            if entry.file_type().at("look at", &path)?.is_dir() {
                directories.push(path);
            } else if is_unfinished(&entry.file_name()) {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
    }
    Ok(())
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().ends_with(UNFINISHED)
}

/// Whether everything is there that `tree` needs.
pub(super) fn is_whole<S: IndexedFull>(repository: &Repository<S>, tree: rustic_core::TreeId) -> bool {
    let top = Node { node_type: NodeType::Dir, subtree: Some(tree), ..Node::default() };
    let there = |id: &DataId| repository.get_index_entry(id).is_ok();
    repository.ls(&top, &LsOptions::default()).is_ok_and(|mut nodes| {
        nodes.all(|node| node.is_ok_and(|(_, node)| node.content.iter().flatten().all(there)))
    })
}

impl RusticStore {
    /// Every snapshot's file, also of those that are not kpmo's.
    pub(super) fn all(&self, handle: &Handle) -> Result<Vec<SnapshotFile>, StoreError> {
        let what = "read the snapshots";
        let listed = || -> Result<BTreeSet<EngineId>, _> { self.run(what, || Ok(handle.list()?.collect())) };
        loop {
            let before = listed()?;
            let read = self.read_all(handle, before.iter().copied().collect());
            // One that was forgotten meanwhile can't be read; then the list has
            // changed, too.
            if read.is_ok() || before.is_subset(&listed()?) {
                return read;
            }
        }
    }

    /// The files of these.
    pub(super) fn read_all(
        &self,
        handle: &Handle,
        ids: Vec<EngineId>,
    ) -> Result<Vec<SnapshotFile>, StoreError> {
        self.run("read the snapshots", || {
            let files = handle.stream_files_list::<SnapshotFile>(ids)?;
            files.map(|file| file.map(|(id, file)| SnapshotFile { id, ..file })).collect()
        })
    }

    /// See [`super::Store::forget`].
    pub(super) fn forget_all(&self, ids: &[SnapshotId]) -> Result<(), StoreError> {
        let _held = self.lock.shared()?;
        let backend = self.plain();
        let handle = self.handle(backend.clone(), rustic_core::NoProgressBars {})?;
        let mut found = Vec::new();
        for id in ids {
            match self.find(&handle, id) {
                Ok(file) => found.push(file.id),
                // Somebody else was faster.
                Err(StoreError::NoSnapshot(_)) if id.0.len() == 64 => {}
                Err(error) => return Err(error),
            }
        }
        self.run("forget snapshots", || handle.delete_snapshots(&found))?;
        backend.sync()
    }

    /// See [`super::Store::prune`].
    pub(super) fn prune_now(&self) -> Result<Pruned, StoreError> {
        let what = "prune the store";
        let mut held = self.lock.alone()?;
        self.lock.next_generation(&mut held)?;
        self.index.forget();
        self.contents.forget();
        let backend = self.plain();
        let handle = self.handle(backend.clone(), rustic_core::NoProgressBars {})?;
        let keep = SignedDuration::try_from(self.options.keep_marked).unwrap_or(SignedDuration::MAX);
        let keep = Span::try_from(keep).unwrap_or_default();
        // What is repacked is copied as it is: nothing of it changes but its place.
        let options = PruneOptions::default().keep_delete(keep).fast_repack(true);
        let plan = self.run(what, || handle.prune_plan(&options))?;
        let sizes = plan.stats.size_sum();
        let pruned = Pruned {
            marked_bytes: sizes.remove + sizes.repack + plan.stats.size_unref,
            removed_bytes: plan.stats.size_to_delete.remove,
            repacked_bytes: sizes.repack - sizes.repackrm,
        };
        self.run(what, || handle.prune(&options, plan))?;
        backend.sync()?;
        Ok(pruned)
    }

    /// See [`super::Store::check`].
    pub(super) fn check_all(&self, read_data: bool, progress: Progress<'_>) -> Result<Checked, StoreError> {
        let what = "check the store";
        let _held = self.lock.shared()?;
        let meter = Meter::default();
        meter.watch(what, &self.places.store, progress, || {
            let handle = self.handle(self.stoppable(&meter, Ending::Error), meter.clone())?;
            let trees: Vec<_> = self.all(&handle)?.into_iter().map(|file| file.tree).collect();
            let snapshots = trees.len() as u64;
            let options = CheckOptions::default().read_data(read_data);
            let results = self.run(what, || handle.check_with_trees(options, trees))?;
            let errors = results.0.iter().filter(|(level, _)| {
                // The level's type has no name outside the engine. Its warnings
                // are about files that nothing refers to: what a killed writer
                // leaves, and pruning removes.
                format!("{level:?}") != "Warn"
            });
            // Such a file, once it is marked to be removed, has no pieces in the
            // index, and the engine then finds its size wrong.
            let errors = errors.filter(|(_, error)| {
                !error.to_string().contains("marked to delete: true: size computed by index")
            });
            Ok(Checked { errors: errors.map(|(_, error)| error.to_string()).collect(), snapshots, read_data })
        })
    }

    /// See [`super::Store::stats`].
    pub(super) fn measure(&self) -> Result<Stats, StoreError> {
        let what = "measure the store";
        let _held = self.lock.shared()?;
        let handle = self.plain_handle()?;
        let mut stats = Stats::default();
        let files = self.run(what, || handle.infos_files())?;
        for kind in &files.repo {
            stats.bytes += kind.size;
            match kind.tpe {
                rustic_core::FileType::Snapshot => stats.snapshots = kind.count,
                rustic_core::FileType::Index => stats.index_files = kind.count,
                rustic_core::FileType::Pack => stats.packs = kind.count,
                _ => {}
            }
        }
        self.run(what, || {
            for file in handle.stream_files::<IndexFile>()? {
                let (_, index) = file?;
                stats.blobs += index.packs.iter().map(|pack| pack.blobs.len() as u64).sum::<u64>();
                let marked = index.packs_to_delete.iter().map(|pack| u64::from(pack.pack_size()));
                stats.marked_bytes += marked.sum::<u64>();
            }
            Ok(())
        })?;
        Ok(stats)
    }
}
