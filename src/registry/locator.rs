//! From places in a text to what people are shown of it.
//!
//! Somebody may have put a file of 8 MiB on one line and a mistake into every
//! word of it, and hooks wait while it is told. So a problem costs as much as
//! the piece of its line that is quoted, not as the line.

use std::{cell::Cell, ops::Range};

use super::{Problem, problem::Fault, text::line_starts};

/// How much of a long line is quoted, in characters.
const QUOTED: usize = 160;
/// How far around a quoted piece is looked for the rest of a URL, in bytes.
const AROUND: usize = 4 << 10;

/// Turns places (byte offsets) in a text into [`Problem`]s.
pub(super) struct Locator<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// In order, and apart from each other.
    secret: Vec<Range<usize>>,
    /// An offset and its column, to count the next one's from there.
    counted: Cell<(usize, usize)>,
}

impl<'a> Locator<'a> {
    /// For a text without byte order mark; `secret` are spans never to quote.
    pub fn new(text: &'a str, secret: Vec<Range<usize>>) -> Self {
        Self { text, starts: line_starts(text), secret: merged(secret), counted: Cell::new((0, 0)) }
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
        let next = self.starts.get(line).copied().unwrap_or(self.text.len());
        let end = start + self.text[start..next].trim_end_matches(['\r', '\n']).len();
        let column = self.column(start, at);
        let (from, to, skipped) = self.window(start..end, at.min(end), column);
        let snippet = self.masked(start..end, from..to);
        let Fault { rule, message, fix, repo } = fault;
        Problem { rule, repo, line, column: column + 1, message, fix, snippet, caret: column - skipped }
    }

    /// The column of an offset in the line that begins at `start`, from 0.
    fn column(&self, start: usize, at: usize) -> usize {
        let (from, before) = match self.counted.get() {
            (from, before) if (start..=at).contains(&from) => (from, before),
            _ => (start, 0),
        };
        let column = before + self.text[from..at].chars().count();
        self.counted.set((at, column));
        column
    }

    /// What is quoted of a line: where it begins and ends, and how many
    /// characters are before it. All of a short line; of a long one a piece
    /// around `at`, with as much after as before it if there is that much.
    fn window(&self, line: Range<usize>, at: usize, column: usize) -> (usize, usize, usize) {
        let after = self.text[at..line.end].chars().take(QUOTED + 1).count();
        let before = self.text[line.start..at].chars().rev().take(QUOTED + 1).count();
        if before + after <= QUOTED {
            return (line.start, line.end, 0);
        }
        let back = before.min((QUOTED / 2).max(QUOTED.saturating_sub(after)));
        let mut from = at;
        for char in self.text[line.start..at].chars().rev().take(back) {
            from -= char.len_utf8();
        }
        let to = from + self.text[from..line.end].chars().take(QUOTED).map(char::len_utf8).sum::<usize>();
        (from, to, column.saturating_sub(back))
    }

    /// A piece of a line without what must not be shown.
    fn masked(&self, line: Range<usize>, piece: Range<usize>) -> String {
        let first = self.secret.partition_point(|span| span.end <= piece.start);
        let secret = self.secret[first..].iter().take_while(|span| span.start < piece.end);
        let hidden = merged(secret.cloned().chain(self.users(line, &piece)).collect());
        let mut hidden = hidden.iter().peekable();
        let mut shown = String::with_capacity(piece.len());
        for (at, char) in self.text[piece.clone()].char_indices() {
            let at = piece.start + at;
            while hidden.next_if(|span| span.end <= at).is_some() {}
            shown.push(match char {
                _ if hidden.peek().is_some_and(|span| span.contains(&at)) => '*',
                '\t' => ' ',
                char if char.is_control() => char::REPLACEMENT_CHARACTER,
                char => char,
            });
        }
        shown
    }

    /// Where users and passwords of URLs stand, for a piece of a line. Of a URL
    /// that begins or ends far from it, more is taken for these than may be.
    fn users(&self, line: Range<usize>, piece: &Range<usize>) -> Vec<Range<usize>> {
        let from = self.boundary(piece.start.saturating_sub(AROUND)).max(line.start);
        let to = self.boundary(piece.end.saturating_add(AROUND).min(line.end)).max(piece.end);
        let text = &self.text[from..to];
        // What of an authority that begins at `start` is a user and password.
        let user = |start: usize| {
            let is_end = |char: char| char.is_whitespace() || matches!(char, '/' | '?' | '#');
            let end = match text[start..].find(is_end) {
                Some(length) => start + length,
                // Who knows what comes.
                None if to < line.end => return Some(start..text.len()),
                None => text.len(),
            };
            text[start..end].rfind('@').map(|at| start..start + at)
        };
        // Perhaps the URL that this is in begins further left.
        let mut users = Vec::from_iter(user(0).filter(|_| from > line.start));
        let mut next = 0;
        while let Some(scheme) = text[next..].find("://") {
            next += scheme + 3;
            users.extend(user(next));
        }
        users.into_iter().map(|span| from + span.start..from + span.end).collect()
    }

    /// The next place where no character is cut.
    fn boundary(&self, mut at: usize) -> usize {
        while !self.text.is_char_boundary(at) {
            at += 1;
        }
        at
    }
}

/// Spans in order, those that touch as one.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
