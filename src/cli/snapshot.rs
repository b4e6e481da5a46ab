use indicatif::HumanBytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure, args, names,
    selectors::selectors,
    show::{counted, note, print, print_json, progress},
    snap, times,
};
use crate::generated::kanban::{
    Snapshot, SnapshotStatus, SyncDone, SyncRepoRequest, probe_sync_client::ProbeSyncClient,
    sync_repo_response::Event,
};

/// What came of it, repository by repository.
#[derive(Default)]
struct Outcome {
    taken: Vec<Value>,
    queued: Vec<Value>,
    failed: Vec<Value>,
    /// Something is not as it was asked for.
    is_lacking: bool,
}

pub(super) fn run(context: &Context, options: &args::Snapshot) -> Result<u8, Failure> {
    let request = SyncRepoRequest {
        selectors: selectors(&options.repos)?,
        all: options.all,
        background: options.background,
        trigger: "manual".to_owned(),
        no_limit: options.no_limit,
    };
    let outcome = context.block_on(sync(context, request))?;
    if context.json {
        let Outcome { taken, queued, failed, .. } = &outcome;
        print_json(&json!({ "snapshots": taken, "queued": queued, "failed": failed }));
    }
    Ok(if outcome.is_lacking { FINDINGS } else { FINE })
}

async fn sync(context: &Context, request: SyncRepoRequest) -> Result<Outcome, Failure> {
    let mut client = ProbeSyncClient::new(context.governor().await?);
    let mut answers = client.sync_repo(request).await?.into_inner();
    let bar = progress(Some(0), "taking snapshots");
    let mut outcome = Outcome::default();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        bar.set_length(u64::from(answer.total));
        let name = answer.repo_name;
        // Whatever is last about a repository brings the bar on.
        match answer.event {
            None => continue,
            Some(Event::Started(_)) => {
                bar.set_message(name);
                continue;
            }
            Some(Event::Progress(now)) => {
                let of = match now.total_bytes {
                    0 => String::new(),
                    total => format!(" of {}", HumanBytes(total)),
                };
                bar.set_message(format!("{name}: {}{of}", HumanBytes(now.bytes)));
                continue;
            }
            Some(Event::Done(done)) => {
                let status = done.snapshot.as_ref().map(Snapshot::status);
                outcome.is_lacking |= status != Some(SnapshotStatus::Complete);
                if !context.json {
                    bar.suspend(|| tell(&name, &done));
                }
                outcome.taken.push(as_json(&done));
            }
            Some(Event::Queued(_)) => {
                if !context.json {
                    bar.suspend(|| print(&format!("{name}: is going to be taken in the background\n")));
                }
                outcome.queued.push(json!({ "repo": answer.repo_id, "name": name }));
            }
            Some(Event::Failed(failure)) => {
                outcome.is_lacking = true;
                bar.suspend(|| note(&format!("kpmo: {name}: {}", failure.message)));
                outcome.failed.push(snap::failure_as_json(&answer.repo_id, &name, &failure));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(outcome)
}

fn tell(name: &str, done: &SyncDone) {
    let snapshot = done.snapshot.clone().unwrap_or_default();
    let id = snap::short(&snapshot.id);
    let status = names::snapshot_status(snapshot.status());
    if done.unchanged {
        let time = snapshot.time.as_ref();
        let age = times::age(time, Timestamp::now());
        print(&format!("{name}: {id} {status}, unchanged since {} ({age})\n", times::local(time)));
    } else {
        let (bytes, added) = (HumanBytes(snapshot.bytes), HumanBytes(snapshot.added_bytes));
        let files = counted(snapshot.files, "file", "files");
        print(&format!("{name}: {id} {status}, {files}, {bytes}, {added} new\n"));
    }
    for reason in &done.reasons {
        note(&format!("kpmo: warning: {name}: {reason}"));
    }
}

fn as_json(done: &SyncDone) -> Value {
    let mut object = snap::as_whole_json(&done.snapshot.clone().unwrap_or_default());
    object.insert("unchanged".into(), json!(done.unchanged));
    object.insert("reasons".into(), json!(done.reasons));
    Value::Object(object)
}
