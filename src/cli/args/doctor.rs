use clap::Args;

use super::selector;

/// Find and explain what keeps hooks from running, or from being answered
///
/// Looks at everything on the way from git to a verdict: git, the environment, kpmo's
/// programs and directories, the governor, and the hooks of REPO. Starts and changes
/// nothing, and works without a governor. Exit status 1: something is wrong.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Doctor {
    /// Repository, by name, id or path [default: this directory's, and the whole home]
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repo: Option<String>,
    /// Mend what is safe to mend: put hooks in place again
    #[arg(long)]
    pub fix: bool,
    /// With --fix: show what would be done, and do nothing
    #[arg(long, requires = "fix")]
    pub dry_run: bool,
}
