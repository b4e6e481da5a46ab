//! The form of `policy.yml`: levels of keys that are all optional.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use super::value::{self, Version, Wanted};
use crate::rules::{self, EffectivePolicy, NameGlobs, PathGlobs, RuleId, Severity, Stage};

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct PolicyFile {
    pub base: Layer,
    pub tags: BTreeMap<String, Layer>,
    pub repos: BTreeMap<String, Layer>,
}

impl<'de> Deserialize<'de> for PolicyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(rename = "version")]
            _version: Version,
            #[serde(default, deserialize_with = "value::scan_limit")]
            scan_limit: Option<u64>,
            #[serde(default)]
            rules: Option<Rules>,
            #[serde(default, deserialize_with = "value::map")]
            tags: BTreeMap<String, Layer>,
            #[serde(default, deserialize_with = "value::map")]
            repos: BTreeMap<String, Layer>,
        }
        let File { scan_limit, rules, tags, repos, .. } = File::deserialize(deserializer)?;
        Ok(Self { base: Layer { scan_limit, rules: rules.unwrap_or_default() }, tags, repos })
    }
}

/// One level: for all, for a tag or for a repository. What it does not name
/// stays as the levels before it left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    #[serde(default, deserialize_with = "value::scan_limit")]
    scan_limit: Option<u64>,
    #[serde(default, deserialize_with = "value::or_default")]
    rules: Rules,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Rules {
    registered: Option<Plain>,
    workflows: Option<Plain>,
    governed_files: Option<Plain>,
    secrets: Option<Secrets>,
    private_key: Option<PrivateKey>,
    conflict_marker: Option<ConflictMarker>,
    large_file: Option<LargeFile>,
    branch: Option<Branch>,
    identity: Option<Identity>,
    case_collision: Option<Plain>,
    message: Option<Message>,
    stage: Option<StageRule>,
}

/// A rule's severity as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warn,
    Off,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plain {
    severity: Option<Level>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Secrets {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::fingerprints")]
    allow: Option<BTreeSet<String>>,
    #[serde(deserialize_with = "value::globs")]
    allow_paths: Option<PathGlobs>,
    #[serde(deserialize_with = "value::secret_kinds")]
    skip_kinds: Option<BTreeSet<String>>,
    #[serde(deserialize_with = "value::entropy")]
    generic_entropy: Option<f64>,
    #[serde(deserialize_with = "value::globs")]
    generic_allow_paths: Option<PathGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PrivateKey {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::fingerprints")]
    allow: Option<BTreeSet<String>>,
    #[serde(deserialize_with = "value::globs")]
    allow_paths: Option<PathGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConflictMarker {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::globs")]
    allow_paths: Option<PathGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LargeFile {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::size")]
    limit: Option<u64>,
    #[serde(deserialize_with = "value::globs")]
    allow_paths: Option<PathGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Branch {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::or_default")]
    protected: Protected,
}

/// Stage by stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Protected {
    #[serde(deserialize_with = "value::name_globs")]
    dev: Option<NameGlobs>,
    #[serde(deserialize_with = "value::name_globs")]
    staging: Option<NameGlobs>,
    #[serde(deserialize_with = "value::name_globs")]
    prod: Option<NameGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Identity {
    severity: Option<Level>,
    #[serde(deserialize_with = "value::name_globs")]
    emails: Option<NameGlobs>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Message {
    severity: Option<Level>,
    pattern: Option<Wanted<rules::Pattern>>,
    card: Option<Card>,
    max_subject: Option<Wanted<u32>>,
}

/// Whether a card is to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Card {
    Required,
    Off,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StageRule {
    severity: Option<Level>,
    tagged: Option<BTreeSet<Stage>>,
}

impl Layer {
    /// Lays this level over what the levels before it made.
    pub fn apply(&self, policy: &mut EffectivePolicy) {
        replace(&mut policy.scan_limit, self.scan_limit.as_ref());
        let rules = &self.rules;
        let levels = [
            (RuleId::Registered, rules.registered.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Workflows, rules.workflows.as_ref().and_then(|rule| rule.severity)),
            (RuleId::GovernedFiles, rules.governed_files.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Secrets, rules.secrets.as_ref().and_then(|rule| rule.severity)),
            (RuleId::PrivateKey, rules.private_key.as_ref().and_then(|rule| rule.severity)),
            (RuleId::ConflictMarker, rules.conflict_marker.as_ref().and_then(|rule| rule.severity)),
            (RuleId::LargeFile, rules.large_file.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Branch, rules.branch.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Identity, rules.identity.as_ref().and_then(|rule| rule.severity)),
            (RuleId::CaseCollision, rules.case_collision.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Message, rules.message.as_ref().and_then(|rule| rule.severity)),
            (RuleId::Stage, rules.stage.as_ref().and_then(|rule| rule.severity)),
        ];
        for (rule, level) in levels {
            match level {
                None => {}
                Some(Level::Off) => policy.levels.set(rule, None),
                Some(Level::Warn) => policy.levels.set(rule, Some(Severity::Warn)),
                Some(Level::Error) => policy.levels.set(rule, Some(Severity::Error)),
            }
        }
        let rules::Settings {
            secrets,
            private_key,
            conflict_marker,
            large_file,
            branch,
            identity,
            message,
            stage,
        } = &mut policy.settings;
        if let Some(over) = &rules.secrets {
            secrets.allow.extend(over.allow.iter().flatten().cloned());
            replace(&mut secrets.allow_paths, over.allow_paths.as_ref());
            replace(&mut secrets.skip_kinds, over.skip_kinds.as_ref());
            replace(&mut secrets.generic_entropy, over.generic_entropy.as_ref());
            replace(&mut secrets.generic_allow_paths, over.generic_allow_paths.as_ref());
        }
        if let Some(over) = &rules.private_key {
            private_key.allow.extend(over.allow.iter().flatten().cloned());
            replace(&mut private_key.allow_paths, over.allow_paths.as_ref());
        }
        if let Some(over) = &rules.conflict_marker {
            replace(&mut conflict_marker.allow_paths, over.allow_paths.as_ref());
        }
        if let Some(over) = &rules.large_file {
            replace(&mut large_file.limit, over.limit.as_ref());
            replace(&mut large_file.allow_paths, over.allow_paths.as_ref());
        }
        if let Some(over) = &rules.branch {
            let Protected { dev, staging, prod } = &over.protected;
            for (stage, over) in [(Stage::Dev, dev), (Stage::Staging, staging), (Stage::Prod, prod)] {
                replace(&mut branch.protected[stage as usize], over.as_ref());
            }
        }
        if let Some(over) = &rules.identity {
            replace(&mut identity.emails, over.emails.as_ref());
        }
        if let Some(over) = &rules.message {
            replace(&mut message.pattern, over.pattern.as_ref().map(|wanted| &wanted.0));
            replace(&mut message.card, over.card.map(|card| card == Card::Required).as_ref());
            replace(&mut message.max_subject, over.max_subject.as_ref().map(|wanted| &wanted.0));
        }
        if let Some(over) = &rules.stage {
            replace(&mut stage.tagged, over.tagged.as_ref());
        }
    }
}

/// Takes the later level's value, if it has one.
pub(super) fn replace<T: Clone>(value: &mut T, over: Option<&T>) {
    if let Some(over) = over {
        value.clone_from(over);
    }
}
