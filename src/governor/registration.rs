//! What the ledger knows of a repository from the moment that it is registered:
//! where its branches stood then. Without that, all that was there before would
//! be taken for new when something happens in it.
//!
//! An entry can be without this record: people write entries by hand, and a
//! governor can die between its edit and the record. So whoever meets such an
//! entry completes it, and a thread that nobody waits for looks at all of them.

use sha2::{Digest, Sha256};

use super::{Error, Governor};
use crate::{
    fs::shown,
    git::{self, Location},
    ledger::{EventDraft, EventKind, Filter},
    registry::Repo,
};

/// The attribute of `repo-added` that holds where branches stood then.
pub(super) const HEADS: &str = "heads";
/// Most branches that are noted.
pub(super) const HEADS_MAX: usize = 1_000;

/// What the ledger is told of a registered repository; the same event whoever
/// tells it, so that it is recorded once.
pub(super) fn added(repo: &Repo, heads: &[String]) -> EventDraft {
    let mut draft = EventDraft::new(EventKind::RepoAdded, "governor");
    if let Some(id) = &repo.id {
        let digest = Sha256::new().chain_update(EventKind::RepoAdded.as_str()).chain_update(id).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        draft.event_id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    }
    draft.repo_id.clone_from(&repo.id);
    draft.attributes.insert("name".into(), repo.name.clone());
    draft.attributes.insert("path".into(), shown(&repo.local_path));
    if !heads.is_empty() {
        draft.attributes.insert(HEADS.into(), heads.join(" "));
    }
    draft
}

impl Governor {
    /// Records a registered repository that the ledger does not know yet, and has
    /// its first snapshot taken; whether it was one.
    pub(super) fn complete_registration(&self, repo: &Repo, location: &Location) -> Result<bool, Error> {
        let Some(id) = &repo.id else { return Ok(false) };
        let about = Filter { kinds: vec![EventKind::RepoAdded], repo_id: Some(id.clone()) };
        if !self.ledger.read(1, 1, &about)?.is_empty() {
            return Ok(false);
        }
        let heads = git::heads(&self.git, location, HEADS_MAX)?;
        self.ledger.append(added(repo, &heads))?;
        self.want_snapshot(Some(id), "added");
        Ok(true)
    }

    /// The same for an id, where there is time, and what came since by no event is
    /// judged; whether the ledger knows the repository now. One that is not there is
    /// not known before it is.
    pub(super) fn complete_by_id(&self, id: &str) -> bool {
        let document = self.registry.view().document;
        let Some(repo) = document.repos.iter().find(|repo| repo.id.as_deref() == Some(id)) else {
            return false;
        };
        let completed = Location::at(&repo.local_path).map_err(Error::from).and_then(|location| {
            if !self.complete_registration(repo, &location)? {
                self.judge_missed(repo, &location)?;
            }
            Ok(())
        });
        if let Err(error) = &completed {
            tracing::debug!(id, %error, "where its branches stand can't be told now");
        }
        completed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_recorded_once() {
        let repo = |id: &str| Repo { id: Some(id.into()), name: "app".into(), ..Repo::default() };
        let (one, two) = (added(&repo("a"), &[]), added(&repo("a"), &["1".into(), "2".into()]));
        assert_eq!(one.event_id, two.event_id);
        assert_ne!(one.event_id, added(&repo("b"), &[]).event_id);
        assert_eq!((one.attributes.get(HEADS), two.attributes[HEADS].as_str()), (None, "1 2"));
    }
}
