//! What git is asked about a work tree before it is replaced, and after.

use std::path::{Path, PathBuf};

use crate::{
    fs::{path_from, shown_bytes},
    git::{Git, GitError, Location},
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
    let dirty: Vec<Vec<u8>> = status(git, location)?.into_iter().filter(|path| concerns(path)).collect();
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

/// Paths that differ from HEAD or are untracked, in the work tree.
fn status(git: &Git, location: &Location) -> Result<Vec<Vec<u8>>, GitError> {
    let filters = without_its_filters(git, location)?;
    let mut args: Vec<&str> = filters.iter().flat_map(|setting| ["-c", setting]).collect();
    args.extend(["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"]);
    let answer = git.output(location, &args)?;
    let mut fields = answer.split(|byte| *byte == 0);
    let mut paths = Vec::new();
    while let Some(field) = fields.next() {
        let before = match field.first() {
            Some(b'1') => 8,
            Some(b'2') => {
                // A rename's second path has a field of its own.
                fields.next();
                9
            }
            Some(b'u') => 10,
            Some(b'?') => 1,
            _ => continue,
        };
        paths.extend(field.splitn(before + 1, |byte| *byte == b' ').nth(before).map(<[u8]>::to_vec));
    }
    Ok(paths)
}

/// Settings that switch off the filters that a repository brings along: they
/// are programs of whoever wrote its configuration.
fn without_its_filters(git: &Git, location: &Location) -> Result<Vec<String>, GitError> {
    let args = ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."];
    let listed = git.maybe(location, &args)?.unwrap_or_default();
    let mut fields = listed.split(|byte| *byte == 0);
    let mut settings = Vec::new();
    while let (Some(scope), Some(name)) = (fields.next(), fields.next()) {
        if !matches!(scope, b"local" | b"worktree") {
            continue;
        }
        let driver = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix("filter."));
        let driver = driver.and_then(|name| name.rsplit_once('.')).map(|(driver, _)| driver);
        match driver {
            // In a setting on the command line such a name would end early.
            None => return Err(odd_filter(location)),
            Some(driver) if driver.contains('=') => return Err(odd_filter(location)),
            Some(driver) => {
                for setting in ["clean=", "smudge=", "process=", "required=false"] {
                    settings.push(format!("filter.{driver}.{setting}"));
                }
            }
        }
    }
    settings.sort();
    settings.dedup();
    Ok(settings)
}

fn odd_filter(location: &Location) -> GitError {
    GitError::Program {
        command: "status".into(),
        path: location.directory().into(),
        message: "it has a filter whose name can't be given to git, so git is not run there".into(),
    }
}

/// What git ignores in a work tree, absolute; directories as one.
pub(super) fn ignored_in(git: &Git, location: &Location) -> Result<Vec<PathBuf>, GitError> {
    let Some(work_tree) = &location.work_tree else { return Ok(Vec::new()) };
    let args = ["ls-files", "-o", "-i", "--exclude-standard", "--directory", "-z"];
    Ok(listed(&git.output(location, &args)?, work_tree))
}

/// What git shows as untracked in a work tree, absolute, file by file.
pub(super) fn untracked_in(git: &Git, location: &Location) -> Result<Vec<PathBuf>, GitError> {
    let Some(work_tree) = &location.work_tree else { return Ok(Vec::new()) };
    Ok(listed(&git.output(location, &["ls-files", "-o", "--exclude-standard", "-z"])?, work_tree))
}

fn listed(answer: &[u8], work_tree: &Path) -> Vec<PathBuf> {
    let paths = answer.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| work_tree.join(path_from(path.strip_suffix(b"/").unwrap_or(path)))).collect()
}
