use std::{collections::BTreeMap, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    Error, Governor,
    call::{HookCall, Judged, Judgement},
    facts::Ground,
};
use crate::{
    git::{self, Delta, Location, Objects},
    ledger::{EventDraft, EventKind, Projection},
    registry::{Repo, RepoStatus},
    rules::{EffectivePolicy, Finding, RepoFacts, Severity, Status},
};

/// A repository as the rules see it, and the policy that applies to it.
pub(super) struct Subject {
    pub repo: Option<Arc<Repo>>,
    pub facts: RepoFacts,
    pub policy: Arc<EffectivePolicy>,
    /// Names all that a verdict rests on besides the trees.
    pub digest: String,
}

impl Subject {
    /// Id and name, where it is registered.
    pub fn identity(&self) -> Option<(String, String)> {
        self.repo.as_ref().map(|repo| (repo.id.clone().unwrap_or_default(), repo.name.clone()))
    }

    /// The id under which the ledger knows it.
    pub fn id(&self) -> Option<&str> {
        self.repo.as_ref()?.id.as_deref()
    }

    pub fn ground(&self, merging: bool) -> Ground<'_> {
        Ground { repo: &self.facts, policy: &self.policy, merging }
    }
}

impl Governor {
    /// What is judged at `location`, and by what.
    pub(super) fn subject(&self, location: &Location) -> Subject {
        let repo = self.registered(location);
        let policy = self.policy();
        let status = match repo.as_ref().map(|repo| repo.status) {
            None | Some(RepoStatus::Active) => Status::Active,
            Some(RepoStatus::Archived) => Status::Archived,
            Some(RepoStatus::OfflineOnly) => Status::OfflineOnly,
        };
        let name = repo.as_ref().map_or_else(
            || {
                let path = location.main_path();
                path.file_name().unwrap_or_default().to_string_lossy().into_owned()
            },
            |repo| repo.name.clone(),
        );
        let tags = repo.as_ref().map(|repo| repo.tags.clone()).unwrap_or_default();
        let effective = policy.effective(repo.as_ref().map(|repo| repo.name.as_str()), &tags);
        // Status, name and tags choose what of the policy applies.
        let digest = format!("{}/{status:?}/{name}/{}", policy.digest(), tags.join(","));
        let facts = RepoFacts { registered: repo.is_some(), status, name };
        Subject { repo, facts, policy: effective, digest }
    }

    /// pre-commit and pre-merge-commit: judges the index that git is about to
    /// commit.
    pub(super) fn before_commit(&self, call: &HookCall) -> Result<Judgement, Error> {
        // The rest is for the answer's way back.
        let deadline = Instant::now() + self.settings().budgets.verdict.mul_f32(0.9);
        let location = Location::of(&call.surroundings)?;
        let subject = self.subject(&location);
        let objects = git::open(&self.git, &location)?;
        let delta = objects.staged(call.surroundings.path("GIT_INDEX_FILE").as_deref())?;
        if self.is_known_good(&subject, &delta.base_tree, &delta.tree) {
            return Ok(Judgement::of(Vec::new(), subject.identity()));
        }
        let merging = call.event == crate::generated::kanban::HookEvent::PreMergeCommit
            || location.git_dir.join("MERGE_HEAD").exists();
        let findings = self.judge_delta(&*objects, &delta, subject.ground(merging), deadline)?;
        self.record_verdict(call.id, &subject, &delta, &findings, call.event.as_str_name());
        let findings = findings.into_iter().map(|finding| Judged { finding, commit: String::new() });
        Ok(Judgement::of(findings.collect(), subject.identity()))
    }

    /// Whether this very tree passed without a word against this base before.
    pub(super) fn is_known_good(&self, subject: &Subject, base: &str, tree: &str) -> bool {
        let Some(id) = subject.id() else { return false };
        match self.ledger.verdict(id, base, tree, &subject.digest) {
            Ok(known) => known == Some(true),
            Err(error) => {
                // Judging again is always right.
                tracing::warn!(%error, "a verdict could not be looked up");
                false
            }
        }
    }

    /// Writes a verdict down, after the answer.
    fn record_verdict(
        &self,
        call: Uuid,
        subject: &Subject,
        delta: &Delta,
        findings: &[Finding],
        event: &str,
    ) {
        let mut draft = EventDraft::new(EventKind::Verdict, "hook");
        draft.event_id = call;
        draft.attributes = summary(findings);
        draft.attributes.insert("hook".into(), hook_name(event));
        if let Some(id) = subject.id() {
            draft.repo_id = Some(id.to_owned());
            draft.projection = Some(Projection::Verdict {
                base_tree: delta.base_tree.clone(),
                tree: delta.tree.clone(),
                policy: subject.digest.clone(),
                passed: passes(findings),
            });
        } else {
            let outcome = if passes(findings) { "pass" } else { "refuse" };
            draft.attributes.insert("outcome".into(), outcome.into());
            draft.attributes.insert("repository".into(), subject.facts.name.clone());
        }
        self.ledger.append_later(draft);
    }
}

/// Whether git may go on.
pub(super) fn passes(findings: &[Finding]) -> bool {
    !findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// What the ledger keeps of findings: how many, and of which rules.
pub(super) fn summary(findings: &[Finding]) -> BTreeMap<String, String> {
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.name()).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut summary = BTreeMap::new();
    summary.insert("findings".into(), findings.len().to_string());
    if !rules.is_empty() {
        summary.insert("rules".into(), rules.join(","));
    }
    summary
}

/// git's name of a hook, from the contract's.
pub(super) fn hook_name(event: &str) -> String {
    event.trim_start_matches("HOOK_EVENT_").to_lowercase().replace('_', "-")
}

/// The trees of a commit and of its first parent; `None` as base: it has none.
pub(super) fn trees(
    objects: &dyn Objects,
    id: &str,
) -> Result<(Option<String>, String, Option<String>), Error> {
    let commit = objects.commit(id)?;
    match commit.parents.into_iter().next() {
        None => Ok((None, commit.tree, None)),
        Some(parent) => {
            let base = objects.commit(&parent)?.tree;
            Ok((Some(parent), commit.tree, Some(base)))
        }
    }
}
