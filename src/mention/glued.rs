//! Names at the joint of a title and the text that was glued onto it: "gains on the dayBitcoin fell".
//!
//! Owns where such a joint may lie and which words open a text. Never decides what a name means; only names and tickers
//! that are safe in any text are given out, since inner capitals are the rule in names of firms.

use super::lexicon::{Lexicon, Meaning, Role};
use super::scan::{Form, Hit, scan};
use super::words::is_ascii_word;
use crate::catalog::Class;

/// A title is no longer than this, in bytes.
const TITLE_MAX: usize = 400;

/// How far a name reaches on either side of the joint, in bytes.
const REACH: usize = 64;

/// A word before the joint is at least so long; where a ticker follows, longer: wBTC and OpenAPI3 are other things.
const WORD_MIN: usize = 2;
const WORD_MIN_TICKER: usize = 5;

/// What a text often begins with. Only before these is a name the last word of the title: "BitcoinCash" is another one.
const OPENERS: &[&str] = &[
    "A",
    "According",
    "After",
    "Also",
    "An",
    "And",
    "As",
    "At",
    "But",
    "By",
    "Crypto",
    "Despite",
    "Following",
    "For",
    "He",
    "How",
    "If",
    "In",
    "It",
    "Its",
    "On",
    "Over",
    "She",
    "Since",
    "That",
    "The",
    "There",
    "They",
    "This",
    "Traders",
    "We",
    "What",
    "When",
    "While",
    "With",
];

/// Calls `hit` for the names right before and right after each joint that may be one.
pub(super) fn scan_joints(lexicon: &Lexicon, text: &str, hit: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    let joints = (1..bytes.len().min(TITLE_MAX)).filter(|at| {
        let [before, after] = [bytes[at - 1], bytes[*at]];
        after.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_alphanumeric() && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase))
    });
    for joint in joints {
        let word = bytes[..joint].iter().rev().take_while(|byte| is_ascii_word(**byte)).count();
        if word < WORD_MIN {
            continue;
        }
        let tickers = bytes[joint - 1].is_ascii_lowercase() && word >= WORD_MIN_TICKER;
        let mut rest = &text[joint..];
        if rest.len() > REACH {
            // A word that is cut off may be another one.
            let near = &rest[..rest.floor_char_boundary(REACH)];
            rest = near.rfind(char::is_whitespace).map_or("", |end| &near[..end]);
        }
        scan(lexicon, rest, false, &mut |found| {
            let in_capitals = !rest[found.start..found.end].contains(char::is_lowercase);
            if found.start == 0 && (tickers || !in_capitals) && is_safe(lexicon, found, in_capitals) {
                hit(Hit { start: joint, end: joint + found.end, ..found });
            }
        });
        let length = rest.bytes().take_while(|byte| is_ascii_word(*byte)).count();
        if OPENERS.contains(&&rest[..length]) {
            let from = text.ceil_char_boundary(joint.saturating_sub(REACH));
            let title = &text[from..joint];
            let from = title.find(char::is_whitespace).map_or(from, |blank| from + blank);
            scan(lexicon, &text[from..joint], false, &mut |found| {
                if from + found.end == joint && is_safe(lexicon, found, true) {
                    hit(Hit { start: from + found.start, end: joint, ..found });
                }
            });
        }
    }
}

/// Whether a pattern is a name, or a ticker if these count, that is safe in any text.
fn is_safe(lexicon: &Lexicon, hit: Hit, tickers: bool) -> bool {
    hit.form == Form::Whole
        && lexicon.meanings(hit.pattern).iter().any(|meaning| match meaning {
            Meaning::Claim(claim) => claim.class == Class::A && (tickers || claim.role == Role::Name),
            _ => false,
        })
}
