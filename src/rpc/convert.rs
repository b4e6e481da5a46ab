//! Between the rooms' types and the contract's.

use prost_types::Timestamp;

use crate::{
    fs::bytes_of,
    generated::kanban as proto,
    governor::{Error, Judgement, RepoHooks, RepoState},
    install::{HookAction, HookChange, HooksState},
    ledger::{EventKind, EventRecord},
    registry::{Repo, RepoStatus, Stage},
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

pub(super) fn hooks_state(state: HooksState) -> proto::HooksState {
    match state {
        HooksState::Ok => proto::HooksState::Ok,
        HooksState::Missing => proto::HooksState::Missing,
        HooksState::Partial => proto::HooksState::Partial,
        HooksState::Foreign => proto::HooksState::Foreign,
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
            answer.changes = hooks.changes.into_iter().map(hook_change).collect();
        }
        Err(error) => answer.error = error.message,
    }
    answer
}

pub(super) fn repo_state(state: RepoState) -> proto::RepoState {
    let mut answer = proto::RepoState { repo: Some(repo(state.repo)), ..proto::RepoState::default() };
    match state.now {
        Ok(now) => {
            answer.branch = now.work.head.branch.unwrap_or_default();
            answer.head = now.work.head.commit.unwrap_or_default();
            answer.dirty = now.work.dirty;
            answer.ahead = now.work.ahead_behind.map(|(ahead, _)| ahead);
            answer.behind = now.work.ahead_behind.map(|(_, behind)| behind);
            answer.hooks = hooks_state(now.hooks).into();
            answer.unvalidated = Some(now.unvalidated);
            answer.last_snapshot = now.last_snapshot.map(time);
        }
        Err(error) => answer.error = error.message,
    }
    answer
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
    }
}

pub(super) fn judgement(judgement: Judgement) -> proto::HookResponse {
    let (repo_id, repo_name) = judgement.repo.unwrap_or_default();
    let findings = judgement
        .findings
        .into_iter()
        .map(|judged| proto::Finding {
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
        })
        .collect();
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
