use std::time::Duration;

use clap::{Args, ValueEnum};

use super::selector;

#[derive(Debug, Args)]
#[command(after_help = "\
A repository that can't be read has a row that says why; the others are shown, and the exit \
status is 0. On a terminal columns that do not fit are cut or left out; all are there in a pipe \
and with --json.")]
pub(in crate::cli) struct Status {
    /// Repositories: names, ids, paths, tag:T, status:S, stage:S, patterns [default: all]
    #[arg(value_name = "REPO", value_parser = selector::parser(), add = selector::completer())]
    pub repos: Vec<String>,
    /// Go on, and show what changes; Ctrl-C ends it
    ///
    /// With --json a line is printed with all repositories, and then one for each change with those
    /// that changed. Into a pipe the table is printed anew after each change.
    #[arg(long, short)]
    pub watch: bool,
    /// With --watch: how often to look
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, requires = "watch")]
    pub interval: Duration,
    /// The order [default: attention; with --json that of the registry]
    #[arg(long, value_name = "ORDER")]
    pub sort: Option<Order>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Order {
    /// What needs attention first: what can't be read, unvalidated commits, operations in
    /// progress, hooks, conflicts, changes, commits behind or ahead
    Attention,
    /// By name
    Name,
    /// As in `repos.yml`
    Registry,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(interval) if interval >= Duration::from_millis(100) => Ok(interval),
        _ => Err("it must be 0.1 or more".to_owned()),
    }
}
