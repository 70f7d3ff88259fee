//! By which id each token is asked for, and since when that id means it. Pure.

use jiff::Timestamp;

use crate::catalog::{AssetRecord, Catalog};

/// A token's id at a source of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: String,
    /// Tokens in one unit of the listing.
    pub(super) per: u32,
    /// Before this the id meant another token.
    pub(super) since: Option<Timestamp>,
}

/// The ids that the catalog keeps under `market`, where they are sure: the past has no second source to prove
/// them with.
pub(super) fn of_market(catalog: &Catalog, market: &str) -> Vec<Option<Link>> {
    catalog.assets().iter().map(|asset| link(asset, market)).collect()
}

/// The base assets of Binance. A ticker that another token gave up is not asked for while that one still held
/// it: LUNA of 2021 is not the LUNA of today.
pub(super) fn of_binance(catalog: &Catalog) -> Vec<Option<Link>> {
    let mut links = of_market(catalog, "binance");
    for (asset, link) in catalog.assets().iter().zip(&mut links) {
        // There is no pair of USDT with itself.
        if link.as_ref().is_some_and(|link| link.id == "USDT") {
            *link = None;
        }
        let Some(link) = link else { continue };
        let others = catalog.assets().iter().filter(|other| other.id != asset.id);
        let former = others.flat_map(|other| &other.formerly);
        let given_up = former.filter(|former| former.symbol.as_ref() == Some(&link.id));
        link.since = given_up.filter_map(|former| format!("{}T00:00:00Z", former.until).parse().ok()).max();
    }
    links
}

fn link(asset: &AssetRecord, market: &str) -> Option<Link> {
    if asset.unverified.iter().any(|unverified| unverified == market) {
        return None;
    }
    let per = asset.per.get(market).copied().unwrap_or(1);
    asset.markets.get(market).map(|id| Link { id: id.clone(), per, since: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticker_of_another_token_is_not_asked_for_while_that_one_held_it() {
        let catalog = Catalog::builtin();
        let links = of_binance(&catalog);
        let since = |id: &str| links[catalog.find(id).unwrap().at()].as_ref().map(|link| link.since);
        let given_up = since("terra-luna-2").flatten().expect("LUNA was another coin's");
        assert!(given_up > "2022-05-01T00:00:00Z".parse().unwrap(), "{given_up}");
        assert_eq!(since("bitcoin"), Some(None));
        assert_eq!(since("tether"), None);
    }
}
