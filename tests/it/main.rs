//! kpmo as its users meet it: the real programs, real git, real daemons in
//! temporary homes. `world` builds those; each test says only what differs.

// A test that unwraps in vain has failed, with the place.
#![allow(clippy::unwrap_used, clippy::unused_self)]

mod world;

mod bypass;
mod change;
mod check;
mod coexist;
mod commit;
mod completions;
mod doctor;
mod faults;
mod fleet;
mod governor;
mod grpc;
mod hooks;
mod push;
mod real_git;
mod registry;
mod repos;
mod restore;
mod rules;
mod scan;
mod selection;
mod snapshots;
mod unreachable;
