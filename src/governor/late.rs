use std::time::{Duration, Instant};

use super::{
    Error, Governor,
    commit::{Subject, passes, trees},
};
use crate::{
    git::{Objects, empty_tree_like},
    ledger::CommitState,
    rules::Finding,
};

/// How long one commit may take when nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a commit that is there already stands with the rules.
pub(super) struct Standing {
    pub state: CommitState,
    /// Why it does not pass; empty if it does.
    pub findings: Vec<Finding>,
    /// The ledger knew it.
    pub known: bool,
    /// Why it could not be judged.
    pub error: Option<Error>,
}

impl Governor {
    /// How a commit stands: by the verdict that was given before it was made,
    /// else by judging it now. What can't be judged is unvalidated.
    pub(super) fn standing(&self, subject: &Subject, objects: &dyn Objects, commit: &str) -> Standing {
        self.standing_by(subject, objects, commit, Instant::now() + PATIENCE)
    }

    /// As [`Governor::standing`], where somebody does wait.
    pub(super) fn standing_by(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
        deadline: Instant,
    ) -> Standing {
        let known = subject.id().and_then(|id| self.ledger.commit_state(id, commit).ok().flatten());
        if let Some(state @ (CommitState::Validated | CommitState::Late)) = known {
            return Standing { state, findings: Vec::new(), known: true, error: None };
        }
        match self.judge_commit(subject, objects, commit, deadline) {
            Ok((state, findings)) => Standing { known: known == Some(state), state, findings, error: None },
            Err(error) => {
                tracing::warn!(commit, %error, "a commit could not be judged");
                Standing {
                    state: CommitState::Unvalidated,
                    findings: Vec::new(),
                    known: known == Some(CommitState::Unvalidated),
                    error: Some(error),
                }
            }
        }
    }

    fn judge_commit(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
        deadline: Instant,
    ) -> Result<(CommitState, Vec<Finding>), Error> {
        let (parent, tree, base) = trees(objects, commit)?;
        let base = base.unwrap_or_else(|| empty_tree_like(&tree).to_owned());
        if self.is_known_good(subject, &base, &tree) {
            return Ok((CommitState::Validated, Vec::new()));
        }
        let delta = objects.between(parent.as_deref(), commit)?;
        let findings = self.judge_delta(objects, &delta, subject.ground(false), deadline)?;
        let state = if passes(&findings) { CommitState::Late } else { CommitState::Unvalidated };
        Ok((state, findings))
    }
}
