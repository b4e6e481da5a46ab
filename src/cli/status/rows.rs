//! What a repository's state looks like to people.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::{
    super::{args::Order, names, show, times},
    table::{Cell, Column, Row},
};
use crate::{
    fs::shown_bytes,
    generated::kanban::{GitOperation, HooksState, RepoState},
};

const fn column(head: &'static str, expendable: u8) -> Column {
    Column { head, expendable, least: None, cut_left: false, optional: false }
}

pub(super) const COLUMNS: [Column; 12] = [
    Column { least: Some(12), ..column("NAME", 0) },
    Column { least: Some(10), ..column("BRANCH", 1) },
    column("DIRTY", 2),
    column("UPSTREAM", 3),
    Column { optional: true, ..column("DOING", 4) },
    column("HOOKS", 5),
    column("UNVALIDATED", 6),
    column("SNAPSHOT", 7),
    Column { optional: true, ..column("STASH", 8) },
    column("STAGE", 9),
    column("STATUS", 10),
    Column { least: Some(20), cut_left: true, ..column("PATH", 11) },
];

/// How much a repository needs somebody's attention; the lower, the more.
fn rank(state: &RepoState) -> u8 {
    let counts = |count: Option<u32>| count.is_some_and(|count| count > 0);
    if !state.error.is_empty() {
        0
    } else if counts(state.unvalidated) {
        1
    } else if state.operation() != GitOperation::Unspecified {
        2
    } else if state.hooks() != HooksState::Ok {
        3
    } else if state.conflicted > 0 {
        4
    } else if state.dirty > 0 {
        5
    } else if counts(state.behind) || counts(state.ahead) || is_upstream_gone(state) {
        6
    } else if state.stash > 0 {
        7
    } else {
        8
    }
}

/// Puts states into an order.
pub(super) fn sort(states: &mut [RepoState], order: Order) {
    let name = |state: &RepoState| state.repo.as_ref().map(|repo| repo.name.to_lowercase());
    match order {
        Order::Attention => states.sort_by_cached_key(|state| (rank(state), name(state))),
        Order::Name => states.sort_by_cached_key(name),
        Order::Registry => {}
    }
}

pub(super) fn is_upstream_gone(state: &RepoState) -> bool {
    !state.upstream.is_empty() && state.ahead.is_none()
}

fn plain(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style: Style::new() }
}

fn coloured(text: impl Into<String>, color: AnsiColor) -> Cell {
    Cell { text: text.into(), style: color.on_default() }
}

fn count(count: u32, color: AnsiColor) -> Cell {
    if count == 0 { Cell::default() } else { coloured(count.to_string(), color) }
}

pub(super) fn row(state: &RepoState, now: Timestamp) -> Row {
    let repo = state.repo.clone().unwrap_or_default();
    if !state.error.is_empty() {
        let error = shown_bytes(state.error.as_bytes());
        return Row::Said(coloured(repo.name, AnsiColor::Red), coloured(error, AnsiColor::Red));
    }
    let branch = match (state.branch.is_empty(), state.head.get(..10)) {
        (true, Some(head)) => coloured(format!("({head})"), AnsiColor::Yellow),
        _ => plain(shown_bytes(state.branch.as_bytes())),
    };
    let upstream = match (state.ahead, state.behind) {
        (Some(0), Some(0)) => plain("="),
        (Some(ahead), Some(0)) => coloured(format!("+{ahead}"), AnsiColor::Cyan),
        (Some(0), Some(behind)) => coloured(format!("-{behind}"), AnsiColor::Yellow),
        (Some(ahead), Some(behind)) => coloured(format!("+{ahead} -{behind}"), AnsiColor::Yellow),
        _ if is_upstream_gone(state) => coloured("gone", AnsiColor::Yellow),
        _ => Cell::default(),
    };
    let dirty = match (state.bare, state.conflicted) {
        (true, _) => plain("bare"),
        (_, 0) => count(state.dirty, AnsiColor::Yellow),
        (_, conflicts) => coloured(format!("{} ({conflicts}!)", state.dirty), AnsiColor::Red),
    };
    let hooks = match state.hooks() {
        HooksState::Ok => plain("ok"),
        other => coloured(names::hooks(other).unwrap_or_default(), AnsiColor::Red),
    };
    Row::Cells(vec![
        plain(repo.name.clone()),
        branch,
        dirty,
        upstream,
        coloured(names::operation(state.operation()).unwrap_or_default(), AnsiColor::Magenta),
        hooks,
        count(state.unvalidated.unwrap_or_default(), AnsiColor::Red),
        plain(times::age(state.last_snapshot.as_ref(), now)),
        count(state.stash, AnsiColor::Cyan),
        plain(names::stage(repo.stage())),
        plain(names::status(repo.status())),
        plain(show::path(&repo.local_path)),
    ])
}

/// The fleet in one line.
pub(super) fn summary(states: &[RepoState]) -> String {
    let readable = || states.iter().filter(|state| state.error.is_empty());
    let some = |count: Option<u32>| count.is_some_and(|count| count > 0);
    let parts = [
        (states.len() - readable().count(), "can't be read"),
        (readable().filter(|state| some(state.unvalidated)).count(), "with unvalidated commits"),
        (
            readable().filter(|s| s.operation() != GitOperation::Unspecified).count(),
            "in the middle of something",
        ),
        (readable().filter(|state| state.hooks() != HooksState::Ok).count(), "without working hooks"),
        (readable().filter(|state| state.conflicted > 0).count(), "in conflict"),
        (readable().filter(|state| state.dirty > 0).count(), "dirty"),
        (readable().filter(|state| some(state.behind)).count(), "behind"),
        (readable().filter(|state| some(state.ahead)).count(), "ahead"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let total = show::counted(states.len() as u64, "repository", "repositories");
    if said.is_empty() { format!("{total}, all clean") } else { format!("{total}: {}", said.join(", ")) }
}
