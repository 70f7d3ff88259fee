//! What the text says: which tokens it mentions, where, how sure we are and why.
//!
//! Pure: no I/O, no clock, no async. Any text is valid input, and the same text, catalog, rules and
//! options give the same answer on every platform and thread.

mod blocks;
mod changes;
mod contracts;
mod detector;
mod evidence;
mod explain;
mod gate;
mod glued;
mod html;
mod judge;
mod letters;
mod lexicon;
mod line;
mod offsets;
mod owner;
mod phrases;
mod resolve;
mod scan;
mod surface;
mod surroundings;
mod together;
mod topic;
mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use changes::Changes;
pub use detector::{Detection, Detector, Found, Meant, Place, Shared, Turned};
pub use evidence::{Confidence, Evidence, EvidenceSet, Weights};
pub use explain::Why;

/// A text to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The caller's id; carried through, never looked at.
    pub id: Option<String>,
    /// Headline, always plain text.
    pub title: String,
    /// The article.
    pub body: String,
    /// How to read `body`.
    pub content_type: ContentType,
    /// When it was published; decides what a renamed ticker meant. `None`: now.
    pub published_at: Option<Timestamp>,
    /// BCP 47 tag of the language, such as `en`. Carried for future rules; detection reads every script.
    pub language: Option<String>,
    /// What sort of text the caller knows it to be.
    pub context: Context,
}

/// How to read a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ContentType {
    #[default]
    Plain,
    Html,
}

/// What the caller knows of the text beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Nothing.
    #[default]
    General,
    /// It is news about crypto: ambiguous tickers are believed sooner.
    CryptoNews,
}

/// What a mention means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Token,
    Company,
    Exchange,
    Person,
    Unit,
    Collection,
    Agency,
    Product,
    Place,
    LongerName,
    Term,
}

impl Kind {
    /// Its word in JSON and in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Company => "company",
            Self::Exchange => "exchange",
            Self::Person => "person",
            Self::Unit => "unit",
            Self::Collection => "collection",
            Self::Agency => "agency",
            Self::Product => "product",
            Self::Place => "place",
            Self::LongerName => "longer_name",
            Self::Term => "term",
        }
    }
}

/// What to do with a surface that several assets may own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ambiguity {
    /// List it in `ambiguous` only.
    #[default]
    Drop,
    /// Also take the most likely owner as a mention.
    Best,
    /// Also take every owner as a mention.
    All,
}

/// The unit in which spans are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetUnit {
    /// UTF-8 bytes, as Rust and Go slice.
    #[default]
    Bytes,
    /// Unicode code points, as Python slices.
    Codepoints,
    /// UTF-16 code units, as JavaScript and Java slice.
    Utf16,
}

/// Which text of the document a span points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Field {
    Title,
    Body,
}

/// How to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Least confidence of a mention, 0 to 1. `None`: the detector's default.
    pub min_confidence: Option<f64>,
    /// What to do with shared surfaces.
    pub ambiguity: Ambiguity,
    /// Unit of the spans.
    pub offset_unit: OffsetUnit,
    /// Also report what was not believed, and why.
    pub explain: bool,
    /// Which kinds to report; empty means tokens alone.
    pub kinds: Vec<Kind>,
    /// At most this many mentions, the first of the box order; 0 = all.
    pub max_mentions: u32,
}
