use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{IoContext, PathError};

/// An exclusive advisory lock on a file, held until dropped.
///
/// The file is created if need be and never unlinked: unlinking a lock file
/// lets two holders lock two different files of the same name. The kernel
/// releases the lock when its holder dies, however it dies.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock, or returns `None` if somebody else holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, PathError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .at("open the lock file", path)?;
        match fs2::FileExt::try_lock(&file) {
            Ok(()) => Ok(Some(Self { file, path: path.into() })),
            Err(fs2::TryLockError::WouldBlock) => Ok(None),
            Err(fs2::TryLockError::Error(source)) => Err(source).at("lock", path),
        }
    }

    /// Writes a note for others into the lock's file, for instance who holds it.
    pub fn note(&self, text: &str) -> Result<(), PathError> {
        let written = self.file.set_len(0).and_then(|()| self.file.write_all_at(text.as_bytes(), 0));
        written.at("write to the lock file", &self.path)
    }

    /// Whether the file at `path` is the one that is locked; not so any more if
    /// somebody has removed or replaced it.
    pub fn is_still_at(&self, path: &Path) -> bool {
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        match (self.file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(ours), Ok(there)) => identity(ours) == identity(there),
            _ => false,
        }
    }

    /// Takes the lock, trying again until `patience` is over; `None` then.
    pub fn acquire_within(path: &Path, patience: Duration) -> Result<Option<Self>, PathError> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(Some(lock));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
