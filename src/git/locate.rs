use std::{
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use super::GitError;
use crate::fs::{IoContext, path_from};

/// Where a repository's parts are. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// This work tree's own git directory (HEAD, index).
    pub git_dir: PathBuf,
    /// The git directory shared by all work trees (refs, objects, hooks).
    pub common_dir: PathBuf,
    /// Top of the work tree; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
}

/// What git told a hook of where it is.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Working directory, absolute.
    pub cwd: PathBuf,
    /// git's variables.
    pub variables: Vec<(String, OsString)>,
}

impl Surroundings {
    /// A directory, without any variables.
    pub fn directory(cwd: &Path) -> Self {
        Self { cwd: cwd.into(), variables: Vec::new() }
    }

    /// A variable's value as a path, made absolute.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let (_, value) = self.variables.iter().find(|(known, value)| known == name && !value.is_empty())?;
        Some(absolute(&self.cwd, Path::new(value)))
    }
}

impl Location {
    /// The repository that git was working in.
    pub fn of(surroundings: &Surroundings) -> Result<Self, GitError> {
        match surroundings.path("GIT_DIR") {
            Some(git_dir) => {
                // git runs hooks at the top of the work tree, in a bare
                // repository in the git directory itself.
                let bare = real(&surroundings.cwd)? == real(&git_dir)?;
                let work_tree =
                    surroundings.path("GIT_WORK_TREE").or_else(|| (!bare).then(|| surroundings.cwd.clone()));
                Self::from_git_dir(&git_dir, work_tree)
            }
            None => Self::discover(&surroundings.cwd),
        }
    }

    /// The repository that `start` (absolute) is in.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        let not_there = || GitError::NotARepository { path: start.into() };
        for directory in start.ancestors() {
            let dot_git = directory.join(".git");
            match fs::symlink_metadata(&dot_git) {
                Ok(meta) if meta.is_file() => {
                    return Self::from_git_dir(&follow_git_file(&dot_git)?, Some(directory.into()));
                }
                Ok(_) if is_git_dir(&dot_git) => {
                    return Self::from_git_dir(&dot_git, Some(directory.into()));
                }
                _ if is_git_dir(directory) => {
                    // Inside `.git` itself the repository is the one around it.
                    let work_tree = (directory.file_name().is_some_and(|name| name == ".git"))
                        .then(|| directory.parent().map(Path::to_path_buf))
                        .flatten();
                    return Self::from_git_dir(directory, work_tree);
                }
                _ => {}
            }
        }
        Err(not_there())
    }

    fn from_git_dir(git_dir: &Path, work_tree: Option<PathBuf>) -> Result<Self, GitError> {
        let git_dir = match fs::symlink_metadata(git_dir) {
            Ok(meta) if meta.is_file() => follow_git_file(git_dir)?,
            _ => git_dir.to_path_buf(),
        };
        if !is_git_dir(&git_dir) {
            return Err(GitError::NotARepository { path: git_dir });
        }
        let common_dir = match fs::read(git_dir.join("commondir")) {
            Ok(text) => absolute(&git_dir, &path_from(text.trim_ascii_end())),
            Err(_) => git_dir.clone(),
        };
        Ok(Self {
            git_dir: real(&git_dir)?,
            common_dir: real(&common_dir)?,
            work_tree: work_tree.map(|path| real(&path)).transpose()?,
        })
    }

    /// What the repository is known by: the main work tree, or for a bare one
    /// the git directory. A linked work tree is known by its repository's.
    pub fn main_path(&self) -> PathBuf {
        if self.git_dir == self.common_dir
            && let Some(work_tree) = &self.work_tree
        {
            return work_tree.clone();
        }
        match (self.common_dir.file_name(), self.common_dir.parent()) {
            (Some(name), Some(parent)) if name == ".git" => parent.to_path_buf(),
            _ => self.common_dir.clone(),
        }
    }

    /// A directory to run git in.
    pub fn directory(&self) -> &Path {
        self.work_tree.as_deref().unwrap_or(&self.git_dir)
    }
}

/// `path` against `base`, without `.` and `..` where that needs no file system.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    whole
}

fn real(path: &Path) -> Result<PathBuf, GitError> {
    Ok(fs::canonicalize(path).at("resolve", path)?)
}

/// What a `.git` file points at.
fn follow_git_file(file: &Path) -> Result<PathBuf, GitError> {
    let text = fs::read(file).at("read", file)?;
    let target = text
        .strip_prefix(b"gitdir:")
        .ok_or_else(|| GitError::NotARepository { path: file.into() })?
        .trim_ascii();
    Ok(absolute(file.parent().unwrap_or(Path::new("/")), &path_from(target)))
}

fn is_git_dir(path: &Path) -> bool {
    path.join("HEAD").symlink_metadata().is_ok()
        && (path.join("objects").is_dir() || path.join("commondir").is_file())
}
