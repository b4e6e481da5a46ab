//! Other repositories in a work tree. git looks at what they have checked out,
//! and no further, unless the index has files in there: these were added before
//! the directory became a repository, and `git status` goes on comparing them.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::{
    super::{Git, Location},
    tree::{self, Ignored, Walked},
};

/// More than this many are more than is worth asking about.
const MOST: usize = 500;

/// Looks at a work tree whose state is to be remembered; `None`: there is no stamp
/// of it that is certain to tell each change. Holds as long as the index stays as
/// it is.
pub(super) fn walk(git: &Git, location: &Location, top: &Path, ignored: &Ignored) -> Option<Walked> {
    tree::walk(top, ignored, &mut ()).filter(|walked| are_apart(git, location, &walked.nested))
}

/// Whether the index has nothing at and beneath these paths but the commits of
/// submodules.
fn are_apart(git: &Git, location: &Location, nested: &[Vec<u8>]) -> bool {
    if nested.is_empty() || nested.len() > MOST {
        return nested.is_empty();
    }
    let args = ["--literal-pathspecs", "ls-files", "--stage", "-z", "--"];
    let listed = git.at(location).and_then(|mut command| {
        command.args(args).args(nested.iter().map(|path| OsStr::from_bytes(path)));
        git.finish(command, location, &args[1..])
    });
    // `160000 <id> <stage>\t<path>`: a submodule, by git-ls-files(1).
    let is_submodule = |entry: &[u8]| {
        let path = entry.splitn(2, |byte| *byte == b'\t').nth(1);
        entry.starts_with(b"160000 ") && path.is_some_and(|path| nested.iter().any(|known| known == path))
    };
    listed.is_ok_and(|listed| {
        listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).all(is_submodule)
    })
}
