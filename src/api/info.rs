//! What is running here: versions, limits, and the markets that prices come from.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Api, Limits};
use crate::market::SourceInfo;

/// What is running here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Version of the program.
    pub version: String,
    /// Version of the catalog, overlay included.
    pub catalog_version: String,
    /// Version of rules and weights.
    pub detector_version: String,
    /// How many tokens the catalog holds.
    pub token_count: u32,
    /// Least confidence of a mention where the caller gives none.
    pub default_min_confidence: f64,
    /// What is accepted.
    pub limits: LimitsInfo,
    /// The markets in order of preference.
    pub sources: Vec<SourceStatus>,
}

/// [`Limits`] in the units of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `Limits`")]
pub struct LimitsInfo {
    pub document_bytes_max: u32,
    pub batch_documents_max: u32,
    pub batch_bytes_max: u32,
    pub quote_wait_max_ms: u32,
    pub quote_tokens_max: u32,
    pub page_size_max: u32,
    pub requests_in_flight_max: u32,
    pub bytes_in_flight_max: u32,
    pub queue_wait_max_ms: u32,
    pub deadline_max_ms: u32,
    pub streams_per_connection_max: u32,
    pub connections_max: u32,
    pub header_bytes_max: u32,
    pub requests_per_second: u32,
    pub requests_burst: u32,
}

/// A market that prices come from; the fields of [`SourceInfo`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `market::SourceInfo`")]
pub struct SourceStatus {
    pub name: String,
    pub title: String,
    pub credit: String,
    pub link: String,
    pub terms: String,
    pub plan: String,
    pub has_key: bool,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Timestamp>,
    pub calls_total: u32,
    pub calls_per_minute: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_month: Option<u32>,
    pub calls_this_minute: u32,
    pub calls_this_month: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_left_this_month: Option<u32>,
    pub every_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_call: Option<Timestamp>,
}

impl Api {
    /// What is running here.
    pub fn server_info(&self) -> ServerInfo {
        let catalog = self.detector.catalog();
        ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            catalog_version: catalog.version().to_owned(),
            detector_version: self.detector.version().to_owned(),
            token_count: u32::try_from(catalog.assets().len()).unwrap_or(u32::MAX),
            default_min_confidence: self.detector.default_min_confidence(),
            limits: (&self.limits).into(),
            sources: self.markets.sources().into_iter().map(Into::into).collect(),
        }
    }
}

impl From<&Limits> for LimitsInfo {
    fn from(limits: &Limits) -> Self {
        let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Self {
            document_bytes_max: limits.document_bytes_max,
            batch_documents_max: limits.batch_documents_max,
            batch_bytes_max: limits.batch_bytes_max,
            quote_wait_max_ms: millis(limits.quote_wait_max),
            quote_tokens_max: limits.quote_tokens_max,
            page_size_max: limits.page_size_max,
            requests_in_flight_max: limits.requests_in_flight_max,
            bytes_in_flight_max: limits.bytes_in_flight_max,
            queue_wait_max_ms: millis(limits.queue_wait_max),
            deadline_max_ms: millis(limits.deadline_max),
            streams_per_connection_max: limits.streams_per_connection_max,
            connections_max: limits.connections_max,
            header_bytes_max: limits.header_bytes_max,
            requests_per_second: limits.requests_per_second,
            requests_burst: limits.requests_burst,
        }
    }
}

impl From<SourceInfo> for SourceStatus {
    fn from(source: SourceInfo) -> Self {
        Self {
            name: source.name.to_owned(),
            title: source.title.to_owned(),
            credit: source.credit.to_owned(),
            link: source.link.to_owned(),
            terms: source.terms.to_owned(),
            plan: source.plan.to_owned(),
            has_key: source.has_key,
            state: source.state.to_string(),
            reason: source.reason,
            last_success: source.last_success,
            last_failure: source.last_failure,
            // The wire has no 64-bit numbers; 4 billion calls are out of any plan's reach.
            calls_total: u32::try_from(source.calls_total).unwrap_or(u32::MAX),
            calls_per_minute: source.calls_per_minute,
            calls_per_month: source.calls_per_month,
            calls_this_minute: source.calls_this_minute,
            calls_this_month: source.calls_this_month,
            calls_left_this_month: source.calls_left_this_month,
            every_s: source.every_s,
            next_call: source.next_call,
        }
    }
}
