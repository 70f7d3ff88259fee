//! A catalog brought up to date with what the markets list. Pure: the lists and the date come in.
//!
//! Adds ids, addresses, new tickers and new assets; never changes a class, an alias or a link that is there, and
//! never deletes. What it is not sure of stays as it was, and the notes say so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rust_decimal::Decimal;

use super::chains::Chain;
use super::check::check;
use super::file::{AssetRecord, CatalogFile, Category, Class, FormerRecord};

/// More of our assets missing from the list than this share: the list is broken, not the market.
const LOSS_MAX: f64 = 0.05;
/// Two prices of one coin lie this near.
const SAME_PRICE_WITHIN: f64 = 0.02;
const NOT_REVIEWED: &str = "new from the markets' lists, not reviewed";
/// What one asset's doubtful change takes to be found and undone, and then another's.
const ROUNDS: usize = 8;

const COINGECKO: &str = "coingecko";

/// A coin as CoinGecko lists it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Its id there.
    pub id: String,
    /// Ticker, in any case.
    pub symbol: String,
    /// Name.
    pub name: String,
    /// Chain → address.
    pub platforms: BTreeMap<String, String>,
    /// Place by market capitalisation; only the ranked ones become new assets.
    pub rank: Option<u32>,
    /// US dollars.
    pub price: Option<Decimal>,
}

/// A coin as another market lists it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Other {
    /// The market, by its name in the catalog.
    pub market: &'static str,
    /// Its id there.
    pub id: String,
    /// Ticker, in any case.
    pub symbol: String,
    /// Name.
    pub name: String,
    /// US dollars.
    pub price: Option<Decimal>,
    /// Addresses of its contracts, on any chain.
    pub addresses: Vec<String>,
}

/// A catalog brought up to date.
#[derive(Debug)]
pub struct Synced {
    /// The whole catalog.
    pub file: CatalogFile,
    /// What a person should look at: vanished ids, changes that would break a rule.
    pub notes: Vec<String>,
}

/// Why a sync is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Too many of our assets are missing.
    #[error(
        "{missing} of {known} assets are missing from CoinGecko's list, more than 5 %; nothing was changed"
    )]
    Loses {
        /// So many.
        missing: usize,
        /// Of so many.
        known: usize,
    },
    /// The result would break the catalog's own rules.
    #[error("the result would break {0} rule(s) of the catalog; nothing was changed")]
    Unsound(usize),
}

/// `file` with what the lists of `date` (`YYYY-MM-DD`) say.
///
/// # Errors
/// The list loses too much, or the result would be unsound.
pub fn sync(
    file: &CatalogFile,
    listed: &[Listed],
    others: &[Other],
    date: &str,
) -> Result<Synced, SyncError> {
    let by_id: HashMap<&str, &Listed> = listed.iter().map(|coin| (coin.id.as_str(), coin)).collect();
    let mut notes = Vec::new();
    let ids: Vec<&str> =
        file.assets.iter().filter_map(|asset| Some(asset.markets.get(COINGECKO)?.as_str())).collect();
    let vanished: Vec<&&str> = ids.iter().filter(|id| !by_id.contains_key(**id)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a catalog has thousands of assets, not 2^53")]
    if vanished.len() as f64 > ids.len() as f64 * LOSS_MAX {
        return Err(SyncError::Loses { missing: vanished.len(), known: ids.len() });
    }
    notes.extend(vanished.iter().map(|id| format!("{id}: no longer listed by CoinGecko; kept as it is")));

    let mut synced = file.clone();
    let linked = file
        .assets
        .iter()
        .flat_map(|asset| asset.markets.iter().map(|(market, id)| (market.clone(), id.clone())));
    let mut links = Links { others: Others::new(others), linked: linked.collect() };
    for asset in &mut synced.assets {
        let Some(coin) = asset.markets.get(COINGECKO).and_then(|id| by_id.get(id.as_str())) else { continue };
        for (chain, address) in addresses(coin) {
            asset.addresses.entry(chain).or_insert(address);
        }
        links.add(asset, coin);
        rename(asset, coin, date);
    }
    let known: HashSet<&str> =
        ids.into_iter().chain(file.assets.iter().map(|asset| asset.id.as_str())).collect();
    let mut new: Vec<&Listed> =
        listed.iter().filter(|coin| coin.rank.is_some() && !known.contains(coin.id.as_str())).collect();
    new.sort_by_key(|coin| coin.rank);
    for coin in new {
        let mut asset = asset(coin);
        links.add(&mut asset, coin);
        synced.assets.push(asset);
    }
    settle(file, &mut synced, &mut notes)?;
    Ok(Synced { file: synced, notes })
}

/// The other markets' coins by folded ticker.
struct Others<'a>(HashMap<String, Vec<&'a Other>>);

impl<'a> Others<'a> {
    fn new(others: &'a [Other]) -> Self {
        let mut by_symbol: HashMap<String, Vec<&Other>> = HashMap::new();
        others.iter().for_each(|other| by_symbol.entry(fold(&other.symbol)).or_default().push(other));
        Self(by_symbol)
    }
}

struct Links<'a> {
    others: Others<'a>,
    /// Every (market, id) that an asset has.
    linked: HashSet<(String, String)>,
}

impl Links<'_> {
    /// Adds the id at each market where there is none and exactly one coin has the same ticker and either a contract
    /// of the same address, or the same name and price.
    fn add(&mut self, asset: &mut AssetRecord, coin: &Listed) {
        let alike = self.others.0.get(&fold(&coin.symbol)).map(Vec::as_slice).unwrap_or_default();
        let markets: BTreeSet<&str> = alike.iter().map(|other| other.market).collect();
        for market in markets {
            if asset.markets.contains_key(market) {
                continue;
            }
            let here = || alike.iter().filter(|other| other.market == market);
            let by_address = only(here().filter(|other| same_contract(coin, other)));
            let by_name = || only(here().filter(|other| same_name_and_price(coin, other)));
            let Some(other) = by_address.or_else(by_name) else { continue };
            if self.linked.insert((market.to_owned(), other.id.clone())) {
                asset.markets.insert(market.to_owned(), other.id.clone());
                asset.unverified.push(market.to_owned());
            }
        }
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn same_contract(coin: &Listed, other: &Other) -> bool {
    // Letter case means something in addresses of some chains, and nothing in those that begin so.
    let same = |one: &str, two: &str| {
        if one.starts_with("0x") { one.eq_ignore_ascii_case(two) } else { one == two }
    };
    coin.platforms.values().any(|address| other.addresses.iter().any(|listed| same(address, listed)))
}

fn same_name_and_price(coin: &Listed, other: &Other) -> bool {
    fold(&other.name) == fold(&coin.name) && same_price(coin.price, other.price)
}

/// Takes a new ticker; the old one stays as a former one.
fn rename(asset: &mut AssetRecord, coin: &Listed, date: &str) {
    let symbol = coin.symbol.to_uppercase();
    let known = std::iter::once(&asset.symbol).chain(asset.aliases.iter().map(|alias| &alias.text));
    if symbol.is_empty() || known.into_iter().any(|known| fold(known) == fold(&symbol)) {
        return;
    }
    let old = std::mem::replace(&mut asset.symbol, symbol);
    asset.formerly.retain(|former| former.symbol.as_deref().map(fold) != Some(fold(&asset.symbol)));
    asset.formerly.push(FormerRecord {
        symbol: Some(old),
        name: None,
        until: date.to_owned(),
        class: asset.symbol_class,
        why: asset.symbol_why.take(),
    });
    // The class was the old ticker's and went with it.
    asset.symbol_class = asset.symbol_class.max(Class::C);
    asset.symbol_why = Some(NOT_REVIEWED.to_owned());
}

/// The addresses of a coin; one that is not written as its chain writes them is left out.
fn addresses(coin: &Listed) -> BTreeMap<String, String> {
    let holds = |chain: &str, address: &str| Chain::find(chain).is_none_or(|chain| chain.holds(address));
    let platforms = coin.platforms.iter().filter(|(chain, address)| holds(chain, address));
    platforms.map(|(chain, address)| (chain.clone(), address.clone())).collect()
}

/// A ticker that nobody looked at: short ones are words and abbreviations of everybody's, and so are numbers.
fn unseen_ticker(symbol: &str) -> Class {
    const DISTINCT: usize = 5;
    let distinct = symbol.chars().count() >= DISTINCT && !symbol.starts_with(|c: char| c.is_ascii_digit());
    if distinct { Class::C } else { Class::D }
}

/// A name that nobody looked at counts only beside its ticker or its contract: most names are words. One in
/// small letters gets a capital, without which any text would hold it.
fn unseen_name(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if !name.chars().any(char::is_uppercase) => first.to_uppercase().chain(letters).collect(),
        _ => name.to_owned(),
    }
}

fn asset(coin: &Listed) -> AssetRecord {
    let why = Some(NOT_REVIEWED.to_owned());
    AssetRecord {
        id: coin.id.clone(),
        symbol: coin.symbol.to_uppercase(),
        name: unseen_name(&coin.name),
        rank: coin.rank,
        category: Category::default(),
        symbol_class: unseen_ticker(&coin.symbol),
        symbol_why: why.clone(),
        name_class: Class::D,
        name_why: why,
        markets: BTreeMap::from([(COINGECKO.to_owned(), coin.id.clone())]),
        addresses: addresses(coin),
        unverified: Vec::new(),
        per: BTreeMap::new(),
        aliases: Vec::new(),
        formerly: Vec::new(),
        context: Vec::new(),
        against: Vec::new(),
        negative: Vec::new(),
        collides: Vec::new(),
    }
}

/// Names collisions, and undoes what would still break a rule of the catalog.
fn settle(before: &CatalogFile, synced: &mut CatalogFile, notes: &mut Vec<String>) -> Result<(), SyncError> {
    let old: HashMap<&str, &AssetRecord> =
        before.assets.iter().map(|asset| (asset.id.as_str(), asset)).collect();
    for _ in 0..ROUNDS {
        name_collisions(&old, synced);
        let problems = check(synced);
        if problems.is_empty() {
            return Ok(());
        }
        let mut at_fault: HashSet<String> = problems.iter().map(|problem| problem.subject.clone()).collect();
        // A rule may name an old asset whose surface a new or renamed one has taken.
        let taken: HashSet<String> = synced
            .assets
            .iter()
            .filter(|asset| at_fault.contains(&asset.id))
            .flat_map(|asset| [fold(&asset.symbol), fold(&asset.name)])
            .collect();
        let changed =
            |asset: &AssetRecord| old.get(asset.id.as_str()).is_none_or(|old| old.symbol != asset.symbol);
        let clashes =
            |asset: &AssetRecord| [&asset.symbol, &asset.name].iter().any(|text| taken.contains(&fold(text)));
        let clashing = synced.assets.iter().filter(|asset| changed(asset) && clashes(asset));
        at_fault.extend(clashing.map(|asset| asset.id.clone()));
        synced.assets.retain_mut(|asset| {
            if !at_fault.contains(&asset.id) {
                return true;
            }
            match old.get(asset.id.as_str()) {
                // Ids and addresses are no surfaces: only a new ticker can have broken a rule.
                Some(old) if old.symbol != asset.symbol => {
                    notes.push(format!("{}: left as it was; the change would break a rule", asset.id));
                    *asset = (*old).clone();
                    true
                }
                Some(_) => true,
                None => {
                    notes.push(format!(
                        "{} ({}, {}): not added; it would break a rule",
                        asset.id, asset.symbol, asset.name
                    ));
                    false
                }
            }
        });
        let ids: HashSet<String> = synced.assets.iter().map(|asset| asset.id.clone()).collect();
        for asset in &mut synced.assets {
            asset.collides.retain(|id| ids.contains(id));
        }
    }
    name_collisions(&old, synced);
    match check(synced).len() {
        0 => Ok(()),
        problems => Err(SyncError::Unsound(problems)),
    }
}

/// A new asset that shares a surface comes after every reviewed one: it has no rank and names them.
fn name_collisions(old: &HashMap<&str, &AssetRecord>, synced: &mut CatalogFile) {
    let mut holders: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, asset) in synced.assets.iter().enumerate() {
        let aliases = asset.aliases.iter().map(|alias| fold(&alias.text));
        let former = asset.formerly.iter().flat_map(|former| [&former.symbol, &former.name]).flatten();
        let own: HashSet<String> = [fold(&asset.symbol), fold(&asset.name)]
            .into_iter()
            .chain(aliases)
            .chain(former.map(|text| fold(text)))
            .collect();
        own.into_iter().for_each(|text| holders.entry(text).or_default().push(place));
    }
    for places in holders.values().filter(|places| places.len() > 1) {
        for place in places {
            if !old.contains_key(synced.assets[*place].id.as_str()) {
                synced.assets[*place].rank = None;
            }
        }
        let mut places = places.clone();
        places.sort_by_key(|place| (synced.assets[*place].rank.unwrap_or(u32::MAX), *place));
        let owner = synced.assets[places[0]].id.clone();
        for place in &places[1..] {
            let lesser = &mut synced.assets[*place];
            let changed = old.get(lesser.id.as_str()).is_none_or(|old| old.symbol != lesser.symbol);
            if changed && !lesser.collides.contains(&owner) {
                lesser.collides.push(owner.clone());
            }
        }
    }
}

fn same_price(one: Option<Decimal>, other: Option<Decimal>) -> bool {
    let (Some(one), Some(other)) = (one.and_then(number), other.and_then(number)) else { return false };
    (one - other).abs() <= one.max(other) * SAME_PRICE_WITHIN
}

fn number(price: Decimal) -> Option<f64> {
    f64::try_from(price).ok().filter(|price| *price > 0.0)
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests;
