//! Credentials in added lines.
//!
//! One pass of an Aho-Corasick automaton over the added text finds keywords;
//! at each, a regular expression of that kind of secret, anchored there, tells
//! whether a value stands there; then entropy, known examples, `kpmo:allow`
//! comments and the policy's allow-lists thin the candidates out.

mod generic;
mod kinds;
mod placeholder;
mod scan;

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{Facts, Finding, Rule, RuleId, Settings, Severity, allow_fingerprint, fingerprint, text};
use kinds::KINDS;

/// More findings than these are not reported: whoever has to look through
/// them has seen enough.
const MOST_FINDINGS: usize = 200;

/// Refuses credentials in added lines.
pub(super) struct Secrets;

/// The names of the kinds of secrets, as `skip_kinds` takes them.
pub fn kind_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// Index into [`KINDS`].
    kind: usize,
    /// Where the value stands in the text.
    value: Range<usize>,
}

impl Rule for Secrets {
    fn id(&self) -> RuleId {
        RuleId::Secrets
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let settings = &settings.secrets;
        let first = out.len();
        for change in facts.changes {
            let Some(new) = change.new_text() else { continue };
            if change.added.is_empty() || settings.allow_paths.matches(&change.path) {
                continue;
            }
            for span in text::spans(new, &change.added) {
                let added = &new[span.bytes];
                let mut cursor = text::LineCursor::new(added);
                for candidate in scan::candidates(added, &change.path, settings) {
                    let value = &added[candidate.value.clone()];
                    let kind = &KINDS[candidate.kind];
                    if cursor.seek(candidate.value.start).is_allowed() {
                        continue;
                    }
                    let fingerprint =
                        fingerprint::fingerprint(facts.fingerprint_key, kind.name, &change.path, value);
                    if settings.allow.contains(&fingerprint) {
                        continue;
                    }
                    out.push(Finding {
                        rule: self.id(),
                        severity: Severity::Error,
                        path: change.path.clone(),
                        line: span.first_line + cursor.number() + 1,
                        message: format!("{} in an added line", kind.label),
                        fix: "take it out of the file and read it from the environment or `.env`; revoke it if \
                              it has ever left this machine"
                            .to_owned(),
                        way_around: allow_fingerprint(self.id(), &fingerprint),
                        fingerprint,
                    });
                    if out.len() - first == MOST_FINDINGS {
                        return;
                    }
                }
            }
        }
    }
}
