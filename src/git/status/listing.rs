//! The names that a walk of a work tree came upon, kept so that the next one need
//! not read its directories: one whose times are the same has the same names.

use std::{ffi::CStr, path::Path};

use rustix::fd::OwnedFd;

use super::{
    stamp::{Facts, PathKey, Stamp},
    tree,
};

/// Longest listing of one work tree: about 100,000 names.
const LONGEST: usize = 2 << 20;

/// What was come upon, in its order, each with a NUL at its end: a file's name;
/// `/NAME` for a directory, followed by what is in it and a `/` alone; `//PATH`,
/// from the top, for another repository's work tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing(Box<[u8]>);

/// Writes a listing, unless it gets too long.
#[derive(Debug)]
pub(super) struct Recorder(Option<Vec<u8>>);

impl Recorder {
    pub fn new() -> Self {
        Self(Some(Vec::new()))
    }

    pub fn file(&mut self, name: &CStr) {
        self.add(b"", name.to_bytes());
    }

    pub fn enter(&mut self, name: &CStr) {
        self.add(b"/", name.to_bytes());
    }

    pub fn leave(&mut self) {
        self.add(b"/", b"");
    }

    pub fn nested(&mut self, path: &[u8]) {
        self.add(b"//", path);
    }

    fn add(&mut self, mark: &[u8], name: &[u8]) {
        self.0 = self.0.take().filter(|kept| kept.len() + name.len() < LONGEST).map(|mut kept| {
            kept.extend(mark);
            kept.extend(name);
            kept.push(0);
            kept
        });
    }

    /// `None`: it got too long.
    pub fn end(self) -> Option<Listing> {
        self.0.map(|kept| Listing(kept.into()))
    }
}

impl Listing {
    /// How many bytes of memory it takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The stamp of the work tree at `top`, as a walk of it would give it if its
    /// directories still have these names; where they have not, their times say so,
    /// and it is another stamp than that of the walk that was recorded. `None`:
    /// something is not there, or can't be looked at.
    pub fn stamp(&self, top: &Path) -> Option<Stamp> {
        let (mut dir, facts) = tree::open_top(top)?;
        let dev = facts.dev;
        let mut stamp = Stamp::default();
        let mut at = PathKey::default();
        stamp.add(at, &facts);
        let mut above: Vec<(OwnedFd, PathKey)> = Vec::new();
        for entry in self.0.split_inclusive(|byte| *byte == 0) {
            match entry {
                b"/\0" => (dir, at) = above.pop()?,
                [b'/', b'/', path @ .., _] => stamp.merge(tree::nested(top, path)?),
                [b'/', name @ ..] => {
                    let (path, name) = (at.join(name.strip_suffix(b"\0")?), c_str(name)?);
                    let facts = Facts::at(&dir, name).ok().filter(|facts| facts.dev == dev)?;
                    stamp.add(path, &facts);
                    let inner = tree::open_dir(&dir, name)?;
                    above.push((std::mem::replace(&mut dir, inner), at));
                    at = path;
                }
                name => {
                    let facts = Facts::at(&dir, c_str(name)?).ok().filter(|facts| facts.dev == dev)?;
                    stamp.add(at.join(name.strip_suffix(b"\0")?), &facts);
                }
            }
        }
        Some(stamp)
    }
}

fn c_str(name: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_with_nul(name).ok()
}
