use super::{Facts, Finding, Rule, RuleId, Settings, Severity, switch_off};

/// Refuses commits of an author or committer whose e-mail address is none of the
/// registered ones. Off until some are.
pub(super) struct Identity;

impl Rule for Identity {
    fn id(&self) -> RuleId {
        RuleId::Identity
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let emails = &settings.identity.emails;
        if emails.is_empty() {
            return;
        }
        let is_foreign = |email: &&String| !emails.matches(email);
        let author = facts.commit.author.as_ref().filter(is_foreign);
        let committer = facts.commit.committer.as_ref().filter(is_foreign);
        let (who, email) = match (author, committer) {
            (Some(author), Some(committer)) if author == committer => ("author and committer", author),
            (Some(author), _) => ("author", author),
            (None, Some(committer)) => ("committer", committer),
            (None, None) => return,
        };
        out.push(Finding {
            rule: self.id(),
            severity: Severity::Error,
            path: Vec::new(),
            line: 0,
            message: format!(
                "the e-mail address of the {who} is {email:?}; registered here: {}",
                emails.patterns().join(", ")
            ),
            fix:
                "`git config user.email ADDRESS` sets it for this repository; a commit that is there already \
                  takes it by `git commit --amend --no-edit --reset-author`"
                    .to_owned(),
            way_around: format!(
                "add the address to `rules.identity.emails` in policy.yml; or {}",
                switch_off(self.id())
            ),
            fingerprint: String::new(),
        });
    }
}
