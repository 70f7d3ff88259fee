//! Counts what is right, false and missed. A place is right if it overlaps a labelled place of its token.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Serialize;

use super::labelled::{Label, LabelledText};
use super::surface::SurfaceClass;
use crate::catalog::AssetRecord;
use crate::mention::{Detector, Document, Field, Meant, Options, Place};

/// How a labelled set was detected.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Texts read.
    pub texts: usize,
    /// Of them, exactly right: every token found and no other.
    pub exactly_right: usize,
    /// Texts that mention nothing.
    pub plain_texts: usize,
    /// Tokens found in those.
    pub plain_false: usize,
    /// Tokens by text.
    pub by_text: Counts,
    /// Places.
    pub by_place: Counts,
    /// Places by sort of surface.
    pub by_class: BTreeMap<SurfaceClass, Counts>,
    /// What was taken for what, most frequent first.
    pub confusion: Vec<Confusion>,
    /// Whether confidences tell the truth, over all candidates, believed or not.
    pub reliability: Vec<Bin>,
    /// Texts that are not exactly right.
    pub mistakes: Vec<Mistake>,
}

/// Right, false and missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub right: usize,
    #[serde(rename = "false")]
    pub wrong: usize,
    pub missed: usize,
}

/// A surface taken for a token, or not taken for one.
#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    /// The surface, as written.
    pub surface: String,
    /// The token that the labels name; `None`: none.
    pub labelled: Option<String>,
    /// The token that was found; `None`: none.
    pub found: Option<String>,
    /// How often.
    pub count: usize,
}

/// Candidates whose confidence lies in one tenth.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bin {
    /// How many.
    pub candidates: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// Their share that is right.
    pub right: f64,
}

/// A text that is not exactly right.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// Its id.
    pub id: String,
    /// Tokens found that are not labelled.
    #[serde(rename = "false")]
    pub wrong: Vec<String>,
    /// Tokens labelled and not found.
    pub missed: Vec<String>,
}

impl Counts {
    /// Share of what was found that is right; 1 if nothing was found.
    pub fn precision(self) -> f64 {
        ratio(self.right, self.right + self.wrong)
    }

    /// Share of what is labelled that was found; 1 if nothing is labelled.
    pub fn recall(self) -> f64 {
        ratio(self.right, self.right + self.missed)
    }

    /// Harmonic mean of both.
    pub fn f1(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of texts")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Detects in every text and scores what was found.
pub fn evaluate(detector: &Detector, texts: &[LabelledText]) -> Report {
    let mut report = Report { reliability: vec![Bin::default(); 10], ..Report::default() };
    let mut confusion = BTreeMap::new();
    for text in texts {
        score_text(detector, text, &mut report, &mut confusion);
    }
    for bin in &mut report.reliability {
        #[expect(clippy::cast_precision_loss, reason = "counts of candidates")]
        let candidates = bin.candidates.max(1) as f64;
        bin.confidence /= candidates;
        bin.right /= candidates;
    }
    let rows = confusion.into_iter();
    report.confusion = rows
        .map(|((surface, labelled, found), count)| Confusion { surface, labelled, found, count })
        .collect();
    report.confusion.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.surface.cmp(&b.surface)));
    report
}

type Confused = BTreeMap<(String, Option<String>, Option<String>), usize>;

/// Something found, in the terms of the labels.
struct Hit<'d> {
    asset: &'d AssetRecord,
    place: &'d Place,
    confidence: f64,
}

fn score_text(detector: &Detector, text: &LabelledText, report: &mut Report, confusion: &mut Confused) {
    let options = Options { explain: true, ..Options::default() };
    let detection = detector.detect(&text.document, &options);
    let catalog = detector.catalog();
    let found: Vec<Hit<'_>> = detection
        .found
        .iter()
        .filter_map(|found| match found.meant {
            Meant::Token(token) => Some(Hit {
                asset: catalog.asset(token),
                place: &found.place,
                confidence: found.confidence.fraction(),
            }),
            Meant::Other(_) => None,
        })
        .collect();
    let turned: Vec<Hit<'_>> = detection
        .turned_down
        .iter()
        .map(|turned| Hit {
            asset: catalog.asset(turned.token),
            place: &turned.place,
            confidence: turned.confidence.fraction(),
        })
        .collect();
    report.texts += 1;
    count_tokens(text, &found, report);
    count_places(detector, text, &found, report, confusion);
    for hit in found.iter().chain(&turned) {
        if labelled(&text.optional, hit) {
            continue;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
        let bin = &mut report.reliability[((hit.confidence * 10.0) as usize).min(9)];
        bin.candidates += 1;
        bin.confidence += hit.confidence;
        bin.right += f64::from(u8::from(labelled(&text.mentions, hit)));
    }
}

fn count_tokens(text: &LabelledText, found: &[Hit<'_>], report: &mut Report) {
    let ids = |labels: &[Label]| labels.iter().map(|label| label.token_id.clone()).collect::<BTreeSet<_>>();
    let (gold, optional) = (ids(&text.mentions), ids(&text.optional));
    let got: BTreeSet<String> = found.iter().map(|hit| hit.asset.id.clone()).collect();
    let wrong: Vec<String> =
        got.iter().filter(|id| !gold.contains(*id) && !optional.contains(*id)).cloned().collect();
    let missed: Vec<String> = gold.difference(&got).cloned().collect();
    report.by_text.right += gold.intersection(&got).count();
    report.by_text.wrong += wrong.len();
    report.by_text.missed += missed.len();
    if gold.is_empty() {
        report.plain_texts += 1;
        report.plain_false += wrong.len();
    }
    if wrong.is_empty() && missed.is_empty() {
        report.exactly_right += 1;
    } else {
        let id = text.document.id.clone().unwrap_or_default();
        report.mistakes.push(Mistake { id, wrong, missed });
    }
}

fn count_places(
    detector: &Detector,
    text: &LabelledText,
    found: &[Hit<'_>],
    report: &mut Report,
    confusion: &mut Confused,
) {
    let catalog = detector.catalog();
    let mut add = |class: SurfaceClass, what: fn(&mut Counts)| {
        what(&mut report.by_place);
        what(report.by_class.entry(class).or_default());
    };
    for hit in found {
        let range = hit.place.start as usize..hit.place.end as usize;
        let before = &field_text(&text.document, hit.place.field)[..range.start];
        let class = SurfaceClass::of(Some(hit.asset), &hit.place.surface, before);
        if labelled(&text.mentions, hit) {
            // Counted with the labels, which may be several to one hit.
        } else if !labelled(&text.optional, hit) {
            add(class, |counts| counts.wrong += 1);
            let label = text.mentions.iter().find(|label| touches(label, hit.place));
            let key = (
                hit.place.surface.clone(),
                label.map(|label| label.token_id.clone()),
                Some(hit.asset.id.clone()),
            );
            *confusion.entry(key).or_default() += 1;
        }
    }
    for label in &text.mentions {
        let whole = field_text(&text.document, label.field);
        let surface = &whole[label.range.clone()];
        let asset = catalog.find(&label.token_id).map(|token| catalog.asset(token));
        let class = SurfaceClass::of(asset, surface, &whole[..label.range.start]);
        let hit = found.iter().any(|hit| hit.asset.id == label.token_id && touches(label, hit.place));
        if hit {
            add(class, |counts| counts.right += 1);
        } else {
            add(class, |counts| counts.missed += 1);
            if !found.iter().any(|hit| touches(label, hit.place)) {
                let key = (surface.to_owned(), Some(label.token_id.clone()), None);
                *confusion.entry(key).or_default() += 1;
            }
        }
    }
}

fn labelled(labels: &[Label], hit: &Hit<'_>) -> bool {
    labels.iter().any(|label| label.token_id == hit.asset.id && touches(label, hit.place))
}

fn touches(label: &Label, place: &Place) -> bool {
    let Range { start, end } = label.range;
    label.field == place.field && (start as u64) < u64::from(place.end) && u64::from(place.start) < end as u64
}

fn field_text(document: &Document, field: Field) -> &str {
    match field {
        Field::Title => &document.title,
        Field::Body => &document.body,
    }
}
