use std::{collections::BTreeMap, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    Error, Governor,
    call::{HookCall, Judged, Judgement},
    facts::Ground,
};
use crate::{
    fs::{path_from, shown},
    generated::kanban::HookEvent,
    git::{self, Commit, Delta, Location, Objects, Surroundings},
    ledger::{EventDraft, EventKind, Projection},
    registry::{self, Repo, RepoStatus},
    rules::{
        self, CommentPrefix, CommitFacts, EffectivePolicy, Finding, RepoFacts, RuleId, Severity, Status,
        committed_message,
    },
};

/// A repository as the rules see it, and the policy that applies to it.
#[derive(Clone)]
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

    /// What a commit is judged on, apart from its changes.
    pub fn ground<'a>(&'a self, commit: &'a CommitFacts, merging: bool) -> Ground<'a> {
        Ground { repo: &self.facts, policy: &self.policy, commit, push: None, merging }
    }

    /// The same without the rules on what commits say of themselves: for those that
    /// were there before kpmo was, and that nobody can mend any more.
    pub fn for_old_commits(&self) -> Self {
        let mut policy = (*self.policy).clone();
        policy.levels.set(RuleId::Identity, None);
        policy.levels.set(RuleId::Message, None);
        Self { policy: Arc::new(policy), ..self.clone() }
    }

    /// What the rules are told of a commit that is there already.
    pub fn commit_facts(&self, commit: &Commit) -> CommitFacts {
        let identity = self.policy.wants_identity();
        CommitFacts {
            // Which branch it was made on is not to be seen.
            onto: None,
            author: identity.then(|| commit.author.clone()),
            committer: identity.then(|| commit.committer.clone()),
            message: self.policy.wants_commit_msg().then(|| commit.message.clone()),
        }
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
        let stage = match repo.as_ref().map(|repo| repo.stage) {
            None | Some(registry::Stage::Dev) => rules::Stage::Dev,
            Some(registry::Stage::Staging) => rules::Stage::Staging,
            Some(registry::Stage::Prod) => rules::Stage::Prod,
        };
        let default_branch = repo.as_ref().and_then(|repo| repo.default_branch.clone());
        let facts = RepoFacts { registered: repo.is_some(), status, stage, default_branch, name };
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
        let merging = call.event == HookEvent::PreMergeCommit || git::is_merging(&location);
        let commit = CommitFacts {
            onto: branch_onto(&subject, &*objects, &location, merging)?,
            ..identities(&subject, &*objects, &call.surroundings)?
        };
        let ground = subject.ground(&commit, merging);
        let event = call.event.as_str_name();
        // A tree is good for ever; who commits it, and where to, is another matter.
        let findings = if self.is_known_good(&subject, &delta.base_tree, &delta.tree) {
            let findings = self.judge_apart(ground);
            if !findings.is_empty() {
                self.record_verdict(call.id, &subject, None, &findings, event);
            }
            findings
        } else {
            let findings = self.judge_delta(&*objects, &delta, ground, deadline)?;
            self.record_verdict(call.id, &subject, Some(&delta), &findings, event);
            findings
        };
        let findings = findings.into_iter().map(|finding| Judged { finding, commit: String::new() });
        Ok(Judgement::of(findings.collect(), subject.identity()))
    }

    /// commit-msg: judges the message that git is about to commit with.
    pub(super) fn before_message(&self, call: &HookCall) -> Result<Judgement, Error> {
        let location = Location::of(&call.surroundings)?;
        let subject = self.subject(&location);
        if !subject.policy.wants_commit_msg() {
            return Ok(Judgement::of(Vec::new(), subject.identity()));
        }
        let file =
            call.args.first().ok_or_else(|| Error::bad_request("args", "the message's file is missing"))?;
        let file = git::absolute(&call.surroundings.cwd, &path_from(file));
        let text = git::message_file(&file)?
            .ok_or_else(|| Error::bad_request("args", format!("there is no file {}", shown(&file))))?;
        let objects = git::open(&self.git, &location)?;
        // git says so where it has opened no editor.
        let is_edited = call.surroundings.text("GIT_EDITOR").is_none_or(|editor| editor != ":");
        let comment = if is_edited { comment_prefix(&*objects)? } else { CommentPrefix::None };
        let message = Some(committed_message(&text, &comment));
        let commit = CommitFacts { message, ..CommitFacts::default() };
        let findings: Vec<Finding> = self.judge_apart(subject.ground(&commit, git::is_merging(&location)));
        // The rest has been judged before there was a message.
        let findings: Vec<Finding> =
            findings.into_iter().filter(|finding| finding.rule == RuleId::Message).collect();
        if !passes(&findings) {
            self.record_verdict(call.id, &subject, None, &findings, call.event.as_str_name());
        }
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

    /// Writes a verdict down, after the answer; without a delta it is none on a
    /// tree.
    fn record_verdict(
        &self,
        call: Uuid,
        subject: &Subject,
        delta: Option<&Delta>,
        findings: &[Finding],
        event: &str,
    ) {
        let mut draft = EventDraft::new(EventKind::Verdict, "hook");
        draft.event_id = call;
        draft.attributes = summary(findings);
        draft.attributes.insert("hook".into(), hook_name(event));
        draft.attributes.insert("judged".into(), delta.map_or(0, |delta| delta.changes.len()).to_string());
        draft.repo_id = subject.id().map(str::to_owned);
        if draft.repo_id.is_none() {
            draft.attributes.insert("repository".into(), subject.facts.name.clone());
        }
        match delta.filter(|_| draft.repo_id.is_some()) {
            Some(delta) => {
                draft.projection = Some(Projection::Verdict {
                    base_tree: delta.base_tree.clone(),
                    tree: delta.tree.clone(),
                    policy: subject.digest.clone(),
                    passed: passes(findings),
                });
            }
            None => {
                let outcome = if passes(findings) { "pass" } else { "refuse" };
                draft.attributes.insert("outcome".into(), outcome.into());
            }
        }
        self.ledger.append_later(draft);
    }
}

/// The branch that a commit is about to go onto directly, where that is judged.
pub(super) fn branch_onto(
    subject: &Subject,
    objects: &dyn Objects,
    location: &Location,
    merging: bool,
) -> Result<Option<String>, Error> {
    if merging || !subject.policy.wants_branch(subject.facts.stage) || git::is_underway(location) {
        return Ok(None);
    }
    let head = objects.head()?;
    // A branch begins with a commit.
    Ok(head.branch.filter(|_| head.commit.is_some()))
}

/// Who git will say that it was, as far as is known before: git tells its hooks
/// the author; where it does not, as at a merge, the configuration does. An
/// address that is not known now is judged when the commit is there.
pub(super) fn identities(
    subject: &Subject,
    objects: &dyn Objects,
    surroundings: &Surroundings,
) -> Result<CommitFacts, Error> {
    if !subject.policy.wants_identity() {
        return Ok(CommitFacts::default());
    }
    let told = |name: &str| surroundings.text(name);
    let author = match told("GIT_AUTHOR_EMAIL") {
        Some(told) => Some(told),
        None => configured(objects, "author.email")?,
    };
    Ok(CommitFacts { author, committer: told("GIT_COMMITTER_EMAIL"), ..CommitFacts::default() })
}

/// An address by its own setting, else by that of all.
pub(super) fn configured(objects: &dyn Objects, name: &str) -> Result<Option<String>, Error> {
    match objects.setting(name)? {
        Some(email) => Ok(Some(email)),
        None => Ok(objects.setting("user.email")?),
    }
}

/// What git's comments begin with here.
fn comment_prefix(objects: &dyn Objects) -> Result<CommentPrefix, Error> {
    let set = match objects.setting("core.commentString")? {
        Some(set) => Some(set),
        None => objects.setting("core.commentChar")?,
    };
    Ok(match set.filter(|set| !set.is_empty()) {
        Some(set) if set.eq_ignore_ascii_case("auto") => CommentPrefix::Auto,
        Some(set) => CommentPrefix::Is(set),
        None => CommentPrefix::Is("#".to_owned()),
    })
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
