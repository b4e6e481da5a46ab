//! What went wrong while a snapshot was taken.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use super::Reading;
use crate::fs::shown;

/// How many are told one by one.
const TOLD: usize = 20;
/// How many are remembered, so that memory stays bounded.
const REMEMBERED: usize = 10_000;

/// What went wrong, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    what: BTreeMap<PathBuf, String>,
    more: u64,
}

impl Notes {
    pub fn add(&mut self, path: &Path, what: impl Into<String>) {
        if self.what.len() < REMEMBERED {
            self.what.entry(path.into()).or_insert_with(|| what.into());
        } else {
            self.more += 1;
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.more += other.more;
        for (path, what) in other.what {
            self.add(&path, what);
        }
    }

    /// Whether there is one of this path, or may be.
    pub fn has(&self, path: &Path) -> bool {
        self.what.contains_key(path) || self.more > 0
    }

    pub fn is_empty(&self) -> bool {
        self.what.is_empty()
    }

    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.what.keys()
    }

    /// A line each, and one for those beyond the first few.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.what.iter().take(TOLD).map(|(path, what)| format!("{}: {what}", shown(path))).collect();
        let untold = self.what.len().saturating_sub(TOLD) as u64 + self.more;
        if untold > 0 {
            lines.push(format!("and {untold} more"));
        }
        lines
    }
}

/// Sees what happens while files are read, on whatever threads that is.
#[derive(Default)]
pub(super) struct Witness {
    /// What could not be read.
    unreadable: Mutex<Notes>,
    /// What changed meanwhile.
    moved: Mutex<Notes>,
    /// Files that were opened.
    pub opened: AtomicU64,
    /// Bytes that were read.
    pub read: AtomicU64,
    /// Nothing more is to be read.
    pub stop: AtomicBool,
    /// Called before a file is opened.
    #[cfg(test)]
    before_open: Option<super::BeforeOpen>,
}

impl Witness {
    #[cfg(test)]
    pub fn telling(self, before_open: Option<super::BeforeOpen>) -> Self {
        Self { before_open, ..self }
    }

    /// Whether a test wants this file not to be opened.
    #[cfg(test)]
    pub fn before_open(&self, path: &Path) -> io::Result<()> {
        self.before_open.as_ref().map_or(Ok(()), |before| before(path))
    }

    pub fn cannot(&self, path: &Path, error: &io::Error) {
        let is_gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            || error.kind() == io::ErrorKind::InvalidInput
            || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if is_gone {
            self.moved(path, "went, or was replaced, before it was read");
        } else {
            lock(&self.unreadable).add(path, format!("cannot be read: {error}"));
        }
    }

    pub fn moved(&self, path: &Path, what: &str) {
        lock(&self.moved).add(path, what);
    }

    /// How far reading has come, of `total_bytes`. Of files that have grown no more
    /// is read than there was.
    pub fn reading(&self, total_bytes: u64) -> Reading {
        let bytes = self.read.load(Relaxed).min(total_bytes);
        Reading { files: self.opened.load(Relaxed), bytes, total_bytes }
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// What could not be read, and what changed.
    pub fn notes(&self) -> (Notes, Notes) {
        (lock(&self.unreadable).clone(), lock(&self.moved).clone())
    }
}

fn lock(notes: &Mutex<Notes>) -> std::sync::MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}
