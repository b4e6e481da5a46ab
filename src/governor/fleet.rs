use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    sync::mpsc,
};

use super::{Error, Governor, Reason, hooks::state_with};
use crate::{
    fs::answering::{self, NoAnswer},
    git::{AllLinked, GitError, Linked, Location, Look, SubmoduleState, WorkState, linked},
    install::HooksState,
    registry::Repo,
};

/// A registered repository, and what it is like at this moment.
#[derive(Debug)]
pub struct RepoState {
    /// Its entry.
    pub repo: Repo,
    /// When the last snapshot was taken: known also of what is gone.
    pub last_snapshot: Option<jiff::Timestamp>,
    /// What git and the ledger say, or why they can't.
    pub now: Result<Now, Error>,
}

/// What git and the ledger say of a repository.
#[derive(Debug)]
pub struct Now {
    /// The work tree.
    pub work: WorkState,
    /// Those beside it that are there, in the order of their paths.
    pub linked: Vec<TreeState>,
    /// The submodules in it, and then those in linked work trees.
    pub submodules: Vec<TreeState>,
    /// What stands in the hooks' places.
    pub hooks: HooksState,
    /// Commits that the rules did not pass and that a ref or HEAD still has.
    pub unvalidated: u32,
}

/// A linked work tree or a submodule at this moment.
#[derive(Debug)]
pub struct TreeState {
    /// Its top, absolute; of one whose record can't be read, where that is.
    pub path: PathBuf,
    /// What it is like, or why that can't be told.
    pub work: Result<WorkState, Error>,
}

impl From<SubmoduleState> for TreeState {
    fn from(SubmoduleState { path, work }: SubmoduleState) -> Self {
        Self { path, work: work.map_err(Error::from) }
    }
}

/// How many repositories at most are located by one thread that may be left
/// waiting: one on a dead mount holds up so many others for a moment, and no more.
const AT_ONCE: usize = 8;

/// Where `repos` are.
fn locate(repos: &[Repo]) -> Vec<Result<Location, Error>> {
    let paths = repos.iter().map(|repo| repo.local_path.clone()).collect();
    let located = answering::each(paths, answering::PATIENCE, |path| Location::at(path));
    let located = repos.iter().zip(located);
    let told = |(repo, found): (&Repo, Result<Result<Location, GitError>, NoAnswer>)| {
        let found = found.map_err(|NoAnswer| Error::silent(&repo.local_path))?;
        found.map_err(|error| match Error::from(error) {
            gone if gone.reason == Reason::NotARepository => Error {
                message: format!("{}; `kpmo scan --register` finds where it is now", gone.message),
                ..gone
            },
            other => other,
        })
    };
    located.map(told).collect()
}

/// The work trees beside the main one, and the submodules in them.
fn look_at_linked(location: &Location, look: &Look<'_>) -> (Vec<TreeState>, Vec<SubmoduleState>) {
    let AllLinked { trees, unreadable } = linked(&location.common_dir);
    // They are wherever people put them.
    let located = answering::each(trees.clone(), answering::PATIENCE, Linked::locate);
    let mut submodules = Vec::new();
    let state = |(tree, located): (Linked, Result<Result<Option<Location>, GitError>, NoAnswer>)| {
        let work = match located {
            Err(NoAnswer) => Err(Error::silent(&tree.top)),
            Ok(Ok(None)) => return None,
            // It was registered by itself.
            Ok(Ok(Some(other))) if other.git_dir == location.git_dir => return None,
            Ok(Ok(Some(location))) => look.at(&location, &[]).map_err(Error::from).map(|seen| {
                submodules.extend(seen.submodules);
                seen.work
            }),
            Ok(Err(error)) => Err(error.into()),
        };
        Some(TreeState { path: tree.top, work })
    };
    let mut linked: Vec<TreeState> = trees.into_iter().zip(located).filter_map(state).collect();
    linked.extend(unreadable.into_iter().map(|(path, error)| TreeState { path, work: Err(error.into()) }));
    (linked, submodules)
}

impl Governor {
    /// Looks at `repos`, several at a time; `sink` gets them in their order,
    /// as they are done, and ends the work by returning false.
    pub fn fleet(&self, repos: &[Repo], mut sink: impl FnMut(RepoState) -> bool) {
        let _serving = self.calm.serve();
        let look = self.seen.look(&self.git);
        let next = AtomicUsize::new(0);
        // More than there are processors: some wait for a disk, or for git.
        let workers = (2 * std::thread::available_parallelism().map_or(2, usize::from)).min(16);
        // Few enough that every worker has several turns.
        let at_once = (repos.len() / (2 * workers)).clamp(1, AT_ONCE);
        let (done, states) = mpsc::sync_channel(workers);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let (done, next, look) = (done.clone(), &next, &look);
                scope.spawn(move || {
                    loop {
                        let first = next.fetch_add(at_once, Ordering::Relaxed).min(repos.len());
                        let batch = &repos[first..repos.len().min(first + at_once)];
                        if batch.is_empty() {
                            return;
                        }
                        for (at, (repo, location)) in (first..).zip(batch.iter().zip(locate(batch))) {
                            if done.send((at, self.look_at(repo, location, look))).is_err() {
                                return;
                            }
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

    fn look_at(&self, repo: &Repo, location: Result<Location, Error>, look: &Look<'_>) -> RepoState {
        let id = repo.id.as_deref();
        let last = id.and_then(|id| self.ledger.last_snapshot(id).transpose()).transpose();
        let (last_snapshot, now) = match last {
            Ok(last) => {
                let now = location.and_then(|location| self.state_of(repo, &location, look));
                (last.map(|listed| listed.snapshot.time), now)
            }
            Err(error) => (None, Err(error.into())),
        };
        RepoState { repo: repo.clone(), last_snapshot, now }
    }

    fn state_of(&self, repo: &Repo, location: &Location, look: &Look<'_>) -> Result<Now, Error> {
        let unvalidated = self.unvalidated(repo, location)?;
        let seen = look.at(location, &unvalidated)?;
        let hooks = self.hooks_state(repo, location, seen.hooks_path)?;
        if hooks != HooksState::Ok {
            self.want_healing(repo);
        }
        let hooks = state_with(hooks, location);
        let (linked, more) = look_at_linked(location, look);
        let submodules = seen.submodules.into_iter().chain(more).map(TreeState::from).collect();
        Ok(Now { work: seen.work, linked, submodules, hooks, unvalidated: seen.reachable })
    }
}
