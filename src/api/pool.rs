//! Where a document is read: short ones in their turn, long ones on a few threads of their own.
//!
//! A text of 4 MiB takes tens of milliseconds. On a thread of the runtime that long every short request behind
//! it would wait; on a thread of its own the system shares the core between them.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{Code, Error, Limits, Metrics};
use crate::annotate::{Record, annotate};
use crate::market::Snapshot;
use crate::mention::{Detector, Document, Options};

/// The book to price from, and the time.
pub(super) type Prices = Option<(Arc<Snapshot>, Timestamp)>;

#[derive(Clone, Debug)]
pub(super) struct Pool {
    inline_max: usize,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

impl Pool {
    pub(super) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let places = Arc::new(Semaphore::new(limits.long_documents()));
        Self { inline_max: limits.inline_bytes_max as usize, places, metrics }
    }

    /// As [`annotate`]. A long document waits for a place first; a caller who gives up meanwhile costs nothing.
    pub(super) async fn annotate(
        &self,
        detector: &Arc<Detector>,
        document: Document,
        options: Options,
        prices: Prices,
    ) -> Result<Record, Error> {
        let bytes = document.title.len() + document.body.len();
        let metrics = self.metrics.clone();
        let read = move |detector: &Detector| {
            let prices = prices.as_ref().map(|(snapshot, now)| (&**snapshot, *now));
            let record = annotate(detector, &document, &options, prices);
            metrics.document_read(record.mentions.len());
            record
        };
        if bytes <= self.inline_max {
            return Ok(read(detector));
        }
        let detector = Arc::clone(detector);
        // Never closed, so there is always a place to come.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let reading = tokio::task::spawn_blocking(move || {
            let record = read(&detector);
            drop(place);
            record
        });
        reading.await.map_err(|error| {
            tracing::error!(%error, "reading a document panicked; this is a bug in cointag");
            Error::new(Code::Internal, "a bug in cointag")
        })
    }
}
