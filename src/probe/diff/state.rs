//! git's state in a snapshot, from its files: HEAD, refs, stash, index, and what
//! is in progress. What git keeps in another form (reftable) is unknown here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    fs::{normal, path_from},
    probe::{
        restore::content,
        store::{Node, NodeKind, Snapshot, Store, StoreError},
    },
};

/// Files of git's that tell of something unfinished, and what.
const OPERATIONS: &[(&str, &str)] = &[
    ("BISECT_LOG", "bisect"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("MERGE_HEAD", "merge"),
    ("REVERT_HEAD", "revert"),
    ("rebase-apply", "rebase"),
    ("rebase-merge", "rebase"),
];
/// Nothing that is read here is nearly as large; bytes.
const LARGEST: u64 = 64 << 20;

/// git's state in one snapshot, of the work tree at its first root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Short name of the branch; `None`: detached.
    pub branch: Option<String>,
    /// The commit that HEAD leads to, if any.
    pub head: Option<String>,
    /// Stashes.
    pub stashes: u64,
    /// What is in progress: "merge", "rebase" and the like.
    pub operations: Vec<String>,
}

/// A ref that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// Its whole name; not always UTF-8.
    pub name: Vec<u8>,
    /// What it named before, an object's id or `ref: NAME`; `None`: it was not
    /// there.
    pub old: Option<String>,
    /// What it names after.
    pub new: Option<String>,
}

/// How git's state differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitChange {
    /// Before.
    pub old: State,
    /// After.
    pub new: State,
    /// Refs that came, went or moved, in order of name; `None`: it can't be told,
    /// because they are kept in a reftable.
    pub refs: Option<Vec<RefChange>>,
    /// Whether the index is another.
    pub index: bool,
}

impl GitChange {
    /// Whether everything is as it was, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.old == self.new && !self.index && self.refs.as_ref().is_none_or(Vec::is_empty)
    }
}

/// How git's state differs.
pub(super) fn change(store: &dyn Store, old: &Snapshot, new: &Snapshot) -> Result<GitChange, StoreError> {
    let (old, new) = (Dirs::of(store, old)?, Dirs::of(store, new)?);
    let refs = match (old.refs()?, new.refs()?) {
        (Some(old), Some(new)) => {
            let names: BTreeSet<&Vec<u8>> = old.keys().chain(new.keys()).collect();
            let change = |name: &Vec<u8>| {
                let (old, new) = (old.get(name).cloned(), new.get(name).cloned());
                (old != new).then(|| RefChange { name: name.clone(), old, new })
            };
            Some(names.into_iter().filter_map(change).collect())
        }
        _ => None,
    };
    Ok(GitChange { index: old.index()? != new.index()?, old: old.state()?, new: new.state()?, refs })
}

/// A repository's directories in a snapshot.
struct Dirs<'a> {
    store: &'a dyn Store,
    snapshot: &'a Snapshot,
    /// The work tree's own; empty: not found.
    git: PathBuf,
    /// Shared by all work trees.
    common: PathBuf,
}

impl<'a> Dirs<'a> {
    fn of(store: &'a dyn Store, snapshot: &'a Snapshot) -> Result<Self, StoreError> {
        let mut dirs = Self { store, snapshot, git: PathBuf::new(), common: PathBuf::new() };
        let Some(main) = snapshot.draft.roots.first() else { return Ok(dirs) };
        let dot_git = main.join(".git");
        dirs.git = match dirs.node(&dot_git)?.map(|node| node.kind) {
            None => main.clone(),
            Some(NodeKind::Directory(_)) => dot_git,
            Some(_) => {
                let text = dirs.text(&dot_git)?.unwrap_or_default();
                let named = text.strip_prefix(b"gitdir:").unwrap_or_default().trim_ascii().to_vec();
                normal(&main.join(path_from(&named)))
            }
        };
        dirs.common = match dirs.text(&dirs.git.join("commondir"))? {
            Some(text) => normal(&dirs.git.join(path_from(text.trim_ascii_end()))),
            None => dirs.git.clone(),
        };
        Ok(dirs)
    }

    fn node(&self, path: &Path) -> Result<Option<Node>, StoreError> {
        content::find(self.store, &self.snapshot.tree, path)
    }

    fn text(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match self.node(path)? {
            Some(node) => content::read(self.store, &node, LARGEST),
            None => Ok(None),
        }
    }

    fn state(&self) -> Result<State, StoreError> {
        let mut operations = Vec::new();
        for (name, what) in OPERATIONS {
            if self.node(&self.git.join(name))?.is_some() && !operations.iter().any(|it| it == what) {
                operations.push((*what).to_owned());
            }
        }
        // A reflog has a line for each stash.
        let stashes = self.text(&self.common.join("logs/refs/stash"))?.unwrap_or_default();
        let stashes = stashes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let draft = &self.snapshot.draft;
        Ok(State {
            branch: draft.branch.clone(),
            head: draft.head.clone(),
            stashes: stashes as u64,
            operations,
        })
    }

    fn index(&self) -> Result<Option<NodeKind>, StoreError> {
        Ok(self.node(&self.git.join("index"))?.map(|node| node.kind))
    }

    /// Every ref and what it names; `None`: they are kept in a reftable.
    fn refs(&self) -> Result<Option<BTreeMap<Vec<u8>, String>>, StoreError> {
        if self.node(&self.common.join("reftable"))?.is_some() {
            return Ok(None);
        }
        let mut refs = BTreeMap::new();
        let packed = self.text(&self.common.join("packed-refs"))?.unwrap_or_default();
        for line in packed.split(|byte| *byte == b'\n') {
            // `^` tells what the tag of the line before leads to.
            if let Some(space) = line.iter().position(|byte| *byte == b' ')
                && !line.starts_with(b"#")
            {
                let id = String::from_utf8_lossy(&line[..space]).into_owned();
                refs.insert(line[space + 1..].to_vec(), id);
            }
        }
        // Loose ones are newer than packed ones.
        self.loose(&self.common, &mut refs)?;
        if self.git != self.common {
            self.loose(&self.git, &mut refs)?;
        }
        Ok(Some(refs))
    }

    fn loose(&self, dir: &Path, refs: &mut BTreeMap<Vec<u8>, String>) -> Result<(), StoreError> {
        let Some(Node { kind: NodeKind::Directory(tree), .. }) = self.node(&dir.join("refs"))? else {
            return Ok(());
        };
        let mut stack = vec![(b"refs".to_vec(), tree)];
        while let Some((name, tree)) = stack.pop() {
            for node in self.store.tree(&tree)? {
                let name = [&*name, b"/", &*node.name].concat();
                match &node.kind {
                    NodeKind::Directory(tree) => stack.push((name, tree.clone())),
                    _ => {
                        if let Some(text) = content::read(self.store, &node, LARGEST)? {
                            refs.insert(name, String::from_utf8_lossy(text.trim_ascii()).into_owned());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
