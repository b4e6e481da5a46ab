//! What a scan found, between the governor's types and the contract's.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    answer::{Answers, blocking, streaming},
    convert,
};
use crate::{
    fs::{bytes_of, path_from, shown},
    generated::kanban as proto,
    governor::{FoundOrder, FoundOutcome, FoundStep, Governor, Recognized, RegisteredFound},
};

pub(super) fn register(
    governor: Arc<Governor>,
    request: &proto::RegisterFoundRequest,
) -> Response<Answers<proto::RegisterFoundResponse>> {
    let order = FoundOrder {
        paths: request.paths.iter().map(|path| path_from(path)).collect(),
        skip_hooks: request.skip_hooks,
        dry_run: request.dry_run,
    };
    streaming(move |sink| {
        governor.register_found(&order, &|FoundStep { done, total, found }| {
            // The client's leaving does not leave a fleet half done.
            sink(proto::RegisterFoundResponse { done, total, found: found.map(registered) });
        })
    })
}

pub(super) async fn recognize(
    governor: Arc<Governor>,
    request: Request<proto::RecognizeFoundRequest>,
) -> Result<Response<proto::RecognizeFoundResponse>, Status> {
    let (metadata, _, request) = request.into_parts();
    blocking(&metadata, move || {
        let place = |place: &proto::FoundPlace| (path_from(&place.path), path_from(&place.common_dir));
        let recognition = governor.recognize(&request.places.iter().map(place).collect::<Vec<_>>());
        Ok(proto::RecognizeFoundResponse {
            places: recognition.finds.into_iter().map(recognized).collect(),
            vanished: recognition.vanished.into_iter().map(convert::repo).collect(),
        })
    })
    .await
}

fn registered(found: RegisteredFound) -> proto::RegisteredFound {
    let mut answer = proto::RegisteredFound {
        path: bytes_of(&found.path),
        warnings: found.warnings,
        ..proto::RegisteredFound::default()
    };
    let outcome = match found.outcome {
        Err(error) => {
            tracing::debug!(path = shown(&found.path), message = error.message, "left out");
            answer.error = error.message;
            proto::FoundOutcome::LeftOut
        }
        Ok((outcome, repo)) => {
            answer.repo = Some(convert::repo(repo));
            match outcome {
                FoundOutcome::Known => proto::FoundOutcome::Known,
                FoundOutcome::Added => proto::FoundOutcome::Added,
                FoundOutcome::Moved(from) => {
                    answer.moved_from = bytes_of(&from);
                    proto::FoundOutcome::Moved
                }
            }
        }
    };
    answer.outcome = outcome.into();
    answer
}

fn recognized(recognized: Recognized) -> proto::RecognizedFound {
    let mut answer = proto::RecognizedFound::default();
    match recognized {
        Recognized::New => {}
        Recognized::Registered(repo) => {
            answer.repo_id = repo.id.unwrap_or_default();
            answer.repo_name = repo.name;
        }
        Recognized::Moved(repo) => {
            answer.repo_id = repo.id.unwrap_or_default();
            answer.repo_name = repo.name;
            answer.moved_from = bytes_of(&repo.local_path);
        }
        Recognized::Ambiguous(may_be) => {
            answer.candidates = may_be.into_iter().map(|repo| repo.name).collect();
        }
    }
    answer
}
