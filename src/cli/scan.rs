use std::{collections::HashSet, path::PathBuf};

use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::Scan,
    context::absolute,
    names,
    show::{self, note, print, print_json, progress, put_path, table},
};
use crate::{
    client::Connection,
    fs::{bytes_of, shown_bytes},
    generated::{
        kanban::{AddRepoRequest, ListReposRequest, repo_registry_client::RepoRegistryClient},
        probe::{
            FoundRepo, RepoKind, TrackRequest, TrackWarning, probe_client::ProbeClient, track_response::Event,
        },
    },
};

pub(super) fn run(context: &Context, options: &Scan) -> Result<u8, Failure> {
    let roots = roots(&options.roots)?;
    context.block_on(async {
        let connection = context.governor().await?;
        let request = TrackRequest {
            roots: roots.iter().map(|root| bytes_of(root)).collect(),
            skip: options.skip.clone(),
            cross_file_systems: options.cross_file_systems,
        };
        let (found, warnings) = track(connection.clone(), request).await?;
        if options.register {
            register(connection.clone(), &found).await?;
        }
        let registered = registered(connection).await?;
        show_found(context, &found, &warnings, &registered);
        Ok(FINE)
    })
}

/// The directories to search: those given, else the user's home directory.
pub(super) fn roots(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if given.is_empty() {
        let home = std::env::home_dir()
            .ok_or_else(|| Failure::new("cannot tell your home directory; name the directories to search"))?;
        return Ok(vec![home]);
    }
    given.iter().map(|root| absolute(root)).collect()
}

/// Whether a find is a repository of its own, to be registered: linked work
/// trees and submodules belong to another.
pub(super) fn stands_alone(kind: RepoKind) -> bool {
    matches!(kind, RepoKind::Worktree | RepoKind::Bare | RepoKind::Nested)
}

async fn track(
    connection: Connection,
    request: TrackRequest,
) -> Result<(Vec<FoundRepo>, Vec<TrackWarning>), Failure> {
    let mut events = ProbeClient::new(connection).track(request).await?.into_inner();
    let bar = progress(None, "repositories found:");
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event?.event {
            Some(Event::Found(repo)) => {
                bar.inc(1);
                found.push(repo);
            }
            Some(Event::Warning(warning)) => warnings.push(warning),
            Some(Event::Summary(_)) | None => {}
        }
    }
    bar.finish_and_clear();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((found, warnings))
}

async fn register(connection: Connection, found: &[FoundRepo]) -> Result<(), Failure> {
    let mut client = RepoRegistryClient::new(connection);
    let bar = progress(Some(found.len() as u64), "registering");
    for repo in found.iter().filter(|repo| stands_alone(repo.kind())) {
        let request = AddRepoRequest { path: repo.path.clone(), ..AddRepoRequest::default() };
        match client.add_repo(request).await {
            Ok(_) => {}
            Err(status) => note(&format!("kpmo: warning: {}: {}", shown_bytes(&repo.path), status.message())),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn registered(connection: Connection) -> Result<HashSet<Vec<u8>>, Failure> {
    let mut client = RepoRegistryClient::new(connection);
    let answer = client.list_repos(ListReposRequest::default()).await?.into_inner();
    Ok(answer.repos.into_iter().map(|repo| repo.local_path).collect())
}

fn show_found(
    context: &Context,
    found: &[FoundRepo],
    warnings: &[TrackWarning],
    registered: &HashSet<Vec<u8>>,
) {
    // A linked work tree is as registered as the repository that it is of.
    let main_path = |repo: &FoundRepo| match repo.common_dir.strip_suffix(b"/.git") {
        Some(main) if repo.kind() == RepoKind::Linked => main.to_vec(),
        _ => repo.path.clone(),
    };
    let is_registered = |repo: &FoundRepo| registered.contains(&main_path(repo));
    if context.json {
        let found: Vec<Map<String, Value>> = found
            .iter()
            .map(|repo| {
                let mut object = Map::new();
                put_path(&mut object, "path", &repo.path);
                object.insert("kind".into(), json!(names::repo_kind(repo.kind())));
                object.insert("registered".into(), json!(is_registered(repo)));
                object
            })
            .collect();
        let warnings: Vec<Map<String, Value>> = warnings
            .iter()
            .map(|warning| {
                let mut object = Map::new();
                put_path(&mut object, "path", &warning.path);
                object.insert("message".into(), json!(warning.message));
                object
            })
            .collect();
        print_json(&json!({ "found": found, "warnings": warnings }));
        return;
    }
    let rows = found
        .iter()
        .map(|repo| {
            vec![
                names::repo_kind(repo.kind()).to_owned(),
                if is_registered(repo) { "yes" } else { "no" }.to_owned(),
                show::path(&repo.path),
            ]
        })
        .collect();
    print(&table(&["KIND", "REGISTERED", "PATH"], rows));
    for warning in warnings.iter().take(5) {
        note(&format!("kpmo: warning: {}: {}", shown_bytes(&warning.path), warning.message));
    }
    if warnings.len() > 5 {
        note(&format!("kpmo: warning: and {} more (`--json` lists them)", warnings.len() - 5));
    }
}
