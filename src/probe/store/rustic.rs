//! The store, by rustic's engine.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustic_core::{
    Credentials, DataId, IndexedFullStatus, IndexedIdsStatus, NoProgressBars, RusticResult, WriteBackend,
    repofile::{BlobType, IndexId, MasterKey, SnapshotFile, SnapshotId as EngineId},
};

use super::{
    BlobId, Checked, Draft, Node, Progress, Pruned, Snapshot, SnapshotId, Stats, Store, StoreError, Stored,
    TreeId,
    backend::{Backend, Seen, locked},
    describe::{self, Identity},
    failure,
    index::{Indexed, Keeper},
    keys::{self, Handle, Places},
    lasts::Lasts,
    lock::{Held, StoreLock},
    node,
    source::{Above, Given},
    upkeep,
};

/// How a store is used.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How long to wait for those who use the store in a way that does not go
    /// together with ours, before [`StoreError::Busy`].
    pub patience: Duration,
    /// How long what pruning has marked stays before a later prune removes it:
    /// restic knows nothing of our lock, and may be reading it.
    pub keep_marked: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), keep_marked: Duration::from_hours(23) }
    }
}

/// Seen in a directory, as restic keeps them.
///
/// Any number of these may be open at the same time, in one process or several.
/// Whoever holds one holds in memory what the store's index says (some 50 bytes
/// for each piece), from the first use until [`Store::settle`] finds a newer one.
pub struct RusticStore {
    pub(super) places: Places,
    pub(super) options: StoreOptions,
    key: MasterKey,
    pub(super) lock: StoreLock,
    files: Arc<dyn WriteBackend>,
    /// Where entries are stored: no snapshot that is written through this is seen.
    pub(super) storing: Arc<Backend>,
    pub(super) index: Keeper<IndexedIdsStatus>,
    /// The index with the places of contents, for reading them.
    pub(super) contents: Keeper<IndexedFullStatus>,
    /// Trees that were stored lately, and the store's generation at that time.
    stored: Mutex<HashMap<String, u64>>,
    pub(super) lasts: Mutex<Lasts>,
    pub(super) above: Arc<Above>,
    identity: Identity,
}

/// More trees than are stored at the same time; beyond that, commits look for
/// themselves whether everything is there.
const STORED: usize = 1024;

impl fmt::Debug for RusticStore {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RusticStore").field("dir", &self.places.dir).finish_non_exhaustive()
    }
}

impl RusticStore {
    /// Opens the store in `dir`; makes the directory (0700), the store and its
    /// keys (0600) if there are none. Errors: [`StoreError::Busy`] where somebody
    /// else is making it for too long; [`StoreError::Store`] where keys are there
    /// but no store, where the store is damaged, or where nothing opens it.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_through(dir, options, |files| files)
    }

    /// The same, with something between engine and files.
    pub(super) fn open_through(
        dir: &Path,
        options: StoreOptions,
        through: impl FnOnce(Arc<dyn WriteBackend>) -> Arc<dyn WriteBackend>,
    ) -> Result<Self, StoreError> {
        let places = Places::of(dir);
        let lock = StoreLock::new(places.lock.clone(), options.patience);
        let key = keys::key(&places, &lock)?;
        upkeep::sweep(&places.store, &lock)?;
        let files = through(places.local()?);
        Ok(Self {
            storing: Arc::new(Backend::new(files.clone(), &places.store, Seen::No)),
            places,
            options,
            key,
            lock,
            files,
            index: Keeper::default(),
            contents: Keeper::default(),
            stored: Mutex::default(),
            lasts: Mutex::default(),
            above: Arc::default(),
            identity: Identity::of_this_process(),
        })
    }

    /// Where restic finds the store in `dir`.
    pub fn path(dir: &Path) -> PathBuf {
        Places::of(dir).store
    }

    /// The file with restic's password for the store in `dir`.
    pub fn password_file(dir: &Path) -> PathBuf {
        Places::of(dir).password
    }

    /// The store's files for another handle.
    pub(super) fn files(&self, seen: Seen) -> Backend {
        Backend::new(self.files.clone(), &self.places.store, seen)
    }

    /// Files that snapshots are written through, and seen.
    pub(super) fn plain(&self) -> Arc<Backend> {
        Arc::new(self.files(Seen::Yes))
    }

    pub(super) fn handle(
        &self,
        backend: Arc<Backend>,
        progress: impl rustic_core::ProgressBars,
    ) -> Result<Handle, StoreError> {
        let credentials = Credentials::Masterkey(self.key.clone());
        keys::open(backend, &credentials, progress, &self.places.store)
    }

    pub(super) fn plain_handle(&self) -> Result<Handle, StoreError> {
        self.handle(self.plain(), NoProgressBars {})
    }

    /// Runs the engine; what it dies of is an error.
    pub(super) fn run<T>(
        &self,
        what: &'static str,
        engine: impl FnOnce() -> RusticResult<T>,
    ) -> Result<T, StoreError> {
        match catch_unwind(AssertUnwindSafe(engine)) {
            Ok(done) => done.map_err(|error| failure::of_engine(what, &self.places.store, &error)),
            Err(panic) => Err(failure::of_panic(what, &self.places.store, &*panic)),
        }
    }

    /// The index, for storing.
    pub(super) fn index_with(
        &self,
        held: &Held,
        knows: impl Fn(&Indexed<IndexedIdsStatus>) -> bool,
    ) -> Result<Arc<Indexed<IndexedIdsStatus>>, StoreError> {
        self.index.get(held.generation, knows, || {
            let handle = self.handle_for_small()?;
            let files = index_files(&handle, &self.places.store)?;
            let repository = self.run("read the store's index", || handle.to_indexed_ids())?;
            Ok(Indexed::new(repository, held.generation, files))
        })
    }

    pub(super) fn contents_with(
        &self,
        held: &Held,
        knows: impl Fn(&Indexed<IndexedFullStatus>) -> bool,
    ) -> Result<Arc<Indexed<IndexedFullStatus>>, StoreError> {
        self.contents.get(held.generation, knows, || {
            let handle = self.handle(self.storing.clone(), NoProgressBars {})?;
            let files = index_files(&handle, &self.places.store)?;
            let repository = self.run("read the store's index", || handle.to_indexed())?;
            Ok(Indexed::new(repository, held.generation, files))
        })
    }

    /// The index that has the piece, and the piece's id as the engine has it.
    fn contents_of(
        &self,
        held: &Held,
        id: &BlobId,
        what: &'static str,
    ) -> Result<(Arc<Indexed<IndexedFullStatus>>, DataId), StoreError> {
        let id: DataId = self.run(what, || hex::encode(id).parse())?;
        let contents = self.contents_with(held, |index| index.repository.get_index_entry(&id).is_ok())?;
        Ok((contents, id))
    }

    /// Whether a snapshot may rest on `tree`: not if something was pruned since
    /// it was stored that it needs.
    fn is_whole(&self, held: &Held, tree: rustic_core::TreeId) -> Result<bool, StoreError> {
        if locked(&self.stored).get(&*tree.to_hex()) == Some(&held.generation) {
            return Ok(true);
        }
        self.contents.forget();
        let contents = self.contents_with(held, |_| true)?;
        let whole = upkeep::is_whole(&contents.repository, tree);
        self.contents.forget();
        Ok(whole)
    }

    /// The file of a snapshot, by its id or the beginning of it.
    pub(super) fn find(&self, handle: &Handle, id: &SnapshotId) -> Result<SnapshotFile, StoreError> {
        let unknown = |why: &str| StoreError::NoSnapshot(format!("{why} {}", id.0.escape_debug()));
        if id.0.is_empty() || !id.0.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown("not the id of a snapshot:"));
        }
        let digits = id.0.to_ascii_lowercase();
        if digits.len() == 64 && !self.places.store.join("snapshots").join(&digits).exists() {
            return Err(unknown("no snapshot has the id"));
        }
        let known: Vec<EngineId> = if digits.len() == 64 {
            vec![self.run("read the snapshot", || digits.parse())?]
        } else {
            self.run("list the snapshots", || Ok(handle.list()?.collect()))?
        };
        let mut fitting = known.into_iter().filter(|known| known.to_hex().starts_with(&digits));
        let found = fitting.next().ok_or_else(|| unknown("no snapshot has the id"))?;
        if fitting.next().is_some() {
            return Err(unknown("several snapshots have an id that begins with"));
        }
        let mut file: SnapshotFile = self.run("read the snapshot", || handle.get_file(&found))?;
        file.id = found;
        Ok(file)
    }
}

pub(super) fn index_files(handle: &Handle, place: &Path) -> Result<BTreeSet<IndexId>, StoreError> {
    let listed = handle.list::<IndexId>();
    Ok(listed.map_err(|error| failure::of_engine("list the store's index", place, &error))?.collect())
}

impl Store for RusticStore {
    fn put(&self, entries: Given, parent: Option<&SnapshotId>) -> Result<Stored, StoreError> {
        let held = self.lock.shared()?;
        let stored = self.store_entries(&held, entries, parent)?;
        let mut known = locked(&self.stored);
        if known.len() >= STORED {
            known.clear();
        }
        known.insert(stored.tree.0.clone(), held.generation);
        Ok(stored)
    }

    fn commit(&self, stored: &Stored, draft: Draft) -> Result<Snapshot, StoreError> {
        let what = "write the snapshot";
        let held = self.lock.shared()?;
        let tree = self.run(what, || stored.tree.0.parse())?;
        if !self.is_whole(&held, tree)? {
            return Err(StoreError::Store {
                what,
                message: "what it holds was pruned before it was written; take it again".into(),
            });
        }
        let file = describe::to_file(stored, tree, &draft, &self.identity);
        let backend = self.plain();
        let handle = self.handle(backend.clone(), NoProgressBars {})?;
        self.run(what, || handle.save_snapshots(vec![file]))?;
        backend.sync()?;
        let id = backend
            .last_snapshot()
            .ok_or_else(|| StoreError::Store { what, message: "the engine did not write it".into() })?;
        Ok(Snapshot {
            id: SnapshotId(id.to_hex().to_string()),
            tree: stored.tree.clone(),
            draft,
            files: stored.files,
            bytes: stored.bytes,
            added: stored.added,
        })
    }

    fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        let _held = self.lock.shared()?;
        let handle = self.plain_handle()?;
        let mut snapshots: Vec<_> = self.all(&handle)?.iter().filter_map(describe::of_file).collect();
        snapshots.sort_by(|a, b| (a.draft.time, &a.id).cmp(&(b.draft.time, &b.id)));
        Ok(snapshots)
    }

    fn last(&self, repo_id: &str) -> Result<Option<Snapshot>, StoreError> {
        self.last_of(repo_id)
    }

    fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, StoreError> {
        let _held = self.lock.shared()?;
        let file = self.find(&self.plain_handle()?, id)?;
        let foreign = || StoreError::NoSnapshot(format!("the snapshot {} is not kpmo's", id.0));
        describe::of_file(&file).ok_or_else(foreign)
    }

    fn tree(&self, tree: &TreeId) -> Result<Vec<Node>, StoreError> {
        let what = "read a directory of the snapshot";
        let held = self.lock.shared()?;
        let id = self.run(what, || tree.0.parse())?;
        let index = self.index_with(&held, |index| index.repository.get_tree(&id).is_ok())?;
        let tree = self.run(what, || index.repository.get_tree(&id))?;
        Ok(tree.nodes.iter().map(node::stored).collect())
    }

    fn blob(&self, id: &BlobId) -> Result<Vec<u8>, StoreError> {
        let what = "read a piece of a file";
        let held = self.lock.shared()?;
        let (contents, id) = self.contents_of(&held, id, what)?;
        let bytes = self.run(what, || contents.repository.cat_blob(BlobType::Data, &id.to_hex()))?;
        Ok(bytes.into())
    }

    fn blob_len(&self, id: &BlobId) -> Result<u64, StoreError> {
        let what = "look up a piece of a file";
        let held = self.lock.shared()?;
        let (contents, id) = self.contents_of(&held, id, what)?;
        let entry = self.run(what, || contents.repository.get_index_entry(&id))?;
        Ok(entry.data_length().into())
    }

    fn restore(
        &self,
        id: &SnapshotId,
        path: &Path,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        self.restore_to(id, path, target, progress)
    }

    fn forget(&self, ids: &[SnapshotId]) -> Result<(), StoreError> {
        self.forget_all(ids)
    }

    fn prune(&self) -> Result<Pruned, StoreError> {
        self.prune_now()
    }

    fn check(&self, read_data: bool, progress: Progress<'_>) -> Result<Checked, StoreError> {
        self.check_all(read_data, progress)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.measure()
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.contents.forget();
        let held = match self.lock.shared() {
            Ok(held) => held,
            // Whoever has it alone is pruning it: then there will be more to bring.
            Err(StoreError::Busy) => return Ok(()),
            Err(error) => return Err(error),
        };
        let files = index_files(&self.plain_handle()?, &self.places.store)?;
        if self.index.is_behind(held.generation, &files) {
            self.index_with(&held, |index| index.has_read(&files))?;
        }
        Ok(())
    }
}
