//! kpmo as its users meet it: the real programs, real git, real daemons in
//! temporary homes. `world` builds those; each test says only what differs.

mod world;

mod commit;
mod faults;
mod fleet;
mod governor;
mod grpc;
mod hooks;
mod push;
mod repos;
mod unreachable;
