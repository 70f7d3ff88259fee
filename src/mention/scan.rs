//! Walks a text once and yields every pattern that stands there as whole words.
//!
//! Owns boundaries and folding while matching. Never decides what a hit means: a pattern inside a longer
//! one is yielded too, since a rejected long alias must not hide a good short one.

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;

use super::lexicon::{Lexicon, is_ascii_word};
use super::words::{self, CharClass, Folded};

/// A pattern found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Which pattern.
    pub(super) pattern: usize,
    /// First byte.
    pub(super) start: usize,
    /// Byte after the last; a plural s is inside.
    pub(super) end: usize,
    /// How it ends.
    pub(super) form: Form,
}

/// How a hit stands in its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is whole words.
    Whole,
    /// A plural s follows it.
    Plural,
    /// It is the first half of a pair written as one word: SOL in SOLUSDT.
    PairBase,
    /// It is the second half of one.
    PairQuote,
}

/// Calls `hit` for every pattern at every word start of `text`, by rising start, then rising length.
pub(super) fn scan(lexicon: &Lexicon, text: &str, hit: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    let mut before = CharClass::Other;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if words::ASCII[byte as usize] == CharClass::Word {
                let end = at + bytes[at..].iter().take_while(|byte| is_ascii_word(**byte)).count();
                if before != CharClass::Word && lexicon.gate.admits(&bytes[at..end], &bytes[end..]) {
                    walk_word(lexicon, text, at, hit);
                }
                before = CharClass::Word;
                at = end;
            } else {
                if lexicon.gate.signs[byte as usize] {
                    walk(lexicon, text, at, hit);
                }
                before = CharClass::Other;
                at += 1;
            }
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        let class = words::class(c);
        match words::fold_char(c) {
            // A zero-width character neither starts nor ends a word.
            Folded::Nothing => {}
            Folded::Byte(folded) if is_ascii_word(folded) => {
                if before != CharClass::Word {
                    walk_word(lexicon, text, at, hit);
                }
                before = CharClass::Word;
            }
            _ => {
                let starts = words::starts_word(before, class) || lexicon.gate.symbols.contains(&c);
                if starts && lexicon.gate.admits_char(c) {
                    walk_word(lexicon, text, at, hit);
                }
                before = class;
            }
        }
        at += c.len_utf8();
    }
}

fn walk_word(lexicon: &Lexicon, text: &str, start: usize, hit: &mut dyn FnMut(Hit)) {
    if !words::inside_apostrophe_word(text, start) {
        walk(lexicon, text, start, hit);
    }
}

/// Follows the automaton from `start` until nothing can match any more.
fn walk(lexicon: &Lexicon, text: &str, start: usize, hit: &mut dyn FnMut(Hit)) {
    let automaton = &lexicon.automaton;
    let Ok(mut state) = automaton.start_state(Anchored::Yes) else { return };
    let bytes = text.as_bytes();
    let mut at = start;
    let mut fed = 0;
    let mut last = CharClass::Other;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 && !byte.is_ascii_whitespace() {
            state = automaton.next_state(Anchored::Yes, state, byte);
            fed += 1;
            at += 1;
            last = words::ASCII[byte as usize];
        } else {
            let Some(c) = text[at..].chars().next() else { return };
            let folded = if c.is_ascii() { Folded::Space } else { words::fold_char(c) };
            match folded {
                Folded::Nothing => {
                    at += c.len_utf8();
                    continue;
                }
                Folded::Space => {
                    let Some(length) = blank(&text[at..]) else { return };
                    state = automaton.next_state(Anchored::Yes, state, b' ');
                    fed += 1;
                    at += length;
                    last = CharClass::Other;
                }
                Folded::Byte(byte) => {
                    state = automaton.next_state(Anchored::Yes, state, byte);
                    fed += 1;
                    at += c.len_utf8();
                    last = words::ASCII[byte as usize];
                }
                Folded::Lower => {
                    for lower in c.to_lowercase() {
                        for byte in lower.encode_utf8(&mut [0; 4]).bytes() {
                            state = automaton.next_state(Anchored::Yes, state, byte);
                            fed += 1;
                        }
                    }
                    at += c.len_utf8();
                    last = words::class(c);
                }
            }
        }
        if automaton.is_special(state) {
            if automaton.is_dead(state) {
                return;
            }
            if automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let pattern = automaton.match_pattern(state, index);
                    // A state also reports the patterns that are suffixes of the path: "trong" for "Strong".
                    if automaton.pattern_len(pattern) == fed {
                        end_word(lexicon, text, (pattern.as_usize(), start, at), last, hit);
                    }
                }
            }
        }
    }
}

/// Yields a pattern whose last character has class `last` if a word can end there.
fn end_word(
    lexicon: &Lexicon,
    text: &str,
    (pattern, start, end): (usize, usize, usize),
    last: CharClass,
    hit: &mut dyn FnMut(Hit),
) {
    let rest = &text[end..];
    let next = rest.chars().find(|c| words::fold_char(*c) != Folded::Nothing || c.is_ascii());
    if words::ends_word(last, next.map_or(CharClass::Other, words::class)) {
        return hit(Hit { pattern, start, end, form: Form::Whole });
    }
    let word = rest.bytes().take_while(|byte| is_ascii_word(*byte)).count();
    let after = rest[word..].chars().next().map_or(CharClass::Other, words::class);
    if after == CharClass::Word {
        return;
    }
    match &rest[..word] {
        "s" | "S" => hit(Hit { pattern, start, end: end + 1, form: Form::Plural }),
        quote if lexicon.gate.is_pair_quote(quote) => {
            hit(Hit { pattern, start, end, form: Form::PairBase });
            // The other half, if it is a token: only the pattern that is just this word.
            let quote_end = end + word;
            if start < end {
                walk(lexicon, text, end, &mut |second: Hit| {
                    if second.end == quote_end && second.form == Form::Whole {
                        hit(Hit { form: Form::PairQuote, ..second });
                    }
                });
            }
        }
        _ => {}
    }
}

/// Length of the run of white space at the start of `text`; `None` if it holds a blank line, across which
/// no alias reaches.
fn blank(text: &str) -> Option<usize> {
    let mut lines = 0;
    let mut length = 0;
    for c in text.chars().take_while(|c| c.is_whitespace()) {
        lines += usize::from(c == '\n');
        length += c.len_utf8();
    }
    (lines < 2).then_some(length)
}
