use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    answer::{blocking, status},
    convert, snapshots,
};
use crate::{
    fs::bytes_of,
    generated::kanban::{
        HandshakeRequest, HandshakeResponse, ReloadRequest, ReloadResponse, ShutdownRequest,
        ShutdownResponse, StatusRequest, StatusResponse, governor_server::Governor as Contract,
    },
    governor::{Error, Governor, Reason},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

#[tonic::async_trait]
impl Contract for Service {
    async fn handshake(
        &self,
        request: Request<HandshakeRequest>,
    ) -> Result<Response<HandshakeResponse>, Status> {
        let request = request.into_inner();
        let restart_advised =
            understand(&request.client_name, "client_version", &request.client_version).map_err(status)?;
        Ok(Response::new(HandshakeResponse { governor_version: VERSION.into(), restart_advised }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let governor = Arc::clone(&self.0);
        blocking(request.metadata(), move || {
            let now = governor.status();
            Ok(StatusResponse {
                version: VERSION.into(),
                pid: std::process::id(),
                socket: bytes_of(&now.socket),
                started_at: Some(convert::time(now.started_at)),
                uptime: now.uptime.try_into().ok(),
                repos: u32::try_from(now.repos).unwrap_or(u32::MAX),
                ledger_seq: now.ledger_seq,
                snapshots_waiting: u32::try_from(now.snapshots_waiting).unwrap_or(u32::MAX),
                snapshots_running: now.snapshots_running.into_iter().map(snapshots::running).collect(),
                problems: now.problems,
                state_dir: bytes_of(&governor.home().state),
                config_dir: bytes_of(&governor.home().config),
            })
        })
        .await
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        let governor = Arc::clone(&self.0);
        blocking(request.metadata(), move || {
            Ok(ReloadResponse { policy_digest: governor.reload()?.digest() })
        })
        .await
    }

    async fn shutdown(
        &self,
        _request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        self.0.ask_to_stop();
        Ok(Response::new(ShutdownResponse { pid: std::process::id() }))
    }
}

/// Refuses a client of another major version. True: it is newer than we are.
pub(super) fn understand(client: &str, field: &'static str, version: &str) -> Result<bool, Error> {
    let theirs = parse(version)
        .ok_or_else(|| Error::bad_request(field, "must be MAJOR.MINOR.PATCH, for instance 0.1.0"))?;
    let ours = parse(VERSION).unwrap_or_default();
    if theirs.0 == ours.0 {
        return Ok(theirs > ours);
    }
    let message = format!(
        "{client} {version} and governor {VERSION} do not understand each other; run `kpmo up` with the \
         newer one, which replaces the programs and restarts the governor"
    );
    Err(Error::new(Reason::VersionMismatch, message))
}

fn parse(version: &str) -> Option<(u64, u64, u64)> {
    let mut parts = version.split(['.', '-', '+']).map(str::parse);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some((major, minor, patch)),
        _ => None,
    }
}
