//! All that the binaries share to reach the governor: find the [`Home`] and its
//! [`Endpoint`], connect, and start the governor where there is none.
//!
//! `kpmo-hook` links this, so it keeps to a short list of crates.

mod connect;
mod endpoint;
mod home;
mod spool;
mod start;

pub use connect::{ConnectError, Connection, connect};
pub use endpoint::{Budgets, Endpoint, OnUnreachable, Unreachable};
pub use home::{Home, HomeError, SOCKET_PATH_MAX};
pub use spool::{SPOOL_SUFFIX, keep, keep_in, not_reached, reached, was_not_reached};
pub use start::{ALREADY_RUNNING, StartError, connect_or_start};
