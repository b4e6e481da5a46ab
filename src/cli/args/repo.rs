use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Repos, selector};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Repo {
    /// Register a repository and install its hooks
    Add(RepoAdd),
    /// List the registered repositories
    List(Repos),
    /// Show all that the registry says of repositories
    Show {
        /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns
        #[arg(
            value_name = "REPO", required = true,
            value_parser = selector::parser(), add = selector::completer()
        )]
        repos: Vec<String>,
    },
    Set(RepoSet),
    Rename(RepoRename),
    /// Take a repository out of the registry, and its hooks away
    Remove(RepoRemove),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RepoAdd {
    /// The repository, or a directory in it
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Its name in the registry [default: the directory's]
    #[arg(long)]
    pub name: Option<String>,
    /// Leave its hooks alone
    #[arg(long)]
    pub no_hooks: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Change what the registry says of repositories
///
/// All that is named is changed in one edit of repos.yml, of which everything else stays as it
/// is; or nothing is. An empty TEXT takes the key out.
///
/// A repository that you have moved: kpmo repo set NAME --local-path NEW-PLACE. Its snapshots,
/// events and verdicts are its own wherever it is.
#[derive(Debug, Args)]
#[command(after_help = selector::HELP, override_usage = "kpmo repo set <REPO>...|--all <CHANGE>... [--dry-run]")]
pub(in crate::cli) struct RepoSet {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns
    #[arg(
        value_name = "REPO", required_unless_present = "all",
        value_parser = selector::parser(), add = selector::completer()
    )]
    pub repos: Vec<String>,
    /// Every registered repository
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
    #[command(flatten)]
    pub patch: Patch,
    /// Show how repos.yml would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is to be changed.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct Patch {
    /// Where it is fetched from; a password or query in it is left out
    #[arg(long, value_name = "URL")]
    pub remote_url: Option<String>,
    /// It has no remote
    #[arg(long, conflicts_with = "remote_url")]
    pub no_remote_url: bool,
    /// Its main branch
    #[arg(long, value_name = "BRANCH")]
    pub default_branch: Option<String>,
    /// How far it has been promoted
    #[arg(long)]
    pub stage: Option<Stage>,
    /// Whether kpmo looks after it, and how strictly
    #[arg(long)]
    pub status: Option<Standing>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub role: Option<String>,
    /// Add a tag; may be given several times
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Take a tag away; may be given several times
    #[arg(long, value_name = "TAG")]
    pub untag: Vec<String>,
    /// Template of its .env
    #[arg(long, value_name = "NAME")]
    pub env_template: Option<String>,
    /// Profile of its .gitignore
    #[arg(long, value_name = "NAME")]
    pub gitignore_profile: Option<String>,
    /// Command of `kpmo verify`; may be given several times, and replaces those that are there
    #[arg(long, value_name = "CMD")]
    pub verify: Vec<String>,
    /// There is nothing to verify
    #[arg(long, conflicts_with = "verify")]
    pub no_verify: bool,
    /// Where it is now: you have moved it there
    #[arg(long, value_name = "DIR")]
    pub local_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Stage {
    Dev,
    Staging,
    Prod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Standing {
    Active,
    Archived,
    OfflineOnly,
}

/// Give a repository another name
///
/// Its id, and with it its snapshots, events and verdicts, stay. Settings that policy.yml has
/// under `repos:` go by the name: from then on those of the new name hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct RepoRename {
    /// Name, id or path
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: String,
    /// The new name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Show how repos.yml would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RepoRemove {
    /// Name, id or path
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: String,
    /// Leave kpmo's hooks in the repository
    #[arg(long)]
    pub keep_hooks: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
