//! `grpc.health.v1`, `/livez` and `/readyz` tell the same truth.

use cointag::grpc::SERVICES;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;

fn ask(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(server: &TestServer, service: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::new(server.channel().await);
    client
        .check(ask(service))
        .await
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

async fn watch(server: &TestServer, service: &str) -> Streaming<HealthCheckResponse> {
    HealthClient::new(server.channel().await).watch(ask(service)).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    within(stream.message()).await.unwrap().unwrap().status()
}

async fn get(server: &TestServer, path: &str) -> u16 {
    reqwest::get(server.url(path)).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_server_is_alive_at_once_and_ready_after_the_first_round() {
    let (server, silent) =
        TestServer::start_with_silent_market(|config| config.health.first_quotes_wait = PATIENCE).await;
    for service in SERVICES.into_iter().chain([""]) {
        assert_eq!(check(&server, service).await, Ok(ServingStatus::NotServing), "{service}");
    }
    assert_eq!(check(&server, "liveness").await, Ok(ServingStatus::Serving));
    assert_eq!((get(&server, "/livez").await, get(&server, "/readyz").await), (200, 503));
    let mut statuses = watch(&server, "").await;
    assert_eq!(next(&mut statuses).await, ServingStatus::NotServing);

    // The market goes away: the round ends badly, and the server is ready all the same.
    drop(silent);
    let server = server.ready().await;
    assert_eq!(next(&mut statuses).await, ServingStatus::Serving);
    for service in SERVICES.into_iter().chain([""]) {
        assert_eq!(check(&server, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(get(&server, "/readyz").await, 200);
}

#[tokio::test]
async fn a_server_becomes_ready_though_its_market_never_answers() {
    let wait = Duration::from_millis(10);
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.health.first_quotes_wait = wait).await;
    let server = server.ready().await;
    assert_eq!(check(&server, "").await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn an_unknown_service_is_not_found_and_watched_on_an_open_stream() {
    let server = TestServer::start().await.ready().await;
    assert_eq!(check(&server, "cointag.v1.Nothing").await, Err(Code::NotFound));
    let mut statuses = watch(&server, "cointag.v1.Nothing").await;
    assert_eq!(next(&mut statuses).await, ServingStatus::ServiceUnknown);
    // Still open: the end comes with the server's, not before.
    let stopping = tokio::spawn(server.server.shutdown(Duration::ZERO));
    assert_eq!(within(statuses.message()).await.unwrap_err().code(), Code::Unavailable);
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_watcher_sees_the_drain_before_its_stream_ends() {
    let server = TestServer::start().await.ready().await;
    let mut readiness = watch(&server, "").await;
    let mut liveness = watch(&server, "liveness").await;
    assert_eq!(next(&mut readiness).await, ServingStatus::Serving);
    assert_eq!(next(&mut liveness).await, ServingStatus::Serving);
    let stopping = tokio::spawn(server.server.shutdown(Duration::from_millis(100)));
    assert_eq!(next(&mut readiness).await, ServingStatus::NotServing);
    assert_eq!(within(readiness.message()).await.unwrap_err().code(), Code::Unavailable);
    // An orchestrator must not restart what is stopping by itself.
    assert_eq!(within(liveness.message()).await.unwrap_err().code(), Code::Unavailable);
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_during_the_drain_delay() {
    let server = TestServer::start().await.ready().await;
    let channel = server.channel().await;
    let mut statuses = watch(&server, "").await;
    assert_eq!(next(&mut statuses).await, ServingStatus::Serving);
    let stopping = tokio::spawn(server.server.shutdown(PATIENCE));
    assert_eq!(next(&mut statuses).await, ServingStatus::NotServing);
    let mut client = pb::tagger_service_client::TaggerServiceClient::new(channel);
    assert_eq!(client.tag(title("Bitcoin")).await.unwrap().into_inner().mentions.len(), 1);
    stopping.abort();
}

/// A market that takes connections and never answers is no reason for a restart; a refresh loop that stands still is.
#[tokio::test]
async fn liveness_shows_that_the_refresh_loops_move_and_never_that_a_market_answers() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.market.coingecko.timeout = Some(PATIENCE);
        config.health.first_quotes_wait = Duration::from_millis(10);
    })
    .await;
    let server = server.ready().await;
    let mut statuses = watch(&server, "liveness").await;
    assert_eq!(next(&mut statuses).await, ServingStatus::Serving);
    let (hour, beat) = (Duration::from_secs(3600), Duration::from_secs(1));
    // The loops that wake after an hour may come to run only after the first beat.
    let becomes_alive = async || {
        within(async {
            while check(&server, "liveness").await != Ok(ServingStatus::Serving) {
                server.clock.advance(beat);
            }
        })
        .await;
    };
    for _ in 0..3 {
        server.clock.advance(hour);
        becomes_alive().await;
    }

    server.server.readiness().beat(false);
    assert_eq!(check(&server, "liveness").await, Ok(ServingStatus::NotServing));
    assert_eq!(get(&server, "/livez").await, 503);
    within(async { while next(&mut statuses).await != ServingStatus::NotServing {} }).await;
    // Callers are still answered: whether to send them elsewhere is another question.
    assert_eq!(check(&server, "").await, Ok(ServingStatus::Serving));
    assert_eq!(get(&server, "/readyz").await, 200);
    // The next beat finds the loops moving.
    becomes_alive().await;
    assert_eq!(get(&server, "/livez").await, 200);
}
