use std::{fmt, path::Path};

pub use crate::generated::kanban::ErrorReason as Reason;
use crate::{
    fs::{PathError, shown},
    git::GitError,
    install::InstallError,
    ledger::LedgerError,
    policy::ConfigError,
    probe::{HandsError, capture::CaptureError, restore::RestoreError, store::StoreError},
    registry::RegistryError,
};

/// What went wrong below, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a flow could not do what was asked: what the client is told, and apart
/// from it what only the log is told.
#[derive(Debug)]
pub struct Error {
    /// For programs.
    pub reason: Reason,
    /// For people: what, where, how to mend it.
    pub message: String,
    /// For programs: the place, by the keys that `ErrorReason` documents.
    pub metadata: Vec<(&'static str, String)>,
    /// For the log alone.
    pub cause: Option<Cause>,
}

impl Error {
    /// An error without a place.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: Vec::new(), cause: None }
    }

    /// A place that does not answer.
    pub(super) fn silent(path: &Path) -> Self {
        let path = shown(path);
        Self::new(Reason::Io, format!("{path}: its file system does not answer; is it a mount that is gone?"))
    }

    /// A malformed or missing field of a request.
    pub fn bad_request(field: &'static str, message: impl fmt::Display) -> Self {
        Self::new(Reason::BadRequest, format!("{field}: {message}")).with("field", field)
    }

    /// Adds a place.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }

    /// Adds what only the log is told.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        let reason = if error.is_full() { Reason::DiskFull } else { Reason::Io };
        Self::new(reason, error.to_string()).with("path", crate::fs::shown(&error.path)).caused_by(error)
    }
}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        let (reason, path) = match &error {
            GitError::NotARepository { path }
            | GitError::LeadsNowhere { file: path, .. }
            | GitError::Gone { path } => (Reason::NotARepository, Some(path)),
            GitError::TooMany { path }
            | GitError::Owner { path }
            | GitError::Library { path, .. }
            | GitError::Program { path, .. }
            | GitError::TimedOut { path, .. } => (Reason::Git, Some(path)),
            GitError::NoGit(_) => (Reason::Git, None),
            GitError::Io(error) => (Reason::Io, Some(&error.path)),
        };
        let path = path.map(|path| crate::fs::shown(path));
        let told = Self::new(reason, error.to_string());
        let told = match path {
            Some(path) => told.with("path", path),
            None => told,
        };
        told.caused_by(error)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        match error {
            RegistryError::Io(error) => error.into(),
            RegistryError::Invalid { path, problems } | RegistryError::NotTakenOver { path, problems } => {
                let told = Self::new(Reason::RegistryInvalid, message).with("path", crate::fs::shown(&path));
                match problems.listed.first() {
                    Some(first) => {
                        told.with("line", first.line.to_string()).with("column", first.column.to_string())
                    }
                    None => told,
                }
            }
            RegistryError::Emptied { path, .. } => Self::new(Reason::RegistryInvalid, message)
                .with("path", crate::fs::shown(&path))
                .with("line", "1")
                .with("column", "1"),
            RegistryError::Stale { current } => {
                Self::new(Reason::StaleVersion, message).with("current", current)
            }
            RegistryError::NameTaken { name } => Self::new(Reason::NameTaken, message).with("name", name),
            RegistryError::NotFound { name, nearest } => {
                let told = Self::new(Reason::RepoNotFound, message).with("selector", name);
                match nearest {
                    Some(nearest) => told.with("nearest", nearest),
                    None => told,
                }
            }
            RegistryError::EditFailed { path, .. } | RegistryError::ReadOnly { path } => {
                Self::new(Reason::RegistryInvalid, message).with("path", shown(&path))
            }
            other => Self::new(Reason::BadRequest, message).caused_by(other),
        }
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        let reason = match &error {
            LedgerError::DiskFull { .. } => Reason::DiskFull,
            LedgerError::Invalid { .. } => Reason::BadRequest,
            LedgerError::Closed => Reason::ShuttingDown,
            _ => Reason::LedgerUnavailable,
        };
        Self::new(reason, error.to_string()).caused_by(error)
    }
}

impl From<InstallError> for Error {
    fn from(error: InstallError) -> Self {
        Self::new(Reason::Io, error.to_string()).caused_by(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let (reason, path) = match &error {
            StoreError::Io(_) | StoreError::Store { .. } => (Reason::StoreUnavailable, None),
            StoreError::NoSnapshot(_) => (Reason::SnapshotNotFound, None),
            StoreError::NoPath { path } => (Reason::PathNotInSnapshot, Some(path)),
            StoreError::Busy => (Reason::StoreBusy, None),
            StoreError::Stopped => (Reason::ShuttingDown, None),
            StoreError::Full { path, .. } => (Reason::DiskFull, Some(path)),
        };
        let told = Self::new(reason, error.to_string());
        let told = match path {
            Some(path) => told.with("path", shown(path)),
            None => told,
        };
        told.caused_by(error)
    }
}

impl From<CaptureError> for Error {
    fn from(error: CaptureError) -> Self {
        let message = error.to_string();
        match error {
            CaptureError::Git(error) => error.into(),
            CaptureError::Store(error) => error.into(),
            CaptureError::TooLarge { bytes, limit, .. } => Self::new(
                Reason::TooLarge,
                format!("{message}; `kpmo snapshot --no-limit` takes it nevertheless, and `snapshots.first_limit` in governor.yml is the limit"),
            )
            .with("bytes", bytes.to_string())
            .with("limit", limit.to_string()),
            CaptureError::Unreadable { path, .. } => {
                Self::new(Reason::Io, message).with("path", shown(&path))
            }
            CaptureError::Stopped => Self::new(Reason::ShuttingDown, message),
        }
    }
}

impl From<RestoreError> for Error {
    fn from(error: RestoreError) -> Self {
        let message = error.to_string();
        let (reason, path) = match &error {
            RestoreError::Store(_) | RestoreError::Git(_) => (Reason::Unspecified, None),
            RestoreError::Io(error) => (Reason::Io, Some(error.path.clone())),
            RestoreError::Dirty { path, .. } => (Reason::DirtyTarget, Some(path.clone())),
            RestoreError::Target { path, .. } => (Reason::BadTarget, Some(path.clone())),
            RestoreError::NoPath { path, .. } => (Reason::PathNotInSnapshot, Some(path.clone())),
            RestoreError::Differs { path, .. } => (Reason::NotRestored, Some(path.clone())),
            RestoreError::Full { path } => (Reason::DiskFull, Some(path.clone())),
            RestoreError::Interrupted => (Reason::ShuttingDown, None),
            RestoreError::Busy => (Reason::StoreBusy, None),
            RestoreError::Journal { path, .. } | RestoreError::Unfinished { journal: path, .. } => {
                (Reason::Io, Some(path.clone()))
            }
        };
        let told = match error {
            RestoreError::Store(error) => return error.into(),
            RestoreError::Git(error) => return error.into(),
            error => Self::new(reason, message).caused_by(error),
        };
        match path {
            Some(path) => told.with("path", shown(&path)),
            None => told,
        }
    }
}

impl From<HandsError> for Error {
    fn from(error: HandsError) -> Self {
        match error {
            HandsError::Capture(error) => error.into(),
            HandsError::Restore(error) => error.into(),
            HandsError::Store(error) => error.into(),
            HandsError::Io(error) => error.into(),
        }
    }
}

impl From<&ConfigError> for Error {
    fn from(error: &ConfigError) -> Self {
        Self::new(Reason::ConfigInvalid, error.to_string())
            .with("path", crate::fs::shown(&error.path))
            .with("line", error.line.to_string())
            .with("column", error.column.to_string())
    }
}
