//! Tags many documents in one request: one result each, in order; a bad one does not fail the others.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Api, DocumentFields, Error, ItemError, QuoteMode, TagOptions, TagRequest};
use crate::annotate::Record;

/// Documents and how to answer about each.
#[derive(Clone, Debug)]
pub struct BatchTagRequest {
    /// Each document, or why the face could not even read it.
    pub documents: Vec<Result<DocumentFields, Error>>,
    /// How to answer.
    pub options: TagOptions,
}

/// One result per document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTag {
    /// In the order of the documents.
    pub results: Vec<TagResult>,
}

/// What came of one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagResult {
    /// Everything found in it.
    Response(Box<Record>),
    /// Why it could not be answered.
    Error(ItemError),
}

impl Api {
    /// Tags documents one after the other; waits at most once `quote_wait_ms` for prices.
    ///
    /// # Errors
    /// The batch is over a limit, or the options are wrong for all of it.
    pub async fn batch_tag(&self, request: BatchTagRequest) -> Result<BatchTag, Error> {
        let BatchTagRequest { documents, options } = request;
        self.check_batch(&documents)?;
        let started = Instant::now();
        let mut results = Vec::with_capacity(documents.len());
        let at_publication = options.quotes == QuoteMode::AtPublication;
        let published_at: Vec<_> =
            documents.iter().map(|document| document.as_ref().ok()?.published_at).collect();
        for (place, document) in documents.into_iter().enumerate() {
            let waited_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
            // The past of all documents is fetched together, below: many points fit into one call.
            let quote_wait_ms =
                if at_publication { 0 } else { options.quote_wait_ms.saturating_sub(waited_ms) };
            let result = match document {
                Ok(document) => {
                    let options = TagOptions { quote_wait_ms, ..options.clone() };
                    self.tag(TagRequest { document, options }).await
                }
                Err(error) => Err(error),
            };
            results.push(match result {
                Ok(record) => TagResult::Response(Box::new(record)),
                Err(error) if is_about_options(&error) => return Err(error),
                Err(error) => TagResult::Error(ItemError::of_document(error, place)),
            });
            // Others get their turn, and a deadline that has passed ends the work here.
            tokio::task::yield_now().await;
        }
        if at_publication && options.quote_wait_ms > 0 {
            let records = results.iter_mut().zip(published_at).filter_map(|(result, at)| match result {
                TagResult::Response(record) => Some((&mut **record, at)),
                TagResult::Error(_) => None,
            });
            self.await_past(records.collect(), &options).await?;
        }
        Ok(BatchTag { results })
    }

    fn check_batch(&self, documents: &[Result<DocumentFields, Error>]) -> Result<(), Error> {
        let (count, max) = (documents.len(), self.limits().batch_documents_max);
        if count > max as usize {
            let what = format!("the batch has {count} documents");
            return Err(Error::over_limit("documents", what, "batch_documents_max", max));
        }
        let bytes: usize = documents.iter().flatten().map(DocumentFields::bytes).sum();
        let max = self.limits().batch_bytes_max;
        if bytes > max as usize {
            let what = format!("the documents of the batch have {bytes} bytes together");
            return Err(Error::over_limit("documents", what, "batch_bytes_max", max));
        }
        Ok(())
    }
}

fn is_about_options(error: &Error) -> bool {
    error.field.as_deref().is_some_and(|field| field.starts_with("options"))
}

impl ItemError {
    /// The error of the document at this place of a batch.
    fn of_document(error: Error, place: usize) -> Self {
        let mut item = Self::from(error);
        let below = item.field.strip_prefix("document").unwrap_or_default();
        item.field = format!("documents[{place}]{below}");
        item
    }
}

impl From<Error> for ItemError {
    fn from(error: Error) -> Self {
        let Error { code, message, field, .. } = error;
        Self {
            code: code.word().to_owned(),
            message,
            field: field.unwrap_or_default(),
            candidates: Vec::new(),
        }
    }
}
