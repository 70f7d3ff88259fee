//! The gRPC face: the only place that knows tonic and prost.
//!
//! Each service unpacks, calls [`crate::api`] and converts; it decides nothing.

mod catalog;
pub mod client;
mod convert;
mod deadline;
mod health;
mod quotes;
mod server;
mod status;
mod tagger;

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{Api, Readiness};

/// The messages, clients and servers of `proto/cointag/v1`.
#[allow(missing_docs, reason = "generated; the .proto files hold the reference")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
pub mod pb {
    tonic::include_proto!("cointag.v1");
}

/// Descriptors of everything served, for reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cointag.binpb"));

/// Without a limit of ours tonic sets none at all, and one connection could hold any number of calls.
const STREAMS_PER_CONNECTION: u32 = 200;
/// Finds peers that vanished without closing; below the idle limits of common load balancers.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(45);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);
/// What a message may hold beside the texts that `document_bytes_max` counts.
const MESSAGE_OVERHEAD: usize = 64 * 1024;

/// Section `[grpc]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 50051)) }
    }
}

/// The names under which health is told, besides `""` and `liveness`.
pub const SERVICES: [&str; 4] = [
    pb::tagger_service_server::SERVICE_NAME,
    pb::quote_service_server::SERVICE_NAME,
    pb::catalog_service_server::SERVICE_NAME,
    pb::server_service_server::SERVICE_NAME,
];

/// Serves until `stop`, then finishes the calls in flight. May wait for ever on a peer that neither
/// speaks nor closes: the caller sets the hard end.
///
/// # Errors
/// The transport cannot be set up.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    // Above our own limit, so that a document just over it gets INVALID_ARGUMENT with the option's name
    // and not tonic's OUT_OF_RANGE.
    let decode_max = api.limits().document_bytes_max as usize * 2 + MESSAGE_OVERHEAD;
    let tagger = pb::tagger_service_server::TaggerServiceServer::new(tagger::Tagger(api.clone()))
        .max_decoding_message_size(decode_max)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let quotes = pb::quote_service_server::QuoteServiceServer::new(quotes::Quotes::new(
        api.clone(),
        readiness.clone(),
    ));
    let catalog = pb::catalog_service_server::CatalogServiceServer::new(catalog::Catalog(api.clone()));
    let server = pb::server_service_server::ServerServiceServer::new(server::ServerInfo(api));
    let health = tonic_health::pb::health_server::HealthServer::new(health::Health::new(readiness));
    let incoming =
        TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE_INTERVAL));

    let router = Server::builder()
        // A connection that never says a byte (a load balancer's TCP check) then cannot hold up the end.
        .accept_http1(true)
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        // One panic would otherwise end every call of its connection.
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a call panicked; this is a bug in cointag");
            tonic::Status::internal("a bug in cointag").into_http::<tonic::body::Body>()
        }))
        .layer(deadline::DeadlineLayer)
        .add_service(tagger)
        .add_service(quotes)
        .add_service(catalog)
        .add_service(server)
        .add_service(health);
    // Old helpers (Python's among them) still speak v1alpha.
    let router = match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => router.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "reflection is off: the descriptors cannot be read");
            router
        }
    };
    router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
