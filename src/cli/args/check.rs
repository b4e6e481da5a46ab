use clap::Args;

use super::selector;

/// Run the rules without a commit; exit 1 on an error.
///
/// Judges what is staged as the hook does, and records nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns [default: the one around here]
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repos: Vec<String>,
    /// Every registered repository that is not archived
    #[arg(long, conflicts_with = "repos")]
    pub all: bool,
    #[command(flatten)]
    pub scope: Scope,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(in crate::cli) struct Scope {
    /// What is staged (the default)
    #[arg(long)]
    pub staged: bool,
    /// Each commit of a range, for instance `main..topic`
    #[arg(long, value_name = "A..B")]
    pub range: Option<String>,
    /// All tracked files, as if they were new
    #[arg(long)]
    pub all_files: bool,
}
