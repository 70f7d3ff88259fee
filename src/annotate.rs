//! The one use case: a document in, its priced mentions out.
//!
//! The serde types here are the record of `cointag tag`, the HTTP face and the library alike
//! (schema: `docs/record.schema.json`). Never waits for a market: it reads one snapshot of the book.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::market::book::Snapshot;
use crate::market::quote::QuoteAnswer;
use crate::mention::{self, Ambiguity, Detector, Document, Field, Meant, Options};
pub use crate::mention::{Kind, Place};

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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "FlatSpan")]
pub struct PlacedSpan {
    /// Where.
    pub place: Place,
    /// Calibrated probability that this place means the token.
    pub confidence: f64,
    /// What spoke for and against it.
    pub evidence: Vec<Word>,
    /// CAIP-19 id of the token on its chain, where a contract address stands.
    pub caip19: Option<String>,
}

/// A word for programs: one of ours, or one that was read.
pub type Word = Cow<'static, str>;

/// The fields of the place beside the others; a flattened struct would be written as a map of unknown length.
impl Serialize for PlacedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 6 + usize::from(self.caip19.is_some());
        let mut span = serializer.serialize_struct("PlacedSpan", fields)?;
        let Place { field, start, end, surface } = &self.place;
        span.serialize_field("field", field)?;
        span.serialize_field("start", start)?;
        span.serialize_field("end", end)?;
        span.serialize_field("surface", surface)?;
        span.serialize_field("confidence", &self.confidence)?;
        span.serialize_field("evidence", &self.evidence)?;
        if let Some(caip19) = &self.caip19 {
            span.serialize_field("caip19", caip19)?;
        }
        span.end()
    }
}

/// How a [`PlacedSpan`] is read: a flattened one would be held in between, field by field.
#[derive(Deserialize)]
struct FlatSpan {
    field: Field,
    start: u32,
    end: u32,
    surface: String,
    confidence: f64,
    evidence: Vec<Word>,
    #[serde(default)]
    caip19: Option<String>,
}

impl From<FlatSpan> for PlacedSpan {
    fn from(span: FlatSpan) -> Self {
        let FlatSpan { field, start, end, surface, confidence, evidence, caip19 } = span;
        Self { place: Place { field, start, end, surface }, confidence, evidence, caip19 }
    }
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
    pub evidence: Vec<Word>,
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
    let catalog = detector.catalog();
    let mention::Detection { found, shared: shared_places, turned_down } = detector.detect(document, options);
    let mut grouped = Grouped::new(detector, &options.kinds);
    for found in found {
        grouped.add(found.meant, span(found));
    }
    for shared in &shared_places {
        let owners = match options.ambiguity {
            Ambiguity::Drop => 0,
            Ambiguity::Best => 1,
            Ambiguity::All => shared.owners.len(),
        };
        for (token, confidence) in &shared.owners[..owners] {
            grouped.add(
                Meant::Token(*token),
                PlacedSpan {
                    place: shared.place.clone(),
                    confidence: confidence.fraction(),
                    evidence: vec![Cow::Borrowed("shared_symbol")],
                    caip19: None,
                },
            );
        }
    }
    let mut mentions = grouped.in_box_order(options.max_mentions);
    if let Some((snapshot, now)) = quotes {
        for mention in &mut mentions {
            let token = mention.token_id.as_deref().and_then(|id| catalog.find(id));
            mention.quote = token.map(|token| snapshot.answer(token, now));
        }
    }
    Record {
        id: document.id.clone(),
        catalog_version: catalog.version().to_owned(),
        detector_version: detector.version().to_owned(),
        mentions,
        ambiguous: ambiguous(detector, &shared_places),
        rejected: turned_down.iter().map(|turned| rejected(detector, turned)).collect(),
    }
}

/// Mentions by what they mean, in the order in which they were first seen.
struct Grouped<'d> {
    detector: &'d Detector,
    kinds: &'d [Kind],
    mentions: Vec<Mention>,
    index: HashMap<(bool, usize), usize>,
}

impl<'d> Grouped<'d> {
    fn new(detector: &'d Detector, kinds: &'d [Kind]) -> Self {
        let kinds = if kinds.is_empty() { &[Kind::Token][..] } else { kinds };
        // Most articles name fewer.
        Self { detector, kinds, mentions: Vec::with_capacity(16), index: HashMap::with_capacity(16) }
    }

    fn add(&mut self, meant: Meant, span: PlacedSpan) {
        let (key, kind) = match meant {
            Meant::Token(token) => ((true, token.at()), Kind::Token),
            Meant::Other(blocker) => ((false, blocker), self.detector.kind_of(blocker)),
        };
        if !self.kinds.contains(&kind) {
            return;
        }
        let at = *self.index.entry(key).or_insert_with(|| {
            self.mentions.push(empty_mention(self.detector, meant, kind));
            self.mentions.len() - 1
        });
        let mention = &mut self.mentions[at];
        mention.count += 1;
        mention.in_title |= span.place.field == Field::Title;
        mention.confidence = mention.confidence.max(span.confidence);
        mention.spans.push(span);
    }

    /// In the title first, then the most frequent, then the first in the text, then by id.
    fn in_box_order(self, most: u32) -> Vec<Mention> {
        let mut mentions = self.mentions;
        mentions.sort_by(|a, b| {
            let first =
                |mention: &Mention| mention.spans.first().map(|span| (span.place.field, span.place.start));
            b.in_title
                .cmp(&a.in_title)
                .then(b.count.cmp(&a.count))
                .then_with(|| first(a).cmp(&first(b)))
                .then_with(|| a.token_id.cmp(&b.token_id))
        });
        if most > 0 {
            mentions.truncate(most as usize);
        }
        mentions
    }
}

fn empty_mention(detector: &Detector, meant: Meant, kind: Kind) -> Mention {
    let catalog = detector.catalog();
    let (token_id, symbol, name) = match meant {
        Meant::Token(token) => {
            let asset = catalog.asset(token);
            (Some(asset.id.clone()), Some(asset.symbol.clone()), asset.name.clone())
        }
        Meant::Other(blocker) => (None, None, catalog.file().blockers[blocker].text.clone()),
    };
    Mention {
        token_id,
        symbol,
        name,
        kind,
        confidence: 0.0,
        count: 0,
        in_title: false,
        spans: Vec::new(),
        quote: None,
    }
}

/// Shared surfaces with the same owners are one entry.
fn ambiguous(detector: &Detector, places: &[mention::Shared]) -> Vec<Ambiguous> {
    let mut entries: Vec<Ambiguous> = Vec::new();
    for shared in places {
        let candidates: Vec<Candidate> = shared
            .owners
            .iter()
            .map(|(token, confidence)| {
                let asset = detector.catalog().asset(*token);
                Candidate {
                    token_id: asset.id.clone(),
                    symbol: asset.symbol.clone(),
                    name: asset.name.clone(),
                    confidence: confidence.fraction(),
                }
            })
            .collect();
        let same = |entry: &&mut Ambiguous| {
            entry.candidates.iter().map(|c| &c.token_id).eq(candidates.iter().map(|c| &c.token_id))
        };
        match entries.iter_mut().find(same) {
            Some(entry) => entry.spans.push(shared.place.clone()),
            None => entries.push(Ambiguous { spans: vec![shared.place.clone()], candidates }),
        }
    }
    entries
}

fn rejected(detector: &Detector, turned: &mention::Turned) -> Rejected {
    Rejected {
        span: turned.place.clone(),
        token_id: Some(detector.catalog().asset(turned.token).id.clone()),
        confidence: turned.confidence.fraction(),
        evidence: words(turned.evidence),
        reason: turned.reason.clone(),
    }
}

fn span(found: mention::Found) -> PlacedSpan {
    let mention::Found { place, confidence, evidence, caip19, .. } = found;
    PlacedSpan { place, confidence: confidence.fraction(), evidence: words(evidence), caip19 }
}

fn words(evidence: mention::EvidenceSet) -> Vec<Word> {
    // A place has several, and a list that grows is moved.
    let mut words = Vec::with_capacity(8);
    words.extend(evidence.iter().map(|evidence| Cow::Borrowed(evidence.name())));
    words
}
