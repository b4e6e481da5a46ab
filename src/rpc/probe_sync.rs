use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tonic::{Request, Response, Status};

use super::{
    answer::{Answers, blocking, count, status, streaming, to_change},
    snapshots::{self as made, SOME},
};
use crate::{
    fs::{bytes_of, path_from},
    generated::kanban::{
        DiffSnapshotsRequest, DiffSnapshotsResponse, DiffStarted, GetSnapshotRequest, GetSnapshotResponse,
        ListSnapshotPathsRequest, ListSnapshotPathsResponse, ListSnapshotsRequest, ListSnapshotsResponse,
        PathChanges, PruneStoreRequest, PruneStoreResponse, PruneSummary, RestoreRequest, RestoreResponse,
        RestoreStarted, SnapshotsForgotten, StoreFinding, StorePathRequest, StorePathResponse, StoreProgress,
        StoreStatsRequest, StoreStatsResponse, SyncDatabaseRequest, SyncDatabaseResponse, SyncQueued,
        SyncRepoRequest, SyncRepoResponse, SyncStarted, VerifyStoreRequest, VerifyStoreResponse,
        VerifySummary, diff_snapshots_response as diff_event, probe_sync_server::ProbeSync,
        prune_store_response as prune_event, restore_response as restore_event,
        sync_repo_response as sync_event, verify_store_response as verify_event,
    },
    governor::{Error, Governor, RestoreOrder, RestoreStep, SnapshotStep, Which},
    probe::diff::DiffOptions,
    registry::Repo,
};

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

fn about(repo: &Repo, total: u32, event: sync_event::Event) -> SyncRepoResponse {
    SyncRepoResponse {
        repo_id: repo.id.clone().unwrap_or_default(),
        repo_name: repo.name.clone(),
        total,
        event: Some(event),
    }
}

fn paths(paths: &[Vec<u8>]) -> Vec<PathBuf> {
    paths.iter().map(|path| path_from(path)).collect()
}

#[tonic::async_trait]
impl ProbeSync for Service {
    type SyncRepoStream = Answers<SyncRepoResponse>;

    async fn sync_repo(
        &self,
        request: Request<SyncRepoRequest>,
    ) -> Result<Response<Self::SyncRepoStream>, Status> {
        use sync_event::Event;
        let governor = to_change(&self.0)?;
        let request = request.into_inner();
        if request.selectors.is_empty() && !request.all {
            return Err(status(Error::bad_request("selectors", "name the repositories, or set `all`")));
        }
        Ok(streaming(move |sink| {
            let repos = if request.selectors.is_empty() {
                governor.active_repos()
            } else {
                governor.select_all(&request.selectors)?
            };
            let total = count(&repos);
            let trigger = if request.trigger.is_empty() { "manual" } else { &request.trigger };
            if request.background {
                for repo in &repos {
                    governor.snapshot_later(repo, trigger);
                    sink(about(repo, total, Event::Queued(SyncQueued {})));
                }
                return Ok(());
            }
            governor.snapshot_all(&repos, trigger, request.no_limit, &|repo, step| {
                let event = match step {
                    SnapshotStep::Started => Event::Started(SyncStarted {}),
                    SnapshotStep::Progress(progress) => Event::Progress(made::progress(&progress)),
                    SnapshotStep::Done(taken) => Event::Done(made::done(taken)),
                    SnapshotStep::Failed(error) => Event::Failed(made::failure(error)),
                };
                // Nobody listening ends nothing.
                sink(about(repo, total, event));
                true
            });
            Ok(())
        }))
    }

    type ListSnapshotsStream = Answers<ListSnapshotsResponse>;

    async fn list_snapshots(
        &self,
        request: Request<ListSnapshotsRequest>,
    ) -> Result<Response<Self::ListSnapshotsStream>, Status> {
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
            let listed = governor.list_snapshots(&request.repo, limit, request.ledger)?;
            for some in listed.chunks(SOME) {
                let snapshots = some.iter().cloned().map(made::snapshot).collect();
                if !sink(ListSnapshotsResponse { snapshots }) {
                    break;
                }
            }
            Ok(())
        }))
    }

    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let governor = Arc::clone(&self.0);
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let (repo, which) = made::selector(request.snapshot)?;
            let details = governor.snapshot_details(&repo, &which)?;
            Ok(GetSnapshotResponse {
                snapshot: Some(made::snapshot(details.listed)),
                reasons: details.reasons,
                roots: details.roots.iter().map(|root| bytes_of(root)).collect(),
                tree: details.tree,
            })
        })
        .await
    }

    type ListSnapshotPathsStream = Answers<ListSnapshotPathsResponse>;

    async fn list_snapshot_paths(
        &self,
        request: Request<ListSnapshotPathsRequest>,
    ) -> Result<Response<Self::ListSnapshotPathsStream>, Status> {
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let (repo, which) = made::selector(request.snapshot)?;
            let wanted = paths(&request.paths);
            let mut some = Vec::new();
            governor.snapshot_paths(&repo, &which, &wanted, request.git, &mut |entry| {
                some.push(made::entry(entry));
                some.len() < SOME || sink(ListSnapshotPathsResponse { paths: std::mem::take(&mut some) })
            })?;
            sink(ListSnapshotPathsResponse { paths: some });
            Ok(())
        }))
    }

    type DiffSnapshotsStream = Answers<DiffSnapshotsResponse>;

    async fn diff_snapshots(
        &self,
        request: Request<DiffSnapshotsRequest>,
    ) -> Result<Response<Self::DiffSnapshotsStream>, Status> {
        use diff_event::Event;
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let tell = |event| sink(DiffSnapshotsResponse { event: Some(event) });
            let (repo, which) = made::selector(request.old)?;
            let old = governor.find_snapshot(&repo, &which)?;
            let new = match request.new {
                Some(new) => {
                    let (repo, which) = made::selector(Some(new))?;
                    governor.find_snapshot(&repo, &which)?
                }
                None => governor.present(&old)?,
            };
            tell(Event::Started(DiffStarted {
                old: Some(made::snapshot(old.clone())),
                new: Some(made::snapshot(new.clone())),
            }));
            let options = DiffOptions {
                git_dir: request.git,
                paths: paths(&request.paths),
                lines: request.count_lines,
            };
            let diff = governor.diff_snapshots(&old, &new, &options)?;
            let summary = made::summary(&diff);
            for some in diff.paths.chunks(SOME) {
                let changes = some.iter().cloned().map(made::change).collect();
                if !tell(Event::Changes(PathChanges { changes })) {
                    return Ok(());
                }
            }
            tell(Event::Summary(summary));
            Ok(())
        }))
    }

    type RestoreStream = Answers<RestoreResponse>;

    async fn restore(
        &self,
        request: Request<RestoreRequest>,
    ) -> Result<Response<Self::RestoreStream>, Status> {
        let governor = to_change(&self.0)?;
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let (selected, which) = made::selector(request.snapshot)?;
            let order = RestoreOrder {
                repo: selected,
                which,
                to: (!request.to.is_empty()).then(|| path_from(&request.to)),
                paths: paths(&request.paths),
                force: request.force,
                dry_run: request.dry_run,
            };
            if order.to.as_ref().is_some_and(|to| !to.is_absolute()) {
                return Err(Error::bad_request("to", "must be absolute"));
            }
            if !request.all {
                let about = governor.find_snapshot(&order.repo, &order.which)?;
                // By the name that it has now.
                let name = governor.repo_of(&about).map_or(about.snapshot.repo_name, |repo| repo.name);
                return restore_one(&governor, &order, (about.repo_id, name, 1), sink);
            }
            if !matches!(order.which, Which::At(_)) {
                return Err(Error::bad_request(
                    "snapshot",
                    "all repositories are restored as they were `at` a time",
                ));
            }
            if order.to.is_some() || !order.paths.is_empty() {
                return Err(Error::bad_request("all", "goes without `to` and `paths`"));
            }
            let repos = governor.active_repos();
            let total = count(&repos);
            for repo in repos {
                let (id, name) = (repo.id.clone().unwrap_or_default(), repo.name.clone());
                let order = RestoreOrder { repo: id.clone(), ..order.clone() };
                if let Err(error) = restore_one(&governor, &order, (id.clone(), name.clone(), total), sink) {
                    let event = restore_event::Event::Failed(made::failure(error));
                    sink(RestoreResponse { repo_id: id, repo_name: name, total, event: Some(event) });
                }
                if governor.is_stopping() {
                    break;
                }
            }
            Ok(())
        }))
    }

    type VerifyStoreStream = Answers<VerifyStoreResponse>;

    async fn verify_store(
        &self,
        request: Request<VerifyStoreRequest>,
    ) -> Result<Response<Self::VerifyStoreStream>, Status> {
        use verify_event::Event;
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let tell = |event| sink(VerifyStoreResponse { event: Some(event) });
            let report = governor.verify_store(request.read_data, &|done, total| {
                tell(Event::Progress(StoreProgress { done, total })) && !governor.is_stopping()
            })?;
            let findings = report.checked.errors.len() as u64;
            for message in report.checked.errors {
                tell(Event::Finding(StoreFinding { message }));
            }
            tell(Event::Summary(VerifySummary {
                snapshots: report.checked.snapshots,
                findings,
                read_data: report.checked.read_data,
                listed: report.listed,
            }));
            Ok(())
        }))
    }

    async fn store_stats(
        &self,
        request: Request<StoreStatsRequest>,
    ) -> Result<Response<StoreStatsResponse>, Status> {
        let governor = Arc::clone(&self.0);
        blocking(request.metadata(), move || {
            let report = governor.store_report()?;
            let stats = report.stats;
            Ok(StoreStatsResponse {
                snapshots: stats.snapshots,
                repos: report.repos,
                bytes: stats.bytes,
                marked_bytes: stats.marked_bytes,
                blobs: stats.blobs,
                packs: stats.packs,
                index_files: stats.index_files,
                quota_bytes: report.quota.unwrap_or_default(),
                path: bytes_of(&governor.for_restic().0),
            })
        })
        .await
    }

    type PruneStoreStream = Answers<PruneStoreResponse>;

    async fn prune_store(
        &self,
        request: Request<PruneStoreRequest>,
    ) -> Result<Response<Self::PruneStoreStream>, Status> {
        use prune_event::Event;
        let governor = to_change(&self.0)?;
        let dry_run = request.into_inner().dry_run;
        Ok(streaming(move |sink| {
            let tell = |event| sink(PruneStoreResponse { event: Some(event) });
            let last = AtomicU64::new(0);
            let going_on = |done, total| {
                if last.swap(done, Ordering::Relaxed) != done {
                    tell(Event::Progress(StoreProgress { done, total }));
                }
                !governor.is_stopping()
            };
            let (kept, forgotten, pruned) = governor.prune_store(dry_run, &going_on, &mut |gone| {
                for some in gone.chunks(SOME) {
                    let snapshots = some.iter().cloned().map(made::snapshot).collect();
                    tell(Event::Forgotten(SnapshotsForgotten { snapshots }));
                }
            })?;
            tell(Event::Summary(PruneSummary {
                kept,
                forgotten,
                marked_bytes: pruned.marked_bytes,
                removed_bytes: pruned.removed_bytes,
                repacked_bytes: pruned.repacked_bytes,
                dry_run,
            }));
            Ok(())
        }))
    }

    async fn sync_database(
        &self,
        request: Request<SyncDatabaseRequest>,
    ) -> Result<Response<SyncDatabaseResponse>, Status> {
        let governor = to_change(&self.0)?;
        blocking(request.metadata(), move || {
            let (listed, seq) = governor.sync_database()?;
            Ok(SyncDatabaseResponse { snapshot: Some(made::snapshot(listed)), seq })
        })
        .await
    }

    async fn store_path(
        &self,
        _request: Request<StorePathRequest>,
    ) -> Result<Response<StorePathResponse>, Status> {
        let (path, password_file) = self.0.for_restic();
        Ok(Response::new(StorePathResponse {
            path: bytes_of(&path),
            password_file: bytes_of(&password_file),
        }))
    }
}

/// Restores one repository; `(id, name, total)` is what the answers are about.
fn restore_one(
    governor: &Governor,
    order: &RestoreOrder,
    (repo_id, repo_name, total): (String, String, u32),
    sink: &(dyn Fn(RestoreResponse) -> bool + Send + Sync),
) -> Result<(), Error> {
    use restore_event::Event;
    let tell = |event| {
        let (repo_id, repo_name) = (repo_id.clone(), repo_name.clone());
        sink(RestoreResponse { repo_id, repo_name, total, event: Some(event) })
    };
    let report = governor.restore(order, &|step| {
        let goes_on = match step {
            RestoreStep::Started(snapshot, target) => tell(Event::Started(RestoreStarted {
                snapshot: Some(made::snapshot(*snapshot)),
                target: bytes_of(&target),
            })),
            RestoreStep::Progress(phase, done, total) => {
                tell(Event::Progress(made::restoring(phase, done, total)))
            }
            RestoreStep::Changes(changes) => changes.chunks(SOME).all(|some| {
                let changes = some.iter().cloned().map(made::change).collect();
                tell(Event::Changes(PathChanges { changes }))
            }),
        };
        goes_on && !governor.is_stopping()
    })?;
    tell(Event::Done(made::restored(report, order.dry_run)));
    Ok(())
}
