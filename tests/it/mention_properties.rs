//! What holds for every text.

use cointag::mention::{Context, Document, Field, Found, OffsetUnit, Options};
use proptest::prelude::*;

use crate::mention::DETECTOR;

/// Texts of names, tickers, plain words, punctuation and the characters that break naive offsets.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Bitcoin",
        "BTC",
        "btc",
        "$ETH",
        "Ethereum",
        "Solana",
        "NEAR",
        "near",
        "Near",
        "Sonic (S)",
        "S",
        "ONE",
        "One",
        "LINK",
        "SUI",
        "Bitcoin Cash",
        "Pepe Dollar",
        "BTC/USDT",
        "SOLUSDT",
        "crypto",
        "token",
        "price",
        "the",
        "of",
        "U.S.",
        "NYSE:",
        "Justin Sun",
        "İstanbul",
        "ß",
        "😀",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{200f}مرحبا",
        "比特币",
        "ビットコイン",
        "биткоин",
        "비트코인은",
        "\u{200b}",
        "“",
        "”",
        "’s",
        "(",
        ")",
        ",",
        ".",
        "-",
        "—",
        "&amp;",
        "<b>",
        "</p>",
        "\r\n",
        "\n\n",
        "\t",
        "\0",
        "69",
        "+5%",
        "@",
        "https://",
    ]);
    let joint = prop::sample::select(vec![" ", " ", " ", "", "\n", "-"]);
    prop::collection::vec((piece, joint), 0..40)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, joint)| [piece, joint]).collect())
}

fn document(title: String, body: String) -> Document {
    Document { title, body, ..Document::default() }
}

/// The text that a span points at, in any unit.
fn slice(text: &str, unit: OffsetUnit, start: u32, end: u32) -> String {
    let (start, end) = (start as usize, end as usize);
    match unit {
        OffsetUnit::Bytes => text[start..end].to_owned(),
        OffsetUnit::Codepoints => text.chars().skip(start).take(end - start).collect(),
        OffsetUnit::Utf16 => String::from_utf16(&text.encode_utf16().collect::<Vec<_>>()[start..end])
            .expect("whole characters"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn spans_slice_to_the_surface_in_every_unit(title in any_text(), body in any_text()) {
        let document = document(title, body);
        for offset_unit in [OffsetUnit::Bytes, OffsetUnit::Codepoints, OffsetUnit::Utf16] {
            let options = Options { offset_unit, explain: true, ..Options::default() };
            let detection = DETECTOR.detect(&document, &options);
            let found = detection.found.iter().map(|found| &found.place);
            for place in found.chain(detection.turned_down.iter().map(|turned| &turned.place)) {
                let text = if place.field == Field::Title { &document.title } else { &document.body };
                prop_assert_eq!(slice(text, offset_unit, place.start, place.end), place.surface.clone());
            }
        }
    }

    #[test]
    fn mentions_rise_and_never_overlap(title in any_text(), body in any_text()) {
        let found = DETECTOR.detect(&document(title, body), &Options::default()).found;
        for pair in found.windows(2) {
            let (first, second) = (&pair[0].place, &pair[1].place);
            prop_assert!((first.field, first.end) <= (second.field, second.start) || first.field < second.field);
        }
    }

    #[test]
    fn the_same_text_gives_the_same_answer(body in any_text()) {
        let document = document(String::new(), body);
        let options = Options { explain: true, ..Options::default() };
        prop_assert_eq!(DETECTOR.detect(&document, &options), DETECTOR.detect(&document, &options));
    }

    #[test]
    fn text_without_crypto_adds_no_mention(body in any_text()) {
        let plain = "\n\nThe weather was fine on Tuesday and nobody said a word about it.\n";
        let before = DETECTOR.detect(&document(String::new(), body.clone()), &Options::default()).found.len();
        let after = DETECTOR.detect(&document(String::new(), body + plain), &Options::default()).found.len();
        prop_assert!(after <= before, "{} after, {} before", after, before);
    }

    #[test]
    fn mentions_stand_however_much_goes_before_them(body in any_text(), times in 0_usize..400) {
        let plain = "the weather was fine on tuesday and nobody said a word about it.\n";
        // Where a title may have been glued to its text, other rules hold.
        let short = plain.repeat(7) + "\n";
        let long = plain.repeat(times) + &short;
        let shift = u32::try_from(long.len() - short.len()).unwrap();
        let alone = DETECTOR.detect(&document(String::new(), short + &body), &Options::default()).found;
        let after = DETECTOR.detect(&document(String::new(), long + &body), &Options::default()).found;
        let at = |found: &[Found], shift: u32| -> Vec<_> {
            found.iter().map(|found| (found.place.start + shift, found.meant, found.evidence)).collect()
        };
        prop_assert_eq!(at(&alone, shift), at(&after, 0));
    }

    #[test]
    fn any_html_is_read_and_its_spans_lie_in_it(body in any_text()) {
        let document = Document {
            body: format!("<p>{body}</p>"),
            content_type: cointag::mention::ContentType::Html,
            context: Context::CryptoNews,
            ..Document::default()
        };
        for found in DETECTOR.detect(&document, &Options::default()).found {
            let place = found.place;
            prop_assert!(document.body.get(place.start as usize..place.end as usize).is_some());
        }
    }
}

#[test]
fn escaped_html_gives_the_mentions_of_its_text() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&any_text(), |text| {
            // White space and NUL are the tokenizer's to normalise; the mentions are what must agree.
            let text = text.replace(['\0', '\r', '\n', '\t'], " ");
            let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let plain = DETECTOR.detect(&document(String::new(), text), &Options::default()).found;
            let read = DETECTOR
                .detect(
                    &Document {
                        body: html,
                        content_type: cointag::mention::ContentType::Html,
                        ..Document::default()
                    },
                    &Options::default(),
                )
                .found;
            let surfaces = |found: &[Found]| -> Vec<_> {
                found.iter().map(|found| (found.place.surface.clone(), found.meant)).collect()
            };
            prop_assert_eq!(surfaces(&plain), surfaces(&read));
            Ok(())
        })
        .unwrap();
}
