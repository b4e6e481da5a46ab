//! Both trees, walked together.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use super::{ChangeKind, DiffOptions, PathChange, Side, lines};
use crate::probe::{
    restore::content,
    store::{BlobId, Node, NodeKind, Snapshot, Store, StoreError, TreeId},
};

/// The paths that differ, in order.
pub(super) fn paths(
    store: &dyn Store,
    old: &Snapshot,
    new: &Snapshot,
    options: &DiffOptions,
) -> Result<Vec<PathChange>, StoreError> {
    let mut walk = Walk { store, options, changes: Vec::new() };
    let main = |snapshot: &Snapshot| snapshot.draft.roots.first().cloned().unwrap_or_default();
    let mains = (main(old), main(new));
    let ends = (content::find(store, &old.tree, &mains.0)?, content::find(store, &new.tree, &mains.1)?);
    walk.root(Path::new(""), ends)?;
    if options.paths.is_empty() {
        let others = |snapshot: &Snapshot, main: &Path| -> Vec<PathBuf> {
            let roots = &snapshot.draft.roots;
            let is_inner =
                |root: &PathBuf| roots.iter().any(|outer| outer != root && root.starts_with(outer));
            roots.iter().filter(|root| *root != main && !is_inner(root)).cloned().collect()
        };
        let mut roots = others(old, &mains.0);
        roots.extend(others(new, &mains.1));
        roots.sort();
        roots.dedup();
        for root in roots {
            let ends = (content::find(store, &old.tree, &root)?, content::find(store, &new.tree, &root)?);
            walk.root(&root, ends)?;
        }
    }
    walk.renames();
    walk.count_lines()?;
    let mut changes: Vec<PathChange> = walk.changes.into_iter().map(|change| change.told).collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

struct Walk<'a> {
    store: &'a dyn Store,
    options: &'a DiffOptions,
    changes: Vec<Change>,
}

/// A change, with what its content can be found by.
struct Change {
    told: PathChange,
    old: Option<Node>,
    new: Option<Node>,
}

impl Walk<'_> {
    /// A root, unless it is git's own.
    fn root(&mut self, path: &Path, ends: (Option<Node>, Option<Node>)) -> Result<(), StoreError> {
        if !self.options.git_dir {
            for node in [&ends.0, &ends.1].into_iter().flatten() {
                let NodeKind::Directory(tree) = &node.kind else { continue };
                let nodes = self.store.tree(tree)?;
                let is_lenders = path.ends_with("objects") && !nodes.iter().any(|it| it.name == b".git");
                if content::is_git_dir(&nodes) || is_lenders {
                    return Ok(());
                }
            }
        }
        let tree = |node: Option<Node>| match node.map(|node| node.kind) {
            Some(NodeKind::Directory(tree)) => Some(tree),
            _ => None,
        };
        self.directories(path, tree(ends.0), tree(ends.1))
    }

    fn directories(
        &mut self,
        path: &Path,
        old: Option<TreeId>,
        new: Option<TreeId>,
    ) -> Result<(), StoreError> {
        let mut stack = vec![(path.to_path_buf(), old, new)];
        while let Some((path, old, new)) = stack.pop() {
            if old == new {
                continue;
            }
            let mut names: BTreeMap<Vec<u8>, (Option<Node>, Option<Node>)> = BTreeMap::new();
            for node in old.map(|tree| self.store.tree(&tree)).transpose()?.unwrap_or_default() {
                let name = node.name.clone();
                names.entry(name).or_default().0 = Some(node);
            }
            for node in new.map(|tree| self.store.tree(&tree)).transpose()?.unwrap_or_default() {
                let name = node.name.clone();
                names.entry(name).or_default().1 = Some(node);
            }
            for (name, (old, new)) in names {
                let path = path.join(crate::fs::path_from(&name));
                if (name == b".git" && !self.options.git_dir) || !self.concerns(&path) {
                    continue;
                }
                let tree = |node: &Option<Node>| match node.as_ref().map(|node| &node.kind) {
                    Some(NodeKind::Directory(tree)) => Some(tree.clone()),
                    _ => None,
                };
                let trees = (tree(&old), tree(&new));
                self.compare(&path, old, new)?;
                if trees != (None, None) {
                    stack.push((path, trees.0, trees.1));
                }
            }
        }
        Ok(())
    }

    /// Whether a path is at, beneath or above what was asked for.
    fn concerns(&self, path: &Path) -> bool {
        let asked = &self.options.paths;
        asked.is_empty() || asked.iter().any(|one| path.starts_with(one) || one.starts_with(path))
    }

    fn compare(&mut self, path: &Path, old: Option<Node>, new: Option<Node>) -> Result<(), StoreError> {
        let kind = match (&old, &new) {
            (Some(old), Some(new)) => {
                let type_of = |node: &Node| FileType::from_raw_mode(node.stat.mode);
                if type_of(old) != type_of(new) {
                    ChangeKind::TypeChanged
                } else if !matches!(old.kind, NodeKind::Directory(_)) && old.kind != new.kind {
                    ChangeKind::Modified
                } else if old.stat.mode != new.stat.mode && !matches!(old.kind, NodeKind::Link(_)) {
                    ChangeKind::ModeChanged
                } else {
                    return Ok(());
                }
            }
            // Directories are told by what is in them, if anything is.
            (Some(node), None) if self.is_told(path, node)? => ChangeKind::Deleted,
            (None, Some(node)) if self.is_told(path, node)? => ChangeKind::Added,
            _ => return Ok(()),
        };
        let told = PathChange {
            path: path.to_path_buf(),
            kind,
            old: old.as_ref().map(side),
            new: new.as_ref().map(side),
            lines: None,
        };
        self.changes.push(Change { told, old, new });
        Ok(())
    }

    fn is_told(&self, path: &Path, node: &Node) -> Result<bool, StoreError> {
        let NodeKind::Directory(tree) = &node.kind else { return Ok(true) };
        let is_asked = |one: &PathBuf| path.starts_with(one);
        let asked = &self.options.paths;
        Ok((asked.is_empty() || asked.iter().any(is_asked)) && self.store.tree(tree)?.is_empty())
    }

    /// Makes one change of a file that went and one with its content that came;
    /// of several, one with the same name.
    fn renames(&mut self) {
        let mut gone: HashMap<&[BlobId], Vec<usize>> = HashMap::new();
        for (index, change) in self.changes.iter().enumerate() {
            if let (Some(pieces), ChangeKind::Deleted) = (pieces(change.old.as_ref()), &change.told.kind) {
                gone.entry(pieces).or_default().push(index);
            }
        }
        let mut pairs = Vec::new();
        for (index, change) in self.changes.iter().enumerate() {
            let (Some(pieces), ChangeKind::Added) = (pieces(change.new.as_ref()), &change.told.kind) else {
                continue;
            };
            let Some(candidates) = gone.get_mut(pieces) else { continue };
            let has_name =
                |from: &usize| self.changes[*from].told.path.file_name() == change.told.path.file_name();
            let found = candidates.iter().position(has_name).or((!candidates.is_empty()).then_some(0));
            if let Some(found) = found {
                pairs.push((candidates.remove(found), index));
            }
        }
        for (from, to) in &pairs {
            let (path, old) = (self.changes[*from].told.path.clone(), self.changes[*from].told.old);
            let told = &mut self.changes[*to].told;
            told.kind = ChangeKind::Renamed { from: path };
            told.old = old;
        }
        let mut gone: Vec<usize> = pairs.into_iter().map(|(from, _)| from).collect();
        gone.sort_unstable_by(|a, b| b.cmp(a));
        for index in gone {
            self.changes.remove(index);
        }
    }

    fn count_lines(&mut self) -> Result<(), StoreError> {
        if !self.options.lines {
            return Ok(());
        }
        for change in &mut self.changes {
            if !matches!(change.told.kind, ChangeKind::Added | ChangeKind::Deleted | ChangeKind::Modified) {
                continue;
            }
            let text = |node: Option<&Node>| match node {
                None => Ok(Some(Vec::new())),
                Some(node) => content::read(self.store, node, lines::LARGEST),
            };
            if let (Some(old), Some(new)) = (text(change.old.as_ref())?, text(change.new.as_ref())?) {
                change.told.lines = lines::between(&old, &new);
            }
        }
        Ok(())
    }
}

/// A file's pieces, if it has any.
fn pieces(node: Option<&Node>) -> Option<&[BlobId]> {
    match &node?.kind {
        NodeKind::File(pieces) if !pieces.is_empty() => Some(pieces),
        _ => None,
    }
}

fn side(node: &Node) -> Side {
    let size = if matches!(node.kind, NodeKind::File(_)) { node.stat.size } else { 0 };
    Side { mode: node.stat.mode, size }
}
