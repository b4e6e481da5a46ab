use std::{fmt, path::Path};

use crate::fs::shown;

/// How many problems a message tells.
const TOLD: usize = 10;

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)+) => {
        /// What is looked for in a registry's file, or in its predecessor's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FileRule {
            $($(#[$doc])* $rule,)+
        }

        impl FileRule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// The rule's name for scripts.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    /// The bytes are not UTF-8, or hold what YAML cannot.
    Encoding = "encoding",
    /// Too many bytes, nodes or levels.
    TooLarge = "too-large",
    /// Not one YAML document of the kind that is read here.
    Syntax = "syntax",
    /// A key that means nothing here.
    UnknownKey = "unknown-key",
    /// A key that is not there.
    MissingKey = "missing-key",
    /// The same key twice in a mapping.
    DuplicateKey = "duplicate-key",
    /// The same name twice.
    DuplicateName = "duplicate-name",
    /// The same path twice.
    DuplicatePath = "duplicate-path",
    /// The same id twice.
    DuplicateId = "duplicate-id",
    /// A list where a text should be, and so on.
    WrongType = "wrong-type",
    /// A value that the key cannot have.
    BadValue = "bad-value",
    /// A path at which nothing is.
    MissingPath = "missing-path",
    /// A path at which there is no git repository.
    NotARepository = "not-a-repository",
    /// A value of the predecessor's that has become something else.
    Converted = "converted",
    /// A value of the predecessor's that was left out.
    Dropped = "dropped",
    /// A path that leads, by links or as its `.git`, to the repository of another entry.
    SamePlace = "same-place",
}

/// What is wrong, before its place is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub rule: FileRule,
    pub message: String,
    pub fix: String,
    pub repo: Option<String>,
}

impl Fault {
    pub fn new(rule: FileRule, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), fix: String::new(), repo: None }
    }

    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// From a sentence of `rules`: what is wrong, and after a semicolon what
    /// would be right.
    pub fn value(key: &str, verdict: &str) -> Self {
        let (message, fix) = verdict.split_once("; ").unwrap_or((verdict, ""));
        Self::new(FileRule::BadValue, format!("`{key}` {message}")).fix(fix)
    }
}

/// One thing that is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which rule it breaks.
    pub rule: FileRule,
    /// The name of the entry that it is in, where that is known.
    pub repo: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a byte order mark does not count.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty where the message says it.
    pub fix: String,
    /// The line it is on, or the part of a long line around it. Control
    /// characters are replaced; credentials in URLs and the values of unknown
    /// keys are masked.
    pub snippet: String,
    /// Where in the snippet the offending text begins, in characters, from 0.
    pub caret: usize,
}

impl Problem {
    /// That a file has lost its text, while the last good state has `kept` entries.
    pub fn emptied(kept: usize) -> Self {
        let kept = if kept == 1 { "1 repository".to_owned() } else { format!("{kept} repositories") };
        Self {
            rule: FileRule::Syntax,
            repo: None,
            line: 1,
            column: 1,
            message: format!(
                "the file has no list of repositories (or is gone); the last good state with {kept} stays in force"
            ),
            fix: "write `version: 1` and `repos: []` if you mean none".to_owned(),
            snippet: String::new(),
            caret: 0,
        }
    }

    /// What is wrong and what would be right, in one sentence.
    pub fn sentence(&self) -> String {
        if self.fix.is_empty() { self.message.clone() } else { format!("{}: {}", self.message, self.fix) }
    }

    /// The quoted line, and a caret below the place.
    pub fn quoted(&self) -> String {
        let space = " ".repeat(self.caret);
        format!("    {}\n    {space}^", self.snippet.trim_end())
    }
}

/// `LINE:COLUMN: message`, the quoted line, and a caret below the place.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}\n{}", self.line, self.column, self.sentence(), self.quoted())
    }
}

/// Everything that is wrong with a file, in its order; of very much only the
/// first, and how much more there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    /// What is told.
    pub listed: Vec<Problem>,
    /// How many more there are.
    pub left_out: usize,
}

impl Problems {
    /// The first of them, each with its place in the file at `path`, and how many
    /// more there are: what fits into a message.
    pub(super) fn told(&self, path: &Path) -> (String, usize) {
        let file = shown(path);
        let told = self.listed.iter().take(TOLD).map(|problem| format!("{file}:{problem}"));
        let more = self.listed.len().saturating_sub(TOLD) + self.left_out;
        (told.collect::<Vec<_>>().join("\n"), more)
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(listed: Vec<Problem>) -> Self {
        Self { listed, left_out: 0 }
    }
}
