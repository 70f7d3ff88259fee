//! What a surface says by itself, and which evidence means anything for it.
//!
//! Worked out once per claim, when the catalog is compiled. Never looks at a text.

use super::evidence::{Evidence, EvidenceSet};
use super::letters::is_one_word;
use super::lexicon::Role;
use crate::catalog::Class;

/// The kind that a claim of this sort carries wherever it stands.
pub(super) fn says(role: Role, class: Class) -> Evidence {
    match (role, class) {
        (Role::Address, _) => Evidence::ContractAddress,
        (Role::Symbol, Class::A) => Evidence::SymbolA,
        (Role::Symbol, Class::B) => Evidence::SymbolB,
        (Role::Symbol, Class::C) => Evidence::SymbolC,
        (Role::Symbol, Class::D) => Evidence::SymbolD,
        (Role::Name, Class::A) => Evidence::NameA,
        (Role::Name, Class::B) => Evidence::NameB,
        (Role::Name, Class::C) => Evidence::NameC,
        (Role::Name, Class::D) => Evidence::NameD,
    }
}

/// The kinds that say something about a surface of this sort.
pub(super) fn heeds(role: Role, class: Class, written: &str, rank: Option<u32>) -> EvidenceSet {
    let symbol = role == Role::Symbol;
    let word = is_one_word(written);
    // Title case tells about words that are names, capitals about those and about tickers.
    let look = class > Class::A && (symbol || word);
    let mut kinds = EvidenceSet::default();
    for kind in Evidence::ALL {
        let heeded = match kind {
            Evidence::LittleKnown => rank.is_none_or(|rank| rank > 500),
            Evidence::NoCrypto => class == Class::B,
            Evidence::NoCryptoC => class == Class::C,
            Evidence::NoCryptoD => class == Class::D,
            Evidence::CryptoText | Evidence::ContextRight => class <= Class::B,
            Evidence::CryptoTextWeak => class == Class::C,
            Evidence::ContextRightWeak => class >= Class::C,
            Evidence::Compound => class > Class::B,
            Evidence::TitleCase => !symbol && look,
            Evidence::Shouting => look,
            Evidence::LowerText => symbol && class == Class::B,
            // What is safe in any text has no other bearer.
            Evidence::AgainstContext => class > Class::A,
            Evidence::CapitalBefore | Evidence::CapitalAfter => !symbol && look,
            Evidence::SentenceStart => !symbol && class > Class::B && word,
            Evidence::Amount => symbol || class <= Class::B,
            Evidence::Hashtag => class <= Class::B,
            Evidence::Parenthesised
            | Evidence::OtherName
            | Evidence::Cashtag
            | Evidence::Pair
            | Evidence::CryptoListing
            | Evidence::StockListing => symbol,
            Evidence::ContractAddress | Evidence::WrongChecksum => role == Role::Address,
            _ => true,
        };
        kinds.add_if(*kind, heeded);
    }
    kinds
}
