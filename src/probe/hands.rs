//! What the hands do when the governor asks, in the words of their contract.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    capture::{CaptureError, CaptureOptions, Captured, Capturer, Reading, Subject},
    restore::{self, Order, Outline, Previewed, Recovered, RestoreError, Restored, Target},
    store::{
        Content, Draft, Entry, NodeKind, RusticStore, Snapshot, SnapshotId, SnapshotStatus, Stat, Store,
        StoreError, StoreOptions,
    },
};
use crate::{
    fs::{IoContext, PathError, bytes_of, path_from},
    generated::probe as contract,
    git::Git,
};

/// What made a snapshot of the ledger.
const LEDGER: &str = "ledger";
/// How often at most somebody is told how far something has come.
const TELL: Duration = Duration::from_millis(100);

/// Told how far something has come; false: stop.
pub type Told<'a> = &'a (dyn Fn(contract::Progress) -> bool + Send + Sync);

/// Why the hands could not do it.
#[derive(Debug, thiserror::Error)]
pub enum HandsError {
    /// There is no snapshot.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Nothing was restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file can't be read.
    #[error(transparent)]
    Io(#[from] PathError),
}

/// Takes snapshots into a home's store and restores from it. The store is made
/// and opened when it is first needed.
pub struct Hands {
    dir: PathBuf,
    journal_dir: PathBuf,
    git: Git,
    capturer: Capturer,
    store: Mutex<Option<Arc<RusticStore>>>,
}

impl Hands {
    /// With the store in `dir`, and the journals of restores in `journal_dir`.
    pub fn new(dir: PathBuf, journal_dir: PathBuf, git: Git) -> Self {
        Self { dir, journal_dir, capturer: Capturer::new(git.clone()), git, store: Mutex::default() }
    }

    /// The store, to read and to look after.
    pub fn store(&self) -> Result<Arc<RusticStore>, StoreError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*store {
            return Ok(Arc::clone(store));
        }
        // A home that is gone is not made anew.
        fs::metadata(&self.dir).at("open the store in", &self.dir)?;
        let opened = Arc::new(RusticStore::open(&self.dir, StoreOptions::default())?);
        Ok(Arc::clone(store.insert(opened)))
    }

    /// What to give restic: the store, and the file with its password.
    pub fn for_restic(&self) -> (PathBuf, PathBuf) {
        (RusticStore::path(&self.dir), RusticStore::password_file(&self.dir))
    }

    /// Whether there is a store yet.
    pub fn has_store(&self) -> bool {
        RusticStore::path(&self.dir).join("config").is_file()
    }

    /// The ids of all snapshots in the store; none of them is read.
    pub fn snapshot_ids(&self) -> Result<Vec<SnapshotId>, PathError> {
        let dir = RusticStore::path(&self.dir).join("snapshots");
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let names = fs::read_dir(&dir).at("read", &dir)?.flatten().map(|entry| entry.file_name());
        let is_id = |name: &String| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(names.filter_map(|name| name.into_string().ok()).filter(is_id).map(SnapshotId).collect())
    }

    /// Takes a snapshot of one repository.
    pub fn snapshot(
        &self,
        request: &contract::SnapshotRequest,
        told: Told<'_>,
    ) -> Result<contract::SnapshotTaken, HandsError> {
        let subject = Subject {
            repo_id: request.repo_id.clone(),
            repo_name: request.repo_name.clone(),
            path: path_from(&request.path),
        };
        let options = CaptureOptions {
            env: request.env,
            limit: (request.limit_bytes > 0).then_some(request.limit_bytes),
            trigger: request.trigger.clone(),
        };
        let store = self.store()?;
        let tell = now_and_then(told);
        let captured = self.capturer.capture(&*store, &subject, &options, &|reading| {
            let Reading { files, bytes, total_bytes } = reading;
            tell(contract::Progress { files, bytes, total_bytes })
        })?;
        Ok(taken(captured))
    }

    /// Makes the next snapshot of a repository a quick one. For when nobody
    /// waits.
    pub fn prepare(&self, repo_id: &str) -> Result<(), HandsError> {
        let store = self.store()?;
        store.settle()?;
        Ok(self.capturer.prepare(&*store, repo_id)?)
    }

    /// Forgets what is remembered of a repository; its snapshots stay.
    pub fn forget(&self, repo_id: &str) {
        self.capturer.forget(repo_id);
    }

    /// Restores from a snapshot.
    pub fn restore(
        &self,
        request: &contract::RestoreRequest,
        told: Told<'_>,
    ) -> Result<contract::Restored, HandsError> {
        let store = self.store()?;
        let restored = with_order(&*store, request, |order| {
            Ok(restore::restore(&*store, &self.git, &self.journal_dir, order, &of_bytes(told))?)
        })?;
        Ok(answer(restored))
    }

    /// What [`Hands::restore`] would do, and refuse.
    pub fn outline(&self, request: &contract::RestoreRequest) -> Result<Outline, HandsError> {
        let store = self.store()?;
        with_order(&*store, request, |order| Ok(restore::outline(&*store, &self.git, order)?))
    }

    /// What [`Hands::restore`] would change where the repository is; nothing is
    /// written.
    pub fn preview(
        &self,
        request: &contract::RestoreRequest,
        told: Told<'_>,
    ) -> Result<Vec<Previewed>, HandsError> {
        let store = self.store()?;
        with_order(&*store, request, |order| {
            Ok(restore::preview(&*store, &self.git, order, &of_bytes(told))?)
        })
    }

    /// Finishes or undoes restores that were killed.
    pub fn recover(&self) -> Result<Vec<Result<Recovered, RestoreError>>, HandsError> {
        if !restore::is_pending(&self.journal_dir)? {
            return Ok(Vec::new());
        }
        Ok(restore::recover(&*self.store()?, &self.git, &self.journal_dir)?)
    }

    /// Puts a copy of the ledger into the store; `stands_for` is the path that it
    /// is a copy of.
    pub fn sync_database(
        &self,
        request: &contract::SyncDatabaseRequest,
        stands_for: &Path,
    ) -> Result<Snapshot, HandsError> {
        let copy = path_from(&request.path);
        let meta = fs::metadata(&copy).at("read", &copy)?;
        let store = self.store()?;
        let stat = Stat {
            mode: meta.mode(),
            uid: meta.uid(),
            gid: meta.gid(),
            dev: meta.dev(),
            ino: meta.ino(),
            links: 1,
            size: meta.size(),
            rdev: 0,
            mtime: (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or_default()),
            ctime: (meta.ctime(), u32::try_from(meta.ctime_nsec()).unwrap_or_default()),
        };
        let file = fs::File::open(&copy).at("open", &copy)?;
        let entry = Entry { path: stands_for.into(), stat, content: Content::File(Box::new(Copy(file))) };
        let stored = store.put(Box::new(std::iter::once(Ok(entry))), None)?;
        // A file that can't be read is left out, for whoever gave it to tell.
        let found = restore::content::find(&*store, &stored.tree, stands_for)?;
        if !found.is_some_and(|node| matches!(node.kind, NodeKind::File(_)) && node.stat.size == stat.size) {
            Err(std::io::Error::other("it could not be read to its end")).at("read", &copy)?;
        }
        let draft = Draft {
            repo_id: String::new(),
            repo_name: LEDGER.into(),
            time: jiff::Timestamp::now(),
            trigger: LEDGER.into(),
            roots: vec![stands_for.into()],
            branch: None,
            head: None,
            status: SnapshotStatus::Complete,
            reasons: Vec::new(),
            ledger_seq: Some(request.seq),
        };
        Ok(store.commit(&stored, draft)?)
    }
}

/// A file that nobody writes.
struct Copy(fs::File);

impl super::store::Open for Copy {
    fn open(self: Box<Self>) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Ok(Box::new(self.0))
    }
}

fn with_order<T>(
    store: &dyn Store,
    request: &contract::RestoreRequest,
    run: impl FnOnce(&Order<'_>) -> Result<T, HandsError>,
) -> Result<T, HandsError> {
    let find = |id: &str| store.snapshot(&SnapshotId(id.to_owned()));
    let snapshot = find(&request.snapshot_id)?;
    let present = match request.present_id.as_str() {
        "" => None,
        id => Some(find(id)?),
    };
    let target = if request.to.is_empty() {
        Target::Original { main: path_from(&request.path) }
    } else {
        Target::Directory(path_from(&request.to))
    };
    run(&Order {
        snapshot: &snapshot,
        target,
        paths: request.paths.iter().map(|path| path_from(path)).collect(),
        force: request.force,
        present: present.as_ref(),
    })
}

/// Tells not every step: whoever listens may be slow.
fn now_and_then(told: Told<'_>) -> impl Fn(contract::Progress) -> bool + Send + Sync {
    let last = Mutex::new(None::<(Instant, bool)>);
    move |progress| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, goes_on)) = *last
            && at.elapsed() < TELL
        {
            return goes_on;
        }
        let goes_on = told(progress);
        *last = Some((Instant::now(), goes_on));
        goes_on
    }
}

/// The same, where bytes alone are counted.
fn of_bytes(told: Told<'_>) -> impl Fn(u64, u64) -> bool + Send + Sync {
    let tell = now_and_then(told);
    move |bytes, total_bytes| tell(contract::Progress { files: 0, bytes, total_bytes })
}

fn status(status: SnapshotStatus) -> contract::SnapshotStatus {
    match status {
        SnapshotStatus::Complete => contract::SnapshotStatus::Complete,
        SnapshotStatus::Partial => contract::SnapshotStatus::Partial,
        SnapshotStatus::Torn => contract::SnapshotStatus::Torn,
    }
}

fn taken(captured: Captured) -> contract::SnapshotTaken {
    let Captured { snapshot, unchanged } = captured;
    let draft = snapshot.draft;
    contract::SnapshotTaken {
        id: snapshot.id.0,
        time: Some(prost_types::Timestamp {
            seconds: draft.time.as_second(),
            nanos: draft.time.subsec_nanosecond(),
        }),
        branch: draft.branch.unwrap_or_default(),
        head: draft.head.unwrap_or_default(),
        status: status(draft.status).into(),
        reasons: draft.reasons,
        roots: draft.roots.iter().map(|root| bytes_of(root)).collect(),
        files: snapshot.files,
        bytes: snapshot.bytes,
        added_bytes: snapshot.added,
        unchanged,
    }
}

fn answer(restored: Restored) -> contract::Restored {
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| bytes_of(path)).collect();
    let mended = restored
        .mended
        .iter()
        .map(|path| format!("{} was mended, since it names places that have moved", crate::fs::shown(path)));
    contract::Restored {
        roots: paths(&restored.roots),
        files: restored.files,
        bytes: restored.bytes,
        kept: paths(&restored.kept),
        warnings: restored.warnings.into_iter().chain(mended).collect(),
    }
}
