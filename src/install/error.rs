use std::{error::Error, io::ErrorKind, path::PathBuf};

use crate::fs::{PathError, shown};

/// Why hooks could not be put, checked or taken away. Each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The program that hooks lead to can't be run.
    #[error("the hook program {} {reason}: run `kpmo up`, which puts it there", shown(path))]
    HookProgram {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A directory has a hook's name.
    #[error("{} is a directory, and a hook belongs there: move it away and try again", shown(path))]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The hooks directory is something else.
    #[error("{} is not a directory, and git looks for hooks in it: move it away and try again", shown(path))]
    NotADirectory {
        /// What stands there.
        path: PathBuf,
    },
    /// Somebody else changes a hook each time that it is put in place.
    #[error("another program keeps changing {}: wait until it has ended and try again", shown(path))]
    Restless {
        /// The hook's place.
        path: PathBuf,
    },
    /// The system does not let this user write there.
    #[error(
        "{source}; kpmo needs to write there: make {} writable for this user (`chmod u+w`, `chown` if it \
         belongs to somebody else, `chattr -i` if it is immutable) and try again",
        shown(path)
    )]
    NotWritable {
        /// The directory to make writable.
        path: PathBuf,
        /// What failed.
        source: PathError,
    },
    /// The file system is mounted read-only.
    #[error("{source}; mount the file system writable, or leave this repository's hooks out")]
    ReadOnly {
        /// What failed.
        source: PathError,
    },
    /// This git has no hooks in its configuration.
    #[error(
        "git {version} runs no hooks by its configuration, which 2.54 and later do: install with \
         `--mode links`, or put a newer git on the governor's PATH"
    )]
    OldGit {
        /// Its version.
        version: String,
    },
    /// The repository's own configuration could not be changed.
    #[error("the configuration of this repository could not be changed: {source}")]
    Setting {
        /// What git said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Anything else that the file system refused.
    #[error(transparent)]
    Path(PathError),
}

impl From<PathError> for InstallError {
    fn from(source: PathError) -> Self {
        match source.kind() {
            ErrorKind::PermissionDenied => {
                let path = if source.path.is_dir() { Some(&*source.path) } else { source.path.parent() };
                Self::NotWritable { path: path.unwrap_or(&source.path).to_owned(), source }
            }
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { source },
            _ => Self::Path(source),
        }
    }
}
