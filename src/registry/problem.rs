use std::{fmt, ops::Range};

use super::{model::user_info, text::line_starts};

/// How much of a long line is quoted, in characters.
const QUOTED: usize = 160;

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
            message: format!("the file is empty (or gone); the last good state with {kept} stays in force"),
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

/// Turns places (byte offsets) in a text into [`Problem`]s.
pub(super) struct Locator<'a> {
    text: &'a str,
    starts: Vec<usize>,
    secret: Vec<Range<usize>>,
}

impl<'a> Locator<'a> {
    /// For a text without byte order mark; `secret` are spans never to quote.
    pub fn new(text: &'a str, secret: Vec<Range<usize>>) -> Self {
        Self { text, starts: line_starts(text), secret }
    }

    /// The line of an offset, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// The problem at an offset.
    pub fn problem(&self, at: usize, fault: Fault) -> Problem {
        let at = at.min(self.text.len());
        let line = self.line(at);
        let start = self.starts[line - 1];
        let column = self.text[start..at].chars().count();
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        let shown: Vec<char> = self.masked(start, self.text[start..end].trim_end_matches(['\r', '\n']));
        let (from, caret) = if shown.len() <= QUOTED {
            (0, column)
        } else {
            let from = column.saturating_sub(QUOTED / 2).min(shown.len() - QUOTED);
            (from, column - from)
        };
        let snippet = shown.iter().skip(from).take(QUOTED).collect();
        let Fault { rule, message, fix, repo } = fault;
        Problem { rule, repo, line, column: column + 1, message, fix, snippet, caret }
    }

    /// A line, character by character, without what must not be shown.
    fn masked(&self, start: usize, line: &str) -> Vec<char> {
        let mut hidden: Vec<Range<usize>> = self.secret.clone();
        let mut from = 0;
        while let Some(scheme) = line[from..].find("://") {
            let word = &line[from..];
            let length =
                word[scheme + 3..].find(char::is_whitespace).map_or(word.len(), |at| scheme + 3 + at);
            if let Some((first, last)) = user_info(&word[..length]) {
                hidden.push(start + from + first..start + from + last);
            }
            from += scheme + 3;
        }
        line.char_indices()
            .map(|(at, char)| match char {
                _ if hidden.iter().any(|span| span.contains(&(start + at))) => '*',
                '\t' => ' ',
                char if char.is_control() => char::REPLACEMENT_CHARACTER,
                char => char,
            })
            .collect()
    }
}
