use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Registry {
    Import(Import),
    /// Check repos.yml, with or without a governor; exit 1 on an error
    Check {
        /// Another file to check [default: repos.yml of this home]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write the registry in canonical form: every key of every repository
    ///
    /// Either form can be used as a repos.yml. Paths below your home directory are
    /// written as ~/…, so that it can be taken to another machine.
    #[command(verbatim_doc_comment)]
    Export {
        /// How to write it
        #[arg(long, value_name = "FORMAT", default_value = "yaml")]
        format: Format,
        /// Replace FILE if it is there
        #[arg(long, requires = "file")]
        force: bool,
        /// Write it to this file [default: standard output]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Take over the registry of the hand-written tools that kpmo succeeds
///
/// FILE has `meta:` and a mapping `repos:` of names, each with local_path, remote_url, branch,
/// env_template, gitignore_profile, status (active, local-only), role, env_stage, write_authority.
///
///   a key that is there twice     the later one wins; both lines are told
///   branch: unknown               no default branch
///   env_stage: legacy             the stage dev, and the tag legacy
///   status: local-only            active without a remote, and the tag local-only
///   write_authority: NAME         the tag write-authority:NAME; kanban-pmo is left out
///   meta, unknown keys            left out; unknown keys are told
///
/// A repository whose name or path is registered already is left as it is, so importing again
/// adds nothing. Paths at which nothing is are imported, and told. repos.yml is edited once, or
/// not at all. Hooks stay as they are: `kpmo install-hooks --all` is the next step.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Import {
    /// The predecessor's file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would change in repos.yml, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(in crate::cli) enum Format {
    Yaml,
    Json,
}
