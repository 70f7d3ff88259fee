//! The JSON Schema of records holds for what is really written, and for nothing more.

use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use cointag::annotate::{ErrorRecord, RecordError, annotate};
use cointag::catalog::Catalog;
use cointag::market::{Freshness, Quote, Snapshot, Standing};
use cointag::mention::{Ambiguity, Document, Kind, Options};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::tag_lines;
use crate::mention::DETECTOR;

const URL: &str = "file:///record.schema.json";

struct Schema {
    schemas: Schemas,
    /// A record or an error record, as the library and `POST /v1/tag` give it.
    record: SchemaIndex,
    /// A line of `cointag tag`, which carries unknown fields through.
    line: SchemaIndex,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = include_str!("../../docs/record.schema.json");
    let mut compiler = Compiler::new();
    compiler.add_resource(URL, serde_json::from_str(text).unwrap()).unwrap();
    let mut schemas = Schemas::new();
    let record = compiler.compile(URL, &mut schemas).unwrap();
    let line = compiler.compile(&format!("{URL}#/$defs/line"), &mut schemas).unwrap();
    Schema { schemas, record, line }
});

#[track_caller]
fn valid(value: &Value, schema: SchemaIndex) {
    if let Err(error) = SCHEMA.schemas.validate(value, schema) {
        panic!("{error}\n{value:#}");
    }
}

/// Whether it is a line as `cointag tag` may write it.
#[track_caller]
pub(crate) fn valid_line(value: &Value) {
    valid(value, SCHEMA.line);
}

#[track_caller]
fn invalid(value: &Value) {
    assert!(SCHEMA.schemas.validate(value, SCHEMA.record).is_err(), "should not be valid: {value:#}");
}

/// A document that shows everything a record can hold, priced in every state that a book can be in.
fn full_record() -> Value {
    let document = Document {
        id: Some("a-1".into()),
        title: "Bitcoin slips as Binance lists Solana".into(),
        body:
            "BTC fell, $ETH held, Dogecoin and Litecoin and Cardano rose. In the near term nothing is open \
               for crypto IP law. Monero closed."
                .into(),
        ..Document::default()
    };
    let options = Options {
        explain: true,
        ambiguity: Ambiguity::All,
        kinds: vec![Kind::Token, Kind::Exchange],
        ..Options::default()
    };
    let now: Timestamp = "2026-05-18T12:00:00.123456Z".parse().unwrap();
    serde_json::to_value(annotate(&DETECTOR, &document, &options, Some((&book(now), now)))).unwrap()
}

fn book(now: Timestamp) -> Snapshot {
    let catalog = Catalog::builtin();
    let mut book = Snapshot::new(Freshness::default(), vec![Standing::Pending; catalog.assets().len()]);
    let quote = |id: &str, hours, change_24h_pct, as_of_received| Quote {
        token: catalog.find(id).unwrap(),
        price: "0.0000000000782".parse().unwrap(),
        change_24h_pct,
        as_of: now - SignedDuration::from_hours(hours),
        as_of_received,
        source: "coingecko",
    };
    for quote in [
        quote("bitcoin", 0, Some(-1.8), false),
        quote("ethereum", 1, None, true),
        quote("dogecoin", 25, Some(0.0), false),
    ] {
        assert!(book.offer(quote, 0, now));
    }
    book.set_standing(catalog.find("litecoin").unwrap(), Standing::Unlisted("nobody lists it".into()));
    book.set_standing(catalog.find("cardano").unwrap(), Standing::Unavailable("all failed".into()));
    book
}

#[test]
fn a_record_with_everything_in_it_is_valid() {
    let record = full_record();
    valid(&record, SCHEMA.record);
    valid(&record, SCHEMA.line);
    // The test is worth something only if the record holds all of it.
    let mut states: Vec<_> = record["mentions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|mention| mention["quote"]["state"].as_str())
        .collect();
    states.sort_unstable();
    states.dedup();
    assert_eq!(states, ["expired", "fresh", "pending", "stale", "unavailable", "unlisted"]);
    assert!(record["mentions"].as_array().unwrap().iter().any(|mention| mention["kind"] == "exchange"));
    assert!(record["rejected"][0]["reason"].is_string());
}

#[test]
fn an_ambiguous_record_and_an_empty_one_are_valid() {
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
    let detector = cointag::mention::Detector::new(catalog.into());
    let document = Document { body: "The crypto token DUO rose.".into(), ..Document::default() };
    let record = serde_json::to_value(annotate(&detector, &document, &Options::default(), None)).unwrap();
    assert!(record["ambiguous"].is_array());
    valid(&record, SCHEMA.record);
    let empty =
        serde_json::to_value(annotate(&DETECTOR, &Document::default(), &Options::default(), None)).unwrap();
    valid(&empty, SCHEMA.record);
}

#[test]
fn every_line_of_the_command_line_is_valid() {
    let input = b"{\"id\":\"a\",\"title\":\"Bitcoin\",\"url\":\"https://x\",\"score\":{\"n\":1}}\n\
                  not json\n\
                  {\"id\":\"c\",\"text\":5}\n\
                  \xff\n";
    let lines = tag_lines(input, &["--explain"]);
    assert_eq!(lines.len(), 4);
    for line in &lines {
        valid(line, SCHEMA.line);
    }
    assert_eq!(lines[0]["url"], "https://x");
    invalid(&lines[0]);
    valid(&lines[1], SCHEMA.record);
}

#[test]
fn an_unknown_field_is_invalid_wherever_it_stands() {
    for place in
        ["", "/mentions/0", "/mentions/0/spans/0", "/mentions/0/quote", "/rejected/0", "/rejected/0/span"]
    {
        let mut record = full_record();
        record.pointer_mut(place).unwrap()["unheard_of"] = json!(1);
        invalid(&record);
    }
    let error = RecordError { code: "too_long".into(), message: "…".into(), place: "stdin:1".into() };
    let mut error = serde_json::to_value(ErrorRecord { id: None, error }).unwrap();
    valid(&error, SCHEMA.record);
    error["error"]["unheard_of"] = json!(1);
    invalid(&error);
}

#[test]
fn a_quote_that_says_less_or_more_than_its_state_is_invalid() {
    let states: Vec<String> = full_record()["mentions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mention| mention["quote"]["state"].as_str().unwrap_or_default().to_owned())
        .collect();
    let changed = |state: &str, key: &str, value: Value| {
        let at = states.iter().position(|known| known == state).unwrap();
        let mut record = full_record();
        record["mentions"][at]["quote"][key] = value;
        record
    };
    invalid(&changed("fresh", "price", Value::Null));
    invalid(&changed("fresh", "price", json!(74603.12)));
    invalid(&changed("fresh", "price", json!("1e-7")));
    invalid(&changed("fresh", "as_of", json!("2026-05-18T12:00:00+02:00")));
    invalid(&changed("fresh", "reason", json!("both")));
    invalid(&changed("stale", "as_of_received", json!(false)));
    invalid(&changed("unavailable", "price", json!("1")));
    invalid(&changed("expired", "price", json!("1")));
    invalid(&changed("pending", "state", json!("waiting")));
    let mut record = full_record();
    let at = states.iter().position(|state| state == "unlisted").unwrap();
    record["mentions"][at]["quote"].as_object_mut().unwrap().remove("reason");
    invalid(&record);
}
