//! What a document is about: how many different crypto words it has, and what that says.
//!
//! Owns the counting. Never looks at a place.

use super::evidence::{Evidence, EvidenceSet};

/// Different crypto words, up to one more than make a text rich in them: more of them change nothing.
#[derive(Debug, Default)]
pub(super) struct CryptoWords {
    patterns: [usize; RICH + 1],
    count: usize,
}

impl CryptoWords {
    pub(super) fn insert(&mut self, pattern: usize) {
        if self.count < self.patterns.len() && !self.patterns[..self.count].contains(&pattern) {
            self.patterns[self.count] = pattern;
            self.count += 1;
        }
    }

    /// How many there are beside this one: no word speaks for itself.
    pub(super) fn beside(&self, pattern: usize) -> usize {
        self.count - usize::from(self.patterns[..self.count].contains(&pattern))
    }
}

/// A text with so many crypto words is about little else.
pub(super) const RICH: usize = 6;

/// What a document with this many crypto words says.
pub(super) fn document_evidence(crypto_words: usize, crypto_news: bool) -> EvidenceSet {
    let mut document = EvidenceSet::default();
    // Each class has its own weights for these; a claim heeds the one that is meant.
    let kinds: &[Evidence] = match crypto_words {
        0 if !crypto_news => &[Evidence::NoCrypto, Evidence::NoCryptoC, Evidence::NoCryptoD],
        1 if !crypto_news => &[Evidence::CryptoHint],
        _ => &[Evidence::CryptoText, Evidence::CryptoTextWeak],
    };
    kinds.iter().for_each(|kind| document.add(*kind));
    document.add_if(Evidence::CryptoRich, crypto_words >= RICH);
    document.add_if(Evidence::CryptoNews, crypto_news);
    document
}
