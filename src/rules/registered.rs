use super::{Facts, Finding, Rule, RuleId, Settings, Severity, Status, switch_off};

/// Refuses commits in an archived repository, and warns in an unknown one.
pub(super) struct Registered;

impl Rule for Registered {
    fn id(&self) -> RuleId {
        RuleId::Registered
    }

    fn judge(&self, facts: &Facts<'_>, _: &Settings, out: &mut Vec<Finding>) {
        let (severity, message, fix) = if !facts.repo.registered {
            (
                Severity::Warn,
                "kpmo does not know this repository".to_owned(),
                "register it: `kpmo repo add PATH`".to_owned(),
            )
        } else if facts.repo.status == Status::Archived {
            (
                Severity::Error,
                format!("{:?} is archived in repos.yml: nothing is to be committed here", facts.repo.name),
                format!("set `status: active` for {:?} in repos.yml, or leave it as it is", facts.repo.name),
            )
        } else {
            return;
        };
        out.push(Finding {
            rule: self.id(),
            severity,
            path: Vec::new(),
            line: 0,
            message,
            fix,
            way_around: switch_off(self.id()),
            fingerprint: String::new(),
        });
    }
}
