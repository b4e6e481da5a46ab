//! The files of a git directory that `git status` goes by.

use std::path::Path;

use rustix::{
    fd::OwnedFd,
    fs::{Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::stamp::{Facts, PathKey, Stamp, is_exact};
use crate::git::Location;

/// More refs than this are not looked at one by one.
const MOST: usize = 20_000;

/// What of a git directory is looked at in ways of its own, or is nothing to
/// `git status`.
const APART: [&[u8]; 8] = [b"objects", b"hooks", b"logs", b"lfs", b"modules", b"worktrees", b"refs", b"kpmo"];

/// The stamp of index, HEAD, refs, configuration, ignore rules, stash and of what
/// is under way; `None`: something can't be looked at, or not in a way that is
/// certain to tell each change.
pub(super) fn stamp(location: &Location, base: PathKey) -> Option<Stamp> {
    let mut files = Files { stamp: Stamp::default(), left: MOST };
    let own = base.join(b"\0git_dir");
    files.top(&location.git_dir, own)?;
    let mut dirs = vec![(&location.git_dir, own)];
    if location.common_dir != location.git_dir {
        let common = base.join(b"\0common_dir");
        files.top(&location.common_dir, common)?;
        dirs.push((&location.common_dir, common));
    }
    for (dir, at) in &dirs {
        for name in ["refs", "info", "reftable"] {
            files.deep(&dir.join(name), at.join(name.as_bytes()), 0)?;
        }
    }
    let (common, at) = dirs.pop()?;
    files.file(&common.join("logs/refs/stash"), at.join(b"\0stash"))?;
    // Other work trees' HEADs keep commits.
    let others = common.join("worktrees");
    if let Some(dir) = open(&others).ok()? {
        for entry in Dir::new(dir).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let (other, at) = (others.join(crate::fs::path_from(name)), at.join(name));
                files.file(&other.join("HEAD"), at.join(b"\0head"))?;
                // With reftable HEAD says nothing: it is in there.
                files.deep(&other.join("reftable"), at.join(b"\0reftable"), 0)?;
            }
        }
    }
    Some(files.stamp)
}

struct Files {
    stamp: Stamp,
    left: usize,
}

/// `None`: it is not there.
fn open(path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Files {
    /// A git directory and the files in it.
    fn top(&mut self, path: &Path, at: PathKey) -> Option<()> {
        let dir = open(path).ok()??;
        if !is_exact(&dir) {
            return None;
        }
        self.stamp.add(at, &Facts::of(&rustix::fs::fstat(&dir).ok()?));
        self.entries(dir, at, |name| !APART.contains(&name)).map(drop)
    }

    /// A directory and all that is in it, if it is there.
    fn deep(&mut self, path: &Path, at: PathKey, depth: usize) -> Option<()> {
        let Some(dir) = open(path).ok()? else { return Some(()) };
        if depth > 32 {
            return None;
        }
        self.stamp.add(at, &Facts::of(&rustix::fs::fstat(&dir).ok()?));
        for name in self.entries(dir, at, |_| true)? {
            self.deep(&path.join(crate::fs::path_from(&name)), at.join(&name), depth + 1)?;
        }
        Some(())
    }

    /// What is in a directory; returns the directories among it.
    fn entries(&mut self, dir: OwnedFd, at: PathKey, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<Vec<u8>>> {
        let mut entries = Dir::new(dir).ok()?;
        let mut dirs = Vec::new();
        while let Some(entry) = entries.read() {
            let entry = entry.ok()?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || !wanted(name.to_bytes()) {
                continue;
            }
            self.left = self.left.checked_sub(1)?;
            let facts = Facts::at(entries.fd().ok()?, name).ok()?;
            match facts.kind() {
                // What it leads to could change unnoticed.
                FileType::Symlink => return None,
                FileType::Directory => dirs.push(name.to_bytes().to_vec()),
                _ => {}
            }
            self.stamp.add(at.join(name.to_bytes()), &facts);
        }
        Some(dirs)
    }

    fn file(&mut self, path: &Path, at: PathKey) -> Option<()> {
        match Facts::of_path(path) {
            Ok(facts) if facts.kind() == FileType::Symlink => None,
            Ok(facts) => {
                self.stamp.add(at, &facts);
                Some(())
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Some(()),
            Err(_) => None,
        }
    }
}
