//! Calls that no program of ours makes.

use std::time::Duration;

use kpmo::{
    client::{ConnectError, Connection, connect},
    generated::kanban::{
        EmitRequest, Event, EventKind, HandshakeRequest, HandshakeResponse, governor_client::GovernorClient,
        issue_event_client::IssueEventClient, repo_registry_client::RepoRegistryClient,
    },
};
use tonic::Status;

use super::World;

/// One connection to a world's governor.
pub struct Caller {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
}

impl Caller {
    pub fn new(world: &World) -> Result<Self, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(connect(&world.socket(), Duration::from_secs(20)))?;
        Ok(Self { runtime, connection })
    }

    /// Emits a tick of TASK-1, with an id of the caller's.
    pub fn emit(&self, event_id: &str) -> Result<Event, Status> {
        let request = EmitRequest {
            event_id: event_id.to_owned(),
            kind: EventKind::Tick.into(),
            card: "TASK-1".to_owned(),
            ..EmitRequest::default()
        };
        let mut client = IssueEventClient::new(self.connection.clone());
        let answer = self.runtime.block_on(client.emit(request))?;
        Ok(answer.into_inner().event.unwrap())
    }

    pub fn registry(&self) -> RepoRegistryClient<Connection> {
        RepoRegistryClient::new(self.connection.clone())
    }

    /// Waits for a call's answer.
    pub fn wait<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Status> {
        Ok(self.runtime.block_on(call)?.into_inner())
    }

    pub fn handshake(&self, version: &str) -> Result<HandshakeResponse, Status> {
        let request = HandshakeRequest { client_version: version.into(), client_name: "test".into() };
        let mut client = GovernorClient::new(self.connection.clone());
        Ok(self.runtime.block_on(client.handshake(request))?.into_inner())
    }
}
