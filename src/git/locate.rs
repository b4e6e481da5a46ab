use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    GitError,
    config::{Core, read_small},
    scratch::parse_alternates,
};
use crate::fs::{IoContext, path_from};

/// No path is longer, in bytes.
const LONGEST: usize = 4096;

/// Where a repository's parts are. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// This work tree's own git directory (HEAD, index).
    pub git_dir: PathBuf,
    /// The git directory shared by all work trees (refs, objects, hooks).
    pub common_dir: PathBuf,
    /// Top of the work tree; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
    /// Where else there are objects, as git's variables have it.
    pub object_dirs: Vec<PathBuf>,
    /// The directory whose `.git` leads here, where that is how it was found.
    top: Option<PathBuf>,
    /// Its configuration says that it is bare; it may have linked work trees.
    is_bare: bool,
}

/// How a git directory was found.
enum By<'a> {
    /// It is, or is named by, the `.git` in this directory.
    DotGit(&'a Path),
    /// It is not called `.git`.
    Itself,
    /// By git's variables; with the work tree that these name, or the directory
    /// that git ran in.
    Variables { work_tree: Option<PathBuf>, cwd: &'a Path },
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

    /// A variable's value, if it is set.
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.variables.iter().find(|(known, _)| known == name)?;
        Some(value.to_string_lossy().into_owned())
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
        let mut location = match surroundings.path("GIT_DIR") {
            Some(git_dir) => {
                let work_tree = surroundings.path("GIT_WORK_TREE");
                Self::from_git_dir(&git_dir, By::Variables { work_tree, cwd: &surroundings.cwd })?
            }
            None => Self::discover(&surroundings.cwd)?,
        };
        location.object_dirs.extend(surroundings.path("GIT_OBJECT_DIRECTORY"));
        let value = |(name, value): &(String, OsString)| {
            (name == "GIT_ALTERNATE_OBJECT_DIRECTORIES").then(|| parse_alternates(value.as_bytes()))
        };
        let alternates = surroundings.variables.iter().filter_map(value).flatten();
        location.object_dirs.extend(alternates.map(|place| absolute(&surroundings.cwd, &place)));
        Ok(location)
    }

    /// The repository that `start` (absolute) is in.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        let found = start.ancestors().find_map(|directory| Self::looked_for(directory).transpose());
        found.unwrap_or_else(|| Err(GitError::NotARepository { path: start.into() }))
    }

    /// The repository whose work tree's top, git directory or `.git` is `path`
    /// (absolute), and not one around it.
    pub fn at(path: &Path) -> Result<Self, GitError> {
        if let Some(found) = Self::looked_for(path)? {
            return Ok(found);
        }
        // What can't be read is not gone.
        let head = path.join(".git/HEAD");
        match head.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error).at("look at", &head)?,
            _ => Err(GitError::Gone { path: path.into() }),
        }
    }

    fn looked_for(directory: &Path) -> Result<Option<Self>, GitError> {
        let dot_git = directory.join(".git");
        let is_file = fs::metadata(&dot_git).is_ok_and(|meta| meta.is_file());
        let (git_dir, by) = if is_file {
            let target = follow_git_file(&dot_git)?;
            if !is_git_dir(&target) {
                return Err(GitError::LeadsNowhere { file: dot_git, target });
            }
            (target, By::DotGit(directory))
        } else if is_git_dir(&dot_git) {
            (dot_git, By::DotGit(directory))
        } else if is_git_dir(directory) {
            // Inside `.git` itself the repository is the one around it.
            let around = directory.parent().filter(|_| directory.ends_with(".git"));
            (directory.to_path_buf(), around.map_or(By::Itself, By::DotGit))
        } else {
            return Ok(None);
        };
        Self::from_git_dir(&git_dir, by).map(Some)
    }

    fn from_git_dir(git_dir: &Path, by: By<'_>) -> Result<Self, GitError> {
        let git_dir = match fs::metadata(git_dir) {
            Ok(meta) if meta.is_file() => follow_git_file(git_dir)?,
            _ => git_dir.to_path_buf(),
        };
        if !is_git_dir(&git_dir) {
            return Err(GitError::NotARepository { path: git_dir });
        }
        let git_dir = real(&git_dir)?;
        // Which configuration git goes by: what it reads must be what is read here.
        let file = git_dir.join("commondir");
        let common_dir = match read_small(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => git_dir.clone(),
            text => real(&absolute(&git_dir, &path_from(line(&text.at("read", &file)?))))?,
        };
        let core = Core::of(&common_dir);
        // As git has it: a linked work tree is none of the configuration's.
        let is_linked = git_dir != common_dir;
        let is_bare = core.is_bare && !is_linked;
        let configured = || core.work_tree.filter(|_| !is_linked).map(|path| git_dir.join(path));
        let top = match by {
            By::DotGit(directory) => Some(real(directory)?),
            By::Itself | By::Variables { .. } => None,
        };
        let work_tree = match by {
            By::Variables { work_tree: Some(told), .. } => Some(told),
            _ if is_bare => None,
            By::DotGit(directory) => configured().or_else(|| Some(directory.into())),
            By::Itself => configured(),
            // git runs hooks at the top of the work tree, in a bare repository in
            // the git directory itself.
            By::Variables { cwd, .. } => (real(cwd)? != git_dir).then(|| cwd.to_path_buf()),
        };
        let work_tree = work_tree.map(|path| real(&path)).transpose()?;
        Ok(Self { git_dir, common_dir, work_tree, object_dirs: Vec::new(), top, is_bare: core.is_bare })
    }

    /// What the repository is known by: the directory with its `.git`, or for a
    /// bare one the git directory. A linked work tree is known by its
    /// repository's. There [`Location::at`] finds it again.
    pub fn main_path(&self) -> PathBuf {
        if self.is_bare {
            return self.common_dir.clone();
        }
        if self.git_dir == self.common_dir {
            let has_git = |path: &&PathBuf| path.join(".git").symlink_metadata().is_ok();
            if let Some(top) = self.top.as_ref() {
                return top.clone();
            }
            if !self.common_dir.ends_with(".git")
                && let Some(work_tree) = self.work_tree.as_ref().filter(has_git)
            {
                return work_tree.clone();
            }
        }
        match self.common_dir.parent() {
            Some(parent) if self.common_dir.ends_with(".git") => parent.to_path_buf(),
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

/// What git reads of a file with one path: names may end in white space.
fn line(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    &text[..end.map_or(0, |end| end + 1)]
}

fn real(path: &Path) -> Result<PathBuf, GitError> {
    Ok(fs::canonicalize(path).at("resolve", path)?)
}

/// What a `.git` file points at.
fn follow_git_file(file: &Path) -> Result<PathBuf, GitError> {
    let text = read_small(file).at("read", file)?;
    let target = text.strip_prefix(b"gitdir: ").map(line).filter(|target| target.len() < LONGEST);
    let target = target.ok_or_else(|| GitError::NotARepository { path: file.into() })?;
    Ok(absolute(file.parent().unwrap_or(Path::new("/")), &path_from(target)))
}

fn is_git_dir(path: &Path) -> bool {
    path.join("HEAD").symlink_metadata().is_ok()
        && (path.join("objects").is_dir() || path.join("commondir").is_file())
}
