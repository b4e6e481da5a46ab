use super::{ChangeKind, Facts, Finding, Rule, RuleId, Settings, Severity, allow_path};

/// Refuses files over a size limit: git keeps every version for ever.
pub(super) struct LargeFile;

impl Rule for LargeFile {
    fn id(&self) -> RuleId {
        RuleId::LargeFile
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let settings = &settings.large_file;
        for change in facts.changes {
            // A rename adds no bytes to the repository.
            if change.new_size <= settings.limit
                || !change.is_file()
                || change.kind == ChangeKind::Renamed
                || settings.allow_paths.matches(&change.path)
            {
                continue;
            }
            out.push(Finding {
                rule: self.id(),
                severity: Severity::Error,
                path: change.path.clone(),
                line: 0,
                message: format!("{} is over the limit of {}", size(change.new_size), size(settings.limit)),
                fix: "take it out (`git rm --cached PATH`) and ignore it, or track it with Git LFS"
                    .to_owned(),
                way_around: allow_path(self.id()),
                fingerprint: String::new(),
            });
        }
    }
}

/// A size for people: one decimal where the unit is above a byte.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut unit = 0;
    // Tenths of the unit, rounded up: a file just over the limit must not be
    // shown as being of the limit's size.
    let mut scale = 1024u128;
    while unit + 1 < UNITS.len() && u128::from(bytes) >= scale * 1024 {
        scale *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(bytes) * 10).div_ceil(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}
