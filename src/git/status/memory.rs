use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    super::{Git, GitError, HooksPath, Location, hooks_path, reachable},
    Answer, WorkState, ask,
    listing::Listing,
    nested, places, quick,
    stamp::{self, PathKey, Stamp},
    tree::{self, Ignored, Walked},
    users::{Users, UsersNow, may_move_hooks},
};

/// Most repositories that are remembered.
const MOST: usize = 10_000;
/// Most ignored paths that are remembered of one repository, and of all: eight
/// bytes each.
const MOST_IGNORED: usize = 50_000;
const MOST_IGNORED_OF_ALL: usize = 500_000;
/// Most bytes of listings that are kept of all; without one, directories are read.
const MOST_LISTED_OF_ALL: usize = 16 << 20;

/// What repositories were like when they were last looked at, kept in memory.
#[derive(Debug, Default)]
pub struct Memory {
    users: OnceLock<Users>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_git_dir: HashMap<PathBuf, Arc<Entry>>,
    ignored: usize,
    listed: usize,
}

#[derive(Debug)]
struct Entry {
    location: Location,
    /// Of all but the work tree.
    places: Stamp,
    tree: Tree,
    listing: Option<Listing>,
    ignored: Ignored,
    asked: Vec<String>,
    seen: Seen,
}

/// A work tree's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    /// There is no work tree.
    None,
    /// There is no stamp that is certain to tell each change.
    Unknown,
    Stamped(Stamp),
}

impl Tree {
    fn stamped(stamp: Option<Stamp>) -> Self {
        stamp.map_or(Self::Unknown, Self::Stamped)
    }
}

impl Entry {
    /// The work tree as it is now.
    fn tree(&self) -> Tree {
        match (&self.location.work_tree, &self.listing) {
            (None, _) => Tree::None,
            (Some(top), Some(listing)) => Tree::stamped(listing.stamp(top)),
            (Some(top), None) => {
                Tree::stamped(tree::walk(top, &self.ignored, &mut ()).map(|walked| walked.stamp))
            }
        }
    }

    fn listed(&self) -> usize {
        self.listing.as_ref().map_or(0, Listing::len)
    }
}

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The work tree and what is around it.
    pub work: WorkState,
    /// `core.hooksPath`, if it is set.
    pub hooks_path: Option<HooksPath>,
    /// How many of the commits that were asked about a ref or HEAD leads to.
    pub reachable: u32,
}

/// One look at any number of repositories, in which the user's own configuration
/// is looked at once.
#[derive(Debug)]
pub struct Look<'a> {
    git: &'a Git,
    memory: &'a Memory,
    users: Option<(&'a Users, UsersNow)>,
    began: i64,
}

impl Memory {
    /// Begins a look.
    pub fn look<'a>(&'a self, git: &'a Git) -> Look<'a> {
        if self.users.get().is_none()
            && let Some(users) = Users::of(git)
        {
            // Another look may have been first, and found the same.
            let _ = self.users.set(users);
        }
        let users = self.users.get();
        let began = stamp::now();
        Look { git, memory: self, users: users.and_then(|users| Some((users, users.now()?))), began }
    }

    #[cfg(test)]
    pub(super) fn has(&self, location: &Location) -> bool {
        self.known().by_git_dir.contains_key(&location.git_dir)
    }

    /// As if there had been too many names to be kept.
    #[cfg(test)]
    pub(super) fn forget_names(&self) {
        let mut known = self.known();
        known.listed = 0;
        for entry in known.by_git_dir.values_mut() {
            Arc::get_mut(entry).expect("nobody is looking").listing = None;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, location: &Location) {
        if let Some(entry) = self.by_git_dir.remove(&location.git_dir) {
            self.ignored -= entry.ignored.len();
            self.listed -= entry.listed();
        }
    }

    fn keep(&mut self, mut entry: Entry) {
        self.forget(&entry.location);
        if self.by_git_dir.len() >= MOST || self.ignored + entry.ignored.len() > MOST_IGNORED_OF_ALL {
            // Rather all anew than a choice which nobody could foresee.
            *self = Self::default();
        }
        if self.listed + entry.listed() > MOST_LISTED_OF_ALL {
            entry.listing = None;
        }
        self.ignored += entry.ignored.len();
        self.listed += entry.listed();
        self.by_git_dir.insert(entry.location.git_dir.clone(), Arc::new(entry));
    }
}

impl Look<'_> {
    /// What `location` is like now, and how many of `commits` a ref or HEAD of it
    /// leads to.
    pub fn at(&self, location: &Location, commits: &[String]) -> Result<Seen, GitError> {
        let places = self.places(location);
        let known = self.memory.known().by_git_dir.get(&location.git_dir).cloned();
        let known = known.filter(|known| Some(known.places) == places && known.location == *location);
        let known = known.filter(|known| known.asked == commits);
        if let Some(known) = known {
            let tree = known.tree();
            if tree == known.tree && tree != Tree::Unknown {
                return Ok(known.seen.clone());
            }
        }
        self.anew(location, commits, places)
    }

    /// The stamp of all but the work tree; `None`: nothing can be remembered.
    fn places(&self, location: &Location) -> Option<Stamp> {
        let (users, now) = self.users.as_ref()?;
        let mut stamp = places::stamp(location, PathKey::default())?;
        stamp.merge(now.stamp);
        stamp.merge(users.named_by(location)?);
        Some(stamp)
    }

    fn anew(&self, location: &Location, commits: &[String], places: Option<Stamp>) -> Result<Seen, GitError> {
        let began = stamp::now();
        // For git's programs and libgit2 alike.
        self.git.trust(location)?;
        let (work, ignored, walked) = self.ask(location, places.is_some())?;
        let tree = match &location.work_tree {
            None => Tree::None,
            Some(_) => Tree::stamped(walked.as_ref().map(|walked| walked.stamp)),
        };
        let seen = Seen {
            work,
            hooks_path: self.hooks_path(location)?,
            reachable: reachable(self.git, location, commits)?,
        };
        let kept = places.filter(|stamp| stamp.is_older_than(self.began.min(began)));
        let is_settled = match tree {
            Tree::None => true,
            Tree::Unknown => false,
            Tree::Stamped(stamp) => stamp.is_older_than(began),
        };
        let mut known = self.memory.known();
        match kept {
            Some(places) if is_settled && ignored.len() <= MOST_IGNORED => known.keep(Entry {
                location: location.clone(),
                places,
                tree,
                listing: walked.and_then(|walked| walked.listing),
                ignored,
                asked: commits.to_vec(),
                seen: seen.clone(),
            }),
            _ => known.forget(location),
        }
        Ok(seen)
    }

    /// Also what is ignored, and the work tree as a walk of it found it, if it is to
    /// be kept.
    fn ask(
        &self,
        location: &Location,
        is_kept: bool,
    ) -> Result<(WorkState, Ignored, Option<Walked>), GitError> {
        if let Some((_, now)) = self.users.filter(|(_, now)| !now.says_branches)
            && let Some((work, walked)) = quick::clean(self.git, location, !now.may_convert)
        {
            return Ok((work, Ignored::default(), Some(walked)));
        }
        let Answer { state, ignored } = ask(self.git, location)?;
        let ignored = Ignored::new(&ignored);
        let top = location.work_tree.as_deref().filter(|_| is_kept);
        let walked = top.and_then(|top| nested::walk(self.git, location, top, &ignored));
        Ok((state, ignored, walked))
    }

    fn hooks_path(&self, location: &Location) -> Result<Option<HooksPath>, GitError> {
        let is_unset = self.users.is_some_and(|(_, now)| !now.says_hooks_path) && !may_move_hooks(location);
        if is_unset { Ok(None) } else { hooks_path(self.git, location) }
    }
}
