use std::{io, path::PathBuf};

/// An I/O error that says what was being done, and to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PathError {
    /// What was being done, as a verb: "read", "create the directory".
    pub action: &'static str,
    /// The path it was being done to.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// The kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether the file system is out of room (disk full, quota exceeded).
    pub fn is_full(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Gives an `io::Result` its place.
pub trait IoContext<T> {
    /// Turns the error into a [`PathError`] about `action` on `path`.
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, PathError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, PathError> {
        self.map_err(|source| PathError { action, path: path.into(), source })
    }
}
