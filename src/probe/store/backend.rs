//! What stands between the engine and its files: it makes renames durable,
//! notes failures that the engine only logs, keeps to itself what others are not
//! to see, and lets long reading be stopped.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::{
    StoreError,
    failure::{self, Stop},
};
use crate::fs::IoContext;

/// Whether what is written is seen by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// All of it.
    Yes,
    /// Packs and index alone. The engine is made to believe that it has written
    /// its snapshots, too, and can read them until they are released; and its
    /// settings, which only hold for the handle.
    No,
}

/// What becomes of reading when it is told to stop. Both are needed, because the
/// engine dies loudly of errors while restoring, and waits for ever for threads
/// that have unwound while checking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It unwinds, with nothing said.
    Unwind,
    /// It fails.
    Error,
}

/// A handle's files.
#[derive(Debug)]
pub(super) struct Backend {
    inner: Arc<dyn WriteBackend>,
    root: PathBuf,
    seen: Seen,
    /// Snapshots that nobody else sees.
    kept: Mutex<HashMap<Id, Bytes>>,
    /// The last snapshot that others see.
    last: Mutex<Option<Id>>,
    /// Directories in which something was renamed that is not durable yet.
    renamed: Mutex<BTreeSet<PathBuf>>,
    /// Held while directories are synced, so that nobody believes they are when
    /// somebody else is about to.
    syncing: Mutex<()>,
    failures: AtomicU64,
    last_failure: Mutex<Option<Failure>>,
    stop: Option<(Arc<AtomicBool>, Ending)>,
    /// Shared by all that is read for one restore or check.
    reading: Arc<Reading>,
}

/// Bytes of packs that are in memory at a time: the engine reads with twenty
/// threads, a pack each.
const IN_MEMORY: usize = 16 << 20;

/// How much of packs is in memory.
#[derive(Debug, Default)]
struct Reading {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Reading {
    /// Waits until there is room for so much; a piece that is larger than all the
    /// room there is has it alone.
    fn room(self: &Arc<Self>, wanted: usize) -> Room {
        let full = |bytes: &mut usize| *bytes > 0 && *bytes + wanted > IN_MEMORY;
        let entered = self.less.wait_while(locked(&self.bytes), full);
        *entered.unwrap_or_else(PoisonError::into_inner) += wanted;
        Room { reading: Arc::clone(self), bytes: wanted }
    }
}

/// Room that is given back when what was read is let go of.
struct Room {
    reading: Arc<Reading>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        *locked(&self.reading.bytes) -= self.bytes;
        self.reading.less.notify_all();
    }
}

/// Something that was read, and its room.
struct Piece {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Debug, Clone)]
struct Failure {
    full: bool,
    message: String,
}

impl Backend {
    pub(super) fn new(inner: Arc<dyn WriteBackend>, root: &Path, seen: Seen) -> Self {
        Self {
            inner,
            root: root.into(),
            seen,
            kept: Mutex::default(),
            last: Mutex::default(),
            renamed: Mutex::default(),
            syncing: Mutex::default(),
            failures: AtomicU64::new(0),
            last_failure: Mutex::default(),
            stop: None,
            reading: Arc::default(),
        }
    }

    /// The same, but for reading that ends as soon as `stop` is set.
    pub(super) fn until(mut self, stop: Arc<AtomicBool>, ending: Ending) -> Self {
        self.stop = Some((stop, ending));
        self
    }

    /// Makes everything durable that was written up to now.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let _alone = locked(&self.syncing);
        let directories = mem::take(&mut *locked(&self.renamed));
        for directory in &directories {
            if let Err(error) = File::open(directory).and_then(|file| file.sync_all()) {
                locked(&self.renamed).extend(directories.iter().cloned());
                Err(error).at("sync the directory", directory)?;
            }
        }
        Ok(())
    }

    /// The last snapshot that was written.
    pub(super) fn last_snapshot(&self) -> Option<Id> {
        *locked(&self.last)
    }

    /// Lets go of a snapshot that nobody else sees.
    pub(super) fn release(&self, id: &Id) {
        locked(&self.kept).remove(id);
    }

    /// How many writes have failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// The error of the last write that failed, if any failed since there were
    /// `before`.
    pub(super) fn failure_since(&self, before: u64, what: &'static str) -> Option<StoreError> {
        if self.failures() == before {
            return None;
        }
        let failure = locked(&self.last_failure).clone()?;
        Some(if failure.full {
            StoreError::Full { what, path: self.root.clone() }
        } else {
            StoreError::Store { what, message: failure.message }
        })
    }

    fn note(&self, error: &RusticError) {
        let failure = match failure::of_engine("write", &self.root, error) {
            StoreError::Store { message, .. } => Failure { full: false, message },
            _ => Failure { full: true, message: String::new() },
        };
        *locked(&self.last_failure) = Some(failure);
        self.failures.fetch_add(1, Ordering::SeqCst);
    }

    /// Where the local backend puts a file.
    fn directory(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.root.clone(),
            FileType::Pack => self.root.join(kind.dirname()).join(&id.to_hex()[..2]),
            _ => self.root.join(kind.dirname()),
        }
    }

    fn stop_if_told(&self) -> RusticResult<()> {
        match &self.stop {
            Some((stop, ending)) if stop.load(Ordering::Relaxed) => match ending {
                Ending::Unwind => std::panic::resume_unwind(Box::new(Stop)),
                Ending::Error => Err(RusticError::new(ErrorKind::Other, "stopped")),
            },
            _ => Ok(()),
        }
    }
}

impl ReadBackend for Backend {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.inner.list_with_size(kind)
    }

    fn list(&self, kind: FileType) -> RusticResult<Vec<Id>> {
        self.inner.list(kind)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        if kind == FileType::Snapshot
            && let Some(kept) = locked(&self.kept).get(id)
        {
            return Ok(kept.clone());
        }
        self.inner.read_full(kind, id)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        // Pieces of packs are only read by threads whose end is waited for;
        // whole files are read by the engine's shared ones, too, whose unwinding
        // would end the process.
        self.stop_if_told()?;
        if self.stop.is_none() {
            return self.inner.read_partial(kind, id, cacheable, offset, length);
        }
        // Who waits here holds nothing of what others wait for.
        let room = self.reading.room(usize::try_from(length).unwrap_or(IN_MEMORY));
        let bytes = self.inner.read_partial(kind, id, cacheable, offset, length)?;
        Ok(Bytes::from_owner(Piece { bytes, _room: room }))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }
}

impl WriteBackend for Backend {
    fn create(&self) -> RusticResult<()> {
        self.inner.create()
    }

    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        match (self.seen, kind) {
            (Seen::No, FileType::Config) => return Ok(()),
            (Seen::No, FileType::Snapshot) => {
                locked(&self.kept).insert(*id, content.slice().concat().into());
                return Ok(());
            }
            _ => {}
        }
        self.inner.write_bytes(kind, id, cacheable, content).inspect_err(|error| self.note(error))?;
        locked(&self.renamed).insert(self.directory(kind, id));
        if kind == FileType::Snapshot {
            *locked(&self.last) = Some(*id);
        }
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        // What replaces it must not be lost where its removal is not.
        self.sync().map_err(|error| RusticError::from(ErrorKind::InputOutput, error))?;
        self.inner.remove(kind, id, cacheable)
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
