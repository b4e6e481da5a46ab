//! The probe: the governor's hands. It finds repositories.

mod tracker;

pub use tracker::{Found, RepoKind, Summary, TrackOptions, Tracked, track};
