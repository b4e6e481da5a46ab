use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{LazyLock, OnceLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use bstr::ByteSlice as _;
use regex::bytes::{Regex, RegexBuilder};

use super::{
    Candidate, generic,
    kinds::{Anchor, Check, KINDS, Kind},
    placeholder,
};
use crate::rules::{SecretsSettings, text};

/// Bytes after an anchor that a match may take. Lines end it sooner.
const REACH: usize = 4096;

/// The keywords' automaton and the kinds' regular expressions, made on first use.
struct Scanner {
    keywords: AhoCorasick,
    /// For each keyword, its kind's index and its own bytes.
    owners: Vec<(usize, &'static [u8])>,
    patterns: Vec<OnceLock<Regex>>,
}

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let owners: Vec<_> = KINDS
        .iter()
        .enumerate()
        .flat_map(|(kind, row)| row.keywords.iter().map(move |keyword| (kind, keyword.as_bytes())))
        .collect();
    let keywords = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(owners.iter().map(|(_, keyword)| keyword))
        .expect("a few hundred short keywords fit");
    Scanner { keywords, owners, patterns: KINDS.iter().map(|_| OnceLock::new()).collect() }
});

impl Scanner {
    fn pattern(&self, kind: usize) -> &Regex {
        self.patterns[kind].get_or_init(|| {
            RegexBuilder::new(&format!(r"\A(?:{})", KINDS[kind].pattern))
                .unicode(false)
                .build()
                .expect("the table's patterns are valid: a test compiles each")
        })
    }
}

/// What looks like a secret in a text, in order, without overlaps.
pub(super) fn candidates(added: &[u8], path: &[u8], settings: &SecretsSettings) -> Vec<Candidate> {
    let scanner = &*SCANNER;
    let mut found: Vec<Candidate> = Vec::new();
    // Where each kind's last match ended: its keywords within are no news.
    let mut done = vec![0usize; KINDS.len()];
    let skipped: Vec<bool> = KINDS
        .iter()
        .map(|kind| {
            settings.skip_kinds.contains(kind.name)
                || (kind.check == Check::Generic && settings.generic_allow_paths.matches(path))
        })
        .collect();
    for hit in scanner.keywords.find_overlapping_iter(added) {
        let (index, keyword) = scanner.owners[hit.pattern().as_usize()];
        let kind = &KINDS[index];
        if skipped[index] || hit.start() < done[index] || (kind.exact && &added[hit.range()] != keyword) {
            continue;
        }
        let Some(start) = anchor(added, kind, hit.range()) else { continue };
        let reach = &added[start..added.len().min(start + REACH)];
        let line = &reach[..reach.find_byte(b'\n').unwrap_or(reach.len())];
        let Some(value) = value(scanner.pattern(index), kind, line, path, settings) else { continue };
        done[index] = start + value.end;
        found.push(Candidate { kind: index, value: start + value.start..start + value.end });
    }
    without_overlaps(found)
}

/// Where the kind's pattern is to match for a keyword that stands at `hit`.
fn anchor(added: &[u8], kind: &Kind, hit: Range<usize>) -> Option<usize> {
    let before = &added[..hit.start];
    match kind.anchor {
        Anchor::Context => Some(hit.start),
        Anchor::After => Some(hit.end),
        Anchor::Token => is_edge(before).then_some(hit.start),
        Anchor::Base64Url => {
            (is_edge(before) && !before.ends_with(b"-") && !before.ends_with(b"_")).then_some(hit.start)
        }
        Anchor::Before(most) => {
            let run = before.iter().rev().take(most).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let start = hit.start - run;
            is_edge(&added[..start]).then_some(start)
        }
    }
}

/// Whether a token may begin after these bytes: not in the middle of a word,
/// but after an escape such as `\n`.
fn is_edge(before: &[u8]) -> bool {
    let escaped = matches!(before, [.., b'\\', b'n' | b'r' | b't']);
    escaped || before.last().is_none_or(|last| !last.is_ascii_alphanumeric())
}

/// The place of the value in a line that begins with the anchor, if there is
/// one and nothing speaks against it.
fn value(
    pattern: &Regex,
    kind: &Kind,
    line: &[u8],
    path: &[u8],
    settings: &SecretsSettings,
) -> Option<Range<usize>> {
    let value = if kind.check == Check::Generic {
        let assignment = pattern.find(line)?;
        if generic::names_no_secret(assignment.as_bytes()) {
            return None;
        }
        generic::assigned(line, assignment.end(), path)?
    } else {
        pattern.captures(line)?.get(1)?.range()
    };
    let bytes = &line[value.clone()];
    let passes = text::entropy(bytes) >= kind.entropy
        && match kind.check {
            Check::None => true,
            Check::Url => generic::is_url_password(line, &value),
            Check::Generic => generic::is_random(bytes, settings.generic_entropy),
        }
        && !placeholder::is_placeholder(bytes);
    passes.then_some(value)
}

/// Leaves, of candidates that overlap, the one whose kind comes first.
fn without_overlaps(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_by_key(|candidate| (candidate.kind, candidate.value.start));
    let mut kept: BTreeMap<usize, Candidate> = BTreeMap::new();
    for candidate in found {
        let before = kept.range(..candidate.value.end).next_back();
        if before.is_none_or(|(_, other)| other.value.end <= candidate.value.start) {
            kept.insert(candidate.value.start, candidate);
        }
    }
    kept.into_values().collect()
}
