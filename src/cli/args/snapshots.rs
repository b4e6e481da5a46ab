use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::selector;

#[derive(Debug, Args)]
#[command(override_usage = "kpmo snapshot [OPTIONS] <REPO>...|--all")]
pub(in crate::cli) struct Snapshot {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns
    #[arg(
        value_name = "REPO", required_unless_present = "all",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repos: Vec<String>,
    /// Every registered repository that is not archived
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
    /// Do not wait until they are taken
    #[arg(long)]
    pub background: bool,
    /// Take first snapshots however large they are
    #[arg(long)]
    pub no_limit: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Snapshots {
    /// Repository, by name, id or path
    #[arg(
        value_name = "REPO", required_unless_present = "ledger",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repo: Option<String>,
    /// Copies of the ledger instead
    #[arg(long, conflicts_with = "repo")]
    pub ledger: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<u32>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The first digits of an id (at least 4), `latest`, or a TIME as `kpmo restore --help` has it
    #[arg(value_name = "SNAP")]
    pub snapshot: String,
    /// Repository, by name, id or path [default: an id's own, else that of this directory]
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: Option<String>,
    /// List what is in it
    #[arg(long)]
    pub files: bool,
    /// What is in git directories, too
    #[arg(long, requires = "files")]
    pub git: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The older state: the first digits of an id (at least 4), `latest`, or a TIME
    #[arg(value_name = "SNAP")]
    pub old: String,
    /// The newer state [default: the present, which is kept in a snapshot for it]
    #[arg(value_name = "SNAP")]
    pub new: Option<String>,
    /// Repository, by name, id or path [default: an id's own, else that of this directory]
    #[arg(long, value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: Option<String>,
    /// Count the lines that changed in each file (the default)
    #[arg(long, conflicts_with = "name_only")]
    pub stat: bool,
    /// Only the paths of what changed
    #[arg(long)]
    pub name_only: bool,
    /// What is in git directories, too
    #[arg(long)]
    pub git: bool,
    /// Only these, and what is beneath; relative to the repository's top
    #[arg(value_name = "PATH", last = true)]
    pub paths: Vec<PathBuf>,
}

/// Bring back what a snapshot has
///
/// What stands there is kept in a snapshot first; what is restored is written beside,
/// compared with the snapshot, and swapped in. Where something has changes that are in no
/// commit, nothing is done without --force.
///
/// TIME is RFC 3339 (2026-03-01T12:00:00Z), a local date (2026-03-01, its midnight) or date
/// and time (2026-03-01 12:00), or an age (2h, 3d, "90m ago"); it means the last snapshot
/// taken by then.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Restore {
    /// Repository, by name, id or path
    #[arg(
        value_name = "REPO", required_unless_present = "all",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repo: Option<String>,
    /// Only these, and what is beneath; relative to the repository's top
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Every registered repository
    #[arg(long, requires = "at", conflicts_with_all = ["repo", "snapshot", "to"])]
    pub all: bool,
    /// As it was at this time [default: the latest snapshot]
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    pub at: Option<String>,
    /// From this snapshot: the first digits of its id (at least 4), or `latest`
    #[arg(long, value_name = "SNAP")]
    pub snapshot: Option<String>,
    /// Into this directory, which must be absent or empty [default: where it was]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Even over changes that are in no commit; a snapshot keeps them
    #[arg(long)]
    pub force: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Probe {
    /// Print where the store is, for `restic -r`
    Path,
    /// Print where its password is, for `restic --password-file`
    PasswordFile,
    /// Check that everything is there that snapshots need
    Verify {
        /// Read all that is stored, too
        #[arg(long)]
        read_data: bool,
    },
    /// Show how large the store is
    Stats,
    /// Forget what is not to be kept, and remove what no snapshot needs
    Prune {
        /// Show what would be forgotten, and forget nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Put a copy of the ledger into the store
    SyncDb,
}
