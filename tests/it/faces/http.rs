//! The JSON twin: the same answers, errors with code, message and field, and the page.

use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use super::*;

pub(super) async fn post(server: &TestServer, path: &str, body: &Value) -> (u16, Value) {
    let answer = Client::new().post(server.url(path)).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

pub(super) async fn get(server: &TestServer, path: &str) -> (u16, Value) {
    let answer = reqwest::get(server.url(path)).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Every field of a `TagResponse` as the JSON face should have it.
pub(super) fn as_json(answer: &pb::TagResponse) -> Value {
    let word = |name: &str, prefix: &str| Value::from(name.trim_start_matches(prefix).to_lowercase());
    let place = |span: &pb::Span| {
        let field = word(span.field().as_str_name(), "FIELD_");
        json!({"field": field, "start": span.start, "end": span.end, "surface": span.surface})
    };
    let span = |span: &pb::Span| {
        let mut json = place(span);
        json["confidence"] = json!(span.confidence);
        json["evidence"] = json!(span.evidence);
        json
    };
    let instant = |at: prost_types::Timestamp| Timestamp::new(at.seconds, at.nanos).unwrap();
    let quote = |quote: &pb::Quote| {
        let as_of = quote.as_of.map(instant);
        let state = word(quote.state().as_str_name(), "QUOTE_STATE_");
        known(json!({
            "state": state, "reason": quote.reason, "price": quote.price, "currency": quote.currency,
            "change_24h_pct": quote.change_24h_pct, "as_of": as_of, "age_s": quote.age_s, "source": quote.source,
            "as_of_received": quote.as_of_received.then_some(true), "distance_s": quote.distance_s,
            "asked_at": quote.asked_at.map(instant), "change_since_pct": quote.change_since_pct,
            "rate_as_of": quote.rate_as_of.map(instant),
        }))
    };
    let mention = |mention: &pb::Mention| {
        let spans: Vec<_> = mention.spans.iter().map(span).collect();
        known(json!({
            "token_id": mention.token_id, "symbol": mention.symbol, "name": mention.name,
            "kind": word(mention.kind().as_str_name(), "KIND_"), "confidence": mention.confidence,
            "count": mention.count, "in_title": mention.in_title, "spans": spans,
            "quote": mention.quote.as_ref().map(quote),
        }))
    };
    let candidate = |candidate: &pb::Candidate| {
        let pb::Candidate { token_id, symbol, name, confidence } = candidate;
        json!({"token_id": token_id, "symbol": symbol, "name": name, "confidence": confidence})
    };
    let ambiguous = |entry: &pb::Ambiguous| {
        let spans: Vec<_> = entry.spans.iter().map(place).collect();
        let candidates: Vec<_> = entry.candidates.iter().map(candidate).collect();
        json!({"spans": spans, "candidates": candidates})
    };
    let rejected = |entry: &pb::Rejected| {
        known(json!({
            "span": place(entry.span.as_ref().unwrap()), "token_id": entry.token_id,
            "confidence": entry.confidence, "evidence": entry.evidence, "reason": entry.reason,
        }))
    };
    let mut json = json!({
        "id": answer.id, "catalog_version": answer.catalog_version, "detector_version": answer.detector_version,
        "mentions": answer.mentions.iter().map(mention).collect::<Vec<_>>(),
    });
    if !answer.ambiguous.is_empty() {
        json["ambiguous"] = answer.ambiguous.iter().map(ambiguous).collect();
    }
    if !answer.rejected.is_empty() {
        json["rejected"] = answer.rejected.iter().map(rejected).collect();
    }
    json
}

/// Unknown is left out.
fn known(mut json: Value) -> Value {
    json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json
}

#[tokio::test]
async fn both_faces_give_the_same_answer_field_by_field() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let body = "TWINS rose, near the end. Ξ and <b>Bitcoin</b> &amp; $ETH; Near Protocol, Coinbase, SOL?";
    let document = pb::Document {
        id: Some("x".to_owned()),
        title: TITLE.to_owned(),
        body: body.to_owned(),
        content_type: pb::ContentType::Html.into(),
        published_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        language: Some("en".to_owned()),
        context: pb::Context::CryptoNews.into(),
    };
    let options = pb::TagOptions {
        min_confidence: Some(0.3),
        ambiguity: pb::Ambiguity::Best.into(),
        offset_unit: pb::OffsetUnit::Utf16.into(),
        explain: true,
        kinds: vec![pb::Kind::Token.into(), pb::Kind::Exchange.into()],
        max_mentions: 7,
        ..pb::TagOptions::default()
    };
    let grpc = client.tag(pb::TagRequest { document: Some(document), options: Some(options) }).await.unwrap();
    let request = json!({
        "document": {
            "id": "x", "title": TITLE, "body": body, "content_type": "html", "language": "en",
            "published_at": "2023-11-14T22:13:20Z", "context": "crypto_news",
        },
        "options": {
            "min_confidence": 0.3, "ambiguity": "best", "offset_unit": "utf16", "explain": true,
            "kinds": ["token", "exchange"], "max_mentions": 7,
        },
    });
    let (status, json) = post(&server, "/v1/tag", &request).await;
    assert_eq!(status, 200, "{json}");
    let grpc = as_json(grpc.get_ref());
    assert_eq!(json, grpc);
    // The text was chosen so that nothing is compared empty.
    for list in ["mentions", "ambiguous", "rejected"] {
        assert!(json[list].as_array().is_some_and(|list| !list.is_empty()), "{list}: {json}");
    }
    assert!(json["mentions"][0]["quote"]["price"].is_string(), "{json}");
}

#[tokio::test]
async fn quotes_answer_item_by_item() {
    let server = TestServer::start().await.ready().await;
    let (status, json) =
        post(&server, "/v1/quotes", &json!({"token_ids": ["bitcoin"], "symbols": ["NOSUCH"]})).await;
    assert_eq!(status, 200);
    assert_eq!(json["quotes"][0]["priced"]["quote"]["price"], "74603.12");
    assert_eq!(json["quotes"][1]["error"]["code"], "not_found");
    assert_eq!(json["quotes"][1]["error"]["field"], "symbols[0]");
}

#[tokio::test]
async fn errors_have_code_message_and_field() {
    let server = TestServer::start_with(|config| config.limits.document_bytes_max = 1000).await;
    let long = json!({"document": {"body": "x".repeat(1001)}});
    let huge = json!({"document": {"body": "x".repeat(100_000)}});
    for (path, body, status, code, field) in [
        ("/v1/tag", json!({"document": {"titel": "x"}}), 400, "invalid_argument", "document.titel"),
        ("/v1/tag", json!({"dokument": {}}), 400, "invalid_argument", "dokument"),
        (
            "/v1/tag",
            json!({"document": {}, "options": {"ambiguity": "x"}}),
            400,
            "invalid_argument",
            "options.ambiguity",
        ),
        (
            "/v1/tag",
            json!({"document": {}, "options": {"min_confidence": 2}}),
            400,
            "invalid_argument",
            "options.min_confidence",
        ),
        ("/v1/tag", long, 400, "invalid_argument", "document"),
        ("/v1/tag", huge, 413, "invalid_argument", ""),
        ("/v1/quotes", json!({}), 400, "invalid_argument", "token_ids"),
        ("/v1/quotes", json!({"symbols": ["BTC"], "currency": "XXX"}), 400, "invalid_argument", "currency"),
        ("/v1/nothing", json!({}), 404, "not_found", ""),
    ] {
        let (got, json) = post(&server, path, &body).await;
        let error = &json["error"];
        assert_eq!((got, &error["code"]), (status, &json!(code)), "{path} {json}");
        assert_eq!(error["field"].as_str().unwrap_or_default(), field, "{path} {json}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let server = TestServer::start().await;
    let send = async |body: &'static str, content_type: Option<&'static str>| {
        let mut request = Client::new().post(server.url("/v1/tag")).body(body);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        request.send().await.unwrap().status()
    };
    let good = r#"{"document":{"title":"Bitcoin"}}"#;
    assert_eq!(send(good, Some("application/json; charset=utf-8")).await, StatusCode::OK);
    assert_eq!(send(good, Some("text/plain")).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(send(good, None).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(send("{", Some("application/json")).await, StatusCode::BAD_REQUEST);
    let status = reqwest::get(server.url("/v1/tag")).await.unwrap().status();
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn tokens_and_server_info_can_be_read() {
    let server = TestServer::start().await.ready().await;
    let (status, json) = get(&server, "/v1/tokens?query=twin&page_size=1").await;
    assert_eq!(
        (status, &json["total_count"], &json["tokens"][0]["token_id"]),
        (200, &json!(2), &json!("twin-one"))
    );
    let next = json["next_page_token"].as_str().unwrap();
    let (_, json) = get(&server, &format!("/v1/tokens?query=twin&page_size=1&page_token={next}")).await;
    assert_eq!(json["tokens"][0]["token_id"], "twin-two");
    assert_eq!(get(&server, "/v1/tokens?rank=3").await.0, 400);
    let (status, json) = get(&server, "/v1/tokens?categories=stablecoin,shares").await;
    assert_eq!((status, &json["error"]["field"]), (400, &json!("categories")));
    assert_eq!(get(&server, "/v1/tokens/bitcoin").await.1["symbol"], "BTC");
    assert_eq!(get(&server, "/v1/tokens/etherium").await.0, 404);
    let (_, json) = get(&server, "/v1/server-info").await;
    assert_eq!(
        (&json["sources"][0]["name"], &json["limits"]["document_bytes_max"]),
        (&json!("file"), &json!(4_194_304))
    );
}

#[tokio::test]
async fn the_page_stands_alone() {
    let server = TestServer::start().await;
    let answer = reqwest::get(server.url("/")).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.unwrap();
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}
