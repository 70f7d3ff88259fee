//! The detector: one catalog and one set of rules, ready to read documents.
//!
//! Owns the walk from a document to its mentions. The steps are in the modules beside it.

use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::evidence::{Confidence, Evidence, EvidenceSet};
use super::html::{Visible, visible_text};
use super::judge::{Candidate, FieldText, Judged, judge};
use super::lexicon::{Lexicon, Rules};
use super::offsets::Offsets;
use super::resolve::{Loss, Verdict, confidence, resolve};
use super::{ContentType, Context, Document, Field, Kind, OffsetUnit, Options};
use crate::catalog::{BlockerKind, Catalog, TokenIndex};

const RULES: &str = include_str!("../../data/detection.toml");

/// Raised whenever the code decides differently on the same data; data and weights are hashed beside it.
const RULES_VERSION: &str = "1";

/// The rules, weights and automaton over one catalog. Build it once, share it, read it from any thread.
///
/// ```
/// use cointag::catalog::Catalog;
/// use cointag::mention::{Detector, Document, Options};
///
/// let detector = Detector::new(Catalog::builtin());
/// let document = Document { title: "Bitcoin slips as $ETH holds".into(), ..Document::default() };
/// let found = detector.detect(&document, &Options::default()).found;
/// assert_eq!(found.iter().map(|found| found.place.surface.as_str()).collect::<Vec<_>>(), ["Bitcoin", "ETH"]);
/// ```
#[derive(Debug)]
pub struct Detector {
    catalog: Arc<Catalog>,
    rules: Rules,
    lexicon: Lexicon,
    version: String,
    /// The least score that reaches the default confidence.
    default_least: i32,
}

/// Everything seen in one document, in text order, title first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// What is mentioned; never overlapping.
    pub found: Vec<Found>,
    /// Surfaces with several owners.
    pub shared: Vec<Shared>,
    /// What was not believed; empty unless the options ask to explain.
    pub turned_down: Vec<Turned>,
}

/// One mention.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// What.
    pub meant: Meant,
    /// How sure; always 1 for what is no token.
    pub confidence: Confidence,
    /// Why.
    pub evidence: EvidenceSet,
}

/// What a mention means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A token of the catalog.
    Token(TokenIndex),
    /// Something else: index into the catalog's blockers.
    Other(usize),
}

/// A surface that several assets may own.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// Where.
    pub place: Place,
    /// Who, most likely first.
    pub owners: Vec<(TokenIndex, Confidence)>,
}

/// A candidate that was not believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// Where.
    pub place: Place,
    /// The token it looked like.
    pub token: TokenIndex,
    /// How sure that it is the token.
    pub confidence: Confidence,
    /// What spoke for and against it.
    pub evidence: EvidenceSet,
    /// The decision in words.
    pub reason: String,
}

/// A place in the text exactly as the caller sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Title or body.
    pub field: Field,
    /// First position, in the unit asked for.
    pub start: u32,
    /// Position after the last one.
    pub end: u32,
    /// As written; in HTML the visible text.
    pub surface: String,
}

impl Detector {
    /// Compiles a catalog with the built-in rules.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        #[expect(clippy::expect_used, reason = "the built-in rules are compiled in and parsed by every test")]
        let rules: Rules = toml::from_str(RULES).expect("built-in rules");
        let lexicon = Lexicon::new(&catalog, &rules.words);
        let version = format!("{RULES_VERSION}-{}", &blake3::hash(RULES.as_bytes()).to_hex()[..12]);
        let default_least = Confidence::from_fraction(rules.default_min_confidence).least_score();
        Self { catalog, rules, lexicon, version, default_least }
    }

    /// Version of rules, words and weights; equal versions decide alike over equal catalogs.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The catalog it reads with.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The confidence that a mention needs when the caller names none.
    pub fn default_min_confidence(&self) -> f64 {
        self.rules.default_min_confidence
    }

    /// Finds every mention. Any text is valid input; the time it takes is linear in the text.
    pub fn detect(&self, document: &Document, options: &Options) -> Detection {
        let visible = (document.content_type == ContentType::Html).then(|| visible_text(&document.body));
        let body = visible.as_ref().map_or(document.body.as_str(), |visible| &visible.text);
        let fields = [
            FieldText { field: Field::Title, text: &document.title },
            FieldText { field: Field::Body, text: body },
        ];
        let crypto_news = document.context == Context::CryptoNews;
        let mut judged = judge(&self.lexicon, &self.rules, &fields, crypto_news);
        let published = document.published_at.map(|at| TimeZone::UTC.to_datetime(at).date());
        let least =
            Confidence::from_fraction(options.min_confidence.unwrap_or(self.rules.default_min_confidence));
        let resolved = resolve(
            &self.catalog,
            &self.lexicon,
            &self.rules.weights,
            &fields,
            &mut judged,
            published,
            options.min_confidence.map_or(self.default_least, |_| least.least_score()),
            options.explain,
        );
        let mut places = Placer::new(document, visible.as_ref(), options.offset_unit);
        let mut detection =
            Detection { found: Vec::with_capacity(judged.places.len()), ..Detection::default() };
        for (place, verdict) in judged.places.iter().zip(&resolved.verdicts) {
            let mut placed = || places.place(&fields[place.field], &place.range);
            match verdict {
                Verdict::Token(index) => detection.found.push(found(placed(), &judged.candidates[*index])),
                Verdict::Ambiguous(owners) => {
                    let owners = owners.iter().map(|index| &judged.candidates[*index]);
                    detection.shared.push(Shared {
                        place: placed(),
                        owners: owners.map(|owner| (owner.claim.token, confidence(owner))).collect(),
                    });
                }
                Verdict::Blocker(index) => detection.found.push(Found {
                    place: placed(),
                    meant: Meant::Other(*index as usize),
                    confidence: Confidence::from_fraction(1.0),
                    evidence: EvidenceSet::default(),
                }),
                Verdict::Nothing | Verdict::Hidden => {}
            }
            if options.explain {
                let turned =
                    self.turned_down(&judged, place.candidates.clone(), verdict, &resolved.losses, least);
                for (candidate, reason) in turned {
                    detection.turned_down.push(Turned {
                        place: placed(),
                        token: candidate.claim.token,
                        confidence: confidence(candidate),
                        evidence: candidate.evidence,
                        reason,
                    });
                }
            }
        }
        detection
    }

    /// The candidates of a place that were not believed, each with the reason.
    fn turned_down<'j>(
        &self,
        judged: &'j Judged<'_>,
        candidates: Range<usize>,
        verdict: &Verdict,
        losses: &std::collections::HashMap<usize, Loss>,
        least: Confidence,
    ) -> Vec<(&'j Candidate<'j>, String)> {
        let believed = |index: usize| match verdict {
            Verdict::Token(winner) => *winner == index,
            Verdict::Ambiguous(owners) => owners.contains(&index),
            _ => false,
        };
        let winner = match verdict {
            Verdict::Token(winner) => Some(judged.candidates[*winner].claim.token),
            _ => None,
        };
        candidates
            .filter(|index| !believed(*index))
            .map(|index| (index, &judged.candidates[index]))
            // A second claim of the asset that was found is no news.
            .filter(|(_, candidate)| Some(candidate.claim.token) != winner)
            .map(|(index, candidate)| {
                let reason = match (losses.get(&index), verdict) {
                    (Some(Loss::Date), _) => {
                        "another asset held this ticker or name at the date of the text".to_owned()
                    }
                    (Some(Loss::Identity), _) => match winner {
                        Some(winner) => format!("the text means {}", self.catalog.asset(winner).id),
                        None => "another asset has the better claim".to_owned(),
                    },
                    (None, Verdict::Hidden) => "lies inside a longer mention".to_owned(),
                    _ => self.reason(candidate, least),
                };
                (candidate, reason)
            })
            .collect()
    }

    /// Why a candidate is not believed: what weighs most against it.
    fn reason(&self, candidate: &Candidate<'_>, least: Confidence) -> String {
        let weights = &self.rules.weights;
        let heaviest = candidate.evidence.iter().min_by_key(|kind| weights.of(*kind));
        let because = match heaviest.filter(|kind| weights.of(*kind) < 0) {
            Some(Evidence::SymbolC | Evidence::SymbolD) => "this ticker is also a word or an abbreviation",
            Some(Evidence::NameC | Evidence::NameD) => "this name is also a common word or another name",
            Some(Evidence::NoCrypto) => "nothing else in the text speaks of crypto",
            Some(Evidence::NegativePhrase) => "it is part of a phrase that means something else",
            Some(Evidence::TitleCase) => "every word of this line is capitalised",
            Some(Evidence::Shouting) => "this line is written in capitals",
            Some(Evidence::SentenceStart) => "a word that begins a sentence",
            Some(Evidence::Compound) => "half of a hyphenated word",
            Some(Evidence::Abbreviation) => "a letter of an abbreviation",
            Some(Evidence::LongerName) => "part of a longer name",
            Some(Evidence::StockListing) => "a stock ticker",
            Some(Evidence::Handle) => "an account name",
            Some(Evidence::Address) => "inside an address",
            _ => "too little speaks for it",
        };
        format!("{because}: confidence {} is below {least}", confidence(candidate))
    }

    /// The kind that answers give to a blocker.
    pub fn kind_of(&self, blocker: usize) -> Kind {
        match self.catalog.file().blockers[blocker].kind {
            BlockerKind::Company => Kind::Company,
            BlockerKind::Exchange => Kind::Exchange,
            BlockerKind::Person => Kind::Person,
            BlockerKind::Unit => Kind::Unit,
            BlockerKind::Collection => Kind::Collection,
            BlockerKind::Agency => Kind::Agency,
            BlockerKind::Product => Kind::Product,
            BlockerKind::Place => Kind::Place,
            BlockerKind::LongerName => Kind::LongerName,
            BlockerKind::Term => Kind::Term,
        }
    }
}

fn found(place: Place, candidate: &Candidate<'_>) -> Found {
    Found {
        place,
        meant: Meant::Token(candidate.claim.token),
        confidence: confidence(candidate),
        evidence: candidate.evidence,
    }
}

/// Turns ranges of the text that was read into places of the text that was sent.
struct Placer<'t> {
    visible: Option<&'t Visible>,
    title: Offsets<'t>,
    body: Offsets<'t>,
}

impl<'t> Placer<'t> {
    fn new(document: &'t Document, visible: Option<&'t Visible>, unit: OffsetUnit) -> Self {
        Self { visible, title: Offsets::new(&document.title, unit), body: Offsets::new(&document.body, unit) }
    }

    fn place(&mut self, field: &FieldText<'_>, range: &Range<usize>) -> Place {
        let (source, offsets) = match field.field {
            Field::Title => (range.clone(), &mut self.title),
            Field::Body => {
                (self.visible.map_or(range.clone(), |visible| visible.source(range.clone())), &mut self.body)
            }
        };
        Place {
            field: field.field,
            start: offsets.convert(source.start),
            end: offsets.convert(source.end),
            surface: field.text[range.clone()].to_owned(),
        }
    }
}
