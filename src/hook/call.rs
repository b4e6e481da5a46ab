use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
    time::{Duration, Instant, SystemTime},
};

use uuid::Uuid;

use super::{event::Kind, invocation};
use crate::{
    client::{Budgets, ConnectError, Endpoint, Home, StartError, connect, connect_or_start},
    generated::kanban::{
        EnvVar, HookEvent, HookRequest, HookResponse, context_check_client::ContextCheckClient,
    },
};

/// Of what git sets, what the governor needs to see the repository as git does.
const GIT_VARIABLES: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    // Who commits; git tells its hooks the author.
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_EMAIL",
    NO_EDITOR.0,
];

/// How git tells a hook that it has opened no editor; what editor it may be
/// otherwise is nobody's business.
const NO_EDITOR: (&str, &[u8]) = ("GIT_EDITOR", b":");

/// How long git waits for what it only tells.
const TELLING: Duration = Duration::from_millis(200);

/// Why there is no verdict.
#[derive(Debug)]
pub(super) enum Failure {
    /// The governor can't be reached.
    Start(StartError),
    /// It was reached and did not answer in time.
    Late(Duration),
    /// It answered that it can't.
    Status(tonic::Status),
    /// No runtime could be had.
    Runtime(std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Late(after) => write!(f, "the governor gave no verdict within {} ms", after.as_millis()),
            Self::Status(status) => f.write_str(&super::say::escaped(status.message().as_bytes())),
            Self::Runtime(error) => write!(f, "cannot start: {error}"),
        }
    }
}

/// What git told us, as the contract has it.
pub(super) fn request(event: HookEvent, args: &[OsString], stdin: Option<Vec<u8>>) -> HookRequest {
    let git_env = GIT_VARIABLES
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.into_vec();
            let is_told = *name != NO_EDITOR.0 || value == NO_EDITOR.1;
            is_told.then(|| EnvVar { name: (*name).to_owned(), value })
        })
        .collect();
    HookRequest {
        call_id: Uuid::now_v7().to_string(),
        event: event.into(),
        args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        stdin: stdin.unwrap_or_default(),
        working_directory: std::env::current_dir()
            .map(|path| path.into_os_string().into_vec())
            .unwrap_or_default(),
        git_env,
        occurred_at: Some(SystemTime::now().into()),
        replayed: false,
        hook_version: env!("CARGO_PKG_VERSION").to_owned(),
        invocation: invocation::of_git(),
        skipped: false,
    }
}

/// The one call, within the budgets.
pub(super) fn call(
    home: &Home,
    endpoint: Option<&Endpoint>,
    kind: Kind,
    request: HookRequest,
) -> Result<HookResponse, Failure> {
    runtime()?.block_on(async {
        let exchange = exchange(home, endpoint, kind, request);
        if !kind.is_only_told() {
            return exchange.await;
        }
        // A governor that is being started by then goes on without us.
        tokio::time::timeout(TELLING, exchange).await.unwrap_or(Err(Failure::Late(TELLING)))
    })
}

/// Tells a governor that runs, and starts none: whoever switches kpmo off for
/// once does not want to wait for it.
pub(super) fn tell(home: &Home, endpoint: Option<&Endpoint>, request: HookRequest) -> Result<(), Failure> {
    let no_connection = |error| Failure::Start(StartError::Connect(error));
    let told = async {
        let socket = Endpoint::socket(home, endpoint).map_err(|e| no_connection(e.into()))?;
        let connection = connect(&socket, TELLING).await.map_err(no_connection)?;
        ContextCheckClient::new(connection).hook(request).await.map_err(Failure::Status)
    };
    runtime()?
        .block_on(async { tokio::time::timeout(TELLING, told).await.unwrap_or(Err(Failure::Late(TELLING))) })
        .map(drop)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(Failure::Runtime)
}

/// One call, and again where the connection breaks under it: a governor that
/// ends, or dies, takes calls with it that its successor answers. The call's id
/// makes sure that it counts once.
async fn exchange(
    home: &Home,
    endpoint: Option<&Endpoint>,
    kind: Kind,
    request: HookRequest,
) -> Result<HookResponse, Failure> {
    let budgets: Budgets = endpoint.map(|endpoint| endpoint.budgets).unwrap_or_default();
    let deadline = Instant::now() + budgets.start();
    loop {
        match attempt(home, endpoint, kind, request.clone(), budgets).await {
            Err(Failure::Status(status)) if is_broken(&status) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ended => return ended,
        }
    }
}

/// Whether this is our end's word on a connection that is gone, or that of a
/// governor that is leaving; not a verdict on the call.
fn is_broken(status: &tonic::Status) -> bool {
    std::error::Error::source(status).is_some()
        || matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Cancelled)
}

async fn attempt(
    home: &Home,
    endpoint: Option<&Endpoint>,
    kind: Kind,
    request: HookRequest,
    budgets: Budgets,
) -> Result<HookResponse, Failure> {
    let connection = connect_or_start(home, None, budgets).await.map_err(Failure::Start)?;
    // For what has happened already there is nothing to wait for but a receipt.
    let patience = if kind.is_past() { budgets.sign_of_life() } else { budgets.verdict() };
    let mut client = ContextCheckClient::new(connection.clone());
    let answer = client.hook(request);
    tokio::pin!(answer);

    // A governor that is stopped accepts and then says nothing, not even
    // HTTP/2's greeting: no reason to wait for it as long as for a verdict.
    let greeting = budgets.sign_of_life().min(patience);
    let answered = match tokio::time::timeout(greeting, &mut answer).await {
        Ok(answered) => answered,
        Err(_) if !connection.heard() => {
            let socket =
                Endpoint::socket(home, endpoint).map_err(|e| Failure::Start(ConnectError::from(e).into()))?;
            return Err(Failure::Start(ConnectError::NoAnswer(socket, greeting).into()));
        }
        Err(_) => tokio::time::timeout(patience.saturating_sub(greeting), answer)
            .await
            .map_err(|_| Failure::Late(patience))?,
    };
    Ok(answered.map_err(Failure::Status)?.into_inner())
}
