use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Serialize, Serializer};

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

/// Globs over whole names (of branches, of people's addresses): `*` stays within
/// what slashes divide, `**` does not.
#[derive(Debug, Clone, Default)]
pub struct NameGlobs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl NameGlobs {
    /// Compiles globs. An empty list matches nothing.
    pub fn new(patterns: Vec<String>) -> Result<Self, BadGlob> {
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            let bad = |reason: String| BadGlob { pattern: pattern.clone(), reason };
            if pattern.is_empty() {
                return Err(bad("it is empty".into()));
            }
            let glob = GlobBuilder::new(&pattern.to_lowercase())
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

    /// Whether one of the globs matches the name; case does not count.
    pub fn matches(&self, name: &str) -> bool {
        !self.set.is_empty() && self.set.is_match(name.to_lowercase())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The globs as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

impl PartialEq for NameGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Serialize for NameGlobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.patterns.serialize(serializer)
    }
}
