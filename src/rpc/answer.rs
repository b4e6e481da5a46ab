//! What every service does alike: run a flow off the sockets' threads within
//! the caller's deadline, and turn its errors into gRPC's.

use std::{collections::HashMap, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use tokio::sync::{
    Semaphore, SemaphorePermit,
    mpsc::{self, error::TrySendError},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Code, Response, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    governor::{Error, Governor, Reason},
    registry::Repo,
};

/// How long a call may take whose caller sets no deadline.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that wait for a slow reader; the flow behind then waits, too.
pub(super) const AHEAD: usize = 64;

/// What a message may cost in the headers, in bytes: in HTTP/2 all of an answer's
/// have 16 KiB, and the message is among them twice.
const MESSAGE_MAX: usize = 5 << 10;
/// The same for a value of the details.
const VALUE_MAX: usize = 2 << 10;

/// A stream of answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The one mapping of errors to gRPC: code, words and `ErrorInfo` go to the
/// client, the cause to the log.
pub(super) fn status(error: Error) -> Status {
    let code = match error.reason {
        Reason::BadRequest | Reason::ConfigInvalid | Reason::SnapshotAmbiguous | Reason::RepoAmbiguous => {
            Code::InvalidArgument
        }
        Reason::RepoNotFound
        | Reason::PathNotFound
        | Reason::SnapshotNotFound
        | Reason::PathNotInSnapshot => Code::NotFound,
        Reason::NameTaken => Code::AlreadyExists,
        Reason::StaleVersion => Code::Aborted,
        Reason::DiskFull | Reason::Overloaded => Code::ResourceExhausted,
        Reason::LedgerUnavailable | Reason::ShuttingDown | Reason::StoreBusy | Reason::StoreUnavailable => {
            Code::Unavailable
        }
        Reason::NotARepository
        | Reason::RegistryInvalid
        | Reason::VersionMismatch
        | Reason::Io
        | Reason::Git
        | Reason::DirtyTarget
        | Reason::BadTarget
        | Reason::TooLarge
        | Reason::NotRestored
        | Reason::MoveAmbiguous => Code::FailedPrecondition,
        Reason::Internal | Reason::Unspecified => Code::Internal,
    };
    let reason = error.reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned();
    match &error.cause {
        Some(cause) => tracing::info!(reason, message = error.message, %cause, "refused"),
        None => tracing::debug!(reason, message = error.message, "refused"),
    }
    let metadata: HashMap<String, String> =
        error.metadata.into_iter().map(|(key, value)| (key.to_owned(), cut(value, VALUE_MAX))).collect();
    let details = ErrorDetails::with_error_info(reason, "kpmo", metadata);
    Status::with_error_details(code, cut(error.message, MESSAGE_MAX), details)
}

/// A text that costs at most `most` bytes where it is percent-encoded, as
/// messages are in headers; what is too much of it becomes `…`.
fn cut(mut text: String, most: usize) -> String {
    let mut cost = 0;
    let too_much = text.char_indices().find(|(_, char)| {
        cost += if char.is_ascii_alphanumeric() || "-_.,:;/()'=+".contains(*char) {
            1
        } else {
            3 * char.len_utf8()
        };
        cost > most
    });
    if let Some((at, _)) = too_much {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// The governor, for what changes something: refused once the daemon is ending.
pub(super) fn to_change(governor: &Arc<Governor>) -> Result<Arc<Governor>, Status> {
    if governor.is_stopping() {
        return Err(status(Error::new(Reason::ShuttingDown, "the governor is ending; try again")));
    }
    Ok(Arc::clone(governor))
}

/// How many repositories an answer is about.
pub(super) fn count(repos: &[Repo]) -> u32 {
    u32::try_from(repos.len()).unwrap_or(u32::MAX)
}

/// Hooks at once; more are turned away, since a person waits for each.
static HOOKS: Semaphore = Semaphore::const_new(128);
/// Other flows at once; more wait for their turn. There are threads for these
/// and for as many hooks again, so that none of these keeps a hook waiting.
static FLOWS: Semaphore = Semaphore::const_new(24);
/// Threads for flows; see [`HOOKS`] and [`FLOWS`].
pub const THREADS: usize = 152;

/// Runs a hook's flow: at once or not at all.
pub(super) fn judging<T>(flow: impl FnOnce() -> Result<T, Error>) -> Result<Response<T>, Status> {
    let place = HOOKS.try_acquire().map_err(|_| {
        status(Error::new(Reason::Overloaded, "the governor judges too many commits at once; try again"))
    })?;
    // On this very thread, and what else it had to do goes to another: a hook
    // would wait for two threads to be woken. Its deadline is its own to keep.
    let judged = tokio::task::block_in_place(|| std::panic::catch_unwind(AssertUnwindSafe(flow)));
    drop(place);
    judged.map_err(|_| internal())?.map(Response::new).map_err(status)
}

/// Runs a flow on a blocking thread, when it is its turn.
pub(super) async fn blocking<T: Send + 'static>(
    metadata: &MetadataMap,
    flow: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<Response<T>, Status> {
    within(deadline(metadata), aside(flow)).await.map(Response::new)
}

/// As [`blocking`], for what is only part of a call.
pub(super) async fn aside<T: Send + 'static>(
    flow: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Status> {
    let place = FLOWS.acquire().await.map_err(|_| internal())?;
    off_thread(place, flow).await
}

/// Runs a flow on a blocking thread that answers one by one; its sink says
/// false when nobody listens any more.
pub(super) fn streaming<T: Send + 'static>(
    flow: impl FnOnce(&(dyn Fn(T) -> bool + Send + Sync)) -> Result<(), Error> + Send + 'static,
) -> Response<Answers<T>> {
    streaming_but(|_| false, flow)
}

/// As [`streaming`]; a slow reader misses the answers that `may_be_missed`, and
/// the flow does not wait to tell these.
pub(super) fn streaming_but<T: Send + 'static>(
    may_be_missed: fn(&T) -> bool,
    flow: impl FnOnce(&(dyn Fn(T) -> bool + Send + Sync)) -> Result<(), Error> + Send + 'static,
) -> Response<Answers<T>> {
    let (answers, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let told = answers.clone();
        let tell = move |answer: T| {
            if may_be_missed(&answer) {
                !matches!(answers.try_send(Ok(answer)), Err(TrySendError::Closed(_)))
            } else {
                answers.blocking_send(Ok(answer)).is_ok()
            }
        };
        if let Err(status) = aside(move || flow(&tell)).await {
            // Nobody listening is no reason to fail.
            let _ = told.send(Err(status)).await;
        }
    });
    Response::new(Box::pin(ReceiverStream::new(receiver)))
}

/// The caller's deadline ends the wait, not the flow: what it is writing is
/// written whole.
async fn within<T>(
    patience: Option<Duration>,
    flow: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let patience = patience.unwrap_or(PATIENCE);
    tokio::time::timeout(patience, flow).await.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!("not done within the deadline of {} ms", patience.as_millis())))
    })
}

/// The place is given up when the flow ends, not when the caller leaves.
async fn off_thread<T: Send + 'static>(
    place: SemaphorePermit<'static>,
    flow: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Status> {
    let ran = tokio::task::spawn_blocking(move || {
        let _place = place;
        flow()
    });
    ran.await.map_err(|_| internal())?.map_err(status)
}

fn internal() -> Status {
    let message = "the governor failed in this call; its log (`state/logs/governor.log`) tells where";
    status(Error::new(Reason::Internal, message))
}

/// `grpc-timeout`, a little earlier: the server's own timer answers CANCELLED, and
/// it is asked after the call itself.
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at(text.len().checked_sub(1)?);
    let amount: u64 = digits.parse().ok()?;
    let whole = match unit {
        "H" => Duration::from_secs(amount.checked_mul(3_600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    let earlier = whole.mul_f32(0.05).max(Duration::from_millis(2));
    Some(whole.saturating_sub(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_fits_into_headers() {
        for word in ["a", "ä b", "`\n", "漢"] {
            let error =
                Error::new(Reason::RegistryInvalid, word.repeat(20_000)).with("path", word.repeat(9_000));
            let headers = status(error).into_http::<()>().into_parts().0.headers;
            let size: usize = headers.iter().map(|(key, value)| key.as_str().len() + value.len() + 32).sum();
            assert!(size < 16 << 10, "{word:?}: {size}");
        }
        assert_eq!(cut("as it was".into(), MESSAGE_MAX), "as it was");
        assert_eq!(cut("ääää".into(), 13), "ää…");
    }

    #[test]
    fn deadlines_are_read_in_every_unit() {
        for (text, millis) in [("10S", 9_500), ("200m", 190), ("1M", 57_000), ("1000000u", 950), ("1m", 0)] {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            let got = deadline(&metadata).unwrap().as_millis();
            assert!(got.abs_diff(millis) <= 1, "{text}: {got}");
        }
        let mut metadata = MetadataMap::new();
        assert_eq!(deadline(&metadata), None);
        metadata.insert("grpc-timeout", "soon".parse().unwrap());
        assert_eq!(deadline(&metadata), None);
    }
}
