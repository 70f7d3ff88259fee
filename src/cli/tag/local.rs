//! The detector of this process, and the markets asked from it.
//!
//! Owns tagging one document here. Never reads or writes records.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::annotate::{Record, RecordError, annotate};
use crate::archive::{Annotator, ArchiveError};
use crate::config::Config;
use crate::market::{Clock, Markets};
use crate::mention::{Context, Detector, Document, Options};

/// How long prices are waited for before they are answered as unknown.
const QUOTES_WAIT: Duration = Duration::from_secs(3);

/// The detector of this process.
pub(super) struct Local {
    pub(super) detector: Detector,
    pub(super) options: Options,
    pub(super) context: Context,
    pub(super) quotes: Option<LiveQuotes>,
}

impl Local {
    /// Everything found in `document`.
    pub(super) fn record(&self, document: &Document) -> Record {
        match &self.quotes {
            Some(quotes) => {
                let snapshot = quotes.markets.snapshot();
                annotate(&self.detector, document, &self.options, Some((&snapshot, quotes.markets.now())))
            }
            None => annotate(&self.detector, document, &self.options, None),
        }
    }
}

impl Local {
    /// As [`Self::record`], waiting until its mentions are priced, or cannot be.
    pub(super) fn priced(&self, document: &Document) -> Record {
        let record = self.record(document);
        let Some(quotes) = &self.quotes else { return record };
        quotes.wait(&self.detector, &record);
        self.record(document)
    }
}

impl Annotator for Local {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        // The caller knows of the archive what no record says.
        let tag = |document| Ok(self.record(&Document { context: self.context, ..document }));
        Ok(documents.into_iter().map(tag).collect())
    }
}

/// Markets asked from this process.
pub(super) struct LiveQuotes {
    markets: Markets,
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
}

impl LiveQuotes {
    /// Begins to ask.
    pub(super) fn start(detector: &Detector, config: &Config) -> Result<Self, String> {
        let runtime = crate::cli::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
        let catalog = Arc::clone(detector.catalog());
        let state_dir = config.state_dir.as_deref();
        let stop = CancellationToken::new();
        let markets = runtime.block_on(async {
            let markets = Markets::new(catalog, &config.market, &config.quotes, state_dir, Clock::system())
                .map_err(|error| error.to_string())?;
            markets.spawn(stop.clone());
            Ok::<_, String>(markets)
        })?;
        Ok(Self { markets, runtime, stop })
    }

    /// Waits until the mentions of `record` are priced, or cannot be.
    pub(super) fn wait(&self, detector: &Detector, record: &Record) {
        let ids = record.mentions.iter().filter_map(|mention| mention.token_id.as_deref());
        let tokens: Vec<_> = ids.filter_map(|id| detector.catalog().find(id)).collect();
        if !tokens.is_empty() {
            self.markets.want(&tokens);
            self.runtime.block_on(self.markets.wait_for(&tokens, QUOTES_WAIT));
        }
    }

    /// Waits for the first round, so that a file does not begin without prices.
    pub(super) fn first_round(&self) {
        let round = async { tokio::time::timeout(QUOTES_WAIT, self.markets.first_round()).await };
        // Past that time prices are answered as they stand.
        let _ = self.runtime.block_on(round);
    }
}

impl Drop for LiveQuotes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
