use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Serialize, Serializer};

use super::{RuleId, Severity};

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

/// A glob can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a glob: {reason}")]
pub struct BadGlob {
    /// The glob as it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Globs over paths of a repository.
///
/// As in `.gitignore`: `*` stays within a directory, `**` does not; a glob
/// without a slash (but for a trailing one) matches at any depth, any other
/// from the repository's root; a trailing slash means all that is beneath.
#[derive(Debug, Clone, Default)]
pub struct PathGlobs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl PathGlobs {
    /// Compiles globs. An empty list matches nothing.
    pub fn new(patterns: Vec<String>) -> Result<Self, BadGlob> {
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            let bad = |reason: String| BadGlob { pattern: pattern.clone(), reason };
            let whole = pattern.strip_suffix('/').unwrap_or(pattern);
            if whole.is_empty() {
                return Err(bad("it is empty".into()));
            }
            let mut glob = match whole.strip_prefix('/') {
                Some(anchored) => anchored.to_owned(),
                None if whole.contains('/') => whole.to_owned(),
                None => format!("**/{whole}"),
            };
            if whole.len() < pattern.len() {
                glob.push_str("/**");
            }
            let glob = GlobBuilder::new(&glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| bad(error.kind().to_string()))?;
            set.add(glob);
        }
        let set = set
            .build()
            .map_err(|error| BadGlob { pattern: patterns.join(", "), reason: error.to_string() })?;
        Ok(Self { patterns, set })
    }

    /// Whether one of the globs matches the path.
    pub fn matches(&self, path: &[u8]) -> bool {
        !self.set.is_empty() && self.set.is_match(crate::fs::path_from(path))
    }

    /// The globs as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

impl PartialEq for PathGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Serialize for PathGlobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.patterns.serialize(serializer)
    }
}
