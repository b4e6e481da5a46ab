use std::{fmt, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Siblings;

/// What the registry says of the repository that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFacts {
    /// Whether it stands in `repos.yml`; if not, `status` means nothing.
    pub registered: bool,
    /// How it is looked after.
    pub status: Status,
    /// How far it has been promoted.
    pub stage: Stage,
    /// Short name of its default branch, where that is known.
    pub default_branch: Option<String>,
    /// Its name in `repos.yml`, or its directory's name.
    pub name: String,
}

/// How far a repository has been promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Local working state.
    Dev,
    /// Reviewed, verified, push-ready.
    Staging,
    /// Pushed and tagged.
    Prod,
}

impl Stage {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

/// Whether a repository is looked after, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Governed.
    Active,
    /// Kept for the record: commits are refused.
    Archived,
    /// Governed, and must not talk to anything beyond loopback.
    OfflineOnly,
}

/// What happens to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The path is new.
    Added,
    /// Content or mode differs.
    Modified,
    /// The path is gone.
    Deleted,
    /// The same bytes under a new path.
    Renamed,
    /// A file became a link or a submodule, or the reverse.
    TypeChanged,
}

/// One path's change from the base tree to the judged one.
#[derive(Clone)]
pub struct Change {
    /// Path in the repository, `/`-separated; of the judged tree unless deleted.
    pub path: Vec<u8>,
    /// Path in the base tree, where it is another.
    pub old_path: Option<Vec<u8>>,
    /// What happens to the path.
    pub kind: ChangeKind,
    /// git's mode in the base tree (`0o100644`, `0o120000`, …); 0 if absent.
    pub old_mode: u32,
    /// git's mode in the judged tree; 0 if absent.
    pub new_mode: u32,
    /// Bytes of the judged content, known even where `new` is not loaded.
    pub new_size: u64,
    /// The base content; `None` if it is absent or was not loaded.
    pub old: Option<Arc<[u8]>>,
    /// The judged content; `None` if it is absent or was not loaded.
    pub new: Option<Arc<[u8]>>,
    /// Whether git takes the content for binary.
    pub binary: bool,
    /// 0-based line ranges of `new` that are added or changed, sorted, disjoint.
    pub added: Vec<Range<u32>>,
}

impl Change {
    /// Whether the judged tree has the path as an ordinary file.
    pub fn is_file(&self) -> bool {
        self.kind != ChangeKind::Deleted && self.new_mode & 0o170_000 == 0o100_000
    }

    /// The judged content, where it is an ordinary file's loaded text.
    pub fn new_text(&self) -> Option<&[u8]> {
        if self.is_file() && !self.binary { self.new.as_deref() } else { None }
    }
}

// Contents may hold secrets, which must not reach a log.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("path", &crate::fs::shown_bytes(&self.path))
            .field("old_path", &self.old_path.as_deref().map(crate::fs::shown_bytes))
            .field("kind", &self.kind)
            .field("old_mode", &format_args!("{:o}", self.old_mode))
            .field("new_mode", &format_args!("{:o}", self.new_mode))
            .field("new_size", &self.new_size)
            .field("binary", &self.binary)
            .field("added", &self.added)
            .finish_non_exhaustive()
    }
}

/// What there is to know of a commit besides what it changes; `None` where it
/// is not known, or not the moment to judge it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitFacts {
    /// Short name of the branch that the commit is about to be put on, directly:
    /// not by a merge, rebase, cherry-pick, revert, bisect or am, and not as the
    /// branch's first.
    pub onto: Option<String>,
    /// The author's e-mail address.
    pub author: Option<String>,
    /// The committer's e-mail address.
    pub committer: Option<String>,
    /// The message as it will stand in the commit, or stands there.
    pub message: Option<String>,
}

/// A push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushFacts {
    /// Where to, as git has it in the end; it may carry credentials.
    pub url: String,
    /// The refs of the other side that are to change; at least those that are
    /// protected.
    pub refs: Vec<RefUpdate>,
}

/// What a push does to one ref of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name, for instance `refs/heads/main`.
    pub name: String,
    /// What happens to it.
    pub kind: RefUpdateKind,
    /// Whether a tag leads to the commit that is pushed; `None`: not known, or
    /// it is no commit.
    pub tagged: Option<bool>,
}

/// What happens to a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefUpdateKind {
    /// It is new.
    Created,
    /// It goes on from where it was.
    Moved,
    /// What it led to is given up, or nobody here knows it.
    Forced,
    /// It goes away.
    Deleted,
}

/// All that the rules are told.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The repository.
    pub repo: &'a RepoFacts,
    /// What would change, in any order.
    pub changes: &'a [Change],
    /// What else there is in directories where paths are added.
    pub siblings: &'a Siblings,
    /// The commit, where there is one.
    pub commit: &'a CommitFacts,
    /// The push, where it is one as a whole that is judged.
    pub push: Option<&'a PushFacts>,
    /// Keys the fingerprints, so that they say nothing about a secret to
    /// whoever does not hold the key.
    pub fingerprint_key: &'a [u8; 32],
    /// Whether the commit concludes a merge.
    pub merging: bool,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("repo", &self.repo)
            .field("changes", &self.changes)
            .field("commit", &self.commit)
            .field("merging", &self.merging)
            .finish_non_exhaustive()
    }
}
