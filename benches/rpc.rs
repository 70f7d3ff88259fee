//! `Tag` over gRPC against a bare tonic echo of the same messages.
//!
//! `cargo bench --bench rpc`. Both servers and the load run in this process on loopback, in turn, round by round:
//! what differs is the work of tagging and pricing one generated article.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a program of its own; not all of it is used by every benchmark"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cointag::catalog::Catalog;
use cointag::config::Config;
use cointag::grpc::pb;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use cointag::grpc::pb::tagger_service_server::{TaggerService, TaggerServiceServer};
use cointag::market::Clock;
use cointag::mention::Detector;
use cointag::serve::{Listeners, Server};
use support::articles::articles;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;

const CONNECTIONS: usize = 2;
const CALLS_IN_FLIGHT: usize = 16;
const ROUND: Duration = Duration::from_millis(700);
const ROUNDS: usize = 7;

/// Answers every request with an empty response. The other calls of the service are not called.
struct Echo;

type NoStream = tokio_stream::Empty<Result<pb::TagStreamResponse, tonic::Status>>;

#[tonic::async_trait]
impl TaggerService for Echo {
    async fn tag(
        &self,
        request: tonic::Request<pb::TagRequest>,
    ) -> Result<tonic::Response<pb::TagResponse>, tonic::Status> {
        let id = request.into_inner().document.and_then(|document| document.id);
        Ok(tonic::Response::new(pb::TagResponse { id, ..pb::TagResponse::default() }))
    }

    async fn batch_tag(
        &self,
        _: tonic::Request<pb::BatchTagRequest>,
    ) -> Result<tonic::Response<pb::BatchTagResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("the echo answers Tag alone"))
    }

    type TagStreamStream = NoStream;

    async fn tag_stream(
        &self,
        _: tonic::Request<tonic::Streaming<pb::TagStreamRequest>>,
    ) -> Result<tonic::Response<NoStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("the echo answers Tag alone"))
    }
}

#[tokio::main]
async fn main() {
    let echo = serve_echo().await;
    let (_server, tag) = serve_tag().await;
    let requests: Arc<Vec<pb::TagRequest>> = Arc::new(
        articles(&Catalog::builtin(), 11, 200)
            .into_iter()
            .map(|article| pb::TagRequest {
                document: Some(pb::Document {
                    title: article.title,
                    body: article.body,
                    ..Default::default()
                }),
                options: None,
            })
            .collect(),
    );
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (rates, channels) in rates.iter_mut().zip([&echo, &tag]) {
            let rate = load(channels, &requests).await;
            // The first round warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let [echo, tag] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "{CONNECTIONS} connections, {CALLS_IN_FLIGHT} calls in flight on each, median of {ROUNDS} rounds"
    );
    println!("echo {echo:>10.0} calls/s");
    println!("Tag  {tag:>10.0} calls/s");
    println!("Tag makes {:.2} of the echo's calls", tag / echo);
}

/// Calls answered a second.
async fn load(channels: &[Channel], requests: &Arc<Vec<pb::TagRequest>>) -> f64 {
    let start = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for (number, channel) in channels.iter().enumerate() {
        for caller in 0..CALLS_IN_FLIGHT {
            let mut client = TaggerServiceClient::new(channel.clone());
            let requests = Arc::clone(requests);
            callers.spawn(async move {
                let mut calls = 0usize;
                let mut next = number * 31 + caller * 7;
                while start.elapsed() < ROUND {
                    client.tag(requests[next % requests.len()].clone()).await.unwrap();
                    next += 1;
                    calls += 1;
                }
                calls
            });
        }
    }
    let calls: usize = callers.join_all().await.into_iter().sum();
    calls as f64 / start.elapsed().as_secs_f64()
}

async fn serve_echo() -> Vec<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TaggerServiceServer::new(Echo))
            .serve_with_incoming(incoming),
    );
    connect(addr).await
}

async fn serve_tag() -> (Server, Vec<Channel>) {
    let mut config = Config::default();
    config.grpc.listen = ([127, 0, 0, 1], 0).into();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.market.sources = vec!["file".to_owned()];
    config.market.file.path = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quotes.json").into());
    let listeners = Listeners::bind(&config).await.unwrap();
    let detector = Arc::new(Detector::new(Catalog::builtin()));
    let server = Server::start(listeners, &config, detector, Clock::system()).unwrap();
    server.markets().first_round().await;
    let channels = connect(server.addrs().grpc).await;
    (server, channels)
}

async fn connect(addr: std::net::SocketAddr) -> Vec<Channel> {
    let endpoint = Channel::from_shared(format!("http://{addr}")).unwrap().tcp_nodelay(true);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(endpoint.connect().await.unwrap());
    }
    channels
}
