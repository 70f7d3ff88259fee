//! What stands around a place in a text: signs, numbers, lists, listings.
//!
//! Pure functions over a text and a byte range. Never knows which asset is asked about.

use std::ops::Range;

use super::evidence::{Evidence, EvidenceSet};
use super::gate::Gate;
use super::letters::lifts_case;
use super::lexicon::WordLists;
use super::line::{Look, look_of_line};
use super::words::{self, CharClass};

/// How many bytes on either side are looked at: bounds the work per place, whatever the text.
const REACH: usize = 256;

/// Evidence that depends only on the text around `place` and not on what the surface could mean: of the kinds
/// in `heeded`, and maybe of others that are cheap.
pub(super) fn evidence(
    text: &str,
    place: &Range<usize>,
    words: &WordLists,
    gate: &Gate,
    heeded: EvidenceSet,
) -> EvidenceSet {
    let (before, after) = around(text, place);
    let surface = &text[place.clone()];
    let mut set = EvidenceSet::default();
    if heeded.has(Evidence::Cashtag) {
        set = set.with(ticker_evidence(before, surface, after, words, gate));
    }
    set.add_if(Evidence::Hashtag, before.ends_with('#'));
    set.add_if(Evidence::Amount, heeded.has(Evidence::Amount) && follows_amount(before));
    set.add_if(Evidence::Percent, precedes_percent(after));
    set.add_if(Evidence::Compound, is_compound(before, after));
    set.add_if(Evidence::Abbreviation, is_abbreviation(before, surface, after));
    set.add_if(Evidence::Address, is_address(before, after));
    set.add_if(Evidence::Handle, before.ends_with('@') && !before.ends_with(" @ "));
    set.add_if(Evidence::LongerName, is_part_of_longer_name(before, after, words));
    set.add_if(Evidence::SentenceStart, heeded.has(Evidence::SentenceStart) && starts_sentence(before));
    if heeded.has(Evidence::Shouting) {
        match look_of_line(before, after, heeded.has(Evidence::TitleCase)) {
            Look::TitleCase => set.add(Evidence::TitleCase),
            Look::Shouting => set.add(Evidence::Shouting),
            Look::Plain if heeded.has(Evidence::CapitalBefore) => {
                set.add_if(Evidence::CapitalBefore, follows_capital(before));
                set.add_if(Evidence::CapitalAfter, precedes_capital(after));
            }
            Look::Plain => {}
        }
    }
    set
}

/// Right after a capitalised word that does not begin a sentence: the first name in "Alba Ronin".
fn follows_capital(before: &str) -> bool {
    before.strip_suffix(' ').is_some_and(|rest| {
        let word = last_word(rest);
        is_capitalised(word) && !starts_sentence(&rest[..rest.len() - word.len()])
    })
}

/// Right before a capitalised word: "Civic Ledger".
fn precedes_capital(after: &str) -> bool {
    after.strip_prefix(' ').is_some_and(|rest| {
        let length = rest.find(|c| words::class(c) != CharClass::Word).unwrap_or(rest.len());
        is_capitalised(&rest[..length])
    })
}

/// A capital and then small letters.
fn is_capitalised(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
}

/// The signs and listings that stand beside tickers only.
fn ticker_evidence(before: &str, surface: &str, after: &str, words: &WordLists, gate: &Gate) -> EvidenceSet {
    let mut set = EvidenceSet::default();
    let cashtag = is_cashtag(before, surface);
    set.add_if(Evidence::Cashtag, cashtag);
    let bare = if cashtag { &before[..before.len() - 1] } else { before };
    set.add_if(Evidence::Parenthesised, is_parenthesised(bare, after));
    set.add_if(Evidence::Pair, is_pair(before, surface, after, words, gate));
    match listing(bare, words) {
        Some(Listing::Stock) => set.add(Evidence::StockListing),
        Some(Listing::Crypto) => set.add(Evidence::CryptoListing),
        None => {}
    }
    set
}

/// The text on either side of `place`, at most [`REACH`] bytes of it.
pub(super) fn around<'t>(text: &'t str, place: &Range<usize>) -> (&'t str, &'t str) {
    let from = text.ceil_char_boundary(place.start.saturating_sub(REACH));
    let to = text.floor_char_boundary((place.end + REACH).min(text.len()));
    (&text[from..place.start], &text[place.end..to])
}

/// Whether a sign right beside `place` can make a surface believable that is not so by itself.
pub(super) fn has_sign(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].trim_end_matches(' ');
    let after = text[place.end..].trim_start_matches(' ');
    let joined =
        after.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    joined || before.ends_with(['$', '(', '[', ':', '/']) || after.starts_with(['(', '[', '/'])
}

/// Whether a ticker counts in any letter case here: as a cashtag, in a pair, and, unless it is a plain `word`,
/// with a change in percent.
pub(super) fn lifts_symbol_case(text: &str, place: &Range<usize>, word: bool) -> bool {
    if !lifts_case(text.as_bytes(), place.start, place.end) {
        return false;
    }
    let (before, after) = around(text, place);
    let surface = &text[place.clone()];
    // "rose 3%" is a verb; "rose +3%" and "rose (3%)" are a ticker in a list of changes.
    let signed = after.trim_start().starts_with(['+', '-', '−', '(', '▲', '▼']);
    is_cashtag(before, surface)
        || !word && signed && precedes_percent(after)
        || is_glued_pair(before, surface, after)
}

/// `sol/usdt`, `SOL-usd`: whether this is one side of a pair with a sign between, whatever the case.
fn is_glued_pair(before: &str, surface: &str, after: &str) -> bool {
    let quote = |rest: &str| {
        let length = rest.find(|c| words::class(c) != CharClass::Word).unwrap_or(rest.len());
        matches!(
            rest[..length].to_ascii_uppercase().as_str(),
            "USD" | "USDT" | "USDC" | "BTC" | "ETH" | "EUR"
        )
    };
    after.strip_prefix('/').is_some_and(quote) || before.ends_with('/') && quote(surface)
}

/// `$` before something with a letter in it; `$1B` is money.
fn is_cashtag(before: &str, surface: &str) -> bool {
    before.ends_with('$')
        && surface.chars().any(char::is_alphabetic)
        && !before[..before.len() - 1].ends_with(|c: char| words::class(c) == CharClass::Word && c != 'S')
        && !is_money(surface)
}

/// Digits with a magnitude: 1B, 25M, 3k.
fn is_money(surface: &str) -> bool {
    surface.starts_with(|c: char| c.is_ascii_digit())
        && matches!(
            surface.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ','),
            "K" | "k" | "M" | "m" | "B" | "b" | "T" | "t" | "bn" | "BN" | "mn" | "MN"
        )
}

fn is_parenthesised(before: &str, after: &str) -> bool {
    let opened = before.ends_with('(') || before.ends_with('[');
    opened && after.trim_start().starts_with([')', ']', ',', ';', '/', '+', '-', ':'])
}

/// One side of `BASE/QUOTE`, `BASE-QUOTE`; a pair written as one word is the scanner's.
fn is_pair(before: &str, surface: &str, after: &str, lists: &WordLists, gate: &Gate) -> bool {
    let separator = |c: char| matches!(c, '/' | '-' | '‑' | '–' | ':');
    let quote_follows = after.strip_prefix(separator).is_some_and(|rest| {
        let rest = rest.trim_start_matches('$');
        let length = rest.find(|c| words::class(c) != CharClass::Word).unwrap_or(rest.len());
        gate.is_pair_quote(&rest[..length])
    });
    let base_precedes = || {
        before.trim_end_matches('$').strip_suffix(separator).is_some_and(|rest| {
            let base = last_word(rest);
            (2..=10).contains(&base.len())
                && base.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
                && base.chars().any(|c| c.is_ascii_uppercase())
        })
    };
    quote_follows || !lists.money.contains(surface) && base_precedes() && gate.is_pair_quote(surface)
}

/// A number, with or without a magnitude, right before; a bare year does not count.
fn follows_amount(before: &str) -> bool {
    const MAGNITUDES: &[&str] =
        &["K", "k", "M", "m", "B", "b", "mn", "bn", "million", "billion", "thousand", "trillion"];
    let Some(before) = before.strip_suffix([' ', '\u{a0}']) else { return false };
    // Numbers and magnitudes end in one of these; most words do not.
    if !before
        .ends_with(|c: char| c.is_ascii_digit() || matches!(c, 'K' | 'k' | 'M' | 'm' | 'B' | 'b' | 'n' | 'd'))
    {
        return false;
    }
    let word = last_word(before);
    if MAGNITUDES.contains(&word) {
        return before[..before.len() - word.len()].trim_end().ends_with(|c: char| c.is_ascii_digit());
    }
    let number = word.trim_end_matches(['K', 'k', 'M', 'm', 'B', 'b']);
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
        return false;
    }
    let grouped = before[..before.len() - word.len()].ends_with([',', '.']);
    let year = number.len() == 4 && (number.starts_with("19") || number.starts_with("20")) && !grouped;
    !year
}

/// `+5%`, `(5.2 %)`, `: -3%` right after.
fn precedes_percent(after: &str) -> bool {
    let first = after.bytes().find(|byte| !matches!(byte, b' ' | b'(' | b':' | b'+' | b'-'));
    if !first.is_some_and(|byte| byte >= 0x80 || matches!(byte, b'0'..=b'9' | b'.' | b',')) {
        return false;
    }
    let rest = after.trim_start_matches([' ', '(', ':', '+', '-', '−', '–', '▲', '▼', '▾', '▴']);
    if after.len() - rest.len() > 6 {
        return false;
    }
    let digits =
        rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ',').len();
    let signed = after.trim_start().starts_with(['+', '-', '−']);
    let ends = &rest[digits..];
    // In a list of changes the sign of percent is often left out: "APT +40, OP +18".
    digits > 0
        && (ends.trim_start_matches(' ').starts_with('%')
            || signed && (ends_change(ends) || next_is_change(ends)))
}

/// What ends a change without a sign of percent.
fn ends_change(ends: &str) -> bool {
    ends.is_empty() || ends.starts_with([',', ';', '|', '\n']) || ends == "." || ends.starts_with(". ")
}

/// Whether another word with its change follows: "sui +19 xrp +13".
fn next_is_change(ends: &str) -> bool {
    let mut words = ends.split_whitespace();
    let change = |word: &str| {
        word.strip_prefix(['+', '-', '−']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    ends.starts_with(' ') && words.next().is_some() && words.next().is_some_and(change)
}

fn is_compound(before: &str, after: &str) -> bool {
    let mut back = before.chars().rev();
    let joined_before =
        back.next() == Some('-') && back.next().is_some_and(|c| words::class(c) == CharClass::Word);
    let mut on = after.chars();
    joined_before || on.next() == Some('-') && on.next().is_some_and(|c| words::class(c) == CharClass::Word)
}

/// A single letter with a full stop on either side and a letter beyond it: U.S.
fn is_abbreviation(before: &str, surface: &str, after: &str) -> bool {
    if !after.starts_with(['.', '&']) && !before.ends_with(['.', '&']) {
        return false;
    }
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let mut on = after.chars();
    let mut back = before.chars().rev();
    surface.chars().count() <= 2
        && (on.next() == Some('.') && letter(on.next()) || back.next() == Some('.') && letter(back.next()))
        || surface.chars().count() == 1 && (after.starts_with('&') || before.ends_with('&'))
}

/// Inside a URL, a domain name or an e-mail address.
fn is_address(before: &str, after: &str) -> bool {
    let in_domain = after.strip_prefix('.').is_some_and(|rest| {
        let label = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        label >= 2 && !rest[label..].starts_with(|c: char| words::class(c) == CharClass::Word)
    });
    let domain_label = before
        .strip_suffix('.')
        .is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()))
        && after.starts_with(['.', '/']);
    let e_mail = after.starts_with('@') && after[1..].starts_with(|c: char| c.is_alphanumeric());
    let ends_run = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '(');
    if in_domain || domain_label || e_mail || before.is_empty() || before.ends_with(ends_run) {
        return in_domain || domain_label || e_mail;
    }
    let run_start = before.rfind(ends_run);
    let run = &before[run_start.map_or(0, |at| before.ceil_char_boundary(at + 1))..];
    run.contains("://") || run.starts_with("www.")
}

/// A capitalised neighbour that makes another name of it: Little Pepe, Pepe Dollar.
fn is_part_of_longer_name(before: &str, after: &str, words: &WordLists) -> bool {
    let next = after.strip_prefix(' ').is_some_and(|rest| {
        let first = rest.bytes().next();
        words.longer_name_after.iter().filter(|word| word.bytes().next() == first).any(|word| {
            rest.strip_prefix(word.as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| words::class(c) == CharClass::Word))
        })
    });
    let previous = before.strip_suffix(' ').is_some_and(|rest| {
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        let last = rest.bytes().next_back();
        let mut longer = words.longer_name_before.iter();
        longer.any(|word| word.bytes().next_back() == last && last_word(rest) == word)
    });
    next || previous
}

fn starts_sentence(before: &str) -> bool {
    if let [.., last, b' '] = before.as_bytes()
        && (last.is_ascii_alphanumeric() || *last == b',')
    {
        return false;
    }
    let before = before.trim_end_matches([' ', '\t', '"', '“', '‘', '\'', '(', '*', '•', '-', '–', '—', '#']);
    before.is_empty() || before.ends_with(['.', '!', '?', ':', '\n', '”', '…', '|', ';'])
}

#[derive(Debug, PartialEq, Eq)]
enum Listing {
    Stock,
    Crypto,
}

/// The market named before a colon: `NASDAQ: SYM`, `CRYPTO:SYM`.
fn listing(before: &str, words: &WordLists) -> Option<Listing> {
    let before = before.trim_end().strip_suffix(':')?.trim_end();
    let names = |lists: &[String]| {
        lists.iter().any(|name| {
            let Some(at) = before.len().checked_sub(name.len()).filter(|at| before.is_char_boundary(*at))
            else {
                return false;
            };
            before[at..].eq_ignore_ascii_case(name)
                && !before[..at].ends_with(|c: char| words::class(c) == CharClass::Word)
        })
    };
    if names(&words.crypto_listings) {
        Some(Listing::Crypto)
    } else if names(&words.stock_exchanges) {
        Some(Listing::Stock)
    } else {
        None
    }
}

fn last_word(text: &str) -> &str {
    let start = text.char_indices().rev().take_while(|(_, c)| words::class(*c) == CharClass::Word).last();
    start.map_or("", |(at, _)| &text[at..])
}
