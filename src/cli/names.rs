//! The contract's words as `repos.yml`, git and scripts spell them.

use super::args;
use crate::generated::{kanban, probe};

pub(super) fn status(status: kanban::RepoStatus) -> &'static str {
    match status {
        kanban::RepoStatus::Archived => "archived",
        kanban::RepoStatus::OfflineOnly => "offline-only",
        _ => "active",
    }
}

pub(super) fn stage(stage: kanban::Stage) -> &'static str {
    match stage {
        kanban::Stage::Staging => "staging",
        kanban::Stage::Prod => "prod",
        _ => "dev",
    }
}

pub(super) fn status_in(status: args::Standing) -> kanban::RepoStatus {
    match status {
        args::Standing::Active => kanban::RepoStatus::Active,
        args::Standing::Archived => kanban::RepoStatus::Archived,
        args::Standing::OfflineOnly => kanban::RepoStatus::OfflineOnly,
    }
}

pub(super) fn stage_in(stage: args::Stage) -> kanban::Stage {
    match stage {
        args::Stage::Dev => kanban::Stage::Dev,
        args::Stage::Staging => kanban::Stage::Staging,
        args::Stage::Prod => kanban::Stage::Prod,
    }
}

/// `None`: the hooks could not be looked at.
pub(super) fn hooks(state: kanban::HooksState) -> Option<&'static str> {
    match state {
        kanban::HooksState::Ok => Some("ok"),
        kanban::HooksState::Missing => Some("missing"),
        kanban::HooksState::Partial => Some("partial"),
        kanban::HooksState::Foreign => Some("foreign"),
        kanban::HooksState::Unspecified => None,
    }
}

/// `None`: nothing is under way.
pub(super) fn operation(operation: kanban::GitOperation) -> Option<&'static str> {
    match operation {
        kanban::GitOperation::Merge => Some("merge"),
        kanban::GitOperation::Rebase => Some("rebase"),
        kanban::GitOperation::CherryPick => Some("cherry-pick"),
        kanban::GitOperation::Revert => Some("revert"),
        kanban::GitOperation::Bisect => Some("bisect"),
        kanban::GitOperation::Am => Some("am"),
        kanban::GitOperation::Unspecified => None,
    }
}

pub(super) fn snapshot_status(status: kanban::SnapshotStatus) -> &'static str {
    match status {
        kanban::SnapshotStatus::Complete => "complete",
        kanban::SnapshotStatus::Torn => "torn",
        // What is not known to be whole is not said to be.
        kanban::SnapshotStatus::Partial | kanban::SnapshotStatus::Unspecified => "partial",
    }
}

pub(super) fn repo_kind(kind: probe::RepoKind) -> &'static str {
    match kind {
        probe::RepoKind::Bare => "bare",
        probe::RepoKind::Linked => "linked",
        probe::RepoKind::Submodule => "submodule",
        probe::RepoKind::Nested => "nested",
        _ => "worktree",
    }
}

/// `EVENT_KIND_HEAD_MOVED` is `head-moved` to people, and so on.
pub(super) fn plain(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', "-")
}

/// The reverse of [`plain`].
pub(super) fn formal(name: &str, prefix: &str) -> String {
    format!("{prefix}{}", name.to_uppercase().replace('-', "_"))
}
