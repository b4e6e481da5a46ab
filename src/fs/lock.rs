use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
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
    _file: File,
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
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(fs2::TryLockError::WouldBlock) => Ok(None),
            Err(fs2::TryLockError::Error(source)) => Err(source).at("lock", path),
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
