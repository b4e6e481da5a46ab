use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{LedgerError, error::DuringContext};
use crate::fs::IoContext;

/// What brings the schema from version n to n + 1.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("schema/001.sql"), include_str!("schema/002.sql"), include_str!("schema/003.sql")];

/// "kpmo": what says that a SQLite file is a ledger.
const APPLICATION_ID: i32 = 0x6b70_6d6f;

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the ledger for writing; creates it, and brings it up to date.
pub(super) fn open_writer(path: &Path, migrations: &[&str]) -> Result<Connection, LedgerError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).during("open", path)?;
    configure(&connection).during("open", path)?;
    // Asked before anything is written: a newer version's file is left as it is.
    check_version(&connection, migrations.len(), path)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA journal_size_limit = 16777216;",
        )
        .during("open", path)?;
    migrate(&mut connection, migrations, path)?;
    Ok(connection)
}

/// Opens the ledger for reading; [`LedgerError::Corrupt`] if it is none.
pub(super) fn open_reader(path: &Path) -> Result<Connection, LedgerError> {
    // SQLite says no more than "unable to open" of a file that isn't there. The
    // file itself is opened by SQLite alone: closing any other descriptor of it
    // would drop this process's POSIX locks, and with them SQLite's.
    fs::metadata(path).at("open the ledger", path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).during("open", path)?;
    configure(&connection).during("open", path)?;
    Ok(connection)
}

/// The version of the ledger's schema; what isn't a ledger of a known version
/// is refused. 0: there is nothing there yet.
pub(super) fn check_version(connection: &Connection, known: usize, path: &Path) -> Result<u32, LedgerError> {
    let (found, id, objects) = connection
        .query_row(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
             FROM pragma_user_version, pragma_application_id",
            [],
            |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i32>(1)?, row.get::<_, i64>(2)?)),
        )
        .during("read", path)?;
    let is_empty = found == 0 && id == 0 && objects == 0;
    if !is_empty && (id != APPLICATION_ID || found == 0) {
        return Err(LedgerError::Corrupt {
            path: path.to_owned(),
            why: "it is another program's SQLite database".to_owned(),
        });
    }
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    if found > known {
        return Err(LedgerError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// An empty ledger of this version in memory, to compare with: rows of its
/// projections need no events.
pub(super) fn in_memory(version: u32, path: &Path) -> Result<Connection, LedgerError> {
    let mut connection = Connection::open_in_memory().during("model", path)?;
    let known = MIGRATIONS.len().min(version as usize);
    connection.execute_batch("PRAGMA foreign_keys = OFF").during("model", path)?;
    migrate(&mut connection, &MIGRATIONS[..known], path)?;
    Ok(connection)
}

/// Brings the schema up to date, each step a transaction of its own.
fn migrate(connection: &mut Connection, migrations: &[&str], path: &Path) -> Result<(), LedgerError> {
    loop {
        let step = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .during("migrate", path)?;
        // Inside the transaction: another process may have done it meanwhile.
        let version = check_version(&step, migrations.len(), path)?;
        let Some(migration) = migrations.get(version as usize) else { return Ok(()) };
        step.execute_batch(migration).during("migrate", path)?;
        step.pragma_update(None, "application_id", APPLICATION_ID).during("migrate", path)?;
        step.pragma_update(None, "user_version", version + 1).during("migrate", path)?;
        step.commit().during("migrate", path)?;
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    // A file that somebody tampered with must not be able to run anything.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;")
}

/// Creates the file, readable by its owner alone, or takes the rights of others
/// away. SQLite gives its `-wal` and `-shm` the same mode.
fn create_private(path: &Path) -> Result<(), LedgerError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(_) => {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            File::open(parent).and_then(|dir| dir.sync_all()).at("sync the directory", parent)?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).at("open the ledger", path)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))
                    .at("set the mode of", path)?;
            }
        }
        Err(error) => return Err(error).at("create the ledger", path)?,
    }
    Ok(())
}
