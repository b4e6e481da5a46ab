use std::path::Path;

use super::super::{Git, GitError, Location, config::read_small};

/// What git is in the middle of, until it is continued or aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `git merge`.
    Merge,
    /// `git rebase`.
    Rebase,
    /// `git cherry-pick`.
    CherryPick,
    /// `git revert`.
    Revert,
    /// `git bisect`.
    Bisect,
    /// `git am`.
    Am,
}

impl Operation {
    /// git's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Bisect => "bisect",
            Self::Am => "am",
        }
    }
}

/// What is under way, by the files that git's own `wt-status.c` goes by. Of two
/// the outer one: a rebase that stops at a merge is a rebase, and what is picked
/// during a bisection is told before that.
pub(super) fn of(git: &Git, location: &Location) -> Result<Option<Operation>, GitError> {
    let dir = &location.git_dir;
    let has = |name: &str| dir.join(name).symlink_metadata().is_ok();
    if has("rebase-merge") {
        return Ok(Some(Operation::Rebase));
    }
    if has("rebase-apply") {
        return Ok(Some(if has("rebase-apply/applying") { Operation::Am } else { Operation::Rebase }));
    }
    if has("MERGE_HEAD") {
        return Ok(Some(Operation::Merge));
    }
    // With reftable, these two are no files.
    let has_tables = location.common_dir.join("reftable").is_dir();
    for (name, operation) in [("CHERRY_PICK_HEAD", Operation::CherryPick), ("REVERT_HEAD", Operation::Revert)]
    {
        let args = ["rev-parse", "--quiet", "--verify", name];
        if has(name) || (has_tables && git.maybe(location, &args)?.is_some()) {
            return Ok(Some(operation));
        }
    }
    Ok(sequence(dir).or_else(|| has("BISECT_LOG").then_some(Operation::Bisect)))
}

/// Between two commits of a sequence only its list of what is left tells.
fn sequence(git_dir: &Path) -> Option<Operation> {
    let todo = read_small(&git_dir.join("sequencer/todo")).ok()?;
    let mut words =
        todo.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').next());
    match words.find(|word| !word.is_empty() && !word.starts_with(b"#"))? {
        b"pick" | b"p" => Some(Operation::CherryPick),
        b"revert" => Some(Operation::Revert),
        _ => None,
    }
}
