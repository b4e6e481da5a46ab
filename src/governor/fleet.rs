use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    sync::mpsc,
};

use super::{Error, Governor};
use crate::{
    git::{self, Location, WorkState},
    install::HooksState,
    registry::Repo,
};

/// A registered repository, and what it is like at this moment.
#[derive(Debug)]
pub struct RepoState {
    /// Its entry.
    pub repo: Repo,
    /// What git and the ledger say, or why they can't.
    pub now: Result<Now, Error>,
}

/// What git and the ledger say of a repository.
#[derive(Debug)]
pub struct Now {
    /// The work tree.
    pub work: WorkState,
    /// What stands in the hooks' places.
    pub hooks: HooksState,
    /// Commits that the rules did not pass and that a ref or HEAD still has.
    pub unvalidated: u32,
    /// When the last snapshot was taken.
    pub last_snapshot: Option<jiff::Timestamp>,
}

impl Governor {
    /// Looks at `repos`, several at a time; `sink` gets them in their order,
    /// as they are done, and ends the work by returning false.
    pub fn fleet(&self, repos: &[Repo], mut sink: impl FnMut(RepoState) -> bool) {
        let next = AtomicUsize::new(0);
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        let (done, states) = mpsc::sync_channel(workers);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    while let Some((at, repo)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, repos.get(at)?)))
                    {
                        let state = RepoState { repo: repo.clone(), now: self.look_at(repo) };
                        if done.send((at, state)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let (mut early, mut due) = (BTreeMap::new(), 0);
            for (at, state) in &states {
                early.insert(at, state);
                while let Some(state) = early.remove(&due) {
                    due += 1;
                    if !sink(state) {
                        // The workers find nobody to tell, and end.
                        drop(states);
                        return;
                    }
                }
            }
        });
    }

    fn look_at(&self, repo: &Repo) -> Result<Now, Error> {
        let location = Location::at(&repo.local_path)?;
        let unvalidated = match &repo.id {
            Some(id) => git::reachable(&self.git, &location, &self.ledger.unvalidated(id)?)?,
            None => 0,
        };
        let last_snapshot = match &repo.id {
            Some(id) => self.ledger.last_snapshot(id)?.map(|listed| listed.snapshot.time),
            None => None,
        };
        Ok(Now {
            last_snapshot,
            work: git::work_state(&self.git, &location)?,
            hooks: self.check_hooks(repo)?.state,
            unvalidated,
        })
    }
}
