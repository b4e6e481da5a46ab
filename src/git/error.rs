use std::path::PathBuf;

use crate::fs::PathError;

/// What git, or the way to it, refused.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git repository there.
    #[error("{} is not in a git repository", path.display())]
    NotARepository {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A `.git` file that leads to no repository.
    #[error(
        "{} leads to {}, where there is no repository; if this is a linked work tree whose repository was moved, `git worktree repair` run in that mends it",
        file.display(), target.display()
    )]
    LeadsNowhere {
        /// The `.git` file.
        file: PathBuf,
        /// What it names.
        target: PathBuf,
    },
    /// There was a git repository there, as far as is known, and there is none.
    #[error("there is no git repository at {} any more", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// More submodules, or deeper in each other, than are looked at.
    #[error("{} and what comes after it are not looked at: there are too many submodules", path.display())]
    TooMany {
        /// The first that is too much.
        path: PathBuf,
    },
    /// git does not trust a repository of another user.
    #[error("{} belongs to another user, and git refuses it; to trust it run: git config --global --add safe.directory '{}'", path.display(), path.display())]
    Owner {
        /// The repository.
        path: PathBuf,
    },
    /// libgit2 failed.
    #[error("cannot {what} in {}: {message}", path.display())]
    Library {
        /// What was being done.
        what: &'static str,
        /// The repository.
        path: PathBuf,
        /// What libgit2 said.
        message: String,
    },
    /// The git program failed.
    #[error("`git {command}` failed in {}: {message}", path.display())]
    Program {
        /// The subcommand.
        command: String,
        /// The repository.
        path: PathBuf,
        /// The last line that git said.
        message: String,
    },
    /// The git program did not end.
    #[error("`git {command}` did not end within {seconds} s in {} and was stopped; does a file system, or a program that git runs there, not answer?", path.display())]
    TimedOut {
        /// The subcommand.
        command: String,
        /// The repository.
        path: PathBuf,
        /// How long it was given, in seconds.
        seconds: u64,
    },
    /// There is no git program.
    #[error("cannot run git: {0}; is it installed, and on PATH?")]
    NoGit(std::io::Error),
    /// A file of the repository can't be read.
    #[error(transparent)]
    Io(#[from] PathError),
}
