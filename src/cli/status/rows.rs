//! What a repository's state looks like to people.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::{
    super::{args::Order, names, show, times},
    table::{Cell, Column, Row},
};
use crate::{
    fs::shown_bytes,
    generated::kanban::{GitOperation, HooksState, RepoState, WorktreeState},
};

const fn column(head: &'static str, expendable: u8) -> Column {
    Column { head, expendable, least: None, cut_left: false, optional: false }
}

pub(super) const COLUMNS: [Column; 14] = [
    Column { least: Some(12), ..column("NAME", 0) },
    Column { least: Some(10), ..column("BRANCH", 1) },
    column("DIRTY", 2),
    Column { optional: true, ..column("WORKTREES", 3) },
    Column { optional: true, ..column("SUBMODULES", 4) },
    column("UPSTREAM", 5),
    Column { optional: true, ..column("DOING", 6) },
    column("HOOKS", 7),
    column("UNVALIDATED", 8),
    column("SNAPSHOT", 9),
    Column { optional: true, ..column("STASH", 10) },
    column("STAGE", 11),
    column("STATUS", 12),
    Column { least: Some(20), cut_left: true, ..column("PATH", 13) },
];

/// How much a repository needs somebody's attention; the lower, the more.
fn rank(state: &RepoState) -> u8 {
    let counts = |count: Option<u32>| count.is_some_and(|count| count > 0);
    if !state.error.is_empty() {
        0
    } else if counts(state.unvalidated) {
        1
    } else if is_doing(state) {
        2
    } else if state.hooks() != HooksState::Ok {
        3
    } else if is_in_conflict(state) {
        4
    } else if is_dirty(state) || others(state).any(is_unreadable) {
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

/// The linked work trees and submodules.
fn others(state: &RepoState) -> impl Iterator<Item = &WorktreeState> {
    state.worktrees.iter().chain(&state.submodules)
}

/// Here or in one of the others.
fn is_doing(state: &RepoState) -> bool {
    let doing = |operation| operation != GitOperation::Unspecified;
    doing(state.operation()) || others(state).any(|tree| doing(tree.operation()))
}

fn is_unreadable(tree: &WorktreeState) -> bool {
    !tree.error.is_empty()
}

fn is_in_conflict(state: &RepoState) -> bool {
    state.conflicted > 0 || others(state).any(|tree| tree.conflicted > 0)
}

fn is_dirty(state: &RepoState) -> bool {
    state.dirty > 0 || others(state).any(|tree| tree.dirty > 0)
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
        trees(&state.worktrees),
        trees(&state.submodules),
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

/// How many there are, and what is the matter with some.
fn trees(trees: &[WorktreeState]) -> Cell {
    let count = |is: fn(&WorktreeState) -> bool| trees.iter().filter(|tree| is(tree)).count();
    let (conflicts, unread) = (count(|tree| tree.conflicted > 0), count(is_unreadable));
    let parts = [
        (conflicts, "in conflict"),
        (unread, "can't be read"),
        (count(|tree| tree.conflicted == 0 && tree.operation() != GitOperation::Unspecified), "unfinished"),
        (count(|tree| tree.conflicted == 0 && tree.dirty > 0), "dirty"),
    ];
    match (trees.len(), told(&parts)) {
        (0, _) => Cell::default(),
        (all, None) => plain(all.to_string()),
        (all, Some(said)) => {
            let color = if conflicts + unread > 0 { AnsiColor::Red } else { AnsiColor::Yellow };
            coloured(format!("{all} ({said})"), color)
        }
    }
}

/// How many there are of each, if there are any.
fn told(parts: &[(usize, &str)]) -> Option<String> {
    let some = parts.iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// The fleet in one line.
pub(super) fn summary(states: &[RepoState]) -> String {
    let readable = || states.iter().filter(|state| state.error.is_empty());
    let some = |count: Option<u32>| count.is_some_and(|count| count > 0);
    let parts = [
        (states.len() - readable().count(), "can't be read"),
        (
            readable().filter(|state| state.worktrees.iter().any(is_unreadable)).count(),
            "with work trees that can't be read",
        ),
        (
            readable().filter(|state| state.submodules.iter().any(is_unreadable)).count(),
            "with submodules that can't be read",
        ),
        (readable().filter(|state| some(state.unvalidated)).count(), "with unvalidated commits"),
        (readable().filter(|state| is_doing(state)).count(), "in the middle of something"),
        (readable().filter(|state| state.hooks() != HooksState::Ok).count(), "without working hooks"),
        (readable().filter(|state| is_in_conflict(state)).count(), "in conflict"),
        (readable().filter(|state| is_dirty(state)).count(), "dirty"),
        (readable().filter(|state| some(state.behind)).count(), "behind"),
        (readable().filter(|state| some(state.ahead)).count(), "ahead"),
    ];
    let total = show::counted(states.len() as u64, "repository", "repositories");
    told(&parts).map_or_else(|| format!("{total}, all clean"), |said| format!("{total}: {said}"))
}
