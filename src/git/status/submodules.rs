//! What lies uncommitted in submodules. git would look there by a process that
//! does what their configuration says, so it is told not to; each is looked at as
//! any other repository is, and counted as git counts.

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    super::{
        Git, GitError, Location,
        config::{read_small, settings},
    },
    WorkState,
};
use crate::fs::path_from;

/// A submodule as its superproject has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submodule {
    /// From the top of the superproject.
    path: Box<[u8]>,
    change: Change,
    ignore: Ignore,
}

/// How a path has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub is_staged: bool,
    pub is_unstaged: bool,
}

/// What is no change of a submodule, by gitmodules(5); each more than the one
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Ignore {
    #[default]
    None,
    Untracked,
    Dirty,
    All,
}

impl Ignore {
    fn parse(value: &[u8]) -> Option<Self> {
        match value {
            b"none" => Some(Self::None),
            b"untracked" => Some(Self::Untracked),
            b"dirty" => Some(Self::Dirty),
            b"all" => Some(Self::All),
            _ => None,
        }
    }
}

/// The submodules at these paths that are to be looked at. What was found changed,
/// and is to be ignored, is taken out of `state`.
pub(super) fn to_look_at(
    git: &Git,
    location: &Location,
    paths: Vec<Vec<u8>>,
    changes: &HashMap<Vec<u8>, Change>,
    state: &mut WorkState,
) -> Result<Vec<Submodule>, GitError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let ignores = Ignores::of(git, location)?;
    let mut submodules = Vec::new();
    for path in paths {
        let change = changes.get(&path).copied().unwrap_or_default();
        let ignore = ignores.at(&path);
        if ignore < Ignore::Dirty {
            submodules.push(Submodule { path: path.into(), change, ignore });
        } else if ignore == Ignore::All && change.is_unstaged {
            state.unstaged -= 1;
            state.dirty -= u32::from(!change.is_staged);
        }
    }
    Ok(submodules)
}

impl Submodule {
    /// Where it is, and its repository in the superproject with this top, which is
    /// free of links; `None`: nothing is checked out there.
    pub fn locate(&self, top: &Path) -> (PathBuf, Result<Option<Location>, GitError>) {
        let place = top.join(path_from(&self.path));
        let located = match place.join(".git").symlink_metadata() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            // Behind a link git sees nothing.
            _ if fs::canonicalize(&place).is_ok_and(|real| real != place) => Ok(None),
            _ => Location::at(&place).map(Some),
        };
        (place, located)
    }

    /// Counts it in its superproject's state, if it is not there already.
    pub fn count(&self, own: &WorkState, state: &mut WorkState) {
        let untracked = if self.ignore == Ignore::Untracked { own.untracked } else { 0 };
        if own.dirty > untracked && !self.change.is_unstaged {
            state.unstaged += 1;
            state.dirty += u32::from(!self.change.is_staged);
        }
    }
}

/// What configuration says of submodules' changes.
struct Ignores {
    /// Submodules' names, by their paths, and what `.gitmodules` says.
    by_path: HashMap<Vec<u8>, Vec<u8>>,
    by_modules: HashMap<Vec<u8>, Ignore>,
    by_config: HashMap<Vec<u8>, Ignore>,
    default: Ignore,
}

impl Ignores {
    fn of(git: &Git, location: &Location) -> Result<Self, GitError> {
        let mut ignores = Self {
            by_path: HashMap::new(),
            by_modules: HashMap::new(),
            by_config: HashMap::new(),
            default: Ignore::None,
        };
        let modules = location.directory().join(".gitmodules");
        // As git has it, a link is none.
        let is_file = modules.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let modules = if is_file { read_small(&modules).unwrap_or_default() } else { Vec::new() };
        for setting in settings(&modules) {
            let (b"submodule", Some(name), Some(value)) =
                (&*setting.section, setting.subsection, setting.value)
            else {
                continue;
            };
            match &*setting.key {
                b"path" => drop(ignores.by_path.insert(value, name)),
                b"ignore" => ignores.by_modules.extend(Ignore::parse(&value).map(|ignore| (name, ignore))),
                _ => {}
            }
        }
        let pattern = r"^(submodule\..*\.ignore|diff\.ignoresubmodules)$";
        let listed = git.maybe(location, &["config", "-z", "--get-regexp", pattern])?.unwrap_or_default();
        for entry in listed.split(|byte| *byte == 0) {
            // A subsection has no line's end.
            let Some(end) = entry.iter().position(|byte| *byte == b'\n') else { continue };
            let Some(ignore) = Ignore::parse(&entry[end + 1..]) else { continue };
            match entry[..end].strip_prefix(b"submodule.").and_then(|name| name.strip_suffix(b".ignore")) {
                Some(name) => drop(ignores.by_config.insert(name.to_vec(), ignore)),
                None => ignores.default = ignore,
            }
        }
        Ok(ignores)
    }

    fn at(&self, path: &[u8]) -> Ignore {
        let name = self.by_path.get(path);
        let said = name.and_then(|name| self.by_config.get(name).or_else(|| self.by_modules.get(name)));
        said.copied().unwrap_or(self.default)
    }
}
