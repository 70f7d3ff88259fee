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
    /// A phrase in which `token` is not meant. `exact`: only as written.
    Negative { token: TokenIndex, exact: Option<Box<str>> },
    /// A word that makes `token` believable.
    OwnContext { token: TokenIndex },
    /// A word of the lists.
    Word(WordRoles),
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
    /// Folded spellings by pattern, for tests that scan in another way.
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
            for phrase in &asset.negative {
                let exact = phrase.chars().any(char::is_uppercase).then(|| phrase.as_str().into());
                add(phrase, Meaning::Negative { token, exact });
            }
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
        let gate = Gate::new(&patterns, &words.pair_quotes);
        Self { automaton, gate, meanings, patterns }
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

/// Tells from the first word at a place that no pattern begins there, without walking the automaton.
///
/// One bit per hash of a first word, eight bytes at most, so a word that no pattern begins with is let
/// through only by a collision of hashes; it is never wrongly refused.
#[derive(Debug)]
pub(super) struct Gate {
    bits: Vec<u64>,
    shift: u32,
    /// ASCII punctuation with which a pattern begins.
    pub(super) signs: [bool; 128],
    /// Other characters with which a pattern begins and at which no word starts by itself.
    pub(super) symbols: HashSet<char>,
    first_chars: HashSet<char>,
    pair_quotes: Vec<String>,
}

impl Gate {
    fn new(patterns: &[String], pair_quotes: &HashSet<String>) -> Self {
        // 32 bits per pattern keep false passes near 3 %.
        let size = (patterns.len() * 32).next_power_of_two().max(64);
        let mut gate = Self {
            bits: vec![0; size / 64],
            shift: 64 - size.trailing_zeros(),
            signs: [false; 128],
            symbols: HashSet::new(),
            first_chars: HashSet::new(),
            pair_quotes: pair_quotes.iter().cloned().collect(),
        };
        for pattern in patterns {
            let Some(first) = pattern.chars().next() else { continue };
            if first.is_ascii() {
                if words::class(first) == CharClass::Other {
                    gate.signs[first as usize] = true;
                }
            } else {
                if words::class(first) == CharClass::Other {
                    gate.symbols.insert(first);
                }
                gate.first_chars.insert(first);
            }
            let word = pattern.bytes().take_while(|byte| is_ascii_word(*byte)).count();
            let slot = gate.slot(&pattern.as_bytes()[..word]);
            gate.bits[slot / 64] |= 1 << (slot % 64);
        }
        gate
    }

    /// Whether a pattern may begin with `word`, a whole run of ASCII word bytes that `follows` ends.
    pub(super) fn admits(&self, word: &[u8], follows: &[u8]) -> bool {
        if self.holds(word) {
            return true;
        }
        // Beyond ASCII the word may go on, or hold a character that folds to nothing; only general
        // punctuation (quotes, dashes: E2 80 90 and up) surely ends it.
        let goes_on = match follows {
            [0xE2, 0x80, third, ..] => *third < 0x90,
            [first, ..] => *first >= 0x80,
            [] => false,
        };
        goes_on
            || matches!(word, [stem @ .., b's' | b'S'] if self.holds(stem))
            || word.len() >= 5
                && word[..3].iter().all(|byte| !byte.is_ascii_lowercase())
                && self
                    .pair_quotes
                    .iter()
                    .any(|quote| word.strip_suffix(quote.as_bytes()).is_some_and(|base| self.holds(base)))
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

    fn holds(&self, word: &[u8]) -> bool {
        let slot = self.slot(word);
        self.bits[slot / 64] & (1 << (slot % 64)) != 0
    }

    fn slot(&self, word: &[u8]) -> usize {
        let key = word.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(byte.to_ascii_lowercase()));
        // Fibonacci hashing: the high bits of the product are well mixed.
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        usize::try_from(hash).unwrap_or(0)
    }
}

/// Whether a byte is an ASCII letter, digit or `_`.
pub(super) fn is_ascii_word(byte: u8) -> bool {
    byte < 0x80 && words::ASCII[byte as usize] == CharClass::Word
}
