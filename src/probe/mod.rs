//! The probe: the governor's hands. It finds repositories, takes snapshots of
//! them, keeps these, and restores from them.

pub mod capture;
pub mod diff;
mod hands;
pub mod restore;
pub mod store;
mod tracker;

pub use hands::{Hands, HandsError, Told};
pub use tracker::{Found, PROGRESS, RepoKind, Summary, TrackOptions, Tracked, track, track_for};
