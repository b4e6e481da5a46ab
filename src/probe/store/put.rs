//! Into the store.
//!
//! The engine prepares for cutting a file where its content says anew for each
//! file, and for small ones that takes far longer than storing them; although a
//! file that is shorter than the shortest piece is never cut. So there are two
//! handles: one that cuts where the content says, for large files that are new,
//! and one that cuts at fixed sizes, which no small file reaches. Large files go
//! first, and what came of them is a second parent when all entries are stored.

use std::{
    io::{self, Read},
    mem,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering},
};

use rustic_core::{
    BackupOptions, ConfigOptions, IndexedIdsStatus, IndexedTree, NoProgressBars, Repository,
    repofile::{Chunker, Node, NodeType, SnapshotFile},
};

use super::{
    Content, Entry, Open, RusticStore, SnapshotId, Stat, StoreError, Stored, TreeId,
    backend::{Backend, locked},
    failure,
    index::Indexed,
    keys::{self, Handle},
    lock::Held,
    node,
    source::{Above, Given, Report, Source},
};
use crate::fs::shown;

const WHAT: &str = "store the entries";

/// So many entries are looked through for large files before any is stored. If
/// there are more, all are stored by the handle for large ones: slower, but
/// memory is not filled with entries.
const LOOKED_THROUGH: usize = 100_000;

/// Entries as the engine has stored them.
struct Archived<'a> {
    stored: Stored,
    snapshot: SnapshotFile,
    backend: &'a Backend,
}

impl Drop for Archived<'_> {
    fn drop(&mut self) {
        self.backend.release(&self.snapshot.id);
    }
}

impl RusticStore {
    /// See [`super::Store::put`].
    pub(super) fn store_entries(
        &self,
        held: &Held,
        mut entries: Given,
        parent: Option<&SnapshotId>,
    ) -> Result<Stored, StoreError> {
        let parent = parent.map(|parent| self.find(&self.plain_handle()?, parent)).transpose()?;
        let mut first = Vec::new();
        for entry in entries.by_ref().take(LOOKED_THROUGH) {
            first.push(entry.map_err(|error| refused(&error))?);
        }
        let are_all = first.len() < LOOKED_THROUGH;
        let small = self.index_knowing(held, parent.as_ref())?;
        if !are_all {
            let all = Box::new(first.into_iter().map(Ok).chain(entries));
            let large = self.handle_for_large()?;
            return Ok(self.archive(&large, all, self.above.clone(), parent.as_ref())?.stored.clone());
        }
        let asked = Asked::default();
        let large = take_large(&mut first, &small.repository, parent.as_ref(), &asked);
        let all = Box::new(first.into_iter().map(Ok));
        if large.is_empty() {
            let parents = parent.as_ref();
            return Ok(self.archive(&small.repository, all, self.above.clone(), parents)?.stored.clone());
        }
        drop(small);
        // What is above these does not matter, only where they are.
        let large = Box::new(large.into_iter().map(Ok));
        let large = self.archive(&self.handle_for_large()?, large, Arc::default(), parent.as_ref())?;
        let small = self.index_knowing(held, Some(&large.snapshot))?;
        let parents = parent.iter().chain([&large.snapshot]);
        let together = self.archive(&small.repository, all, self.above.clone(), parents)?;
        for path in locked(&asked).drain(..) {
            // It could not be read, and whoever gave it knows; or else it is lost.
            if lookup(&small.repository, large.snapshot.tree, &path)?.is_some() {
                let message = format!("{} was stored and then not found again", shown(&path));
                return Err(StoreError::Store { what: WHAT, message });
            }
        }
        Ok(Stored { added: large.stored.added + together.stored.added, ..together.stored.clone() })
    }

    /// The index that has the snapshot's tree, and so everything that the tree
    /// rests on: that was written before it.
    fn index_knowing(
        &self,
        held: &Held,
        snapshot: Option<&SnapshotFile>,
    ) -> Result<Arc<Indexed<IndexedIdsStatus>>, StoreError> {
        self.index_with(held, |index| {
            snapshot.is_none_or(|snapshot| index.repository.get_tree(&snapshot.tree).is_ok())
        })
    }

    /// A handle that cuts files where their content says.
    fn handle_for_large(&self) -> Result<Repository<IndexedIdsStatus>, StoreError> {
        let handle = self.handle(self.storing.clone(), NoProgressBars {})?;
        self.run("read the store's index", || handle.to_indexed_ids())
    }

    /// A handle that never cuts a file which is shorter than the shortest piece
    /// of those that the other makes. The store's settings remain: the backend
    /// does not write what is set here.
    pub(super) fn handle_for_small(&self) -> Result<Handle, StoreError> {
        let mut handle = self.handle(self.storing.clone(), NoProgressBars {})?;
        let shortest = handle.config().chunk_min_size();
        self.run("prepare the store", || {
            let mut options = ConfigOptions::default().set_chunker(Chunker::FixedSize);
            options.set_chunk_size = Some(keys::size(&shortest.to_string())?);
            handle.apply_config(&options)
        })?;
        Ok(handle)
    }

    fn archive<'a>(
        &self,
        repository: &Repository<IndexedIdsStatus>,
        entries: Given,
        above: Arc<Above>,
        parents: impl IntoIterator<Item = &'a SnapshotFile>,
    ) -> Result<Archived<'_>, StoreError> {
        let parents: Vec<_> = parents.into_iter().map(|parent| parent.id.to_hex().to_string()).collect();
        let mut options = BackupOptions::default().no_scan(true);
        // The engine means the opposite of what it says: this compares inodes.
        options.parent_opts.ignore_inode = true;
        options.parent_opts.force = parents.is_empty();
        options.parent_opts.parents = parents;
        let report = Arc::new(Report::default());
        let source = Source::new(entries, above, report.clone());
        let failures = self.storing.failures();
        let archived = self
            .run(WHAT, || {
                repository.archive(&options, &source, SnapshotFile::default(), &[PathBuf::from("/")])
            })
            .map(|snapshot| Archived {
                stored: Stored {
                    tree: TreeId(snapshot.tree.to_hex().to_string()),
                    files: report.files.load(Ordering::Relaxed),
                    bytes: report.bytes.load(Ordering::Relaxed),
                    added: snapshot.summary.as_ref().map_or(0, |summary| summary.data_added_packed),
                },
                snapshot,
                backend: &self.storing,
            });
        if let Some(error) = locked(&report.failure).take() {
            return Err(refused(&error));
        }
        // The engine leaves out what it could not write, and goes on.
        if let Some(error) = self.storing.failure_since(failures, WHAT) {
            return Err(error);
        }
        let archived = archived?;
        self.storing.sync()?;
        Ok(archived)
    }
}

/// Takes the contents of large files that are not as the parent has them out of
/// the entries.
fn take_large<S: IndexedTree + rustic_core::Open>(
    entries: &mut [Entry],
    repository: &Repository<S>,
    parent: Option<&SnapshotFile>,
    asked: &Asked,
) -> Vec<Entry> {
    let shortest = repository.config().chunk_size() as u64;
    let mut large = Vec::new();
    for entry in entries {
        if entry.stat.size < shortest || !matches!(entry.content, Content::File(_)) {
            continue;
        }
        // It would not be found again by its times.
        if !node::is_exact(&entry.stat) {
            continue;
        }
        if parent.is_some_and(|parent| is_in(repository, parent, &entry.path, &entry.stat)) {
            continue;
        }
        let taken = Taken { path: entry.path.clone(), asked: Arc::clone(asked) };
        let content = mem::replace(&mut entry.content, Content::File(Box::new(taken)));
        large.push(Entry { path: entry.path.clone(), stat: entry.stat, content });
    }
    large
}

/// Whether the engine will find the file to be the same in the snapshot.
fn is_in<S: IndexedTree>(
    repository: &Repository<S>,
    snapshot: &SnapshotFile,
    path: &Path,
    stat: &Stat,
) -> bool {
    let Ok(Some(found)) = lookup(repository, snapshot.tree, path) else { return false };
    let meta = node::metadata(stat);
    found.is_file()
        && (found.meta.size, found.meta.mtime, found.meta.ctime, found.meta.inode)
            == (meta.size, meta.mtime, meta.ctime, meta.inode)
}

/// What a tree has at `path`, if anything.
pub(super) fn lookup<S: IndexedTree>(
    repository: &Repository<S>,
    tree: rustic_core::TreeId,
    path: &Path,
) -> Result<Option<Node>, StoreError> {
    let mut found = Node { node_type: NodeType::Dir, subtree: Some(tree), ..Node::default() };
    for part in path.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::RootDir => continue,
            _ => return Ok(None),
        };
        let Some(tree) = found.subtree else { return Ok(None) };
        let tree = repository.get_tree(&tree);
        let tree = tree.map_err(|error| failure::of_engine("look into the snapshot", path, &error))?;
        let Some(node) = tree.nodes.into_iter().find(|node| node.name() == name) else { return Ok(None) };
        found = node;
    }
    Ok(Some(found))
}

/// Files whose content was asked for again.
type Asked = Arc<Mutex<Vec<PathBuf>>>;

/// The content of a file that has been stored already, or could not be: then it
/// is asked for, and left out.
struct Taken {
    path: PathBuf,
    asked: Asked,
}

impl Open for Taken {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        locked(&self.asked).push(self.path);
        Err(io::ErrorKind::NotFound.into())
    }
}

fn refused(error: &io::Error) -> StoreError {
    StoreError::Store { what: WHAT, message: error.to_string() }
}
