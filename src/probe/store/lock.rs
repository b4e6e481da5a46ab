//! Who may use the store at the same time.
//!
//! The engine writes no locks. Ours is one file beside the store: readers and
//! writers share it, who prunes has it alone. It works between processes and
//! between threads alike, and the kernel releases it when its holder dies. In it
//! stands how often the store has been pruned, so that whoever remembers
//! something of the store's content knows when that is out of date.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    time::{Duration, Instant},
};

use super::StoreError;
use crate::fs::IoContext;

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// Digits of the number in the file.
const DIGITS: usize = 20;

/// The lock of one store.
#[derive(Debug)]
pub(super) struct StoreLock {
    path: PathBuf,
    patience: Duration,
}

/// The lock, until dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub(super) struct Held {
    file: File,
    /// How often the store had been pruned when the lock was taken.
    pub(super) generation: u64,
}

impl StoreLock {
    /// The file is made when it is first taken; it is never unlinked. `patience`
    /// is how long to wait for others.
    pub(super) fn new(path: PathBuf, patience: Duration) -> Self {
        Self { path, patience }
    }

    /// Takes it together with others.
    pub(super) fn shared(&self) -> Result<Held, StoreError> {
        self.take(self.patience, fs2::FileExt::try_lock_shared)
    }

    /// Takes it alone.
    pub(super) fn alone(&self) -> Result<Held, StoreError> {
        self.take(self.patience, fs2::FileExt::try_lock)
    }

    /// Takes it alone if nobody has it now.
    pub(super) fn alone_at_once(&self) -> Result<Held, StoreError> {
        self.take(Duration::ZERO, fs2::FileExt::try_lock)
    }

    fn take(
        &self,
        patience: Duration,
        try_lock: impl Fn(&File) -> Result<(), fs2::TryLockError>,
    ) -> Result<Held, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .at("open the lock file", &self.path)?;
        let deadline = Instant::now() + patience;
        loop {
            match try_lock(&file) {
                Ok(()) => break,
                Err(fs2::TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StoreError::Busy);
                }
                Err(fs2::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(fs2::TryLockError::Error(source)) => return Err(source).at("lock", &self.path)?,
            }
        }
        let mut text = [0; DIGITS];
        let read = file.read_at(&mut text, 0).at("read the lock file", &self.path)?;
        let text = str::from_utf8(&text[..read]).unwrap_or_default().trim();
        Ok(Held { file, generation: text.parse().unwrap_or(0) })
    }

    /// Notes that the store is about to be pruned. Before, not after: a prune
    /// that is killed may have removed something.
    pub(super) fn next_generation(&self, held: &mut Held) -> Result<(), StoreError> {
        held.generation += 1;
        let text = format!("{:0DIGITS$}", held.generation);
        held.file.write_all_at(text.as_bytes(), 0).at("write the lock file", &self.path)?;
        Ok(())
    }
}
