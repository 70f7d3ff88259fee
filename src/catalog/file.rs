//! The catalog as people write it: TOML records, the same for the built-in data, an operator's
//! catalog file and `catalog export`.
//!
//! Owns the field names and their meaning. Never decides whether the data is sound: [`super::check`] does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole catalog file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogFile {
    /// Date (`YYYY-MM-DD`) of the ranks and names in the file; empty in a file without assets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub as_of: String,
    /// Symbols that always mean one asset when a person types them: symbol → asset id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pin: BTreeMap<String, String>,
    /// The crypto assets, most valuable first.
    #[serde(rename = "asset", skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetRecord>,
    /// Texts that look like an asset and are something else.
    #[serde(rename = "blocker", skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<BlockerRecord>,
}

/// One crypto asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetRecord {
    /// Our stable id, never reused: the CoinGecko id where there is one.
    pub id: String,
    /// Ticker of today, in its usual capitals.
    pub symbol: String,
    /// Name of today.
    pub name: String,
    /// Place by market capitalisation at `as_of`; a tie-break only. `None`: not ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// What kind of asset it is.
    #[serde(default)]
    pub category: Category,
    /// How far the ticker alone can be trusted.
    pub symbol_class: Class,
    /// Why the ticker is class c or d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_why: Option<String>,
    /// How far the name alone can be trusted.
    pub name_class: Class,
    /// Why the name is class c or d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_why: Option<String>,
    /// The asset's own id at each market: market → id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markets: BTreeMap<String, String>,
    /// The token's address on each chain it lives on, under CoinGecko's names of chains: chain → address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, String>,
    /// Markets whose id was matched by name only: such a link prices the asset alone only after it
    /// once agreed with another source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unverified: Vec<String>,
    /// How many tokens one unit of a market's listing holds, where that is not 1 (`1000SATS`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per: BTreeMap<String, u32>,
    /// Other spellings of today.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<AliasRecord>,
    /// Tickers and names of the past.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<FormerRecord>,
    /// Words that make this asset believable when they stand in the same text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// Words that speak of another bearer of the name when they stand in the same text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
    /// Phrases in which the surface is not this asset. All lower case: the plain word in any case but
    /// capitals; otherwise as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<String>,
    /// Ids of assets that own, or compete for, one of this asset's surfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collides: Vec<String>,
}

/// Another spelling of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasRecord {
    /// The spelling.
    pub text: String,
    /// What sort of spelling it is.
    pub kind: AliasKind,
    /// Which letter cases count.
    pub case: CaseRule,
    /// How far it can be trusted alone.
    pub class: Class,
    /// Why it is class c or d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A ticker or name that the asset gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerRecord {
    /// The former ticker, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The former name, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First date (`YYYY-MM-DD`) on which it no longer held.
    pub until: String,
    /// How far the former spelling can be trusted today.
    pub class: Class,
    /// Why it is class c or d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A text that consumes its words and reports no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockerRecord {
    /// The text.
    pub text: String,
    /// What it is instead.
    pub kind: BlockerKind,
    /// Which letter cases count.
    pub case: CaseRule,
    /// What it would be mistaken for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What an asset is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's own words")]
pub enum Category {
    #[default]
    Asset,
    Stablecoin,
    Wrapped,
    Staked,
    Bridged,
    Fund,
    FanToken,
    Commodity,
    TokenizedStock,
    Vault,
}

/// How far a surface alone can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// In any case that its case rule allows.
    A,
    /// With its capitals.
    B,
    /// Only with support: a cashtag, a pair, parentheses, a context word.
    C,
    /// Never on its own.
    D,
}

/// What sort of spelling an alias is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasKind {
    /// A ticker, also an alternative one (XBT).
    Symbol,
    /// A full name.
    Name,
    /// A shorter name (Doge).
    ShortName,
    /// The network of the token (BNB Chain).
    Network,
    /// A body that carries the token's name (NEAR Foundation).
    Organisation,
    /// A plural (bitcoins).
    Plural,
    /// Another spelling (bitcoin cash → bcash).
    Spelling,
    /// A nickname.
    Nickname,
    /// A sign (₿).
    Glyph,
    /// A name in another language or script.
    LocalName,
}

/// Which letter cases of an alias count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseRule {
    /// Every one.
    Any,
    /// As written, or all in capitals.
    Brand,
    /// All in capitals.
    Upper,
}

/// What a blocker is instead of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum BlockerKind {
    Company,
    Exchange,
    Person,
    Unit,
    Collection,
    Agency,
    Product,
    Place,
    /// A longer name that holds a token's name and is another thing.
    LongerName,
    /// A fixed phrase of the language or of finance.
    Term,
}

impl Class {
    /// The letter used in the data.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
            Self::C => 'c',
            Self::D => 'd',
        }
    }
}
