//! `kpmo repo set` and `kpmo repo rename`.

use serde_json::{Map, Value, json};

use super::{
    Context, FINE, Failure,
    args::{Patch, RepoRename, RepoSet},
    context::absolute,
    fields::as_json,
    names,
    selectors::{selector, selectors},
    show::{self, note, print, print_json},
};
use crate::{
    fs::{bytes_of, shown_bytes},
    generated::kanban::{
        RenameRepoRequest, RepoChange, RepoPatch, UpdateRepoRequest, VerifyCommands,
        repo_registry_client::RepoRegistryClient,
    },
};

pub(super) fn run(context: &Context, options: RepoSet) -> Result<u8, Failure> {
    let request = UpdateRepoRequest {
        selectors: selectors(&options.repos)?,
        all: options.all,
        patch: Some(patch(options.patch)?),
        dry_run: options.dry_run,
        base_version: String::new(),
    };
    let answer = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        Ok::<_, Failure>(client.update_repo(request).await?.into_inner())
    })?;
    tell(context, &answer.changes, &answer.diff, &answer.warnings, options.dry_run);
    Ok(FINE)
}

pub(super) fn rename(context: &Context, options: RepoRename) -> Result<u8, Failure> {
    let request = RenameRepoRequest {
        selector: selector(&options.repo)?,
        new_name: options.name,
        dry_run: options.dry_run,
        base_version: String::new(),
    };
    let answer = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        Ok::<_, Failure>(client.rename_repo(request).await?.into_inner())
    })?;
    let changes: Vec<_> = answer.change.into_iter().collect();
    tell(context, &changes, &answer.diff, &answer.warnings, options.dry_run);
    Ok(FINE)
}

fn patch(given: Patch) -> Result<RepoPatch, Failure> {
    let local_path = given.local_path.as_deref().map(absolute).transpose()?;
    let is_verify = given.no_verify || !given.verify.is_empty();
    Ok(RepoPatch {
        local_path: local_path.as_deref().map(bytes_of),
        remote_url: if given.no_remote_url { Some(String::new()) } else { given.remote_url },
        default_branch: given.default_branch,
        env_template: given.env_template,
        gitignore_profile: given.gitignore_profile,
        status: given.status.map(names::status_in).unwrap_or_default().into(),
        stage: given.stage.map(names::stage_in).unwrap_or_default().into(),
        role: given.role,
        add_tags: given.tag,
        remove_tags: given.untag,
        verify: is_verify.then_some(VerifyCommands { commands: given.verify }),
    })
}

fn tell(context: &Context, changes: &[RepoChange], diff: &str, warnings: &[String], dry_run: bool) {
    for warning in warnings {
        note(&format!("kpmo: warning: {warning}"));
    }
    if context.json {
        let repos: Vec<_> =
            changes.iter().map(|change| as_json(&change.new.clone().unwrap_or_default())).collect();
        let changes: Vec<_> = changes.iter().map(change_as_json).collect();
        let diff = dry_run.then_some(diff);
        print_json(&json!({ "repos": repos, "changes": changes, "dry_run": dry_run, "diff": diff }));
        return;
    }
    let text: String = changes.iter().map(line).collect();
    print(&format!("{diff}{text}"));
}

/// The fields that differ: key, value before, value after.
fn fields(change: &RepoChange) -> Vec<(&String, Value, Value)> {
    let object = |repo: &Option<_>| as_json(&Option::clone(repo).unwrap_or_default());
    let (mut old, mut new) = (object(&change.old), object(&change.new));
    let mut take = |key: &String| (old.remove(key).unwrap_or_default(), new.remove(key).unwrap_or_default());
    change
        .fields
        .iter()
        .map(|key| {
            let (old, new) = take(key);
            (key, old, new)
        })
        .collect()
}

fn change_as_json(change: &RepoChange) -> Map<String, Value> {
    let repo = change.new.clone().unwrap_or_default();
    let fields: Vec<_> = fields(change)
        .into_iter()
        .map(|(field, old, new)| json!({ "field": field, "old": old, "new": new }))
        .collect();
    let mut object = Map::new();
    object.insert("id".into(), json!(repo.id));
    object.insert("name".into(), json!(repo.name));
    object.insert("fields".into(), json!(fields));
    object
}

/// One line a repository: what was, and what is.
fn line(change: &RepoChange) -> String {
    let name = change.old.clone().unwrap_or_default().name;
    let fields: Vec<String> = fields(change)
        .into_iter()
        .map(|(key, old, new)| format!("{key} {} -> {}", in_words(&old), in_words(&new)))
        .collect();
    if fields.is_empty() {
        format!("{name}: unchanged\n")
    } else {
        format!("{name}: {}\n", fields.join("; "))
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.starts_with('/') => show::path(text.as_bytes()),
        Value::String(text) => shown_bytes(text.as_bytes()),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::kanban::{Repo, Stage};

    #[test]
    fn a_line_says_what_was_and_what_is() {
        let old = Repo { name: "app".into(), stage: Stage::Dev.into(), ..Repo::default() };
        let new = Repo { stage: Stage::Prod.into(), tags: vec!["a".into(), "b\n".into()], ..old.clone() };
        let fields = vec!["stage".to_owned(), "tags".to_owned()];
        let change = RepoChange { old: Some(old.clone()), new: Some(new), fields };
        assert_eq!(line(&change), "app: stage dev -> prod; tags - -> a, b\\n\n");
        let same = RepoChange { old: Some(old.clone()), new: Some(old), fields: Vec::new() };
        assert_eq!(line(&same), "app: unchanged\n");
    }
}
