use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    super::{Git, GitError, HooksPath, Location, hooks_path, reachable},
    WorkState, ask,
    listing::Listing,
    nested, places, quick,
    stamp::{self, PathKey, Stamp},
    submodules::{self, Counted, Submodule},
    tree::{self, Ignored, Walked},
    users::{Users, UsersNow, may_move_hooks},
};

/// How deep submodules may lie in each other: a call of this process's each.
const DEEPEST: usize = 50;
/// Most submodules that are looked at in one repository.
const MOST_SUBMODULES: usize = 1_000;
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
    /// The commits that were asked about; `None`: not even where hooks are was asked.
    asked: Option<Vec<String>>,
    own: Own,
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
#[derive(Debug)]
pub struct Seen {
    /// The work tree and what is around it.
    pub work: WorkState,
    /// `core.hooksPath`, if it is set.
    pub hooks_path: Option<HooksPath>,
    /// How many of the commits that were asked about a ref or HEAD leads to.
    pub reachable: u32,
    /// The submodules that are checked out, each followed by those in it; without
    /// those that `git status` does not look into: by configuration, by a mark in the
    /// index, or because they are in conflict.
    pub submodules: Vec<SubmoduleState>,
}

/// What is known of a submodule.
#[derive(Debug)]
pub struct SubmoduleState {
    /// Its top, absolute.
    pub path: PathBuf,
    /// What it is like, or why that can't be told; then it is not counted in the
    /// state of what it is in.
    pub work: Result<WorkState, GitError>,
}

/// What is known of a repository without its submodules.
#[derive(Debug, Clone)]
struct Own {
    work: WorkState,
    hooks_path: Option<HooksPath>,
    reachable: u32,
    /// Those that are to be looked at, too.
    submodules: Box<[Submodule]>,
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

/// The submodules that one look came upon.
#[derive(Debug, Default)]
struct Inside {
    states: Vec<SubmoduleState>,
    /// Their git directories, and that of what they are in.
    known: HashSet<PathBuf>,
    /// No more are looked at.
    is_over: bool,
}

/// What git said of a repository.
struct Asked {
    work: WorkState,
    submodules: Vec<Submodule>,
    ignored: Ignored,
    /// The work tree as a walk of it found it, if it is to be kept.
    walked: Option<Walked>,
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
        let mut inside = Inside::default();
        inside.known.insert(location.git_dir.clone());
        let own = self.own(location, Some(commits))?;
        let work = self.count(location, own.work, &own.submodules, &mut inside, 0).work;
        let Own { hooks_path, reachable, .. } = own;
        Ok(Seen { work, hooks_path, reachable, submodules: inside.states })
    }

    /// A repository's state with what is inside its submodules.
    fn count(
        &self,
        location: &Location,
        work: WorkState,
        submodules: &[Submodule],
        inside: &mut Inside,
        depth: usize,
    ) -> Counted {
        let mut counted = Counted::new(work);
        for submodule in submodules {
            let (path, located) = submodule.locate(location.directory());
            let looked = match located {
                Ok(None) => continue,
                // It leads back to what it is in, or to another one.
                Ok(Some(inner)) if inside.known.contains(&inner.git_dir) => continue,
                Ok(Some(_)) if depth == DEEPEST || inside.states.len() >= MOST_SUBMODULES => {
                    Err(GitError::TooMany { path: path.clone() })
                }
                Ok(Some(inner)) => self.own(&inner, None).map(|own| (inner, own)),
                Err(error) => Err(error),
            };
            match looked {
                Ok((inner, own)) => {
                    inside.known.insert(inner.git_dir.clone());
                    let at = inside.states.len();
                    inside.states.push(SubmoduleState { path, work: Ok(WorkState::default()) });
                    let own = self.count(&inner, own.work, &own.submodules, inside, depth + 1);
                    submodule.count(&own, &mut counted);
                    inside.states[at].work = Ok(own.work);
                }
                Err(error) => {
                    // The next ones may take as long.
                    inside.is_over |= matches!(error, GitError::TimedOut { .. } | GitError::TooMany { .. });
                    inside.states.push(SubmoduleState { path, work: Err(error) });
                }
            }
            if inside.is_over {
                break;
            }
        }
        counted
    }

    /// A repository without its submodules; of one of these nothing else is asked
    /// than its state.
    fn own(&self, location: &Location, commits: Option<&[String]>) -> Result<Own, GitError> {
        let places = self.places(location);
        let known = self.memory.known().by_git_dir.get(&location.git_dir).cloned();
        let known = known.filter(|known| Some(known.places) == places && known.location == *location);
        let known = known.filter(|known| commits.is_none() || known.asked.as_deref() == commits);
        if let Some(known) = known {
            let tree = known.tree();
            if tree == known.tree && tree != Tree::Unknown {
                return Ok(known.own.clone());
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

    fn anew(
        &self,
        location: &Location,
        commits: Option<&[String]>,
        places: Option<Stamp>,
    ) -> Result<Own, GitError> {
        let began = stamp::now();
        // For git's programs and libgit2 alike.
        self.git.trust(location)?;
        let Asked { work, submodules, ignored, walked } = self.ask(location, places.is_some())?;
        let tree = match &location.work_tree {
            None => Tree::None,
            Some(_) => Tree::stamped(walked.as_ref().map(|walked| walked.stamp)),
        };
        let (hooks_path, reachable) = match commits {
            Some(commits) => (self.hooks_path(location)?, reachable(self.git, location, commits)?),
            None => (None, 0),
        };
        let own = Own { work, hooks_path, reachable, submodules: submodules.into() };
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
                asked: commits.map(<[String]>::to_vec),
                own: own.clone(),
            }),
            _ => known.forget(location),
        }
        Ok(own)
    }

    /// `is_kept`: what is found is to be remembered.
    fn ask(&self, location: &Location, is_kept: bool) -> Result<Asked, GitError> {
        if let Some((_, now)) = self.users.filter(|(_, now)| !now.says_branches)
            && let Some((work, walked)) = quick::clean(self.git, location, !now.may_convert)
        {
            let (submodules, ignored) = Default::default();
            return Ok(Asked { work, submodules, ignored, walked: Some(walked) });
        }
        let answer = ask(self.git, location)?;
        let ignored = Ignored::new(&answer.ignored);
        let Some(top) = &location.work_tree else {
            return Ok(Asked { work: answer.state, submodules: Vec::new(), ignored, walked: None });
        };
        let walked = if is_kept { tree::walk(top, &ignored, &mut ()) } else { None };
        let nested = nested::of(self.git, location, walked.as_ref().map(|walked| &*walked.nested))?;
        let (submodules, work) = submodules::to_look_at(self.git, location, nested.submodules, answer)?;
        // What that link leads to could change unnoticed.
        let is_link = || top.join(".gitmodules").symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        let walked = walked.filter(|_| nested.are_apart && !is_link());
        Ok(Asked { work, submodules, ignored, walked })
    }

    fn hooks_path(&self, location: &Location) -> Result<Option<HooksPath>, GitError> {
        let is_unset = self.users.is_some_and(|(_, now)| !now.says_hooks_path) && !may_move_hooks(location);
        if is_unset { Ok(None) } else { hooks_path(self.git, location) }
    }
}
