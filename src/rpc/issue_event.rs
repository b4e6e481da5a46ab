use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    answer::{Answers, aside, blocking, status},
    convert,
};
use crate::{
    generated::kanban::{
        EmitRequest, EmitResponse, EventKind, StreamRequest, StreamResponse, issue_event_server::IssueEvent,
    },
    governor::{Emission, Error, Governor, Reason},
    ledger::{EventRecord, Filter},
};

/// Events that are read at a time.
const PAGE: usize = 256;

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

#[tonic::async_trait]
impl IssueEvent for Service {
    async fn emit(&self, request: Request<EmitRequest>) -> Result<Response<EmitResponse>, Status> {
        if self.0.is_stopping() {
            return Err(status(Error::new(Reason::ShuttingDown, "the governor is ending; try again")));
        }
        let request = request.into_inner();
        let kind = convert::kind_in(request.kind())
            .ok_or_else(|| status(Error::bad_request("kind", "is missing or unknown")))?;
        let event_id = if request.event_id.is_empty() {
            None
        } else {
            Some(Uuid::parse_str(&request.event_id).map_err(|e| status(Error::bad_request("event_id", e)))?)
        };
        let emission = Emission {
            event_id,
            kind,
            repo: request.repo,
            card: request.card,
            actor: request.actor,
            attributes: request.attributes.into_iter().collect(),
        };
        let governor = Arc::clone(&self.0);
        let event = aside(move || governor.emit(emission)).await?;
        Ok(Response::new(EmitResponse { event: Some(convert::event(event)) }))
    }

    type StreamStream = Answers<StreamResponse>;

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<Self::StreamStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let mut filter = Filter::default();
        // Not `kinds()`, which leaves out what it doesn't know, and so asks for all.
        for kind in &request.kinds {
            let kind = EventKind::try_from(*kind)
                .ok()
                .and_then(convert::kind_in)
                .ok_or_else(|| status(Error::bad_request("kinds", "one of them is unknown")))?;
            filter.kinds.push(kind);
        }
        if !request.repo.is_empty() {
            let governor = Arc::clone(&self.0);
            let repo = request.repo.clone();
            let history = blocking(&metadata, move || governor.history_of(&repo)).await?;
            filter.repo_id = Some(history.into_inner());
        }
        // What has happened is to be read, also where its group is not written yet. Where
        // it can't be, there is the rest.
        let governor = Arc::clone(&self.0);
        blocking(&metadata, move || {
            if let Err(error) = governor.ledger().flush() {
                tracing::info!(%error, "events are read without the newest");
            }
            Ok(())
        })
        .await?;
        let (events, receiver) = mpsc::channel(PAGE);
        tokio::spawn(replay(Arc::clone(&self.0), request.from_seq.max(1), filter, request.follow, events));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

type Events = mpsc::Sender<Result<StreamResponse, Status>>;

/// Sends what is in the ledger from `next` on, then what comes. It reads the
/// ledger at the reader's pace, so that a slow reader loses nothing and costs
/// no memory.
async fn replay(governor: Arc<Governor>, mut next: u64, filter: Filter, follow: bool, events: Events) {
    let mut head = governor.ledger().subscribe();
    loop {
        let reached = *head.borrow_and_update();
        let page = match read(&governor, next, filter.clone()).await {
            Ok(page) => page,
            Err(error) => {
                let _ = events.send(Err(error)).await;
                return;
            }
        };
        let full = page.len() == PAGE;
        for record in page {
            next = record.seq + 1;
            let event = StreamResponse { event: Some(convert::event(record)) };
            if events.send(Ok(event)).await.is_err() {
                return;
            }
        }
        if full {
            continue;
        }
        next = next.max(reached + 1);
        if !follow {
            return;
        }
        // Whoever follows holds no connection open past the daemon's end.
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return },
            () = events.closed() => return,
            () = governor.stopping() => return,
        }
    }
}

async fn read(governor: &Arc<Governor>, from: u64, filter: Filter) -> Result<Vec<EventRecord>, Status> {
    let governor = Arc::clone(governor);
    aside(move || Ok(governor.ledger().read(from, PAGE, &filter)?)).await
}
