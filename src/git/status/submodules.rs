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
    Answer, WorkState,
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

/// How a submodule has changed by its commit, or by being there or not.
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

/// The submodules at these paths that are to be looked at, and what git said of
/// all without those of its changes that it is told to ignore.
pub(super) fn to_look_at(
    git: &Git,
    location: &Location,
    paths: Vec<Vec<u8>>,
    answer: Answer,
) -> Result<(Vec<Submodule>, WorkState), GitError> {
    let Answer { mut state, submodules: changes, has_modules, .. } = answer;
    if paths.is_empty() && changes.is_empty() {
        return Ok((Vec::new(), state));
    }
    let ignores = Ignores::of(git, location, has_modules)?;
    for (path, change) in &changes {
        if change.is_unstaged && ignores.at(path) == Ignore::All {
            state.unstaged -= 1;
            state.dirty -= u32::from(!change.is_staged);
        }
    }
    let submodule = |path: Vec<u8>| {
        let (change, ignore) = (changes.get(&path).copied().unwrap_or_default(), ignores.at(&path));
        (ignore < Ignore::Dirty).then(|| Submodule { path: path.into(), change, ignore })
    };
    Ok((paths.into_iter().filter_map(submodule).collect(), state))
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

    /// Counts it in its superproject, if it is not there already.
    pub fn count(&self, own: &Counted, around: &mut Counted) {
        let is_changed = if self.ignore == Ignore::Untracked { own.is_changed() } else { own.work.dirty > 0 };
        if is_changed && !self.change.is_unstaged {
            around.work.unstaged += 1;
            if !self.change.is_staged {
                around.work.dirty += 1;
                around.with_untracked += u32::from(!own.is_changed());
            }
        }
    }
}

/// A state in which submodules are being counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub work: WorkState,
    /// Of what is dirty: submodules with nothing but untracked files.
    with_untracked: u32,
}

impl Counted {
    pub fn new(work: WorkState) -> Self {
        Self { work, with_untracked: 0 }
    }

    /// Whether more is to be told than untracked files, at whatever depth.
    fn is_changed(&self) -> bool {
        self.work.dirty > self.work.untracked + self.with_untracked
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
    /// `has_modules`: `.gitmodules` is not in conflict; if it is, git does not know
    /// what belongs to which path.
    fn of(git: &Git, location: &Location, has_modules: bool) -> Result<Self, GitError> {
        let mut ignores = Self {
            by_path: HashMap::new(),
            by_modules: HashMap::new(),
            by_config: HashMap::new(),
            default: Ignore::None,
        };
        let modules = if has_modules { modules(git, location)? } else { Vec::new() };
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

/// The text of `.gitmodules`: where it is not in the work tree, what is committed
/// counts, or about to be.
fn modules(git: &Git, location: &Location) -> Result<Vec<u8>, GitError> {
    match read_small(&location.directory().join(".gitmodules")) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        text => return Ok(text.unwrap_or_default()),
    }
    for name in [":.gitmodules", "HEAD:.gitmodules"] {
        if git.maybe(location, &["rev-parse", "--quiet", "--verify", name])?.is_some() {
            return git.output(location, &["cat-file", "blob", name]);
        }
    }
    Ok(Vec::new())
}
