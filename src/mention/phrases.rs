//! Phrases in which a word is not the token that it looks like: "near term", "ripple effect".
//!
//! Owns the search for them around a place. Most places are told apart from every phrase by three letters on
//! either side, so only few are folded and searched.

use std::ops::Range;

use super::words::{self, CharClass, is_ascii_word};

/// How far a phrase can reach beyond the word in it, white space included.
const PHRASE_REACH: usize = 48;

/// The phrases of one asset.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    list: Vec<Phrase>,
    /// What goes on, to the right and to the left, from a place that a phrase reaches beyond.
    after: Beyond,
    before: Beyond,
}

#[derive(Debug)]
struct Phrase {
    /// Only as written; otherwise `text` is folded.
    exact: bool,
    text: String,
}

impl Phrases {
    pub(super) fn new(texts: &[String]) -> Self {
        let mut phrases = Self::default();
        for text in texts {
            let exact = text.chars().any(char::is_uppercase);
            let text = if exact { text.clone() } else { words::fold(text) };
            phrases.after.insert(text.bytes());
            phrases.before.insert(text.bytes().rev());
            phrases.list.push(Phrase { exact, text });
        }
        phrases
    }

    /// Whether `place` lies in one of them. A ticker in `capitals` is not the word of a phrase in lower case.
    pub(super) fn hold(&self, text: &str, place: &Range<usize>, capitals: bool) -> bool {
        self.may_hold(text, place) && self.search(text, place, capitals)
            || !self.list.is_empty() && self.hold_unquoted(text, place, capitals)
    }

    /// The same without quotation marks around the place: the ‘DOGE’ department.
    fn hold_unquoted(&self, text: &str, place: &Range<usize>, capitals: bool) -> bool {
        let is_quote = |c: char| c == '"' || matches!(c, '“' | '”' | '«' | '»') || words::is_apostrophe(c);
        let Some(before) = text[..place.start].strip_suffix(is_quote) else { return false };
        let Some(after) = text[place.end..].strip_prefix(is_quote) else { return false };
        let before = &before[before.ceil_char_boundary(before.len().saturating_sub(PHRASE_REACH))..];
        let after = &after[..after.floor_char_boundary(PHRASE_REACH)];
        let surface = &text[place.clone()];
        let bare = [before, surface, after].concat();
        self.search(&bare, &(before.len()..before.len() + surface.len()), capitals)
    }

    /// False only if no phrase touches the place.
    fn may_hold(&self, text: &str, place: &Range<usize>) -> bool {
        let bytes = text.as_bytes();
        self.after.may_follow(bytes[place.end..].iter().copied())
            || self.before.may_follow(bytes[..place.start].iter().rev().copied())
            || self.may_lie_inside(&bytes[place.clone()])
    }

    /// Whether one of them may be a part of `surface`, or all of it.
    fn may_lie_inside(&self, surface: &[u8]) -> bool {
        let mut short = self.list.iter().filter(|phrase| phrase.text.len() <= surface.len()).peekable();
        if !surface.is_ascii() {
            return true;
        }
        short.peek().is_some()
            && (has_odd_blanks(surface) || short.any(|phrase| is_part(surface, phrase.text.as_bytes())))
    }

    fn search(&self, text: &str, place: &Range<usize>, capitals: bool) -> bool {
        let from = text.ceil_char_boundary(place.start.saturating_sub(PHRASE_REACH));
        let to = text.floor_char_boundary((place.end + PHRASE_REACH).min(text.len()));
        let exact = &text[from..to];
        let exact_place = place.start - from..place.end - from;
        if self.list.iter().any(|phrase| phrase.exact && overlaps(exact, &exact_place, &phrase.text)) {
            return true;
        }
        if capitals || self.list.iter().all(|phrase| phrase.exact) {
            return false;
        }
        let mut folded = words::fold_untrimmed(&text[from..place.start]);
        let start = folded.len();
        folded.push_str(&words::fold_untrimmed(&text[place.clone()]));
        let folded_place = start..folded.len();
        folded.push_str(&words::fold_untrimmed(&text[place.end..to]));
        self.list.iter().any(|phrase| !phrase.exact && overlaps(&folded, &folded_place, &phrase.text))
    }
}

/// Whether `phrase` stands as whole words in `text` and touches `place`.
fn overlaps(text: &str, place: &Range<usize>, phrase: &str) -> bool {
    let is_word = |c: char| words::class(c) == CharClass::Word;
    text.match_indices(phrase).any(|(start, _)| {
        let end = start + phrase.len();
        start < place.end
            && place.start < end
            && !(phrase.starts_with(is_word) && text[..start].ends_with(is_word))
            && !(phrase.ends_with(is_word) && text[end..].starts_with(is_word))
    })
}

/// Blanks that folding changes.
fn has_odd_blanks(surface: &[u8]) -> bool {
    surface.iter().any(|byte| byte.is_ascii_whitespace() && *byte != b' ') || is_part(surface, b"  ")
}

fn is_part(surface: &[u8], phrase: &[u8]) -> bool {
    surface.windows(phrase.len().max(1)).any(|part| part.eq_ignore_ascii_case(phrase))
}

/// Stands for the end of a phrase after a word.
const END: u8 = 0;

/// The ways in which phrases go on beyond a word, one direction of reading: the first three bytes, of which the
/// first is no word byte.
#[derive(Debug, Default)]
struct Beyond {
    /// The first bytes: a blank, a hyphen, seldom more. In no order.
    firsts: Vec<u8>,
    /// Hashed three bytes, one bit each.
    three: [u64; 8],
    /// First bytes of ways that are shorter. In no order.
    short: Vec<u8>,
}

impl Beyond {
    fn insert(&mut self, phrase: impl Iterator<Item = u8>) {
        let phrase: Vec<u8> = phrase.collect();
        for at in (1..phrase.len()).filter(|at| !is_ascii_word(phrase[*at])) {
            if !self.firsts.contains(&fold(phrase[at])) {
                self.firsts.push(fold(phrase[at]));
            }
            match phrase[at..] {
                [first, second, third, ..] => self.add([first, second, third]),
                // Only whole words count: what follows is no word byte.
                [first, second] if is_ascii_word(second) => self.add([first, second, END]),
                _ => self.short.push(fold(phrase[at])),
            }
        }
    }

    fn add(&mut self, three: [u8; 3]) {
        let (slot, bit) = Self::slot(three.map(fold));
        self.three[slot] |= bit;
    }

    fn has(&self, three: [u8; 3]) -> bool {
        let (slot, bit) = Self::slot(three);
        self.three[slot] & bit != 0
    }

    /// Whether a phrase may go on into `bytes`; true for what only the folded text can tell.
    fn may_follow(&self, mut bytes: impl Iterator<Item = u8>) -> bool {
        let Some(first) = bytes.next() else { return false };
        if first < 0x80 && !is_ascii_word(first) && !self.firsts.contains(&fold(first)) {
            return false;
        }
        let (Some(second), Some(third)) = (bytes.next(), bytes.next()) else { return true };
        let three = [first, second, third];
        if three.iter().any(|byte| *byte >= 0x80) || is_ascii_word(first) {
            return true;
        }
        let three = three.map(fold);
        if three[1] == b' ' && (three[0] == b' ' || three[2] == b' ') {
            return true;
        }
        self.has(three)
            || !is_ascii_word(three[2]) && self.has([three[0], three[1], END])
            || self.short.contains(&three[0])
    }

    fn slot(three: [u8; 3]) -> (usize, u64) {
        let [first, second, third] = three.map(u64::from);
        let hash = (first << 16 | second << 8 | third).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55;
        (usize::try_from(hash / 64).unwrap_or(0), 1 << (hash % 64))
    }
}

/// Blanks and letters of either case are equal.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() { b' ' } else { byte.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_quick_look_loses_no_phrase(
            before in "[a ]{0,3}(doge-|in the |a |an |s |In the |\n\nan|é |x  )?",
            word in "(near|Near|doge|near  the|ripple effect)",
            after in "( term| s| so|-led|  term| \u{200b}term|s|.|\n|’s| to it| pump)?.{0,3}",
        ) {
            let phrases = Phrases::new(
                &["near term", "in the near", "DOGE-led", "doge-led", "ripple", "near.", "an near", "the", "near  to", "a near", "doge s"]
                    .map(str::to_owned),
            );
            let text = format!("{before}{word}{after}");
            let place = before.len()..before.len() + word.len();
            prop_assert_eq!(phrases.hold(&text, &place, false), phrases.search(&text, &place, false));
        }
    }
}
