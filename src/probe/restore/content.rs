//! Finding one's way in a snapshot's tree.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

use super::RestoreError;
use crate::{
    fs::IoContext,
    probe::store::{Node, NodeKind, Stat, Store, StoreError, TreeId},
};

/// What the tree has at `path`, which is absolute; links are not followed.
pub(in crate::probe) fn find(
    store: &dyn Store,
    tree: &TreeId,
    path: &Path,
) -> Result<Option<Node>, StoreError> {
    let stat = Stat { mode: 0o040_755, ..Stat::default() };
    let mut node = Node { name: Vec::new(), stat, kind: NodeKind::Directory(tree.clone()) };
    for component in path.components() {
        let Component::Normal(name) = component else { continue };
        let NodeKind::Directory(tree) = &node.kind else { return Ok(None) };
        match child(store.tree(tree)?, name.as_bytes()) {
            Some(child) => node = child,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// The node of this name.
pub(in crate::probe) fn child(nodes: Vec<Node>, name: &[u8]) -> Option<Node> {
    nodes.into_iter().find(|node| node.name == name)
}

/// A name as a part of a path.
pub(in crate::probe) fn name(node: &Node) -> &Path {
    Path::new(OsStr::from_bytes(&node.name))
}

/// A file's content, if it is a file and not larger than `limit` bytes.
pub(in crate::probe) fn read(
    store: &dyn Store,
    node: &Node,
    limit: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let NodeKind::File(pieces) = &node.kind else { return Ok(None) };
    if node.stat.size > limit {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(store.blob(piece)?);
    }
    Ok(Some(bytes))
}

/// Whether these are what a git directory has.
pub(in crate::probe) fn is_git_dir(nodes: &[Node]) -> bool {
    let has = |name: &[u8]| nodes.iter().find(|node| node.name == name);
    has(b"HEAD").is_some() && has(b"objects").is_some_and(|node| matches!(node.kind, NodeKind::Directory(_)))
}

/// What there is at and beneath a node.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// git directories, absolute.
    pub git_dirs: Vec<PathBuf>,
    /// Files called `.git`, absolute.
    pub git_files: Vec<PathBuf>,
}

impl Survey {
    /// Adds what is at `path`, which is `node`.
    pub fn add(&mut self, store: &dyn Store, path: &Path, node: &Node) -> Result<(), StoreError> {
        let mut stack: Vec<(PathBuf, TreeId)> = Vec::new();
        self.note(path.to_path_buf(), node, &mut stack);
        while let Some((path, tree)) = stack.pop() {
            let nodes = store.tree(&tree)?;
            if is_git_dir(&nodes) {
                self.git_dirs.push(path.clone());
            }
            for node in &nodes {
                self.note(path.join(name(node)), node, &mut stack);
            }
        }
        Ok(())
    }

    fn note(&mut self, path: PathBuf, node: &Node, stack: &mut Vec<(PathBuf, TreeId)>) {
        match &node.kind {
            NodeKind::Directory(tree) => stack.push((path, tree.clone())),
            NodeKind::File(_) => {
                self.files += 1;
                self.bytes += node.stat.size;
                if path.file_name() == Some(OsStr::new(".git")) {
                    self.git_files.push(path);
                }
            }
            NodeKind::Link(_) | NodeKind::Special => self.files += 1,
        }
    }
}

/// Writes one node that is no directory; nothing is at `path` yet.
pub(super) fn write(store: &dyn Store, node: &Node, path: &Path) -> Result<(), RestoreError> {
    let stat = &node.stat;
    match &node.kind {
        NodeKind::Directory(_) => {
            fs::create_dir(path).at("create the directory", path)?;
        }
        NodeKind::File(pieces) => {
            let mut file: File =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at("create", path)?;
            for piece in pieces {
                file.write_all(&store.blob(piece)?).at("write", path)?;
            }
        }
        NodeKind::Link(target) => {
            symlink(OsStr::from_bytes(target), path).at("create the link", path)?;
        }
        NodeKind::Special => {
            let kind = FileType::from_raw_mode(stat.mode);
            mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), stat.rdev)
                .map_err(Into::into)
                .at("create", path)?;
        }
    }
    // Only root may give files away; whoever restores their own needs not.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(stat.uid), Some(stat.gid)).at("set the owner of", path)?;
    }
    if !matches!(node.kind, NodeKind::Link(_)) {
        fs::set_permissions(path, Permissions::from_mode(stat.mode & 0o7777)).at("set the mode of", path)?;
    }
    set_mtime(path, stat.mtime)
}

/// Sets when the content was changed, of a link itself.
pub(super) fn set_mtime(path: &Path, (seconds, nanoseconds): (i64, u32)) -> Result<(), RestoreError> {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    let set = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(std::io::Error::from);
    Ok(set.at("set the time of", path)?)
}
