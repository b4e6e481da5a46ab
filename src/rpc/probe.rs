use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::answer::{Answers, blocking, status, streaming, streaming_but};
use crate::{
    fs::{path_from, shown},
    generated::probe::{
        RestoreRequest, RestoreResponse, SnapshotRequest, SnapshotResponse, SyncDatabaseRequest,
        SyncDatabaseResponse, TrackRequest, TrackResponse, probe_server::Probe, restore_response,
        snapshot_response, track_response::Event,
    },
    governor::{Error, Governor, Reason},
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
        if request.roots.iter().any(|root| !path_from(root).is_absolute()) {
            return Err(status(Error::bad_request("roots", "must be absolute")));
        }
        let governor = Arc::clone(&self.0);
        // How far it is nobody need hear twice.
        let may_be_missed = |answer: &TrackResponse| matches!(answer.event, Some(Event::Progress(_)));
        Ok(streaming_but(may_be_missed, move |sink| {
            // Not before: on a disk that does not answer a look takes for ever, and
            // the sockets' threads are few.
            if let Some(root) = request.roots.iter().map(|root| path_from(root)).find(|root| !root.is_dir()) {
                let error = Error::new(Reason::PathNotFound, format!("{} is no directory", shown(&root)));
                return Err(error.with("path", shown(&root)));
            }
            governor.track(&request, sink);
            Ok(())
        }))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio_stream::StreamExt;

    use super::*;
    use crate::{client::Home, fs::bytes_of, rpc::answer::AHEAD};

    /// More finds than wait for a slow reader: the walk can't be over before they
    /// are read, and is not gone on with when nobody does.
    #[tokio::test(flavor = "multi_thread")]
    async fn finds_come_while_the_walk_goes_on_and_its_end_is_the_readers() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..4 * AHEAD {
            let git = dir.path().join(format!("src/repo{number}/.git"));
            for part in ["objects", "refs"] {
                fs::create_dir_all(git.join(part)).unwrap();
            }
            fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        let home = Home::single(&dir.path().join("home")).unwrap();
        for place in [&home.config, &home.state, &home.probe] {
            fs::create_dir_all(place).unwrap();
        }
        let governor = Arc::new(Governor::open(home.clone(), dir.path().join("socket")).unwrap());
        let service = Service::new(&governor);
        let ask = || {
            let roots = vec![bytes_of(&dir.path().join("src"))];
            service.track(Request::new(TrackRequest { roots, ..TrackRequest::default() }))
        };
        let gone = TrackRequest { roots: vec![b"/nowhere/at/all".to_vec()], ..TrackRequest::default() };
        let mut refused = service.track(Request::new(gone)).await.unwrap().into_inner();
        assert_eq!(refused.next().await.unwrap().unwrap_err().code(), tonic::Code::NotFound);
        let mut answers = ask().await.unwrap().into_inner();
        let first = answers.next().await.unwrap().unwrap();
        assert!(matches!(first.event, Some(Event::Found(_))));
        // The service's, the walk's and ours.
        assert_eq!(Arc::strong_count(&governor), 3);
        drop(answers);
        while Arc::strong_count(&governor) > 2 {
            tokio::task::yield_now().await;
        }
        let all: Vec<_> = ask().await.unwrap().into_inner().collect().await;
        let found =
            all.iter().filter(|answer| matches!(answer.as_ref().unwrap().event, Some(Event::Found(_))));
        assert_eq!(found.count(), 4 * AHEAD);
        assert!(matches!(all.last().unwrap().as_ref().unwrap().event, Some(Event::Summary(_))));
    }
}
