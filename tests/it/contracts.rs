//! Contract addresses: the catalog learns them by overlay, and a text that names one mentions the token.

use cointag::annotate::annotate;
use cointag::catalog::{Catalog, check};
use cointag::mention::{ContentType, Detector, Document, Options};

/// The first examples of EIP-55 and a key of zeros and ones: no token lives there.
const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const OTHER: &str = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const MINT: &str = "So1aNa1111111111111111111111111111111111112";

fn detector() -> Detector {
    let overlay = format!(
        "[[asset]]\nid = 'chainlink'\naddresses = {{ ethereum = '{}', base = '{ADDRESS}', solana = '{MINT}' }}",
        ADDRESS.to_lowercase()
    );
    Detector::new(Catalog::builtin().with_overlay(&overlay).unwrap().into())
}

/// Token, surface and CAIP-19 id.
type Found = (String, String, Option<String>);

/// Every mention, and the reasons for what was rejected.
fn read(body: &str) -> (Vec<Found>, Vec<String>) {
    let document = Document { body: body.to_owned(), ..Document::default() };
    let options = Options { explain: true, ..Options::default() };
    let record = annotate(&detector(), &document, &options, None);
    let found = record.mentions.into_iter().flat_map(|mention| {
        let id = mention.token_id.unwrap();
        mention.spans.into_iter().map(move |span| (id.clone(), span.place.surface, span.caip19))
    });
    (found.collect(), record.rejected.into_iter().map(|rejected| rejected.reason).collect())
}

#[test]
fn an_address_is_a_mention_with_its_caip_19_id() {
    let on_ethereum = Some(format!("eip155:1/erc20:{ADDRESS}"));
    for written in [ADDRESS.to_owned(), ADDRESS.to_lowercase()] {
        for text in [
            format!("The thief swapped at {written}."),
            format!("({written})"),
            format!("https://scan.example/token/{written}?a=1"),
            format!("合约{written}，"),
        ] {
            let (found, _) = read(&text);
            assert_eq!(found, [("chainlink".to_owned(), written.clone(), on_ethereum.clone())], "{text}");
        }
    }
    let (found, _) = read(&format!("mint {MINT}"));
    let on_solana = format!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{MINT}");
    assert_eq!(found, [("chainlink".to_owned(), MINT.to_owned(), Some(on_solana))]);
}

#[test]
fn an_address_with_a_wrong_checksum_is_turned_down_and_says_why() {
    let wrong = ADDRESS.replace("BeAed", "beAed");
    let (found, rejected) = read(&format!("Send it to {wrong}"));
    assert_eq!(found, []);
    assert!(rejected.iter().any(|reason| reason.contains("checksum")), "{rejected:?}");
}

#[test]
fn other_addresses_and_parts_of_longer_words_are_nothing() {
    for text in [
        format!("from {OTHER}"),
        format!("hash {ADDRESS}00"),
        format!("x{ADDRESS}"),
        format!("{ADDRESS}_"),
        format!("mint {}", MINT.to_lowercase()),
        format!("mint {MINT}1"),
    ] {
        assert_eq!(read(&text), (vec![], vec![]), "{text}");
    }
}

#[test]
fn a_token_named_by_its_address_makes_its_weak_ticker_believable() {
    let (found, _) = read(&format!("{ADDRESS}: LINK was drained, and LINK fell"));
    assert_eq!(found.iter().filter(|(_, surface, _)| surface == "LINK").count(), 2, "{found:?}");
}

#[test]
fn the_built_in_catalog_has_no_addresses_and_a_wrong_one_is_a_problem() {
    assert!(Catalog::builtin().assets().iter().all(|asset| asset.addresses.is_empty()));
    for (chain, address) in
        [("ethereum", "0x1234"), ("base", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), ("solana", "0OIl")]
    {
        let overlay = format!("[[asset]]\nid = 'chainlink'\naddresses = {{ {chain} = '{address}' }}");
        let problems = check(Catalog::builtin().with_overlay(&overlay).unwrap().file());
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(address) && said[0].contains(chain), "{said:?}");
    }
}

#[test]
fn spans_of_addresses_in_html_point_into_the_source() {
    let body = format!("<p>Contract: <code>{ADDRESS}</code></p>");
    let document = Document { body: body.clone(), content_type: ContentType::Html, ..Document::default() };
    let record = annotate(&detector(), &document, &Options::default(), None);
    let place = &record.mentions[0].spans[0].place;
    assert_eq!(&body[place.start as usize..place.end as usize], ADDRESS);
}
