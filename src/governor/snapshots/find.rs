use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Error, Governor, Reason};
use crate::{
    fs::{path_from, shown},
    ledger::ListedSnapshot,
    probe::{
        diff::{Diff, DiffOptions, diff},
        store::{Node, NodeKind, Snapshot, SnapshotId, Store, TreeId},
    },
    registry::Repo,
};

/// Fewest digits of an id that are taken for one.
const DIGITS: usize = 4;

/// Which of a repository's snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Latest,
    /// The newest that was taken then or before.
    At(Timestamp),
    /// The one whose id begins so; of any repository, if none is named.
    Id(String),
}

/// All that is known of a snapshot but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDetails {
    /// What the ledger lists.
    pub listed: ListedSnapshot,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// Absolute directories that it holds, the repository first.
    pub roots: Vec<PathBuf>,
    /// Id of its content.
    pub tree: String,
}

/// A file or directory of a snapshot, told in order.
#[derive(Debug)]
pub struct SnapshotEntry {
    /// Relative to the repository's top; absolute outside of it.
    pub path: PathBuf,
    /// What is there.
    pub node: Node,
}

impl Governor {
    /// At most `limit` snapshots (0: all), newest first: of one repository, of
    /// all, or, where `ledger` is set, the copies of the ledger.
    pub fn list_snapshots(
        &self,
        repo: &str,
        limit: usize,
        ledger: bool,
    ) -> Result<Vec<ListedSnapshot>, Error> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let repo_id = match (repo, ledger) {
            (_, true) => Some(String::new()),
            ("", _) => None,
            (repo, _) => Some(self.history_of(repo)?),
        };
        // Copies of the ledger are listed only where they are asked for.
        let mut found = self.ledger.snapshots(repo_id.as_deref(), limit)?;
        found.retain(|listed| ledger || !listed.repo_id.is_empty());
        Ok(found)
    }

    /// The one snapshot that is meant.
    pub fn find_snapshot(&self, repo: &str, which: &Which) -> Result<ListedSnapshot, Error> {
        let none = |text: String| Error::new(Reason::SnapshotNotFound, text).with("repo", repo);
        let hint = "`kpmo snapshots` lists what there is";
        match which {
            Which::Id(digits) => {
                let digits = digits.to_lowercase();
                let is_id = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !is_id {
                    return Err(Error::bad_request(
                        "snapshot",
                        format!("{digits:?} is no id: at least {DIGITS} hexadecimal digits, or \"latest\""),
                    ));
                }
                let repo_id = if repo.is_empty() { None } else { Some(self.history_of(repo)?) };
                let mut found = self.ledger.snapshots_beginning(&digits, 100)?;
                found.retain(|listed| repo_id.as_ref().is_none_or(|id| *id == listed.repo_id));
                if found.len() > 1 {
                    let message = format!(
                        "{} snapshots have ids that begin with {digits}; give more digits",
                        found.len()
                    );
                    return Err(Error::new(Reason::SnapshotAmbiguous, message).with("snapshot", digits));
                }
                found.pop().ok_or_else(|| {
                    none(format!("there is no snapshot {digits}; {hint}")).with("snapshot", digits)
                })
            }
            Which::Latest => {
                let found = self.ledger.last_snapshot(&self.history_of(repo)?)?;
                found.ok_or_else(|| {
                    none(format!("there is no snapshot of {repo} yet; `kpmo snapshot {repo}` takes one"))
                })
            }
            Which::At(time) => {
                let found = self.ledger.snapshot_at(&self.history_of(repo)?, *time)?;
                found.ok_or_else(|| {
                    none(format!("there is no snapshot of {repo} from {time} or before; {hint}"))
                        .with("at", time.to_string())
                })
            }
        }
    }

    /// The registered repository of a snapshot, if it still is.
    pub fn repo_of(&self, listed: &ListedSnapshot) -> Option<Repo> {
        let document = self.document();
        document.repos.iter().find(|repo| repo.id.as_deref() == Some(&listed.repo_id)).cloned()
    }

    pub(super) fn stored(&self, listed: &ListedSnapshot) -> Result<Snapshot, Error> {
        let store = self.snapshots.hands().store()?;
        Ok(store.snapshot(&SnapshotId(listed.snapshot.id.clone()))?)
    }

    /// All that is known of one snapshot.
    pub fn snapshot_details(&self, repo: &str, which: &Which) -> Result<SnapshotDetails, Error> {
        let listed = self.find_snapshot(repo, which)?;
        let stored = self.stored(&listed)?;
        Ok(SnapshotDetails {
            listed,
            reasons: stored.draft.reasons,
            roots: stored.draft.roots,
            tree: stored.tree.0,
        })
    }

    /// How two snapshots differ.
    pub fn diff_snapshots(
        &self,
        old: &ListedSnapshot,
        new: &ListedSnapshot,
        options: &DiffOptions,
    ) -> Result<Diff, Error> {
        if old.repo_id != new.repo_id {
            return Err(Error::bad_request(
                "new",
                format!(
                    "{} is of {}, and {} of {}: only snapshots of one repository are compared",
                    &old.snapshot.id[..8],
                    old.snapshot.repo_name,
                    &new.snapshot.id[..8],
                    new.snapshot.repo_name
                ),
            ));
        }
        let store = self.snapshots.hands().store()?;
        Ok(diff(&*store, &self.stored(old)?, &self.stored(new)?, options)?)
    }

    /// A snapshot of the present, to compare with.
    pub fn present(&self, of: &ListedSnapshot) -> Result<ListedSnapshot, Error> {
        let repo = self.repo_of(of).ok_or_else(|| {
            Error::new(
                Reason::RepoNotFound,
                format!(
                    "{} is not registered any more, so there is no present to compare with",
                    of.snapshot.repo_name
                ),
            )
        })?;
        Ok(self.take_snapshot(&repo, super::restoring::COMPARED, None, &|_| !self.is_stopping())?.listed)
    }

    /// Tells of everything in a snapshot, at and beneath `paths` (empty: all),
    /// with what is in git directories if `git`; ends when `sink` returns false.
    pub fn snapshot_paths(
        &self,
        repo: &str,
        which: &Which,
        paths: &[PathBuf],
        git: bool,
        sink: &mut dyn FnMut(SnapshotEntry) -> bool,
    ) -> Result<(), Error> {
        let listed = self.find_snapshot(repo, which)?;
        let snapshot = self.stored(&listed)?;
        let store = self.snapshots.hands().store()?;
        store.settle()?;
        let main = snapshot.draft.roots.first().cloned().unwrap_or_default();
        let wanted: Vec<PathBuf> = paths.iter().map(|path| main.join(path)).collect();
        let mut met = vec![false; wanted.len()];
        // Depth first: what is pushed last comes first.
        let mut stack: Vec<(PathBuf, Node)> = Vec::new();
        let push = |stack: &mut Vec<_>, dir: &Path, tree: &TreeId| -> Result<(), Error> {
            let nodes = store.tree(tree)?;
            stack.extend(nodes.into_iter().rev().map(|node| (dir.join(path_from(&node.name)), node)));
            Ok(())
        };
        push(&mut stack, Path::new("/"), &snapshot.tree)?;
        while let Some((path, node)) = stack.pop() {
            for (met, wanted) in met.iter_mut().zip(&wanted) {
                *met |= path == *wanted;
            }
            let is_above = !snapshot.draft.roots.iter().any(|root| path.starts_with(root));
            if !git && !is_above && path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            let is_wanted = wanted.is_empty() || wanted.iter().any(|wanted| path.starts_with(wanted));
            let leads_there = is_above || wanted.iter().any(|wanted| wanted.starts_with(&path));
            if let NodeKind::Directory(tree) = &node.kind
                && (is_wanted || leads_there)
            {
                push(&mut stack, &path, tree)?;
            }
            if is_wanted && !is_above && path != main {
                let shown = path.strip_prefix(&main).map_or_else(|_| path.clone(), Path::to_path_buf);
                if !sink(SnapshotEntry { path: shown, node }) {
                    return Ok(());
                }
            }
        }
        match wanted.iter().zip(met).find(|(_, met)| !met) {
            None => Ok(()),
            Some((path, _)) => Err(Error::new(
                Reason::PathNotInSnapshot,
                format!("the snapshot {} has no {}", &listed.snapshot.id[..8], shown(path)),
            )
            .with("path", shown(path))),
        }
    }
}
