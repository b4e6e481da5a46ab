//! `policy.yml` and `governor.yml`: read, checked, and kept as immutable versions.
//!
//! Both files overlay embedded defaults (`config/` of the source tree) key by
//! key, so that a user's file names only what is to be otherwise. A file that
//! can't be used is refused as a whole, with its place; what was in force stays
//! in force, which is for the caller to see to.

mod governor;
mod layer;
mod value;
mod yaml;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use crate::rules::EffectivePolicy;
pub use governor::{
    Budgets, GovernorSettings, HookSettings, Keep, LogLevel, OnUnreachable, ScanSettings, SnapshotSettings,
    Unreachable,
};
pub use yaml::ConfigError;

use layer::{Layer, PolicyFile};

/// The defaults that users get, as a commented file.
pub const DEFAULT_POLICY: &str = include_str!("../../config/policy.yml");

/// The defaults that users get, as a commented file.
pub const DEFAULT_SETTINGS: &str = include_str!("../../config/governor.yml");

/// Reads `policy.yml`; an absent file is the embedded defaults.
///
/// # Errors
/// The file can't be read, is no YAML, or says what kpmo doesn't understand.
pub fn load_policy(path: &Path) -> Result<PolicyVersion, ConfigError> {
    let defaults: PolicyFile = yaml::parse(Path::new("the embedded policy.yml"), DEFAULT_POLICY)?;
    let users = match yaml::read(path)? {
        Some(text) => yaml::parse(path, &text)?,
        None => PolicyFile::default(),
    };
    Ok(PolicyVersion::of(&defaults, users))
}

/// Reads `governor.yml`; an absent file is the embedded defaults.
///
/// # Errors
/// As for [`load_policy`].
pub fn load_settings(path: &Path) -> Result<GovernorSettings, ConfigError> {
    let defaults = yaml::parse(Path::new("the embedded governor.yml"), DEFAULT_SETTINGS)?;
    let mut settings = GovernorSettings::default();
    settings.apply(&defaults);
    if let Some(text) = yaml::read(path)? {
        settings.apply(&yaml::parse(path, &text)?);
    }
    Ok(settings)
}

/// One state of the policy. Cheap to clone; never changes.
#[derive(Clone)]
pub struct PolicyVersion(Arc<Inner>);

struct Inner {
    base: EffectivePolicy,
    tags: BTreeMap<String, Layer>,
    repos: BTreeMap<String, Layer>,
    digest: String,
    // The levels that apply, by name: few of the fleet's repositories have any.
    effective: Mutex<HashMap<LevelNames, Arc<EffectivePolicy>>>,
}

/// The tags and the repository that have levels of their own, in order.
type LevelNames = (Vec<String>, Option<String>);

impl Default for PolicyVersion {
    /// The embedded defaults.
    fn default() -> Self {
        let defaults = yaml::parse(Path::new("the embedded policy.yml"), DEFAULT_POLICY)
            .expect("the embedded policy is tested to be in good order");
        Self::of(&defaults, PolicyFile::default())
    }
}

impl PolicyVersion {
    fn of(defaults: &PolicyFile, users: PolicyFile) -> Self {
        let mut base = EffectivePolicy::default();
        defaults.base.apply(&mut base);
        users.base.apply(&mut base);
        let (mut tags, mut repos) = (defaults.tags.clone(), defaults.repos.clone());
        tags.extend(users.tags);
        repos.extend(users.repos);
        let digest = digest(&base, &tags, &repos);
        Self(Arc::new(Inner { base, tags, repos, digest, effective: Mutex::default() }))
    }

    /// SHA-256 in hexadecimal of what the policy says (not of how the file is
    /// written) and of kpmo's version: a verdict is good for one digest, and new
    /// rules judge again.
    pub fn digest(&self) -> String {
        self.0.digest.clone()
    }

    /// Whether there are settings for the repository of this name.
    pub fn names_repo(&self, name: &str) -> bool {
        self.0.repos.contains_key(name)
    }

    /// The tags, and the names of repositories, that have settings of their own.
    pub fn levels(&self) -> (impl Iterator<Item = &str>, impl Iterator<Item = &str>) {
        (self.0.tags.keys().map(String::as_str), self.0.repos.keys().map(String::as_str))
    }

    /// What holds for a repository with these tags, in the registry's order;
    /// `None` for a repository that the registry doesn't have.
    pub fn effective(&self, repo_name: Option<&str>, tags: &[String]) -> Arc<EffectivePolicy> {
        let inner = &*self.0;
        let tags: Vec<String> = tags.iter().filter(|tag| inner.tags.contains_key(*tag)).cloned().collect();
        let repo = repo_name.filter(|name| inner.repos.contains_key(*name)).map(str::to_owned);
        let mut known = inner.effective.lock().unwrap_or_else(PoisonError::into_inner);
        let names = (tags, repo);
        if let Some(policy) = known.get(&names) {
            return Arc::clone(policy);
        }
        let mut policy = inner.base.clone();
        let levels = names.0.iter().filter_map(|tag| inner.tags.get(tag));
        for level in levels.chain(names.1.as_ref().and_then(|name| inner.repos.get(name))) {
            level.apply(&mut policy);
        }
        let policy = Arc::new(policy);
        known.insert(names, Arc::clone(&policy));
        policy
    }
}

impl fmt::Debug for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyVersion").field("digest", &self.0.digest).finish_non_exhaustive()
    }
}

fn digest(base: &EffectivePolicy, tags: &BTreeMap<String, Layer>, repos: &BTreeMap<String, Layer>) -> String {
    #[derive(Serialize)]
    struct Canonical<'a> {
        kpmo: &'a str,
        base: &'a EffectivePolicy,
        tags: &'a BTreeMap<String, Layer>,
        repos: &'a BTreeMap<String, Layer>,
    }
    let content = Canonical { kpmo: env!("CARGO_PKG_VERSION"), base, tags, repos };
    let json = serde_json::to_vec(&content).expect("maps with string keys and finite numbers are JSON");
    hex::encode(Sha256::digest(json))
}
