use bstr::ByteSlice as _;

use super::{Facts, Finding, Rule, RuleId, Settings, Severity, allow_path, text};

/// Refuses the lines that git leaves where a merge did not resolve.
///
/// `=======` and `|||||||` alone prove nothing: they underline headings.
pub(super) struct ConflictMarker;

/// More than these in one file say nothing new.
const MOST_IN_A_FILE: usize = 20;

impl Rule for ConflictMarker {
    fn id(&self) -> RuleId {
        RuleId::ConflictMarker
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        for change in facts.changes {
            let Some(new) = change.new_text() else { continue };
            if settings.conflict_marker.allow_paths.matches(&change.path) {
                continue;
            }
            let spans = text::spans(new, &change.added);
            let mut lines = marked(new, &spans, b"<<<<<<< ");
            if lines.is_empty() {
                lines = marked(new, &spans, b">>>>>>> ");
            }
            let message = if facts.merging {
                "a conflict of this merge is not resolved"
            } else {
                "a conflict marker was left in the file"
            };
            out.extend(lines.into_iter().map(|line| Finding {
                rule: self.id(),
                severity: Severity::Error,
                path: change.path.clone(),
                line,
                message: message.to_owned(),
                fix: "resolve the conflict, remove the marker lines, and `git add` the file".to_owned(),
                way_around: allow_path(self.id()),
                fingerprint: String::new(),
            }));
        }
    }
}

/// 1-based numbers of the lines that start with the marker.
fn marked(new: &[u8], spans: &[text::Span], marker: &[u8]) -> Vec<u32> {
    let mut lines = Vec::new();
    for span in spans {
        let bytes = &new[span.bytes.clone()];
        let mut cursor = text::LineCursor::new(bytes);
        for at in bytes.find_iter(marker) {
            if lines.len() == MOST_IN_A_FILE {
                return lines;
            }
            if at == 0 || bytes[at - 1] == b'\n' {
                lines.push(span.first_line + cursor.seek(at).number() + 1);
            }
        }
    }
    lines
}
