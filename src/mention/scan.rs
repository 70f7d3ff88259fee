//! Walks a text once and yields every pattern that stands there as whole words.
//!
//! Owns boundaries and folding while matching. Never decides what a hit means: a pattern inside a longer
//! one is yielded too, since a rejected long alias must not hide a good short one.

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;

use super::blocks::{Block, SIZE, from_bit};
use super::gate::Admission;
use super::lexicon::Lexicon;
use super::words::{self, CharClass, Folded, is_ascii_word};

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

/// Calls `hit` for every pattern at every word start of `text`, by rising start, then rising length. Only patterns
/// whose capitals stand there are sure to be found, all of them if `any_case`.
pub(super) fn scan(lexicon: &Lexicon, text: &str, any_case: bool, hit: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    let mut base = 0;
    while base < bytes.len() {
        let block = Block::at(bytes, base, &lexicon.gate.signs);
        // Everything before this is done.
        let mut done = base + block.length;
        if block.length == 0 {
            // A word longer than a block.
            done = word_end(bytes, base);
            ascii_word(lexicon, text, base, done, any_case, hit);
        }
        let words = words_that_pass(lexicon, &block, any_case);
        let signs = if lexicon.gate.signs_lead_words {
            block.signs & (block.words >> 1 | 1 << (SIZE - 1))
        } else {
            block.signs
        };
        let mut events = (words | block.beyond | signs) & block.bits();
        while events != 0 {
            let bit = events.trailing_zeros() as usize;
            events &= events - 1;
            let at = base + bit;
            if words >> bit & 1 != 0 {
                ascii_word(lexicon, text, at, at + block.word_length(bit), any_case, hit);
            } else if block.beyond >> bit & 1 != 0 {
                let from = beyond_ascii(lexicon, text, at, any_case, hit);
                done = done.max(from);
                events &= from_bit(from - base);
            } else if lexicon.gate.admits_sign(bytes, at) {
                walk(lexicon, text, at, hit);
            }
        }
        base = done;
    }
}

/// The words of a block that may begin a pattern.
#[inline]
fn words_that_pass(lexicon: &Lexicon, block: &Block, any_case: bool) -> u64 {
    let mut starts = block.words & !(block.words << 1) & block.bits();
    if any_case {
        return starts;
    }
    let mut words = (block.tagged | block.capitals) & starts;
    while starts != 0 {
        let bit = starts.trailing_zeros() as usize;
        starts &= starts - 1;
        let length = block.word_length(bit);
        let odd = block.odd >> (bit + length) & 1;
        words |= (u64::from(lexicon.gate.passes(block.eight(bit), length)) | odd) << bit;
    }
    words
}

/// Reads on from a character outside ASCII to the next ASCII character between words, and gives its position.
fn beyond_ascii(
    lexicon: &Lexicon,
    text: &str,
    mut at: usize,
    any_case: bool,
    hit: &mut dyn FnMut(Hit),
) -> usize {
    let bytes = text.as_bytes();
    let mut before = match at.checked_sub(1) {
        Some(last) if is_ascii_word(bytes[last]) => CharClass::Word,
        _ => CharClass::Other,
    };
    while let Some(c) = text[at..].chars().next() {
        if c.is_ascii() {
            let end = word_end(bytes, at);
            if end == at {
                return at;
            }
            if before != CharClass::Word {
                ascii_word(lexicon, text, at, end, any_case, hit);
            }
            before = CharClass::Word;
            at = end;
            continue;
        }
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
                let starts = words::starts_word(before, class) || lexicon.gate.is_symbol(c);
                if starts && lexicon.gate.admits_char(c) {
                    walk_word(lexicon, text, at, hit);
                }
                before = class;
            }
        }
        at += c.len_utf8();
    }
    at
}

/// Where the run of ASCII word bytes at `at` ends.
fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|byte| is_ascii_word(**byte)).count()
}

/// A run of ASCII word bytes at which a word starts.
fn ascii_word(
    lexicon: &Lexicon,
    text: &str,
    start: usize,
    end: usize,
    any_case: bool,
    hit: &mut dyn FnMut(Hit),
) {
    match lexicon.gate.admits(text.as_bytes(), start, end, any_case) {
        Admission::Refused => {}
        Admission::Whole(pattern) => {
            if !words::inside_apostrophe_word(text, start) {
                hit(Hit { pattern, start, end, form: Form::Whole });
            }
        }
        Admission::Walk => walk_word(lexicon, text, start, hit),
    }
}

fn walk_word(lexicon: &Lexicon, text: &str, start: usize, hit: &mut dyn FnMut(Hit)) {
    if !words::inside_apostrophe_word(text, start) {
        walk(lexicon, text, start, hit);
    }
}

/// Follows the automaton from `start` until nothing can match any more.
fn walk(lexicon: &Lexicon, text: &str, start: usize, hit: &mut dyn FnMut(Hit)) {
    // Plurals and pairs wait: a word that is a pattern itself is neither. WETH is not W priced in ETH.
    let mut plurals: Vec<Hit> = Vec::new();
    let mut pairs: Vec<Hit> = Vec::new();
    let mut longest_whole = start;
    paths(lexicon, text, start, &mut |pattern, end, last| match ending(
        lexicon,
        &text[start..],
        end - start,
        last,
    ) {
        Some(Ending::Boundary) => {
            longest_whole = end;
            hit(Hit { pattern, start, end, form: Form::Whole });
        }
        Some(Ending::Plural) => plurals.push(Hit { pattern, start, end: end + 1, form: Form::Plural }),
        Some(Ending::PairQuote) => pairs.push(Hit { pattern, start, end, form: Form::PairBase }),
        None => {}
    });
    plurals.into_iter().filter(|plural| plural.end > longest_whole).for_each(&mut *hit);
    for pair in pairs.into_iter().filter(|pair| pair.end > longest_whole) {
        hit(pair);
        // The other half, if it is a token: only the pattern that is just the rest of the word.
        paths(lexicon, text, pair.end, &mut |pattern, end, last| {
            if matches!(ending(lexicon, &text[pair.end..], end - pair.end, last), Some(Ending::Boundary)) {
                hit(Hit { pattern, start: pair.end, end, form: Form::PairQuote });
            }
        });
    }
}

/// Calls `ends` for every pattern that the text spells from `start` on, with the position after it and the
/// class of its last character. Whether a word ends there is not looked at.
fn paths(lexicon: &Lexicon, text: &str, start: usize, ends: &mut dyn FnMut(usize, usize, CharClass)) {
    let automaton = &lexicon.automaton;
    let Ok(mut state) = automaton.start_state(Anchored::Yes) else { return };
    let bytes = text.as_bytes();
    let mut at = start;
    let mut fed = 0;
    while at < bytes.len() {
        let mut feed = |byte: u8| {
            state = automaton.next_state(Anchored::Yes, state, byte);
            fed += 1;
        };
        let byte = bytes[at];
        let last;
        if byte < 0x80 && !byte.is_ascii_whitespace() {
            feed(byte);
            at += 1;
            last = words::ASCII[byte as usize];
        } else {
            let Some(c) = text[at..].chars().next() else { return };
            let mut length = c.len_utf8();
            match if c.is_ascii() { Folded::Space } else { words::fold_char(c) } {
                Folded::Nothing => {
                    at += length;
                    continue;
                }
                Folded::Space => {
                    let Some(run) = blank(&text[at..]) else { return };
                    length = run;
                    feed(b' ');
                    last = CharClass::Other;
                }
                Folded::Byte(byte) => {
                    feed(byte);
                    last = words::ASCII[byte as usize];
                }
                Folded::Lower => {
                    for lower in c.to_lowercase() {
                        lower.encode_utf8(&mut [0; 4]).bytes().for_each(&mut feed);
                    }
                    last = words::class(c);
                }
            }
            at += length;
        }
        if !automaton.is_special(state) {
            continue;
        }
        if automaton.is_dead(state) {
            return;
        }
        if automaton.is_match(state) {
            // The state's own pattern comes first. It may have none and report only patterns that are suffixes
            // of the path: "trong" for "Strong".
            let pattern = automaton.match_pattern(state, 0);
            if automaton.pattern_len(pattern) == fed {
                ends(pattern.as_usize(), at, last);
            }
        }
    }
}

/// What follows a pattern.
enum Ending {
    /// No word character: it is whole words.
    Boundary,
    /// A plural s and then no word character.
    Plural,
    /// The quote side of a pair and then no word character.
    PairQuote,
}

/// How the first `length` bytes of `word`, the last of class `last`, end; `None`: in the middle of a word.
fn ending(lexicon: &Lexicon, word: &str, length: usize, last: CharClass) -> Option<Ending> {
    let rest = &word[length..];
    let next = rest.chars().find(|c| c.is_ascii() || words::fold_char(*c) != Folded::Nothing);
    if words::ends_word(last, next.map_or(CharClass::Other, words::class)) {
        return Some(Ending::Boundary);
    }
    let tail = rest.bytes().take(8).take_while(|byte| is_ascii_word(*byte)).count();
    if rest[tail..].chars().next().is_some_and(|c| words::class(c) == CharClass::Word) {
        return None;
    }
    match &rest[..tail] {
        "s" | "S" => Some(Ending::Plural),
        quote if is_pair(&word[..length], quote) && lexicon.gate.is_pair_quote(quote) => {
            Some(Ending::PairQuote)
        }
        _ => None,
    }
}

/// Whether `base` and `quote`, written as one word, look like a pair: all in capitals, and long enough that a
/// prefix (wBTC, GBTC, weETH) is not taken for a base. Dollars quote everything, so two letters do there.
fn is_pair(base: &str, quote: &str) -> bool {
    let in_capitals = !base.bytes().chain(quote.bytes()).any(|byte| byte.is_ascii_lowercase());
    in_capitals && base.len() >= if quote.contains("USD") { 2 } else { 3 }
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

#[cfg(test)]
mod tests;
