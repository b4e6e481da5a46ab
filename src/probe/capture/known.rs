//! What the store has of a repository, from its last snapshot.
//!
//! It is had from the store alone, so that it is what is there: after a start by
//! reading all of its trees, after a snapshot by reading those that are new.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FileType;

use super::{layout::outermost, tree::kind};
use crate::probe::store::{NodeKind, Snapshot, SnapshotStatus, Stat, Store, StoreError, TreeId};

/// A directory in the store.
#[derive(Debug)]
pub(super) struct KnownDir {
    pub tree: TreeId,
    names: Vec<u8>,
    /// In order of their names' bytes.
    pub items: Vec<KnownItem>,
}

/// What is in one.
#[derive(Debug)]
pub(super) struct KnownItem {
    end: u32,
    pub stat: Stat,
    pub dir: Option<Arc<KnownDir>>,
}

/// One root of a snapshot.
#[derive(Debug)]
pub(super) struct KnownRoot {
    pub path: PathBuf,
    pub stat: Stat,
    pub dir: Option<Arc<KnownDir>>,
}

/// A snapshot, and what is in it.
#[derive(Debug)]
pub(super) struct Known {
    pub snapshot: Snapshot,
    /// None is beneath another.
    pub roots: Vec<KnownRoot>,
    /// Files and directories in all.
    pub entries: usize,
}

impl KnownDir {
    pub fn name(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.items[before].end as usize);
        &self.names[start..self.items[at].end as usize]
    }

    fn get(&self, name: &[u8]) -> Option<&KnownItem> {
        let (mut low, mut high) = (0, self.items.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Equal => return Some(&self.items[middle]),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn count(&self) -> usize {
        let beneath = |item: &KnownItem| item.dir.as_ref().map_or(0, |dir| dir.count());
        self.items.iter().map(|item| 1 + beneath(item)).sum()
    }
}

impl Known {
    /// Reads what is in `snapshot`, but what is the same as in `earlier`.
    pub fn load(store: &dyn Store, snapshot: Snapshot, earlier: Option<&Self>) -> Result<Self, StoreError> {
        let mut roots = Vec::new();
        for path in outermost(snapshot.draft.roots.clone()) {
            let Some((stat, tree)) = find(store, &snapshot.tree, &path)? else { continue };
            let before = earlier.and_then(|earlier| earlier.root(&path)).and_then(|root| root.dir.as_ref());
            let dir = tree.map(|tree| read(store, tree, before)).transpose()?;
            roots.push(KnownRoot { path, stat, dir });
        }
        let entries = roots.iter().filter_map(|root| root.dir.as_ref()).map(|dir| dir.count()).sum();
        Ok(Self { snapshot, roots, entries })
    }

    pub fn root(&self, path: &Path) -> Option<&KnownRoot> {
        self.roots.iter().find(|root| root.path == path)
    }

    /// The state of what is at `path`, and the tree of a directory.
    pub fn find(&self, path: &Path) -> Option<(&Stat, Option<&TreeId>)> {
        let root = self.roots.iter().find(|root| path.starts_with(&root.path))?;
        let mut stat = &root.stat;
        let mut dir = root.dir.as_ref();
        for part in path.strip_prefix(&root.path).ok()? {
            let item = dir?.get(part.as_bytes())?;
            (stat, dir) = (&item.stat, item.dir.as_ref());
        }
        Some((stat, dir.map(|dir| &dir.tree)))
    }

    /// Whether the store has, going by its state, what is at `path`.
    pub fn has(&self, path: &Path, stat: &Stat) -> bool {
        self.find(path).is_some_and(|(known, _)| is_same_entry(known, stat))
    }

    /// The tree of a directory, if that is by its state what it was: for those
    /// in which files are made and removed, but never changed. Not of a snapshot
    /// that may lack some of them.
    pub fn tree(&self, path: &Path, stat: &Stat) -> Option<&TreeId> {
        let is_complete = self.snapshot.draft.status == SnapshotStatus::Complete;
        self.find(path).filter(|_| is_complete).filter(|(known, _)| is_same_entry(known, stat))?.1
    }
}

/// What a snapshot's tree has at an absolute path; a directory's own tree.
fn find(store: &dyn Store, tree: &TreeId, path: &Path) -> Result<Option<(Stat, Option<TreeId>)>, StoreError> {
    let mut found = (Stat::default(), Some(tree.clone()));
    for part in path.components().skip(1) {
        let Some(tree) = found.1 else { return Ok(None) };
        let name: &OsStr = part.as_os_str();
        let node = store.tree(&tree)?.into_iter().find(|node| node.name == name.as_bytes());
        let Some(node) = node else { return Ok(None) };
        found = match node.kind {
            NodeKind::Directory(tree) => (node.stat, Some(tree)),
            _ => (node.stat, None),
        };
    }
    Ok(Some(found))
}

fn read(
    store: &dyn Store,
    tree: TreeId,
    before: Option<&Arc<KnownDir>>,
) -> Result<Arc<KnownDir>, StoreError> {
    if let Some(before) = before.filter(|before| before.tree == tree) {
        return Ok(Arc::clone(before));
    }
    let mut dir = KnownDir { tree, names: Vec::new(), items: Vec::new() };
    for node in store.tree(&dir.tree)? {
        let below = match node.kind {
            NodeKind::Directory(tree) => {
                let before = before.and_then(|before| before.get(&node.name)?.dir.as_ref());
                Some(read(store, tree, before)?)
            }
            _ => None,
        };
        dir.names.extend_from_slice(&node.name);
        let end = u32::try_from(dir.names.len()).unwrap_or(u32::MAX);
        dir.items.push(KnownItem { end, stat: node.stat, dir: below });
    }
    dir.names.shrink_to_fit();
    dir.items.shrink_to_fit();
    Ok(Arc::new(dir))
}

/// Whether an entry is as it was, and its content with it.
pub(super) fn is_same_entry(one: &Stat, other: &Stat) -> bool {
    let identity = |stat: &Stat| (stat.dev, stat.ino, stat.ctime);
    // Of a directory the links are those of directories in it.
    let links = |stat: &Stat| if kind(stat) == FileType::Directory { 0 } else { stat.links };
    identity(one) == identity(other) && links(one) == links(other) && has_same_face(one, other)
}

/// Whether there is no difference that anybody would want to have back, content
/// apart.
pub(super) fn has_same_face(one: &Stat, other: &Stat) -> bool {
    let is_file = kind(one) == FileType::RegularFile;
    has_same_mode(one, other) && one.mtime == other.mtime && (!is_file || one.size == other.size)
}

pub(super) fn has_same_mode(one: &Stat, other: &Stat) -> bool {
    (one.mode, one.uid, one.gid) == (other.mode, other.uid, other.gid)
}
