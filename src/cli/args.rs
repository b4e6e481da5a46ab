mod check;
mod completing;
mod doctor;
mod registry;
mod repo;
mod selector;
mod snapshots;
mod status;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(super) use check::{Check, Scope};
pub(super) use completing::{Completions, Man, Shell};
pub(super) use doctor::Doctor;
pub(super) use registry::{Format, Import, Registry};
pub(super) use repo::{Patch, Repo, RepoAdd, RepoRemove, RepoRename, RepoSet, Stage, Standing};
pub(super) use snapshots::{Diff, Probe, Restore, Show, Snapshot, Snapshots};
pub(super) use status::{Order, Status};

/// One governor for every git repository on this machine.
///
/// `kpmo up` sets everything up: it starts the governor, finds your repositories,
/// registers them and installs hooks that judge each commit and push.
#[derive(Debug, Parser)]
#[command(name = "kpmo", version, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = selector::HELP)]
pub(super) struct Arguments {
    /// Directory of the governor's home [env: KPMO_HOME] [default: the platform's directories]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Use the home that this program was installed in
    #[arg(long, global = true, hide = true)]
    pub installed: bool,
    /// Print JSON (stable; one object, or one a line where data streams)
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Color {
    /// When to colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Makes the choice count for everything that is printed.
    pub fn write_global(&self) {
        let choice = match self.color {
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Set everything up: home, governor, registry, hooks; then show the fleet
    Up(Up),
    /// Take hooks and governor away again; all data stays
    Down(Down),
    /// Show the fleet: branch, changes, hooks, snapshots, unvalidated commits
    Status(Status),
    Check(Check),
    /// Add, list, show, change, rename and remove repositories
    #[command(subcommand, after_help = selector::HELP)]
    Repo(Repo),
    /// Check, export and take over registries (repos.yml)
    #[command(subcommand)]
    Registry(Registry),
    /// Find repositories
    Scan(Scan),
    /// Install or heal the hooks of repositories
    InstallHooks(InstallHooks),
    /// Take hooks away, and restore what was there before
    UninstallHooks(UninstallHooks),
    /// Take snapshots: exact states of repositories
    Snapshot(Snapshot),
    /// List the snapshots of a repository, newest first
    Snapshots(Snapshots),
    /// Show a snapshot
    Show(Show),
    /// Show what is different between two snapshots, or one and the present
    Diff(Diff),
    Restore(Restore),
    /// Look after the store of snapshots
    #[command(subcommand)]
    Probe(Probe),
    Doctor(Doctor),
    /// Show what the ledger has recorded, oldest first
    Events(Events),
    /// Look after the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Run, start and stop the governor
    #[command(subcommand)]
    Governor(Governor),
    Completions(Completions),
    Man(Man),
}

impl Command {
    /// Whether it is about what a home has, so that without one it comes to nothing.
    pub(super) fn wants_home(&self) -> bool {
        match self {
            Self::Status(_)
            | Self::Check(_)
            | Self::UninstallHooks(_)
            | Self::Snapshot(_)
            | Self::Snapshots(_)
            | Self::Show(_)
            | Self::Diff(_)
            | Self::Restore(_)
            | Self::Events(_)
            | Self::Ledger(_) => true,
            Self::Repo(command) => !matches!(command, Repo::Add(_)),
            _ => false,
        }
    }

    /// Whether it would make a home, and is to write nothing.
    pub(super) fn makes_no_home(&self) -> bool {
        match self {
            Self::Repo(Repo::Add(options)) => options.dry_run,
            Self::Scan(options) => options.dry_run,
            Self::Registry(Registry::Import(options)) => options.dry_run,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Repos {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns [default: all]
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repos: Vec<String>,
    /// Every registered repository
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Up {
    /// Directories to search for repositories [default: your home directory]
    #[arg(value_name = "ROOT")]
    pub roots: Vec<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Directories to search [default: your home directory]
    #[arg(value_name = "ROOT")]
    pub roots: Vec<PathBuf>,
    /// Register what is new, and follow registered repositories that have moved
    #[arg(long)]
    pub register: bool,
    /// With --register: show what would be done, and do nothing
    #[arg(long, requires = "register")]
    pub dry_run: bool,
    /// Enter other file systems, too
    #[arg(long)]
    pub cross_file_systems: bool,
    /// Directory names never to enter, beside the usual caches
    #[arg(long, value_name = "NAME")]
    pub skip: Vec<String>,
}

#[derive(Debug, Args)]
#[command(override_usage = "kpmo install-hooks [OPTIONS] <REPO>...|--all")]
pub(super) struct InstallHooks {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns
    #[arg(
        value_name = "REPO", required_unless_present = "all",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repos: Vec<String>,
    /// Every registered repository
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
    /// Change nothing; exit 1 if hooks are missing or do not work
    #[arg(long)]
    pub check: bool,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "check")]
    pub dry_run: bool,
    /// By what git runs them: links in the hooks directory, or (git 2.54 and
    /// later) entries of the repository's configuration; without it as they are,
    /// and links at first
    #[arg(long, value_name = "MODE", conflicts_with = "check")]
    pub mode: Option<HooksMode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum HooksMode {
    /// Links; a hook that stands there is kept and runs first
    Links,
    /// Entries; no hooks directory is touched
    Config,
}

#[derive(Debug, Args)]
#[command(override_usage = "kpmo uninstall-hooks [OPTIONS] <REPO>...|--all")]
pub(super) struct UninstallHooks {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns
    #[arg(
        value_name = "REPO", required_unless_present = "all",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repos: Vec<String>,
    /// Every registered repository
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Events {
    /// Go on with events as they happen
    #[arg(long, short)]
    pub follow: bool,
    /// First sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub from: u64,
    /// Only events about this repository; of one that was removed, by its id
    #[arg(long, value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: Option<String>,
    /// Only events of this kind, for instance `verdict`
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Check the ledger's hash chain and its tables, with or without a governor
    Verify,
}

#[derive(Debug, Subcommand)]
pub(super) enum Governor {
    /// Run the governor in the foreground
    Run {
        /// Leave the caller's session first
        #[arg(long, hide = true)]
        detached: bool,
        /// Having left it: log to a file
        #[arg(long, hide = true)]
        daemon: bool,
    },
    /// Start the governor in the background, if it is not running
    Start,
    /// End the governor: at most 5 seconds for what is under way
    Stop(Force),
    /// Stop and start
    Restart(Force),
    /// Tell whether the governor runs, and what is wrong; exit 1 if it doesn't or something is
    Status,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Force {
    /// End a governor that does not answer, by SIGKILL
    #[arg(long)]
    pub force: bool,
}
