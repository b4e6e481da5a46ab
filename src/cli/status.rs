use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure, names,
    repo::selectors,
    show::{self, note, print, print_json, progress, put_path, table},
    times,
};
use crate::{
    client::Connection,
    generated::kanban::{
        ListRepoStatusesRequest, RepoState, StatusRequest, governor_client::GovernorClient,
        repo_registry_client::RepoRegistryClient,
    },
};

pub(super) fn run(context: &Context, repos: &[String]) -> Result<u8, Failure> {
    let selectors = selectors(repos)?;
    let states = context.block_on(async {
        let connection = context.governor().await?;
        tell_problems(connection.clone()).await?;
        fleet(connection, selectors).await
    })?;
    show_fleet(context, &states);
    Ok(FINE)
}

/// What is wrong with the governor itself belongs to a look at the fleet.
async fn tell_problems(connection: Connection) -> Result<(), Failure> {
    let now = GovernorClient::new(connection).status(StatusRequest {}).await?.into_inner();
    for problem in now.problems {
        note(&format!("kpmo: warning: {problem}"));
    }
    Ok(())
}

/// Asks for the states of those that the selectors mean; none: of all.
pub(super) async fn fleet(connection: Connection, selectors: Vec<String>) -> Result<Vec<RepoState>, Failure> {
    let mut client = RepoRegistryClient::new(connection);
    let mut answers = client.list_repo_statuses(ListRepoStatusesRequest { selectors }).await?.into_inner();
    let bar = progress(Some(0), "looking");
    let mut states = Vec::new();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        bar.set_length(u64::from(answer.total));
        bar.inc(1);
        states.extend(answer.state);
    }
    bar.finish_and_clear();
    Ok(states)
}

pub(super) fn as_json(state: &RepoState) -> Map<String, Value> {
    let repo = state.repo.clone().unwrap_or_default();
    let readable = state.error.is_empty();
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut object = Map::new();
    object.insert("id".into(), given(&repo.id));
    object.insert("name".into(), json!(repo.name));
    put_path(&mut object, "local_path", &repo.local_path);
    object.insert("branch".into(), given(&state.branch));
    object.insert("head".into(), given(&state.head));
    object.insert("dirty".into(), if readable { json!(state.dirty) } else { Value::Null });
    object.insert("ahead".into(), json!(state.ahead));
    object.insert("behind".into(), json!(state.behind));
    object.insert("stage".into(), json!(names::stage(repo.stage())));
    object.insert("status".into(), json!(names::status(repo.status())));
    object.insert("hooks".into(), json!(names::hooks(state.hooks())));
    object.insert("last_snapshot".into(), json!(times::rfc3339(state.last_snapshot.as_ref())));
    object.insert("unvalidated".into(), json!(state.unvalidated));
    object.insert("error".into(), given(&state.error));
    object
}

pub(super) fn show_fleet(context: &Context, states: &[RepoState]) {
    if context.json {
        let repos: Vec<_> = states.iter().map(as_json).collect();
        print_json(&json!({ "repos": repos }));
        return;
    }
    if states.is_empty() {
        note("no repository is registered yet; `kpmo up` finds them, `kpmo repo add PATH` adds one");
        return;
    }
    let now = Timestamp::now();
    let count = |count: Option<u32>| count.filter(|count| *count > 0).map(|count| count.to_string());
    let rows = states
        .iter()
        .map(|state| {
            let repo = state.repo.clone().unwrap_or_default();
            let apart = match (state.ahead, state.behind) {
                (Some(ahead), Some(behind)) if ahead + behind > 0 => format!("+{ahead} -{behind}"),
                _ => String::new(),
            };
            let branch = if state.branch.is_empty() && !state.head.is_empty() {
                format!("({})", &state.head[..state.head.len().min(10)])
            } else {
                state.branch.clone()
            };
            vec![
                repo.name.clone(),
                branch,
                count(Some(state.dirty)).unwrap_or_default(),
                apart,
                names::stage(repo.stage()).to_owned(),
                names::status(repo.status()).to_owned(),
                names::hooks(state.hooks()).unwrap_or_default().to_owned(),
                times::age(state.last_snapshot.as_ref(), now),
                count(state.unvalidated).unwrap_or_default(),
                if state.error.is_empty() { show::path(&repo.local_path) } else { state.error.clone() },
            ]
        })
        .collect();
    let head = [
        "NAME",
        "BRANCH",
        "DIRTY",
        "AHEAD/BEHIND",
        "STAGE",
        "STATUS",
        "HOOKS",
        "SNAPSHOT",
        "UNVALIDATED",
        "PATH",
    ];
    print(&table(&head, rows));
}
