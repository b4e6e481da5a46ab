//! Other repositories in a work tree. git looks at what they have checked out,
//! and no further, unless the index has files in there: these were added before
//! the directory became a repository, and `git status` goes on comparing them.
//! Where the index has a commit in their place, they are submodules.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::super::{Git, GitError, Location};

/// More than this many are more than is worth asking about one by one.
const MOST: usize = 500;

/// What an index has where other repositories are.
#[derive(Debug, Default)]
pub(super) struct Nested {
    /// Paths, from the top, of the submodules that git compares with what is there.
    pub submodules: Vec<Vec<u8>>,
    /// It is known that there is nothing else.
    pub are_apart: bool,
}

/// What the index has at and beneath these paths; `None`: they are not known, all
/// that it has is looked through.
pub(super) fn of(git: &Git, location: &Location, paths: Option<&[Vec<u8>]>) -> Result<Nested, GitError> {
    if paths.is_some_and(<[_]>::is_empty) {
        return Ok(Nested { submodules: Vec::new(), are_apart: true });
    }
    let paths = paths.filter(|paths| paths.len() <= MOST);
    let args = ["--literal-pathspecs", "ls-files", "--stage", "-v", "-z", "--"];
    let mut command = git.at(location)?;
    command.args(args).args(paths.unwrap_or_default().iter().map(|path| OsStr::from_bytes(path)));
    let listed = git.finish(command, location, &args[1..])?;
    let mut nested = Nested { submodules: Vec::new(), are_apart: paths.is_some() };
    for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let submodule = submodule(entry);
        let is_one_of_them = |path| paths.is_some_and(|paths| paths.iter().any(|known| known == path));
        nested.are_apart &= submodule.is_some_and(|(_, path)| is_one_of_them(path));
        if let Some((true, path)) = submodule {
            nested.submodules.push(path.to_vec());
        }
    }
    // Nothing but a broken index has a path twice.
    nested.submodules.dedup();
    Ok(nested)
}

/// The path of an entry that is a submodule, and whether git compares it: not if it
/// was told to assume that it has not changed, nor in a conflict.
fn submodule(entry: &[u8]) -> Option<(bool, &[u8])> {
    // `<tag> 160000 <id> <stage>\t<path>`, by git-ls-files(1).
    let tab = entry.iter().position(|byte| *byte == b'\t')?;
    let (facts, path) = (&entry[..tab], &entry[tab + 1..]);
    let is_submodule = facts.get(1..)?.starts_with(b" 160000 ");
    is_submodule.then_some((facts.starts_with(b"H") && facts.ends_with(b" 0"), path))
}
