//! What every room needs from the file system, once.
//!
//! Four things live here: errors that name their path ([`PathError`]), the
//! [`Writer`] seam through which everything but the ledger writes (so that a
//! dry run is a writer that cannot write), advisory locks ([`FileLock`]), and
//! looks at places that need not answer ([`answering`]).

pub mod answering;
mod error;
mod lock;
mod mounts;
mod path;
mod put;
mod writer;

pub use error::{IoContext, PathError};
pub use lock::FileLock;
pub(crate) use mounts::unescaped;
pub use path::{bytes_of, normal, path_from, shown, shown_bytes};
pub use put::FileId;
pub use writer::{Change, DryRun, New, RealWriter, Writer};
