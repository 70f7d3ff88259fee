//! The record: its JSON form, the order of the box, shared tickers.

use cointag::annotate::annotate;
use cointag::catalog::Catalog;
use cointag::mention::{Ambiguity, Detector, Document, Kind, Options};

use crate::mention::DETECTOR;

fn record(detector: &Detector, document: &Document, options: &Options) -> serde_json::Value {
    let mut value = serde_json::to_value(annotate(detector, document, options, None)).unwrap();
    value["catalog_version"] = "…".into();
    value["detector_version"] = "…".into();
    value
}

#[test]
fn a_record_is_the_same_json_everywhere() {
    let document = Document {
        id: Some("a-1".into()),
        title: "Bitcoin slips".into(),
        body: "BTC fell, and $ETH held; the near term is open for crypto.".into(),
        ..Document::default()
    };
    let options = Options { explain: true, ..Options::default() };
    insta::assert_json_snapshot!(record(&DETECTOR, &document, &options));
}

#[test]
fn an_empty_document_has_no_mentions_and_no_error() {
    let record = record(&DETECTOR, &Document::default(), &Options::default());
    assert_eq!(record["mentions"], serde_json::json!([]));
}

#[test]
fn mentions_come_in_the_order_of_the_box() {
    let document = Document {
        title: "Dogecoin leads".into(),
        body: "Litecoin rose. Bitcoin rose. Bitcoin rose again. Dogecoin led.".into(),
        ..Document::default()
    };
    let names = |max_mentions| {
        let options = Options { max_mentions, ..Options::default() };
        let record = annotate(&DETECTOR, &document, &options, None);
        record.mentions.into_iter().map(|mention| mention.name).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["Dogecoin", "Bitcoin", "Litecoin"]);
    assert_eq!(names(2), ["Dogecoin", "Bitcoin"]);
}

#[test]
fn kinds_report_companies_only_when_asked_for() {
    let document = Document { body: "Binance lists Bitcoin".into(), ..Document::default() };
    let kinds = |kinds: &[Kind]| {
        let options = Options { kinds: kinds.to_vec(), ..Options::default() };
        let record = annotate(&DETECTOR, &document, &options, None);
        record.mentions.into_iter().map(|mention| (mention.kind, mention.name)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), [(Kind::Token, "Bitcoin".to_owned())]);
    assert_eq!(kinds(&[Kind::Exchange]), [(Kind::Exchange, "Binance".to_owned())]);
}

#[test]
fn a_shared_ticker_without_a_winner_is_ambiguous() {
    let catalog = Catalog::parse(
        r#"
        as_of = "2026-01-01"
        [[asset]]
        id = "first"
        symbol = "DUO"
        name = "First Duo"
        rank = 100
        symbol_class = "b"
        name_class = "a"
        [[asset]]
        id = "second"
        symbol = "DUO"
        name = "Second Duo"
        rank = 150
        symbol_class = "b"
        name_class = "a"
        collides = ["first"]
        "#,
    )
    .unwrap();
    let detector = Detector::new(catalog.into());
    let tagged = |body: &str, ambiguity| {
        let document = Document { body: body.into(), ..Document::default() };
        let record = annotate(&detector, &document, &Options { ambiguity, ..Options::default() }, None);
        let ids: Vec<_> = record.mentions.into_iter().filter_map(|mention| mention.token_id).collect();
        let candidates: Vec<_> =
            record.ambiguous.into_iter().flat_map(|entry| entry.candidates).map(|c| c.token_id).collect();
        (ids.join(" "), candidates.join(" "))
    };
    let text = "The crypto token DUO rose.";
    assert_eq!(tagged(text, Ambiguity::Drop), (String::new(), "first second".into()));
    assert_eq!(tagged(text, Ambiguity::Best), ("first".into(), "first second".into()));
    assert_eq!(tagged(text, Ambiguity::All), ("first second".into(), "first second".into()));
    // The document decides where it can.
    assert_eq!(
        tagged("Second Duo: the crypto token DUO rose.", Ambiguity::Drop),
        ("second".into(), String::new())
    );
}
