//! kpmo: one governor for every git repository on a developer's machine.
//!
//! git runs `kpmo-hook` ([`hook`]), which asks the governor ([`daemon`],
//! [`rpc`]) over a unix socket ([`client`]); the governor's flows ([`governor`])
//! gather facts from the rooms beside them, ask the [`rules`], and record the
//! outcome in the [`ledger`]. Calls run down that list and never up.
//!
//! Without the feature `governor` only what `kpmo-hook` needs is built:
//! [`generated`], [`client`] and [`hook`].

pub mod client;
pub mod generated;
pub mod hook;

#[cfg(feature = "governor")]
pub mod cli;
#[cfg(feature = "governor")]
pub mod daemon;
#[cfg(feature = "governor")]
pub mod fs;
#[cfg(feature = "governor")]
pub mod git;
#[cfg(feature = "governor")]
pub mod governor;
#[cfg(feature = "governor")]
pub mod install;
#[cfg(feature = "governor")]
pub mod ledger;
#[cfg(feature = "governor")]
pub mod policy;
#[cfg(feature = "governor")]
pub mod probe;
#[cfg(feature = "governor")]
pub mod registry;
#[cfg(feature = "governor")]
pub mod rpc;
#[cfg(feature = "governor")]
pub mod rules;
