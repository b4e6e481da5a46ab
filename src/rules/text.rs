//! Lines, spans and entropy of byte texts.

use std::ops::Range;

use bstr::ByteSlice as _;

/// A comment with this word exempts its line from `secrets` and `private-key`.
const ALLOW_WORD: &[u8] = b"kpmo:allow";

/// A run of added lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// 0-based number of the first line.
    pub first_line: u32,
    /// Where it stands in the text.
    pub bytes: Range<usize>,
}

/// The last component of a path.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The byte ranges of line ranges, in order. Ranges beyond the text are cut
/// off; a range that starts before the end of the one before it loses its head.
pub(super) fn spans(text: &[u8], lines: &[Range<u32>]) -> Vec<Span> {
    let mut spans = Vec::with_capacity(lines.len());
    let (mut line, mut at) = (0u32, 0usize);
    for range in lines {
        let first = range.start.max(line);
        if range.end <= first {
            continue;
        }
        skip_lines(text, &mut at, &mut line, first);
        let start = at;
        skip_lines(text, &mut at, &mut line, range.end);
        if start < at {
            spans.push(Span { first_line: first, bytes: start..at });
        }
        if at == text.len() {
            break;
        }
    }
    spans
}

/// Moves `at` on from the start of line `line` to the start of line `to`.
fn skip_lines(text: &[u8], at: &mut usize, line: &mut u32, to: u32) {
    while *line < to && *at < text.len() {
        *at = text[*at..].find_byte(b'\n').map_or(text.len(), |end| *at + end + 1);
        *line += 1;
    }
}

/// The line of a text that a byte stands in. Going forward through a text takes
/// time linear in the text, however many bytes are asked for and however long
/// its lines are.
#[derive(Debug)]
pub(super) struct LineCursor<'a> {
    text: &'a [u8],
    number: u32,
    line: Range<usize>,
    allowed: Option<bool>,
}

impl<'a> LineCursor<'a> {
    /// A cursor over a text, on its first line.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, number: 0, line: 0..line_end(text, 0), allowed: None }
    }

    /// Goes to the line of the byte at `at`. A line break belongs to its line.
    pub fn seek(&mut self, at: usize) -> &mut Self {
        if at < self.line.start {
            *self = Self::new(self.text);
        }
        while self.line.end < at && self.line.end < self.text.len() {
            let start = self.line.end + 1;
            self.line = start..line_end(self.text, start);
            self.number += 1;
            self.allowed = None;
        }
        self
    }

    /// The line's number, from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether the line carries the comment that exempts it.
    pub fn is_allowed(&mut self) -> bool {
        let line = &self.text[self.line.clone()];
        *self.allowed.get_or_insert_with(|| line.contains_str(ALLOW_WORD))
    }
}

/// Where the line that starts at `start` ends: at its line break or the text's end.
fn line_end(text: &[u8], start: usize) -> usize {
    text[start..].find_byte(b'\n').map_or(text.len(), |end| start + end)
}

/// Shannon entropy in bits per byte; 0 for nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of a few thousand bytes are exact in f64")]
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let len = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / len;
            -share * share.log2()
        })
        .sum()
}
