//! The built-in data keeps its rules, and an overlay changes what it says it changes.

use cointag::catalog::{Catalog, CatalogError, CatalogFile, SymbolMatch, builtin_file, check};

#[test]
fn the_builtin_catalog_keeps_every_rule() {
    let problems = check(&builtin_file());
    let lines: Vec<String> = problems.iter().take(40).map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), lines.join("\n"));
}

#[test]
fn every_rule_is_enforced() {
    let base = r#"
        as_of = "2026-01-01"
        [[asset]]
        id = "alpha"
        symbol = "ALP"
        name = "Alpha"
        rank = 1
        symbol_class = "a"
        name_class = "a"
        markets = { coingecko = "alpha" }
    "#;
    for (what, more, said) in [
        (
            "a market id twice",
            "[[asset]]\nid='b'\nsymbol='BBB'\nname='Beta'\nrank=2\nsymbol_class='a'\nname_class='a'\nmarkets={coingecko='alpha'}",
            "also belongs to",
        ),
        (
            "an id twice",
            "[[asset]]\nid='alpha'\nsymbol='BBB'\nname='Beta'\nsymbol_class='a'\nname_class='a'",
            "stands twice",
        ),
        (
            "a shared class-a surface",
            "[[asset]]\nid='b'\nsymbol='ALP'\nname='Beta'\nrank=2\nsymbol_class='a'\nname_class='a'\ncollides=['alpha']",
            "lower it",
        ),
        (
            "an unnamed collision",
            "[[asset]]\nid='b'\nsymbol='ALP'\nname='Beta'\nrank=2\nsymbol_class='d'\nsymbol_why='x'\nname_class='a'",
            "name it in `collides`",
        ),
        (
            "a ticker that is a name",
            "[[asset]]\nid='b'\nsymbol='ALPHA'\nname='Beta'\nrank=2\nsymbol_class='b'\nname_class='a'\ncollides=['alpha']",
            "is the name of",
        ),
        (
            "class c without a reason",
            "[[asset]]\nid='b'\nsymbol='BBB'\nname='Beta'\nsymbol_class='c'\nname_class='a'",
            "has no `why`",
        ),
        (
            "a former symbol without a full date",
            "[[asset]]\nid='b'\nsymbol='BBB'\nname='Beta'\nsymbol_class='a'\nname_class='a'\nformerly=[{symbol='OLD',until='2020',class='a'}]",
            "is no date",
        ),
        ("a pin to nowhere", "[pin]\nXYZ='nobody'", "is no asset"),
        (
            "a blocker of a safe surface",
            "[[blocker]]\ntext='Alpha'\nkind='company'\ncase='any'",
            "surface of `alpha`",
        ),
    ] {
        let file: CatalogFile = toml_from(&format!("{base}\n{more}"));
        let problems = check(&file);
        assert!(problems.iter().any(|problem| problem.to_string().contains(said)), "{what}: {problems:?}");
    }
    assert_eq!(check(&toml_from(base)), []);
}

fn toml_from(text: &str) -> CatalogFile {
    // `[pin]` must stand before the tables; the test texts put it last.
    match text.split_once("[pin]") {
        Some((rest, pin)) => {
            let mut file = toml_from(rest);
            file.pin = pin
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(symbol, id)| (symbol.trim().to_owned(), id.trim().trim_matches('\'').to_owned()))
                .collect();
            file
        }
        None => toml::from_str(text).unwrap(),
    }
}

#[test]
fn an_export_reads_back_as_the_same_catalog() {
    let builtin = Catalog::builtin();
    let text = toml::to_string(builtin.file()).unwrap();
    assert_eq!(Catalog::parse(&text).unwrap().version(), builtin.version());
}

#[test]
fn an_overlay_changes_the_version_and_nothing_else_than_it_says() {
    let builtin = Catalog::builtin();
    let overlaid = builtin.with_overlay("hide = ['dogecoin']\n[[asset]]\nid = 'bitcoin'\nrank = 7").unwrap();
    assert_ne!(overlaid.version(), builtin.version());
    assert_eq!(overlaid.assets().len(), builtin.assets().len() - 1);
    let bitcoin = overlaid.asset(overlaid.find("bitcoin").unwrap());
    assert_eq!((bitcoin.rank, bitcoin.name.as_str()), (Some(7), "Bitcoin"));
}

#[test]
fn an_overlay_that_names_what_is_not_there_is_refused() {
    for (overlay, said) in [
        ("hide = ['no-such-asset']", "`hide` names `no-such-asset`"),
        ("pin = { BTC = 'no-such-asset' }", "`pin` gives BTC"),
        ("[[asset]]\nid = 'new'\nsymbol = 'NEW'", "has no `name`"),
        ("hidden = []", "unknown field `hidden`"),
    ] {
        let error = Catalog::builtin().with_overlay(overlay).unwrap_err();
        assert!(error.to_string().contains(said), "{overlay}: {error}");
    }
}

#[test]
fn an_unsound_catalog_is_refused_with_its_problems() {
    let text = "[[asset]]\nid='b'\nsymbol='BBB'\nname='Beta'\nsymbol_class='c'\nname_class='a'";
    let CatalogError::Unsound(problems) = Catalog::parse(text).unwrap_err() else { panic!("unsound") };
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_symbol_typed_by_a_person_means_the_pinned_the_sole_or_the_far_better_ranked() {
    let catalog = Catalog::builtin();
    let id = |symbol: &str| match catalog.find_symbol(symbol) {
        SymbolMatch::One(token) => catalog.asset(token).id.clone(),
        other => format!("{other:?}"),
    };
    for (symbol, expected) in
        [("BTC", "bitcoin"), ("$eth", "ethereum"), ("XBT", "bitcoin"), ("TON", "the-open-network")]
    {
        assert_eq!(id(symbol), expected);
    }
    assert_eq!(catalog.find_symbol("NOSUCHTICKER"), SymbolMatch::Unknown);
}
