//! The work tree, looked at as `git status` does: every file that is not ignored.

use std::{ffi::CStr, path::Path};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Dir, FileType, Mode, OFlags},
};

use super::{
    listing::{Listing, Recorder},
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
    /// By which it can be looked at again, unless that would be too long.
    pub listing: Option<Listing>,
}

/// Opens the top of a work tree; `None`: it can't be, or it is where not every
/// change is certain to be told.
pub(super) fn open_top(top: &Path) -> Option<(OwnedFd, Facts)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(top, flags, Mode::empty()).ok().filter(|dir| is_exact(dir))?;
    let facts = Facts::of(&rustix::fs::fstat(&dir).ok()?);
    Some((dir, facts))
}

/// Opens a directory that is no link.
pub(super) fn open_dir(dir: impl AsFd, name: &CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty()).ok()
}

/// The stamp of another repository's work tree at `path` (from the top of this
/// one): git looks at its HEAD and no further.
pub(super) fn nested(top: &Path, path: &[u8]) -> Option<Stamp> {
    let place = top.join(path_from(path));
    let at = PathKey::default().below(path);
    let mut stamp = Stamp::default();
    for (key, path) in [(at, place.clone()), (at.join(b".git"), place.join(".git"))] {
        stamp.add(key, &Facts::of_path(path).ok()?.without_times());
    }
    stamp.merge(places::stamp(&Location::at(&place).ok()?, at)?);
    Some(stamp)
}

/// Looks at a work tree; `None`: something can't be looked at, or not in a way
/// that is certain to tell each change, or it is too much.
pub(super) fn walk(top: &Path, ignored: &Ignored, visitor: &mut impl Visitor) -> Option<Walked> {
    let (dir, facts) = open_top(top)?;
    let mut stamp = Stamp::default();
    stamp.add(PathKey::default(), &facts);
    let mut walk = Walk {
        top,
        dev: facts.dev,
        ignored,
        visitor,
        stamp,
        nested: Vec::new(),
        recorder: Recorder::new(),
        path: Vec::new(),
        seen: 0,
        most: MOST,
    };
    walk.enter(dir, PathKey::default(), 0)?;
    Some(Walked { stamp: walk.stamp, nested: walk.nested, listing: walk.recorder.end() })
}

struct Walk<'a, V> {
    top: &'a Path,
    dev: u64,
    ignored: &'a Ignored,
    visitor: &'a mut V,
    stamp: Stamp,
    nested: Vec<Vec<u8>>,
    recorder: Recorder,
    /// Of the directory that is being read, from the top, with a `/` before each
    /// name.
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
                self.recorder.file(name);
                self.stamp.add(path, &facts);
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
        let dir = open_dir(found.dir, found.name)?;
        let length = self.path.len();
        self.path.push(b'/');
        self.path.extend(found.name.to_bytes());
        match Facts::at(dir.as_fd(), c".git") {
            Err(rustix::io::Errno::NOENT) => {
                self.recorder.enter(found.name);
                self.stamp.add(found.path, found.facts);
                self.enter(dir, found.path, depth + 1)?;
                self.recorder.leave();
            }
            Err(_) => return None,
            Ok(_) => {
                let path = &self.path[1..];
                self.recorder.nested(path);
                self.stamp.merge(nested(self.top, path)?);
                self.nested.push(path.to_vec());
            }
        }
        self.path.truncate(length);
        Some(())
    }
}
