//! `repos.yml`: the list of governed repositories, read, checked and edited.
//!
//! People write this file and kpmo edits it, so three promises hold here.
//! A broken hand edit takes nothing down: [`Registry::view`] goes on serving
//! the last good [`Document`] and says what is wrong, with line and column of
//! everything that is. kpmo's own edits ([`Registry::edit`]) change the bytes
//! of what they are about and no other. And no edit is written before two
//! independent parsers have read the result and found exactly the change that
//! was wanted.
//!
//! Limitations: paths that are not UTF-8 cannot be written in YAML, so such
//! repositories cannot be registered; YAML tags and merge keys are refused;
//! the file may have 8 MiB at most.

mod check;
mod edit;
mod error;
mod model;
mod opinion;
mod problem;
mod render;
mod rules;
mod splice;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub use check::parse;
pub use edit::Edit;
pub use error::RegistryError;
pub use model::{Document, Repo, RepoStatus, Stage, find, nearest, without_credentials};
pub use problem::Problem;
pub use store::{Registry, View};
