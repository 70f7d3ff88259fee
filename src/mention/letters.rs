//! Upper and lower case: which a surface needs, and whether it has it.
//!
//! Owns the rules of letter case. Never looks at what stands around a surface, but for the signs that lift them.

use crate::catalog::CaseRule;

/// How much of a word is in capitals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Capitals {
    /// Its first letter is none.
    #[default]
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

/// The capitals without which a surface under `rule`, spelled `text`, cannot count.
pub(super) fn needed(rule: CaseRule, text: &str) -> Capitals {
    match rule {
        CaseRule::Any => Capitals::None,
        CaseRule::Upper if !text.starts_with(|c: char| c.is_ascii_digit()) => Capitals::All,
        CaseRule::Brand if text.starts_with(|c: char| c.is_ascii_uppercase()) => Capitals::First,
        CaseRule::Brand | CaseRule::Upper => Capitals::None,
    }
}

/// Whether a sign beside a word could make it count in a letter case that its claims do not allow:
/// `$near`, `#solana`, `sol/usdt`, `sol +2%`. Asked at every word, so it takes no branch.
#[inline]
pub(super) fn lifts_case(bytes: &[u8], start: usize, end: usize) -> bool {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let (before, next, beyond) = (byte(start.wrapping_sub(1)), byte(end), byte(end.wrapping_add(1)));
    let lifts = |byte: u8, from: u8| LIFTING[byte as usize] & from;
    let blank = if next == b' ' { AFTER_BLANK } else { 0 };
    lifts(before, BEFORE) | lifts(next, AFTER) | lifts(beyond, blank) != 0
}

/// Where a byte lifts the case rule: before a word, right after it, or after it and a blank.
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const AFTER_BLANK: u8 = 4;

static LIFTING: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let c = byte as u8;
        if matches!(c, b'$' | b'#' | b'/' | b'-' | b':') {
            table[byte] |= BEFORE;
        }
        if matches!(c, b'/' | b'-' | b':' | 0xE2) {
            table[byte] |= AFTER;
        }
        if matches!(c, b'+' | b'-' | b'(' | b'0'..=b'9' | 0xE2) {
            table[byte] |= AFTER_BLANK;
        }
        byte += 1;
    }
    table
};

/// Whether the letters of `surface` stand in a case that `rule` allows for `written`.
pub(super) fn case_holds(rule: CaseRule, written: &str, surface: &str) -> bool {
    let capitals = || !surface.chars().any(char::is_lowercase);
    match rule {
        CaseRule::Any => true,
        CaseRule::Upper => capitals(),
        CaseRule::Brand => {
            written == surface
                || same_letters(written, surface)
                || capitals()
                || capitalised_alike(written, surface)
        }
    }
}

/// The same letters and digits in the same case, whatever blanks and dashes lie between them.
fn same_letters(written: &str, surface: &str) -> bool {
    written.chars().filter(|c| c.is_alphanumeric()).eq(surface.chars().filter(|c| c.is_alphanumeric()))
}

/// Every word of `surface` has a capital at least where `written` begins its words with one.
fn capitalised_alike(written: &str, surface: &str) -> bool {
    fn initials(text: &str) -> impl Iterator<Item = bool> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .map(|c| c.is_uppercase() || c.is_numeric())
    }
    let (mut wanted, mut found) = (initials(written), initials(surface));
    let mut capital_words = 0;
    loop {
        match (wanted.next(), found.next()) {
            (Some(wanted), Some(is)) if is || !wanted => capital_words += usize::from(wanted),
            (None, None) => return capital_words > 0,
            _ => return false,
        }
    }
}

/// One capitalised word, as any word may look in a title: no digit, no blank, no inner capital.
pub(super) fn is_one_word(written: &str) -> bool {
    let mut chars = written.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.all(|c| c.is_alphabetic() && !c.is_uppercase())
}
