//! Work trees beside the main one, made by `git worktree add`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{GitError, Location, absolute, config::read_small};
use crate::fs::{IoContext, path_from};

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
    pub fn locate(&self) -> Result<Option<Location>, GitError> {
        match Location::at(&self.top) {
            Ok(location) => {
                let is_its = fs::canonicalize(&self.git_dir).is_ok_and(|git_dir| git_dir == location.git_dir);
                Ok(is_its.then_some(location))
            }
            Err(GitError::Gone { .. } | GitError::NotARepository { .. } | GitError::LeadsNowhere { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsRef<Path> for Linked {
    fn as_ref(&self) -> &Path {
        &self.top
    }
}

/// The linked work trees of the repository with this common git directory, in the
/// order of their paths. Only what is in that directory is looked at.
pub fn linked(common_dir: &Path) -> Result<Vec<Linked>, GitError> {
    let place = common_dir.join("worktrees");
    let entries = match fs::read_dir(&place) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries.at("read the directory", &place)?,
    };
    let mut linked = Vec::new();
    for entry in entries {
        let git_dir = entry.at("read the directory", &place)?.path();
        let file = git_dir.join("gitdir");
        let dot_git = match read_small(&file) {
            // It is being made or removed.
            Err(error) if is_gone(&error) => continue,
            text => absolute(&git_dir, &path_from(text.at("read", &file)?.trim_ascii_end())),
        };
        linked.extend(dot_git.parent().map(|top| Linked { top: top.to_path_buf(), git_dir }));
    }
    linked.sort_by(|one, other| one.top.cmp(&other.top));
    Ok(linked)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
