//! `repos.yml`: the list of governed repositories, read, checked and edited.
//!
//! People write this file and kpmo edits it, so three promises hold here.
//! A broken hand edit takes nothing down: [`Registry::view`] goes on serving
//! the last good [`Document`] and says what is wrong, with line and column of
//! everything that is; a file that has lost all its text is a broken one, too.
//! kpmo's own edits ([`Registry::edit`]) change the bytes
//! of what they are about and no other, and what somebody saves by hand while
//! they are made is kept. And no edit is written before two
//! independent parsers have read the result and found exactly the change that
//! was wanted.
//!
//! A path that is not UTF-8, which YAML has to be, is a file URL there.
//!
//! Limitations: YAML tags and merge keys are refused; the file may have 8 MiB at
//! most. Some edits cannot be done without changing
//! something else, and are refused with nothing written: of a value that other
//! entries borrow through an alias, and where lines that move up would become
//! part of a `|` or `|+` text. What only libyaml refuses to read (a tab behind
//! a dash) can be read here, and edited by hand.

mod change;
mod check;
mod edit;
mod error;
mod export;
mod file;
mod locator;
mod model;
mod opinion;
mod predecessor;
mod problem;
mod render;
mod rules;
mod scalar;
mod splice;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod writing;

pub use change::{FieldChange, RepoChange};
pub use check::parse;
pub use edit::Edit;
pub use error::RegistryError;
pub use export::{as_json, as_yaml};
pub use model::{Document, Repo, RepoStatus, Stage, closest, find, nearest, without_credentials};
pub use predecessor::{Former, Predecessor, parse_predecessor};
pub use problem::{FileRule, Problem, Problems};
pub use rules::{path_of_url, path_text};
pub use store::{Registry, View};
