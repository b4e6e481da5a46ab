use serde_json::{Value, json};

use super::{
    Context, FINE, Failure,
    args::{Repo, RepoAdd, RepoRemove},
    context::absolute,
    fields::as_json,
    hooks::describe,
    names, programs,
    selectors::{selector, selectors},
    set,
    show::{self, note, print, print_json, table},
    status,
};
use crate::{
    fs::bytes_of,
    generated::kanban::{
        self, AddRepoRequest, ListReposRequest, RemoveRepoRequest, repo_registry_client::RepoRegistryClient,
    },
};

pub(super) fn run(context: &Context, command: Repo) -> Result<u8, Failure> {
    match command {
        Repo::Add(options) => add(context, options),
        Repo::List(options) => list(context, &options.repos, false),
        Repo::Show { repos } => list(context, &repos, true),
        Repo::Set(options) => set::run(context, options),
        Repo::Rename(options) => set::rename(context, options),
        Repo::Remove(options) => remove(context, &options),
    }
}

fn add(context: &Context, options: RepoAdd) -> Result<u8, Failure> {
    let request = AddRepoRequest {
        path: bytes_of(&absolute(&options.path)?),
        name: options.name.unwrap_or_default(),
        skip_hooks: options.no_hooks,
        dry_run: options.dry_run,
        base_version: String::new(),
    };
    if !options.no_hooks && !options.dry_run {
        programs::ensure(context);
    }
    let added = context.block_on(async {
        let connection = context.governor().await?;
        let added = RepoRegistryClient::new(connection.clone()).add_repo(request).await?.into_inner();
        status::tell_problems(connection).await?;
        Ok::<_, Failure>(added)
    })?;
    for warning in &added.warnings {
        note(&format!("kpmo: warning: {warning}"));
    }
    let repo = added.repo.unwrap_or_default();
    if context.json {
        print_json(
            &json!({ "repos": [as_json(&repo)], "created": added.created, "dry_run": options.dry_run }),
        );
        return Ok(FINE);
    }
    if !added.moved_from.is_empty() {
        let would = if options.dry_run { "would have " } else { "" };
        print(&format!("{} {would}moved from {}\n", repo.name, show::path(&added.moved_from)));
    }
    let what = match (added.created, options.dry_run) {
        (true, false) => "added",
        (true, true) => "would add",
        (false, _) => "already registered:",
    };
    let mut text = format!("{what} {} ({})\n", repo.name, show::path(&repo.local_path));
    for change in &added.hook_changes {
        text.push_str(&describe(change));
    }
    print(&text);
    Ok(FINE)
}

fn remove(context: &Context, options: &RepoRemove) -> Result<u8, Failure> {
    let request = RemoveRepoRequest {
        selector: selector(&options.repo)?,
        keep_hooks: options.keep_hooks,
        dry_run: options.dry_run,
        base_version: String::new(),
    };
    let removed = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        Ok::<_, Failure>(client.remove_repo(request).await?.into_inner())
    })?;
    let repo = removed.repo.unwrap_or_default();
    if context.json {
        print_json(&json!({ "repos": [as_json(&repo)], "dry_run": options.dry_run }));
        return Ok(FINE);
    }
    let what = if options.dry_run { "would remove" } else { "removed" };
    let mut text = format!("{what} {} ({})\n", repo.name, show::path(&repo.local_path));
    for change in &removed.hook_changes {
        text.push_str(&describe(change));
    }
    print(&text);
    Ok(FINE)
}

fn list(context: &Context, repos: &[String], whole: bool) -> Result<u8, Failure> {
    let request = ListReposRequest { selectors: selectors(repos)? };
    let answer = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        Ok::<_, Failure>(client.list_repos(request).await?.into_inner())
    })?;
    if !answer.registry_error.is_empty() {
        note(&format!("kpmo: warning: the last good registry is shown: {}", answer.registry_error));
    }
    if context.json {
        print(&listed_as_json(&answer.repos)?);
    } else if whole {
        let all: Vec<_> = answer.repos.iter().map(details).collect();
        print(&all.join("\n"));
    } else if answer.repos.is_empty() {
        note("no repository is registered yet; `kpmo up` finds them, `kpmo repo add PATH` adds one");
    } else {
        let rows = answer
            .repos
            .iter()
            .map(|repo| {
                vec![
                    repo.name.clone(),
                    names::status(repo.status()).to_owned(),
                    names::stage(repo.stage()).to_owned(),
                    show::path(&repo.local_path),
                    repo.remote_url.clone(),
                ]
            })
            .collect();
        print(&table(&["NAME", "STATUS", "STAGE", "PATH", "REMOTE"], rows));
    }
    Ok(FINE)
}

/// One after the other: of thousands the values together would take longer than
/// all else that listing takes.
fn listed_as_json(repos: &[kanban::Repo]) -> Result<String, Failure> {
    let mut text = String::from("{\"repos\":[");
    for (at, repo) in repos.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(&as_json(repo)).map_err(Failure::new)?);
    }
    text.push_str("]}\n");
    Ok(text)
}

fn details(repo: &kanban::Repo) -> String {
    let mut text = String::new();
    for (key, value) in as_json(repo) {
        let value = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text,
            Value::Array(items) if items.is_empty() => "-".to_owned(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        text.push_str(&format!("{key:<18} {value}\n"));
    }
    text
}
