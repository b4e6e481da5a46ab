//! Work trees beside the main one, made by `git worktree add`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Location, absolute, config::read_small};
use crate::fs::path_from;

/// A linked work tree, as its repository has it on record; it need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Its top, absolute.
    pub top: PathBuf,
    /// Its own git directory, in the common one.
    git_dir: PathBuf,
}

impl Linked {
    /// Where it is; `None`: it is gone, as git has it prunable, or what is there is
    /// another's.
    pub fn locate(&self) -> Option<Location> {
        let location = Location::at(&self.top).ok()?;
        (location.git_dir == fs::canonicalize(&self.git_dir).ok()?).then_some(location)
    }
}

impl AsRef<Path> for Linked {
    fn as_ref(&self) -> &Path {
        &self.top
    }
}

/// The linked work trees of the repository with this common git directory, in the
/// order of their paths. Only what is in that directory is looked at.
pub fn linked(common_dir: &Path) -> Vec<Linked> {
    let Ok(entries) = fs::read_dir(common_dir.join("worktrees")) else { return Vec::new() };
    let mut linked: Vec<Linked> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let git_dir = entry.path();
            let dot_git = read_small(&git_dir.join("gitdir")).ok()?;
            let dot_git = absolute(&git_dir, &path_from(dot_git.trim_ascii_end()));
            Some(Linked { top: dot_git.parent()?.to_path_buf(), git_dir })
        })
        .collect();
    linked.sort_by(|one, other| one.top.cmp(&other.top));
    linked
}
