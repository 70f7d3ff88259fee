//! Why candidates were not believed, in words.
//!
//! Owns the sentences. Decides nothing: it reads verdicts.

use std::collections::HashMap;
use std::ops::Range;

use super::evidence::{Confidence, Evidence, Weights};
use super::judge::{Candidate, Judged};
use super::resolve::{Loss, Verdict, confidence};
use crate::catalog::Catalog;

/// Why a candidate was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Too little speaks for it, or too much against it.
    Weak,
    /// Another asset held the surface at the date of the text.
    Date,
    /// Another asset has the better claim.
    Identity,
    /// It lies inside a longer mention.
    Inside,
}

/// What the explanations of one document need to know.
pub(super) struct Explainer<'d, 'l> {
    pub(super) catalog: &'d Catalog,
    pub(super) weights: &'d Weights,
    pub(super) judged: &'d Judged<'l>,
    pub(super) losses: &'d HashMap<usize, Loss>,
    pub(super) least: Confidence,
}

impl<'d, 'l> Explainer<'d, 'l> {
    /// The candidates of a place that were not believed, each with the reason.
    pub(super) fn turned_down(
        &self,
        candidates: Range<usize>,
        verdict: &Verdict,
    ) -> Vec<(&'d Candidate<'l>, Why, String)> {
        let believed = |index: usize| match verdict {
            Verdict::Token(winner) => *winner == index,
            Verdict::Ambiguous(owners) => owners.contains(&index),
            _ => false,
        };
        let winner = match verdict {
            Verdict::Token(winner) => Some(self.judged.candidates[*winner].claim.token),
            _ => None,
        };
        candidates
            .filter(|index| !believed(*index))
            .map(|index| (index, &self.judged.candidates[index]))
            // A second claim of the asset that was found is no news.
            .filter(|(_, candidate)| Some(candidate.claim.token) != winner)
            .map(|(index, candidate)| {
                let (why, reason) = match (self.losses.get(&index), verdict) {
                    (Some(Loss::Date), _) => (
                        Why::Date,
                        "another asset held this ticker or name at the date of the text".to_owned(),
                    ),
                    (Some(Loss::Identity), _) => match winner {
                        Some(winner) => {
                            (Why::Identity, format!("the text means {}", self.catalog.asset(winner).id))
                        }
                        None => (Why::Identity, "another asset has the better claim".to_owned()),
                    },
                    (None, Verdict::Hidden) => (Why::Inside, "lies inside a longer mention".to_owned()),
                    _ => (Why::Weak, self.weakness(candidate)),
                };
                (candidate, why, reason)
            })
            .collect()
    }

    /// What weighs most against a candidate.
    fn weakness(&self, candidate: &Candidate<'_>) -> String {
        let heaviest = candidate.evidence.iter().min_by_key(|kind| self.weights.of(*kind));
        let because = match heaviest.filter(|kind| self.weights.of(*kind) < 0) {
            Some(Evidence::SymbolC | Evidence::SymbolD) => "this ticker is also a word or an abbreviation",
            Some(Evidence::NameC | Evidence::NameD) => "this name is also a common word or another name",
            Some(Evidence::NoCrypto | Evidence::NoCryptoC | Evidence::NoCryptoD) => {
                "nothing else in the text speaks of crypto"
            }
            Some(Evidence::AgainstContext) => "the text speaks of another bearer of the name",
            Some(Evidence::NegativePhrase) => "it is part of a phrase that means something else",
            Some(Evidence::TitleCase) => "every word of this line is capitalised",
            Some(Evidence::Shouting) => "this line is written in capitals",
            Some(Evidence::SentenceStart) => "a word that begins a sentence",
            Some(Evidence::Compound) => "half of a hyphenated word",
            Some(Evidence::Abbreviation) => "a letter of an abbreviation",
            Some(Evidence::LongerName) => "part of a longer name",
            Some(Evidence::StockListing) => "a stock ticker",
            Some(Evidence::WrongChecksum) => "the checksum in its letter case is wrong: mistyped or made up",
            Some(Evidence::Handle) => "an account name",
            Some(Evidence::Address) => "inside an address",
            _ => "too little speaks for it",
        };
        format!("{because}: confidence {} is below {}", confidence(candidate), self.least)
    }
}
