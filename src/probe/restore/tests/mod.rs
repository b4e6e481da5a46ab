//! With real git and a real store. What git says before and after is the judge,
//! and every byte.

mod copies;
mod crash;
mod paths;
mod previewing;
mod random;
mod refusing;
mod whole;
pub(in crate::probe) mod world;

use world::{World, assert_same, picture};
