use indicatif::HumanBytes;
use serde_json::json;
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::Snapshots,
    names, selectors,
    show::{note, print, print_json, table},
    snap, times,
};
use crate::generated::kanban::{ListSnapshotsRequest, Snapshot, probe_sync_client::ProbeSyncClient};

pub(super) fn run(context: &Context, options: &Snapshots) -> Result<u8, Failure> {
    let request = ListSnapshotsRequest {
        repo: options.repo.as_deref().map(selectors::selector).transpose()?.unwrap_or_default(),
        limit: options.limit.unwrap_or_default(),
        ledger: options.ledger,
    };
    let snapshots = context.block_on(async {
        let mut client = ProbeSyncClient::new(context.governor().await?);
        let mut answers = client.list_snapshots(request).await?.into_inner();
        let mut snapshots = Vec::new();
        while let Some(answer) = answers.next().await {
            snapshots.extend(answer?.snapshots);
        }
        Ok::<_, Failure>(snapshots)
    })?;
    if context.json {
        let snapshots: Vec<_> = snapshots.iter().map(snap::as_json).collect();
        print_json(&json!({ "snapshots": snapshots }));
    } else if snapshots.is_empty() {
        note("there is no snapshot of it yet; `kpmo snapshot` takes one, and so does every hook");
    } else {
        print(&listed(&snapshots, options.ledger));
    }
    Ok(FINE)
}

/// A table of snapshots, in their order.
pub(super) fn listed(snapshots: &[Snapshot], of_ledger: bool) -> String {
    let rows = snapshots
        .iter()
        .map(|snapshot| {
            let mut row = vec![snap::short(&snapshot.id), times::local(snapshot.time.as_ref())];
            if of_ledger {
                row.push(snapshot.ledger_seq.to_string());
            } else {
                row.extend([
                    snapshot.trigger.clone(),
                    snapshot.branch.clone(),
                    snap::short(&snapshot.head),
                    names::snapshot_status(snapshot.status()).to_owned(),
                ]);
            }
            row.push(HumanBytes(snapshot.added_bytes).to_string());
            row
        })
        .collect();
    let head: &[&str] = if of_ledger {
        &["ID", "TIME", "LAST EVENT", "NEW"]
    } else {
        &["ID", "TIME", "TRIGGER", "BRANCH", "HEAD", "STATUS", "NEW"]
    };
    table(head, rows)
}
