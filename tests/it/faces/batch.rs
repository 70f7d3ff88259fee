//! Many documents: in one request and on a stream.

use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;

fn document(text: &str) -> pb::Document {
    pb::Document { title: text.to_owned(), ..pb::Document::default() }
}

fn batch(texts: &[&str]) -> pb::BatchTagRequest {
    let documents = texts.iter().map(|text| document(text)).collect();
    pb::BatchTagRequest { documents, options: None }
}

fn item(id: &str, text: &str) -> pb::TagStreamRequest {
    pb::TagStreamRequest { item_id: id.to_owned(), document: Some(document(text)), options: None }
}

fn first_token(response: &pb::TagResponse) -> Option<&str> {
    response.mentions.first().and_then(|mention| mention.token_id.as_deref())
}

#[tokio::test]
async fn a_batch_answers_in_order_and_one_bad_document_does_not_fail_the_others() {
    let server = TestServer::start_with(|config| config.limits.document_bytes_max = 100).await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let long = "x".repeat(101);
    let mut request = batch(&["Ethereum", &long, "", "Bitcoin"]);
    request.documents[2].content_type = 99;
    let results = client.batch_tag(request).await.unwrap().into_inner().results;
    let told = results.iter().map(|result| match result.result.as_ref().unwrap() {
        pb::tag_result::Result::Response(response) => first_token(response).unwrap_or("nothing").to_owned(),
        pb::tag_result::Result::Error(error) => format!("{}: {}", error.code, error.field),
    });
    let expected = [
        "ethereum",
        "invalid_argument: documents[1]",
        "invalid_argument: documents[2].content_type",
        "bitcoin",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(client.batch_tag(batch(&[])).await.unwrap().into_inner().results, []);
}

#[tokio::test]
async fn a_batch_over_a_limit_names_the_option() {
    let server = TestServer::start_with(|config| {
        config.limits.batch_documents_max = 2;
        config.limits.batch_bytes_max = 10;
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    for (texts, option) in [
        (&["a", "b", "c"][..], "limits.batch_documents_max"),
        (&["123456", "78901"], "limits.batch_bytes_max"),
    ] {
        let status = client.batch_tag(batch(texts)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("LIMIT_EXCEEDED", "cointag"));
        assert_eq!(info.metadata["option"], option);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "documents");
    }
    client.batch_tag(batch(&["12345", "67890"])).await.unwrap();
}

#[tokio::test]
async fn wrong_options_fail_the_whole_batch() {
    let server = TestServer::start().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions { min_confidence: Some(2.0), ..pb::TagOptions::default() };
    let request = pb::BatchTagRequest { options: Some(options), ..batch(&["Bitcoin"]) };
    let status = client.batch_tag(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "options.min_confidence");
}

#[tokio::test]
async fn a_batch_waits_for_prices_once_and_not_once_per_document() {
    let wait = Duration::from_millis(100);
    let (server, _silent) =
        TestServer::start_with_silent_market(|config| config.limits.quote_wait_max = wait).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let options = pb::TagOptions { quote_wait_ms: 100, ..pb::TagOptions::default() };
    let request = pb::BatchTagRequest { options: Some(options), ..batch(&["Bitcoin"; 100]) };
    let started = std::time::Instant::now();
    client.batch_tag(request).await.unwrap();
    assert!(started.elapsed() < wait * 50, "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_json_twin_of_a_batch() {
    let server = TestServer::start_with(|config| config.limits.batch_documents_max = 3).await.ready().await;
    let post = async |body: Value| {
        let answer =
            reqwest::Client::new().post(server.url("/v1/batch-tag")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, answer) = post(
        json!({"documents": [{"title": "Bitcoin"}, {"titel": "x"}, "text"], "options": {"quotes": "none"}}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(answer["results"][0]["response"]["mentions"][0]["token_id"], "bitcoin");
    assert_eq!(answer["results"][1]["error"]["field"], "documents[1].titel");
    assert_eq!(answer["results"][2]["error"]["code"], "invalid_argument");
    let (status, answer) = post(json!({"documents": [{}, {}, {}, {}]})).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["limit"], json!({"option": "limits.batch_documents_max", "max": "3"}));
}

#[tokio::test]
async fn a_stream_answers_in_order_with_ids_and_goes_on_after_a_bad_item() {
    let server = TestServer::start_with(|config| config.limits.document_bytes_max = 100).await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let missing = pb::TagStreamRequest { item_id: "b".to_owned(), ..pb::TagStreamRequest::default() };
    let items = [item("a", "Bitcoin"), missing, item("c", &"x".repeat(101)), item("d", "Ethereum")];
    let mut answers = client.tag_stream(stream::iter(items)).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(answer) = within(answers.message()).await.unwrap() {
        told.push(match answer.result.unwrap() {
            pb::tag_stream_response::Result::Response(response) => {
                format!("{} {}", answer.item_id, first_token(&response).unwrap())
            }
            pb::tag_stream_response::Result::Error(error) => {
                format!("{} {}: {}", answer.item_id, error.code, error.field)
            }
        });
    }
    let expected =
        ["a bitcoin", "b invalid_argument: document", "c invalid_argument: document", "d ethereum"];
    assert_eq!(told, expected);
}

/// A caller that does not read is not read either: what it can push is bounded by the windows of the transport.
#[tokio::test]
async fn a_stream_holds_back_a_caller_that_does_not_read() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let (sender, items) = mpsc::channel(1);
    let mut answers = client.tag_stream(ReceiverStream::new(items)).await.unwrap().into_inner();
    let text = "Bitcoin ".repeat(1000);
    let mut sent = 0;
    let quiet = Duration::from_millis(500);
    while tokio::time::timeout(quiet, sender.send(item("x", &text))).await.is_ok() {
        sent += 1;
        assert!(sent < 10_000, "80 MB were taken without an answer being read");
    }
    drop(sender);
    let mut read = 0;
    while within(answers.message()).await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, sent);
}

#[tokio::test]
async fn a_stream_ends_with_unavailable_at_the_drain() {
    let server = TestServer::start().await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let (sender, items) = mpsc::channel(1);
    let mut answers = client.tag_stream(ReceiverStream::new(items)).await.unwrap().into_inner();
    sender.send(item("a", "Bitcoin")).await.unwrap();
    assert_eq!(within(answers.message()).await.unwrap().unwrap().item_id, "a");
    let stopping = tokio::spawn(server.server.shutdown(Duration::ZERO));
    assert_eq!(within(answers.message()).await.unwrap_err().code(), Code::Unavailable);
    drop((sender, answers, client));
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_long_document_does_not_hold_up_short_ones() {
    let server = TestServer::start_with(|config| {
        config.limits.inline_bytes_max = 1000;
        config.limits.long_documents_at_once = 1;
    })
    .await
    .ready()
    .await;
    let channel = server.channel().await;
    let long = "Bitcoin and Ethereum rose while Solana fell. ".repeat(1000);
    let mut client = TaggerServiceClient::new(channel.clone());
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut client, request) = (client.clone(), title(&long));
        slow.spawn(async move { client.tag(request).await.map(|_| ()) });
    }
    for _ in 0..20 {
        within(client.tag(title("Bitcoin"))).await.unwrap();
    }
    assert!(!slow.is_empty() && slow.try_join_next().is_none_or(|first| first.unwrap().is_ok()));
    while let Some(done) = within(slow.join_next()).await {
        done.unwrap().unwrap();
    }
}
