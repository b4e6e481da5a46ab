use super::{ChangeKind, Facts, Finding, Rule, RuleId, Settings, Severity, Status, switch_off};

/// Refuses new and changed GitHub workflows: what they did, the governor does
/// locally. Deleting them, or moving them elsewhere, is welcome.
pub(super) struct Workflows;

impl Rule for Workflows {
    fn id(&self) -> RuleId {
        RuleId::Workflows
    }

    fn judge(&self, facts: &Facts<'_>, _: &Settings, out: &mut Vec<Finding>) {
        if !facts.repo.registered || facts.repo.status == Status::Archived {
            return;
        }
        for change in facts.changes {
            if change.kind == ChangeKind::Deleted || !is_workflow(&change.path) {
                continue;
            }
            let what = match change.kind {
                ChangeKind::Added => "a new",
                ChangeKind::Renamed => "a file was moved here: it becomes a",
                _ => "a changed",
            };
            out.push(Finding {
                rule: self.id(),
                severity: Severity::Error,
                path: change.path.clone(),
                line: 0,
                message: format!(
                    "{what} GitHub workflow; repositories that kpmo governs run no workflow files"
                ),
                fix: "leave it out, or move it to old-archive/, where it is kept and runs nowhere".to_owned(),
                way_around: switch_off(self.id()),
                fingerprint: String::new(),
            });
        }
    }
}

/// Whether GitHub would run the file: directly in `.github/workflows/` at the
/// repository's root, `.yml` or `.yaml`.
fn is_workflow(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b".github/workflows/") else { return false };
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    !name.contains(&b'/')
        && [&b"yml"[..], b"yaml"].iter().any(|extension| name[dot + 1..].eq_ignore_ascii_case(extension))
}
