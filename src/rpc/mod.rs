//! The contract's services: proto in, one call, proto out. Nothing is decided
//! here; a client's mistakes are found in conversion, everything else below.

mod answer;
mod context_check;
mod convert;
mod found;
mod issue_event;
mod probe;
mod probe_sync;
mod registry;
mod registry_file;
mod service;
mod snapshots;

pub use answer::THREADS;

use std::{io, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::transport::{Server, server::Connected};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::{
    generated::{
        DESCRIPTORS,
        kanban::{
            context_check_server::ContextCheckServer, governor_server::GovernorServer,
            issue_event_server::IssueEventServer, probe_sync_server::ProbeSyncServer,
            repo_registry_server::RepoRegistryServer,
        },
        probe::probe_server::ProbeServer,
    },
    governor::Governor,
};

/// Calls at once, over all connections, streams among them. A backstop behind
/// the limits of `answer`, which turn calls away with a reason.
const CALLS_AT_ONCE: usize = 1_024;
/// A connection that does not answer a ping for this long is closed.
const SILENCE: Duration = Duration::from_secs(20);

/// Serves every service of the contract, health and both versions of
/// reflection on `incoming`, until `end` comes; then refuses new calls and
/// returns when those under way are done.
pub async fn serve<C>(
    governor: Arc<Governor>,
    incoming: impl Stream<Item = io::Result<C>> + Send,
    end: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ContextCheckServer<context_check::Service>>().await;
    health.set_serving::<RepoRegistryServer<registry::Service>>().await;
    health.set_serving::<IssueEventServer<issue_event::Service>>().await;
    health.set_serving::<GovernorServer<service::Service>>().await;
    health.set_serving::<ProbeSyncServer<probe_sync::Service>>().await;
    health.set_serving::<ProbeServer<probe::Service>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().expect("the descriptors are those of the committed contract");
    let v1alpha = reflection().build_v1alpha().expect("the descriptors are those of the committed contract");
    Server::builder()
        .load_shed(true)
        .http2_keepalive_interval(Some(SILENCE))
        .http2_keepalive_timeout(Some(SILENCE))
        .layer(GlobalConcurrencyLimitLayer::new(CALLS_AT_ONCE))
        .add_service(health_service)
        .add_service(v1)
        .add_service(v1alpha)
        .add_service(ContextCheckServer::new(context_check::Service::new(&governor)))
        .add_service(RepoRegistryServer::new(registry::Service::new(&governor)))
        .add_service(IssueEventServer::new(issue_event::Service::new(&governor)))
        .add_service(GovernorServer::new(service::Service::new(&governor)))
        .add_service(ProbeSyncServer::new(probe_sync::Service::new(&governor)))
        .add_service(ProbeServer::new(probe::Service::new(&governor)))
        .serve_with_incoming_shutdown(incoming, async move {
            end.await;
            health.set_not_serving::<ContextCheckServer<context_check::Service>>().await;
            health.set_not_serving::<RepoRegistryServer<registry::Service>>().await;
            health.set_not_serving::<IssueEventServer<issue_event::Service>>().await;
            health.set_not_serving::<GovernorServer<service::Service>>().await;
            health.set_not_serving::<ProbeSyncServer<probe_sync::Service>>().await;
            health.set_not_serving::<ProbeServer<probe::Service>>().await;
        })
        .await
}
