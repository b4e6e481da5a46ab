//! Registering what a scan found, for `kpmo scan` and `kpmo up`.

use tokio_stream::StreamExt;

use super::{
    Failure,
    show::{self, note, print, progress},
};
use crate::{
    client::Connection,
    fs::shown_bytes,
    generated::{
        kanban::{
            FoundOutcome, RegisterFoundRequest, RegisteredFound, repo_registry_client::RepoRegistryClient,
        },
        probe::RepoKind,
    },
};

/// Whether a find is a repository of its own, to be registered: linked work
/// trees and submodules belong to another.
pub(super) fn stands_alone(kind: RepoKind) -> bool {
    matches!(kind, RepoKind::Worktree | RepoKind::Bare | RepoKind::Nested)
}

/// Registers finds; what became of each, in order of path.
pub(super) async fn register(
    connection: Connection,
    paths: Vec<Vec<u8>>,
    dry_run: bool,
) -> Result<Vec<RegisteredFound>, Failure> {
    let request = RegisterFoundRequest { paths, skip_hooks: false, dry_run };
    let mut answers = RepoRegistryClient::new(connection).register_found(request).await?.into_inner();
    let bar = progress(Some(0), "registering");
    let mut registered = Vec::new();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        bar.set_length(u64::from(answer.total));
        bar.set_position(u64::from(answer.done));
        registered.extend(answer.found);
    }
    bar.finish_and_clear();
    registered.sort_by(|a: &RegisteredFound, b| a.path.cmp(&b.path));
    Ok(registered)
}

/// Says what became of a find where that is worth a word: that it moved, got a
/// name that is not its directory's, or was left out.
pub(super) fn tell(found: &RegisteredFound, dry_run: bool, json: bool) {
    let path = shown_bytes(&found.path);
    if !found.error.is_empty() {
        note(&format!("kpmo: warning: {path} is not registered: {}", found.error));
    }
    for warning in &found.warnings {
        note(&format!("kpmo: warning: {path}: {warning}"));
    }
    let Some(repo) = found.repo.as_ref().filter(|_| !json) else { return };
    let would = if dry_run { "would have " } else { "" };
    match found.outcome() {
        FoundOutcome::Moved => print(&format!(
            "{} {would}moved: {} → {}\n",
            repo.name,
            show::path(&found.moved_from),
            show::path(&repo.local_path)
        )),
        FoundOutcome::Added if dry_run => {
            print(&format!("would register {} ({})\n", repo.name, show::path(&repo.local_path)));
        }
        FoundOutcome::Added
            if !found.path.ends_with(repo.name.as_bytes()) && !is_bare(&found.path, &repo.name) =>
        {
            print(&format!("{} is registered as {}\n", show::path(&repo.local_path), repo.name));
        }
        _ => {}
    }
}

/// Whether a path is that of a bare repository of this name.
fn is_bare(path: &[u8], name: &str) -> bool {
    path.strip_suffix(b".git").is_some_and(|path| path.ends_with(name.as_bytes()))
}

/// Whether something about a find needs the user's eye.
pub(super) fn left_out(found: &RegisteredFound) -> bool {
    found.outcome() == FoundOutcome::LeftOut
}
