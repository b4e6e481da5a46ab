use std::{ops::ControlFlow, sync::Arc};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::answer::{Answers, blocking, status, streaming};
use crate::{
    fs::{bytes_of, path_from, shown},
    generated::probe::{
        FoundRepo, RepoKind as Kind, RestoreRequest, RestoreResponse, SnapshotRequest, SnapshotResponse,
        SyncDatabaseRequest, SyncDatabaseResponse, TrackRequest, TrackResponse, TrackSummary, TrackWarning,
        probe_server::Probe, restore_response, snapshot_response, track_response::Event,
    },
    governor::{Error, Governor, Reason},
    probe::{RepoKind, Tracked},
};

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

#[tonic::async_trait]
impl Probe for Service {
    type TrackStream = Answers<TrackResponse>;

    async fn track(&self, request: Request<TrackRequest>) -> Result<Response<Self::TrackStream>, Status> {
        let request = request.into_inner();
        let roots: Vec<_> = request.roots.iter().map(|root| path_from(root)).collect();
        for root in &roots {
            if !root.is_absolute() {
                return Err(status(Error::bad_request("roots", "must be absolute")));
            }
            if !root.is_dir() {
                let error = Error::new(Reason::PathNotFound, format!("{} is no directory", shown(root)));
                return Err(status(error.with("path", shown(root))));
            }
        }
        let options = self.0.track_options(request.skip, request.cross_file_systems);
        let (answers, receiver) = mpsc::channel(64);
        tokio::task::spawn_blocking(move || {
            let send = |event| answers.blocking_send(Ok(TrackResponse { event: Some(event) }));
            let sink = |tracked| match send(tell(tracked)) {
                Ok(()) => ControlFlow::Continue(()),
                // Nobody listens: there is no point in walking on.
                Err(_) => ControlFlow::Break(()),
            };
            let summary = crate::probe::track(&roots, &options, &sink);
            let _ = send(Event::Summary(TrackSummary {
                directories: summary.directories,
                found: summary.found,
                warnings: summary.warnings,
            }));
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type SnapshotStream = Answers<SnapshotResponse>;

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        use snapshot_response::Event;
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let tell = |event| sink(SnapshotResponse { event: Some(event) });
            let taken = governor.hands().snapshot(&request, &|progress| {
                // Nobody listening ends nothing.
                tell(Event::Progress(progress));
                true
            })?;
            tell(Event::Taken(taken));
            Ok(())
        }))
    }

    type RestoreStream = Answers<RestoreResponse>;

    async fn restore(
        &self,
        request: Request<RestoreRequest>,
    ) -> Result<Response<Self::RestoreStream>, Status> {
        use restore_response::Event;
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let tell = |event| sink(RestoreResponse { event: Some(event) });
            let restored = governor.hands().restore(&request, &|progress| tell(Event::Progress(progress)))?;
            tell(Event::Restored(restored));
            Ok(())
        }))
    }

    async fn sync_database(
        &self,
        request: Request<SyncDatabaseRequest>,
    ) -> Result<Response<SyncDatabaseResponse>, Status> {
        let governor = Arc::clone(&self.0);
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let ledger = governor.home().state.join("ledger.sqlite3");
            let synced = governor.hands().sync_database(&request, &ledger)?;
            Ok(SyncDatabaseResponse { snapshot_id: synced.id.0 })
        })
        .await
    }
}

fn tell(tracked: Tracked) -> Event {
    match tracked {
        Tracked::Warning { path, message } => Event::Warning(TrackWarning { path: bytes_of(&path), message }),
        Tracked::Found(found) => {
            let kind = match found.kind {
                RepoKind::Worktree => Kind::Worktree,
                RepoKind::Bare => Kind::Bare,
                RepoKind::Linked => Kind::Linked,
                RepoKind::Submodule => Kind::Submodule,
                RepoKind::Nested => Kind::Nested,
            };
            Event::Found(FoundRepo {
                path: bytes_of(&found.path),
                kind: kind.into(),
                common_dir: bytes_of(&found.common_dir),
                parent: found.parent.as_deref().map(bytes_of).unwrap_or_default(),
            })
        }
    }
}
