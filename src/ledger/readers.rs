use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;

use super::{LedgerError, error::DuringContext, schema};

/// How many connections there are at most. Reads are short; more would only
/// wait for each other.
const MAX_READERS: usize = 4;

/// Connections that read, each used by one caller at a time.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    in_use: usize,
    closed: bool,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), pool: Mutex::default(), freed: Condvar::new() }
    }

    /// Lends a connection to `work`; waits while all are in use.
    pub fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let mut lent = self.lend()?;
        let connection = match lent.connection.take() {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let result = work(&connection);
        // After a failure a new one is opened: cheap, and free of doubt.
        lent.connection = result.is_ok().then_some(connection);
        result.during("read", &self.path)
    }

    /// Closes them: SQLite removes the write-ahead log with the last connection,
    /// if that is one that may write.
    pub fn close(&self) {
        let mut pool = self.lock();
        pool.closed = true;
        while pool.in_use > 0 {
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.idle.clear();
    }

    fn lend(&self) -> Result<Lent<'_>, LedgerError> {
        let mut pool = self.lock();
        while pool.in_use >= MAX_READERS && !pool.closed {
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        if pool.closed {
            return Err(LedgerError::Closed);
        }
        pool.in_use += 1;
        Ok(Lent { readers: self, connection: pool.idle.pop() })
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the pool, given back however the work ends.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.lock();
        pool.in_use -= 1;
        if !pool.closed {
            pool.idle.extend(self.connection.take());
        }
        drop(pool);
        self.readers.freed.notify_all();
    }
}
