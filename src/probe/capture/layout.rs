//! Where the parts of a repository are.

use std::path::{Path, PathBuf};

use crate::git::{AllLinked, GitError, Location, linked};

/// The parts of a repository that are known before anything is walked. Paths are
/// absolute and free of links.
#[derive(Debug)]
pub(super) struct Layout {
    /// The repository, as it was asked for.
    pub location: Location,
    /// Its work trees, linked ones and the main one; the one that was asked for
    /// is the first.
    pub work_trees: Vec<Location>,
    /// Its git directories, none beneath another.
    pub git_dirs: Vec<PathBuf>,
    /// Work trees of which it can't be told whether they are there.
    pub unreadable: Vec<(PathBuf, GitError)>,
}

impl Layout {
    pub fn of(path: &Path) -> Result<Self, GitError> {
        let location = Location::at(path)?;
        let mut work_trees: Vec<Location> = Vec::new();
        work_trees.extend(location.work_tree.is_some().then(|| location.clone()));
        let mut add = |other: Location| {
            if other.common_dir == location.common_dir
                && other.work_tree.is_some()
                && !work_trees.iter().any(|known| known.work_tree == other.work_tree)
            {
                work_trees.push(other);
            }
        };
        if location.git_dir != location.common_dir
            && let Ok(main) = Location::at(&location.main_path())
        {
            add(main);
        }
        let AllLinked { trees, mut unreadable } = linked(&location.common_dir);
        for linked in trees {
            match linked.locate() {
                Ok(found) => found.into_iter().for_each(&mut add),
                Err(error) => unreadable.push((linked.top, error)),
            }
        }
        let git_dirs = outermost([&location.common_dir, &location.git_dir].into_iter().cloned().collect());
        Ok(Self { location, work_trees, git_dirs, unreadable })
    }

    /// Where the repository is: the top of its work tree, or a bare repository.
    pub fn main(&self) -> &Path {
        self.location.directory()
    }

    /// The main root, then every other one that is not beneath one, of work trees
    /// and git directories those that were found.
    pub fn roots(&self, others: &[PathBuf], is_found: impl Fn(&PathBuf) -> bool) -> Vec<PathBuf> {
        let tops = self.work_trees.iter().filter_map(|tree| tree.work_tree.as_ref());
        let all = tops.chain(&self.git_dirs).filter(|root| is_found(root)).chain(others).cloned().collect();
        let main = self.main().to_path_buf();
        let rest = outermost(all).into_iter().filter(|path| *path != main);
        std::iter::once(main.clone()).chain(rest).collect()
    }
}

/// Those that are not beneath another, in order.
pub(super) fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    // A path sorts behind those above it.
    paths.sort();
    let mut outermost: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !outermost.iter().any(|above| path.starts_with(above)) {
            outermost.push(path);
        }
    }
    outermost
}
