use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::Events,
    names,
    selectors::selector,
    show::{print, print_json},
    times,
};
use crate::{
    client::Connection,
    generated::kanban::{
        Event, EventKind, ListReposRequest, StreamRequest, issue_event_client::IssueEventClient,
        repo_registry_client::RepoRegistryClient,
    },
};

/// Longest value that is shown whole to people, in characters.
const LONGEST: usize = 100;

pub(super) fn run(context: &Context, options: &Events) -> Result<u8, Failure> {
    let kinds = options.kind.iter().map(|kind| parse(kind)).collect::<Result<Vec<_>, _>>()?;
    let repo = match &options.repo {
        Some(repo) => selector(repo)?,
        None => String::new(),
    };
    context.block_on(async {
        let connection = context.governor().await?;
        let listed = RepoRegistryClient::new(connection.clone())
            .list_repos(ListReposRequest::default())
            .await?
            .into_inner();
        let repos: HashMap<String, String> =
            listed.repos.into_iter().map(|repo| (repo.id, repo.name)).collect();
        let mut request = StreamRequest {
            from_seq: options.from,
            follow: options.follow,
            kinds: kinds.into_iter().map(i32::from).collect(),
            repo,
        };
        let mut connection = connection;
        loop {
            match tell(context, connection, &mut request, &repos).await {
                // Who follows goes on where it ended with the next governor.
                Ok(()) if options.follow => {}
                Err(failure) if options.follow && failure.is_gone() => {}
                told => return told.map(|()| FINE),
            }
            connection = context.next_governor().await?;
        }
    })
}

/// Prints what comes, and remembers how far it came.
async fn tell(
    context: &Context,
    connection: Connection,
    request: &mut StreamRequest,
    repos: &HashMap<String, String>,
) -> Result<(), Failure> {
    let mut events = IssueEventClient::new(connection).stream(request.clone()).await?.into_inner();
    while let Some(event) = events.next().await {
        let Some(event) = event?.event else { continue };
        request.from_seq = event.seq + 1;
        if context.json {
            print_json(&Value::Object(as_json(&event)));
        } else {
            print(&line(&event, repos));
        }
    }
    Ok(())
}

fn parse(kind: &str) -> Result<EventKind, Failure> {
    EventKind::from_str_name(&names::formal(kind, "EVENT_KIND_"))
        .ok_or_else(|| Failure::new(format!("{kind} is no kind of event; for instance `verdict` is one")))
}

fn time(event: &Event) -> String {
    times::rfc3339(event.time.as_ref()).unwrap_or_default()
}

fn kind(event: &Event) -> String {
    names::plain(event.kind().as_str_name(), "EVENT_KIND_")
}

fn as_json(event: &Event) -> Map<String, Value> {
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut object = Map::new();
    object.insert("seq".into(), json!(event.seq));
    object.insert("time".into(), json!(time(event)));
    object.insert("kind".into(), json!(kind(event)));
    object.insert("repo".into(), given(&event.repo_id));
    object.insert("card".into(), given(&event.card));
    object.insert("actor".into(), json!(event.actor));
    object.insert("event_id".into(), json!(event.event_id));
    object.insert("attributes".into(), sorted(event));
    object.insert("hash".into(), json!(hex::encode(&event.hash)));
    object
}

fn sorted(event: &Event) -> Value {
    let sorted: std::collections::BTreeMap<_, _> = event.attributes.iter().collect();
    json!(sorted)
}

fn line(event: &Event, repos: &HashMap<String, String>) -> String {
    let repo = repos.get(&event.repo_id).unwrap_or(&event.repo_id);
    let mut text = format!("{:>6}  {}  {:<19} {}", event.seq, time(event), kind(event), repo);
    if !event.card.is_empty() {
        text.push_str(&format!(" {}", event.card));
    }
    let sorted: std::collections::BTreeMap<_, _> = event.attributes.iter().collect();
    for (key, value) in sorted {
        let shown: String = value.chars().take(LONGEST).collect();
        let more = if shown.len() < value.len() { "…" } else { "" };
        text.push_str(&format!(" {key}={}{more}", shown.escape_debug()));
    }
    text.push('\n');
    text
}
