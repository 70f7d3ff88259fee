//! The client of `TagStream`: the same answers as here, and none twice when streams break.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cointag::annotate::annotate;
use cointag::api::QuoteMode;
use cointag::grpc::tag_client::{TagClient, TagError};
use cointag::mention::{Document, Options};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};

use super::*;

async fn connect(addr: &str, options: &Options) -> Result<TagClient, TagError> {
    TagClient::connect(addr, PATIENCE, None, None, options, QuoteMode::None, "USD").await
}

fn documents(count: usize) -> Vec<Document> {
    let texts = [BODY, "TWINS and Solana", "Nothing here", "<p>Bit<b>coin</b>"];
    let document = |at: usize| Document {
        id: Some(at.to_string()),
        title: format!("{TITLE} {at}"),
        body: texts[at % texts.len()].to_owned(),
        published_at: Some(noon()),
        ..Document::default()
    };
    (0..count).map(document).collect()
}

#[tokio::test]
async fn a_server_answers_as_this_process_does() {
    let server = TestServer::start_with(|config| config.limits.document_bytes_max = 1000).await.ready().await;
    let options = Options { explain: true, ..Options::default() };
    let client = connect(&server.server.addrs().grpc.to_string(), &options).await.unwrap();
    let mut documents = documents(20);
    documents[7].body = "x".repeat(1001);
    let answers = within(client.tag(documents.clone())).await.unwrap();
    assert_eq!(answers.len(), 20);
    for (at, (answer, document)) in answers.iter().zip(&documents).enumerate() {
        match answer {
            Ok(record) => assert_eq!(*record, annotate(&DETECTOR, document, &options, None)),
            Err(error) => {
                assert_eq!((at, error.code.as_str()), (7, "too_long"));
                assert!(error.message.contains("limits.document_bytes_max"));
            }
        }
    }
    assert_eq!(client.versions().catalog, DETECTOR.catalog().version());
}

#[tokio::test]
async fn a_server_that_is_not_there_or_wants_a_key_is_told_at_once() {
    let gone = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let error = connect(&gone.to_string(), &Options::default()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to {gone}")), "{error}");
}

/// Answers at most three documents a stream and then breaks it, in one of several ways.
struct Breaks {
    streams: AtomicUsize,
    seen: std::sync::Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl pb::tagger_service_server::TaggerService for Breaks {
    type TagStreamStream = tokio_stream::Iter<std::vec::IntoIter<Result<pb::TagStreamResponse, Status>>>;

    async fn tag(&self, _: Request<pb::TagRequest>) -> Result<Response<pb::TagResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn batch_tag(
        &self,
        _: Request<pb::BatchTagRequest>,
    ) -> Result<Response<pb::BatchTagResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn tag_stream(
        &self,
        requests: Request<Streaming<pb::TagStreamRequest>>,
    ) -> Result<Response<Self::TagStreamStream>, Status> {
        let stream = self.streams.fetch_add(1, Ordering::SeqCst);
        if stream % 3 == 1 {
            return Err(Status::unavailable("draining"));
        }
        let mut requests = requests.into_inner();
        let mut answers = Vec::new();
        while let Some(Ok(request)) = requests.next().await {
            let id = request.document.unwrap().id.unwrap();
            let result = if answers.len() == 3 && stream.is_multiple_of(2) {
                let code = "unavailable".to_owned();
                pb::tag_stream_response::Result::Error(pb::ItemError { code, ..Default::default() })
            } else if answers.len() == 3 {
                answers.push(Err(Status::unavailable("stopping")));
                break;
            } else {
                self.seen.lock().unwrap().push(id.clone());
                let response = pb::TagResponse { id: Some(id), ..Default::default() };
                pb::tag_stream_response::Result::Response(response)
            };
            answers.push(Ok(pb::TagStreamResponse { item_id: request.item_id, result: Some(result) }));
            if answers.len() > 3 {
                break;
            }
        }
        Ok(Response::new(tokio_stream::iter(answers)))
    }
}

#[tonic::async_trait]
impl pb::server_service_server::ServerService for Breaks {
    async fn get_server_info(
        &self,
        _: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        Ok(Response::new(pb::GetServerInfoResponse::default()))
    }
}

#[tokio::test]
async fn a_document_is_sent_again_until_it_is_answered_and_never_after() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let breaks = || Breaks { streams: AtomicUsize::new(0), seen: seen.clone() };
    let routes = tonic::service::Routes::new(pb::tagger_service_server::TaggerServiceServer::new(breaks()))
        .add_service(pb::server_service_server::ServerServiceServer::new(breaks()));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server =
        tokio::spawn(tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming));
    let client = connect(&addr.to_string(), &Options::default()).await.unwrap();
    let answers = within(client.tag(documents(11))).await.unwrap();
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().id.unwrap()).collect();
    let expected: Vec<_> = (0..11).map(|at| at.to_string()).collect();
    assert_eq!(ids, expected);
    assert_eq!(*seen.lock().unwrap(), expected, "each was tagged once");
    server.abort();
}
