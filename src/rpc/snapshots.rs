//! Between snapshots and the contract's words for them.

use super::convert::time;
use crate::{
    fs::bytes_of,
    generated::{
        kanban::{
            self, ChangeKind, FileKind, GitState, HookEvent, PathChange, RefChange, RepoFailure, RestoreDone,
            RestorePhase, RestoreProgress, Snapshot, SnapshotPath, SnapshotSelector, SnapshotStatus,
            SyncDone, SyncProgress, snapshot_selector,
        },
        probe,
    },
    governor::{Error, Phase, RestoreReport, RunningSnapshot, SnapshotEntry, TakenSnapshot, Which},
    ledger::ListedSnapshot,
    probe::{
        diff::{self, Diff},
        store::{NodeKind, SnapshotStatus as Status},
    },
};

/// How many things one answer lists.
pub(super) const SOME: usize = 1_000;
/// Most refs that are told of.
const REFS: usize = 200;

pub(super) fn snapshot(listed: ListedSnapshot) -> Snapshot {
    let ListedSnapshot { repo_id, snapshot } = listed;
    let hook = format!("HOOK_EVENT_{}", snapshot.trigger.to_uppercase().replace('-', "_"));
    let status = match Status::parse(&snapshot.status) {
        Some(Status::Complete) => SnapshotStatus::Complete,
        Some(Status::Partial) => SnapshotStatus::Partial,
        Some(Status::Torn) => SnapshotStatus::Torn,
        None => SnapshotStatus::Unspecified,
    };
    Snapshot {
        id: snapshot.id,
        repo_id,
        repo_name: snapshot.repo_name,
        time: Some(time(snapshot.time)),
        hook_event: HookEvent::from_str_name(&hook).unwrap_or_default().into(),
        trigger: snapshot.trigger,
        branch: snapshot.branch.unwrap_or_default(),
        head: snapshot.head.unwrap_or_default(),
        status: status.into(),
        files: snapshot.files,
        bytes: snapshot.bytes,
        added_bytes: snapshot.added,
        ledger_seq: snapshot.ledger_seq.unwrap_or_default(),
    }
}

/// The repository's selector, and which of its snapshots.
pub(super) fn selector(selector: Option<SnapshotSelector>) -> Result<(String, Which), Error> {
    let selector = selector.ok_or_else(|| Error::bad_request("snapshot", "is missing"))?;
    let which = match selector.which {
        None => Which::Latest,
        Some(snapshot_selector::Which::Id(id)) if id == "latest" => Which::Latest,
        Some(snapshot_selector::Which::Id(id)) => Which::Id(id),
        Some(snapshot_selector::Which::At(at)) => Which::At(
            jiff::Timestamp::new(at.seconds, at.nanos).map_err(|e| Error::bad_request("snapshot.at", e))?,
        ),
    };
    Ok((selector.repo, which))
}

pub(super) fn progress(progress: &probe::Progress) -> SyncProgress {
    SyncProgress { files: progress.files, bytes: progress.bytes, total_bytes: progress.total_bytes }
}

pub(super) fn running(running: RunningSnapshot) -> kanban::RunningSnapshot {
    kanban::RunningSnapshot {
        repo_id: running.repo_id,
        repo_name: running.repo_name,
        progress: Some(progress(&running.progress)),
    }
}

pub(super) fn done(taken: TakenSnapshot) -> SyncDone {
    SyncDone { snapshot: Some(snapshot(taken.listed)), unchanged: taken.unchanged, reasons: taken.reasons }
}

pub(super) fn failure(error: Error) -> RepoFailure {
    if let Some(cause) = &error.cause {
        tracing::info!(message = error.message, %cause, "refused");
    }
    RepoFailure { reason: error.reason.into(), message: error.message }
}

pub(super) fn entry(entry: SnapshotEntry) -> SnapshotPath {
    let stat = entry.node.stat;
    let (kind, link_target) = match entry.node.kind {
        NodeKind::Directory(_) => (FileKind::Directory, Vec::new()),
        NodeKind::File(_) => (FileKind::File, Vec::new()),
        NodeKind::Link(target) => (FileKind::Link, target),
        NodeKind::Special => (FileKind::Special, Vec::new()),
    };
    SnapshotPath {
        path: bytes_of(&entry.path),
        mode: stat.mode & 0o7777,
        size: if kind == FileKind::File { stat.size } else { 0 },
        modified_at: Some(prost_types::Timestamp {
            seconds: stat.mtime.0,
            nanos: i32::try_from(stat.mtime.1).unwrap_or_default(),
        }),
        kind: kind.into(),
        link_target,
    }
}

pub(super) fn change(change: diff::PathChange) -> PathChange {
    let (kind, old_path) = match change.kind {
        diff::ChangeKind::Added => (ChangeKind::Added, None),
        diff::ChangeKind::Deleted => (ChangeKind::Deleted, None),
        diff::ChangeKind::Modified => (ChangeKind::Modified, None),
        diff::ChangeKind::TypeChanged => (ChangeKind::TypeChanged, None),
        diff::ChangeKind::ModeChanged => (ChangeKind::ModeChanged, None),
        diff::ChangeKind::Renamed { from } => (ChangeKind::Renamed, Some(from)),
    };
    let mode = |side: Option<diff::Side>| side.map_or(0, |side| side.mode);
    let size = |side: Option<diff::Side>| side.map_or(0, |side| side.size);
    PathChange {
        path: bytes_of(&change.path),
        kind: kind.into(),
        old_path: old_path.as_deref().map(bytes_of).unwrap_or_default(),
        old_mode: mode(change.old),
        new_mode: mode(change.new),
        old_size: size(change.old),
        new_size: size(change.new),
        insertions: change.lines.map(|lines| lines.insertions),
        deletions: change.lines.map(|lines| lines.deletions),
    }
}

fn state(state: &diff::State) -> GitState {
    GitState {
        branch: state.branch.clone().unwrap_or_default(),
        head: state.head.clone().unwrap_or_default(),
        stashes: u32::try_from(state.stashes).ok(),
        operation: state.operations.join(", "),
    }
}

pub(super) fn summary(diff: &Diff) -> crate::generated::kanban::DiffSummary {
    let refs = diff.git.refs.as_deref().unwrap_or_default();
    let listed = refs.iter().take(REFS).map(|change| RefChange {
        name: change.name.clone(),
        old: change.old.clone().unwrap_or_default(),
        new: change.new.clone().unwrap_or_default(),
    });
    crate::generated::kanban::DiffSummary {
        changes: diff.paths.len() as u64,
        old: Some(state(&diff.git.old)),
        new: Some(state(&diff.git.new)),
        refs: listed.collect(),
        refs_left_out: refs.len().saturating_sub(REFS) as u64,
        refs_unknown: diff.git.refs.is_none(),
        index_changed: diff.git.index,
    }
}

pub(super) fn restoring(phase: Phase, done_bytes: u64, total_bytes: u64) -> RestoreProgress {
    let phase = match phase {
        Phase::Keeping => RestorePhase::Keeping,
        Phase::Writing => RestorePhase::Writing,
        Phase::Verifying => RestorePhase::Verifying,
    };
    RestoreProgress { phase: phase.into(), done_bytes, total_bytes }
}

pub(super) fn restored(report: RestoreReport, dry_run: bool) -> RestoreDone {
    RestoreDone {
        snapshot: Some(snapshot(report.snapshot)),
        present: report.present.map(snapshot),
        roots: report.restored.roots,
        files: report.restored.files,
        bytes: report.restored.bytes,
        kept: report.restored.kept,
        warnings: report.restored.warnings,
        dry_run,
    }
}
