//! How two snapshots differ: their files, and what git would say of its state.
//!
//! Both trees are walked together, and what has the same id in both is not
//! looked into; contents are read only to count the lines of what changed.

mod lines;
mod state;
mod walk;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use lines::Lines;
pub use state::{GitChange, RefChange, State};

use super::store::{Snapshot, Store, StoreError};

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffOptions {
    /// What is git's own, too: files in `.git`.
    pub git_dir: bool,
    /// At and beneath these alone, relative to the first root; empty: all.
    pub paths: Vec<PathBuf>,
    /// Whether the lines of text that changed are counted.
    pub lines: bool,
}

impl Default for DiffOptions {
    /// All but git's own, with lines.
    fn default() -> Self {
        Self { git_dir: false, paths: Vec::new(), lines: true }
    }
}

/// What became of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Deleted,
    /// Other content, or another target of a link.
    Modified,
    /// A file is a link now, and the like.
    TypeChanged,
    /// Other permissions, the same content.
    ModeChanged,
    /// The same content was elsewhere, and is not there any more.
    Renamed {
        /// Where.
        from: PathBuf,
    },
}

impl ChangeKind {
    /// Its name, as scripts see it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Deleted => "deleted",
            Self::Modified => "modified",
            Self::TypeChanged => "type-changed",
            Self::ModeChanged => "mode-changed",
            Self::Renamed { .. } => "renamed",
        }
    }
}

/// A path as it is in one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Kind and permissions, as in `st_mode`.
    pub mode: u32,
    /// Bytes; 0 for what is no file.
    pub size: u64,
}

/// A path that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// Relative to the first root; absolute if it is in another. A directory is
    /// named only if it is empty, or if itself has changed.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
    /// Before, if it was there; of a renamed one where it was.
    pub old: Option<Side>,
    /// After, if it is there.
    pub new: Option<Side>,
    /// Lines that came and went; `None`: it is not text, or larger than 1 MiB, or
    /// lines were not asked for.
    pub lines: Option<Lines>,
}

/// How two snapshots differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Paths, in their order.
    pub paths: Vec<PathChange>,
    /// git's state.
    pub git: GitChange,
}

/// Compares two snapshots of a repository.
pub fn diff(
    store: &dyn Store,
    old: &Snapshot,
    new: &Snapshot,
    options: &DiffOptions,
) -> Result<Diff, StoreError> {
    store.settle()?;
    Ok(Diff { paths: walk::paths(store, old, new, options)?, git: state::change(store, old, new)? })
}
