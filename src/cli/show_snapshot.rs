use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::Show,
    names,
    show::{self, print, print_json, put_path},
    snap, times,
};
use crate::{
    client::Connection,
    fs::shown_bytes,
    generated::kanban::{
        FileKind, GetSnapshotRequest, GetSnapshotResponse, ListSnapshotPathsRequest, SnapshotPath,
        SnapshotSelector, probe_sync_client::ProbeSyncClient,
    },
};

pub(super) fn run(context: &Context, options: &Show) -> Result<u8, Failure> {
    let selector = snap::selector(&options.snapshot, options.repo.as_deref())?;
    context.block_on(async {
        let connection = context.governor().await?;
        let request = GetSnapshotRequest { snapshot: Some(selector) };
        let found = ProbeSyncClient::new(connection.clone()).get_snapshot(request).await?.into_inner();
        if !context.json {
            print(&details(&found));
        }
        let mut files = Vec::new();
        if options.files {
            // By its whole id: a newer one may be the latest meanwhile.
            let id = found.snapshot.clone().unwrap_or_default().id;
            list(connection, &id, options.git, |path| {
                if context.json {
                    files.push(Value::Object(path_as_json(path)));
                } else {
                    print(&line(path));
                }
            })
            .await?;
        }
        if context.json {
            let mut object = as_json(&found);
            if options.files {
                object.insert("paths".into(), json!(files));
            }
            print_json(&Value::Object(object));
        }
        Ok(FINE)
    })
}

async fn list(
    connection: Connection,
    id: &str,
    git: bool,
    mut each: impl FnMut(&SnapshotPath),
) -> Result<(), Failure> {
    let request = ListSnapshotPathsRequest {
        snapshot: Some(SnapshotSelector {
            repo: String::new(),
            which: Some(crate::generated::kanban::snapshot_selector::Which::Id(id.to_owned())),
        }),
        paths: Vec::new(),
        git,
    };
    let mut answers = ProbeSyncClient::new(connection).list_snapshot_paths(request).await?.into_inner();
    while let Some(answer) = answers.next().await {
        answer?.paths.iter().for_each(&mut each);
    }
    Ok(())
}

fn details(found: &GetSnapshotResponse) -> String {
    let snapshot = found.snapshot.clone().unwrap_or_default();
    let mut text = format!("snapshot {}\n", snapshot.id);
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{key:<9}{value}\n"));
        }
    };
    put("repo", &snapshot.repo_name);
    put("time", &times::local(snapshot.time.as_ref()));
    put("trigger", &snapshot.trigger);
    put("branch", &snapshot.branch);
    put("head", &snapshot.head);
    put("status", names::snapshot_status(snapshot.status()));
    for reason in &found.reasons {
        put("", reason);
    }
    let (bytes, added) = (HumanBytes(snapshot.bytes), HumanBytes(snapshot.added_bytes));
    let files = show::counted(snapshot.files, "file", "files");
    put("read", &format!("{files}, {bytes}, {added} new"));
    if snapshot.ledger_seq > 0 {
        put("events", &format!("1 to {}", snapshot.ledger_seq));
    }
    for (number, root) in found.roots.iter().enumerate() {
        put(if number == 0 { "roots" } else { "" }, &show::path(root));
    }
    text
}

fn as_json(found: &GetSnapshotResponse) -> Map<String, Value> {
    let mut object = snap::as_whole_json(&found.snapshot.clone().unwrap_or_default());
    object.insert("reasons".into(), json!(found.reasons));
    object.insert("tree".into(), json!(found.tree));
    let roots: Vec<_> = found
        .roots
        .iter()
        .map(|root| {
            let mut object = Map::new();
            put_path(&mut object, "path", root);
            object
        })
        .collect();
    object.insert("roots".into(), json!(roots));
    object
}

/// As `ls -l` has it, without what is of no interest here.
fn line(path: &SnapshotPath) -> String {
    let letter = match path.kind() {
        FileKind::Directory => 'd',
        FileKind::Link => 'l',
        FileKind::Special => 's',
        FileKind::File | FileKind::Unspecified => '-',
    };
    let size = if path.kind() == FileKind::File { path.size.to_string() } else { "-".to_owned() };
    let target = if path.kind() == FileKind::Link {
        format!(" -> {}", shown_bytes(&path.link_target))
    } else {
        String::new()
    };
    let time = times::local(path.modified_at.as_ref());
    format!("{letter}{:04o} {size:>12} {time:>19} {}{target}\n", path.mode, shown_bytes(&path.path))
}

fn path_as_json(path: &SnapshotPath) -> Map<String, Value> {
    let mut object = Map::new();
    put_path(&mut object, "path", &path.path);
    object.insert("kind".into(), json!(names::plain(path.kind().as_str_name(), "FILE_KIND_")));
    object.insert("mode".into(), json!(format!("{:04o}", path.mode)));
    object.insert("size".into(), json!(path.size));
    object.insert("time".into(), json!(times::rfc3339(path.modified_at.as_ref())));
    if path.kind() == FileKind::Link {
        put_path(&mut object, "target", &path.link_target);
    }
    object
}
