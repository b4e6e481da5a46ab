//! kpmo as its users meet it: the real programs, real git, real daemons in
//! temporary homes. `world` builds those; each test says only what differs.

// A test that unwraps in vain has failed, with the place.
#![allow(clippy::unwrap_used, clippy::unused_self)]

mod world;

mod commit;
mod faults;
mod fleet;
mod governor;
mod grpc;
mod hooks;
mod push;
mod repos;
mod restore;
mod snapshots;
mod unreachable;
