use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    Error, Governor,
    commit::{Subject, passes, summary},
    locked,
};
use crate::{
    git::{self, Location, Objects, empty_tree_like},
    ledger::{CommitState, EventDraft, EventKind, Projection},
    registry::Repo,
    rules::Finding,
};

/// How long one commit may take when nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long unvalidated commits may be judged anew while somebody looks at the
/// fleet, and how many of them.
const AT_A_LOOK: (Duration, usize) = (Duration::from_secs(2), 100);

/// By repository, what was judged anew, and by what: what does not pass by that
/// need not be judged again.
#[derive(Default)]
pub(super) struct Reconsidered(Mutex<HashMap<String, Tried>>);

/// Commits that were judged by one policy, and did not pass.
#[derive(Default)]
struct Tried {
    digest: String,
    commits: HashSet<String>,
}

impl Tried {
    /// Those of `commits` whose turn it is.
    fn left<'a>(&self, digest: &str, commits: &'a [String]) -> Vec<&'a String> {
        let is_left = |commit: &&String| self.digest != digest || !self.commits.contains(*commit);
        commits.iter().filter(is_left).take(AT_A_LOOK.1).collect()
    }

    /// Takes in those that were tried; of the others those are kept that are
    /// among `commits` still.
    fn note(&mut self, digest: &str, tried: HashSet<String>, commits: &[String]) {
        if self.digest != digest {
            *self = Self { digest: digest.to_owned(), commits: HashSet::new() };
        }
        self.commits.extend(tried);
        let left: HashSet<&str> = commits.iter().map(String::as_str).collect();
        self.commits.retain(|commit| left.contains(commit.as_str()));
    }
}

/// How a commit that is there already stands with the rules.
pub(super) struct Standing {
    pub state: CommitState,
    /// Why it does not pass; warnings where it does.
    pub findings: Vec<Finding>,
    /// The ledger knew it.
    pub known: bool,
    /// Why it could not be judged.
    pub error: Option<Error>,
    /// Base tree and tree, where these were judged now.
    judged: Option<(String, String)>,
}

impl Standing {
    fn known(state: CommitState) -> Self {
        Self { state, findings: Vec::new(), known: true, error: None, judged: None }
    }

    /// What the ledger is told of it, without a word of a hook's.
    pub fn draft(&self, subject: &Subject, repo_id: &str, commit: &str) -> EventDraft {
        let kind = match self.state {
            CommitState::Validated => EventKind::HeadMoved,
            _ => EventKind::LateVerdict,
        };
        let mut draft = EventDraft::new(kind, "governor");
        draft.repo_id = Some(repo_id.to_owned());
        draft.attributes = summary(&self.findings);
        draft.projection = Some(self.projection(subject, commit));
        draft
    }

    /// What the ledger is to remember of it: where its tree was judged, that
    /// verdict, too, so that a commit that is only reworded is not judged again.
    pub fn projection(&self, subject: &Subject, commit: &str) -> Projection {
        match &self.judged {
            Some((base_tree, tree)) => Projection::Judged {
                commit: commit.to_owned(),
                state: self.state,
                base_tree: base_tree.clone(),
                tree: tree.clone(),
                policy: subject.digest.clone(),
            },
            None => Projection::Commits { ids: vec![commit.to_owned()], state: self.state },
        }
    }
}

impl Governor {
    /// How a commit stands: by the verdicts that were given before it was made,
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
        if let Some(state) = known.filter(|state| state.passed()) {
            return Standing::known(state);
        }
        match self.judge_commit(subject, objects, commit, deadline) {
            Ok(judged) => Standing { known: known == Some(judged.state), ..judged },
            Err(error) => {
                tracing::warn!(commit, %error, "a commit could not be judged");
                let state = CommitState::Unvalidated;
                Standing { known: known == Some(state), error: Some(error), ..Standing::known(state) }
            }
        }
    }

    fn judge_commit(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
        deadline: Instant,
    ) -> Result<Standing, Error> {
        let read = objects.commit(commit)?;
        let parent = read.parents.first();
        let base = match parent {
            Some(parent) => objects.commit(parent)?.tree,
            None => empty_tree_like(&read.tree).to_owned(),
        };
        let facts = subject.commit_facts(&read);
        let ground = subject.ground(&facts, read.parents.len() > 1);
        if self.is_known_good(subject, &base, &read.tree) || self.passed_by_steps(subject, &base, &read.tree)
        {
            let findings = self.judge_apart(ground);
            let state = if passes(&findings) { CommitState::Validated } else { CommitState::Unvalidated };
            return Ok(Standing { findings, ..Standing::known(state) });
        }
        let delta = objects.between(parent.map(String::as_str), commit)?;
        let findings = self.judge_delta(objects, &delta, ground, deadline)?;
        let state = if passes(&findings) { CommitState::Late } else { CommitState::Unvalidated };
        Ok(Standing { findings, judged: Some((base, read.tree)), ..Standing::known(state) })
    }

    /// Whether verdicts lead from one tree to the other: an amended commit was
    /// judged against the commit that it replaces, and that one before; so were
    /// those that were squashed into one.
    fn passed_by_steps(&self, subject: &Subject, base: &str, tree: &str) -> bool {
        let Some(id) = subject.id() else { return false };
        self.ledger.passed_by_steps(id, base, tree, &subject.digest).unwrap_or_else(|error| {
            // Judging again is always right.
            tracing::warn!(%error, "verdicts could not be looked up");
            false
        })
    }

    /// The commits of a repository that are unvalidated, whether or not anything
    /// leads to them still. Where the policy has changed since they were judged,
    /// they are judged anew first.
    pub(super) fn unvalidated(&self, repo: &Repo, location: &Location) -> Result<Vec<String>, Error> {
        let Some(id) = &repo.id else { return Ok(Vec::new()) };
        let commits = self.ledger.unvalidated(id)?;
        if !commits.is_empty() && self.reconsider(id, location, &commits)? {
            return Ok(self.ledger.unvalidated(id)?);
        }
        Ok(commits)
    }

    /// Judges unvalidated commits by what is in force now, as many as a look has
    /// time for; true: some of them pass. What fails is left as it is.
    fn reconsider(&self, id: &str, location: &Location, commits: &[String]) -> Result<bool, Error> {
        let subject = self.subject(location);
        let left =
            locked(&self.reconsidered.0).entry(id.to_owned()).or_default().left(&subject.digest, commits);
        if left.is_empty() {
            return Ok(false);
        }
        let objects = git::open(&self.git, location)?;
        let deadline = Instant::now() + AT_A_LOOK.0;
        let mut is_better = false;
        let mut failed = HashSet::new();
        for (at, commit) in left.into_iter().enumerate() {
            if Instant::now() > deadline {
                break;
            }
            match self.judge_commit(&subject, &*objects, commit, deadline) {
                Ok(standing) if standing.state.passed() => {
                    let draft = standing.draft(&subject, id, commit);
                    self.ledger.append_later(EventDraft { kind: EventKind::LateVerdict, ..draft });
                    is_better = true;
                }
                // It had only what others left of the time: next time it comes first.
                Err(_) if at > 0 && Instant::now() > deadline => break,
                // What is gone, or can't be judged, stays what it is.
                Ok(_) | Err(_) => {
                    failed.insert(commit.clone());
                }
            }
        }
        let mut reconsidered = locked(&self.reconsidered.0);
        reconsidered.entry(id.to_owned()).or_default().note(&subject.digest, failed, commits);
        Ok(is_better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_has_its_turn_once_for_each_policy() {
        let commits: Vec<String> = (0..250).map(|number| number.to_string()).collect();
        let mut tried = Tried::default();
        let mut seen = Vec::new();
        for expected in [100, 100, 50, 0] {
            let left: Vec<String> = tried.left("one", &commits).into_iter().cloned().collect();
            assert_eq!(left.len(), expected);
            seen.extend(left.iter().cloned());
            tried.note("one", left.into_iter().collect(), &commits);
        }
        assert_eq!(seen, commits);
        // A new one, and one that the deadline cut off.
        let more: Vec<String> = commits.iter().cloned().chain(["new".to_owned()]).collect();
        assert_eq!(tried.left("one", &more), ["new"]);
        tried.note("one", HashSet::new(), &more);
        assert_eq!(tried.left("one", &more), ["new"]);
        assert_eq!(tried.left("another", &commits).len(), 100);
        tried.note("another", HashSet::from(["0".to_owned()]), &commits);
        assert_eq!(tried.left("another", &commits)[0], "1");
        // What passed, or is forgotten, is not kept.
        tried.note("another", HashSet::new(), &commits[1..]);
        assert!(tried.commits.is_empty());
    }
}
