//! What we know: the assets, their spellings, their ids at each market, and what only looks like one.
//!
//! Pure data and look-ups. Never reads a file or the clock: callers hand in the text of a catalog.

mod chains;
mod check;
mod diff;
mod file;
mod overlay;
mod sync;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

pub use chains::{AddressForm, CHAINS, Chain, checksum_holds};
pub use check::{Problem, check};
pub use diff::{Change, Subject, diff};
pub use file::{
    AliasKind, AliasRecord, AssetRecord, BlockerKind, BlockerRecord, CaseRule, CatalogFile, Category, Class,
    FormerRecord,
};
pub use overlay::Overlay;
pub use sync::{Listed, Other, SyncError, Synced, sync};

const BUILTIN_ASSETS: &str = include_str!("../../data/catalog/assets.toml");
const BUILTIN_BLOCKERS: &str = include_str!("../../data/catalog/blockers.toml");

/// A person's bare symbol goes to the better-ranked holder only if it ranks this many times better.
const CLEARLY_BETTER: u32 = 10;

/// Position of an asset in one [`Catalog`]. Means nothing in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenIndex(pub u32);

impl TokenIndex {
    /// As an index into a slice that has one place per asset.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A catalog ready for look-ups. Cheap to share, never changed: another overlay makes another one.
#[derive(Debug)]
pub struct Catalog {
    file: CatalogFile,
    version: String,
    by_id: HashMap<String, TokenIndex>,
    by_symbol: HashMap<String, Vec<TokenIndex>>,
}

/// Why a catalog text could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not TOML, or a field that is not known; the message holds line and column.
    #[error("not a catalog: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// The overlay names an asset that is not there.
    #[error("overlay: {0}")]
    Overlay(String),
    /// The data breaks its own rules.
    #[error("{} problem(s) in the catalog, the first: {}", .0.len(), .0[0])]
    Unsound(Vec<Problem>),
}

/// What a bare symbol, typed by a person, stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum SymbolMatch {
    /// Nobody holds it.
    Unknown,
    /// One asset: pinned, the sole holder, or ranked ten times better than the next.
    One(TokenIndex),
    /// Several, best rank first.
    Ambiguous(Vec<TokenIndex>),
}

impl Catalog {
    /// The catalog that the program carries.
    pub fn builtin() -> Arc<Self> {
        static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            let file = builtin_file();
            Arc::new(Catalog::from_file(file))
        });
        Arc::clone(&BUILTIN)
    }

    /// Reads a catalog file. Its rules are checked: an unsound catalog is refused with every problem.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] or [`CatalogError::Unsound`].
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let file: CatalogFile = toml::from_str(text)?;
        let problems = check(&file);
        if problems.is_empty() { Ok(Self::from_file(file)) } else { Err(CatalogError::Unsound(problems)) }
    }

    /// This catalog with an operator's overlay laid over it. Collisions that the overlay brings in are
    /// the operator's decision and are not refused.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] or [`CatalogError::Overlay`].
    pub fn with_overlay(&self, overlay: &str) -> Result<Self, CatalogError> {
        let overlay: Overlay = toml::from_str(overlay)?;
        Ok(Self::from_file(overlay.apply(self.file.clone()).map_err(CatalogError::Overlay)?))
    }

    /// Builds the look-ups over records that are taken as they are.
    pub fn from_file(file: CatalogFile) -> Self {
        let mut by_id = HashMap::with_capacity(file.assets.len());
        let mut by_symbol: HashMap<String, Vec<TokenIndex>> = HashMap::new();
        for (index, asset) in (0u32..).zip(&file.assets) {
            by_id.insert(asset.id.clone(), TokenIndex(index));
            for symbol in symbols(asset) {
                let holders = by_symbol.entry(symbol).or_default();
                if !holders.contains(&TokenIndex(index)) {
                    holders.push(TokenIndex(index));
                }
            }
        }
        for holders in by_symbol.values_mut() {
            holders.sort_by_key(|index| (file.assets[index.at()].rank.unwrap_or(u32::MAX), *index));
        }
        let version = version(&file);
        Self { file, version, by_id, by_symbol }
    }

    /// Date and content hash; two catalogs with equal versions have equal content.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The records, as `catalog export` writes them.
    pub fn file(&self) -> &CatalogFile {
        &self.file
    }

    /// Every asset, in the order of its index.
    pub fn assets(&self) -> &[AssetRecord] {
        &self.file.assets
    }

    /// Every index, in order.
    pub fn indices(&self) -> impl Iterator<Item = TokenIndex> + use<> {
        (0u32..).take(self.file.assets.len()).map(TokenIndex)
    }

    /// The asset at `index`, which must come from this catalog.
    pub fn asset(&self, index: TokenIndex) -> &AssetRecord {
        &self.file.assets[index.at()]
    }

    /// The asset with this id.
    pub fn find(&self, id: &str) -> Option<TokenIndex> {
        self.by_id.get(id).copied()
    }

    /// What a symbol typed by a person means; a leading `$` and letter case do not matter.
    pub fn find_symbol(&self, symbol: &str) -> SymbolMatch {
        let symbol = symbol.trim_start_matches('$').to_uppercase();
        if let Some(pinned) = self.file.pin.get(&symbol).and_then(|id| self.find(id)) {
            return SymbolMatch::One(pinned);
        }
        let holders = self.by_symbol.get(&symbol).map_or(&[][..], Vec::as_slice);
        match holders {
            [] => SymbolMatch::Unknown,
            [only] => SymbolMatch::One(*only),
            [best, next, ..] if self.clearly_better(*best, *next) => SymbolMatch::One(*best),
            _ => SymbolMatch::Ambiguous(holders.to_vec()),
        }
    }

    /// Whether `best` outranks `other` so far that a shared ticker means it.
    pub fn clearly_better(&self, best: TokenIndex, other: TokenIndex) -> bool {
        match (self.asset(best).rank, self.asset(other).rank) {
            (Some(best), Some(other)) => best.saturating_mul(CLEARLY_BETTER) <= other,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Up to `max` ids, symbols or names close to what was asked, for "did you mean".
    pub fn suggestions(&self, asked: &str, max: usize) -> Vec<&AssetRecord> {
        let asked = asked.trim_start_matches('$').to_lowercase();
        let closeness = |asset: &AssetRecord| {
            [&asset.id, &asset.symbol, &asset.name]
                .into_iter()
                .map(|text| strsim::jaro_winkler(&asked, &text.to_lowercase()))
                .fold(0.0, f64::max)
        };
        let mut close: Vec<_> = self
            .assets()
            .iter()
            .map(|asset| (closeness(asset), asset))
            .filter(|(close, _)| *close > 0.9)
            .collect();
        close.sort_by(|a, b| b.0.total_cmp(&a.0));
        close.into_iter().take(max).map(|(_, asset)| asset).collect()
    }
}

/// The records of the built-in catalog, unchecked; a test checks them.
pub fn builtin_file() -> CatalogFile {
    #[expect(clippy::expect_used, reason = "the built-in files are compiled in and parsed by a test")]
    let parse = |text| toml::from_str::<CatalogFile>(text).expect("built-in catalog");
    let mut file = parse(BUILTIN_ASSETS);
    file.blockers.extend(parse(BUILTIN_BLOCKERS).blockers);
    file
}

/// The symbols by which a person may ask for an asset, in capitals: today's, alternative and former ones.
fn symbols(asset: &AssetRecord) -> impl Iterator<Item = String> {
    let aliases =
        asset.aliases.iter().filter(|alias| alias.kind == AliasKind::Symbol).map(|alias| &alias.text);
    let former = asset.formerly.iter().filter_map(|former| former.symbol.as_ref());
    std::iter::once(&asset.symbol).chain(aliases).chain(former).map(|symbol| symbol.to_uppercase())
}

fn version(file: &CatalogFile) -> String {
    #[expect(clippy::expect_used, reason = "strings, numbers and maps with string keys always serialise")]
    let canonical = serde_json::to_vec(file).expect("catalog serialises");
    let hash = blake3::hash(&canonical).to_hex();
    format!("{}-{}", if file.as_of.is_empty() { "undated" } else { &file.as_of }, &hash[..12])
}
