//! The one use case: a document in, its priced mentions out.
//!
//! The serde types here are the record of `cointag tag`, the HTTP face and the library alike
//! (schema: `docs/record.schema.json`). Never waits for a market: it reads one snapshot of the book.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::market::book::Snapshot;
use crate::market::quote::QuoteAnswer;
pub use crate::mention::Kind;
use crate::mention::{Detector, Document, Field, Options};

/// Everything found in one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The document's id as the caller gave it; `None` if it gave none.
    pub id: Option<String>,
    /// Version of the catalog (built-in or file, overlay included).
    pub catalog_version: String,
    /// Version of rules and weights.
    pub detector_version: String,
    /// Found, in the order a box shows them: in the title first, then by count, place and id.
    pub mentions: Vec<Mention>,
    /// Surfaces that several assets may own, without a clear winner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ambiguous: Vec<Ambiguous>,
    /// Candidates that were not believed, with the reason; only with `explain`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// One token (or company, exchange, ... where asked for) and all its places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// Our id of the token; `None` for a company, exchange and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The catalog's ticker of today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The catalog's name of today.
    pub name: String,
    /// What is mentioned.
    pub kind: Kind,
    /// Calibrated probability of the best place, 0 to 1, three decimals.
    pub confidence: f64,
    /// How many places.
    pub count: u32,
    /// Whether one of them is in the title.
    pub in_title: bool,
    /// The places, in text order, title first.
    pub spans: Vec<PlacedSpan>,
    /// The price; `None` if no quotes were asked for, or nothing is priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteAnswer>,
}

/// A place of a mention in the text exactly as the caller sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedSpan {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Calibrated probability that this place means the token.
    pub confidence: f64,
    /// What spoke for and against it.
    pub evidence: Vec<String>,
}

/// Where a surface stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Title or body.
    pub field: Field,
    /// First position, in the unit asked for.
    pub start: u32,
    /// Position after the last.
    pub end: u32,
    /// As written; in HTML the visible text.
    pub surface: String,
}

/// A surface with several possible owners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ambiguous {
    /// Its places.
    pub spans: Vec<Place>,
    /// Who it could be, most likely first.
    pub candidates: Vec<Candidate>,
}

/// A possible owner of an ambiguous surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `Mention`")]
pub struct Candidate {
    pub token_id: String,
    pub symbol: String,
    pub name: String,
    pub confidence: f64,
}

/// A candidate that was not believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// Where.
    pub span: Place,
    /// The token it looked like; `None` for a blocker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Calibrated probability that it means the token.
    pub confidence: f64,
    /// What spoke for and against it.
    pub evidence: Vec<String>,
    /// The decision in words.
    pub reason: String,
}

/// A record that could not be tagged, in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The document's id where it could be read.
    pub id: Option<String>,
    /// What was wrong.
    pub error: RecordError,
}

/// What was wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordError {
    /// Stable word for programs, such as `invalid_json`.
    pub code: String,
    /// What was wrong and what to do.
    pub message: String,
    /// File and line, or field.
    pub place: String,
}

/// Tags `document`. With `quotes`, every token is priced from that snapshot as of the given moment.
pub fn annotate(
    detector: &Detector,
    document: &Document,
    options: &Options,
    quotes: Option<(&Snapshot, Timestamp)>,
) -> Record {
    let _ = (detector, document, options, quotes);
    unreachable!("written next")
}
