//! What the guard refuses, on both faces alike, and what it never refuses.

use cointag::grpc::pb::server_service_client::ServerServiceClient;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use serde_json::Value;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::*;

const KEYS: &str = r#"
[[client]]
name = "feed"
keys = ["old-key-of-the-feed", "new-key-of-the-feed"]
scopes = ["read"]
[[client]]
name = "operator"
keys = ["key-of-the-operator"]
scopes = ["admin"]
"#;

fn with_key(text: &str, key: &str) -> Request<pb::TagRequest> {
    let mut request = Request::new(title(text));
    let value: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn waiting() -> pb::TagRequest {
    let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
    pb::TagRequest { options: Some(options), ..title("Bitcoin") }
}

async fn is_healthy(server: &TestServer) -> bool {
    let ask = HealthCheckRequest::default();
    HealthClient::new(server.channel().await).check(ask).await.is_ok()
}

fn keys_file(text: &str) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_on_both_faces_and_health_is_not() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.limits.quote_wait_max = PATIENCE;
        config.limits.requests_in_flight_max = 1;
    })
    .await;
    let channel = server.channel().await;
    let mut client = TaggerServiceClient::new(channel.clone());
    let mut slow = Box::pin({
        let mut client = client.clone();
        async move { client.tag(waiting()).await }
    });
    // The place is taken once another call is refused; on one connection they arrive in order.
    let status = tokio::select! {
        biased;
        _ = &mut slow => panic!("the call did not wait"),
        answer = client.tag(title("Bitcoin")) => answer.unwrap_err(),
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().metadata["option"], "limits.requests_in_flight_max");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());

    let answer = reqwest::get(server.url("/v1/server-info")).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "resource_exhausted");
    assert_eq!(body["error"]["limit"]["option"], "limits.requests_in_flight_max");

    assert!(is_healthy(&server).await);
    assert_eq!(reqwest::get(server.url("/livez")).await.unwrap().status(), 200);
    // A caller who gives up frees the place.
    drop(slow);
    drop(client);
    let mut client = TaggerServiceClient::new(server.channel().await);
    within(async { while client.tag(title("Bitcoin")).await.is_err() {} }).await;
}

/// A call that waits holds its text; what does not fit beside it is refused while it is read, and only that.
#[tokio::test]
async fn requests_that_would_hold_too_many_bytes_together_are_refused_on_both_faces() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.limits.quote_wait_max = PATIENCE;
        config.limits.document_bytes_max = 100_000;
        config.limits.batch_bytes_max = 100_000;
        config.limits.bytes_in_flight_max = 150_000;
    })
    .await;
    let long = "Bitcoin ".repeat(12_000);
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut slow = Box::pin({
        let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
        let request = pb::TagRequest { options: Some(options), ..title(&long) };
        let mut client = client.clone();
        async move { client.tag(request).await }
    });
    let held = async || {
        let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("cointag_requests_held_bytes ")).unwrap();
        line.split(' ').next_back().unwrap().parse::<u32>().unwrap()
    };
    tokio::select! {
        _ = &mut slow => panic!("the call did not wait"),
        () = within(async { while held().await < 96_000 {} }) => {}
    };
    let refused = |status: &tonic::Status| {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let option = &status.get_details_error_info().unwrap().metadata["option"];
        assert_eq!(option, "limits.bytes_in_flight_max");
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    };
    refused(&client.tag(title(&long)).await.unwrap_err());
    // A few bytes on the wire, too many once they are unpacked.
    let mut packed = client.clone().send_compressed(tonic::codec::CompressionEncoding::Gzip);
    refused(&packed.tag(title(&long)).await.unwrap_err());
    let item = pb::TagStreamRequest { document: title(&long).document, ..pb::TagStreamRequest::default() };
    let mut answers = client.tag_stream(tokio_stream::once(item)).await.unwrap().into_inner();
    refused(&within(answers.message()).await.unwrap_err());
    let body = serde_json::json!({"document": {"title": long}});
    let answer = reqwest::Client::new().post(server.url("/v1/tag")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["limit"]["option"], "limits.bytes_in_flight_max");

    // What fits is answered, health too, and an item that was answered is no longer held.
    client.tag(title("Bitcoin")).await.unwrap();
    assert!(is_healthy(&server).await);
    let fits = title(&long[..40_000]).document;
    let item = pb::TagStreamRequest { document: fits, ..pb::TagStreamRequest::default() };
    let items = tokio_stream::iter(vec![item; 5]);
    let mut answers = client.tag_stream(items).await.unwrap().into_inner();
    for _ in 0..5 {
        let answer = within(answers.message()).await.unwrap().unwrap();
        assert!(matches!(answer.result, Some(pb::tag_stream_response::Result::Response(_))), "{answer:?}");
    }
    drop((slow, answers));
    within(async { while held().await > 0 {} }).await;
    client.tag(title(&long)).await.unwrap();
}

#[tokio::test]
async fn a_request_that_waited_too_long_for_its_turn_is_not_read() {
    let server = TestServer::start_with(|config| config.limits.queue_wait_max = Duration::ZERO).await;
    let status = TaggerServiceClient::new(server.channel().await).tag(title("Bitcoin")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().metadata["option"], "limits.queue_wait_max");
    assert!(is_healthy(&server).await);
    let answer = reqwest::get(server.url("/v1/tokens")).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["limit"]["option"], "limits.queue_wait_max");
}

/// Turning away costs next to nothing: one frame with the caller's own id, before keys are looked at, and a count.
#[tokio::test]
async fn a_request_that_is_turned_away_is_counted_and_not_even_asked_for_its_key() {
    let keys = keys_file(KEYS);
    let server = TestServer::start_with(|config| {
        config.limits.queue_wait_max = Duration::ZERO;
        config.auth.keys_file = Some(keys.to_path_buf());
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut delays = std::collections::BTreeSet::new();
    for round in 0..8 {
        let mut request = Request::new(title("Bitcoin"));
        request.metadata_mut().insert("x-request-id", "feed-17".parse().unwrap());
        let status = client.tag(request).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{round}");
        assert_eq!(status.metadata().get("x-request-id").unwrap(), "feed-17");
        assert!(status.get_details_error_info().is_some());
        delays.insert(status.get_details_retry_info().unwrap().retry_delay.unwrap());
    }
    // They do not all come again at one moment.
    assert!(delays.len() > 1, "{delays:?}");
    // A stream is turned away too, and so is a page.
    let status = client.tag_stream(tokio_stream::pending()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let answer = reqwest::Client::new()
        .post(format!("http://{}/cointag.v1.TaggerService/Tag", server.server.addrs().grpc))
        .header("content-type", "application/grpc-web+proto")
        .body(vec![0; 5]);
    assert_eq!(within(answer.send()).await.unwrap().headers()["grpc-status"], "8");
    // Whoever runs the server still learns what happens, with a key.
    assert_eq!(reqwest::get(server.url("/metrics")).await.unwrap().status(), 401);
    let metrics = reqwest::Client::new().get(server.url("/metrics")).bearer_auth("key-of-the-operator");
    let metrics = metrics.send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    let text = metrics.text().await.unwrap();
    for line in [
        "cointag_requests_total{face=\"grpc\",method=\"cointag.v1.TaggerService/Tag\",code=\"RESOURCE_EXHAUSTED\"} 9",
        "cointag_requests_refused_total{limit=\"queue\"} 10",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
}

#[tokio::test]
async fn calls_without_a_deadline_get_the_servers() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.limits.quote_wait_max = PATIENCE;
        config.limits.deadline_max = Duration::from_millis(50);
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    assert_eq!(within(client.tag(waiting())).await.unwrap_err().code(), Code::DeadlineExceeded);
    let body = serde_json::json!({"document": {"title": "Bitcoin"}, "options": {"quote_wait_ms": 60_000}});
    let answer = reqwest::Client::new().post(server.url("/v1/tag")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 504);
}

#[tokio::test]
async fn a_deadline_ends_a_stream_too() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut request = Request::new(tokio_stream::pending());
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let mut answers = within(client.tag_stream(request)).await.unwrap().into_inner();
    assert_eq!(within(answers.message()).await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_client_over_its_rate_is_refused_and_another_is_not() {
    let keys = keys_file(KEYS);
    let server = TestServer::start_with(|config| {
        config.auth.keys_file = Some(keys.to_path_buf());
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 2;
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    // Both keys of one client draw from the same bucket.
    client.tag(with_key("Bitcoin", "old-key-of-the-feed")).await.unwrap();
    client.tag(with_key("Bitcoin", "new-key-of-the-feed")).await.unwrap();
    let status = client.tag(with_key("Bitcoin", "old-key-of-the-feed")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay <= Duration::from_secs(1), "{delay:?}");
    client.tag(with_key("Bitcoin", "key-of-the-operator")).await.unwrap();
    // A probe may ask as often as it likes.
    for _ in 0..5 {
        assert!(is_healthy(&server).await);
        assert_eq!(reqwest::get(server.url("/readyz")).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn without_a_known_key_nothing_is_answered_but_health() {
    let keys = keys_file(KEYS);
    let server = TestServer::start_with(|config| config.auth.keys_file = Some(keys.to_path_buf())).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    assert_eq!(client.tag(title("Bitcoin")).await.unwrap_err().code(), Code::Unauthenticated);
    let status = client.tag(with_key("Bitcoin", "key-that-nobody-has")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(!format!("{status:?}").contains("key-that-nobody-has"));
    for key in ["old-key-of-the-feed", "new-key-of-the-feed", "key-of-the-operator"] {
        client.tag(with_key("Bitcoin", key)).await.unwrap();
    }
    assert!(is_healthy(&server).await);

    let http = reqwest::Client::new();
    for (path, key, expected) in [
        ("/livez", None, 200),
        ("/", None, 200),
        ("/v1/server-info", None, 401),
        ("/metrics", None, 401),
        ("/v1/server-info", Some("new-key-of-the-feed"), 200),
        ("/metrics", Some("new-key-of-the-feed"), 200),
    ] {
        let mut request = http.get(server.url(path));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        assert_eq!(request.send().await.unwrap().status(), expected, "{path} {key:?}");
    }
    let level = serde_json::json!({"level": "info"});
    for (key, expected) in [("new-key-of-the-feed", 403), ("key-of-the-operator", 200)] {
        let request = http.put(server.url("/v1/log-level")).bearer_auth(key).json(&level);
        assert_eq!(request.send().await.unwrap().status(), expected, "{key}");
    }
}

#[tokio::test]
async fn nobody_administers_a_server_without_keys() {
    let server = TestServer::start().await;
    let level = serde_json::json!({"level": "info"});
    let answer = reqwest::Client::new().put(server.url("/v1/log-level")).json(&level).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let body: Value = answer.json().await.unwrap();
    assert!(body["error"]["message"].as_str().unwrap().contains("keys_file"), "{body}");
}

#[tokio::test]
async fn new_keys_come_into_force_and_a_bad_file_leaves_the_old_ones() {
    let keys = keys_file(KEYS);
    let server = TestServer::start_with(|config| {
        config.auth.keys_file = Some(keys.to_path_buf());
        config.security.reload_every = Duration::from_millis(10);
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let metrics = async || {
        let request = reqwest::Client::new().get(server.url("/metrics")).bearer_auth("key-of-the-operator");
        request.send().await.unwrap().text().await.unwrap()
    };
    std::fs::write(&keys, "[[client]]\nname = ").unwrap();
    within(async { while !metrics().await.contains(r#"what="keys",outcome="failed""#) {} }).await;
    client.tag(with_key("Bitcoin", "old-key-of-the-feed")).await.unwrap();
    std::fs::write(&keys, KEYS.replace("\"old-key-of-the-feed\", ", "")).unwrap();
    within(async { while client.tag(with_key("Bitcoin", "old-key-of-the-feed")).await.is_ok() {} }).await;
    client.tag(with_key("Bitcoin", "new-key-of-the-feed")).await.unwrap();
}

#[tokio::test]
async fn every_limit_is_told() {
    let server = TestServer::start_with(|config| config.limits.requests_in_flight_max = 77).await;
    let info = ServerServiceClient::new(server.channel().await)
        .get_server_info(pb::GetServerInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let limits = info.limits.unwrap();
    assert_eq!(limits.requests_in_flight_max, 77);
    assert_eq!(limits.bytes_in_flight_max, 128 * 1024 * 1024);
    assert_eq!((limits.batch_documents_max, limits.batch_bytes_max), (256, 16 * 1024 * 1024));
    let http: Value = reqwest::get(server.url("/v1/server-info")).await.unwrap().json().await.unwrap();
    assert_eq!(http["limits"]["requests_in_flight_max"], 77);
}

#[tokio::test]
async fn a_request_keeps_its_id_and_gets_one_otherwise() {
    let server = TestServer::start().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut request = Request::new(title("Bitcoin"));
    request.metadata_mut().insert("x-request-id", "feed-17".parse().unwrap());
    let answer = client.tag(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "feed-17");
    let answer = reqwest::get(server.url("/v1/nothing")).await.unwrap();
    assert!(!answer.headers()["x-request-id"].is_empty());
}

#[tokio::test]
async fn metrics_count_each_request_and_are_bounded() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    client.tag(article()).await.unwrap();
    client.tag(pb::TagRequest::default()).await.unwrap_err();
    reqwest::get(server.url("/v1/made-up-17")).await.unwrap();
    let answer = reqwest::get(server.url("/metrics")).await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    let tag = "face=\"grpc\",method=\"cointag.v1.TaggerService/Tag\"";
    for line in [
        format!("cointag_requests_total{{{tag},code=\"OK\"}} 1"),
        format!("cointag_requests_total{{{tag},code=\"INVALID_ARGUMENT\"}} 1"),
        format!("cointag_request_duration_seconds_count{{{tag}}} 2"),
        "cointag_requests_total{face=\"http\",method=\"other\",code=\"404\"} 1".to_owned(),
        "cointag_documents_total 1".to_owned(),
        "cointag_document_mentions_sum 1".to_owned(),
        "cointag_source_state{source=\"file\",state=\"ok\"} 1".to_owned(),
        "cointag_prices_known 2".to_owned(),
    ] {
        assert!(text.contains(&line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("made-up") && text.ends_with("# EOF\n"), "{text}");
}

/// The call ends at its deadline, and so does the work: no more documents are read afterwards.
#[tokio::test]
async fn a_deadline_stops_the_work_of_a_batch() {
    let server =
        TestServer::start_with(|config| config.limits.batch_documents_max = 100_000).await.ready().await;
    let text = "Bitcoin and Ethereum rose while Solana fell. ".repeat(20);
    let document = pb::Document { body: text, ..pb::Document::default() };
    let batch = pb::BatchTagRequest { documents: vec![document; 10_000], options: None };
    let code = code_at_deadline(&server, "cointag.v1.TaggerService/BatchTag", &batch, "500m").await;
    assert_eq!(code, "4");
    let read = async || {
        let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("cointag_documents_total ")).unwrap().to_owned();
        line.split(' ').next_back().unwrap().parse::<f64>().unwrap()
    };
    let then = read().await;
    // Work that went on would have read more documents by the end of these.
    for _ in 0..50 {
        assert_eq!(reqwest::get(server.url("/livez")).await.unwrap().status(), 200);
    }
    assert_eq!(read().await, then);
    assert!(then < 10_000.0);
}
