//! A copy of the ledger while it is being written.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    ffi,
};

use super::{LedgerError, error::DuringContext, store};
use crate::fs::IoContext;

/// Copies what `source` sees at this moment to a new file at `path`, and returns
/// the number of the last event in it. What could not be finished is removed.
pub(super) fn copy(source: &Connection, path: &Path) -> Result<u64, LedgerError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at("create the copy", path)?;
    let copied = fill(source, path);
    if copied.is_err() {
        // The error that counts is the first.
        let _ = fs::remove_file(path);
    }
    copied
}

fn fill(source: &Connection, path: &Path) -> Result<u64, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(path, flags).during("open the copy of", path)?;
    // All in one step is one view of the ledger; the writer goes on meanwhile. A
    // lock has been waited for by then, as long as any is.
    let step = Backup::new(source, &mut target).and_then(|backup| backup.step(-1)).during("copy", path)?;
    if step != StepResult::Done {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
            .during("copy", path);
    }
    // What stands alone needs no write-ahead log beside it.
    target.pragma_update(None, "journal_mode", "DELETE").during("finish the copy of", path)?;
    let last = store::counter(&target).during("read the copy of", path)?.unwrap_or(0);
    target.close().map_err(|(_, error)| error).during("close the copy of", path)?;
    File::open(path).and_then(|file| file.sync_all()).at("sync", path)?;
    Ok(last)
}
