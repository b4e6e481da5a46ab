//! What git is asked about a work tree before it is replaced, and after.

use std::path::{Path, PathBuf};

use crate::{
    fs::{path_from, shown_bytes},
    git::{Git, GitError, Location, changed_paths, ignored_paths},
};

/// Files in a git directory that tell of something unfinished, and what.
const OPERATIONS: &[(&str, &str)] = &[
    ("MERGE_HEAD", "a merge"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisection"),
];

/// What is not in a repository's commits, a clause each; `only`: beneath these,
/// or all, with what git is in the middle of.
pub(super) fn state(git: &Git, location: &Location, only: &[PathBuf]) -> Result<Vec<String>, GitError> {
    const NAMED: usize = 5;
    let mut reasons = Vec::new();
    if only.is_empty() {
        reasons.extend(unfinished(&location.git_dir));
    }
    let Some(work_tree) = &location.work_tree else { return Ok(reasons) };
    let concerns = |path: &[u8]| {
        let path = work_tree.join(path_from(path.strip_suffix(b"/").unwrap_or(path)));
        only.is_empty() || only.iter().any(|one| path.starts_with(one) || one.starts_with(&path))
    };
    let dirty: Vec<Vec<u8>> =
        changed_paths(git, location)?.into_iter().filter(|path| concerns(path)).collect();
    if !dirty.is_empty() {
        let names: Vec<String> = dirty.iter().take(NAMED).map(|path| shown_bytes(path)).collect();
        let more = dirty.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        reasons.push(format!("has changes that are not committed: {}{more}", names.join(", ")));
    }
    Ok(reasons)
}

/// What git is in the middle of, by a git directory.
pub(super) fn unfinished(git_dir: &Path) -> Vec<String> {
    let has = |name: &str| git_dir.join(name).symlink_metadata().is_ok();
    let mut reasons: Vec<String> = OPERATIONS
        .iter()
        .filter(|(name, _)| has(name))
        .map(|(_, what)| format!("{what} is in progress"))
        .collect();
    reasons.dedup();
    for lock in ["index.lock", "HEAD.lock"] {
        if has(lock) {
            reasons.push(format!("git works in it, or was killed there ({lock} exists)"));
        }
    }
    reasons
}

/// What git ignores in a work tree, absolute; directories as one.
pub(super) fn ignored_in(git: &Git, location: &Location) -> Result<Vec<PathBuf>, GitError> {
    let Some(work_tree) = &location.work_tree else { return Ok(Vec::new()) };
    Ok(below(&ignored_paths(git, location)?, work_tree))
}

/// What git shows as untracked in a work tree, absolute, file by file.
pub(super) fn untracked_in(git: &Git, location: &Location) -> Result<Vec<PathBuf>, GitError> {
    let Some(work_tree) = &location.work_tree else { return Ok(Vec::new()) };
    let answer = git.output(location, &["ls-files", "-o", "--exclude-standard", "-z"])?;
    let paths: Vec<&[u8]> = answer.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    Ok(below(&paths, work_tree))
}

fn below<P: AsRef<[u8]>>(paths: &[P], work_tree: &Path) -> Vec<PathBuf> {
    let plain = |path: &P| path_from(path.as_ref().strip_suffix(b"/").unwrap_or(path.as_ref()));
    paths.iter().map(|path| work_tree.join(plain(path))).collect()
}
