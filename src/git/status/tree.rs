//! The work tree, looked at as `git status` does: every file that is not ignored.

use std::{ffi::CStr, path::Path};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Dir, FileType, Mode, OFlags},
};

use super::{
    places,
    stamp::{Facts, PathKey, Stamp, is_exact},
};
use crate::{fs::path_from, git::Location};

/// How deep directories may lie in each other: one descriptor each is open.
const DEEPEST: usize = 200;

/// Most files that are looked at, if the index does not name about as many: git
/// need not look at each of a million that it does not know in one directory.
const MOST: u64 = 50_000;
/// Least bytes of an index entry with a short path.
const ENTRY: u64 = 64;

/// Paths that git ignores; what is in these directories is not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored(Box<[PathKey]>);

impl Ignored {
    pub fn new(paths: &[Vec<u8>]) -> Self {
        let mut keys: Vec<PathKey> = paths.iter().map(|path| PathKey::default().below(path)).collect();
        keys.sort_unstable();
        Self(keys.into())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn contains(&self, path: PathKey) -> bool {
        !self.0.is_empty() && self.0.binary_search(&path).is_ok()
    }
}

/// A file that was come upon.
pub(super) struct Found<'a> {
    /// Stands for its path from the top of the work tree.
    pub path: PathKey,
    /// The directory that it is in.
    pub dir: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a CStr,
    pub facts: &'a Facts,
}

/// Who is told of each file, and may end the walk by saying false.
pub(super) trait Visitor {
    fn see(&mut self, found: &Found<'_>) -> bool;
}

impl Visitor for () {
    fn see(&mut self, _: &Found<'_>) -> bool {
        true
    }
}

/// A work tree that was walked.
pub(super) struct Walked {
    pub stamp: Stamp,
    /// Paths of other repositories' work trees in it, from its top. Of these only
    /// what they have checked out is in the stamp.
    pub nested: Vec<Vec<u8>>,
}

/// The stamp of a work tree; `None`: something can't be looked at, or not in a
/// way that is certain to tell each change, or it is too much.
pub(super) fn walk(top: &Path, ignored: &Ignored, visitor: &mut impl Visitor) -> Option<Stamp> {
    walk_telling(top, ignored, visitor).map(|walked| walked.stamp)
}

/// As [`walk`], with the repositories that were met.
pub(super) fn walk_telling(top: &Path, ignored: &Ignored, visitor: &mut impl Visitor) -> Option<Walked> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(top, flags, Mode::empty()).ok()?;
    if !is_exact(&dir) {
        return None;
    }
    let facts = Facts::of(&rustix::fs::fstat(&dir).ok()?);
    let mut stamp = Stamp::default();
    stamp.add(PathKey::default(), &facts);
    let mut walk = Walk {
        top,
        dev: facts.dev,
        ignored,
        visitor,
        walked: Walked { stamp, nested: Vec::new() },
        path: top.as_os_str().as_encoded_bytes().to_vec(),
        seen: 0,
        most: MOST,
    };
    walk.enter(dir, PathKey::default(), 0)?;
    Some(walk.walked)
}

struct Walk<'a, V> {
    top: &'a Path,
    dev: u64,
    ignored: &'a Ignored,
    visitor: &'a mut V,
    walked: Walked,
    /// Of the directory that is being read.
    path: Vec<u8>,
    seen: u64,
    most: u64,
}

impl<V: Visitor> Walk<'_, V> {
    fn enter(&mut self, dir: OwnedFd, at: PathKey, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let mut entries = Dir::new(dir).ok()?;
        while let Some(entry) = entries.read() {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            if matches!(bytes, b"." | b"..") || (depth == 0 && bytes == b".git") {
                continue;
            }
            let path = at.join(bytes);
            // `.gitignore`, `.gitattributes` and `.gitmodules` count also where they
            // are ignored themselves.
            if self.ignored.contains(path) && !bytes.starts_with(b".git") {
                continue;
            }
            self.count()?;
            let parent = entries.fd().ok()?;
            let facts = Facts::at(parent, name).ok()?;
            let found = Found { path, dir: parent, name, facts: &facts };
            // Another file system has another clock, or none.
            if facts.dev != self.dev || !self.visitor.see(&found) {
                return None;
            }
            if facts.kind() == FileType::Directory {
                self.descend(&found, depth)?;
            } else {
                self.walked.stamp.add(path, &facts);
            }
        }
        Some(())
    }

    /// Counts what is looked at; `None`: it is too much.
    fn count(&mut self) -> Option<()> {
        self.seen += 1;
        if self.seen > self.most {
            // Asked only here: most work trees are far smaller.
            let index = Location::at(self.top).ok()?.git_dir.join("index");
            self.most = MOST.max(2 * (Facts::of_path(&index).ok()?.size / ENTRY));
        }
        (self.seen <= self.most).then_some(())
    }

    fn descend(&mut self, found: &Found<'_>, depth: usize) -> Option<()> {
        let (at, facts) = (found.path, found.facts);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(found.dir, found.name, flags, Mode::empty()).ok()?;
        let length = self.path.len();
        self.path.push(b'/');
        self.path.extend(found.name.to_bytes());
        let done = match Facts::at(dir.as_fd(), c".git") {
            Err(rustix::io::Errno::NOENT) => {
                self.walked.stamp.add(at, facts);
                self.enter(dir, at, depth + 1)
            }
            Err(_) => None,
            // Another repository: git looks at its HEAD and no further.
            Ok(dot_git) => {
                self.walked.stamp.add(at, &facts.without_times());
                self.walked.stamp.add(at.join(b".git"), &dot_git.without_times());
                let top = self.top.as_os_str().len() + 1;
                self.walked.nested.push(self.path.get(top..)?.to_vec());
                let nested = Location::at(&path_from(&self.path)).ok()?;
                places::stamp(&nested, at).map(|nested| self.walked.stamp.merge(nested))
            }
        };
        self.path.truncate(length);
        done
    }
}
