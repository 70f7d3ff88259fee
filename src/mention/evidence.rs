//! Evidence as data: its kinds, their names and weights, and the confidence that a sum of them gives.
//!
//! Owns the arithmetic. Never looks at a text.

use std::fmt;

use serde::Deserialize;

macro_rules! evidence {
    ($($variant:ident $name:literal $doc:literal)*) => {
        /// A kind of evidence for or against a mention.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Evidence { $(#[doc = $doc] $variant,)* }

        impl Evidence {
            /// Every kind, in the order in which explanations list them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name of its weight in `data/detection.toml`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

evidence! {
    SymbolA "symbol_a" "A ticker of class a."
    SymbolB "symbol_b" "A ticker of class b."
    SymbolC "symbol_c" "A ticker of class c."
    SymbolD "symbol_d" "A ticker of class d."
    NameA "name_a" "A name of class a."
    NameB "name_b" "A name of class b."
    NameC "name_c" "A name of class c."
    NameD "name_d" "A name of class d."
    LowerCase "lower_case" "A ticker in lower case."
    LowerText "lower_text" "A ticker of class b in lower case, in a text without capitals."
    Plural "plural" "A plural that is no spelling of its own."
    Cashtag "cashtag" "`$SYM`."
    LittleKnown "little_known" "An asset beyond the first five hundred, or without a rank."
    Hashtag "hashtag" "`#Name`."
    Parenthesised "parenthesised" "`(SYM)` or `[SYM]`."
    OtherName "other_name" "`Some Name (SYM)`, where the name is not the asset's."
    ContractAddress "contract_address" "The address of the token's contract."
    WrongChecksum "wrong_checksum" "An address whose letter case is a checksum that does not hold."
    NameWithTicker "name_with_ticker" "`Name (SYM)` or `Name's SYM`."
    CryptoListing "crypto_listing" "`(CRYPTO: SYM)`."
    Pair "pair" "`SYM/USDT`, `SYM-USD`, `SYMUSDT`."
    Amount "amount" "A number before it: `69 BTC`."
    Percent "percent" "A percentage after it: `SYM +5%`."
    ContextRight "context_right" "A crypto word just after it."
    ContextRightWeak "context_right_weak" "The same, for a surface of class c or d."
    ContextLeft "context_left" "A crypto word just before it."
    Moves "moves" "What prices do, just after it."
    List "list" "Next to other believed tokens in a list."
    TwoSurfaces "two_surfaces" "Both a name and a ticker of the asset stand in the document."
    BothCases "both_cases" "The same word stands in the document in capitals, as a ticker, and as a name."
    OwnContext "own_context" "A word in the document that belongs to this asset."
    CryptoText "crypto_text" "A document with two or more crypto words."
    CryptoTextWeak "crypto_text_weak" "The same, for a surface of class c or d."
    CryptoRich "crypto_rich" "A document with six or more crypto words."
    CryptoHint "crypto_hint" "A document with exactly one crypto word."
    NoCrypto "no_crypto" "A document without crypto words, for a surface of class b."
    NoCryptoC "no_crypto_c" "The same, for class c."
    NoCryptoD "no_crypto_d" "The same, for class d."
    AgainstContext "against_context" "A word in the document that speaks of another bearer of the name."
    CryptoNews "crypto_news" "The caller says that it is crypto news."
    Coherence "coherence" "The asset is named beyond doubt elsewhere in the document."
    CoherenceWeak "coherence_weak" "The same, for a surface that never stands on its own."
    NegativePhrase "negative_phrase" "Part of a phrase that is not the asset."
    TitleCase "title_case" "One capitalised word where all words are capitalised."
    Shouting "shouting" "Where everything is in capitals."
    SentenceStart "sentence_start" "A word with the capital of a sentence's start."
    Compound "compound" "Half of a hyphenated word."
    Abbreviation "abbreviation" "A letter of an abbreviation."
    CapitalBefore "capital_before" "After a capitalised word that no capital is due to."
    CapitalAfter "capital_after" "Before a capitalised word that is no crypto word."
    LongerName "longer_name" "Part of a longer name that is another thing."
    StockListing "stock_listing" "Listed on a stock exchange."
    Handle "handle" "An account name."
    Address "address" "Inside a URL, domain or e-mail address."
}

impl Evidence {
    /// The word for it in answers; the class of a surface is left out.
    pub fn name(self) -> &'static str {
        match self {
            Self::SymbolA | Self::SymbolB | Self::SymbolC | Self::SymbolD => "symbol",
            Self::NameA | Self::NameB | Self::NameC | Self::NameD => "name",
            Self::CoherenceWeak => "coherence",
            Self::NoCryptoC | Self::NoCryptoD => "no_crypto",
            Self::CryptoTextWeak => "crypto_text",
            Self::ContextRightWeak => "context_right",
            other => other.key(),
        }
    }
}

/// A set of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceSet(u64);

impl EvidenceSet {
    /// Adds one kind.
    pub(super) fn add(&mut self, evidence: Evidence) {
        self.0 |= 1 << evidence as u8;
    }

    /// Adds one kind if `holds`.
    pub(super) fn add_if(&mut self, evidence: Evidence, holds: bool) {
        self.0 |= u64::from(holds) << evidence as u8;
    }

    /// Whether the kind is in it.
    pub fn has(self, evidence: Evidence) -> bool {
        self.0 & (1 << evidence as u8) != 0
    }

    /// All of both.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub(super) fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its kinds, in the order of [`Evidence::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Evidence> {
        Evidence::ALL.iter().copied().filter(move |evidence| self.has(*evidence))
    }

    /// The kinds' words, as answers list them.
    pub fn names(self) -> Vec<String> {
        self.iter().map(|evidence| evidence.name().to_owned()).collect()
    }
}

/// The weight of each kind, in thousandths of a logit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights([i32; Evidence::ALL.len()]);

impl Weights {
    /// The weights that `weight` gives.
    pub fn from_fn(mut weight: impl FnMut(Evidence) -> i32) -> Self {
        let mut weights = [0; Evidence::ALL.len()];
        for (place, evidence) in weights.iter_mut().zip(Evidence::ALL) {
            *place = weight(*evidence);
        }
        Self(weights)
    }

    /// The score of a set: the sum of its weights.
    pub(super) fn score(&self, evidence: EvidenceSet) -> i32 {
        let mut rest = evidence.0;
        let mut sum = 0;
        while rest != 0 {
            sum += self.0[rest.trailing_zeros() as usize];
            rest &= rest - 1;
        }
        sum
    }

    /// The weight of one kind.
    pub fn of(&self, evidence: Evidence) -> i32 {
        self.0[evidence as usize]
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut by_name = std::collections::BTreeMap::<String, i32>::deserialize(deserializer)?;
        let mut weights = [0; Evidence::ALL.len()];
        for (weight, evidence) in weights.iter_mut().zip(Evidence::ALL) {
            *weight = by_name
                .remove(evidence.key())
                .ok_or_else(|| D::Error::custom(format!("no weight for `{}`", evidence.key())))?;
        }
        match by_name.keys().next() {
            Some(unknown) => Err(D::Error::custom(format!("`{unknown}` is no kind of evidence"))),
            None => Ok(Self(weights)),
        }
    }
}

/// A probability in thousandths: exact to compare, the same on every platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u16);

impl Confidence {
    /// The logistic function of a score.
    pub(super) fn of_score(score: i32) -> Self {
        // `libm` computes in software: the platform's own `exp` may differ in the last digit.
        let probability = 1.0 / (1.0 + libm::exp(-f64::from(score) / 1000.0));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        Self((probability * 1000.0).round() as u16)
    }

    /// From a fraction; whatever lies outside 0 to 1 is moved to its edge.
    pub(super) fn from_fraction(fraction: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000")]
        Self((fraction.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }

    /// The smallest score that reaches it.
    pub(super) fn least_score(self) -> i32 {
        /// Beyond this, scores are 0.000 or 1.000.
        const EDGE: i32 = 20_000;
        let (mut below, mut reaches) = (-EDGE, EDGE);
        if Self::of_score(below) >= self {
            return i32::MIN;
        }
        while below + 1 < reaches {
            let middle = i32::midpoint(below, reaches);
            if Self::of_score(middle) >= self { reaches = middle } else { below = middle }
        }
        reaches
    }

    /// As a fraction of 1 with three decimals.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_fit_into_the_set() {
        assert!(Evidence::ALL.len() <= 64);
    }

    #[test]
    fn confidence_is_the_logistic_of_the_score() {
        for (score, confidence) in [(0, 0.5), (405, 0.6), (3000, 0.953), (-9000, 0.0), (20_000, 1.0)] {
            assert_eq!(Confidence::of_score(score).fraction(), confidence);
        }
    }

    #[test]
    fn the_least_score_is_the_first_that_reaches_the_confidence() {
        for fraction in [0.001, 0.5, 0.6, 0.999, 1.0] {
            let confidence = Confidence::from_fraction(fraction);
            let least = confidence.least_score();
            assert!(
                Confidence::of_score(least) >= confidence && Confidence::of_score(least - 1) < confidence
            );
        }
        assert_eq!(Confidence::from_fraction(0.0).least_score(), i32::MIN);
    }
}
