//! The gate: tells from the words at a place whether a pattern begins there, without walking the automaton.
//!
//! Most words of a text are plain ones, and most tickers are plain words in capitals: a pattern is looked for
//! only at words written in a way that one of its meanings allows, or beside a sign that lifts the rule. The
//! gate may send the walk to a place where nothing is; it never keeps it from one where something is.

use std::collections::HashSet;

use super::letters::{Capitals, lifts_case, written};
use super::lexicon::Meaning;
use super::words::{self, CharClass, is_ascii_word};
use crate::catalog::Class;

/// What to do at a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// No pattern begins here.
    Refused,
    /// This pattern is the word, and no other begins here.
    Whole(usize),
    /// Only the automaton can tell.
    Walk,
}

/// What is known of the patterns' first words.
#[derive(Debug)]
pub(super) struct Gate {
    /// First words in every case in which a pattern counts: of patterns that go on with a second word together
    /// with its beginning, as far as that lies within eight bytes. Tells the many words that begin nothing by two
    /// looks into the nearest cache.
    filter: Filter,
    /// The words themselves; a free slot has no length.
    words: Vec<FirstWord>,
    /// First words with more of the second: many names begin with words as common as "the".
    seconds: HashedSet,
    /// ASCII punctuation with which a pattern begins, and what follows it there (without the high bit).
    pub(super) signs: Vec<u8>,
    after_signs: [bool; 128],
    /// Whether a word follows each of these signs.
    pub(super) signs_lead_words: bool,
    /// Other characters with which a pattern begins and at which no word starts by itself. Sorted.
    symbols: Vec<char>,
    /// All characters beyond ASCII with which a pattern begins. Sorted.
    first_chars: Vec<char>,
    pair_quotes: Vec<String>,
}

/// A word with which patterns begin.
#[derive(Clone, Copy, Debug, Default)]
struct FirstWord {
    key: Key,
    length: u32,
    /// The pattern that is this word, and the capitals that it needs.
    alone: Option<(u32, Capitals)>,
    /// The capitals that patterns of several words need; the second one is in [`Gate::seconds`].
    longer: Option<Capitals>,
    /// The same for patterns that go on in another way, and for words that only the automaton knows in full.
    other: Option<Capitals>,
    /// The same for patterns of which this word is the plural.
    plural: Option<Capitals>,
}

impl Gate {
    pub(super) fn new(patterns: &[String], meanings: &[Vec<Meaning>], pair_quotes: &HashSet<String>) -> Self {
        // Fewer than two words a pattern: there is always a free slot.
        let slots = (patterns.len() * 2 + 1).next_power_of_two().max(64);
        let mut gate = Self {
            filter: Filter::new(),
            words: vec![FirstWord::default(); slots],
            seconds: HashedSet::with_bits(slots * 8),
            signs: Vec::new(),
            after_signs: [false; 128],
            signs_lead_words: true,
            symbols: Vec::new(),
            first_chars: Vec::new(),
            pair_quotes: pair_quotes.iter().cloned().collect(),
        };
        for ((index, pattern), meanings) in (0u32..).zip(patterns).zip(meanings) {
            let Some(first) = pattern.chars().next() else { continue };
            let word = words::class(first) != CharClass::Other;
            if first.is_ascii() && word {
                gate.insert_words(index, pattern.as_bytes(), meanings);
            } else if first.is_ascii() {
                gate.insert_sign(pattern.as_bytes());
            } else {
                gate.first_chars.push(first);
                if !word {
                    gate.symbols.push(first);
                }
            }
        }
        for chars in [&mut gate.symbols, &mut gate.first_chars] {
            chars.sort_unstable();
            chars.dedup();
        }
        gate
    }

    fn insert_sign(&mut self, pattern: &[u8]) {
        if !self.signs.contains(&pattern[0]) {
            self.signs.push(pattern[0]);
        }
        let next = pattern.get(1).copied().unwrap_or_default();
        self.signs_lead_words &= is_ascii_word(next);
        self.after_signs[(next & 0x7F) as usize] = true;
        self.after_signs[(next.to_ascii_uppercase() & 0x7F) as usize] = true;
    }

    fn insert_words(&mut self, index: u32, pattern: &[u8], meanings: &[Meaning]) {
        let needs = meanings.iter().map(Meaning::needs).min().unwrap_or_default();
        let least = |slot: &mut Option<Capitals>| *slot = Some(slot.map_or(needs, |least| least.min(needs)));
        let length = word_length(pattern);
        let (word, rest) = pattern.split_at(length);
        let key = Key::of_word(word);
        let entry = self.entry(key, length);
        if let Some(second) = second_of_pattern(rest) {
            least(&mut entry.longer);
            self.seconds.insert(key.and(Key::of_word(second)));
            let both = Key::of_word(&[word, b" ", &second[..SECOND_MIN]].concat());
            ways_to_write(both, length, needs).for_each(|way| self.filter.insert(way));
            return;
        }
        if rest.is_empty() && length <= Key::EXACT {
            entry.alone = Some((index, needs));
        } else {
            least(&mut entry.other);
        }
        ways_to_write(key, length, needs).for_each(|way| self.filter.insert(way));
        if rest.is_empty() && meanings.iter().any(may_be_plural) {
            let key = Key::of_word(&[word, b"s"].concat());
            least(&mut self.entry(key, length + 1).plural);
            ways_to_write(key, length + 1, needs).for_each(|way| self.filter.insert(way));
        }
    }

    /// The entry of a word, made if need be.
    fn entry(&mut self, key: Key, length: usize) -> &mut FirstWord {
        let mask = self.words.len() - 1;
        let mut slot = key.slot(self.words.len());
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        while self.words[slot].length != 0 && !self.words[slot].is(key, length) {
            slot = (slot + 1) & mask;
        }
        let entry = &mut self.words[slot];
        (entry.key, entry.length) = (key, length);
        entry
    }

    fn find(&self, key: Key, length: usize) -> Option<&FirstWord> {
        let mask = self.words.len() - 1;
        let mut slot = key.slot(self.words.len());
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        loop {
            let entry = &self.words[slot];
            if entry.length == 0 {
                return None;
            }
            if entry.is(key, length) {
                return Some(entry);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// A quick look that refuses most words: whether a pattern may begin with the word of `length` bytes that begins
    /// with these eight, before a blank and a word in ASCII or where nothing goes on. It takes no branch: a guess gone
    /// wrong costs more than all of it.
    #[inline(always)]
    pub(super) fn passes(&self, eight: u64, length: usize) -> bool {
        let cased = eight | REST_CASE_BITS;
        let word = Key(cased & KEEP[length % KEEP.len()]);
        let words = Key(cased & KEEP[(length + 1 + SECOND_MIN) % KEEP.len()]);
        self.filter.holds(word) | self.filter.holds(words)
    }

    /// What to do at the run of ASCII word bytes at `start..end` of `bytes`; in `any_case` as if in capitals.
    pub(super) fn admits(&self, bytes: &[u8], start: usize, end: usize, any_case: bool) -> Admission {
        let (word, rest) = (&bytes[start..end], &bytes[end..]);
        if goes_on(rest) {
            return Admission::Walk;
        }
        let eight = first_eight(bytes, start);
        if let Some(entry) = self.find(Key::of_first(eight | CASE_BITS, word.len()), word.len()) {
            let lifted = any_case || lifts_case(bytes, start, end);
            let capitals = if lifted { Capitals::All } else { written(eight, word.len()) };
            let admission = self.read(entry, capitals, rest);
            if admission != Admission::Refused {
                return admission;
            }
        }
        if self.ends_in_quote(word) { Admission::Walk } else { Admission::Refused }
    }

    /// What may begin with a word of the table, written in `capitals`, before `rest`.
    fn read(&self, entry: &FirstWord, capitals: Capitals, rest: &[u8]) -> Admission {
        let counts = |needs: Option<Capitals>| needs.is_some_and(|needs| needs <= capitals);
        if counts(entry.other) || counts(entry.longer) && self.second_follows(entry.key, rest) {
            return Admission::Walk;
        }
        match entry.alone {
            Some((pattern, needs)) if needs <= capitals => Admission::Whole(pattern as usize),
            // A word that is a spelling of its own is no plural, even where it does not count.
            None if counts(entry.plural) => Admission::Walk,
            _ => Admission::Refused,
        }
    }

    /// Whether the second word of a pattern may follow its first one.
    fn second_follows(&self, first: Key, rest: &[u8]) -> bool {
        let second = match rest {
            [separator, second @ ..] if separator.is_ascii_whitespace() || *separator == b'-' => second,
            // Blanks and dashes beyond ASCII are for the automaton to read.
            [0xE2, 0x80, third, ..] => return *third < 0x96,
            _ => return rest.first().is_some_and(|byte| *byte >= 0x80),
        };
        let length = word_length(&second[..second.len().min(SECOND_MAX)]);
        if length < SECOND_MAX
            && (goes_on(&second[length..])
                || length == 0 && second.first().is_some_and(u8::is_ascii_whitespace))
        {
            return true;
        }
        let eight = first_eight(second, 0);
        (SECOND_MIN..=length)
            .any(|length| self.seconds.holds(first.and(Key::of_first(eight | CASE_BITS, length))))
    }

    /// Whether a word in capitals may be a pair written as one.
    fn ends_in_quote(&self, word: &[u8]) -> bool {
        word.len() >= PAIR_MIN
            && !word[..3].iter().any(u8::is_ascii_lowercase)
            && self.pair_quotes.iter().any(|quote| {
                word.strip_suffix(quote.as_bytes()).is_some_and(|base| {
                    self.find(Key::of_word(base), base.len()).is_some_and(|entry| {
                        entry.alone.is_some() || base.len() > Key::EXACT && entry.other.is_some()
                    })
                })
            })
    }

    /// Whether a pattern may begin with the ASCII sign at `at`.
    pub(super) fn admits_sign(&self, bytes: &[u8], at: usize) -> bool {
        self.signs.contains(&bytes[at])
            && bytes.get(at + 1).is_some_and(|next| self.after_signs[(*next & 0x7F) as usize])
    }

    /// Whether `word` is the quote side of a pair, all in capitals or all in lower case.
    pub(super) fn is_pair_quote(&self, word: &str) -> bool {
        self.pair_quotes.iter().any(|quote| {
            quote == word || word.eq_ignore_ascii_case(quote) && !word.bytes().any(|b| b.is_ascii_uppercase())
        })
    }

    /// Whether a pattern begins with this character, at which no word starts by itself.
    pub(super) fn is_symbol(&self, c: char) -> bool {
        self.symbols.binary_search(&c).is_ok()
    }

    /// Whether a pattern begins with this character outside ASCII, in lower case.
    pub(super) fn admits_char(&self, c: char) -> bool {
        self.first_chars.binary_search(&c).is_ok()
            || c.to_lowercase().next().is_some_and(|c| self.first_chars.binary_search(&c).is_ok())
    }
}

impl FirstWord {
    fn is(&self, key: Key, length: u32) -> bool {
        self.key == key && self.length == length
    }
}

/// Only tickers and names that are safe take a plural s.
fn may_be_plural(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Claim(claim) if claim.class <= Class::B)
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_ascii_word(**byte)).count()
}

/// A pair written as one word is no shorter than this.
const PAIR_MIN: usize = 5;

/// How much of a second word is looked at: enough to tell "the graph" from "the group".
const SECOND_MAX: usize = 4;
const SECOND_MIN: usize = 2;

/// The beginning of a pattern's second word after a blank or a hyphen, if it is long enough to tell anything.
fn second_of_pattern(rest: &[u8]) -> Option<&[u8]> {
    let [b' ' | b'-', second @ ..] = rest else { return None };
    let length = word_length(second).min(SECOND_MAX);
    (length >= SECOND_MIN).then(|| &second[..length])
}

/// Whether a run of ASCII word bytes before `rest` may not end a word: beyond ASCII the word may go on, or hold
/// a character that folds to nothing; only general punctuation (quotes, dashes: E2 80 90 and up) surely ends it.
fn goes_on(rest: &[u8]) -> bool {
    match rest {
        [0xE2, 0x80, third, ..] => *third < 0x90,
        [first, ..] => *first >= 0x80,
        [] => false,
    }
}

/// A set of hashed words, one bit each. May hold a word that was never put in, never loses one.
#[derive(Debug)]
struct HashedSet {
    bits: Vec<u64>,
    /// Leaves of a hash as many bits as the set has.
    shift: u32,
}

impl HashedSet {
    /// `count`: a power of two, 64 at least.
    fn with_bits(count: usize) -> Self {
        Self { bits: vec![0; count / 64], shift: u64::BITS - count.trailing_zeros() }
    }

    fn insert(&mut self, key: Key) {
        let (at, bit) = self.place(key);
        self.bits[at] |= bit;
    }

    #[inline(always)]
    fn holds(&self, key: Key) -> bool {
        let (at, bit) = self.place(key);
        self.bits[at] & bit != 0
    }

    /// Only the high bits of the product depend on all of the key.
    #[inline(always)]
    fn place(&self, key: Key) -> (usize, u64) {
        let hash = key.0.wrapping_mul(Key::RATIO) >> self.shift;
        (usize::try_from(hash >> 6).unwrap_or(0) & (self.bits.len() - 1), 1 << (hash & 63))
    }
}

/// A [`HashedSet`] of fixed size: as many bits as leave room for other things in the nearest cache, some for each
/// word of a catalog with thousands of assets.
#[derive(Debug)]
struct Filter(Box<[u64; 1 << (Self::BITS - 6)]>);

impl Filter {
    const BITS: u32 = 18;

    fn new() -> Self {
        Self(Box::new([0; 1 << (Self::BITS - 6)]))
    }

    fn insert(&mut self, key: Key) {
        let (at, one, other) = Self::place(key);
        self.0[at] |= 1 << one | 1 << other;
    }

    #[inline(always)]
    fn holds(&self, key: Key) -> bool {
        let (at, one, other) = Self::place(key);
        self.0[at] >> one & self.0[at] >> other & 1 != 0
    }

    /// Only the high bits of the product depend on all of the key.
    #[inline(always)]
    fn place(key: Key) -> (usize, u32, u32) {
        let hash = key.0.wrapping_mul(Key::RATIO);
        let at = hash >> (u64::BITS - Self::BITS + 6);
        (at as usize, (hash >> 40) as u32 & 63, (hash >> 34) as u32 & 63)
    }
}

/// Where a small letter differs from its capital, in eight bytes and in all of them but the first two.
const CASE_BITS: u64 = 0x2020_2020_2020_2020;
const REST_CASE_BITS: u64 = 0x2020_2020_2020_0000;

/// Keeps the first bytes of eight, by how many; more than eight keep them all.
const KEEP: [u64; 128] = {
    let mut keep = [u64::MAX; 128];
    let mut length = 0;
    while length < 8 {
        keep[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    keep
};

/// The keys, with the case of their first two bytes, of a word that counts when written with the capitals that it
/// `needs`.
fn ways_to_write(key: Key, length: usize, needs: Capitals) -> impl Iterator<Item = Key> {
    let capital = move |byte: usize| {
        let letter = key.0.to_le_bytes()[byte];
        // `_` is as good as a capital: folding has set its case bit.
        if letter.is_ascii_lowercase() || letter == b'_' | 0x20 { 0x20 << (8 * byte) } else { 0 }
    };
    [0, capital(0), capital(1), capital(0) | capital(1)]
        .into_iter()
        .map(move |capitals| key.0 & !capitals)
        .filter(move |written_so| written(*written_so, length) >= needs)
        .map(Key)
}

/// The eight bytes from `start` on, zeros past the end of the text.
#[inline]
pub(super) fn first_eight(bytes: &[u8], start: usize) -> u64 {
    let rest = &bytes[start..];
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte)),
    }
}

/// A word as a number; letters of either case are equal. Up to eight bytes the number is the word, beyond that
/// it is a hash of its first eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Key(u64);

impl Key {
    /// Words up to this length are told apart by key and length alone.
    const EXACT: usize = 8;
    const RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

    /// Of the word of `length` bytes that begins with these eight bytes.
    fn of_first(eight: u64, length: usize) -> Self {
        Self(eight & KEEP[length.min(8)])
    }

    fn of_word(word: &[u8]) -> Self {
        Self(word.iter().take(8).rev().fold(0, |key, byte| key << 8 | u64::from(*byte | 0x20)))
    }

    /// Joined with the beginning of the next word.
    fn and(self, second: Self) -> Self {
        Self(self.0.wrapping_mul(Self::RATIO).rotate_left(23) ^ second.0)
    }

    /// Its slot among `slots`.
    #[inline]
    fn slot(self, slots: usize) -> usize {
        // Only the high bits of the product depend on all of the key; they choose the slot as a fraction would.
        let mixed = self.0.wrapping_mul(Self::RATIO) >> 32;
        usize::try_from((mixed * slots as u64) >> 32).unwrap_or(0)
    }
}
