//! What sort of surface a place shows, by the catalog alone: the same for what is labelled and what is found.

use serde::Serialize;

use crate::catalog::{AliasKind, AssetRecord, Class};

/// Sorts of surface, as the accuracy tables list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SurfaceClass {
    Cashtag,
    SymbolA,
    SymbolB,
    SymbolC,
    SymbolD,
    NameA,
    NameB,
    NameC,
    NameD,
    /// Another spelling of today or of the past.
    Alias,
    /// The address of a contract.
    Address,
    /// Letters beyond Latin.
    NonLatin,
    /// A surface that the catalog does not have.
    Unlisted,
}

impl SurfaceClass {
    /// Its word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cashtag => "cashtag",
            Self::SymbolA => "symbol a",
            Self::SymbolB => "symbol b",
            Self::SymbolC => "symbol c",
            Self::SymbolD => "symbol d",
            Self::NameA => "name a",
            Self::NameB => "name b",
            Self::NameC => "name c",
            Self::NameD => "name d",
            Self::Alias => "alias",
            Self::Address => "address",
            Self::NonLatin => "non-Latin",
            Self::Unlisted => "not in the catalog",
        }
    }

    /// The sort of `surface`, which follows `before` in its text, as a mention of `asset`.
    pub(super) fn of(asset: Option<&AssetRecord>, surface: &str, before: &str) -> Self {
        let folded = surface.to_lowercase();
        let is = |text: &str| text.to_lowercase() == folded;
        let Some(asset) = asset else { return Self::Unlisted };
        if before.ends_with('$') || surface.starts_with('$') {
            return Self::Cashtag;
        }
        if asset.addresses.values().any(|address| is(address)) {
            return Self::Address;
        }
        if surface.chars().any(|c| c.is_alphabetic() && !c.is_ascii() && c as u32 > 0x24F) {
            return Self::NonLatin;
        }
        if is(&asset.symbol) {
            return match asset.symbol_class {
                Class::A => Self::SymbolA,
                Class::B => Self::SymbolB,
                Class::C => Self::SymbolC,
                Class::D => Self::SymbolD,
            };
        }
        if is(&asset.name) {
            return match asset.name_class {
                Class::A => Self::NameA,
                Class::B => Self::NameB,
                Class::C => Self::NameC,
                Class::D => Self::NameD,
            };
        }
        let alias = asset.aliases.iter().find(|alias| is(&alias.text));
        if let Some(alias) = alias.filter(|alias| alias.kind == AliasKind::Symbol) {
            return if alias.class <= Class::B { Self::SymbolB } else { Self::SymbolC };
        }
        let former = asset
            .formerly
            .iter()
            .any(|former| former.symbol.as_deref().is_some_and(is) || former.name.as_deref().is_some_and(is));
        if alias.is_some() || former { Self::Alias } else { Self::Unlisted }
    }
}
