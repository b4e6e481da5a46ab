use std::path::{Component, Path};

use indicatif::{HumanBytes, ProgressBar};
use jiff::Zoned;
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::Restore,
    context::absolute,
    diff::change_as_json,
    selectors::selector,
    show::{self, note, print, print_json, progress, put_path},
    snap, times,
};
use crate::{
    fs::{bytes_of, shown},
    generated::kanban::{
        PathChange, RestoreDone, RestorePhase, RestoreProgress, RestoreRequest, SnapshotSelector,
        probe_sync_client::ProbeSyncClient, restore_response::Event, snapshot_selector::Which,
    },
};

pub(super) fn run(context: &Context, options: &Restore) -> Result<u8, Failure> {
    let request = request(options)?;
    let (restored, failed) = context.block_on(ask(context, request))?;
    if context.json {
        print_json(&json!({ "restored": restored, "failed": failed }));
    }
    Ok(if failed.is_empty() { FINE } else { FINDINGS })
}

fn request(options: &Restore) -> Result<RestoreRequest, Failure> {
    let at = options.at.as_deref().map(|at| times::parse(at, &Zoned::now())).transpose()?;
    let repo = options.repo.as_deref().unwrap_or_default();
    let snapshot = match (&options.snapshot, at) {
        (Some(snapshot), _) => snap::selector(snapshot, Some(repo))?,
        (None, at) => SnapshotSelector {
            repo: if options.all { String::new() } else { selector(repo)? },
            which: at.map(|at| Which::At(times::to_proto(at))),
        },
    };
    Ok(RestoreRequest {
        snapshot: Some(snapshot),
        all: options.all,
        to: options.to.as_deref().map(absolute).transpose()?.as_deref().map(bytes_of).unwrap_or_default(),
        paths: options.paths.iter().map(|path| in_repository(path)).collect::<Result<_, _>>()?,
        force: options.force,
        dry_run: options.dry_run,
    })
}

/// A path below the repository's top, as the contract has it.
fn in_repository(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |why: &str| Err(Failure::new(format!("{}: {why}", shown(path))));
    let mut inside = std::path::PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => return refused("`..` leads out of what a snapshot has"),
            Component::RootDir | Component::Prefix(_) => {
                return refused("write it relative to the repository's top, for instance `src/main.rs`");
            }
        }
    }
    if inside.as_os_str().is_empty() {
        return refused("that is the whole repository: leave the path out");
    }
    Ok(bytes_of(&inside))
}

/// What was restored, and what could not be.
type Outcome = (Vec<Value>, Vec<Value>);

async fn ask(context: &Context, request: RestoreRequest) -> Result<Outcome, Failure> {
    let mut client = ProbeSyncClient::new(context.governor().await?);
    let mut answers = client.restore(request).await?.into_inner();
    let bar = progress(Some(0), "restoring");
    let (mut restored, mut failed) = (Vec::new(), Vec::new());
    let mut changes: Vec<PathChange> = Vec::new();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        bar.set_length(u64::from(answer.total));
        let (id, name) = (answer.repo_id, answer.repo_name);
        match answer.event {
            None => {}
            Some(Event::Started(started)) => {
                let snapshot = started.snapshot.unwrap_or_default();
                bar.set_message(format!("{name} from {}", snap::short(&snapshot.id)));
            }
            Some(Event::Progress(now)) => advance(&bar, &name, now),
            Some(Event::Changes(some)) => changes.extend(some.changes),
            Some(Event::Done(done)) => {
                let changes = std::mem::take(&mut changes);
                if context.json {
                    restored.push(as_json(&id, &name, &done, &changes));
                } else {
                    bar.suspend(|| tell(&name, &done, &changes));
                }
                bar.inc(1);
            }
            Some(Event::Failed(failure)) => {
                changes.clear();
                bar.suspend(|| note(&format!("kpmo: {name}: {}", failure.message)));
                failed.push(snap::failure_as_json(&id, &name, &failure));
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok((restored, failed))
}

fn advance(bar: &ProgressBar, name: &str, now: RestoreProgress) {
    let doing = match now.phase() {
        RestorePhase::Keeping => "keeping the present",
        RestorePhase::Verifying => "comparing",
        RestorePhase::Writing | RestorePhase::Unspecified => "writing",
    };
    let of = match now.total_bytes {
        0 => String::new(),
        total => format!(" of {}", HumanBytes(total)),
    };
    bar.set_message(format!("{name}: {doing}, {}{of}", HumanBytes(now.done_bytes)));
}

fn tell(name: &str, done: &RestoreDone, changes: &[PathChange]) {
    let from = snap::in_words(&done.snapshot.clone().unwrap_or_default());
    let target = done.roots.first().map(|root| show::path(root)).unwrap_or_default();
    let mut text = if done.dry_run {
        let paths = show::counted(changes.len() as u64, "path", "paths");
        format!("{name}: would restore {target} from {from}, and change {paths}\n")
    } else {
        let bytes = HumanBytes(done.bytes);
        let files = show::counted(done.files, "file", "files");
        format!("{name}: restored {target} from {from}: {files}, {bytes}\n")
    };
    for change in changes {
        text.push_str(&format!("  {} {}\n", snap::letter(change.kind()), snap::changed_path(change)));
    }
    for root in done.roots.iter().skip(1) {
        text.push_str(&format!("  and {}\n", show::path(root)));
    }
    if let (Some(present), false) = (&done.present, done.dry_run) {
        text.push_str(&format!(
            "  what stood there is snapshot {}; `kpmo restore {name} --snapshot {} --force` brings it back\n",
            snap::short(&present.id),
            snap::short(&present.id)
        ));
    }
    for kept in &done.kept {
        text.push_str(&format!("  kept aside: {}\n", show::path(kept)));
    }
    print(&text);
    for warning in &done.warnings {
        note(&format!("kpmo: warning: {name}: {warning}"));
    }
}

fn as_json(id: &str, name: &str, done: &RestoreDone, changes: &[PathChange]) -> Value {
    let paths = |paths: &[Vec<u8>]| -> Vec<Map<String, Value>> {
        paths
            .iter()
            .map(|path| {
                let mut object = Map::new();
                put_path(&mut object, "path", path);
                object
            })
            .collect()
    };
    let mut object = Map::new();
    object.insert("repo".into(), json!(id));
    object.insert("name".into(), json!(name));
    object.insert("snapshot".into(), json!(snap::as_json(&done.snapshot.clone().unwrap_or_default())));
    object.insert("present".into(), json!(done.present.as_ref().map(snap::as_json)));
    object.insert("roots".into(), json!(paths(&done.roots)));
    object.insert("files".into(), json!(done.files));
    object.insert("bytes".into(), json!(done.bytes));
    object.insert("kept".into(), json!(paths(&done.kept)));
    object.insert("warnings".into(), json!(done.warnings));
    object.insert("dry_run".into(), json!(done.dry_run));
    if done.dry_run {
        object.insert("changes".into(), json!(changes.iter().map(change_as_json).collect::<Vec<_>>()));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_of_the_repository() {
        let of = |path: &str| in_repository(Path::new(path)).map_err(|failure| format!("{failure:?}"));
        assert_eq!(of("./src//main.rs").unwrap(), b"src/main.rs");
        assert_eq!(of("src/").unwrap(), b"src");
        assert!(of("/src/main.rs").unwrap_err().contains("relative"));
        assert!(of("src/../../x").unwrap_err().contains("leads out"));
        assert!(of(".").unwrap_err().contains("whole repository"));
    }
}
