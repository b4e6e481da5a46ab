//! What a directory is to git, from its names and a few small files.
//!
//! Nothing here is trusted: whoever unpacks an archive has its author's `.git`
//! beneath the home directory. Files are read only if they are regular ones, up
//! to a bound, without following configuration's includes.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{Found, RepoKind};
use crate::fs::{path_from, shown};

/// How much is read of any file; a configuration is far smaller.
const MAX_READ: u64 = 1 << 20;

/// What of a git directory holds no work trees: everything else in a bare
/// repository may be one that was added there.
pub(super) const INTERNALS: &[&str] = &[
    "objects",
    "refs",
    "hooks",
    "info",
    "logs",
    "worktrees",
    "modules",
    "reftable",
    "branches",
    "lfs",
    "rr-cache",
];

/// The repository whose work tree `path` is, judged by the `.git` in it;
/// `enclosing` is the nearest work tree around it. `None`: that `.git` is no
/// repository's, or one that is found elsewhere. The error says, for people,
/// why it can't be told.
pub(super) fn work_tree(path: &Path, enclosing: Option<&Path>) -> Result<Option<Found>, String> {
    let dot_git = path.join(".git");
    let cannot = |error: io::Error| format!("cannot read {}: {error}", shown(&dot_git));
    let own = fs::symlink_metadata(&dot_git).map_err(cannot)?;
    if own.is_dir() {
        return match ordinary(path, dot_git.clone(), enclosing) {
            None => no_repository(&dot_git).map_or(Ok(None), Err),
            found => Ok(found),
        };
    }
    // git follows a link here. One that leads nowhere is no repository.
    let Ok(meant) = fs::metadata(&dot_git) else { return Ok(None) };
    let git_dir = if meant.is_dir() {
        dot_git
    } else {
        let text = read(&dot_git).map_err(cannot)?;
        let Some(named) = text.strip_prefix(b"gitdir: ") else { return Ok(None) };
        path.join(path_from(named.trim_ascii_end()))
    };
    let gone = || format!("its .git names a git directory that isn't there: {}", shown(&git_dir));
    let git_dir = fs::canonicalize(&git_dir).map_err(|_| gone())?;
    let common_dir = common_dir(&git_dir);
    if !is_git_dir(&git_dir, &common_dir) {
        return Err(if has_lost_head(&git_dir) { lost_head(&git_dir) } else { gone() });
    }
    let (kind, parent) = if common_dir != git_dir {
        (RepoKind::Linked, Some(work_tree_of(&common_dir).unwrap_or_else(|| common_dir.clone())))
    } else if let Some(superproject) = superproject(&git_dir) {
        (RepoKind::Submodule, work_tree_of(&superproject).or_else(|| enclosing.map(Path::to_owned)))
    } else if Core::of(&git_dir).bare == Some(true) {
        // A pointer to a bare repository, which is found where it is: `git`
        // works here, but there is no work tree.
        return Ok(None);
    } else {
        by_place(enclosing)
    };
    Ok(Some(Found { path: path.to_owned(), kind, common_dir, parent }))
}

/// The repository whose git directory is `path/.git` itself.
fn ordinary(path: &Path, git_dir: PathBuf, enclosing: Option<&Path>) -> Option<Found> {
    let common_dir = common_dir(&git_dir);
    if !is_git_dir(&git_dir, &common_dir) {
        return None;
    }
    if Core::of(&git_dir).bare == Some(true) {
        // `git clone --bare URL DIR/.git`, with linked work trees beside it.
        let parent = enclosing.map(Path::to_owned);
        return Some(Found { path: git_dir, kind: RepoKind::Bare, common_dir, parent });
    }
    let (kind, parent) = by_place(enclosing);
    Some(Found { path: path.to_owned(), kind, common_dir, parent })
}

fn by_place(enclosing: Option<&Path>) -> (RepoKind, Option<PathBuf>) {
    match enclosing {
        Some(around) => (RepoKind::Nested, Some(around.to_owned())),
        None => (RepoKind::Worktree, None),
    }
}

/// Whether a directory in which HEAD, objects and refs were seen is git's, and
/// the bare repository that it is, if it is one.
pub(super) fn bare(path: &Path, enclosing: Option<&Path>) -> (bool, Option<Found>) {
    if !is_git_dir(path, path) {
        return (false, None);
    }
    // A git directory whose work tree is elsewhere says that it isn't bare.
    let is_bare = Core::of(path)
        .bare
        .unwrap_or_else(|| path.file_name().is_some_and(|name| name.as_bytes().ends_with(b".git")));
    let found = is_bare.then(|| Found {
        path: path.to_owned(),
        kind: RepoKind::Bare,
        common_dir: path.to_owned(),
        parent: enclosing.map(Path::to_owned),
    });
    (true, found)
}

/// As git has it: a HEAD that is a link, a symbolic ref or an object id, and in
/// the common directory objects and refs. With reftable, too, all three exist.
fn is_git_dir(git_dir: &Path, common_dir: &Path) -> bool {
    let head = git_dir.join("HEAD");
    let has_head = read(&head).is_ok_and(|text| {
        let text = text.trim_ascii_end();
        text.starts_with(b"ref:") || (matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit))
    }) || fs::symlink_metadata(&head).is_ok_and(|head| head.is_symlink());
    has_head && common_dir.join("objects").is_dir() && common_dir.join("refs").is_dir()
}

/// Whether a git directory is one but for the content of its HEAD, which a power
/// failure takes away: the file is empty then, or holds zeros.
fn has_lost_head(git_dir: &Path) -> bool {
    let common_dir = common_dir(git_dir);
    let is_blank = |text: Vec<u8>| text.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace());
    read(&git_dir.join("HEAD")).is_ok_and(is_blank)
        && common_dir.join("objects").is_dir()
        && common_dir.join("refs").is_dir()
}

/// Why a directory called `.git` is none, if it may have been meant for one.
fn no_repository(git_dir: &Path) -> Option<String> {
    let head = git_dir.join("HEAD");
    match read(&head) {
        _ if has_lost_head(git_dir) => Some(lost_head(git_dir)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(format!("cannot read {}: {error}", shown(&head)))
        }
        Ok(_) if git_dir.join("objects").is_dir() && git_dir.join("refs").is_dir() => {
            Some(format!("a repository whose HEAD names neither a branch nor a commit: {}", shown(&head)))
        }
        _ => None,
    }
}

fn lost_head(git_dir: &Path) -> String {
    let head = shown(&git_dir.join("HEAD"));
    format!("a repository whose HEAD is empty, as after a power failure; git needs a branch there: {head}")
}

/// Where a git directory keeps objects and refs: itself, unless it is that of a
/// linked work tree.
fn common_dir(git_dir: &Path) -> PathBuf {
    read(&git_dir.join("commondir"))
        .and_then(|text| fs::canonicalize(git_dir.join(path_from(text.trim_ascii_end()))))
        .unwrap_or_else(|_| git_dir.to_owned())
}

/// The git directory of the repository that a git directory is a submodule's
/// of: the nearest one above with this in its `modules`. A submodule's name may
/// have slashes, and be "modules" itself.
fn superproject(git_dir: &Path) -> Option<PathBuf> {
    git_dir
        .ancestors()
        .skip(1)
        .filter(|above| above.file_name() == Some(OsStr::new("modules")))
        .filter_map(Path::parent)
        .find(|above| is_git_dir(above, &common_dir(above)))
        .map(Path::to_owned)
}

/// The work tree of a git directory, as far as that says where it is; for a
/// bare one `None`.
fn work_tree_of(git_dir: &Path) -> Option<PathBuf> {
    if let Ok(back) = read(&git_dir.join("gitdir")) {
        // That of a linked work tree: its `.git` file.
        let dot_git = git_dir.join(path_from(back.trim_ascii_end()));
        return fs::canonicalize(dot_git.parent()?).ok();
    }
    let core = Core::of(git_dir);
    if core.bare == Some(true) {
        return None;
    }
    if let Some(work_tree) = core.work_tree {
        return fs::canonicalize(git_dir.join(work_tree)).ok();
    }
    git_dir.parent().filter(|_| git_dir.ends_with(".git")).map(Path::to_owned)
}

/// What a repository's configuration says about its work tree.
#[derive(Debug, Default, PartialEq, Eq)]
struct Core {
    /// `core.bare`.
    bare: Option<bool>,
    /// `core.worktree`.
    work_tree: Option<PathBuf>,
    /// `extensions.worktreeConfig`.
    has_own_config: bool,
}

impl Core {
    fn of(git_dir: &Path) -> Self {
        let mut core = Self::default();
        core.add(&read(&git_dir.join("config")).unwrap_or_default());
        if core.has_own_config {
            core.add(&read(&git_dir.join("config.worktree")).unwrap_or_default());
        }
        core
    }

    /// Takes in a file of git's configuration: as much of its syntax as these
    /// three settings need.
    fn add(&mut self, text: &[u8]) {
        let mut section = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            let mut line = line.trim_ascii();
            if let Some(rest) = line.strip_prefix(b"[") {
                let Some(end) = rest.iter().position(|byte| *byte == b']') else { continue };
                section = rest[..end].trim_ascii().to_ascii_lowercase();
                line = rest[end + 1..].trim_ascii();
            }
            let mut parts = line.splitn(2, |byte| *byte == b'=');
            let key = parts.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
            let value = parts.next().map(unquoted);
            match (section.as_slice(), key.as_slice()) {
                (b"core", b"bare") => self.bare = Some(is_true(value.as_deref())),
                (b"core", b"worktree") => self.work_tree = value.map(|value| path_from(&value)),
                (b"extensions", b"worktreeconfig") => self.has_own_config = is_true(value.as_deref()),
                _ => {}
            }
        }
    }
}

/// A value without its quotes, escapes and comment.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut is_quoted = false;
    let mut bytes = text.trim_ascii().iter().copied();
    // White space outside quotes counts only if something follows.
    let mut kept = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'#' | b';' if !is_quoted => break,
            b'\\' => value.extend(bytes.next().map(|escaped| match escaped {
                b'n' => b'\n',
                b't' => b'\t',
                other => other,
            })),
            other => value.push(other),
        }
        if is_quoted || !byte.is_ascii_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    value
}

/// git's booleans: a key without a value is true.
fn is_true(value: Option<&[u8]>) -> bool {
    match value.map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"true" | b"yes" | b"on") => true,
        Some(number) => {
            std::str::from_utf8(number).is_ok_and(|text| text.parse().is_ok_and(|it: i64| it != 0))
        }
    }
}

/// Reads a small regular file; anything else is an error, and a pipe does not
/// hang.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    file.take(MAX_READ).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn core(text: &str) -> Core {
        let mut core = Core::default();
        core.add(text.as_bytes());
        core
    }

    #[test]
    fn settings_are_read_as_git_reads_them() {
        assert_eq!(core("[core]\n\tbare = true\n").bare, Some(true));
        assert_eq!(core("[CORE]\r\n  Bare=YES ; why\r\n").bare, Some(true));
        assert_eq!(core("[core] bare").bare, Some(true));
        assert_eq!(core("[core]\nbare = \"false\" # no\nbare = 1").bare, Some(true));
        assert_eq!(core("[core]\nbare =").bare, Some(false));
        assert_eq!(core("[core \"x\"]\nbare = true\n[other]\nbare = true\n# [core]\n;bare").bare, None);
        assert_eq!(core("[core\nbare = true").bare, None);
        let tree = core(r#"[core] worktree = "../a b \"c\" #" # comment"#).work_tree;
        assert_eq!(tree, Some(PathBuf::from("../a b \"c\" #")));
        assert_eq!(core("[core]\nworktree = ../a b  ; c").work_tree, Some(PathBuf::from("../a b")));
        assert!(core("[extensions]\nworktreeConfig = on").has_own_config);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Core::default().add(&bytes);
            prop_assert!(unquoted(&bytes).len() <= bytes.len());
        }
    }
}
