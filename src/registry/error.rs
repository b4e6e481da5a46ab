use std::path::PathBuf;

use super::{Problem, Problems};
use crate::fs::{PathError, shown};

/// Why the registry could not be read or edited.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file could not be read, locked or written.
    #[error(transparent)]
    Io(#[from] PathError),
    /// The file as it stands is not a registry.
    #[error("{}", listed(path, problems, "; `kpmo registry check` lists all"))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong; never empty. The message has the first ten.
        problems: Problems,
    },
    /// A file of the predecessor's can't be taken over.
    #[error("{}", listed(path, problems, ""))]
    NotTakenOver {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong; never empty. The message has the first ten.
        problems: Problems,
    },
    /// The file has no list any more, or is gone, though there were entries.
    #[error("{}: {}", shown(path), lost(*kept))]
    Emptied {
        /// The file.
        path: PathBuf,
        /// How many entries the last good state has.
        kept: usize,
    },
    /// The file changed since the version that the edit was based on.
    #[error("the registry changed meanwhile (it is at version {current} now): look again, then repeat")]
    Stale {
        /// The version of the file now.
        current: String,
    },
    /// Another entry has this name.
    #[error("a repository named `{name}` is registered already: give this one another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Another entry has this path.
    #[error("{} is registered already, as `{name}`", shown(path))]
    PathTaken {
        /// The absolute path.
        path: PathBuf,
        /// The entry that has it.
        name: String,
    },
    /// Another entry has this id.
    #[error("the id {id} is `{name}`'s")]
    IdTaken {
        /// The id.
        id: String,
        /// The entry that has it.
        name: String,
    },
    /// No entry has this name.
    #[error("no repository named `{name}` is registered{}", meant(nearest.as_deref()))]
    NotFound {
        /// What was looked for.
        name: String,
        /// A registered name much like it.
        nearest: Option<String>,
    },
    /// Somebody else has been editing for five seconds.
    #[error("another process holds the lock {}: try again when it is done", shown(lock))]
    Busy {
        /// The lock file.
        lock: PathBuf,
    },
    /// Each time that the file was about to be written, it had been saved by hand.
    #[error(
        "{} was changed each time that it was about to be written: try again when that is over",
        shown(path)
    )]
    Restless {
        /// The file.
        path: PathBuf,
    },
    /// A field's value that the file cannot hold.
    #[error("`{field}` {reason}")]
    Refused {
        /// The key, as in the file.
        field: &'static str,
        /// What is wrong with the value, without the value.
        reason: String,
    },
    /// Its owner may not write to it either.
    #[error("{} is read-only; to have kpmo edit it run: chmod u+w '{}'", shown(path), shown(path))]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The edit would have changed something else, or nothing; it was not written.
    #[error(
        "cannot edit {} without touching anything else, so it is unchanged: {reason}; edit it by hand",
        shown(path)
    )]
    EditFailed {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the same edit may be done a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Busy { .. } | Self::Restless { .. } | Self::Stale { .. })
    }
}

fn listed(path: &std::path::Path, problems: &Problems, hint: &str) -> String {
    match problems.told(path) {
        (told, 0) => told,
        (told, more) => format!("{told}\nand {more} more{hint}"),
    }
}

fn lost(kept: usize) -> String {
    let Problem { message, fix, .. } = Problem::emptied(kept);
    format!("{message}; {fix}")
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default()
}
