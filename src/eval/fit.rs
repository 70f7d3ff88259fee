//! Fits the weights of evidence on labelled texts.
//!
//! Logistic regression over the evidence of every candidate, drawn to the prior weights where examples are
//! few; a kind keeps the sign of its prior, so that every weight can be explained. The same texts and prior give
//! the same weights on every platform: no random start, no platform mathematics.

use super::labelled::{Label, LabelledText};
use crate::catalog::Catalog;
use crate::mention::{Detector, Evidence, EvidenceSet, Field, Meant, Options, Place, Weights, Why};

/// Coherence depends on what is believed, and so on the weights: candidates are gathered anew this often.
const ROUNDS: usize = 4;
/// Passes over all weights in one round; the last ones move nothing by a thousandth.
const PASSES: usize = 60;
/// Strength of the draw to the prior: as if the prior had been seen in this many doubtful examples.
const DRAW: f64 = 2.0;
/// A false mention embarrasses more than a missed one.
const FALSE_COSTS: f64 = 1.5;

/// One candidate and whether it is right.
struct Example {
    evidence: EvidenceSet,
    right: bool,
}

/// The weights fitted on `texts`, in the catalog that `detector` reads with.
pub fn fit(catalog: &std::sync::Arc<Catalog>, texts: &[LabelledText]) -> Weights {
    let mut detector = Detector::new(catalog.clone());
    let prior = detector.prior_weights().clone();
    let mut weights = prior.clone();
    for _ in 0..ROUNDS {
        detector = detector.with_weights(weights);
        let examples: Vec<Example> = texts.iter().flat_map(|text| examples(&detector, text)).collect();
        weights = fit_examples(&examples, &prior);
    }
    weights
}

/// The candidates of a text that evidence decides: not those that lost by identity, date or place.
fn examples(detector: &Detector, text: &LabelledText) -> Vec<Example> {
    let options = Options { explain: true, ..Options::default() };
    let detection = detector.detect(&text.document, &options);
    let found = detection.found.iter().filter_map(|found| match found.meant {
        Meant::Token(token) => Some((token, &found.place, found.evidence)),
        Meant::Other(_) => None,
    });
    let turned = detection.turned_down.iter().filter(|turned| turned.why == Why::Weak);
    found
        .chain(turned.map(|turned| (turned.token, &turned.place, turned.evidence)))
        .filter_map(|(token, place, evidence)| {
            let id = &detector.catalog().asset(token).id;
            let labelled =
                |labels: &[Label]| labels.iter().any(|label| label.token_id == *id && touches(label, place));
            (!labelled(&text.optional)).then(|| Example { evidence, right: labelled(&text.mentions) })
        })
        .collect()
}

fn touches(label: &Label, place: &Place) -> bool {
    let field: Field = place.field;
    label.field == field
        && (label.range.start as u64) < u64::from(place.end)
        && u64::from(place.start) < label.range.end as u64
}

/// Newton steps one weight at a time; each keeps the sign of its prior.
fn fit_examples(examples: &[Example], prior: &Weights) -> Weights {
    let prior_of = |kind: Evidence| f64::from(prior.of(kind)) / 1000.0;
    let mut weights: Vec<f64> = Evidence::ALL.iter().map(|kind| prior_of(*kind)).collect();
    let holding: Vec<Vec<usize>> = Evidence::ALL
        .iter()
        .map(|kind| (0..examples.len()).filter(|at| examples[*at].evidence.has(*kind)).collect())
        .collect();
    let mut scores: Vec<f64> = examples
        .iter()
        .map(|example| example.evidence.iter().map(|kind| weights[kind as usize]).sum())
        .collect();
    for _ in 0..PASSES {
        for (kind, holding) in Evidence::ALL.iter().zip(&holding) {
            let at = *kind as usize;
            let (mut slope, mut curve) = (DRAW * (weights[at] - prior_of(*kind)), DRAW);
            for example in holding {
                let probability = 1.0 / (1.0 + libm::exp(-scores[*example]));
                let (target, cost) = if examples[*example].right { (1.0, 1.0) } else { (0.0, FALSE_COSTS) };
                slope += cost * (probability - target);
                curve += cost * probability * (1.0 - probability);
            }
            let moved = weights[at] - (slope / curve).clamp(-1.0, 1.0);
            let kept = if prior_of(*kind) < 0.0 { moved.min(0.0) } else { moved.max(0.0) };
            let step = kept - weights[at];
            weights[at] = kept;
            for example in holding {
                scores[*example] += step;
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "weights are a few logits")]
    Weights::from_fn(|kind| (weights[kind as usize] * 1000.0).round() as i32)
}
