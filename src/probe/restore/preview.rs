//! What a restore would change, told without changing anything.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use super::{
    Difference, Mismatch, Order, RestoreError, Target, content, plan, standing,
    verify::{verify, verify_one},
};
use crate::{
    git::Git,
    probe::{
        diff::Side,
        store::{Node, NodeKind, Progress, Store, StoreError},
    },
};

/// A path that restoring would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previewed {
    /// Relative to the repository's top; absolute outside of it.
    pub path: PathBuf,
    /// How what is there differs from what the snapshot has.
    pub what: Mismatch,
    /// What is there, if anything is.
    pub old: Option<Side>,
    /// What the snapshot has there, if anything.
    pub new: Option<Side>,
}

/// Says what [`super::restore`] would change where the repository is, and refuses
/// what it would refuse; nothing is written, neither there nor to the store. Each
/// path is told once, in order; of a directory that is not there, or that the
/// snapshot has not, its own path alone. What is git's own is left out, and so are
/// times and what stays because git ignores it. A copy elsewhere changes nothing.
///
/// `progress` is told the bytes that were compared.
pub fn preview(
    store: &dyn Store,
    git: &Git,
    order: &Order<'_>,
    progress: Progress<'_>,
) -> Result<Vec<Previewed>, RestoreError> {
    let Target::Original { main } = &order.target else { return Ok(Vec::new()) };
    store.settle()?;
    let main = plan::real(main)?;
    let mut plan = plan::plan(store, order, "preview")?;
    standing::judge(store, git, order, &mut plan)?;
    let mut all = Vec::new();
    for part in &plan.parts {
        let unit = &plan.units[part.unit];
        if is_git_dir(store, &part.node)? {
            continue;
        }
        let stays = |path: &Path| unit.ignored.iter().chain(&unit.left).any(|it| path.starts_with(it));
        let place = unit.place.strip_prefix(&main).unwrap_or(&unit.place);
        let mut stored = Stored { store, top: &part.node, dir: None };
        for difference in differing(store, &part.node, &unit.place, progress)? {
            let Difference { path, what } = difference;
            let is_gits = path.components().any(|component| component.as_os_str() == ".git");
            if is_gits || what == Mismatch::Time || (what == Mismatch::Extra && stays(&path)) {
                continue;
            }
            let old = fs::symlink_metadata(plan::joined(&unit.place, &path)).ok();
            all.push(Previewed {
                old: old.map(|meta| side(meta.mode(), meta.size())),
                new: stored.side(&path)?,
                path: plan::joined(place, &path),
                what,
            });
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    all.dedup_by(|later, kept| {
        let is_same = later.path == kept.path;
        // Of one that has another mode and other content, the content is told.
        if is_same && matches!(kept.what, Mismatch::Mode { .. }) {
            kept.what = later.what.clone();
        }
        is_same
    });
    Ok(all)
}

fn is_git_dir(store: &dyn Store, node: &Node) -> Result<bool, StoreError> {
    match &node.kind {
        NodeKind::Directory(tree) => Ok(content::is_git_dir(&store.tree(tree)?)),
        _ => Ok(false),
    }
}

/// What a part of the snapshot has, looked up path by path in their order.
struct Stored<'a> {
    store: &'a dyn Store,
    top: &'a Node,
    /// The directory that the last path was in.
    dir: Option<(PathBuf, Vec<Node>)>,
}

impl Stored<'_> {
    fn side(&mut self, path: &Path) -> Result<Option<Side>, StoreError> {
        let Some(parent) = path.parent() else {
            return Ok(Some(side(self.top.stat.mode, self.top.stat.size)));
        };
        if self.dir.as_ref().is_none_or(|(dir, _)| dir != parent) {
            let NodeKind::Directory(tree) = &self.top.kind else { return Ok(None) };
            let found = content::find(self.store, tree, parent)?;
            let nodes = match found.map(|node| node.kind) {
                Some(NodeKind::Directory(tree)) => self.store.tree(&tree)?,
                _ => Vec::new(),
            };
            self.dir = Some((parent.into(), nodes));
        }
        let mut nodes = self.dir.iter().flat_map(|(_, nodes)| nodes);
        let node = nodes.find(|node| path.file_name().is_some_and(|name| content::name(node) == name));
        Ok(node.map(|node| side(node.stat.mode, node.stat.size)))
    }
}

fn side(mode: u32, size: u64) -> Side {
    Side { mode, size: if FileType::from_raw_mode(mode) == FileType::RegularFile { size } else { 0 } }
}

/// How what is at `place` differs from what the snapshot has; paths are relative
/// to it.
fn differing(
    store: &dyn Store,
    node: &Node,
    place: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Difference>, StoreError> {
    let there = place.symlink_metadata();
    match (&node.kind, there) {
        (NodeKind::Directory(tree), Ok(meta)) if meta.is_dir() => verify(store, tree, place, progress),
        (NodeKind::Directory(tree), Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            let nodes = store.tree(tree)?;
            let missing = |node| Difference { path: content::name(node).into(), what: Mismatch::Missing };
            Ok(nodes.iter().map(missing).collect())
        }
        _ => verify_one(store, node, place),
    }
}
