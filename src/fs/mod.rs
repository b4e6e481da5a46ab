//! What every room needs from the file system, once.
//!
//! Three things live here: errors that name their path ([`PathError`]), the
//! [`Writer`] seam through which everything but the ledger writes (so that a
//! dry run is a writer that cannot write), and advisory locks ([`FileLock`]).

mod error;
mod lock;
mod path;
mod put;
mod writer;

pub use error::{IoContext, PathError};
pub use lock::FileLock;
pub use path::{bytes_of, path_from, shown, shown_bytes};
pub use put::FileId;
pub use writer::{Change, DryRun, New, RealWriter, Writer};
