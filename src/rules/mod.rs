//! The context rules: facts in, findings out.
//!
//! A rule is a pure function of what a commit would change ([`Facts`]) and of
//! the policy in force ([`EffectivePolicy`]); it reads no file and asks no git,
//! so the same facts give the same findings at commit, at push and in an
//! audit. Whoever gathers the facts asks [`wants_content`] which blobs to load.
//!
//! No text of a finding holds any part of a secret: a finding names the kind
//! of secret, its place, and a keyed fingerprint for the allow-list.
//!
//! Limits: contents above the policy's scan limit and binary contents (git's
//! sense, which includes UTF-16) are not searched.

mod branch;
mod case_collision;
mod conflict_marker;
mod facts;
mod fingerprint;
mod globs;
mod governed_files;
mod identity;
mod large_file;
mod message;
mod private_key;
mod registered;
mod secrets;
mod settings;
mod stage;
mod text;
mod workflows;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use case_collision::Siblings;
pub use facts::{
    Change, ChangeKind, CommitFacts, Facts, PushFacts, RefUpdate, RefUpdateKind, RepoFacts, Stage, Status,
};
pub use globs::{BadGlob, NameGlobs, PathGlobs};
pub use message::{CommentPrefix, cards, committed_message};
pub use secrets::kind_names as secret_kinds;
pub use settings::{
    BranchSettings, ConflictMarkerSettings, EffectivePolicy, IdentitySettings, LargeFileSettings, Levels,
    MessageSettings, Pattern, PrivateKeySettings, SecretsSettings, Settings, StageSettings,
};
pub use stage::{is_local, shown_remote};

/// The rules, in the order in which they are judged.
const RULES: [&dyn Rule; 12] = [
    &registered::Registered,
    &branch::Branch,
    &identity::Identity,
    &workflows::Workflows,
    &governed_files::GovernedFiles,
    &secrets::Secrets,
    &private_key::PrivateKey,
    &conflict_marker::ConflictMarker,
    &large_file::LargeFile,
    &case_collision::CaseCollision,
    &message::Message,
    &stage::StageRule,
];

/// The names of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    /// Commits in an archived or unknown repository.
    Registered,
    /// GitHub workflow files.
    Workflows,
    /// `.env` and the governor's blocks in `.gitignore`.
    GovernedFiles,
    /// Credentials in added lines.
    Secrets,
    /// Files over a size limit.
    LargeFile,
    /// Unresolved merge conflicts.
    ConflictMarker,
    /// Private keys.
    PrivateKey,
    /// Direct commits on protected branches.
    Branch,
    /// E-mail addresses of authors and committers.
    Identity,
    /// Paths that differ by case alone.
    CaseCollision,
    /// Commit messages.
    Message,
    /// Pushes that the stage forbids.
    Stage,
}

impl RuleId {
    /// Every rule.
    pub const ALL: [Self; 12] = [
        Self::Registered,
        Self::Workflows,
        Self::GovernedFiles,
        Self::Secrets,
        Self::LargeFile,
        Self::ConflictMarker,
        Self::PrivateKey,
        Self::Branch,
        Self::Identity,
        Self::CaseCollision,
        Self::Message,
        Self::Stage,
    ];

    /// The name in `policy.yml` and in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Workflows => "workflows",
            Self::GovernedFiles => "governed-files",
            Self::Secrets => "secrets",
            Self::LargeFile => "large-file",
            Self::ConflictMarker => "conflict-marker",
            Self::PrivateKey => "private-key",
            Self::Branch => "branch",
            Self::Identity => "identity",
            Self::CaseCollision => "case-collision",
            Self::Message => "message",
            Self::Stage => "stage",
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No rule has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule {0:?}")]
pub struct UnknownRule(pub String);

impl FromStr for RuleId {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        Self::ALL.into_iter().find(|rule| rule.name() == name).ok_or_else(|| UnknownRule(name.to_owned()))
    }
}

/// What a finding does to a commit or push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Is shown, and refuses nothing.
    Warn,
    /// Refuses.
    Error,
}

impl Severity {
    /// `error` or `warn`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that a rule found. It never carries a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: RuleId,
    /// Whether it refuses.
    pub severity: Severity,
    /// Path in the repository; empty if the finding is not about a file.
    pub path: Vec<u8>,
    /// 1-based line of the new content; 0 for the whole file.
    pub line: u32,
    /// What was found, and why it is refused.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// How to commit it all the same.
    pub way_around: String,
    /// For the rule's `allow:` list, 16 hexadecimal digits; empty where the
    /// rule has no such list.
    pub fingerprint: String,
}

/// One rule. Implementations are stateless.
pub trait Rule: Sync {
    /// Which rule this is.
    fn id(&self) -> RuleId;

    /// Adds what it finds to `out`, with the severity that the finding
    /// deserves at most; [`judge`] lowers it to the policy's.
    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>);
}

/// Runs every rule that is not off; findings are in order of path and line.
pub fn judge(facts: &Facts<'_>, policy: &EffectivePolicy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let Some(level) = policy.levels.get(rule.id()) else { continue };
        let first = findings.len();
        rule.judge(facts, &policy.settings, &mut findings);
        for finding in &mut findings[first..] {
            finding.severity = finding.severity.min(level);
        }
    }
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    findings
}

/// Runs the rules that need not know what is changed: those about the
/// repository, the commit or the push as a whole.
pub fn judge_apart_from_changes(facts: &Facts<'_>, policy: &EffectivePolicy) -> Vec<Finding> {
    judge(&Facts { changes: &[], ..*facts }, policy)
}

/// Whether some rule will look into a file of this path (of the repository)
/// and size in bytes: the caller need not load the others.
pub fn wants_content(path: &[u8], size: u64, policy: &EffectivePolicy) -> bool {
    if size > policy.scan_limit {
        return false;
    }
    let on = |rule| policy.levels.get(rule).is_some();
    on(RuleId::Secrets)
        || on(RuleId::PrivateKey)
        || on(RuleId::ConflictMarker)
        || (on(RuleId::GovernedFiles) && text::file_name(path) == b".gitignore")
}

/// How to commit in spite of a finding that has no allow-list of its own.
fn switch_off(rule: RuleId) -> String {
    format!(
        "set `rules.{rule}.severity` to `warn` or `off` for this repository in policy.yml, or \
         `git commit --no-verify` (kpmo will notice it)"
    )
}

/// As [`switch_off`], for a rule that has `allow_paths`.
fn allow_path(rule: RuleId) -> String {
    format!(
        "add the path to `rules.{rule}.allow_paths` in policy.yml, or `git commit --no-verify` \
         (kpmo will notice it)"
    )
}

/// As [`switch_off`], for a finding with a fingerprint.
fn allow_fingerprint(rule: RuleId, fingerprint: &str) -> String {
    format!(
        "put the comment `kpmo:allow` on the line, or add {fingerprint} to `rules.{rule}.allow` in \
         policy.yml, or `git commit --no-verify` (kpmo will notice it)"
    )
}
