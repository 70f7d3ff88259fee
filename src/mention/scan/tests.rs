//! The walk against a plain scan: every pattern that overlaps, filtered by the same boundaries.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use proptest::prelude::*;

use super::super::gate::first_eight;
use super::super::letters::{lifts_case, written};
use super::super::lexicon::{Lexicon, Meaning, Rules};
use super::*;
use crate::catalog::Catalog;

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let rules: Rules = toml::from_str(include_str!("../../../data/detection.toml")).unwrap();
    Lexicon::new(&Catalog::builtin(), &rules.words)
});

static PLAIN: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder().match_kind(MatchKind::Standard).build(&LEXICON.patterns).unwrap()
});

/// Whole-word hits by folding the whole text and scanning it for every overlapping pattern.
fn plain_scan(text: &str) -> BTreeSet<(usize, usize, usize)> {
    let mut folded = String::new();
    // For each folded byte: where its character starts and ends in the text.
    let mut source: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let mut length = c.len_utf8();
        let mut piece = String::new();
        match if c.is_ascii() && !c.is_ascii_whitespace() {
            Folded::Lower
        } else if c.is_ascii() {
            Folded::Space
        } else {
            words::fold_char(c)
        } {
            Folded::Nothing => {}
            Folded::Space => {
                length = text[at..].chars().take_while(|c| c.is_whitespace()).map(char::len_utf8).sum();
                // A blank line matches nothing.
                piece.push(if text[at..at + length].matches('\n').count() < 2 { ' ' } else { '\0' });
            }
            Folded::Byte(byte) => piece.push((byte as char).to_ascii_lowercase()),
            Folded::Lower => piece.extend(c.to_lowercase()),
        }
        source.extend(std::iter::repeat_n((at, at + length), piece.len()));
        folded.push_str(&piece);
        at += length;
    }
    let visible = |c: &char| c.is_ascii() || words::fold_char(*c) != Folded::Nothing;
    let class_before =
        |at: usize| text[..at].chars().rev().find(visible).map_or(CharClass::Other, words::class);
    let class_after = |at: usize| text[at..].chars().find(visible).map_or(CharClass::Other, words::class);
    PLAIN
        .find_overlapping_iter(&folded)
        .filter_map(|found| {
            let (start, end) = (source[found.start()].0, source[found.end() - 1].1);
            let first = text[start..].chars().next()?;
            let starts_char = found.start() == 0 || source[found.start() - 1].0 != start;
            let ends_char = source.get(found.end()).is_none_or(|next| next.0 >= end);
            let sign = words::class(first) == CharClass::Other;
            let starts = sign
                || words::starts_word(class_before(start), words::class(first))
                    && !words::inside_apostrophe_word(text, start);
            let last = class_before(end);
            let ends = words::ends_word(last, class_after(end));
            let pattern = found.pattern().as_usize();
            let looked_for = !refused(text, pattern, start);
            (starts_char && ends_char && starts && ends && looked_for).then_some((pattern, start, end))
        })
        .collect()
}

/// A pattern at a word without the capitals that it needs may be walked (another pattern begins with that word)
/// or not; both are right, since its claims refuse the case. The comparison leaves such hits out.
fn refused(text: &str, pattern: usize, start: usize) -> bool {
    let word = text[start..].bytes().take_while(|byte| is_ascii_word(*byte)).count();
    let needs = LEXICON.meanings(pattern).iter().map(Meaning::needs).min().unwrap();
    word > 0
        && written(first_eight(text.as_bytes(), start), word) < needs
        && !lifts_case(text.as_bytes(), start, start + word)
}

fn walked(text: &str) -> BTreeSet<(usize, usize, usize)> {
    let mut hits = BTreeSet::new();
    scan(&LEXICON, text, false, &mut |hit| {
        if hit.form == Form::Whole && !refused(text, hit.pattern, hit.start) {
            hits.insert((hit.pattern, hit.start, hit.end));
        }
    });
    hits
}

/// Texts made of spellings of the catalog, what stands between words, and what breaks naive scanners.
fn any_text() -> impl Strategy<Value = String> {
    let spelling = (0..LEXICON.patterns.len()).prop_map(|index| LEXICON.patterns[index].clone());
    let shouted = spelling.clone().prop_map(|text| text.to_uppercase());
    let between = prop::sample::select(vec![
        " ", "  ", "\n", "\n\n", "\u{a0}", "-", "—", "–", ".", ",", "(", ")", "$", "#", "/", "_", "'", "’",
        "s", "“", "\u{200b}", "\u{301}", "ß", "İ", "😀", "币", "ィ", "은", "x", "1", "usdt", "USDT", "é",
        "＄", "Ｂ",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![2 => spelling, 1 => shouted, 4 => between], 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_walk_finds_what_a_plain_scan_finds(text in any_text()) {
        prop_assert_eq!(walked(&text), plain_scan(&text));
    }
}

#[test]
fn suffixes_of_a_word_are_no_hits() {
    for text in ["Strong", "const", "bioecosystem", "somETHing"] {
        assert_eq!(walked(text), BTreeSet::new(), "{text}");
    }
}

#[test]
fn curly_punctuation_ends_a_word() {
    for text in ["Bitcoin’s", "“Bitcoin”", "—Bitcoin—", "Bitcoin…"] {
        assert!(walked(text).iter().any(|(_, start, end)| &text[*start..*end] == "Bitcoin"), "{text}");
    }
}

#[test]
fn pairs_written_as_one_word_are_two_hits() {
    let halves = |text: &str| {
        let mut halves = Vec::new();
        scan(&LEXICON, text, false, &mut |hit| {
            if matches!(hit.form, Form::PairBase | Form::PairQuote) {
                halves.push(text[hit.start..hit.end].to_owned());
            }
        });
        halves
    };
    for (text, pair) in [
        ("SOLUSDT", &["SOL", "USDT"][..]),
        ("ETHBTC", &["ETH", "BTC"]),
        ("WETH", &[]),
        ("GBTC", &[]),
        ("weETH", &[]),
        ("SOLID", &[]),
    ] {
        assert_eq!(halves(text), pair, "{text}");
    }
}
