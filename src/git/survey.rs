//! What is asked of a repository when nobody is waiting in a hook: by the git
//! program alone, so that it works for every repository that git can read.

use std::{collections::HashSet, path::PathBuf};

use super::{Git, GitError, Head, Location};
use crate::fs::path_from;

/// What a repository says of itself when it is onboarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// URL of `origin`, else of the only remote; it may carry
    /// credentials.
    pub remote_url: Option<String>,
    /// What the remote calls its HEAD, else `init.defaultBranch`'s branch or
    /// main or master where it exists, else the branch that is checked out.
    pub default_branch: Option<String>,
    /// Where HEAD points.
    pub head: Head,
}

/// `core.hooksPath` as git resolves it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksPath {
    /// The value, `~` expanded; relative values are relative to where a hook runs.
    pub value: PathBuf,
    /// What the repository's own configuration file says, as it is written there;
    /// `None`: it is inherited, or from a file that is included.
    pub own: Option<PathBuf>,
    /// What it is, or would be without the repository's own: as the user's or the
    /// system's configuration has it.
    pub inherited: Option<PathBuf>,
}

/// Asks a repository for its [`Profile`].
pub fn profile(git: &Git, location: &Location) -> Result<Profile, GitError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    let remotes = text(git.output(location, &["remote"])?);
    let remotes: Vec<&str> = remotes.lines().collect();
    let remote = match remotes.as_slice() {
        [only] => Some(*only),
        several => several.iter().copied().find(|name| *name == "origin"),
    };
    let ask = |args: &[&str]| git.maybe(location, args).map(|answer| answer.map(text));
    let mut remote_url = None;
    let mut default_branch = None;
    if let Some(remote) = remote {
        // The configured value: `remote get-url` would apply rewriting rules,
        // which are this machine's and not the repository's.
        remote_url = ask(&["config", "--get", &format!("remote.{remote}.url")])?;
        let head = format!("refs/remotes/{remote}/HEAD");
        default_branch = ask(&["symbolic-ref", "--quiet", &head])?
            .and_then(|target| Some(target.strip_prefix(&format!("refs/remotes/{remote}/"))?.to_owned()));
    }
    let head = Head {
        branch: ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?,
        commit: ask(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?,
    };
    if default_branch.is_none() {
        let configured = ask(&["config", "--get", "init.defaultBranch"])?;
        for candidate in configured.iter().map(String::as_str).chain(["main", "master"]) {
            let reference = format!("refs/heads/{candidate}");
            if ask(&["rev-parse", "--quiet", "--verify", &reference])?.is_some() {
                default_branch = Some(candidate.to_owned());
                break;
            }
        }
    }
    Ok(Profile { remote_url, default_branch: default_branch.or_else(|| head.branch.clone()), head })
}

/// `core.hooksPath`, if it is set anywhere.
pub fn hooks_path(git: &Git, location: &Location) -> Result<Option<HooksPath>, GitError> {
    let args = ["config", "--show-scope", "-z", "--type=path", "--get-all", "core.hooksPath"];
    let mut command = git.with_hooks_path(location)?;
    command.args(args);
    let Some(answer) = git.answer(command, location, &args)? else { return Ok(None) };
    let mut fields = answer.split(|byte| *byte == 0);
    let (mut last, mut inherited) = (None, None);
    while let (Some(scope), Some(value)) = (fields.next(), fields.next()) {
        if matches!(scope, b"system" | b"global") {
            inherited = Some(path_from(value));
        }
        last = Some((scope, value));
    }
    let Some((scope, value)) = last else { return Ok(None) };
    let own = if scope == b"local" { own_hooks_path(git, location)? } else { None };
    Ok(Some(HooksPath { value: path_from(value), own, inherited }))
}

fn own_hooks_path(git: &Git, location: &Location) -> Result<Option<PathBuf>, GitError> {
    let args = ["config", "--local", "--no-includes", "-z", "--get", "core.hooksPath"];
    let mut command = git.with_hooks_path(location)?;
    command.args(args);
    let answer = git.answer(command, location, &args)?;
    Ok(answer.map(|value| path_from(value.strip_suffix(b"\0").unwrap_or(&value))))
}

/// Sets `core.hooksPath` in the repository's own configuration; `None` unsets it.
pub fn set_hooks_path(
    git: &Git,
    location: &Location,
    value: Option<&std::path::Path>,
) -> Result<(), GitError> {
    let mut command = git.at(location)?;
    command.args(["config", "--local"]);
    match value {
        Some(path) => command.args(["--replace-all", "core.hooksPath"]).arg(path),
        None => command.args(["--unset-all", "core.hooksPath"]),
    };
    let output = git.run(command, location, "config")?;
    // 5: there was nothing to unset.
    if output.status.success() || (value.is_none() && output.status.code() == Some(5)) {
        return Ok(());
    }
    Err(GitError::Program {
        command: "config".into(),
        path: location.directory().into(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Paths of a work tree that differ from HEAD or are untracked, from its top on;
/// directories that are wholly untracked end in `/`.
pub fn changed_paths(git: &Git, location: &Location) -> Result<Vec<Vec<u8>>, GitError> {
    Ok(changed(&status(git, location)?).map(<[u8]>::to_vec).collect())
}

/// What git ignores in a work tree, from its top on. An ignored directory ends in
/// `/` and stands for what is in it; one in which everything is ignored is named
/// beside what is in it.
pub fn ignored_paths(git: &Git, location: &Location) -> Result<Vec<Vec<u8>>, GitError> {
    let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let answer = git.output(location, &args)?;
    let paths = answer.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(<[u8]>::to_vec).collect())
}

/// `git status` by porcelain v2, its fields ended by NULs.
fn status(git: &Git, location: &Location) -> Result<Vec<u8>, GitError> {
    // In a submodule's work tree git would run what that one's configuration
    // names; its commit is told.
    let args = [
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=dirty",
    ];
    let mut command = git.at(location)?;
    git.without_its_filters(&mut command, location)?;
    command.args(args);
    git.finish(command, location, &args)
}

/// The paths in an answer of [`status`].
fn changed(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = answer.split(|byte| *byte == 0);
    std::iter::from_fn(move || {
        loop {
            let field = fields.next()?;
            let before = match field {
                [b'1', b' ', ..] => 8,
                [b'2', b' ', ..] => {
                    // A rename's second path has a field of its own.
                    fields.next();
                    9
                }
                [b'u', b' ', ..] => 10,
                [b'?', b' ', ..] => 1,
                _ => continue,
            };
            if let Some(path) = field.splitn(before + 1, |byte| *byte == b' ').nth(before) {
                return Some(path);
            }
        }
    })
}

/// How many of these commits a ref or HEAD of any work tree leads to; those that
/// were amended, rebased or reset away are not among them.
pub fn reachable(git: &Git, location: &Location, commits: &[String]) -> Result<u32, GitError> {
    let count = led_to(git, location, commits, LedBy::Anything)?.len();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// What may lead to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedBy {
    /// Any ref, or HEAD of any work tree.
    Anything,
    /// A remote-tracking branch: a remote has it.
    Remotes,
}

/// Which of these commits are led to.
pub fn led_to(
    git: &Git,
    location: &Location,
    commits: &[String],
    by: LedBy,
) -> Result<Vec<String>, GitError> {
    // What a command line has room for.
    const AT_ONCE: usize = 1_000;
    let list = |before: &[&str], commits: &[String], after: &[&str]| {
        let commits = commits.iter().map(String::as_str);
        let args: Vec<&str> = before.iter().copied().chain(commits).chain(after.iter().copied()).collect();
        let listed = git.output(location, &args)?;
        Ok::<HashSet<String>, GitError>(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
    };
    let by = match by {
        LedBy::Anything => "--all",
        LedBy::Remotes => "--remotes",
    };
    let mut led = Vec::new();
    for commits in commits.chunks(AT_ONCE) {
        let present = list(&["rev-list", "--no-walk", "--ignore-missing"], commits, &[])?;
        let loose = list(&["rev-list", "--ignore-missing"], commits, &["--not", by])?;
        let is_led = |commit: &&String| present.contains(*commit) && !loose.contains(*commit);
        led.extend(commits.iter().filter(is_led).cloned());
    }
    Ok(led)
}

/// Where HEAD and the local branches stand: at most `limit` commits, each once.
pub fn heads(git: &Git, location: &Location, limit: usize) -> Result<Vec<String>, GitError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let head = git.maybe(location, &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?;
    let count = format!("--count={limit}");
    let branches = git.output(location, &["for-each-ref", &count, "--format=%(objectname)", "refs/heads"])?;
    let mut heads: Vec<String> = Vec::new();
    for id in [head.map(text).unwrap_or_default(), text(branches)].iter().flat_map(|ids| ids.lines()) {
        if !heads.iter().any(|known| known == id) {
            heads.push(id.to_owned());
        }
    }
    heads.truncate(limit);
    Ok(heads)
}
