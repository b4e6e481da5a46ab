use std::{fmt, ops::Range};

use super::{model::user_info, text::line_starts};

/// How much of a long line is quoted, in characters.
const QUOTED: usize = 160;

/// One thing that is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a byte order mark does not count.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
    /// The line it is on, or the part of a long line around it. Control
    /// characters are replaced; credentials in URLs and the values of unknown
    /// keys are masked.
    pub snippet: String,
    /// Where in the snippet the offending text begins, in characters, from 0.
    pub caret: usize,
}

/// `LINE:COLUMN: message`, the quoted line, and a caret below the place.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}\n    ", self.line, self.column, self.message)?;
        write!(out, "{}\n    {:>width$}", self.snippet, "^", width = self.caret + 1)
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
    pub fn problem(&self, at: usize, message: String) -> Problem {
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
        Problem { line, column: column + 1, message, snippet, caret }
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
