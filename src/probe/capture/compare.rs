//! What of a repository is as the store has it.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::{
    files::{is_same_file, open_regular},
    known::{Known, KnownDir, has_same_face, has_same_mode, is_same_entry},
    metadata::Contents,
    tree::{DirId, Item, Tree, kind},
};
use crate::probe::store::{NodeKind, Stat, Store, StoreError, TreeId};

/// How many bytes are read to see that nothing has changed after all.
const READ_TO_COMPARE: u64 = 16 << 20;

/// Something of which it can't be told by its state whether it is as the store
/// has it.
#[derive(Debug)]
pub(super) struct Doubt {
    pub path: PathBuf,
    pub stat: Stat,
    /// It may still be changed without its state telling.
    pub racy: bool,
    /// The directory in the store that it is in.
    within: TreeId,
}

/// How a repository and its last snapshot compare.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Of each directory of the tree, by its number: what is in it, if the store
    /// has exactly that.
    pub known: Vec<Option<TreeId>>,
    /// Something was added, removed or changed.
    pub differs: bool,
    pub doubts: Vec<Doubt>,
    /// Files that are to be read, and their bytes.
    pub files: u64,
    pub bytes: u64,
}

struct Comparer<'a> {
    tree: &'a Tree,
    /// Files that the last capture could not read, either: the store not having
    /// them is no difference.
    unreadable: &'a HashSet<PathBuf>,
    /// States of files that are known to be as the store has them.
    trusted: &'a HashMap<PathBuf, Stat>,
    result: Comparison,
}

/// Compares; without anything known, everything is new.
pub(super) fn compare(
    tree: &Tree,
    known: Option<&Known>,
    unreadable: &HashSet<PathBuf>,
    trusted: &HashMap<PathBuf, Stat>,
) -> Comparison {
    let mut comparer = Comparer { tree, unreadable, trusted, result: Comparison::default() };
    comparer.result.known.resize(tree.dirs(), None);
    for (path, top) in &tree.tops {
        let root = known.and_then(|known| known.root(path));
        comparer.directory(path, top.dir(), root.and_then(|root| root.dir.as_ref()));
        comparer.result.differs |= root.is_none_or(|root| !has_same_mode(&top.stat, &root.stat));
    }
    comparer.result.differs |= known.is_none_or(|known| known.roots.len() != tree.tops.len());
    comparer.result
}

impl Comparer<'_> {
    /// Whether what is in a directory is exactly what the store has.
    fn directory(&mut self, path: &Path, dir: Option<DirId>, known: Option<&Arc<KnownDir>>) -> bool {
        let Some(dir) = dir else {
            // Nothing in it could be looked at.
            let is_same = known.is_some_and(|known| known.items.is_empty());
            self.result.differs |= !is_same;
            return is_same;
        };
        if let Some(tree) = &self.tree.dir(dir).known {
            self.result.known[dir.0 as usize] = Some(tree.clone());
            return known.is_some_and(|known| known.tree == *tree);
        }
        let mut is_same = known.is_some();
        let mut at = 0;
        for (name, item) in self.tree.dir(dir).present() {
            let here = || path.join(OsStr::from_bytes(name));
            let stored = known.and_then(|known| {
                while at < known.items.len() && known.name(at) < name {
                    // It was removed.
                    (is_same, self.result.differs) = (false, true);
                    at += 1;
                }
                (at < known.items.len() && known.name(at) == name).then(|| &known.items[at])
            });
            let Some(stored) = stored else {
                is_same = false;
                self.result.differs |= !self.unreadable.contains(&here());
                self.added(&here(), item);
                continue;
            };
            at += 1;
            if kind(&stored.stat) != item.kind() {
                (is_same, self.result.differs) = (false, true);
                self.added(&here(), item);
            } else if item.kind() == FileType::Directory {
                is_same &= self.directory(&here(), item.dir(), stored.dir.as_ref());
                is_same &= is_same_entry(&item.stat, &stored.stat);
                self.result.differs |= !has_same_mode(&item.stat, &stored.stat);
            } else if !is_same_entry(&item.stat, &stored.stat) && !self.is_trusted(&here(), &item.stat) {
                is_same = false;
                self.count(item);
                match known.filter(|_| has_same_face(&item.stat, &stored.stat)) {
                    Some(known) => {
                        let within = known.tree.clone();
                        self.result.doubts.push(Doubt {
                            path: here(),
                            stat: item.stat,
                            racy: item.racy,
                            within,
                        });
                    }
                    None => self.result.differs = true,
                }
            }
        }
        if known.is_some_and(|known| at < known.items.len()) {
            (is_same, self.result.differs) = (false, true);
        }
        if let (true, Some(known)) = (is_same, known) {
            self.result.known[dir.0 as usize] = Some(known.tree.clone());
        }
        is_same
    }

    fn is_trusted(&self, path: &Path, stat: &Stat) -> bool {
        !self.trusted.is_empty() && self.trusted.get(path).is_some_and(|trusted| is_same_entry(trusted, stat))
    }

    fn added(&mut self, path: &Path, item: &Item) {
        match item.kind() {
            FileType::Directory => drop(self.directory(path, item.dir(), None)),
            _ => self.count(item),
        }
    }

    fn count(&mut self, item: &Item) {
        if item.kind() == FileType::RegularFile {
            self.result.files += 1;
            self.result.bytes += item.stat.size;
        }
    }
}

/// Whether all that is in doubt is as the store has it, going by content; `None`
/// if that is too much to be read.
pub(super) fn is_as_stored(
    store: &dyn Store,
    doubts: &[Doubt],
    contents: &Contents,
) -> Result<bool, StoreError> {
    let size = |doubt: &Doubt| if kind(&doubt.stat) == FileType::RegularFile { doubt.stat.size } else { 0 };
    if doubts.iter().map(size).sum::<u64>() > READ_TO_COMPARE {
        return Ok(false);
    }
    let mut trees = HashMap::new();
    for doubt in doubts {
        let nodes = match trees.entry(&doubt.within) {
            std::collections::hash_map::Entry::Occupied(nodes) => nodes.into_mut(),
            std::collections::hash_map::Entry::Vacant(none) => none.insert(store.tree(&doubt.within)?),
        };
        let name = doubt.path.file_name().unwrap_or_default().as_bytes();
        let Some(node) = nodes.iter().find(|node| node.name == name) else { return Ok(false) };
        let is_same = match &node.kind {
            NodeKind::File(pieces) => {
                let mut lengths = Vec::with_capacity(pieces.len());
                for piece in pieces {
                    // Nearly all files are of one piece, whose length need not be
                    // looked up.
                    let is_whole = pieces.len() == 1;
                    lengths.push(if is_whole { node.stat.size } else { store.blob_len(piece)? });
                }
                let pieces = pieces.iter().zip(lengths);
                match contents.get(&doubt.path) {
                    Some(bytes) => is_made_of(&mut &bytes[..], pieces),
                    None => open_regular(&doubt.path).is_ok_and(|(mut file, stat)| {
                        is_same_file(&stat, &doubt.stat) && is_made_of(&mut file, pieces)
                    }),
                }
            }
            NodeKind::Link(target) => {
                fs::read_link(&doubt.path).is_ok_and(|now| now.as_os_str().as_bytes() == target)
            }
            NodeKind::Special => true,
            NodeKind::Directory(_) => false,
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file's content is exactly these pieces.
fn is_made_of<'a>(file: &mut dyn Read, pieces: impl Iterator<Item = (&'a [u8; 32], u64)>) -> bool {
    let mut bytes = Vec::new();
    for (id, length) in pieces {
        bytes.clear();
        if file.take(length).read_to_end(&mut bytes).is_err() || Sha256::digest(&bytes)[..] != id[..] {
            return false;
        }
    }
    matches!(file.read(&mut [0]), Ok(0))
}
