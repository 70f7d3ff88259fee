//! The detector of this process, and the markets asked from it.
//!
//! Owns tagging one document here. Never reads or writes records.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::annotate::{Record, RecordError, annotate};
use crate::api::{price_at_publication, tokens};
use crate::archive::{Annotator, ArchiveError};
use crate::config::Config;
use crate::market::history::{History, Wanted};
use crate::market::{Clock, Markets, QuoteAnswer};
use crate::mention::{Context, Detector, Document, Options};

/// How long prices are waited for before they are answered as unknown.
const QUOTES_WAIT: Duration = Duration::from_secs(3);

/// How often somebody looks how far the fetching has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The detector of this process.
pub(super) struct Local {
    pub(super) detector: Detector,
    pub(super) options: Options,
    pub(super) context: Context,
    pub(super) quotes: Option<LiveQuotes>,
    /// Prices are those of the time of publication.
    pub(super) published: bool,
    /// They were all asked for before the first record is read.
    pub(super) ahead: bool,
    pub(super) currency: String,
}

impl Local {
    /// What `document` mentions, without prices.
    pub(super) fn mentions(&self, document: &Document) -> Record {
        annotate(&self.detector, document, &self.options, None)
    }

    /// Everything found in `document`, priced with what is known now.
    fn record(&self, document: &Document) -> Record {
        let Some(quotes) = &self.quotes else {
            return annotate(&self.detector, document, &self.options, None);
        };
        let mut record = self.in_usd(quotes, document);
        for mention in &mut record.mentions {
            let convert = |quote| quotes.markets.rates().convert(quote, &self.currency);
            mention.quote = mention.quote.take().map(convert);
        }
        record
    }

    fn in_usd(&self, quotes: &LiveQuotes, document: &Document) -> Record {
        if self.published {
            let mut record = self.mentions(document);
            let catalog = self.detector.catalog();
            price_at_publication(catalog, &quotes.markets, &mut record, document.published_at);
            record.mentions.iter_mut().filter_map(|mention| mention.quote.as_mut()).for_each(leave_today_out);
            return record;
        }
        let snapshot = quotes.markets.snapshot();
        annotate(&self.detector, document, &self.options, Some((&snapshot, quotes.markets.now())))
    }

    /// As [`Self::record`], waiting until its mentions are priced, or cannot be.
    pub(super) fn priced(&self, document: &Document) -> Record {
        let Some(quotes) = &self.quotes else { return self.record(document) };
        quotes.rates(&self.currency);
        let record = self.record(document);
        // Words have no time of publication; each price says so.
        if self.published {
            return record;
        }
        quotes.wait(&self.detector, &record);
        self.record(document)
    }

    /// Before the first article of an archive.
    pub(super) fn prepare(&self) {
        if let Some(quotes) = &self.quotes {
            if !self.published {
                quotes.first_round();
            }
            quotes.rates(&self.currency);
        }
    }

    /// Fetches the past prices of many articles in as few calls as their hours need.
    fn fetch_past(&self, documents: &[Document]) {
        let (Some(quotes), true) = (&self.quotes, self.published && !self.ahead) else { return };
        let catalog = self.detector.catalog();
        let mut asked = BTreeSet::new();
        for document in documents {
            let Some(at) = document.published_at else { continue };
            let record = self.mentions(document);
            asked.extend(tokens(catalog, &record).into_iter().map(|token| (token, at)));
        }
        let asked: Vec<_> = asked.into_iter().collect();
        if !asked.is_empty() {
            quotes.runtime.block_on(quotes.markets.history().settle(&asked));
        }
    }
}

impl Annotator for Local {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        // The caller knows of the archive what no record says.
        let in_context = |document| Document { context: self.context, ..document };
        let documents: Vec<Document> = documents.into_iter().map(in_context).collect();
        self.fetch_past(&documents);
        Ok(documents.iter().map(|document| Ok(self.record(document))).collect())
    }
}

/// What changed since then differs from day to day; a record of an archive does not.
pub(super) fn leave_today_out(quote: &mut QuoteAnswer) {
    quote.change_since_pct = None;
}

/// Markets asked from this process.
pub(super) struct LiveQuotes {
    markets: Markets,
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
}

impl LiveQuotes {
    /// Begins to ask, for the rates of `currency` first. With `silent`, nobody is ever asked.
    pub(super) fn start(
        detector: &Detector,
        config: &Config,
        currency: &str,
        silent: bool,
    ) -> Result<Self, String> {
        let runtime = crate::cli::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
        let catalog = Arc::clone(detector.catalog());
        let state_dir = config.state_dir.as_deref();
        let stop = CancellationToken::new();
        let markets = runtime.block_on(async {
            let markets = Markets::new(catalog, &config.market, &config.quotes, state_dir, Clock::system())
                .map_err(|error| error.to_string())?;
            if silent {
                markets.recall();
                return Ok(markets);
            }
            if currency != "USD" {
                markets.rates().want();
            }
            markets.spawn(stop.clone());
            Ok::<_, String>(markets)
        })?;
        Ok(Self { markets, runtime, stop })
    }

    /// Prices of the past.
    pub(super) fn history(&self) -> &History {
        self.markets.history()
    }

    /// Fetches the past prices `wanted`; `watch` is told now and then how many calls were made.
    pub(super) fn fetch(&self, wanted: &Wanted, watch: &mut dyn FnMut(u64)) {
        let made = || self.history().calls().iter().map(|(_, calls)| calls).sum::<u64>();
        let before = made();
        self.runtime.block_on(async {
            let fetching = self.history().settle_all(wanted);
            tokio::pin!(fetching);
            while tokio::time::timeout(LOOK_EVERY, &mut fetching).await.is_err() {
                watch(made() - before);
            }
        });
    }

    /// Waits until the mentions of `record` are priced, or cannot be.
    fn wait(&self, detector: &Detector, record: &Record) {
        let ids = record.mentions.iter().filter_map(|mention| mention.token_id.as_deref());
        let tokens: Vec<_> = ids.filter_map(|id| detector.catalog().find(id)).collect();
        if !tokens.is_empty() {
            self.markets.want(&tokens);
            self.runtime.block_on(self.markets.wait_for(&tokens, QUOTES_WAIT));
        }
    }

    /// Waits for what a US dollar is in `currency`.
    fn rates(&self, currency: &str) {
        if currency != "USD" {
            self.runtime.block_on(self.markets.rates().wait_for(QUOTES_WAIT));
        }
    }

    /// Waits for the first round, so that a file does not begin without prices.
    fn first_round(&self) {
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
