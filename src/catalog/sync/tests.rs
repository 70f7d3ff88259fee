//! What a list of market data becomes, by small lists made here.

use super::*;

/// One of letters that its chain writes addresses in: the id's own bytes.
fn address(id: &str) -> String {
    let digits: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits:0>40}")
}

fn coin(id: &str, symbol: &str, name: &str, rank: u32, price: &str) -> Listed {
    let platforms = [("ethereum", address(id)), ("base", "no address".to_owned())];
    let platforms = platforms.map(|(chain, address)| (chain.to_owned(), address)).into();
    let (symbol, name, price) = (symbol.to_owned(), name.to_owned(), price.parse().ok());
    Listed { id: id.to_owned(), symbol, name, platforms, rank: Some(rank), price }
}

fn paprika(id: &str, symbol: &str, name: &str, price: &str) -> Other {
    let (symbol, name, price) = (symbol.to_owned(), name.to_owned(), price.parse().ok());
    Other { market: "coinpaprika", id: id.to_owned(), symbol, name, price, addresses: Vec::new() }
}

fn catalog() -> CatalogFile {
    toml::from_str(
        r#"
        as_of = "2026-01-01"
        [[asset]]
        id = "alpha"
        symbol = "AL"
        name = "Alpha"
        rank = 5
        symbol_class = "b"
        name_class = "a"
        markets = { coingecko = "alpha" }
        aliases = [{ text = "Alfa", kind = "nickname", case = "any", class = "a" }]
        [[asset]]
        id = "beta"
        symbol = "BETA"
        name = "Beta Coin"
        rank = 9
        symbol_class = "a"
        name_class = "a"
        markets = { coingecko = "beta", coinpaprika = "beta-other" }
        "#,
    )
    .unwrap()
}

#[test]
fn ids_and_addresses_are_added_unverified_and_nothing_reviewed_changes() {
    let listed = [coin("alpha", "al", "Alpha", 5, "2.0"), coin("beta", "beta", "Beta Coin", 9, "1")];
    let others = [
        paprika("al-alpha", "AL", "alpha", "2.03"),
        paprika("al-alpha-old", "AL", "Alpha", "0.1"),
        paprika("beta-beta-coin", "BETA", "Beta Coin", "1"),
    ];
    let synced = sync(&catalog(), &listed, &others, "2026-05-18").unwrap().file;
    let mut expected = catalog();
    expected.assets[0].markets.insert("coinpaprika".to_owned(), "al-alpha".to_owned());
    expected.assets[0].unverified.push("coinpaprika".to_owned());
    for asset in &mut expected.assets {
        asset.addresses.insert("ethereum".to_owned(), address(&asset.id));
    }
    assert_eq!(synced, expected, "a link that is there is never replaced");
}

#[test]
fn a_contract_of_the_same_address_links_whatever_the_name_and_two_candidates_do_not() {
    let listed = [coin("alpha", "al", "Alpha", 5, "2.0"), coin("beta", "beta", "Beta Coin", 9, "1")];
    let at = |address: &str, other: Other| Other { addresses: vec![address.to_owned()], ..other };
    let cmc =
        |id: &str, name: &str, price| Other { market: "coinmarketcap", ..paprika(id, "AL", name, price) };
    let others = [
        at(&address("alpha").replace('c', "C"), cmc("1", "Alpha Protocol", "9")),
        cmc("2", "Alpha", "2.0"),
        paprika("al-one", "AL", "Alpha", "2.0"),
        paprika("al-two", "AL", "Alpha", "2.0"),
    ];
    let alpha = sync(&catalog(), &listed, &others, "2026-05-18").unwrap().file.assets.swap_remove(0);
    assert_eq!(alpha.markets.get("coinmarketcap").map(String::as_str), Some("1"));
    assert_eq!(alpha.markets.get("coinpaprika"), None, "one of two would be a guess");
    assert_eq!(alpha.unverified, ["coinmarketcap"]);
}

#[test]
fn a_new_ticker_is_class_c_and_the_old_one_is_kept_with_its_date() {
    let listed = [coin("alpha", "alph", "Alpha", 5, "2"), coin("beta", "beta", "Beta Coin", 9, "1")];
    let synced = sync(&catalog(), &listed, &[], "2026-05-18").unwrap().file;
    let alpha = &synced.assets[0];
    assert_eq!((alpha.symbol.as_str(), alpha.symbol_class, alpha.name_class), ("ALPH", Class::C, Class::A));
    assert!(alpha.symbol_why.is_some());
    let former = &alpha.formerly[0];
    assert_eq!(
        (former.symbol.as_deref(), former.until.as_str(), former.class),
        (Some("AL"), "2026-05-18", Class::B)
    );
    assert_eq!(check(&synced), []);
}

#[test]
fn new_assets_come_last_in_every_collision_and_a_broken_rule_keeps_them_out() {
    let listed = [
        coin("alpha", "al", "Alpha", 5, "2"),
        coin("beta", "beta", "Beta Coin", 9, "1"),
        coin("gamma", "gam", "Gamma", 3, "7"),
        coin("alpha-two", "al", "Alpha Two", 1, "7"),
        // The name is a ticker that is safe alone.
        coin("beta-two", "btw", "Beta", 2, "7"),
        Listed { rank: None, ..coin("unranked", "unr", "Unranked", 0, "7") },
    ];
    let Synced { file, notes } = sync(&catalog(), &listed, &[], "2026-05-18").unwrap();
    assert_eq!(check(&file), []);
    let ids: Vec<_> = file.assets.iter().map(|asset| (asset.id.as_str(), asset.rank)).collect();
    assert_eq!(ids, [("alpha", Some(5)), ("beta", Some(9)), ("alpha-two", None), ("gamma", Some(3))]);
    assert_eq!(file.assets[2].collides, ["alpha"]);
    assert_eq!(notes, ["beta-two (BTW, Beta): not added; it would break a rule"]);
}

#[test]
fn a_list_that_loses_too_much_is_refused() {
    let listed = [coin("alpha", "al", "Alpha", 5, "2")];
    let refused = sync(&catalog(), &listed, &[], "2026-05-18").unwrap_err();
    assert_eq!(refused, SyncError::Loses { missing: 1, known: 2 });
}
