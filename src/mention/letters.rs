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

/// How a word of `length` bytes is written that begins with these eight bytes. Asked at every word, so it takes
/// no branch.
#[inline]
pub(super) fn written(eight: u64, length: usize) -> Capitals {
    let [first, second, ..] = eight.to_le_bytes();
    let small = first.is_ascii_lowercase();
    let small_second = second.is_ascii_lowercase() & (length > 1);
    BY_SMALL[usize::from(small) << 1 | usize::from(small_second)]
}

/// By whether the first letter is small, and whether the second is.
const BY_SMALL: [Capitals; 4] = [Capitals::All, Capitals::First, Capitals::None, Capitals::None];

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
/// `$near`, `#solana`, `sol/usdt`, `sol +2%`.
pub(super) fn lifts_case(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map(|at| bytes[at]);
    before.is_some_and(|byte| joins(byte) || begins_tag(byte))
        || match &bytes[end..] {
            [b' ', next, ..] => begins_change(*next) || *next == 0xE2,
            [next, ..] => joins(*next) || *next == 0xE2,
            [] => false,
        }
}

/// Signs between the two sides of a pair, or between a market and its ticker.
#[inline(always)]
pub(super) fn joins(byte: u8) -> bool {
    matches!(byte, b'/' | b'-' | b':')
}

/// Signs that make a tag of the word after them.
#[inline(always)]
pub(super) fn begins_tag(byte: u8) -> bool {
    matches!(byte, b'#' | b'$')
}

/// What a change of price begins with.
#[inline(always)]
pub(super) fn begins_change(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | b'(' | b'0'..=b'9')
}

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

/// Every word of `surface` has a capital at least where `written` begins its words with one; a joining word
/// inside needs none: "BOOK OF MEME" is "Book of Meme" as well.
fn capitalised_alike(written: &str, surface: &str) -> bool {
    const JOINING: &[&str] = &["a", "and", "for", "in", "of", "on", "the", "to"];
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
    }
    let capital = |word: &str| word.starts_with(|c: char| c.is_uppercase() || c.is_numeric());
    let (mut wanted, mut found) = (words(written), words(surface));
    let mut capital_words = 0;
    loop {
        match (wanted.next(), found.next()) {
            (Some(wanted), Some(word)) if capital(word) || !capital(wanted) => {
                capital_words += usize::from(capital(wanted));
            }
            (Some(_), Some(word)) if capital_words > 0 && JOINING.contains(&word) => {}
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
