use std::{path::Path, time::Duration};

use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::Probe,
    show::{self, counted, note, print, print_bytes, print_json, progress, put_path},
    snap,
    snapshots::listed,
};
use crate::{
    fs::{bytes_of, shown},
    generated::kanban::{
        PruneStoreRequest, PruneSummary, StoreStatsRequest, SyncDatabaseRequest, VerifyStoreRequest,
        probe_sync_client::ProbeSyncClient, prune_store_response, verify_store_response,
    },
    probe::store::RusticStore,
};

/// How long a call may take that has one answer, and much to do for it.
const PATIENCE: Duration = Duration::from_mins(30);

pub(super) fn run(context: &Context, command: &Probe) -> Result<u8, Failure> {
    match command {
        Probe::Path => print_path(&RusticStore::path(&context.home.probe)),
        Probe::PasswordFile => print_path(&RusticStore::password_file(&context.home.probe)),
        Probe::Verify { read_data } => verify(context, *read_data),
        Probe::Stats => stats(context),
        Probe::Prune { dry_run } => prune(context, *dry_run),
        Probe::SyncDb => sync_db(context),
    }
}

/// Plain, with or without `--json`: it goes into another program's arguments.
fn print_path(path: &Path) -> Result<u8, Failure> {
    if !path.exists() {
        return Err(Failure::new(format!(
            "there is no {} yet; `kpmo snapshot` makes the store with the first snapshot",
            shown(path)
        )));
    }
    let mut line = bytes_of(path);
    line.push(b'\n');
    print_bytes(&line);
    Ok(FINE)
}

fn verify(context: &Context, read_data: bool) -> Result<u8, Failure> {
    use verify_store_response::Event;
    let (findings, summary) = context.block_on(async {
        let mut client = ProbeSyncClient::new(context.governor().await?);
        let mut answers = client.verify_store(VerifyStoreRequest { read_data }).await?.into_inner();
        let bar = progress(Some(0), "checking");
        let (mut findings, mut summary) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            match answer?.event {
                Some(Event::Progress(now)) => {
                    bar.set_length(now.total);
                    bar.set_position(now.done);
                }
                Some(Event::Finding(finding)) => findings.push(finding.message),
                Some(Event::Summary(last)) => summary = Some(last),
                None => {}
            }
        }
        bar.finish_and_clear();
        Ok::<_, Failure>((findings, summary.ok_or_else(cut_short)?))
    })?;
    if context.json {
        print_json(&json!({
            "snapshots": summary.snapshots, "read_data": summary.read_data,
            "listed": summary.listed, "findings": findings,
        }));
    } else {
        for finding in &findings {
            note(&format!("kpmo: {finding}"));
        }
        let how = if summary.read_data { "all that is stored was read" } else { "contents were not read" };
        let verdict = match summary.findings {
            0 => "in order".to_owned(),
            count => counted(count, "finding", "findings"),
        };
        let snapshots = counted(summary.snapshots, "snapshot", "snapshots");
        let mut text = format!("{snapshots}, {verdict}; {how}\n");
        if summary.listed > 0 {
            text.push_str(&format!(
                "the ledger's list lacked {} of them, and has them now\n",
                summary.listed
            ));
        }
        print(&text);
    }
    Ok(if summary.findings == 0 { FINE } else { FINDINGS })
}

fn stats(context: &Context) -> Result<u8, Failure> {
    let now = context.block_on(async {
        let mut client = ProbeSyncClient::new(context.governor().await?);
        Ok::<_, Failure>(client.store_stats(patient(StoreStatsRequest {})).await?.into_inner())
    })?;
    if context.json {
        let mut object = Map::new();
        put_path(&mut object, "path", &now.path);
        for (key, number) in [
            ("snapshots", now.snapshots),
            ("repos", now.repos),
            ("bytes", now.bytes),
            ("marked_bytes", now.marked_bytes),
            ("blobs", now.blobs),
            ("packs", now.packs),
            ("index_files", now.index_files),
        ] {
            object.insert(key.into(), json!(number));
        }
        object.insert("quota_bytes".into(), json!((now.quota_bytes > 0).then_some(now.quota_bytes)));
        print_json(&Value::Object(object));
        return Ok(FINE);
    }
    let quota = match now.quota_bytes {
        0 => String::new(),
        quota => format!(" of {}", HumanBytes(quota)),
    };
    print(&format!(
        "{} of {}\n{}{quota} on disk, {} of it to be removed\n\
         {} pieces in {} files, {} of index\npath  {}\n",
        counted(now.snapshots, "snapshot", "snapshots"),
        counted(now.repos, "repository", "repositories"),
        HumanBytes(now.bytes),
        HumanBytes(now.marked_bytes),
        now.blobs,
        now.packs,
        now.index_files,
        show::path(&now.path),
    ));
    Ok(FINE)
}

fn prune(context: &Context, dry_run: bool) -> Result<u8, Failure> {
    use prune_store_response::Event;
    let (forgotten, summary) = context.block_on(async {
        let mut client = ProbeSyncClient::new(context.governor().await?);
        let mut answers = client.prune_store(PruneStoreRequest { dry_run }).await?.into_inner();
        let bar = progress(Some(0), "pruning");
        let (mut forgotten, mut summary) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            match answer?.event {
                Some(Event::Progress(now)) => {
                    bar.set_length(now.total);
                    bar.set_position(now.done);
                }
                Some(Event::Forgotten(some)) => forgotten.extend(some.snapshots),
                Some(Event::Summary(last)) => summary = Some(last),
                None => {}
            }
        }
        bar.finish_and_clear();
        Ok::<_, Failure>((forgotten, summary.ok_or_else(cut_short)?))
    })?;
    if context.json {
        let PruneSummary { kept, marked_bytes, removed_bytes, repacked_bytes, .. } = summary;
        let forgotten: Vec<_> = forgotten.iter().map(snap::as_json).collect();
        print_json(&json!({
            "forgotten": forgotten, "kept": kept, "marked_bytes": marked_bytes,
            "removed_bytes": removed_bytes, "repacked_bytes": repacked_bytes, "dry_run": dry_run,
        }));
    } else if dry_run {
        if !forgotten.is_empty() {
            print(&listed(&forgotten, false));
        }
        let forgotten = counted(summary.forgotten, "snapshot", "snapshots");
        print(&format!("{forgotten} would be forgotten, {} kept\n", summary.kept));
    } else {
        print(&format!(
            "{} forgotten, {} kept; {} removed, {} to be removed by a later prune\n",
            counted(summary.forgotten, "snapshot", "snapshots"),
            summary.kept,
            HumanBytes(summary.removed_bytes),
            HumanBytes(summary.marked_bytes),
        ));
    }
    Ok(FINE)
}

fn sync_db(context: &Context) -> Result<u8, Failure> {
    let synced = context.block_on(async {
        let mut client = ProbeSyncClient::new(context.governor().await?);
        Ok::<_, Failure>(client.sync_database(patient(SyncDatabaseRequest {})).await?.into_inner())
    })?;
    let snapshot = synced.snapshot.unwrap_or_default();
    if context.json {
        let mut object = snap::as_json(&snapshot);
        object.insert("seq".into(), json!(synced.seq));
        print_json(&Value::Object(object));
    } else {
        print(&format!("the ledger up to event {} is snapshot {}\n", synced.seq, snap::short(&snapshot.id)));
    }
    Ok(FINE)
}

/// A call that may take longer than the governor's own patience.
fn patient<T>(request: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(request);
    request.set_timeout(PATIENCE);
    request
}

fn cut_short() -> Failure {
    Failure::new("the governor ended its answer before it was whole; try again")
}
