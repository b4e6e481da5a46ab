//! A repository as the store takes it: entries in order, contents when it is
//! their turn.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Cursor, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use rustix::fs::FileType;

use super::{
    files::{is_same_file, open_regular, stat_of},
    metadata::Contents,
    notes::Witness,
    tree::{DirId, Item, Tree},
    walk::lstat,
};
use crate::probe::store::{Content, Entry, Open, Stat, TreeId};

/// What is to be stored.
pub(super) struct Plan {
    pub tree: Tree,
    /// Of each directory, by number: what is in it, if the store has that.
    pub known: Vec<Option<TreeId>>,
    /// Files that have been read.
    pub contents: Contents,
    pub witness: Arc<Witness>,
}

/// The entries of a plan, depth first.
pub(super) struct Entries {
    plan: Arc<Plan>,
    tops: Vec<PathBuf>,
    /// Directories on the way down, each with its next entry.
    stack: Vec<(PathBuf, DirId, usize)>,
    is_stopped: bool,
}

impl Entries {
    pub fn new(plan: Arc<Plan>) -> Self {
        let tops = plan.tree.tops.keys().rev().cloned().collect();
        Self { plan, tops, stack: Vec::new(), is_stopped: false }
    }

    /// The next item and its path.
    fn advance(&mut self) -> Option<(PathBuf, Item, bool)> {
        while let Some((path, id, next)) = self.stack.last_mut() {
            let dir = self.plan.tree.dir(*id);
            match dir.items.get(*next) {
                None => drop(self.stack.pop()),
                Some(item) => {
                    *next += 1;
                    if !item.gone {
                        let path = path.join(OsStr::from_bytes(dir.name(item)));
                        return Some((path, item.clone(), dir.is_metadata));
                    }
                }
            }
        }
        let top = self.tops.pop()?;
        let item = self.plan.tree.tops.get(&top)?.clone();
        Some((top, item, false))
    }

    /// What there is to store of an item; `None`: it went.
    fn content(&mut self, path: &Path, item: &Item, is_metadata: bool) -> Option<Content> {
        let witness = &self.plan.witness;
        Some(match item.kind() {
            FileType::Directory => match item.dir() {
                None => Content::Directory,
                Some(id) => match &self.plan.known[id.0 as usize] {
                    Some(tree) => Content::Known(tree.clone()),
                    None => {
                        self.stack.push((path.into(), id, 0));
                        Content::Directory
                    }
                },
            },
            FileType::RegularFile => {
                let bytes = if is_metadata { self.plan.contents.get(path) } else { None };
                let witness = Arc::clone(witness);
                match bytes {
                    Some(bytes) => Content::File(Box::new(InMemory { bytes: Arc::clone(bytes), witness })),
                    None => Content::File(Box::new(OnDisk { path: path.into(), stat: item.stat, witness })),
                }
            }
            FileType::Symlink => {
                let target = match fs::read_link(path) {
                    Ok(target) => target.into_os_string().into_vec(),
                    Err(error) => {
                        witness.cannot(path, &error);
                        return None;
                    }
                };
                if lstat(path).is_none_or(|now| !is_same_file(&now, &item.stat)) {
                    witness.moved(path, "was replaced while it was read");
                }
                Content::Link(target)
            }
            _ => Content::Special,
        })
    }
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.plan.witness.is_stopped() {
            // Said once: who takes the entries may pass over what is an error.
            let is_told = std::mem::replace(&mut self.is_stopped, true);
            return (!is_told).then(|| Err(stopped()));
        }
        loop {
            let (path, item, is_metadata) = self.advance()?;
            if let Some(content) = self.content(&path, &item, is_metadata) {
                return Some(Ok(Entry { path, stat: item.stored(), content }));
            }
        }
    }
}

struct InMemory {
    bytes: Arc<[u8]>,
    witness: Arc<Witness>,
}

impl Open for InMemory {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        self.witness.opened.fetch_add(1, Relaxed);
        self.witness.read.fetch_add(self.bytes.len() as u64, Relaxed);
        Ok(Box::new(Cursor::new(self.bytes)))
    }
}

struct OnDisk {
    path: PathBuf,
    stat: Stat,
    witness: Arc<Witness>,
}

impl Open for OnDisk {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        let Self { path, stat, witness } = *self;
        #[cfg(test)]
        witness.before_open(&path).inspect_err(|error| witness.cannot(&path, error))?;
        match open_regular(&path) {
            Ok((file, now)) => {
                witness.opened.fetch_add(1, Relaxed);
                if !is_same_file(&now, &stat) {
                    witness.moved(&path, "changed before it was read");
                }
                Ok(Box::new(Reader { left: stat.size, is_short: false, file, path, stat, witness }))
            }
            Err(error) => {
                witness.cannot(&path, &error);
                Err(error)
            }
        }
    }
}

/// Reads exactly as many bytes as the file's state says that there are: what is
/// more is left, what is missing is zeros. Otherwise the stored size would not be
/// that of the stored content.
struct Reader {
    file: File,
    left: u64,
    is_short: bool,
    path: PathBuf,
    stat: Stat,
    witness: Arc<Witness>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.witness.is_stopped() {
            return Err(stopped());
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..most];
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut count =
            if self.is_short { 0 } else { self.file.read(buffer).inspect_err(|error| self.tell(error))? };
        if count == 0 {
            self.is_short = true;
            self.witness.moved(&self.path, "became shorter while it was read");
            buffer.fill(0);
            count = buffer.len();
        }
        self.left -= count as u64;
        self.witness.read.fetch_add(count as u64, Relaxed);
        Ok(count)
    }
}

impl Reader {
    fn tell(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::Interrupted {
            self.witness.cannot(&self.path, error);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !stat_of(&self.file).is_ok_and(|now| is_same_file(&now, &self.stat)) {
            self.witness.moved(&self.path, "changed while it was read");
        }
    }
}

fn stopped() -> io::Error {
    // Not `Interrupted`, after which readers try again.
    io::Error::other("stopped")
}
