use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Error, Governor, Reason, Which};
use crate::{
    fs::{bytes_of, path_from, shown},
    generated::probe as contract,
    ledger::{EventDraft, EventKind, ListedSnapshot},
    probe::{
        diff::{ChangeKind, PathChange},
        restore::{Mismatch, Outline, Previewed},
    },
    registry::Repo,
};

/// What is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// Whose.
    pub repo: String,
    /// Which of its snapshots.
    pub which: Which,
    /// Where to; `None`: where it was.
    pub to: Option<PathBuf>,
    /// Only these, relative to the repository's top; empty: all.
    pub paths: Vec<PathBuf>,
    /// Even over changes that are in no commit.
    pub force: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a restore is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Keeping the present in a snapshot.
    Keeping,
    /// Writing beside.
    Writing,
    /// Comparing what was written.
    Verifying,
}

/// How far a restore has come.
#[derive(Debug)]
pub enum RestoreStep {
    /// This snapshot goes there.
    Started(Box<ListedSnapshot>, PathBuf),
    /// Bytes done, of all (0: unknown).
    Progress(Phase, u64, u64),
    /// In a dry run: what would change.
    Changes(Vec<PathChange>),
}

/// What was restored.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreReport {
    /// From what.
    pub snapshot: ListedSnapshot,
    /// What stood there before, if anything did.
    pub present: Option<ListedSnapshot>,
    /// What was written, and put aside.
    pub restored: contract::Restored,
}

/// What makes a snapshot of what a restore replaces.
const PRESENT: &str = "restore";
/// What makes a snapshot of the present, to compare with.
pub(super) const COMPARED: &str = "diff";
/// How many snapshots are looked through for one to restore.
const LOOKED_AT: usize = 1_000;

/// Told of each step; false: stop.
type Sink<'a> = &'a (dyn Fn(RestoreStep) -> bool + Send + Sync);

impl Governor {
    /// Restores a repository, or paths of it. What stands there is kept in a
    /// snapshot first.
    pub fn restore(&self, order: &RestoreOrder, sink: Sink<'_>) -> Result<RestoreReport, Error> {
        let snapshot = match order.which {
            Which::Latest => self.latest_to_restore(&order.repo)?,
            _ => self.find_snapshot(&order.repo, &order.which)?,
        };
        if snapshot.repo_id.is_empty() {
            return Err(Error::bad_request(
                "snapshot",
                "this is a copy of the ledger; `kpmo probe path` and stock restic restore it",
            ));
        }
        let repo = self.repo_of(&snapshot);
        let main = match &repo {
            Some(repo) => repo.local_path.clone(),
            None => self.stored(&snapshot)?.draft.roots.into_iter().next().unwrap_or_default(),
        };
        let target = order.to.clone().unwrap_or_else(|| main.clone());
        if !sink(RestoreStep::Started(Box::new(snapshot.clone()), target)) {
            return Err(stopped());
        }
        let mut request = contract::RestoreRequest {
            snapshot_id: snapshot.snapshot.id.clone(),
            path: bytes_of(&main),
            to: order.to.as_deref().map(bytes_of).unwrap_or_default(),
            paths: order.paths.iter().map(|path| bytes_of(path)).collect(),
            force: order.force,
            present_id: String::new(),
        };
        // What is refused anyhow leaves no snapshot behind.
        let outline = self.snapshots.hands().outline(&request)?;
        if order.dry_run {
            let told = |progress: contract::Progress| {
                sink(RestoreStep::Progress(Phase::Verifying, progress.bytes, progress.total_bytes))
            };
            let previewed = self.snapshots.hands().preview(&request, &told)?;
            sink(RestoreStep::Changes(previewed.into_iter().map(change).collect()));
            return Ok(RestoreReport { snapshot, present: None, restored: outlined(&outline) });
        }
        let present = match &repo {
            Some(repo) if order.to.is_none() && is_something(&main) => self.keep_present(repo, sink)?,
            _ => None,
        };
        request.present_id = present.as_ref().map(|it| it.snapshot.id.clone()).unwrap_or_default();
        let told = |progress: contract::Progress| {
            // Each byte counts twice: written, and read again.
            let half = progress.total_bytes / 2;
            sink(if progress.bytes < half || half == 0 {
                RestoreStep::Progress(Phase::Writing, progress.bytes, half)
            } else {
                RestoreStep::Progress(Phase::Verifying, progress.bytes - half, half)
            })
        };
        let restored = self.snapshots.hands().restore(&request, &told)?;
        self.note_restored(order, &snapshot, &restored);
        Ok(RestoreReport { snapshot, present, restored })
    }

    /// Keeps what stands in a repository's place in a snapshot.
    fn keep_present(&self, repo: &Repo, sink: Sink<'_>) -> Result<Option<ListedSnapshot>, Error> {
        let told = |progress: contract::Progress| {
            sink(RestoreStep::Progress(Phase::Keeping, progress.bytes, progress.total_bytes))
        };
        match self.take_snapshot(repo, PRESENT, None, &told) {
            Ok(taken) => Ok(Some(taken.listed)),
            // Something else is there: what is to become of that, the hands decide.
            Err(error) if matches!(error.reason, Reason::NotARepository) => Ok(None),
            Err(mut error) => {
                error.message = format!(
                    "what stands there could not be kept in a snapshot, so nothing was changed: {}",
                    error.message
                );
                Err(error)
            }
        }
    }

    /// The newest snapshot that was not taken only to keep what a restore, or a
    /// comparison, had before it.
    fn latest_to_restore(&self, repo: &str) -> Result<ListedSnapshot, Error> {
        let latest = self.find_snapshot(repo, &Which::Latest)?;
        let all = self.ledger.snapshots(Some(&latest.repo_id), LOOKED_AT)?;
        let aside = |it: &ListedSnapshot| matches!(it.snapshot.trigger.as_str(), PRESENT | COMPARED);
        Ok(all.into_iter().find(|it| !aside(it)).unwrap_or(latest))
    }

    fn note_restored(&self, order: &RestoreOrder, snapshot: &ListedSnapshot, restored: &contract::Restored) {
        let mut draft = EventDraft::new(EventKind::Restored, "governor");
        draft.repo_id = Some(snapshot.repo_id.clone());
        draft.attributes.insert("snapshot".into(), snapshot.snapshot.id.clone());
        if let Some(root) = restored.roots.first() {
            draft.attributes.insert("target".into(), shown(&path_from(root)));
        }
        if !order.paths.is_empty() {
            let paths: Vec<String> = order.paths.iter().take(20).map(|path| shown(path)).collect();
            draft.attributes.insert("paths".into(), paths.join(", "));
        }
        draft.attributes.insert("files".into(), restored.files.to_string());
        self.ledger.append_later(draft);
        if order.to.is_none() {
            self.want_snapshot(Some(&snapshot.repo_id), "restored");
        }
    }
}

fn outlined(outline: &Outline) -> contract::Restored {
    contract::Restored {
        roots: outline.roots.iter().map(|(root, _)| bytes_of(root)).collect(),
        files: outline.files,
        bytes: outline.bytes,
        ..contract::Restored::default()
    }
}

/// What restoring does to a path that is not as the snapshot has it.
fn change(previewed: Previewed) -> PathChange {
    let Previewed { path, what, old, new } = previewed;
    let kind = match what {
        Mismatch::Missing => ChangeKind::Added,
        Mismatch::Extra => ChangeKind::Deleted,
        Mismatch::Kind => ChangeKind::TypeChanged,
        Mismatch::Mode { .. } => ChangeKind::ModeChanged,
        Mismatch::Content | Mismatch::Target | Mismatch::Time | Mismatch::Unreadable(_) => {
            ChangeKind::Modified
        }
    };
    PathChange { path, kind, old, new, lines: None }
}

fn stopped() -> Error {
    Error::new(Reason::Io, "stopped; nothing was changed")
}

/// Whether anything is there that could be lost.
fn is_something(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}
