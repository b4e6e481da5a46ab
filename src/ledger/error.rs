use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{ErrorCode, ffi};

use crate::fs::PathError;

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no room for what was to be written; nothing of it was.
    #[error(
        "cannot {action} the ledger {}: the disk or quota is full, or the device fails ({source}); \
         make room there, and writing goes on by itself",
        path.display()
    )]
    DiskFull {
        /// What was being done, as a verb.
        action: &'static str,
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file is not a ledger, or not one that can be read any more.
    #[error(
        "the ledger {} is damaged: {why} (`kpmo ledger verify` tells more). To go on, move it and the files \
         beside it that begin with its name elsewhere: `kpmo governor start` begins a new one. Copies of it \
         are in the snapshot store, where `restic -r \"$(kpmo probe path)\" --password-file \
         \"$(kpmo probe password-file)\" snapshots` lists them",
        path.display()
    )]
    Corrupt {
        /// The ledger's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer kpmo wrote this ledger.
    #[error(
        "the ledger {} has schema version {found}, and this kpmo knows versions up to {known}: \
         use the newer kpmo that wrote it",
        path.display()
    )]
    TooNew {
        /// The ledger's file.
        path: PathBuf,
        /// The version found there.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// A draft that cannot be recorded as it stands.
    #[error("the event cannot be recorded: {field} {why}")]
    Invalid {
        /// Which part of the draft.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// SQLite could not do it, for another reason than those above.
    #[error("cannot {action} the ledger {}: {source}", path.display())]
    Database {
        /// What was being done, as a verb.
        action: &'static str,
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file or its directory could not be reached.
    #[error(transparent)]
    Io(#[from] PathError),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    /// What `source`, met while doing `action` to the ledger at `path`, is.
    pub(super) fn of(action: &'static str, path: &Path, source: Arc<rusqlite::Error>) -> Self {
        let path = path.to_owned();
        match &*source {
            error if is_full(error) => Self::DiskFull { action, path, source },
            error if is_corrupt(error) => Self::Corrupt { path, why: error.to_string() },
            _ => Self::Database { action, path, source },
        }
    }
}

/// Gives a result of SQLite's its place.
pub(super) trait DuringContext<T> {
    /// Turns the error into a [`LedgerError`] about `action` on `path`.
    fn during(self, action: &'static str, path: &Path) -> Result<T, LedgerError>;
}

impl<T> DuringContext<T> for rusqlite::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|error| LedgerError::of(action, path, Arc::new(error)))
    }
}

/// SQLite turns ENOSPC on a write into `SQLITE_FULL`, but EDQUOT and what the
/// shared-memory file and `ftruncate` meet into other codes.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || matches!(
                error.extended_code,
                ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_TRUNCATE
            )
    })
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => true,
        other => {
            matches!(other.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
    }
}

/// Whether one event's content is to blame, and not the state of the ledger:
/// other events can go on without it.
pub(super) fn is_about_the_event(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}
