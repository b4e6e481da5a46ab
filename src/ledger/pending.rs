use std::collections::HashMap;

use super::{CommitState, ListedSnapshot, Projection, snapshots::PendingSnapshots};

/// What events that are not written yet project: lookups see it at once.
///
/// Each entry carries the ticket of the event it comes from, so that the
/// writing of an older event does not take away what a newer one says.
#[derive(Debug, Default)]
pub(super) struct Pending {
    verdicts: HashMap<[String; 4], (bool, u64)>,
    commits: HashMap<[String; 2], (CommitState, u64)>,
    /// `None`: it is to be forgotten.
    snapshots: HashMap<String, (Option<ListedSnapshot>, u64)>,
}

impl Pending {
    /// Notes what the event of this ticket projects.
    pub fn add(&mut self, repo_id: &str, projection: &Projection, ticket: u64) {
        match projection {
            Projection::Verdict { base_tree, tree, policy, passed } => {
                self.verdicts.insert(verdict_key(repo_id, base_tree, tree, policy), (*passed, ticket));
            }
            Projection::Commits { ids, state } => {
                self.commits.extend(ids.iter().map(|id| (commit_key(repo_id, id), (*state, ticket))));
            }
            Projection::Judged { commit, state, base_tree, tree, policy } => {
                let key = verdict_key(repo_id, base_tree, tree, policy);
                self.verdicts.insert(key, (state.passed(), ticket));
                self.commits.insert(commit_key(repo_id, commit), (*state, ticket));
            }
            Projection::Snapshot(record) => {
                let listed = ListedSnapshot { repo_id: repo_id.to_owned(), snapshot: (**record).clone() };
                self.snapshots.insert(record.id.clone(), (Some(listed), ticket));
            }
            Projection::Forgotten { ids } => {
                self.snapshots.extend(ids.iter().map(|id| (id.clone(), (None, ticket))));
            }
        }
    }

    /// Forgets what the event of this ticket projects: it was written, or will
    /// never be.
    pub fn remove(&mut self, repo_id: &str, projection: &Projection, ticket: u64) {
        match projection {
            Projection::Verdict { base_tree, tree, policy, .. } => {
                self.remove_verdict(&verdict_key(repo_id, base_tree, tree, policy), ticket);
            }
            Projection::Commits { ids, .. } => {
                for id in ids {
                    self.remove_commit(&commit_key(repo_id, id), ticket);
                }
            }
            Projection::Judged { commit, base_tree, tree, policy, .. } => {
                self.remove_verdict(&verdict_key(repo_id, base_tree, tree, policy), ticket);
                self.remove_commit(&commit_key(repo_id, commit), ticket);
            }
            Projection::Snapshot(record) => self.remove_snapshot(&record.id, ticket),
            Projection::Forgotten { ids } => ids.iter().for_each(|id| self.remove_snapshot(id, ticket)),
        }
    }

    fn remove_verdict(&mut self, key: &[String; 4], ticket: u64) {
        if self.verdicts.get(key).is_some_and(|(_, of)| *of == ticket) {
            self.verdicts.remove(key);
        }
    }

    fn remove_commit(&mut self, key: &[String; 2], ticket: u64) {
        if self.commits.get(key).is_some_and(|(_, of)| *of == ticket) {
            self.commits.remove(key);
        }
    }

    fn remove_snapshot(&mut self, id: &str, ticket: u64) {
        if self.snapshots.get(id).is_some_and(|(_, of)| *of == ticket) {
            self.snapshots.remove(id);
        }
    }

    /// Snapshots that were taken, and those that are to be forgotten.
    pub fn snapshots(&self) -> PendingSnapshots {
        self.snapshots.iter().map(|(id, (listed, _))| (id.clone(), listed.clone())).collect()
    }

    pub fn verdict(&self, repo_id: &str, base_tree: &str, tree: &str, policy: &str) -> Option<bool> {
        if self.verdicts.is_empty() {
            return None;
        }
        self.verdicts.get(&verdict_key(repo_id, base_tree, tree, policy)).map(|(passed, _)| *passed)
    }

    /// Verdicts of a repository by this policy: base tree, tree, and whether it
    /// passed.
    pub fn verdicts_of(&self, repo_id: &str, policy: &str) -> Vec<(String, String, bool)> {
        self.verdicts
            .iter()
            .filter(|([of, _, _, by], _)| of == repo_id && by == policy)
            .map(|([_, base_tree, tree, _], (passed, _))| (base_tree.clone(), tree.clone(), *passed))
            .collect()
    }

    pub fn commit(&self, repo_id: &str, commit_id: &str) -> Option<CommitState> {
        if self.commits.is_empty() {
            return None;
        }
        self.commits.get(&commit_key(repo_id, commit_id)).map(|(state, _)| *state)
    }

    /// Commits of a repository, with their states.
    pub fn commits_of(&self, repo_id: &str) -> Vec<(String, CommitState)> {
        self.commits
            .iter()
            .filter(|([of, _], _)| of == repo_id)
            .map(|([_, commit_id], (state, _))| (commit_id.clone(), *state))
            .collect()
    }
}

fn verdict_key(repo_id: &str, base_tree: &str, tree: &str, policy: &str) -> [String; 4] {
    [repo_id, base_tree, tree, policy].map(str::to_owned)
}

fn commit_key(repo_id: &str, commit_id: &str) -> [String; 2] {
    [repo_id, commit_id].map(str::to_owned)
}
