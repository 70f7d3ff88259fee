//! An operator's changes to a catalog: add, change, hide, pin, block. Never touches the built-in data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::file::{AliasRecord, AssetRecord, BlockerRecord, CatalogFile, Category, Class, FormerRecord};

/// An overlay file.
///
/// ```
/// let overlay = r#"
///     hide = ["tether-gold"]
///     pin = { HOUSE = "our-house-token" }
///     [[asset]]
///     id = "our-house-token"
///     symbol = "HOUSE"
///     name = "House Token"
///     symbol_class = "c"
///     symbol_why = "English word"
///     name_class = "a"
///     [[asset]]
///     id = "bitcoin"
///     aliases = [{ text = "orange coin", kind = "nickname", case = "any", class = "a" }]
/// "#;
/// let catalog = cointag::catalog::Catalog::builtin().with_overlay(overlay)?;
/// assert!(catalog.find("our-house-token").is_some() && catalog.find("tether-gold").is_none());
/// # Ok::<(), cointag::catalog::CatalogError>(())
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overlay {
    /// Ids of assets to leave out.
    hide: Vec<String>,
    /// Symbol → asset id; wins over the catalog's own pins.
    pin: BTreeMap<String, String>,
    /// New assets, or changes to assets with that id.
    asset: Vec<AssetPatch>,
    /// Texts that report no token.
    blocker: Vec<BlockerRecord>,
    /// Blockers (by text) to drop.
    unblock: Vec<String>,
}

/// As [`AssetRecord`], all but the id optional. Single values replace, lists are added to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetPatch {
    id: String,
    symbol: Option<String>,
    name: Option<String>,
    rank: Option<u32>,
    category: Option<Category>,
    symbol_class: Option<Class>,
    symbol_why: Option<String>,
    name_class: Option<Class>,
    name_why: Option<String>,
    #[serde(default)]
    markets: BTreeMap<String, String>,
    #[serde(default)]
    addresses: BTreeMap<String, String>,
    unverified: Option<Vec<String>>,
    #[serde(default)]
    per: BTreeMap<String, u32>,
    #[serde(default)]
    aliases: Vec<AliasRecord>,
    #[serde(default)]
    formerly: Vec<FormerRecord>,
    #[serde(default)]
    context: Vec<String>,
    #[serde(default)]
    against: Vec<String>,
    #[serde(default)]
    negative: Vec<String>,
    #[serde(default)]
    collides: Vec<String>,
}

impl Overlay {
    /// Lays this over `file`.
    ///
    /// # Errors
    /// Says which entry names an asset or blocker that is not there, or which new asset lacks a field.
    pub(super) fn apply(self, mut file: CatalogFile) -> Result<CatalogFile, String> {
        for id in &self.hide {
            let before = file.assets.len();
            file.assets.retain(|asset| asset.id != *id);
            if file.assets.len() == before {
                return Err(format!("`hide` names `{id}`, which is no asset of the catalog"));
            }
            file.pin.retain(|_, pinned| pinned != id);
        }
        for patch in self.asset {
            match file.assets.iter_mut().find(|asset| asset.id == patch.id) {
                Some(asset) => patch.change(asset),
                None => file.assets.push(patch.create()?),
            }
        }
        for (symbol, id) in self.pin {
            if !file.assets.iter().any(|asset| asset.id == id) {
                return Err(format!("`pin` gives {symbol} to `{id}`, which is no asset of the catalog"));
            }
            file.pin.insert(symbol.to_uppercase(), id);
        }
        for text in &self.unblock {
            let before = file.blockers.len();
            file.blockers.retain(|blocker| blocker.text != *text);
            if file.blockers.len() == before {
                return Err(format!("`unblock` names `{text}`, which is no blocker of the catalog"));
            }
        }
        file.blockers.extend(self.blocker);
        Ok(file)
    }
}

impl AssetPatch {
    fn change(self, asset: &mut AssetRecord) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        set(&mut asset.symbol, self.symbol);
        set(&mut asset.name, self.name);
        set(&mut asset.rank, self.rank.map(Some));
        set(&mut asset.category, self.category);
        set(&mut asset.symbol_class, self.symbol_class);
        set(&mut asset.symbol_why, self.symbol_why.map(Some));
        set(&mut asset.name_class, self.name_class);
        set(&mut asset.name_why, self.name_why.map(Some));
        set(&mut asset.unverified, self.unverified);
        asset.markets.extend(self.markets);
        asset.addresses.extend(self.addresses);
        asset.per.extend(self.per);
        for alias in self.aliases {
            // The operator's word on a spelling that is there already replaces ours.
            asset.aliases.retain(|known| known.text != alias.text);
            asset.aliases.push(alias);
        }
        asset.formerly.extend(self.formerly);
        asset.context.extend(self.context);
        asset.against.extend(self.against);
        asset.negative.extend(self.negative);
        asset.collides.extend(self.collides);
    }

    fn create(self) -> Result<AssetRecord, String> {
        let id = self.id;
        let missing = |field: &str| format!("the new asset `{id}` has no `{field}`");
        Ok(AssetRecord {
            symbol: self.symbol.ok_or_else(|| missing("symbol"))?,
            name: self.name.ok_or_else(|| missing("name"))?,
            rank: self.rank,
            category: self.category.unwrap_or_default(),
            symbol_class: self.symbol_class.ok_or_else(|| missing("symbol_class"))?,
            symbol_why: self.symbol_why,
            name_class: self.name_class.ok_or_else(|| missing("name_class"))?,
            name_why: self.name_why,
            markets: self.markets,
            addresses: self.addresses,
            unverified: self.unverified.unwrap_or_default(),
            per: self.per,
            aliases: self.aliases,
            formerly: self.formerly,
            context: self.context,
            against: self.against,
            negative: self.negative,
            collides: self.collides,
            id,
        })
    }
}
