//! Whether a directory is what a snapshot says.

use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use rustix::fs::{FileType, OFlags};
use sha2::{Digest, Sha256};

use super::content;
use crate::{
    fs::shown,
    probe::store::{BlobId, Node, NodeKind, Progress, Stat, Store, StoreError, TreeId},
};

/// One thing that is not as a snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, relative to what was compared; empty: that itself.
    pub path: PathBuf,
    /// How it differs.
    pub what: Mismatch,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.path), self.what)
    }
}

/// How something differs from what a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It is not there.
    Missing,
    /// The snapshot does not have it.
    Extra,
    /// A file where a directory should be, and the like.
    Kind,
    /// Other bytes.
    Content,
    /// Other permissions.
    Mode {
        /// In the snapshot.
        wanted: u32,
        /// There.
        found: u32,
    },
    /// A link that leads elsewhere.
    Target,
    /// A file's time of change.
    Time,
    /// It can't be read; what the system says.
    Unreadable(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Extra => f.write_str("not in the snapshot"),
            Self::Kind => f.write_str("not of the same kind"),
            Self::Content => f.write_str("other content"),
            Self::Mode { wanted, found } => write!(f, "mode {found:04o}, not {wanted:04o}"),
            Self::Target => f.write_str("a link that leads elsewhere"),
            Self::Time => f.write_str("other time"),
            Self::Unreadable(why) => write!(f, "can't be read: {why}"),
        }
    }
}

/// Compares the directory `dir` with what is in `tree`: kinds, modes, links'
/// targets, contents by their hashes, files' times, and nothing more than that.
/// Owners and directories' times are not compared.
///
/// `progress` is told the bytes that were read. [`StoreError::Stopped`] if it
/// says so.
pub fn verify(
    store: &dyn Store,
    tree: &TreeId,
    dir: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Difference>, StoreError> {
    let work = Work {
        store,
        dir,
        progress,
        read: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        differences: Mutex::default(),
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    // Whoever walks waits for the readers, so that the list of files stays short.
    let (jobs, taken) = sync_channel::<Job>(256);
    let taken = Mutex::new(taken);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.read_files(&taken))).collect();
        let walked = work.walk(tree, &|job| jobs.send(job).is_ok());
        drop(jobs);
        let mut result = walked;
        for reader in readers {
            let read = reader.join().unwrap_or_else(|_| {
                Err(StoreError::Store { what: "compare", message: "a thread failed".into() })
            });
            result = result.and(read);
        }
        result
    })?;
    if work.stop.load(Ordering::Relaxed) {
        return Err(StoreError::Stopped);
    }
    let mut differences = work.differences.into_inner().unwrap_or_else(PoisonError::into_inner);
    differences.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(differences)
}

/// Compares one thing that is no directory.
pub(super) fn verify_one(store: &dyn Store, node: &Node, path: &Path) -> Result<Vec<Difference>, StoreError> {
    let mut found = Vec::new();
    let mut tell = |what| found.push(Difference { path: PathBuf::new(), what });
    match fs::symlink_metadata(path) {
        Err(error) => tell(unreadable(&error)),
        Ok(meta) => {
            attributes(node, path, &meta).into_iter().for_each(&mut tell);
            if let (NodeKind::File(pieces), true) = (&node.kind, meta.is_file()) {
                compare(store, pieces, path, &mut |_| true)?.into_iter().for_each(&mut tell);
            }
        }
    }
    Ok(found)
}

/// A file to be read.
struct Job {
    path: PathBuf,
    pieces: Vec<BlobId>,
}

struct Work<'a> {
    store: &'a dyn Store,
    dir: &'a Path,
    progress: Progress<'a>,
    read: AtomicU64,
    stop: AtomicBool,
    differences: Mutex<Vec<Difference>>,
}

impl Work<'_> {
    fn note(&self, path: &Path, what: Mismatch) {
        let mut differences = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        differences.push(Difference { path: path.into(), what });
    }

    fn walk(&self, tree: &TreeId, give: &dyn Fn(Job) -> bool) -> Result<(), StoreError> {
        let mut stack = vec![(PathBuf::new(), tree.clone())];
        while let Some((path, tree)) = stack.pop() {
            let nodes = self.store.tree(&tree)?;
            let mut there = match names(&self.dir.join(&path)) {
                Ok(there) => there,
                Err(error) => {
                    self.note(&path, unreadable(&error));
                    continue;
                }
            };
            for node in nodes {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let path = path.join(content::name(&node));
                there.remove(&node.name);
                let whole = self.dir.join(&path);
                let meta = match fs::symlink_metadata(&whole) {
                    Ok(meta) => meta,
                    Err(error) => {
                        self.note(&path, unreadable(&error));
                        continue;
                    }
                };
                for what in attributes(&node, &whole, &meta) {
                    self.note(&path, what);
                }
                let mut is_taken = true;
                match node.kind {
                    NodeKind::Directory(tree) if meta.is_dir() => stack.push((path, tree)),
                    NodeKind::File(pieces) if meta.is_file() => is_taken = give(Job { path, pieces }),
                    _ => {}
                }
                if !is_taken {
                    // The readers have failed.
                    return Ok(());
                }
            }
            for extra in there {
                self.note(&path.join(crate::fs::path_from(&extra)), Mismatch::Extra);
            }
        }
        Ok(())
    }

    fn read_files(&self, jobs: &Mutex<Receiver<Job>>) -> Result<(), StoreError> {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return Ok(()) };
            if self.stop.load(Ordering::Relaxed) {
                // What is sent is taken, or the walk would wait for ever.
                continue;
            }
            let mut told = |bytes| {
                let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let goes_on = (self.progress)(read, 0);
                if !goes_on {
                    self.stop.store(true, Ordering::Relaxed);
                }
                goes_on
            };
            match compare(self.store, &job.pieces, &self.dir.join(&job.path), &mut told) {
                Ok(Some(what)) => self.note(&job.path, what),
                Ok(None) => {}
                Err(error) => {
                    self.stop.store(true, Ordering::Relaxed);
                    for _ in jobs.lock().unwrap_or_else(PoisonError::into_inner).iter() {}
                    return Err(error);
                }
            }
        }
    }
}

fn unreadable(error: &io::Error) -> Mismatch {
    match error.kind() {
        io::ErrorKind::NotFound => Mismatch::Missing,
        _ => Mismatch::Unreadable(error.to_string()),
    }
}

fn names(dir: &Path) -> io::Result<std::collections::BTreeSet<Vec<u8>>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().as_bytes().to_vec())).collect()
}

/// What lstat(2) tells apart.
fn attributes(node: &Node, path: &Path, meta: &Metadata) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let kind = |mode| FileType::from_raw_mode(mode);
    if kind(meta.mode()) != kind(node.stat.mode) {
        return vec![Mismatch::Kind];
    }
    if let NodeKind::Link(target) = &node.kind {
        if fs::read_link(path).map_or(true, |there| there.as_os_str().as_bytes() != target) {
            found.push(Mismatch::Target);
        }
        // A link's own mode means nothing.
        return found;
    }
    let (wanted, there) = (node.stat.mode & 0o7777, meta.mode() & 0o7777);
    if wanted != there {
        found.push(Mismatch::Mode { wanted, found: there });
    }
    if meta.is_file() && !same_time(&node.stat, meta) {
        found.push(Mismatch::Time);
    }
    found
}

/// Whether the times are the same, as far as the file system can tell: some
/// keep seconds alone, or units of a microsecond or 100 ns.
fn same_time(stat: &Stat, meta: &Metadata) -> bool {
    let (seconds, nanoseconds) = stat.mtime;
    let nanoseconds = i64::from(nanoseconds);
    let units = [1, 100, 1_000, 1_000_000_000];
    meta.mtime() == seconds && units.iter().any(|unit| nanoseconds - nanoseconds % unit == meta.mtime_nsec())
}

/// Reads a file against its pieces. `told` hears of every part that was read,
/// in bytes, and may end it.
pub(super) fn compare(
    store: &dyn Store,
    pieces: &[BlobId],
    path: &Path,
    told: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Mismatch>, StoreError> {
    const AT_ONCE: usize = 128 << 10;
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) => return Ok(Some(unreadable(&error))),
    };
    let mut buffer = vec![0; AT_ONCE];
    for piece in pieces {
        let mut left = store.blob_len(piece)?;
        let mut hash = Sha256::new();
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(AT_ONCE).min(AT_ONCE);
            match file.read(&mut buffer[..most]) {
                Ok(0) => return Ok(Some(Mismatch::Content)),
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    left -= read as u64;
                    if !told(read as u64) {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Some(unreadable(&error))),
            }
        }
        if hash.finalize()[..] != piece[..] {
            return Ok(Some(Mismatch::Content));
        }
    }
    let more = file.read(&mut buffer[..1]);
    Ok(match more {
        Ok(0) => None,
        Ok(_) => Some(Mismatch::Content),
        Err(error) => Some(unreadable(&error)),
    })
}

/// A regular file; never through a link, and never waiting for a pipe's other
/// end.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}
