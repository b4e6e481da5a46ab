//! Looks at a whole repository.
//!
//! The order is what keeps it consistent: git's metadata first and at one
//! moment, then its loose objects, then its packs (see [`Mode`]); work trees
//! whenever there is time, while git says what it ignores in them.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    thread,
};

use super::{
    CaptureError,
    files::{alternates, read_small},
    head::head,
    ignored::{Ignored, ask_all},
    known::Known,
    layout::{Layout, outermost},
    metadata::{Contents, Metadata, burst},
    mode::Mode,
    notes::Notes,
    tree::{DirId, Tree},
    walk::{Start, Top, Walked, lstat, walk},
};
use crate::{
    git::{Git, GitError, Head, Location, absolute},
    probe::store::Stat,
};

/// What was so the last time and most likely still is, so that everything can be
/// looked at at once. It need not be true.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// Directories that git ignored.
    ignored: HashSet<PathBuf>,
    /// Work trees of nested repositories and submodules.
    nested: Vec<PathBuf>,
    /// Git directories in nested work trees.
    git_dirs: Vec<PathBuf>,
}

/// A repository as it was found.
#[derive(Debug)]
pub(super) struct Scan {
    /// The main root, and those that are not beneath one.
    pub roots: Vec<PathBuf>,
    pub tree: Tree,
    /// git's small files that are not as the store has them.
    pub contents: Contents,
    pub head: Head,
    /// Where git's metadata is, for looking at it again.
    pub git_dirs: Vec<PathBuf>,
    pub held: HashSet<PathBuf>,
    pub metadata: Vec<(PathBuf, Stat)>,
    /// What could not be looked at.
    pub unreadable: Notes,
    /// What did not hold still.
    pub moved: Notes,
    pub hints: Hints,
}

struct Scanner<'a> {
    git: &'a Git,
    env: bool,
    known: Option<&'a Known>,
    /// Tops of work trees, and git directories, that are in any case captured.
    forced: Vec<PathBuf>,
    scan: Scan,
    /// What was walked and has no place yet.
    tops: Vec<Top>,
    /// Directories of git that are to be walked next.
    later: Vec<Start>,
    dot_gits: Vec<(PathBuf, bool)>,
    /// Parts of git directories that are links.
    links: Vec<PathBuf>,
    answers: HashMap<PathBuf, Result<Ignored, GitError>>,
    /// All that is not to be captured.
    ignored: Vec<Ignored>,
    /// Directories that were not entered because git ignored them once.
    skipped: HashSet<PathBuf>,
    /// Work trees of which it was asked what is ignored.
    asked: HashSet<PathBuf>,
    /// What has been looked at, or for, once.
    seen: HashSet<PathBuf>,
}

/// Looks at the repository. Of git's files those are read that are not `known`.
pub(super) fn scan(
    git: &Git,
    path: &Path,
    env: bool,
    hints: Option<&Hints>,
    known: Option<&Known>,
) -> Result<Scan, CaptureError> {
    let layout = Layout::of(path)?;
    let mut work_trees = layout.work_trees.clone();
    let mut git_dirs = layout.git_dirs.clone();
    let tops: Vec<PathBuf> = work_trees.iter().filter_map(|tree| tree.work_tree.clone()).collect();
    if let Some(hints) = hints {
        let nested = hints.nested.iter().filter_map(|top| Location::at(top).ok());
        work_trees.extend(nested.filter(|nested| nested.work_tree.is_some()));
        git_dirs.extend(hints.git_dirs.iter().cloned());
        git_dirs = outermost(git_dirs);
    }
    let mut scanner = Scanner {
        git,
        env,
        known,
        forced: tops.iter().chain(&layout.git_dirs).cloned().collect(),
        scan: Scan {
            roots: Vec::new(),
            tree: Tree::default(),
            contents: Contents::new(),
            head: Head::default(),
            held: git_dirs.iter().chain(&tops).cloned().collect(),
            git_dirs: Vec::new(),
            metadata: Vec::new(),
            unreadable: Notes::default(),
            moved: Notes::default(),
            hints: Hints::default(),
        },
        tops: Vec::new(),
        later: Vec::new(),
        dot_gits: Vec::new(),
        links: Vec::new(),
        answers: HashMap::new(),
        ignored: Vec::new(),
        skipped: HashSet::new(),
        asked: work_trees.iter().filter_map(|tree| tree.work_tree.clone()).collect(),
        seen: HashSet::new(),
    };
    let ask = || ask_all(git, &work_trees, env);
    let starts: Vec<Start> = tops.into_iter().map(|path| Start { path, mode: Mode::Work }).collect();
    match hints {
        Some(hints) => thread::scope(|scope| {
            let asked = scope.spawn(ask);
            scanner.skipped.clone_from(&hints.ignored);
            scanner.metadata(&git_dirs);
            scanner.read_head(&layout.location)?;
            scanner.walk(starts);
            // A thread that panicked has answered nothing, which is seen below.
            scanner.answers = asked.join().unwrap_or_default();
            Ok::<_, CaptureError>(())
        })?,
        None => {
            // Whether a huge directory is ignored is better known before.
            scanner.answers = ask();
            let answers = scanner.answers.values().flatten();
            scanner.skipped = answers.flat_map(|ignored| ignored.dirs.iter().cloned()).collect();
            scanner.metadata(&git_dirs);
            scanner.read_head(&layout.location)?;
            scanner.walk(starts);
        }
    }
    // What is ignored must be known, or too much would be captured.
    for tree in &layout.work_trees {
        let top = tree.work_tree.as_deref().unwrap_or(&tree.git_dir);
        let gone = || GitError::Gone { path: top.into() };
        let error = match scanner.answers.remove(top).unwrap_or_else(|| Err(gone())) {
            Ok(answer) => {
                scanner.answers.insert(top.into(), Ok(answer));
                continue;
            }
            Err(error) => error,
        };
        if *tree == layout.location {
            return Err(error.into());
        }
        scanner.pass_over(top, &error);
    }
    scanner.complete();
    scanner.tell_what_was_passed_over(&layout, &Layout::of(path)?);
    let Scanner { mut scan, forced, .. } = scanner;
    if scan.tree.find_dir(layout.main()).is_none() {
        let told = scan.unreadable.lines().into_iter().next();
        let message = told.unwrap_or_else(|| "it went while it was looked at".into());
        return Err(CaptureError::Unreadable { path: layout.main().into(), message });
    }
    let is_found = |root: &PathBuf| scan.tree.find(root).is_some();
    let found: Vec<PathBuf> = forced.into_iter().filter(is_found).collect();
    scan.roots = layout.roots(&found, is_found);
    Ok(scan)
}

impl Scanner<'_> {
    /// Leaves out a linked work tree, and tells why.
    fn pass_over(&mut self, top: &Path, error: &GitError) {
        self.forced.retain(|forced| forced != top);
        if self.scan.tree.tops.remove(top).is_none() {
            self.scan.tree.cut(top, &self.forced);
        }
        self.scan
            .unreadable
            .add(top, format!("is left out, since git can't tell what it ignores there: {error}"));
    }

    /// Reads the metadata in these git directories.
    fn metadata(&mut self, git_dirs: &[PathBuf]) {
        let wanted = |path: &Path, stat: &_| !self.known.is_some_and(|known| known.has(path, stat));
        let Metadata { walked, files, contents, is_steady } = burst(git_dirs, &self.scan.held, &wanted);
        if !is_steady {
            for path in git_dirs {
                self.scan.moved.add(path, "git kept changing it");
            }
        }
        self.scan.git_dirs.extend_from_slice(git_dirs);
        self.scan.metadata.extend(files);
        self.scan.metadata.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.scan.contents.extend(contents);
        self.take(walked);
    }

    fn read_head(&mut self, location: &Location) -> Result<(), GitError> {
        self.scan.head = head(self.git, location, &self.scan.contents)?;
        Ok(())
    }

    /// Walks from `starts` and what is due with them, then the packs, and puts
    /// everything in its place.
    fn walk(&mut self, mut starts: Vec<Start>) {
        let mut held: HashSet<PathBuf> = self.scan.held.clone();
        held.extend(self.skipped.iter().cloned());
        starts.append(&mut self.later);
        let known = self.known;
        let lookup = |path: &Path, stat: &_| known?.tree(path, stat).cloned();
        for _ in 0..2 {
            if !starts.is_empty() {
                let walked = walk(std::mem::take(&mut starts), &held, &lookup);
                self.take(walked);
            }
            // What a walk of objects leaves for later is their packs.
            starts.append(&mut self.later);
        }
        self.place();
    }

    fn take(&mut self, walked: Walked) {
        let Walked { dirs, tops, dot_gits, later, links, locks: _, errors, unsteady } = walked;
        let first = self.scan.tree.adopt(dirs);
        self.tops.extend(
            tops.into_iter().map(|top| Top { dir: top.dir.map(|DirId(id)| DirId(id + first)), ..top }),
        );
        self.dot_gits.extend(dot_gits);
        self.links.extend(links);
        self.later.extend(later);
        for (path, error) in errors {
            self.scan.unreadable.add(&path, format!("cannot be read: {error}"));
        }
        for path in unsteady {
            self.scan.moved.add(&path, "changed while it was looked at");
        }
    }

    fn place(&mut self) {
        // Those above come before those beneath.
        self.tops.sort_by(|one, other| one.path.cmp(&other.path));
        for Top { path, stat, dir } in std::mem::take(&mut self.tops) {
            let tree = &mut self.scan.tree;
            let is_forced = self.forced.contains(&path);
            let is_expected = path.parent().is_some_and(|parent| tree.find_dir(parent).is_some());
            if is_forced || is_expected {
                tree.attach(&path, stat, dir, &lstat);
            }
        }
    }

    /// Leaves out what is ignored, and goes on until nothing is missing.
    fn complete(&mut self) {
        loop {
            // A nested repository in which git doesn't work is kept whole.
            self.ignored.extend(std::mem::take(&mut self.answers).into_values().filter_map(Result::ok));
            self.leave_out();
            let mut starts = self.wrongly_skipped();
            let (git_dirs, work_trees) = self.nested(&mut starts);
            for root in &self.forced {
                let is_there = self.scan.tree.find_dir(root).is_some() || self.scan.git_dirs.contains(root);
                if !is_there && self.seen.insert(root.clone()) {
                    starts.push(Start { path: root.clone(), mode: Mode::Work });
                }
            }
            let (more_git_dirs, alternates) = self.alternates();
            if !more_git_dirs.is_empty() || !git_dirs.is_empty() {
                self.metadata(&[git_dirs, more_git_dirs].concat());
            }
            starts.extend(alternates);
            if starts.is_empty() && self.later.is_empty() && work_trees.is_empty() {
                return self.place();
            }
            self.answers = ask_all(self.git, &work_trees, self.env);
            self.walk(starts);
        }
    }

    /// Nothing may be missing without a word: a directory that nobody looked into is
    /// none that is empty, and work trees come and go.
    fn tell_what_was_passed_over(&mut self, layout: &Layout, now: &Layout) {
        if now.work_trees != layout.work_trees {
            let place = layout.location.common_dir.join("worktrees");
            self.scan.moved.add(&place, "work trees came, went or moved meanwhile");
        }
        for (path, error) in &now.unreadable {
            self.scan.unreadable.add(path, format!("cannot be read: {error}"));
        }
        for link in std::mem::take(&mut self.links) {
            let is_captured = fs::canonicalize(&link).is_ok_and(|it| self.scan.tree.find(&it).is_some());
            if !is_captured && self.scan.tree.find(&link).is_some() {
                self.scan.unreadable.add(&link, "it is a link, and what it leads to is not captured");
            }
        }
        for path in self.scan.tree.unwalked() {
            if !self.scan.unreadable.has(&path) {
                self.scan.moved.add(&path, "went or changed before it was looked into");
            }
        }
    }

    /// Of what was walked since, too.
    fn leave_out(&mut self) {
        for Ignored { dirs, files } in &self.ignored {
            for path in dirs.iter().chain(files) {
                self.scan.tree.cut(path, &self.forced);
            }
            for path in dirs {
                self.skipped.remove(path);
                self.scan.hints.ignored.insert(path.clone());
            }
        }
    }

    /// Directories that are not ignored any more.
    fn wrongly_skipped(&mut self) -> Vec<Start> {
        let skipped = std::mem::take(&mut self.skipped).into_iter();
        let present = skipped.filter(|path| self.scan.tree.find(path).is_some());
        present.map(|path| Start { path, mode: Mode::Work }).collect()
    }

    /// Git directories and work trees of nested repositories that are to be
    /// captured and are not yet; what is called `.git` and is none gets a start.
    fn nested(&mut self, starts: &mut Vec<Start>) -> (Vec<PathBuf>, Vec<Location>) {
        let (mut git_dirs, mut work_trees) = (Vec::new(), Vec::new());
        for (path, is_directory) in std::mem::take(&mut self.dot_gits) {
            let Some(top) = path.parent() else { continue };
            if self.scan.tree.find(&path).is_none() {
                continue;
            }
            let location = Location::at(top).ok().filter(|at| at.work_tree.as_deref() == Some(top));
            if location.is_some() && !self.scan.hints.nested.iter().any(|known| known == top) {
                let is_own = self.forced.iter().any(|forced| forced == top);
                self.scan.hints.nested.extend((!is_own).then(|| top.to_path_buf()));
            }
            if is_directory {
                if location.is_none() && Location::at(&path).is_err() {
                    starts.push(Start { path: path.clone(), mode: Mode::Plain });
                } else {
                    let is_own = self.forced.contains(&path);
                    self.scan.hints.git_dirs.extend((!is_own).then(|| path.clone()));
                    let is_known = self.scan.git_dirs.contains(&path);
                    git_dirs.extend((!is_known).then(|| path.clone()));
                }
            }
            let Some(location) = location else { continue };
            // Where the git directory is elsewhere, and nobody else's.
            if location.git_dir == location.common_dir
                && !location.git_dir.starts_with(top)
                && !self.scan.git_dirs.iter().any(|known| location.git_dir.starts_with(known))
                && !git_dirs.contains(&location.git_dir)
            {
                self.forced.push(location.git_dir.clone());
                git_dirs.push(location.git_dir.clone());
            }
            if self.asked.insert(top.into()) {
                work_trees.push(location);
            }
        }
        (git_dirs, work_trees)
    }

    /// Directories of objects that others refer to, and are not captured yet.
    fn alternates(&mut self) -> (Vec<PathBuf>, Vec<Start>) {
        let files: Vec<PathBuf> = self.scan.metadata.iter().map(|(path, _)| path.clone()).collect();
        let (mut infos, mut starts) = (Vec::new(), Vec::new());
        for file in files.into_iter().filter(|path| path.ends_with("info/alternates")) {
            let Some(objects) = file.ancestors().nth(2) else { continue };
            // One that others borrow from is called as people like.
            let is_objects =
                objects.ends_with("objects") || self.forced.iter().any(|forced| forced == objects);
            if !is_objects || !self.seen.insert(file.clone()) {
                continue;
            }
            let text = match self.scan.contents.get(&file) {
                Some(bytes) => Ok(bytes.to_vec()),
                None => read_small(&file),
            };
            let text = text.unwrap_or_else(|error| {
                self.scan.unreadable.add(&file, format!("cannot be read: {error}"));
                Vec::new()
            });
            for other in alternates(&text) {
                let other = absolute(objects, &other);
                let other = match fs::canonicalize(&other) {
                    Ok(other) => other,
                    Err(error) => {
                        let what = format!("objects that are borrowed from there cannot be read: {error}");
                        self.scan.unreadable.add(&other, what);
                        continue;
                    }
                };
                if self.scan.tree.find(&other).is_none() && self.seen.insert(other.clone()) {
                    infos.push(other.join("info"));
                    self.forced.push(other.clone());
                    starts.push(Start { path: other, mode: Mode::Objects });
                }
            }
        }
        (infos, starts)
    }
}
