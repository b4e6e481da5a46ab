use std::sync::Arc;

use rusqlite::Connection;

use super::{
    EventRecord, LedgerError,
    error::is_about_the_event,
    handle::Shared,
    queue::{Append, Task, Work},
    store::{self, Tail},
};

/// The writer's life: takes what is waiting, writes it, answers; until the
/// ledger is closed.
pub(super) fn run(connection: Connection, shared: &Shared) {
    /// Says that the writer is gone, even if it panicked: nobody must wait then.
    struct End<'a>(&'a Shared);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.queue.end();
        }
    }

    let _end = End(shared);
    loop {
        match shared.queue.next() {
            Work::Group(group) => write(&connection, shared, group),
            Work::Task(task) => perform(&connection, shared, task),
            Work::End => break,
        }
    }
    // The last connection to go takes the write-ahead log with it.
    shared.readers.close();
    drop(connection);
}

fn write(connection: &Connection, shared: &Shared, group: Vec<Append>) {
    match in_transaction(connection, || record(connection, &group)) {
        Ok(records) => acknowledge(shared, group, records),
        Err(error) if is_about_the_event(&error) && group.len() > 1 => {
            // One of them is to blame; the others need not suffer.
            for append in group {
                write(connection, shared, vec![append]);
            }
        }
        Err(error) if is_about_the_event(&error) => {
            shared.queue.given_up(&group);
            let error = Arc::new(error);
            for append in group {
                let error = LedgerError::of("write", &shared.path, Arc::clone(&error));
                let Some(reply) = append.reply else {
                    tracing::error!(event = append.entry.name(), %error, "an event is lost");
                    continue;
                };
                reply(Err(error));
            }
        }
        Err(error) => refuse(connection, shared, group, error),
    }
}

fn record(connection: &Connection, group: &[Append]) -> rusqlite::Result<Vec<EventRecord>> {
    let mut tail = Tail::of(connection)?;
    group.iter().map(|append| store::append(connection, &append.entry, &mut tail)).collect()
}

fn acknowledge(shared: &Shared, group: Vec<Append>, records: Vec<EventRecord>) {
    shared.queue.written(&group);
    // Repeated events return records from before: the head never goes back.
    let last = records.iter().map(|record| record.seq).max().unwrap_or(0);
    shared.head.send_if_modified(|head| {
        let is_news = last > *head;
        *head = last.max(*head);
        is_news
    });
    for (append, record) in group.into_iter().zip(records) {
        if let Some(reply) = append.reply {
            reply(Ok(record));
        }
    }
}

/// Answers everybody who waits with `error`; what nobody waits for is kept.
#[cfg_attr(not(test), expect(unused_variables, reason = "tests run tasks even then"))]
fn refuse(connection: &Connection, shared: &Shared, group: Vec<Append>, error: rusqlite::Error) {
    let error = Arc::new(error);
    let again = || LedgerError::of("write", &shared.path, Arc::clone(&error));
    let (refused, tasks) = shared.queue.failed(group, &again());
    for reply in refused.into_iter().filter_map(|append| append.reply) {
        reply(Err(again()));
    }
    for task in tasks {
        match task {
            Task::Flush(reply) => reply(Err(again())),
            Task::Rebuild(reply) => reply(Err(again())),
            #[cfg(test)]
            Task::Run(run) => run(connection),
        }
    }
}

fn perform(connection: &Connection, shared: &Shared, task: Task) {
    match task {
        Task::Flush(reply) => reply(Ok(())),
        Task::Rebuild(reply) => {
            let rebuilt = in_transaction(connection, || store::rebuild(connection));
            reply(rebuilt.map_err(|error| LedgerError::of("rebuild", &shared.path, Arc::new(error))));
        }
        #[cfg(test)]
        Task::Run(run) => run(connection),
    }
}

/// Runs `work` in one transaction, which is on disk when this returns `Ok` and
/// undone when it returns an error.
fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let result = work().and_then(|value| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(value)
    });
    // SQLite undoes it by itself after some errors, after others it doesn't.
    if result.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction of the ledger cannot be undone");
    }
    result
}
