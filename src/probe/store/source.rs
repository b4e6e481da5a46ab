//! Entries as the engine wants to be given them.
//!
//! Three things are made good on the way. A directory that the store knows goes
//! in whole: the engine passes an entry on as it is whose path is its parent's
//! and which brings its tree along; tests compare the trees that come of that
//! with those of full walks. Directories above a root are as they are on this
//! machine, not made up by the engine, so that restic does not change them when
//! it restores. And a file has exactly as many bytes as its size says, because
//! restic restores nothing of one that has not.

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rustic_core::{
    ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult,
    repofile::{Metadata, Node, NodeType},
};

use super::{Content, Entry, Open, Stat, backend::locked, mode, node};

/// What [`Store::put`](super::Store::put) is given.
pub(super) type Given = Box<dyn Iterator<Item = io::Result<Entry>> + Send>;

/// Directories above roots, as they were found; with the time that they had when
/// they were first needed. Were it always the present one, hardly two snapshots
/// would have the same tree.
pub(super) type Above = Mutex<HashMap<PathBuf, Metadata>>;

/// What is known of the entries when all have been taken.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Files among them.
    pub(super) files: AtomicU64,
    /// Their bytes.
    pub(super) bytes: AtomicU64,
    /// Why they ended early.
    pub(super) failure: Mutex<Option<io::Error>>,
}

/// The engine's source of entries. It can be read once.
pub(super) struct Source {
    entries: Mutex<Option<Entries>>,
}

impl Source {
    pub(super) fn new(given: Given, above: Arc<Above>, report: Arc<Report>) -> Self {
        let entries =
            Entries { given, above, report, ready: VecDeque::new(), within: PathBuf::new(), last: None };
        Self { entries: Mutex::new(Some(entries)) }
    }
}

impl ReadSource for Source {
    type Open = File;
    type Iter = std::iter::Flatten<std::option::IntoIter<Entries>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        locked(&self.entries).take().into_iter().flatten()
    }
}

/// The entries, one after the other.
pub(super) struct Entries {
    given: Given,
    above: Arc<Above>,
    report: Arc<Report>,
    ready: VecDeque<ReadSourceEntry<File>>,
    /// The directory whose entries are coming; empty before the first.
    within: PathBuf,
    /// The last entry's path, and whether it was a known directory.
    last: Option<(PathBuf, bool)>,
}

impl Iterator for Entries {
    type Item = RusticResult<ReadSourceEntry<File>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            let taken = self.given.next()?.and_then(|entry| self.take(entry));
            if let Err(error) = taken {
                // The engine would go on without the entry; the end is the only
                // thing that stops it.
                *locked(&self.report.failure) = Some(error);
                self.given = Box::new(std::iter::empty());
                return None;
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Entries {
    fn take(&mut self, entry: Entry) -> io::Result<()> {
        let Entry { path, stat, content } = entry;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(unfit(&path, "has no name"));
        };
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(unfit(&path, "is not a plain absolute path"));
        }
        if let Some((last, known)) = &self.last
            && (path <= *last || (*known && path.starts_with(last)))
        {
            return Err(unfit(&path, "comes too late"));
        }
        self.open_directories(parent);
        let mut known = false;
        let mut at = path.clone();
        let (node, open) = match content {
            Content::Directory => {
                self.within.clone_from(&path);
                (new(name, NodeType::Dir, &stat), None)
            }
            Content::Known(tree) => {
                known = true;
                at = parent.into();
                let mut node = new(name, NodeType::Dir, &stat);
                let tree = tree.0.parse().map_err(|_| unfit(&path, "has no tree"))?;
                node.subtree = Some(tree);
                (node, None)
            }
            Content::File(open) => {
                self.report.files.fetch_add(1, Ordering::Relaxed);
                self.report.bytes.fetch_add(stat.size, Ordering::Relaxed);
                (new(name, NodeType::File, &stat), Some(File { open, size: stat.size }))
            }
            Content::Link(target) => (new(name, node::link(&target), &stat), None),
            Content::Special => {
                let kind = node::special(&stat).ok_or_else(|| unfit(&path, "is of no known kind"))?;
                (new(name, kind, &stat), None)
            }
        };
        self.last = Some((path, known));
        self.ready.push_back(ReadSourceEntry { path: at, node, open });
        Ok(())
    }

    /// Sees to it that `directory` is the one whose entries are coming.
    fn open_directories(&mut self, directory: &Path) {
        while !directory.starts_with(&self.within) {
            self.within.pop();
        }
        let missing: Vec<_> = directory.ancestors().take_while(|path| *path != self.within).collect();
        for path in missing.into_iter().rev() {
            let Some(name) = path.file_name() else { continue };
            let meta = self.metadata_above(path);
            let node = Node::new_node(name, NodeType::Dir, meta);
            self.ready.push_back(ReadSourceEntry { path: path.into(), node, open: None });
        }
        self.within = directory.into();
    }

    fn metadata_above(&self, path: &Path) -> Metadata {
        let found = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_dir);
        let stat =
            found.map_or(Stat { mode: mode::DIRECTORY | 0o755, links: 1, ..Stat::default() }, |found| Stat {
                mode: found.mode(),
                uid: found.uid(),
                gid: found.gid(),
                dev: found.dev(),
                ino: found.ino(),
                mtime: (found.mtime(), u32::try_from(found.mtime_nsec()).unwrap_or_default()),
                ..Stat::default()
            });
        let found = node::metadata(&stat);
        let mut above = locked(&self.above);
        let known = above.entry(path.into()).or_insert_with(|| found.clone());
        if *known != (Metadata { mtime: known.mtime, ..found.clone() }) {
            *known = found;
        }
        known.clone()
    }
}

fn new(name: &OsStr, kind: NodeType, stat: &Stat) -> Node {
    Node::new_node(name, kind, node::metadata(stat))
}

fn unfit(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} {why}", crate::fs::shown(path)))
}

/// A file that is opened when it is its turn.
pub(super) struct File {
    open: Box<dyn Open>,
    size: u64,
}

impl ReadSourceOpen for File {
    type Reader = Exactly;

    fn open(self) -> RusticResult<Exactly> {
        match self.open.open() {
            Ok(content) => Ok(Exactly { content, left: self.size }),
            Err(error) => Err(RusticError::from(ErrorKind::InputOutput, error)),
        }
    }
}

/// Reads as many bytes as were announced: not more, and fewer are an error.
pub(super) struct Exactly {
    content: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.content.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
