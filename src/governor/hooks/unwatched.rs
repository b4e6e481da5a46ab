//! Where the kernel has no inotify(7), nothing is watched.

use std::path::{Path, PathBuf};

use crate::git::Location;

#[derive(Debug)]
pub(super) enum Noticed {
    Repo(PathBuf),
    File(PathBuf),
    Everything,
}

#[derive(Default)]
pub(super) struct Watching;

impl Watching {
    pub(super) fn watch(&self, _repo: &Path, _location: &Location) {}

    pub(super) fn watch_file(&self, _path: &Path) {}

    pub(super) fn tell(&self, _tell: impl FnMut(Noticed)) {}

    pub(super) fn forget(&self, _repo: &Path) {}

    pub(super) fn end(&self) {}
}
