//! A server that is told to stop does stop, whoever is connected. tonic alone hangs on most of these.
//!
//! Each test is one row of the table in docs/operations.md, and there is no row without its test.

use cointag::grpc::pb::quote_service_client::QuoteServiceClient;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use cointag::serve::{Ended, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// What may be open when the server stops, what its peer sees, and how the server ends.
const ROWS: [(&str, &str, Ended); 11] = [
    ("an idle client", "GOAWAY", Ended::Clean),
    ("a call in flight", "its answer", Ended::Clean),
    ("an open `TagStream`", "UNAVAILABLE", Ended::Clean),
    ("an open `WatchQuotes`", "UNAVAILABLE", Ended::Clean),
    ("an open `Watch`", "NOT_SERVING, then UNAVAILABLE", Ended::Clean),
    ("a TCP connection without a word", "closed", Ended::Clean),
    ("half an HTTP/2 preface", "closed", Ended::Clean),
    ("a preface without SETTINGS", "cut off at `drain_timeout`", Ended::CutOff),
    ("half an HTTP/1 request", "cut off at `drain_timeout`", Ended::CutOff),
    ("a call that outlasts `drain_timeout`", "cut off at `drain_timeout`", Ended::CutOff),
    ("a TLS handshake that was not begun", "closed", Ended::Clean),
];

#[test]
fn the_table_of_the_page_is_what_is_tested() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split("| open at SIGTERM |").nth(1).unwrap().split("\n\n").next().unwrap();
    let told: Vec<_> = table.lines().skip(2).collect();
    let tested = ROWS.map(|(open, sees, _)| format!("| {open} | {sees} |"));
    assert_eq!(told, tested);
}

/// The server ended as the row says.
#[track_caller]
pub(super) fn ended_as_told(open: &str, ended: Ended) {
    let row = ROWS.iter().find(|row| row.0 == open).unwrap();
    assert_eq!(ended, row.2, "{open}");
}

/// Reads until the server closes the connection.
pub(super) async fn is_closed(mut peer: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = within(peer.read_to_end(&mut rest)).await;
}

pub(super) async fn stop(server: TestServer) -> Ended {
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
    ended_as_told("an idle client", stop(server).await);
    assert_eq!(client.tag(title("Bitcoin")).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn with_bare_connections() {
    let server = TestServer::start().await.ready().await;
    let grpc = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    let http = TcpStream::connect(server.server.addrs().http).await.unwrap();
    accepted(&server).await;
    ended_as_told("a TCP connection without a word", stop(server).await);
    is_closed(grpc).await;
    is_closed(http).await;
}

#[tokio::test]
async fn with_half_a_preface() {
    let server = TestServer::start().await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    peer.write_all(b"PRI * HTT").await.unwrap();
    accepted(&server).await;
    ended_as_told("half an HTTP/2 preface", stop(server).await);
    is_closed(peer).await;
}

#[tokio::test]
async fn with_a_preface_and_no_settings() {
    let timeout = Duration::from_millis(100);
    let server = TestServer::start_with(|config| config.serve.drain_timeout = timeout).await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // The server has seen it once it sends settings of its own.
    within(peer.read_u8()).await.unwrap();
    ended_as_told("a preface without SETTINGS", stop(server).await);
    is_closed(peer).await;
}

#[tokio::test]
async fn with_half_an_http_request() {
    let timeout = Duration::from_millis(100);
    let server = TestServer::start_with(|config| config.serve.drain_timeout = timeout).await.ready().await;
    let mut peer = TcpStream::connect(server.server.addrs().http).await.unwrap();
    peer.write_all(b"POST /v1/tag HTTP/1.1\r\nContent-Length: 100\r\n").await.unwrap();
    accepted(&server).await;
    ended_as_told("half an HTTP/1 request", stop(server).await);
    is_closed(peer).await;
}

#[tokio::test]
async fn with_an_open_stream() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut answers = client.tag_stream(tokio_stream::pending()).await.unwrap().into_inner();
    let (ended, end) = tokio::join!(stop(server), within(answers.message()));
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
    ended_as_told("an open `TagStream`", ended);
}

#[tokio::test]
async fn with_an_open_watch_of_quotes() {
    let server = TestServer::start().await.ready().await;
    let mut client = QuoteServiceClient::new(server.channel().await);
    let watch = pb::WatchQuotesRequest { token_ids: vec!["bitcoin".to_owned()], ..Default::default() };
    let mut quotes = client.watch_quotes(watch).await.unwrap().into_inner();
    assert_eq!(within(quotes.message()).await.unwrap().unwrap().quotes.len(), 1);
    let (ended, end) = tokio::join!(stop(server), within(quotes.message()));
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
    ended_as_told("an open `WatchQuotes`", ended);
}

#[tokio::test]
async fn with_an_open_watch() {
    let server = TestServer::start().await.ready().await;
    let mut client = HealthClient::new(server.channel().await);
    let mut statuses = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut next = async || within(statuses.message()).await.map(|answer| answer.unwrap().status());
    assert_eq!(next().await.unwrap(), ServingStatus::Serving);
    let seen = async { (next().await.unwrap(), next().await.unwrap_err().code()) };
    let (ended, seen) = tokio::join!(stop(server), seen);
    assert_eq!(seen, (ServingStatus::NotServing, Code::Unavailable));
    ended_as_told("an open `Watch`", ended);
}

#[tokio::test]
async fn after_a_call_in_flight() {
    let wait = Duration::from_millis(500);
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.limits.quote_wait_max = wait).await;
    let call = call_in_flight(&server).await;
    let (ended, answer) = tokio::join!(stop(server), within(call));
    ended_as_told("a call in flight", ended);
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
    let (ended, answer) = tokio::join!(stop(server), within(call));
    ended_as_told("a call that outlasts `drain_timeout`", ended);
    answer.unwrap_err();
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
