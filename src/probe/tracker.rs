//! Finds every repository beneath some directories.
//!
//! Several threads walk the tree, each depth first on a stack of its own, and
//! hand work to whoever has none. What a directory is follows from the names in
//! it and, where they look like git's, from a few small files; a plain file
//! costs nothing beyond its entry in the listing. What a find is, and whose,
//! does not depend on which thread came first: only the order of finds does.
//!
//! Links are never followed. A directory that can't be read is a warning, and
//! the walk goes on. Other file systems are left alone unless told, and where
//! the kernel lists its mounts they are not so much as opened: a dead network
//! mount holds nobody up.

pub(super) mod entries;
mod gitdir;
mod mounts;
mod told;
mod walk;

pub use told::track_for;

#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, path::PathBuf};

/// Where no repository of the user's is looked for: caches, dependencies,
/// things thrown away.
pub const SKIPPED: &[&str] = &[
    "node_modules",
    "target",
    ".cache",
    ".venv",
    "venv",
    "__pycache__",
    ".tox",
    ".gradle",
    ".m2",
    ".cargo/registry",
    ".cargo/git",
    ".rustup",
    ".npm",
    ".pnpm-store",
    "Library/Caches",
    ".Trash",
    ".local/share/Trash",
];

/// After how many directories a walk tells how far it has come.
pub const PROGRESS: u64 = 500;

/// How to walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackOptions {
    /// Directories that are left out: a name ("target"), or the end of a path
    /// (".local/share/Trash"). Roots are walked whatever their names.
    pub skip: Vec<String>,
    /// Whether to go on into other file systems than the root's.
    pub cross_file_systems: bool,
    /// How many threads walk; 0: as many as there are processors.
    pub threads: usize,
}

impl Default for TrackOptions {
    fn default() -> Self {
        Self {
            skip: SKIPPED.iter().map(|&skip| skip.to_owned()).collect(),
            cross_file_systems: false,
            threads: 0,
        }
    }
}

/// What sort of repository it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RepoKind {
    /// An ordinary one: a work tree with its git directory.
    Worktree,
    /// A repository without a work tree.
    Bare,
    /// A further work tree of another repository (`git worktree add`).
    Linked,
    /// A submodule, its git directory inside that of its superproject.
    Submodule,
    /// An ordinary one inside another's work tree.
    Nested,
}

impl RepoKind {
    /// The kind's name, as scripts see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worktree => "worktree",
            Self::Bare => "bare",
            Self::Linked => "linked",
            Self::Submodule => "submodule",
            Self::Nested => "nested",
        }
    }
}

/// A repository. Paths are absolute and free of links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its work tree, or the bare repository itself.
    pub path: PathBuf,
    /// What sort it is.
    pub kind: RepoKind,
    /// The directory of its objects and refs: the same for a repository and its
    /// linked work trees.
    pub common_dir: PathBuf,
    /// What it belongs to: a linked work tree's repository, a submodule's
    /// superproject, the work tree around a nested or bare one.
    pub parent: Option<PathBuf>,
}

/// Something that the tracker has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracked {
    /// A repository.
    Found(Found),
    /// A place that could not be looked at.
    Warning {
        /// Where.
        path: PathBuf,
        /// What is wrong there, for people.
        message: String,
    },
    /// How far the walk has come: now and then, in a long one.
    Progress(Summary),
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Directories read.
    pub directories: u64,
    /// Repositories found.
    pub found: u64,
    /// Warnings given.
    pub warnings: u64,
}

/// Finds the repositories at and beneath `roots`.
///
/// Each is told to `sink` once, however roots overlap, from any of the threads
/// and in no certain order. As soon as `sink` breaks, the walk ends; what other
/// threads are just telling still comes. Each [`PROGRESS`] directories it is
/// told how far the walk is, and so asked whether to go on where nothing is
/// found.
pub fn track(
    roots: &[PathBuf],
    options: &TrackOptions,
    sink: &(dyn Fn(Tracked) -> ControlFlow<()> + Sync),
) -> Summary {
    walk::walk(roots, options, sink)
}
