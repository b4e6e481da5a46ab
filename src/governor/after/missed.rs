//! Commits that no event told of: made while hooks were not there, or while nobody
//! could write an event down.

use super::super::{Error, Governor};
use crate::{
    git::{self, Location},
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
        let mut made = self.made_unknown(location, id)?;
        let is_known =
            self.ledger.commit_state(id, &head)?.is_some() || self.heads_before(id)?.contains(&head);
        if is_known && made.is_empty() {
            return Ok(());
        }
        let mut tips = vec![head];
        tips.extend(git::heads(&self.git, location, MOST_TIPS)?);
        let subject = self.subject(location);
        // By this moment's registry it may be another's, or nobody's.
        if subject.id() != Some(id) {
            return Ok(());
        }
        let mut missed = self.fresh_from(&*objects, id, &tips, &made)?;
        made.retain(|commit| !missed.contains(commit));
        missed.extend(self.made_past_hooks(&*objects, id, &tips, &made));
        for commit in missed {
            let standing = self.standing(&subject, &*objects, &commit);
            if standing.known {
                continue;
            }
            self.ledger.append_later(standing.draft(&subject, id, &commit));
        }
        Ok(self.ledger.flush()?)
    }
}
