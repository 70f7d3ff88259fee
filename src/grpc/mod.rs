//! The gRPC face: the only place that knows tonic and prost.
//!
//! Each service unpacks, calls [`crate::api`] and converts; it decides nothing.

mod answer;
mod catalog;
pub mod client;
mod convert;
mod deadline;
mod face;
mod health;
mod items;
mod quotes;
mod server;
mod status;
pub mod tag_client;
mod tagger;
mod web;

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::http::{Request, Response};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tonic::service::Routes;
use tower::{Layer as _, Service};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{Current, Limits, Readiness};
use crate::guard::{Guard, GuardLayer};

/// The messages, clients and servers of `proto/cointag/v1`.
#[allow(missing_docs, reason = "generated; the .proto files hold the reference")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
pub mod pb {
    tonic::include_proto!("cointag.v1");
}

/// Descriptors of everything served, for reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cointag.binpb"));

/// What a message may hold beside the texts that `document_bytes_max` counts.
const MESSAGE_OVERHEAD: usize = 64 * 1024;
/// The same for each document of a batch.
const DOCUMENT_OVERHEAD: usize = 64;

/// Section `[grpc]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Origins of pages that may call by gRPC-Web, such as `https://news.example`; `*`: every page. Empty: none.
    pub web_origins: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 50051)), web_origins: Vec::new() }
    }
}

/// The names under which health is told, besides `""` and `liveness`.
pub const SERVICES: [&str; 4] = [
    pb::tagger_service_server::SERVICE_NAME,
    pb::quote_service_server::SERVICE_NAME,
    pb::catalog_service_server::SERVICE_NAME,
    pb::server_service_server::SERVICE_NAME,
];

/// Everything that gRPC callers may ask, behind the guard.
pub fn service(
    config: &Config,
    api: &Current,
    readiness: Readiness,
    guard: Guard,
) -> impl Service<
    Request<Incoming>,
    Response = Response<axum::body::Body>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    // Above our own limit, so that a document just over it gets INVALID_ARGUMENT with the option's name
    // and not tonic's OUT_OF_RANGE.
    let decode_max = decode_max(api.get().limits());
    let tagger = tagger::Tagger { api: api.clone(), readiness: readiness.clone() };
    let tagger = pb::tagger_service_server::TaggerServiceServer::new(tagger)
        .max_decoding_message_size(decode_max)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let quotes = pb::quote_service_server::QuoteServiceServer::new(quotes::Quotes::new(
        api.clone(),
        readiness.clone(),
    ));
    let catalog = pb::catalog_service_server::CatalogServiceServer::new(catalog::Catalog(api.clone()));
    let server = pb::server_service_server::ServerServiceServer::new(server::ServerInfo(api.clone()));
    let routes = Routes::new(tagger).add_service(quotes).add_service(catalog).add_service(server);
    let routes = routes.add_service(health::service(readiness));
    // Old helpers (Python's among them) still speak v1alpha.
    let routes = match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "reflection is off: the descriptors cannot be read");
            routes
        }
    };
    // One panic would otherwise end every call of its connection.
    let router = routes.into_axum_router().layer(CatchPanicLayer::custom(|_| {
        tracing::error!("a call panicked; this is a bug in cointag");
        tonic::Status::internal("a bug in cointag").into_http::<tonic::body::Body>()
    }));
    let guarded = GuardLayer::new(guard, face::Grpc::new()).layer(router);
    web::doors(&config.web_origins, guarded)
}

/// Health alone, for a port of its own that needs neither TLS nor a key.
pub fn probes(readiness: Readiness) -> axum::Router {
    Routes::new(health::service(readiness)).into_axum_router()
}

/// The longest message that is read at all.
fn decode_max(limits: &Limits) -> usize {
    let (document, batch) = (limits.document_bytes_max as usize, limits.batch_bytes_max as usize);
    let overhead = MESSAGE_OVERHEAD + limits.batch_documents_max as usize * DOCUMENT_OVERHEAD;
    (document * 2).max(batch + batch / 4) + overhead
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
