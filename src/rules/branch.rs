use super::{Facts, Finding, Rule, RuleId, Settings, Severity, switch_off};

/// Refuses direct commits on branches that the stage protects.
///
/// Which branch a commit was made on is no property of the commit, so this is
/// judged before it is made, and never afterwards.
pub(super) struct Branch;

impl Rule for Branch {
    fn id(&self) -> RuleId {
        RuleId::Branch
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let Some(branch) = &facts.commit.onto else { return };
        if !facts.repo.registered || facts.merging || !settings.branch.protects(facts.repo, branch) {
            return;
        }
        out.push(Finding {
            rule: self.id(),
            severity: Severity::Error,
            path: Vec::new(),
            line: 0,
            message: format!(
                "the branch {branch} takes no direct commits: {:?} is at the stage {}",
                facts.repo.name,
                facts.repo.stage.name()
            ),
            fix: "commit on a branch of its own (`git switch -c NAME` takes what is staged along), and merge it"
                .to_owned(),
            way_around: format!(
                "take the branch out of `rules.branch.protected.{}` in policy.yml; or {}",
                facts.repo.stage.name(),
                switch_off(self.id())
            ),
            fingerprint: String::new(),
        });
    }
}
