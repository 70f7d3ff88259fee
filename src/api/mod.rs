//! What every face answers, once: the requests and their checks, the limits, the errors.
//!
//! gRPC and HTTP translate to and from these types and decide nothing themselves, so that they cannot
//! differ. Knows neither of them.

mod batch;
mod current;
mod diff;
mod error;
mod info;
mod limits;
mod metrics;
mod past;
mod pool;
mod quotes;
mod readiness;
mod tag;
mod tokens;
mod watch;

use std::sync::Arc;

pub use batch::{BatchTag, BatchTagRequest, TagResult};
pub use current::Current;
pub use diff::{CatalogDiff, DiffCatalog};
pub use error::{Code, Error, LimitRef};
pub use info::{LimitsInfo, ServerInfo, SourceStatus};
pub use limits::{Config, Limits};
pub use metrics::{Metrics, Observation};
pub use past::{price_at_publication, tokens};
pub use quotes::{
    ItemError, PricedToken, QuoteItem, QuoteResult, Quotes, QuotesRequest, TokenRef, currency, quote,
};
pub use readiness::{BEAT, Readiness, Stage};
pub use tag::{DocumentFields, QuoteMode, TagOptions, TagRequest};
pub use tokens::{FormerName, ListTokens, Token, TokenPage, TokenSelector};
pub use watch::Watch;

use crate::market::Markets;
use crate::mention::Detector;

/// The service behind the faces: what it knows, what it sees of the markets, what it accepts.
#[derive(Clone)]
pub struct Api {
    detector: Arc<Detector>,
    known: diff::KnownCatalogs,
    markets: Markets,
    limits: Limits,
    pool: pool::Pool,
    metrics: Metrics,
}

impl Api {
    /// Joins the parts. `markets` must have been made for the catalog of `detector`.
    pub fn new(detector: Arc<Detector>, markets: Markets, limits: Limits) -> Self {
        let metrics = Metrics::default();
        let pool = pool::Pool::new(&limits, metrics.clone());
        let known = diff::KnownCatalogs::new(detector.catalog());
        Self { detector, known, markets, limits, pool, metrics }
    }

    /// Whether prices are still being refreshed, whatever the markets answer.
    pub fn refresh_moves(&self) -> bool {
        self.markets.is_moving()
    }

    /// What is accepted.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
