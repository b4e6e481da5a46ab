//! Between the rooms' types and the contract's.

use prost::Message as _;
use prost_types::Timestamp;

use crate::{
    fs::{bytes_of, path_from},
    generated::kanban as proto,
    git::Operation,
    governor::{Error, Judged, Judgement, RepoDifference, RepoHooks, RepoState, TreeState},
    install::{HookAction, HookChange, HooksMode, HooksState},
    ledger::{EventKind, EventRecord},
    registry::{FieldChange, Repo, RepoStatus, Stage},
    rules::{RuleId, Severity},
};

pub(super) fn time(at: jiff::Timestamp) -> Timestamp {
    // The contract counts nanoseconds up from the second, also before 1970.
    let nanos = at.as_nanosecond();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default();
    let nanos = i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
    Timestamp { seconds, nanos }
}

pub(super) fn repo(repo: Repo) -> proto::Repo {
    let status = match repo.status {
        RepoStatus::Active => proto::RepoStatus::Active,
        RepoStatus::Archived => proto::RepoStatus::Archived,
        RepoStatus::OfflineOnly => proto::RepoStatus::OfflineOnly,
    };
    let stage = match repo.stage {
        Stage::Dev => proto::Stage::Dev,
        Stage::Staging => proto::Stage::Staging,
        Stage::Prod => proto::Stage::Prod,
    };
    proto::Repo {
        id: repo.id.unwrap_or_default(),
        name: repo.name,
        local_path: bytes_of(&repo.local_path),
        remote_url: repo.remote_url.map(|url| crate::registry::without_credentials(&url)).unwrap_or_default(),
        default_branch: repo.default_branch.unwrap_or_default(),
        env_template: repo.env_template.unwrap_or_default(),
        gitignore_profile: repo.gitignore_profile.unwrap_or_default(),
        status: status.into(),
        stage: stage.into(),
        role: repo.role.unwrap_or_default(),
        tags: repo.tags,
        verify: repo.verify,
    }
}

/// What a patch says of each field. Unknown words of a newer contract are an
/// error: they must not be taken for "as it is".
pub(super) fn fields(patch: proto::RepoPatch) -> Result<Vec<FieldChange>, Error> {
    let text = |text: String| (!text.is_empty()).then_some(text);
    let unknown = |field| Error::bad_request(field, "is a value that this governor does not know");
    let mut fields = Vec::new();
    fields.extend(patch.local_path.map(|path| FieldChange::LocalPath(path_from(&path))));
    fields.extend(patch.remote_url.map(|url| FieldChange::RemoteUrl(text(url))));
    fields.extend(patch.default_branch.map(|branch| FieldChange::DefaultBranch(text(branch))));
    fields.extend(patch.env_template.map(|name| FieldChange::EnvTemplate(text(name))));
    fields.extend(patch.gitignore_profile.map(|name| FieldChange::GitignoreProfile(text(name))));
    fields.extend(match proto::RepoStatus::try_from(patch.status).map_err(|_| unknown("status"))? {
        proto::RepoStatus::Unspecified => None,
        proto::RepoStatus::Active => Some(FieldChange::Status(RepoStatus::Active)),
        proto::RepoStatus::Archived => Some(FieldChange::Status(RepoStatus::Archived)),
        proto::RepoStatus::OfflineOnly => Some(FieldChange::Status(RepoStatus::OfflineOnly)),
    });
    fields.extend(match proto::Stage::try_from(patch.stage).map_err(|_| unknown("stage"))? {
        proto::Stage::Unspecified => None,
        proto::Stage::Dev => Some(FieldChange::Stage(Stage::Dev)),
        proto::Stage::Staging => Some(FieldChange::Stage(Stage::Staging)),
        proto::Stage::Prod => Some(FieldChange::Stage(Stage::Prod)),
    });
    fields.extend(patch.role.map(|role| FieldChange::Role(text(role))));
    fields.extend((!patch.remove_tags.is_empty()).then_some(FieldChange::RemoveTags(patch.remove_tags)));
    fields.extend((!patch.add_tags.is_empty()).then_some(FieldChange::AddTags(patch.add_tags)));
    fields.extend(patch.verify.map(|verify| FieldChange::Verify(verify.commands)));
    Ok(fields)
}

pub(super) fn repo_change(difference: RepoDifference) -> proto::RepoChange {
    proto::RepoChange {
        fields: difference.fields().into_iter().map(str::to_owned).collect(),
        old: Some(repo(difference.old)),
        new: Some(repo(difference.new)),
    }
}

pub(super) fn hooks_state(state: HooksState) -> proto::HooksState {
    match state {
        HooksState::Ok => proto::HooksState::Ok,
        HooksState::Missing => proto::HooksState::Missing,
        HooksState::Partial => proto::HooksState::Partial,
        HooksState::Foreign => proto::HooksState::Foreign,
    }
}

pub(super) fn hooks_mode(mode: HooksMode) -> proto::HooksMode {
    match mode {
        HooksMode::Links => proto::HooksMode::Links,
        HooksMode::Config => proto::HooksMode::Config,
    }
}

/// `None`: as they are installed already.
pub(super) fn wanted_mode(mode: proto::HooksMode) -> Option<HooksMode> {
    match mode {
        proto::HooksMode::Unspecified => None,
        proto::HooksMode::Links => Some(HooksMode::Links),
        proto::HooksMode::Config => Some(HooksMode::Config),
    }
}

pub(super) fn hook_change(change: HookChange) -> proto::HookChange {
    let action = match change.action {
        HookAction::Unchanged => proto::HookAction::Unchanged,
        HookAction::Installed => proto::HookAction::Installed,
        HookAction::Chained => proto::HookAction::Chained,
        HookAction::Healed => proto::HookAction::Healed,
        HookAction::Removed => proto::HookAction::Removed,
        HookAction::Restored => proto::HookAction::Restored,
        HookAction::Foreign => proto::HookAction::Foreign,
        HookAction::Missing => proto::HookAction::Missing,
        HookAction::Archived => proto::HookAction::Archived,
    };
    let name = format!("HOOK_EVENT_{}", change.event.to_uppercase().replace('-', "_"));
    proto::HookChange {
        // Hooks that kpmo only passes on have no event of their own.
        event: proto::HookEvent::from_str_name(&name).unwrap_or_default().into(),
        path: bytes_of(&change.path),
        action: action.into(),
        detail: change.detail,
    }
}

pub(super) fn repo_hooks(repo: &Repo, hooks: Result<RepoHooks, Error>) -> proto::RepoHooks {
    let mut answer = proto::RepoHooks {
        repo_id: repo.id.clone().unwrap_or_default(),
        repo_name: repo.name.clone(),
        ..proto::RepoHooks::default()
    };
    match hooks {
        Ok(hooks) => {
            answer.hooks_dir = bytes_of(&hooks.hooks_dir);
            answer.state = hooks_state(hooks.state).into();
            answer.mode = hooks_mode(hooks.mode).into();
            answer.changes = hooks.changes.into_iter().map(hook_change).collect();
        }
        Err(error) => answer.error = error.message,
    }
    answer
}

/// Longest state of a repository, in bytes: clients take messages of 4 MiB, and what
/// anybody may have put into one repository is to keep nobody from seeing the others.
const LONGEST_STATE: usize = 1 << 20;

pub(super) fn repo_state(state: RepoState) -> proto::RepoState {
    let mut answer = proto::RepoState {
        repo: Some(repo(state.repo)),
        last_snapshot: state.last_snapshot.map(time),
        ..proto::RepoState::default()
    };
    match state.now {
        Ok(now) => {
            answer.branch = now.work.head.branch.unwrap_or_default();
            answer.head = now.work.head.commit.unwrap_or_default();
            answer.bare = now.work.is_bare;
            answer.dirty = now.work.dirty;
            answer.staged = now.work.staged;
            answer.unstaged = now.work.unstaged;
            answer.untracked = now.work.untracked;
            answer.conflicted = now.work.conflicted;
            answer.upstream = now.work.upstream.unwrap_or_default();
            answer.ahead = now.work.ahead_behind.map(|(ahead, _)| ahead);
            answer.behind = now.work.ahead_behind.map(|(_, behind)| behind);
            answer.stash = now.work.stash;
            answer.operation = now.work.operation.map(operation).unwrap_or_default().into();
            answer.hooks = hooks_state(now.hooks).into();
            answer.unvalidated = Some(now.unvalidated);
            answer.worktrees = now.linked.into_iter().map(worktree).collect();
            answer.submodules = now.submodules.into_iter().map(worktree).collect();
        }
        Err(error) => answer.error = error.message,
    }
    if answer.encoded_len() > LONGEST_STATE {
        let proto::RepoState { repo, last_snapshot, .. } = answer;
        let error = "its state is too long to be told, over 1 MiB: look for names of thousands of letters among \
                     its branches, linked work trees (.git/worktrees) and submodules";
        let error = error.to_owned();
        answer = proto::RepoState { repo, last_snapshot, error, ..proto::RepoState::default() };
    }
    answer
}

fn worktree(state: TreeState) -> proto::WorktreeState {
    let mut answer = proto::WorktreeState { path: bytes_of(&state.path), ..proto::WorktreeState::default() };
    match state.work {
        Ok(work) => {
            answer.branch = work.head.branch.unwrap_or_default();
            answer.head = work.head.commit.unwrap_or_default();
            answer.dirty = work.dirty;
            answer.staged = work.staged;
            answer.unstaged = work.unstaged;
            answer.untracked = work.untracked;
            answer.conflicted = work.conflicted;
            answer.operation = work.operation.map(operation).unwrap_or_default().into();
        }
        Err(error) => answer.error = error.message,
    }
    answer
}

fn operation(operation: Operation) -> proto::GitOperation {
    match operation {
        Operation::Merge => proto::GitOperation::Merge,
        Operation::Rebase => proto::GitOperation::Rebase,
        Operation::CherryPick => proto::GitOperation::CherryPick,
        Operation::Revert => proto::GitOperation::Revert,
        Operation::Bisect => proto::GitOperation::Bisect,
        Operation::Am => proto::GitOperation::Am,
    }
}

fn rule(rule: RuleId) -> proto::Rule {
    match rule {
        RuleId::Registered => proto::Rule::Registered,
        RuleId::Workflows => proto::Rule::Workflows,
        RuleId::GovernedFiles => proto::Rule::GovernedFiles,
        RuleId::Secrets => proto::Rule::Secrets,
        RuleId::LargeFile => proto::Rule::LargeFile,
        RuleId::ConflictMarker => proto::Rule::ConflictMarker,
        RuleId::PrivateKey => proto::Rule::PrivateKey,
        RuleId::Branch => proto::Rule::Branch,
        RuleId::Identity => proto::Rule::Identity,
        RuleId::CaseCollision => proto::Rule::CaseCollision,
        RuleId::Message => proto::Rule::Message,
        RuleId::Stage => proto::Rule::Stage,
    }
}

pub(super) fn finding(judged: Judged) -> proto::Finding {
    proto::Finding {
        rule: rule(judged.finding.rule).into(),
        severity: match judged.finding.severity {
            Severity::Error => proto::Severity::Error,
            Severity::Warn => proto::Severity::Warn,
        }
        .into(),
        path: judged.finding.path,
        line: judged.finding.line,
        message: judged.finding.message,
        fix: judged.finding.fix,
        way_around: judged.finding.way_around,
        fingerprint: judged.finding.fingerprint,
        commit: judged.commit,
    }
}

pub(super) fn judgement(judgement: Judgement) -> proto::HookResponse {
    let (repo_id, repo_name) = judgement.repo.unwrap_or_default();
    let findings = judgement.findings.into_iter().map(finding).collect();
    proto::HookResponse {
        verdict: judgement.verdict.into(),
        findings,
        repo_id,
        repo_name,
        findings_left_out: u32::try_from(judgement.left_out).unwrap_or(u32::MAX),
    }
}

/// The contract's kinds and the ledger's are one list in two spellings.
pub(super) fn kind_in(kind: proto::EventKind) -> Option<EventKind> {
    EventKind::parse(&kind.as_str_name().trim_start_matches("EVENT_KIND_").to_lowercase().replace('_', "-"))
}

fn kind_out(kind: EventKind) -> proto::EventKind {
    let name = format!("EVENT_KIND_{}", kind.as_str().to_uppercase().replace('-', "_"));
    proto::EventKind::from_str_name(&name).unwrap_or_default()
}

pub(super) fn event(record: EventRecord) -> proto::Event {
    proto::Event {
        seq: record.seq,
        event_id: record.event_id.to_string(),
        time: Some(time(record.time)),
        kind: kind_out(record.kind).into(),
        repo_id: record.repo_id.unwrap_or_default(),
        card: record.card.unwrap_or_default(),
        actor: record.actor,
        attributes: record.attributes.into_iter().collect(),
        hash: record.hash.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_place_in_the_contract() {
        for kind in EventKind::ALL {
            assert_eq!(kind_in(kind_out(*kind)), Some(*kind));
        }
        assert_eq!(kind_in(proto::EventKind::Unspecified), None);
    }
}
