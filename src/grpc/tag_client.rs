//! The client side of `TagStream`: documents to a running server, answers back in order.
//!
//! Owns trying again. A document that has its answer is never sent again, so none is answered twice.

use std::time::Duration;

use futures_util::stream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::client::{ClientTls, HealthError, root_cause};
use super::{answer, convert, pb};
use crate::annotate::{Record, RecordError};
use crate::api::QuoteMode;
use crate::mention::{Ambiguity, ContentType, Context, Document, OffsetUnit, Options};

/// How long a server that cannot take documents is waited for before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Room for an answer to a long document with every detail.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Why nothing more can be tagged there.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] HealthError),
    /// What was given as a key cannot be one.
    #[error("the key holds characters that no header may hold")]
    Key,
    /// The server refuses, or has been unable for too long.
    #[error("the server at {addr} does not tag: {problem}")]
    Call {
        /// Where.
        addr: String,
        /// Why.
        problem: String,
    },
}

/// A server to tag with.
#[derive(Clone, Debug)]
pub struct TagClient {
    addr: String,
    channel: Channel,
    key: Option<MetadataValue<Ascii>>,
    options: pb::TagOptions,
    versions: Versions,
    patience: Duration,
}

/// What the server's answers depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Of its catalog.
    pub catalog: String,
    /// Of its detector.
    pub detector: String,
    /// Its longest document, in bytes of all texts together.
    pub document_bytes_max: u32,
    /// How long it lets a caller wait for prices.
    pub quote_wait_max: Duration,
}

impl TagClient {
    /// Connects to the server at `addr` and asks for its versions.
    ///
    /// # Errors
    /// Nobody answers there within `timeout`, or the key is refused.
    pub async fn connect(
        addr: &str,
        timeout: Duration,
        tls: Option<&ClientTls>,
        key: Option<&str>,
        options: &Options,
        quotes: QuoteMode,
        currency: &str,
    ) -> Result<Self, TagError> {
        let connect = |problem| HealthError::Connect { addr: addr.to_owned(), problem };
        let endpoint = super::client::endpoint(addr, tls)?.connect_timeout(timeout);
        let channel = endpoint.connect().await.map_err(|error| connect(root_cause(&error)))?;
        let key = match key {
            Some(key) => Some(format!("Bearer {key}").parse().map_err(|_| TagError::Key)?),
            None => None,
        };
        let mut client = Self {
            addr: addr.to_owned(),
            channel,
            key,
            options: tag_options(options, quotes, currency),
            versions: Versions {
                catalog: String::new(),
                detector: String::new(),
                document_bytes_max: 0,
                quote_wait_max: Duration::ZERO,
            },
            patience: PATIENCE,
        };
        let asked = pb::server_service_client::ServerServiceClient::new(client.channel.clone())
            .get_server_info(client.request(pb::GetServerInfoRequest::default()))
            .await;
        let info = asked.map_err(|status| client.failed(&status))?.into_inner();
        client.versions = Versions {
            catalog: info.catalog_version,
            detector: info.detector_version,
            document_bytes_max: info.limits.as_ref().map_or(u32::MAX, |limits| limits.document_bytes_max),
            quote_wait_max: info
                .limits
                .map_or(Duration::ZERO, |limits| Duration::from_millis(limits.quote_wait_max_ms.into())),
        };
        Ok(client)
    }

    /// The same, waiting for the prices of each document as long as the server lets it.
    pub fn waiting(&self) -> Self {
        let mut waiting = self.clone();
        let most = self.versions.quote_wait_max.as_millis();
        waiting.options.quote_wait_ms = u32::try_from(most).unwrap_or(u32::MAX);
        waiting
    }

    /// What its answers depend on.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// One answer per document, in their order. What has no answer when a stream ends is sent again.
    ///
    /// # Errors
    /// The server refuses the call, or stays unavailable for two minutes.
    pub async fn tag(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, TagError> {
        let mut answers = Vec::with_capacity(documents.len());
        let (mut wait, mut waited) = (FIRST_WAIT, Duration::ZERO);
        while answers.len() < documents.len() {
            let before = answers.len();
            let Err(status) = self.stream(&documents[before..], &mut answers).await else { continue };
            if !may_pass(status.code()) {
                return Err(self.failed(&status));
            }
            if answers.len() > before {
                (wait, waited) = (FIRST_WAIT, Duration::ZERO);
            }
            if waited >= self.patience {
                return Err(self.failed(&status));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Ok(answers)
    }

    /// Sends `documents` over one stream and adds their answers to `answers`.
    async fn stream(
        &self,
        documents: &[Document],
        answers: &mut Vec<Result<Record, RecordError>>,
    ) -> Result<(), Status> {
        // What is too long would end the stream for all; it gets its answer here, as the server would give it.
        let fits = |document: &&Document| bytes(document) <= self.versions.document_bytes_max as usize;
        let sent: Vec<pb::TagStreamRequest> = (documents.iter().enumerate())
            .take_while(|(_, document)| fits(document))
            .map(|(at, document)| pb::TagStreamRequest {
                item_id: at.to_string(),
                document: Some(message(document)),
                options: Some(self.options.clone()),
            })
            .collect();
        if sent.is_empty() {
            answers.push(Err(self.too_long()));
            return Ok(());
        }
        let count = sent.len();
        let requests = self.request(stream::iter(sent));
        let mut client = pb::tagger_service_client::TaggerServiceClient::new(self.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut results = client.tag_stream(requests).await?.into_inner();
        for at in 0..count {
            let Some(result) = results.message().await? else {
                return Err(Status::unavailable("the stream ended before its answers"));
            };
            if result.item_id != at.to_string() {
                return Err(Status::internal("the server answers out of order"));
            }
            let answer = match result.result {
                Some(pb::tag_stream_response::Result::Response(response)) => {
                    Ok(answer::record(response).map_err(|error| Status::internal(error.to_string()))?)
                }
                Some(pb::tag_stream_response::Result::Error(error)) => {
                    if ["unavailable", "resource_exhausted"].contains(&error.code.as_str()) {
                        return Err(Status::unavailable(error.message));
                    }
                    Err(RecordError { code: error.code, message: error.message, place: String::new() })
                }
                None => return Err(Status::internal("an answer is empty")),
            };
            answers.push(answer);
        }
        Ok(())
    }

    fn too_long(&self) -> RecordError {
        let max = self.versions.document_bytes_max;
        RecordError {
            code: "too_long".to_owned(),
            message: format!("longer than {max} bytes; raise the server's limits.document_bytes_max"),
            place: String::new(),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request
    }

    fn failed(&self, status: &Status) -> TagError {
        let problem = format!("{}: {}", status.code(), status.message());
        TagError::Call { addr: self.addr.clone(), problem }
    }
}

/// Whether the same call may succeed later. A connection that breaks in the midst of a stream is told as one of
/// several codes.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Cancelled | Code::Unknown
    )
}

/// Bytes of all texts, as the server counts them.
fn bytes(document: &Document) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    document.title.len() + document.body.len() + optional(&document.id) + optional(&document.language)
}

fn message(document: &Document) -> pb::Document {
    let content_type = match document.content_type {
        ContentType::Plain => pb::ContentType::Plain,
        ContentType::Html => pb::ContentType::Html,
    };
    let context = match document.context {
        Context::General => pb::Context::General,
        Context::CryptoNews => pb::Context::CryptoNews,
    };
    pb::Document {
        id: document.id.clone(),
        title: document.title.clone(),
        body: document.body.clone(),
        content_type: content_type.into(),
        published_at: document.published_at.map(convert::to_timestamp),
        language: document.language.clone(),
        context: context.into(),
    }
}

fn tag_options(options: &Options, quotes: QuoteMode, currency: &str) -> pb::TagOptions {
    let ambiguity = match options.ambiguity {
        Ambiguity::Drop => pb::Ambiguity::Drop,
        Ambiguity::Best => pb::Ambiguity::Best,
        Ambiguity::All => pb::Ambiguity::All,
    };
    let offset_unit = match options.offset_unit {
        OffsetUnit::Bytes => pb::OffsetUnit::Bytes,
        OffsetUnit::Codepoints => pb::OffsetUnit::Codepoints,
        OffsetUnit::Utf16 => pb::OffsetUnit::Utf16,
    };
    let quotes = match quotes {
        QuoteMode::None => pb::QuoteMode::None,
        QuoteMode::Live => pb::QuoteMode::Live,
        QuoteMode::AtPublication => pb::QuoteMode::AtPublication,
    };
    pb::TagOptions {
        min_confidence: options.min_confidence,
        ambiguity: ambiguity.into(),
        offset_unit: offset_unit.into(),
        explain: options.explain,
        kinds: options.kinds.iter().map(|kind| convert::kind(*kind).into()).collect(),
        max_mentions: options.max_mentions,
        quotes: quotes.into(),
        currency: Some(currency.to_owned()),
        ..pb::TagOptions::default()
    }
}
