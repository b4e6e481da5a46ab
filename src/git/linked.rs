//! Work trees beside the main one, made by `git worktree add`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{GitError, Location, config::read_small};
use crate::fs::{IoContext, normal, path_from};

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
    /// another's. That it can't be looked at, or has lost its way to the repository,
    /// is an error.
    pub fn locate(&self) -> Result<Option<Location>, GitError> {
        let error = match Location::at(&self.top) {
            Ok(location) => {
                let is_its = fs::canonicalize(&self.git_dir).is_ok_and(|git_dir| git_dir == location.git_dir);
                return Ok(is_its.then_some(location));
            }
            Err(error) => error,
        };
        let dot_git = self.top.join(".git");
        match fs::symlink_metadata(&dot_git) {
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => Err(error).at("look at", &dot_git)?,
            Ok(_) => {}
        }
        match error {
            // The repository was moved without it, or it is another one's.
            GitError::LeadsNowhere { ref target, .. } if target.file_name() != self.git_dir.file_name() => {
                Ok(None)
            }
            GitError::Gone { .. } | GitError::NotARepository { .. } => Ok(None),
            error => Err(error),
        }
    }
}

impl AsRef<Path> for Linked {
    fn as_ref(&self) -> &Path {
        &self.top
    }
}

/// What a repository has on record of its linked work trees.
#[derive(Debug, Default)]
pub struct AllLinked {
    /// In the order of their paths.
    pub trees: Vec<Linked>,
    /// Records that can't be read.
    pub unreadable: Vec<(PathBuf, GitError)>,
}

/// The linked work trees of the repository with this common git directory, which is
/// free of links. Only what is in that directory is looked at.
pub fn linked(common_dir: &Path) -> AllLinked {
    let place = common_dir.join("worktrees");
    let mut all = AllLinked::default();
    let entries = match fs::read_dir(&place) {
        Err(error) if is_gone(&error) => return all,
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = match entries.at("read the directory", &place) {
        Ok(entries) => entries,
        Err(error) => {
            all.unreadable.push((place, error.into()));
            return all;
        }
    };
    for git_dir in entries.into_iter().map(|entry| entry.path()) {
        let file = git_dir.join("gitdir");
        match read_small(&file) {
            Ok(text) => {
                // `worktree.useRelativePaths` makes it relative.
                let dot_git = normal(&git_dir.join(path_from(text.trim_ascii_end())));
                all.trees.extend(dot_git.parent().map(|top| Linked { top: top.to_path_buf(), git_dir }));
            }
            // It is being made or removed.
            Err(error) if is_gone(&error) => {}
            error => all.unreadable.extend(error.at("read", &file).err().map(|error| (file, error.into()))),
        }
    }
    all.trees.sort_by(|one, other| one.top.cmp(&other.top));
    all
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
