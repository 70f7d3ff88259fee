//! A server that is told to stop does stop, whoever is connected. tonic alone hangs on most of these.

use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use cointag::serve::{Ended, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use super::*;

async fn stop(server: TestServer) -> Ended {
    within(server.server.shutdown(Duration::ZERO)).await
}

/// Returns when every connection made so far has been accepted: a later one has been answered.
async fn accepted(server: &TestServer) {
    TaggerServiceClient::new(server.channel().await).tag(title("")).await.unwrap();
    reqwest::get(server.url("/livez")).await.unwrap();
}

fn waiting(text: &str) -> pb::TagRequest {
    let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
    pb::TagRequest { options: Some(options), ..title(text) }
}

/// A call that waits for a silent market, once the server has it: a later call on the same connection
/// has been answered.
async fn call_in_flight(
    server: &TestServer,
) -> impl Future<Output = Result<pb::TagResponse, tonic::Status>> + use<> {
    let channel = server.channel().await;
    let mut slow = TaggerServiceClient::new(channel.clone());
    let mut call =
        Box::pin(async move { slow.tag(waiting("Bitcoin")).await.map(tonic::Response::into_inner) });
    let mut quick = TaggerServiceClient::new(channel);
    tokio::select! {
        biased;
        _ = &mut call => panic!("the call did not wait"),
        answer = quick.tag(title("nothing")) => answer.unwrap(),
    };
    call
}

#[tokio::test]
async fn with_idle_clients() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    client.tag(title("Bitcoin")).await.unwrap();
    let http = reqwest::Client::new();
    http.get(server.url("/livez")).send().await.unwrap();
    assert_eq!(stop(server).await, Ended::Clean);
    assert_eq!(client.tag(title("Bitcoin")).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn with_bare_connections() {
    let server = TestServer::start().await.ready().await;
    let _grpc = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    let _http = TcpStream::connect(server.server.addrs().http).await.unwrap();
    accepted(&server).await;
    assert_eq!(stop(server).await, Ended::Clean);
}

#[tokio::test]
async fn with_half_a_preface() {
    let server = TestServer::start().await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    peer.write_all(b"PRI * HTT").await.unwrap();
    accepted(&server).await;
    assert_eq!(stop(server).await, Ended::Clean);
}

#[tokio::test]
async fn with_a_preface_and_no_settings() {
    let timeout = Duration::from_millis(100);
    let server = TestServer::start_with(|config| config.serve.drain_timeout = timeout).await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // The server has seen it once it sends settings of its own.
    within(peer.read_u8()).await.unwrap();
    assert_eq!(stop(server).await, Ended::CutOff);
}

#[tokio::test]
async fn with_half_an_http_request() {
    let timeout = Duration::from_millis(100);
    let server = TestServer::start_with(|config| config.serve.drain_timeout = timeout).await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().http).await.unwrap();
    peer.write_all(b"POST /v1/tag HTTP/1.1\r\nContent-Length: 100\r\n").await.unwrap();
    accepted(&server).await;
    assert_eq!(stop(server).await, Ended::CutOff);
}

#[tokio::test]
async fn after_a_call_in_flight() {
    let wait = Duration::from_millis(500);
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.limits.quote_wait_max = wait).await;
    let call = call_in_flight(&server).await;
    let (ended, answer) = tokio::join!(stop(server), within(call));
    assert_eq!(ended, Ended::Clean);
    assert_eq!(answer.unwrap().mentions.len(), 1);
}

#[tokio::test]
async fn a_call_that_takes_too_long_does_not_hold_the_server() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.limits.quote_wait_max = PATIENCE;
        config.serve.drain_timeout = Duration::from_millis(50);
    })
    .await;
    let call = call_in_flight(&server).await;
    let ended = tokio::select! {
        ended = stop(server) => ended,
        _ = call => panic!("the call was to wait"),
    };
    assert_eq!(ended, Ended::CutOff);
}

#[tokio::test]
async fn a_port_in_use_names_the_option() {
    let taken = TcpListener::bind(any_port()).await.unwrap();
    let addr = taken.local_addr().unwrap();
    let mut config = Config::default();
    config.grpc.listen = any_port();
    config.http.listen = addr;
    let error = Listeners::bind(&config).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }));
    let expected = format!(
        "cannot listen on {addr}: another program listens there; change http.listen (COINTAG_HTTP__LISTEN)"
    );
    assert_eq!(error.to_string(), expected);
}
