//! The catalog and the word lists, compiled into one automaton.
//!
//! Owns the map from a folded spelling to everything it can mean. Never judges a mention.

use std::collections::{BTreeMap, HashSet};

use aho_corasick::MatchKind;
use aho_corasick::nfa::contiguous::NFA;
use jiff::civil::Date;
use serde::Deserialize;

use super::evidence::Weights;
use super::words::{self, CharClass};
use crate::catalog::{AliasKind, CaseRule, Catalog, Class, TokenIndex};

/// `data/detection.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) default_min_confidence: f64,
    pub(super) weights: Weights,
    pub(super) words: WordLists,
}

/// The words that rules look for; see the comments in `data/detection.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WordLists {
    document: Vec<String>,
    right: Vec<String>,
    left: Vec<String>,
    moves: Vec<String>,
    pub(super) pair_quotes: HashSet<String>,
    pub(super) stock_exchanges: Vec<String>,
    pub(super) crypto_listings: Vec<String>,
    pub(super) longer_name_before: Vec<String>,
    pub(super) longer_name_after: Vec<String>,
}

/// One thing that a spelling can mean.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A surface of an asset.
    Claim(Claim),
    /// Something else that looks like one; index into the catalog's blockers.
    Blocker { index: u32, case: CaseRule, written: Box<str> },
    /// A word that makes `token` believable.
    OwnContext { token: TokenIndex },
    /// A word of the lists.
    Word(WordRoles),
}

/// How much of a word is in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Capitals {
    /// Its first letter is none.
    None,
    /// The first letter, the second not.
    First,
    /// The first two at least, or a word of one capital.
    All,
}

/// How a run of ASCII word bytes is written.
pub(super) fn written(word: &[u8]) -> Capitals {
    match word {
        [first, ..] if first.is_ascii_lowercase() => Capitals::None,
        [_, second, ..] if second.is_ascii_lowercase() => Capitals::First,
        _ => Capitals::All,
    }
}

impl Meaning {
    /// The capitals without which it cannot count.
    pub(super) fn needs(&self) -> Capitals {
        let (case, text) = match self {
            Self::Claim(claim) => (claim.case, &claim.written),
            Self::Blocker { case, written, .. } => (*case, written),
            Self::OwnContext { .. } | Self::Word(_) => return Capitals::None,
        };
        match case {
            CaseRule::Any => Capitals::None,
            CaseRule::Upper if !text.starts_with(|c: char| c.is_ascii_digit()) => Capitals::All,
            CaseRule::Brand if text.starts_with(|c: char| c.is_ascii_uppercase()) => Capitals::First,
            CaseRule::Brand | CaseRule::Upper => Capitals::None,
        }
    }
}

/// A surface of an asset.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) token: TokenIndex,
    pub(super) role: Role,
    pub(super) class: Class,
    pub(super) case: CaseRule,
    pub(super) written: Box<str>,
    /// First date on which the asset no longer went by this surface.
    pub(super) until: Option<Date>,
}

/// Ticker-like or name-like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Symbol,
    Name,
}

/// A phrase in which a word is not the token.
#[derive(Debug)]
pub(super) struct Phrase {
    /// Only as written; otherwise `text` is folded.
    pub(super) exact: bool,
    pub(super) text: String,
}

/// In which lists a word stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WordRoles {
    pub(super) document: bool,
    pub(super) right: bool,
    pub(super) left: bool,
    pub(super) moves: bool,
}

/// The automaton and what its patterns mean.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) automaton: NFA,
    pub(super) gate: Gate,
    meanings: Vec<Vec<Meaning>>,
    /// By token: the phrases in which it is not meant.
    negatives: Vec<Vec<Phrase>>,
    /// Folded spellings by pattern: for the tests, which scan in another way.
    #[cfg(test)]
    pub(super) patterns: Vec<String>,
}

impl Lexicon {
    /// Compiles `catalog` with `rules`.
    pub(super) fn new(catalog: &Catalog, words: &WordLists) -> Self {
        // Ordered, so that equal catalogs make equal automata.
        let mut spellings: BTreeMap<String, Vec<Meaning>> = BTreeMap::new();
        let mut add = |text: &str, meaning: Meaning| {
            let folded = words::fold(text);
            if !folded.is_empty() {
                spellings.entry(folded).or_default().push(meaning);
            }
        };
        for token in catalog.indices() {
            claims(catalog, token, &mut |text, claim| add(text, Meaning::Claim(claim)));
            let asset = catalog.asset(token);
            for word in &asset.context {
                add(word, Meaning::OwnContext { token });
            }
        }
        for (index, blocker) in (0u32..).zip(&catalog.file().blockers) {
            let written = blocker.text.as_str().into();
            add(&blocker.text, Meaning::Blocker { index, case: blocker.case, written });
        }
        for (word, roles) in word_roles(words) {
            add(&word, Meaning::Word(roles));
        }
        let (patterns, meanings): (Vec<_>, Vec<_>) = spellings.into_iter().unzip();
        #[expect(clippy::expect_used, reason = "some ten thousand short patterns stay far below its limits")]
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&patterns)
            .expect("the automaton builds");
        let phrase = |text: &String| Phrase {
            exact: text.chars().any(char::is_uppercase),
            text: if text.chars().any(char::is_uppercase) { text.clone() } else { words::fold(text) },
        };
        let negatives =
            catalog.assets().iter().map(|asset| asset.negative.iter().map(phrase).collect()).collect();
        let gate = Gate::new(&patterns, &meanings, &words.pair_quotes);
        Self {
            automaton,
            gate,
            meanings,
            negatives,
            #[cfg(test)]
            patterns,
        }
    }

    /// The phrases in which a token is not meant.
    pub(super) fn negatives(&self, token: TokenIndex) -> &[Phrase] {
        &self.negatives[token.at()]
    }

    /// What a pattern can mean.
    pub(super) fn meanings(&self, pattern: usize) -> &[Meaning] {
        &self.meanings[pattern]
    }
}

/// Every surface of one asset. Equal surfaces of one asset count once, with its most trusting claim.
fn claims(catalog: &Catalog, token: TokenIndex, add: &mut dyn FnMut(&str, Claim)) {
    let asset = catalog.asset(token);
    let claim = |role, class, case, written: &str, until| Claim {
        token,
        role,
        class,
        case,
        written: written.into(),
        until,
    };
    let symbol_case = |class| if class == Class::A { CaseRule::Any } else { CaseRule::Upper };
    let name_case = |class| if class == Class::A { CaseRule::Any } else { CaseRule::Brand };
    let symbol_as_name = words::fold(&asset.symbol) == words::fold(&asset.name);
    add(
        &asset.symbol,
        claim(Role::Symbol, asset.symbol_class, symbol_case(asset.symbol_class), &asset.symbol, None),
    );
    if !symbol_as_name || asset.name_class <= asset.symbol_class && asset.name != asset.symbol {
        add(&asset.name, claim(Role::Name, asset.name_class, name_case(asset.name_class), &asset.name, None));
    }
    for alias in &asset.aliases {
        let role = if alias.kind == AliasKind::Symbol { Role::Symbol } else { Role::Name };
        add(&alias.text, claim(role, alias.class, alias.case, &alias.text, None));
    }
    for former in &asset.formerly {
        let until = former.until.parse().ok();
        if let Some(symbol) = &former.symbol {
            add(symbol, claim(Role::Symbol, former.class, symbol_case(former.class), symbol, until));
        }
        if let Some(name) = &former.name {
            add(name, claim(Role::Name, former.class, name_case(former.class), name, until));
        }
    }
}

fn word_roles(words: &WordLists) -> BTreeMap<String, WordRoles> {
    let mut roles: BTreeMap<String, WordRoles> = BTreeMap::new();
    for word in &words.document {
        roles.entry(words::fold(word)).or_default().document = true;
    }
    for word in &words.right {
        roles.entry(words::fold(word)).or_default().right = true;
    }
    for word in &words.left {
        roles.entry(words::fold(word)).or_default().left = true;
    }
    for word in &words.moves {
        roles.entry(words::fold(word)).or_default().moves = true;
    }
    roles
}

/// Tells from the words at a place that no pattern begins there, without walking the automaton.
///
/// Most words of a text are plain ones, and most tickers are plain words in capitals: a pattern is looked for
/// only at words written in a way that one of its meanings allows, or beside a sign that lifts the rule.
#[derive(Debug)]
pub(super) struct Gate {
    /// First words of all patterns.
    all: FirstWords,
    /// First words of patterns that need no capitals throughout.
    capitalised: FirstWords,
    /// First words of patterns that need no capital at all.
    lower: FirstWords,
    /// ASCII punctuation with which a pattern begins, and what follows it there (without the high bit).
    signs: [bool; 128],
    after_signs: [bool; 128],
    /// Other characters with which a pattern begins and at which no word starts by itself.
    pub(super) symbols: HashSet<char>,
    first_chars: HashSet<char>,
    pair_quotes: Vec<String>,
}

impl Gate {
    fn new(patterns: &[String], meanings: &[Vec<Meaning>], pair_quotes: &HashSet<String>) -> Self {
        let mut gate = Self {
            all: FirstWords::default(),
            capitalised: FirstWords::default(),
            lower: FirstWords::default(),
            signs: [false; 128],
            after_signs: [false; 128],
            symbols: HashSet::new(),
            first_chars: HashSet::new(),
            pair_quotes: pair_quotes.iter().cloned().collect(),
        };
        let (mut all, mut capitalised, mut lower) = (Vec::new(), Vec::new(), Vec::new());
        for (pattern, meanings) in patterns.iter().zip(meanings) {
            let Some(first) = pattern.chars().next() else { continue };
            if first.is_ascii() {
                if words::class(first) == CharClass::Other {
                    gate.signs[first as usize] = true;
                    let next = pattern.as_bytes().get(1).copied().unwrap_or_default();
                    gate.after_signs[(next & 0x7F) as usize] = true;
                    gate.after_signs[(next.to_ascii_uppercase() & 0x7F) as usize] = true;
                }
            } else {
                if words::class(first) == CharClass::Other {
                    gate.symbols.insert(first);
                }
                gate.first_chars.insert(first);
            }
            all.push(pattern.as_bytes());
            let needs = meanings.iter().map(Meaning::needs).min().unwrap_or(Capitals::None);
            if needs < Capitals::All {
                capitalised.push(pattern.as_bytes());
            }
            if needs < Capitals::First {
                lower.push(pattern.as_bytes());
            }
        }
        gate.all = FirstWords::new(&all);
        gate.capitalised = FirstWords::new(&capitalised);
        gate.lower = FirstWords::new(&lower);
        gate
    }

    /// Whether a pattern may begin with the run of ASCII word bytes at `start..end` of `bytes`.
    pub(super) fn admits(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        let (word, rest) = (&bytes[start..end], &bytes[end..]);
        let key = Key::of(bytes, start, end);
        let first_words = match written(word) {
            Capitals::None => &self.lower,
            Capitals::First => &self.capitalised,
            Capitals::All => &self.all,
        };
        if first_words.begin(key, rest) || lifts_case(bytes, start, end) && self.all.begin(key, rest) {
            return true;
        }
        // Beyond ASCII the word may go on, or hold a character that folds to nothing; only general
        // punctuation (quotes, dashes: E2 80 90 and up) surely ends it.
        let goes_on = match rest {
            [0xE2, 0x80, third, ..] => *third < 0x90,
            [first, ..] => *first >= 0x80,
            [] => false,
        };
        goes_on
            || matches!(word, [stem @ .., b's' | b'S'] if first_words.alone.holds(Key::of_word(stem)))
            || word.len() >= 5
                && !word[..3].iter().any(u8::is_ascii_lowercase)
                && self.pair_quotes.iter().any(|quote| {
                    word.strip_suffix(quote.as_bytes())
                        .is_some_and(|base| self.all.alone.holds(Key::of_word(base)))
                })
    }

    /// Whether a pattern may begin with the ASCII sign at `at`.
    pub(super) fn admits_sign(&self, bytes: &[u8], at: usize) -> bool {
        self.signs[bytes[at] as usize]
            && bytes.get(at + 1).is_some_and(|next| self.after_signs[(*next & 0x7F) as usize])
    }

    /// Whether `word` is the quote side of a pair, all in capitals or all in lower case.
    pub(super) fn is_pair_quote(&self, word: &str) -> bool {
        self.pair_quotes.iter().any(|quote| {
            quote == word || word.eq_ignore_ascii_case(quote) && !word.bytes().any(|b| b.is_ascii_uppercase())
        })
    }

    /// Whether a pattern begins with this character outside ASCII, in lower case.
    pub(super) fn admits_char(&self, c: char) -> bool {
        self.first_chars.contains(&c)
            || c.to_lowercase().next().is_some_and(|c| self.first_chars.contains(&c))
    }
}

/// Whether a sign beside a word could make it count in a letter case that its claims do not allow:
/// `$near`, `#solana`, `sol/usdt`, `sol +2%`.
pub(super) fn lifts_case(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map(|at| bytes[at]);
    matches!(before, Some(b'$' | b'#' | b'/' | b'-' | b':'))
        || matches!(
            &bytes[end..],
            [b'/' | b'-' | b':' | 0xE2, ..] | [b' ', b'+' | b'-' | b'(' | b'0'..=b'9' | 0xE2, ..]
        )
}

/// The first words of patterns; of patterns of several words also the beginning of the second word, since
/// many names begin with words as common as "the".
#[derive(Debug, Default)]
struct FirstWords {
    /// Of every pattern: most words of a text are refused by this alone.
    any: Bitmap,
    /// Of patterns that are one word, or that go on in a way that is not looked at here.
    alone: Bitmap,
    /// Of patterns of several words, with the first two bytes of the second one.
    with_second: Bitmap,
}

impl FirstWords {
    fn new(patterns: &[&[u8]]) -> Self {
        let bitmap = || Bitmap::for_words(patterns.len());
        let mut words = Self { any: bitmap(), alone: bitmap(), with_second: bitmap() };
        for pattern in patterns {
            let length = pattern.iter().take_while(|byte| is_ascii_word(**byte)).count();
            let (word, rest) = pattern.split_at(length);
            let key = Key::of_word(word);
            words.any.insert(key);
            match second_word(rest) {
                Some(second) => words.with_second.insert(key.and(second)),
                None => words.alone.insert(key),
            }
        }
        words
    }

    /// Whether a pattern may begin with a word where `rest` follows.
    fn begin(&self, word: Key, rest: &[u8]) -> bool {
        self.any.holds(word)
            && (self.alone.holds(word)
                || match second_word(rest) {
                    Some(second) => self.with_second.holds(word.and(second)),
                    // Runs of blanks and dashes beyond ASCII are for the automaton to read.
                    None => rest.first().is_some_and(|byte| *byte >= 0x80 || byte.is_ascii_whitespace()),
                })
    }
}

/// The first two bytes of a word after one blank or hyphen, if both are ASCII.
fn second_word(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b' ' | b'-', second @ ..] => {
            second.get(..2).filter(|two| two.iter().all(|byte| is_ascii_word(*byte)))
        }
        _ => None,
    }
}

/// A set of hashed words: one bit each. May hold a word that was never put in, never loses one.
#[derive(Debug)]
struct Bitmap {
    bits: Vec<u64>,
    shift: u32,
}

impl Default for Bitmap {
    fn default() -> Self {
        Self::for_words(0)
    }
}

impl Bitmap {
    fn for_words(count: usize) -> Self {
        // 16 bits a word let about 6 % of other words pass, and stay in the nearest cache.
        let size = (count * 16).next_power_of_two().max(64);
        Self { bits: vec![0; size / 64], shift: 64 - size.trailing_zeros() }
    }

    fn insert(&mut self, key: Key) {
        let slot = self.slot(key);
        self.bits[slot / 64] |= 1 << (slot % 64);
    }

    fn holds(&self, key: Key) -> bool {
        let slot = self.slot(key);
        self.bits[slot / 64] & (1 << (slot % 64)) != 0
    }

    fn slot(&self, key: Key) -> usize {
        // Fibonacci hashing: the high bits of the product are well mixed.
        usize::try_from(key.0.wrapping_mul(RATIO) >> self.shift).unwrap_or(0)
    }
}

/// Up to eight bytes of a word as a number; letters of either case are equal.
#[derive(Clone, Copy, Debug)]
struct Key(u64);

const RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
const CASE_BITS: u64 = 0x2020_2020_2020_2020;

impl Key {
    /// Of the word at `start..end` of a text, which is not empty.
    fn of(bytes: &[u8], start: usize, end: usize) -> Self {
        match bytes[start..].first_chunk::<8>() {
            Some(eight) => {
                let beyond = 64 - 8 * (end - start).min(8);
                Self((u64::from_le_bytes(*eight) | CASE_BITS) << beyond >> beyond)
            }
            None => Self::of_word(&bytes[start..end]),
        }
    }

    fn of_word(word: &[u8]) -> Self {
        Self(word.iter().take(8).rev().fold(0, |key, byte| key << 8 | u64::from(*byte | 0x20)))
    }

    /// Joined with the beginning of the next word.
    fn and(self, second: &[u8]) -> Self {
        Self(self.0.wrapping_mul(RATIO).rotate_left(23) ^ Self::of_word(second).0)
    }
}

/// Whether a byte is an ASCII letter, digit or `_`.
pub(super) fn is_ascii_word(byte: u8) -> bool {
    byte < 0x80 && words::ASCII[byte as usize] == CharClass::Word
}
