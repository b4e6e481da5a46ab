//! Commits that no event told of: made while hooks were not there, or while nobody
//! could write an event down.

use uuid::Uuid;

use super::super::{Error, Governor, commit::summary};
use crate::{
    git::{self, Location},
    ledger::{CommitState, EventDraft, EventKind},
    registry::Repo,
};

/// Most branches that are looked at.
const MOST_TIPS: usize = 100;

impl Governor {
    /// Judges what is new in a repository since it was registered, if HEAD tells that
    /// something is: at the governor's start, and when hooks were put in place.
    pub(in super::super) fn judge_missed(&self, repo: &Repo, location: &Location) -> Result<(), Error> {
        let Some(id) = repo.id.as_deref() else { return Ok(()) };
        let objects = git::open(&self.git, location)?;
        let Some(head) = objects.head()?.commit else { return Ok(()) };
        if self.ledger.commit_state(id, &head)?.is_some() || self.heads_before(id)?.contains(&head) {
            return Ok(());
        }
        let mut tips = vec![head];
        tips.extend(git::heads(&self.git, location, MOST_TIPS)?);
        let subject = self.subject(location);
        // By this moment's registry it may be another's, or nobody's.
        if subject.id() != Some(id) {
            return Ok(());
        }
        for commit in self.fresh_from(&*objects, id, &tips)? {
            let standing = self.standing(&subject, &*objects, &commit);
            if standing.known {
                continue;
            }
            let kind = match standing.state {
                CommitState::Validated => EventKind::HeadMoved,
                _ => EventKind::LateVerdict,
            };
            let mut draft = EventDraft::new(kind, "governor");
            draft.event_id = Uuid::now_v7();
            draft.repo_id = Some(id.to_owned());
            draft.attributes = summary(&standing.findings);
            draft.projection = Some(standing.projection(&subject, &commit));
            self.ledger.append_later(draft);
        }
        Ok(self.ledger.flush()?)
    }
}
