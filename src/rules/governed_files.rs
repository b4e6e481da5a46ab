use bstr::ByteSlice as _;

use super::{ChangeKind, Facts, Finding, Rule, RuleId, Settings, Severity, switch_off, text};

/// Refuses `.env` files, and changes inside the governor's blocks of
/// `.gitignore` files.
///
/// A block is what stands between the whole lines `# >>> kpmo NAME >>>` and
/// `# <<< kpmo NAME <<<`.
pub(super) struct GovernedFiles;

/// The blocks that the governor writes.
const BLOCKS: [&str; 2] = ["profile", "mandatory"];

impl Rule for GovernedFiles {
    fn id(&self) -> RuleId {
        RuleId::GovernedFiles
    }

    fn judge(&self, facts: &Facts<'_>, _: &Settings, out: &mut Vec<Finding>) {
        let mut report = |path: &[u8], line: u32, message: String, fix: &str| {
            out.push(Finding {
                rule: self.id(),
                severity: Severity::Error,
                path: path.to_vec(),
                line,
                message,
                fix: fix.to_owned(),
                way_around: switch_off(self.id()),
                fingerprint: String::new(),
            });
        };
        for change in facts.changes {
            let name = text::file_name(&change.path);
            let submodule = change.new_mode & 0o170_000 == 0o160_000;
            if name == b".env" && change.kind != ChangeKind::Deleted && !submodule {
                let message = ".env holds this machine's values and is never committed".to_owned();
                report(&change.path, 0, message, "`git rm --cached PATH`; add it to .gitignore");
            }
            // The governor's blocks go where the file goes: a rename keeps them,
            // and a link or submodule in its place has none.
            if name != b".gitignore" || change.kind == ChangeKind::Renamed {
                continue;
            }
            // What was not loaded can't be compared.
            let not_loaded =
                |mode: u32, bytes: Option<&[u8]>| mode & 0o170_000 == 0o100_000 && bytes.is_none();
            if not_loaded(change.old_mode, change.old.as_deref())
                || not_loaded(change.new_mode, change.new.as_deref())
            {
                continue;
            }
            let old = change.old.as_deref().unwrap_or_default();
            let new = change.new.as_deref().unwrap_or_default();
            for name in BLOCKS {
                if let Some((line, what)) = difference(&Block::of(old, name), &Block::of(new, name)) {
                    report(
                        &change.path,
                        line,
                        format!("kpmo's {name} block {what}; the governor alone writes it"),
                        "put the block back (`git checkout HEAD -- PATH`) and keep your own rules outside it",
                    );
                }
            }
        }
    }
}

/// One block of a file.
#[derive(Debug, PartialEq, Eq)]
enum Block<'a> {
    /// Neither marker is there.
    Absent,
    /// The lines between the markers, and the 1-based number of the first.
    Whole { first: u32, lines: Vec<&'a [u8]> },
    /// A marker is missing, doubled or out of order: 1-based line of one.
    Broken { line: u32 },
}

impl<'a> Block<'a> {
    fn of(file: &'a [u8], name: &str) -> Self {
        let (opening, closing) = (format!("# >>> kpmo {name} >>>"), format!("# <<< kpmo {name} <<<"));
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let lines: Vec<&[u8]> = file.lines().collect();
        let at = |marker: &str| {
            let mut found =
                (0..).zip(&lines).filter(|(_, line)| **line == marker.as_bytes()).map(|(at, _)| at);
            (found.next(), found.next())
        };
        match (at(&opening), at(&closing)) {
            ((None, _), (None, _)) => Self::Absent,
            ((Some(start), None), (Some(end), None)) if start < end => {
                Self::Whole { first: number(start + 1), lines: lines[start + 1..end].to_vec() }
            }
            ((_, Some(line)) | (Some(line), _), _) | (_, (Some(line), _)) => {
                Self::Broken { line: number(line) }
            }
        }
    }
}

/// The 1-based number of a 0-based line.
fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX - 1) + 1
}

/// Where and how a block was changed: 1-based line of the new file, 0 if the
/// block has no line there any more.
fn difference(old: &Block<'_>, new: &Block<'_>) -> Option<(u32, &'static str)> {
    match (old, new) {
        // What is mended was not comparable before, whatever stands in it now.
        (Block::Absent, Block::Absent)
        | (Block::Broken { .. }, Block::Broken { .. } | Block::Whole { .. }) => None,
        (_, Block::Absent) => Some((0, "was removed")),
        (_, Block::Broken { line }) => Some((*line, "has a missing, doubled or misplaced marker")),
        (Block::Absent, Block::Whole { first, .. }) => Some((first - 1, "was added by hand")),
        (Block::Whole { lines: old, .. }, Block::Whole { first, lines: new }) => {
            if old == new {
                return None;
            }
            let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
            Some((first + number(same) - 1, "was changed"))
        }
    }
}
