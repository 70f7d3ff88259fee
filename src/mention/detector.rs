//! The detector: one catalog and one set of rules, ready to read documents.
//!
//! Owns the walk from a document to its mentions. The steps are in the modules beside it.

use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::evidence::{Confidence, EvidenceSet, Weights};
use super::explain::{Explainer, Why};
use super::html::{Visible, visible_text};
use super::judge::{Candidate, FieldText, judge};
use super::lexicon::{Lexicon, Role, Rules};
use super::offsets::Offsets;
use super::resolve::{Verdict, confidence, resolve};
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
    /// CAIP-19 id, where a contract address stands.
    pub caip19: Option<String>,
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
    /// The decision.
    pub why: Why,
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
        let rules = rules();
        let lexicon = Lexicon::new(&catalog, &rules.words);
        let version = format!("{RULES_VERSION}-{}", &blake3::hash(RULES.as_bytes()).to_hex()[..12]);
        let default_least = Confidence::from_fraction(rules.default_min_confidence).least_score();
        Self { catalog, rules, lexicon, version, default_least }
    }

    /// The same with other weights, for fitting them. Its version says so.
    #[must_use]
    pub fn with_weights(mut self, weights: Weights) -> Self {
        self.rules.weights = weights;
        self.version.push_str("-unreleased");
        self
    }

    /// The weights in force.
    pub fn weights(&self) -> &Weights {
        &self.rules.weights
    }

    /// The weights that fitting starts from and is drawn to where examples are few.
    pub fn prior_weights(&self) -> &Weights {
        &self.rules.prior
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
        let fields = [FieldText::new(Field::Title, &document.title), FieldText::new(Field::Body, body)];
        let crypto_news = document.context == Context::CryptoNews;
        let mut judged = judge(&self.catalog, &self.lexicon, &self.rules, &fields, crypto_news);
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
                    caip19: None,
                }),
                Verdict::Nothing | Verdict::Hidden => {}
            }
            if options.explain {
                let explainer = Explainer {
                    catalog: &self.catalog,
                    weights: &self.rules.weights,
                    judged: &judged,
                    losses: &resolved.losses,
                    least,
                };
                for (candidate, why, reason) in explainer.turned_down(place.candidates.clone(), verdict) {
                    detection.turned_down.push(Turned {
                        place: placed(),
                        token: candidate.claim.token,
                        confidence: confidence(candidate),
                        evidence: candidate.evidence,
                        why,
                        reason,
                    });
                }
            }
        }
        detection
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

/// The built-in rules.
pub(super) fn rules() -> Rules {
    #[expect(clippy::expect_used, reason = "the built-in rules are compiled in and parsed by every test")]
    toml::from_str(RULES).expect("built-in rules")
}

fn found(place: Place, candidate: &Candidate<'_>) -> Found {
    Found {
        place,
        meant: Meant::Token(candidate.claim.token),
        confidence: confidence(candidate),
        evidence: candidate.evidence,
        caip19: (candidate.claim.role == Role::Address).then(|| candidate.claim.written.to_string()),
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
