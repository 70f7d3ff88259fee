//! Whose ticker stands in parentheses: "AXIS Capital (AXS)" is not about Axie Infinity.
//!
//! Owns the name before a ticker and its comparison with the names of an asset. Never decides what is believed.

use std::ops::Range;

use super::lexicon::WordRoles;
use super::words::{self, CharClass};
use crate::catalog::AssetRecord;

/// Words of a name that are looked at; few names have more.
const NAME_WORDS: usize = 4;

/// A shorter common beginning than this says nothing.
const ALIKE: usize = 3;

/// Whether a name stands right before the parenthesis that `place` is in, and it is none of the asset's.
/// `listed` are the list words of the field: "the new altcoin (SYM)" names nobody.
pub(super) fn is_other(
    text: &str,
    place: &Range<usize>,
    asset: &AssetRecord,
    listed: &[(Range<usize>, WordRoles)],
) -> bool {
    let before = text[..place.start].trim_end_matches('$');
    let Some(before) = before.strip_suffix(['(', '[']) else { return false };
    let mut rest = before.trim_end();
    let after = listed.partition_point(|(range, _)| range.end <= rest.len());
    if after.checked_sub(1).is_some_and(|last| listed[last].0.end == rest.len()) {
        return false;
    }
    let mut named = false;
    for _ in 0..NAME_WORDS {
        let start = rest.rfind(ends_word).map_or(0, |at| rest.ceil_char_boundary(at + 1));
        let word = rest[start..].trim_matches(|c| words::class(c) == CharClass::Other);
        if !word.chars().next().is_some_and(char::is_uppercase) {
            break;
        }
        if belongs(word, asset) {
            return false;
        }
        named = true;
        let Some(before) = rest[..start].strip_suffix([' ', '\u{a0}', '-']) else { break };
        rest = before;
    }
    named
}

/// What lies between the words of a name.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || c == '-' || c == '('
}

/// Whether a word begins like one of the asset's names, or is one of its tickers.
fn belongs(word: &str, asset: &AssetRecord) -> bool {
    let word = words::fold(word);
    let former = asset.formerly.iter().flat_map(|former| [&former.symbol, &former.name]).flatten();
    let names = [&asset.symbol, &asset.name].into_iter().chain(asset.aliases.iter().map(|alias| &alias.text));
    names.chain(former).any(|name| {
        let name = words::fold(name);
        name == word
            || name.split([' ', '-', '.']).any(|part| {
                part.len() >= ALIKE && word.starts_with(part)
                    || word.len() >= ALIKE && part.starts_with(&word)
            })
    })
}
