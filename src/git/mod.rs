//! What kpmo needs from git: one seam over libgit2 and the git program.
//!
//! A hook's verdict needs the index, two trees and a few blobs within a
//! millisecond, which libgit2 gives without starting a process. What libgit2
//! can't open (SHA-256 object ids, reftable, split and sparse indexes) goes to
//! the git program, slower and always right. Everything that is not on a hook's
//! path asks the program alone, so that git itself is what decides.
//!
//! Object ids are hexadecimal strings here: 40 digits or 64.

mod batch;
mod cached_tree;
mod command;
mod config;
mod error;
mod hashes;
mod hook_entries;
mod lfs;
mod libgit;
mod linked;
mod locate;
mod made;
mod origin;
mod pool;
mod program;
mod run;
mod scratch;
mod status;
mod survey;
mod tell;
mod trees;

pub use command::Git;
pub use error::GitError;
pub use hashes::empty_tree_like;
pub use hook_entries::{
    HookEntries, hook_entries, remove_hook_entry, set_hook_entry, too_old_for_hook_entries,
};
pub use linked::{AllLinked, Linked, linked};
pub use locate::{Location, Surroundings, absolute};
pub use made::{Made, made_here};
pub use origin::{Origin, RemoteHint, origin, remote_url, roots};
pub use status::{Look, Memory, Operation, Seen, SubmoduleState, WorkState};
pub use survey::{
    HooksPath, LedBy, Profile, changed_paths, heads, hooks_path, ignored_paths, led_to, profile, reachable,
    set_hooks_path,
};

pub use tell::{SettingOrigin, general_config_files, hook_commands, setting_origin};

use std::path::Path;

use crate::fs::IoContext;

/// One path that differs between two trees, or between a tree and the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChange {
    /// Path in the repository, `/` between its parts.
    pub path: Vec<u8>,
    /// Mode before; 0 if the path was not there.
    pub old_mode: u32,
    /// Mode after; 0 if the path is gone.
    pub new_mode: u32,
    /// Object before; empty if the path was not there.
    pub old_id: String,
    /// Object after; empty if the path is gone.
    pub new_id: String,
}

/// A tree, what it is compared with, and how they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Id of the tree before; the empty tree's for a first commit.
    pub base_tree: String,
    /// Id of the tree after.
    pub tree: String,
    /// In order of path.
    pub changes: Vec<RawChange>,
}

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// Its tree.
    pub tree: String,
    /// Its parents, first parent first.
    pub parents: Vec<String>,
    /// The author's e-mail address.
    pub author: String,
    /// The committer's e-mail address.
    pub committer: String,
    /// What is said of it.
    pub message: String,
}

/// What a ref leads to, tags followed; with the object's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// As nearly always.
    Commit(String),
    /// A tree without a commit.
    Tree(String),
    /// A file's content alone.
    Blob(String),
}

/// Where HEAD points.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Short branch name; `None` if HEAD is detached.
    pub branch: Option<String>,
    /// Commit; `None` if the branch has none yet.
    pub commit: Option<String>,
}

/// Reading access to one repository's objects.
///
/// Nothing is ever written to the repository: no index refresh, no object.
pub trait Objects {
    /// Where HEAD points.
    fn head(&self) -> Result<Head, GitError>;
    /// The index against HEAD's tree; `index` is the file that git is
    /// committing from, absolute, or `None` for the ordinary one.
    fn staged(&self, index: Option<&Path>) -> Result<Delta, GitError>;
    /// One commit.
    fn commit(&self, id: &str) -> Result<Commit, GitError>;
    /// What an object is, tags followed.
    fn target(&self, id: &str) -> Result<Target, GitError>;
    /// How two commits' trees, or trees, differ; `None` as base: the empty tree.
    fn between(&self, base: Option<&str>, commit: &str) -> Result<Delta, GitError>;
    /// Size of a blob in bytes; `None`: this is a partial clone, and the blob is
    /// at the remote alone.
    fn size(&self, id: &str) -> Result<Option<u64>, GitError>;
    /// Content of a blob; `None` as for its size.
    fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, GitError>;
    /// Tells the names in directories of a tree (an object's id): each with its
    /// directory, empty for the root. What is no directory there tells nothing.
    fn names(
        &self,
        tree: &str,
        directories: &[&[u8]],
        tell: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), GitError>;
    /// Whether history leads from `tip` back to `ancestor`; also if they are the
    /// same. What is not here leads nowhere.
    fn leads_to(&self, tip: &str, ancestor: &str) -> Result<bool, GitError>;
    /// Whether a tag leads to this commit.
    fn is_tagged(&self, commit: &str) -> Result<bool, GitError>;
    /// The value of a setting, as the repository's configuration and the user's
    /// have it.
    fn setting(&self, name: &str) -> Result<Option<String>, GitError>;
    /// Commits reachable from any of `tips` and from none of `seen` nor, where
    /// `remote` is named, from its tracking branches; newest first, at most `limit`.
    fn new_commits(
        &self,
        tips: &[&str],
        seen: &[String],
        remote: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, GitError>;
}

/// What git's user has written into a message file; `None`: there is none.
pub fn message_file(path: &Path) -> Result<Option<String>, GitError> {
    match config::read_small(path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        error => Ok(error.map(|_| None).at("read", path)?),
    }
}

/// Whether a merge is to be concluded in this work tree.
pub fn is_merging(location: &Location) -> bool {
    is_there(location, "MERGE_HEAD")
}

/// Whether git is in the middle of a rebase, cherry-pick, revert, bisect, am or
/// squashing merge in this work tree.
pub fn is_underway(location: &Location) -> bool {
    [
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "rebase-merge",
        "rebase-apply",
        "BISECT_LOG",
        "sequencer",
        "SQUASH_MSG",
    ]
    .into_iter()
    .any(|name| is_there(location, name))
}

fn is_there(location: &Location, name: &str) -> bool {
    location.git_dir.join(name).symlink_metadata().is_ok()
}

/// Opens a repository's objects, by libgit2 if it can.
pub fn open(git: &Git, location: &Location) -> Result<Box<dyn Objects>, GitError> {
    git.trust(location)?;
    match libgit::Library::open(git, location)? {
        Some(library) => Ok(Box::new(library)),
        None => Ok(Box::new(program::ProgramObjects::open(git.clone(), location)?)),
    }
}

/// Opens a repository's objects by the git program, whatever libgit2 could do.
pub fn open_by_program(git: &Git, location: &Location) -> Result<Box<dyn Objects>, GitError> {
    Ok(Box::new(program::ProgramObjects::open(git.clone(), location)?))
}

#[cfg(test)]
mod tests;
