//! `kpmo status`: the fleet at a glance.

mod rows;
mod table;
mod watch;

use std::io::IsTerminal;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::{Order, Status},
    names,
    selectors::selectors,
    show::{note, print, print_json, progress, put_path},
    times,
};
use crate::{
    client::Connection,
    generated::kanban::{
        ListRepoStatusesRequest, RepoState, StatusRequest, WorktreeState, governor_client::GovernorClient,
        repo_registry_client::RepoRegistryClient,
    },
};

pub(super) fn run(context: &Context, options: &Status) -> Result<u8, Failure> {
    if options.watch {
        return watch::run(context, options);
    }
    let selectors = selectors(&options.repos)?;
    let mut states = context.block_on(async {
        let connection = context.governor().await?;
        tell_problems(connection.clone()).await?;
        fleet(connection, selectors).await
    })?;
    rows::sort(&mut states, order(context, options.sort));
    show(context, &states);
    Ok(FINE)
}

fn order(context: &Context, asked: Option<Order>) -> Order {
    asked.unwrap_or(if context.json { Order::Registry } else { Order::Attention })
}

/// What is wrong with the governor itself belongs to a look at the fleet.
pub(super) async fn tell_problems(connection: Connection) -> Result<(), Failure> {
    problems(connection).await?.iter().for_each(|problem| tell_problem(problem));
    Ok(())
}

async fn problems(connection: Connection) -> Result<Vec<String>, Failure> {
    Ok(GovernorClient::new(connection).status(StatusRequest {}).await?.into_inner().problems)
}

fn tell_problem(problem: &str) {
    note(&format!("kpmo: warning: {problem}"));
}

/// Asks for the states of those that the selectors mean; none: of all.
pub(super) async fn fleet(connection: Connection, selectors: Vec<String>) -> Result<Vec<RepoState>, Failure> {
    let bar = progress(Some(0), "looking");
    let states = stream(connection, selectors, |total| {
        bar.set_length(u64::from(total));
        bar.inc(1);
    });
    let states = states.await;
    bar.finish_and_clear();
    states
}

/// As [`fleet`], without a word.
async fn ask(connection: Connection, selectors: Vec<String>) -> Result<Vec<RepoState>, Failure> {
    stream(connection, selectors, |_| {}).await
}

async fn stream(
    connection: Connection,
    selectors: Vec<String>,
    mut tell: impl FnMut(u32),
) -> Result<Vec<RepoState>, Failure> {
    let mut client = RepoRegistryClient::new(connection);
    let mut answers = client.list_repo_statuses(ListRepoStatusesRequest { selectors }).await?.into_inner();
    let mut states = Vec::new();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        tell(answer.total);
        states.extend(answer.state);
    }
    Ok(states)
}

/// What may be unknown, or nothing.
fn given(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn put_changes(object: &mut Map<String, Value>, counts: [Value; 5]) {
    let names = ["dirty", "staged", "unstaged", "untracked", "conflicted"];
    object.extend(names.map(str::to_owned).into_iter().zip(counts));
}

fn as_json(state: &RepoState) -> Map<String, Value> {
    let repo = state.repo.clone().unwrap_or_default();
    // What is not known is not nothing.
    let count = |count: u32| if state.error.is_empty() { json!(count) } else { Value::Null };
    let mut object = Map::new();
    object.insert("id".into(), given(&repo.id));
    object.insert("name".into(), json!(repo.name));
    put_path(&mut object, "local_path", &repo.local_path);
    object.insert("branch".into(), given(&state.branch));
    object.insert("head".into(), given(&state.head));
    object.insert("bare".into(), if state.error.is_empty() { json!(state.bare) } else { Value::Null });
    let counts = [state.dirty, state.staged, state.unstaged, state.untracked, state.conflicted];
    put_changes(&mut object, counts.map(count));
    object.insert("upstream".into(), given(&state.upstream));
    object.insert("ahead".into(), json!(state.ahead));
    object.insert("behind".into(), json!(state.behind));
    object.insert("stash".into(), count(state.stash));
    object.insert("operation".into(), json!(names::operation(state.operation())));
    object.insert("stage".into(), json!(names::stage(repo.stage())));
    object.insert("status".into(), json!(names::status(repo.status())));
    object.insert("hooks".into(), json!(names::hooks(state.hooks())));
    object.insert("last_snapshot".into(), json!(times::rfc3339(state.last_snapshot.as_ref())));
    object.insert("unvalidated".into(), json!(state.unvalidated));
    for (name, trees) in [("worktrees", &state.worktrees), ("submodules", &state.submodules)] {
        let trees: Vec<_> = trees.iter().map(worktree_as_json).collect();
        object.insert(name.into(), if state.error.is_empty() { json!(trees) } else { Value::Null });
    }
    object.insert("error".into(), given(&state.error));
    object
}

fn worktree_as_json(state: &WorktreeState) -> Map<String, Value> {
    let count = |count: u32| if state.error.is_empty() { json!(count) } else { Value::Null };
    let mut object = Map::new();
    put_path(&mut object, "path", &state.path);
    object.insert("branch".into(), given(&state.branch));
    object.insert("head".into(), given(&state.head));
    let counts = [state.dirty, state.staged, state.unstaged, state.untracked, state.conflicted];
    put_changes(&mut object, counts.map(count));
    object.insert("operation".into(), json!(names::operation(state.operation())));
    object.insert("error".into(), given(&state.error));
    object
}

/// Shows the fleet as `kpmo up` does in the end.
pub(super) fn show_fleet(context: &Context, mut states: Vec<RepoState>) {
    rows::sort(&mut states, order(context, None));
    show(context, &states);
}

fn show(context: &Context, states: &[RepoState]) {
    if context.json {
        let repos: Vec<_> = states.iter().map(as_json).collect();
        print_json(&json!({ "repos": repos }));
    } else if states.is_empty() {
        note("no repository is registered yet; `kpmo up` finds them, `kpmo repo add PATH` adds one");
    } else {
        print(&text(states, terminal().map(|(width, _)| width)));
    }
}

/// The table and a summary; no line is wider than `width`.
fn text(states: &[RepoState], width: Option<usize>) -> String {
    let now = Timestamp::now();
    let rows: Vec<table::Row> = states.iter().map(|state| rows::row(state, now)).collect();
    let mut text = String::new();
    for line in table::lines(&rows::COLUMNS, &rows, width) {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&table::cut(&rows::summary(states), width.unwrap_or(usize::MAX), false));
    text.push('\n');
    text
}

/// Columns and lines of the terminal that is printed to, if it is one.
fn terminal() -> Option<(usize, usize)> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0)?;
    Some((size.ws_col.into(), size.ws_row.into()))
}
