//! The ledger: what happened, written once, never changed, chained by hash.
//!
//! Everything is an event first. [`Ledger::append`] returns when the event is
//! on disk; [`Ledger::append_later`] returns at once and the event goes out
//! with the next group. One thread owns the only connection that writes: it
//! takes all that is waiting into one transaction, syncs once and then answers
//! everybody, so that many writers cost little more than one. Readers have
//! connections of their own and never wait for the writer.
//!
//! The tables of verdicts, commits and snapshots are projections: each row follows
//! from the attributes of one event, [`Ledger::rebuild`] derives them anew, and
//! [`verify`] compares.
//!
//! # Hashes
//!
//! An event's hash is SHA-256 over
//!
//! ```text
//! hash of the event before (32 bytes; of zeros before the first)
//! "kpmo-ledger-1"
//! seq         8 bytes, big-endian
//! event_id    16 bytes
//! time_ns     8 bytes, big-endian, two's complement
//! kind, repo_id, card, actor, attributes, each:
//!             0x00                           if it is NULL, else
//!             0x01, length in bytes (8 bytes, big-endian), the bytes
//! ```
//!
//! where `attributes` is the text as stored: a JSON object of strings, keys
//! sorted by their bytes, without white space.
//!
//! # Limits
//!
//! The chain shows a changed, inserted, removed or reordered event, and the
//! table's own counter shows a truncated tail. Whoever can write the file and
//! recomputes every hash and the counter is found only by comparing
//! [`VerifyReport::head_hash`] with a copy kept elsewhere.
//!
//! No process that has the ledger open may open its file by other means than
//! SQLite's, not even to read: closing that descriptor drops the locks.
//!
//! Events that [`Ledger::append_later`] took and that were not written yet are
//! lost with the process.

mod backup;
mod chain;
mod error;
mod event;
mod handle;
mod look;
mod pending;
mod projection;
mod queue;
mod readers;
mod schema;
mod snapshots;
mod steps;
mod store;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use error::LedgerError;
pub use event::{EventDraft, EventKind, EventRecord, Filter};
pub use handle::{Clock, Ledger};
pub use look::{knows_commit, newest, unvalidated};
pub use projection::{CommitState, Projection};
pub use snapshots::{ListedSnapshot, SnapshotRecord};
pub use verify::{Fault, Problem, VerifyReport, verify};
