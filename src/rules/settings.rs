use std::collections::BTreeSet;

use regex::Regex;
use serde::{Serialize, Serializer};

use super::{NameGlobs, PathGlobs, RepoFacts, RuleId, Severity, Stage};

/// The policy for one repository, all levels applied.
///
/// [`Default`] has every rule at `error` with no exceptions; the defaults that
/// users get are those of the embedded `policy.yml`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectivePolicy {
    /// Files above this size in bytes are not searched.
    pub scan_limit: u64,
    /// Each rule's severity.
    pub levels: Levels,
    /// What the rules can be told.
    pub settings: Settings,
}

impl Default for EffectivePolicy {
    fn default() -> Self {
        Self { scan_limit: 5 << 20, levels: Levels::default(), settings: Settings::default() }
    }
}

impl EffectivePolicy {
    fn is_on(&self, rule: RuleId) -> bool {
        self.levels.get(rule).is_some()
    }

    /// Whether the rule `branch` needs to know which branch is committed to.
    pub fn wants_branch(&self, stage: Stage) -> bool {
        self.is_on(RuleId::Branch) && !self.settings.branch.of(stage).is_empty()
    }

    /// Whether the rule `identity` has anything to judge by.
    pub fn wants_identity(&self) -> bool {
        self.is_on(RuleId::Identity) && !self.settings.identity.emails.is_empty()
    }

    /// Whether commit messages are judged, so that git is to be told to ask:
    /// where this is false the hook `commit-msg` need not be installed.
    pub fn wants_commit_msg(&self) -> bool {
        let MessageSettings { pattern, card, max_subject } = &self.settings.message;
        self.is_on(RuleId::Message) && (pattern.is_some() || *card || max_subject.is_some())
    }

    /// Whether the rule `case-collision` is to be told what stands beside added
    /// paths.
    pub fn wants_siblings(&self) -> bool {
        self.is_on(RuleId::CaseCollision)
    }

    /// Whether the rule `stage` looks at pushes.
    pub fn wants_push(&self) -> bool {
        self.is_on(RuleId::Stage)
    }
}

/// Each rule's severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Levels([Option<Severity>; RuleId::ALL.len()]);

impl Default for Levels {
    fn default() -> Self {
        Self([Some(Severity::Error); RuleId::ALL.len()])
    }
}

impl Levels {
    /// The severity of a rule; `None` if it is off.
    pub fn get(&self, rule: RuleId) -> Option<Severity> {
        self.0[rule as usize]
    }

    /// Sets the severity of a rule; `None` turns it off.
    pub fn set(&mut self, rule: RuleId, level: Option<Severity>) {
        self.0[rule as usize] = level;
    }
}

/// The settings of those rules that have any.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Of `secrets`.
    pub secrets: SecretsSettings,
    /// Of `private-key`.
    pub private_key: PrivateKeySettings,
    /// Of `conflict-marker`.
    pub conflict_marker: ConflictMarkerSettings,
    /// Of `large-file`.
    pub large_file: LargeFileSettings,
    /// Of `branch`; `stage` looks at it, too.
    pub branch: BranchSettings,
    /// Of `identity`.
    pub identity: IdentitySettings,
    /// Of `message`.
    pub message: MessageSettings,
    /// Of `stage`.
    pub stage: StageSettings,
}

/// Settings of the rule `secrets`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SecretsSettings {
    /// Fingerprints of findings that are known and accepted.
    pub allow: BTreeSet<String>,
    /// Paths that are not searched.
    pub allow_paths: PathGlobs,
    /// Kinds ([`secret_kinds`](super::secret_kinds)) that are not searched for.
    pub skip_kinds: BTreeSet<String>,
    /// What a value of the kind `generic` must have at least, in bits of
    /// Shannon entropy per byte.
    pub generic_entropy: f64,
    /// Paths where the kind `generic` is not searched for.
    pub generic_allow_paths: PathGlobs,
}

impl Default for SecretsSettings {
    fn default() -> Self {
        Self {
            allow: BTreeSet::new(),
            allow_paths: PathGlobs::default(),
            skip_kinds: BTreeSet::new(),
            generic_entropy: 3.5,
            generic_allow_paths: PathGlobs::default(),
        }
    }
}

/// Settings of the rule `private-key`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PrivateKeySettings {
    /// Fingerprints of findings that are known and accepted.
    pub allow: BTreeSet<String>,
    /// Paths that are not searched.
    pub allow_paths: PathGlobs,
}

/// Settings of the rule `conflict-marker`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ConflictMarkerSettings {
    /// Paths that are not searched.
    pub allow_paths: PathGlobs,
}

/// Settings of the rule `large-file`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LargeFileSettings {
    /// The largest size in bytes that passes.
    pub limit: u64,
    /// Paths that may be larger.
    pub allow_paths: PathGlobs,
}

impl Default for LargeFileSettings {
    fn default() -> Self {
        Self { limit: 10 << 20, allow_paths: PathGlobs::default() }
    }
}

/// Stands for a repository's default branch.
const DEFAULT_BRANCH: &str = "@default";

/// Settings of the rule `branch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BranchSettings {
    /// Short names of protected branches, stage by stage; `@default` is the
    /// repository's default branch.
    pub protected: [NameGlobs; 3],
}

impl Default for BranchSettings {
    fn default() -> Self {
        let default_branch = || {
            let globs = NameGlobs::new(vec![DEFAULT_BRANCH.to_owned()]);
            globs.expect("the word is a glob")
        };
        Self { protected: [NameGlobs::default(), default_branch(), default_branch()] }
    }
}

impl BranchSettings {
    /// What is protected at this stage.
    pub fn of(&self, stage: Stage) -> &NameGlobs {
        &self.protected[stage as usize]
    }

    /// Whether a branch of this short name is protected in the repository.
    pub fn protects(&self, repo: &RepoFacts, branch: &str) -> bool {
        let globs = self.of(repo.stage);
        let is_default = repo.default_branch.as_deref() == Some(branch);
        globs.matches(branch)
            || (is_default && globs.patterns().iter().any(|pattern| pattern == DEFAULT_BRANCH))
    }
}

/// Settings of the rule `identity`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IdentitySettings {
    /// The addresses that authors and committers may have; none: any.
    pub emails: NameGlobs,
}

/// Settings of the rule `message`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MessageSettings {
    /// What a subject must match.
    pub pattern: Option<Pattern>,
    /// Whether a card must be named.
    pub card: bool,
    /// Most characters that a subject may have.
    pub max_subject: Option<u32>,
}

/// A regular expression, with the text that it was made of.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it; the error is for people.
    pub fn new(text: &str) -> Result<Self, String> {
        // The last line says what is wrong, those before show where.
        let shortly = |error: regex::Error| {
            let error = error.to_string();
            error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        Regex::new(text).map(Self).map_err(shortly)
    }

    /// Whether it is found in a text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

/// Settings of the rule `stage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageSettings {
    /// Stages whose protected branches take tagged commits alone.
    pub tagged: BTreeSet<Stage>,
}

impl Default for StageSettings {
    fn default() -> Self {
        Self { tagged: BTreeSet::from([Stage::Prod]) }
    }
}
