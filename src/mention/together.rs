//! What places say of each other before anything is decided: a name beside its ticker, a name and a ticker of one
//! asset in one text.
//!
//! Owns how they must stand to belong together. Never weighs what that is worth.

use super::evidence::Evidence;
use super::judge::{Candidate, FieldText, Judged, Place};
use super::lexicon::{Claim, Role};
use crate::catalog::TokenIndex;

/// The assets of which both a name and another ticker stand in the document, sorted.
pub(super) fn with_two_surfaces(judged: &Judged<'_>) -> Vec<TokenIndex> {
    let of = |role: Role| {
        let claims = judged.candidates.iter().map(|candidate| candidate.claim);
        claims.filter(move |claim| claim.role == role)
    };
    let mut names: Vec<&Claim> = of(Role::Name).collect();
    names.sort_unstable_by_key(|claim| claim.token);
    let mut twice: Vec<TokenIndex> = of(Role::Symbol)
        .filter(|symbol| {
            let first = names.partition_point(|name| name.token < symbol.token);
            names[first..]
                .iter()
                .take_while(|name| name.token == symbol.token)
                .any(|name| !name.written.eq_ignore_ascii_case(&symbol.written))
        })
        .map(|symbol| symbol.token)
        .collect();
    twice.sort_unstable();
    twice.dedup();
    twice
}

/// Marks both sides of "Name (SYM)", "SYM (Name)", "Name's SYM" and "Name SYM".
pub(super) fn names_with_tickers(judged: &mut Judged<'_>, fields: &[FieldText<'_>]) {
    /// A name and its ticker are a few places apart: the parts of a long name lie between them.
    const PLACES_ON: usize = 16;
    let mut pairs = Vec::new();
    for (at, earlier) in judged.places.iter().enumerate() {
        let text = fields[earlier.field].text;
        for later in close_by(&judged.places, at, JOINT_MAX).take(PLACES_ON) {
            if later.range.start < earlier.range.end {
                continue;
            }
            let Some(joint) = joint(&text[earlier.range.end..later.range.start]) else { continue };
            for a in earlier.candidates.clone() {
                for b in later.candidates.clone() {
                    let (one, other) = (judged.candidates[a].claim, judged.candidates[b].claim);
                    let fits = match joint {
                        Joint::Open => closes(text, later.range.end) && one.role != other.role,
                        Joint::Adjacent => one.role == Role::Name && other.role == Role::Symbol,
                    };
                    if one.token == other.token && fits {
                        pairs.extend([a, b]);
                    }
                }
            }
        }
    }
    for index in pairs {
        judged.candidates[index].evidence.add(Evidence::NameWithTicker);
    }
}

/// Marks names that also stand in the text as tickers, in capitals where not everything is: "Sui ... SUI".
pub(super) fn words_in_both_cases(judged: &mut Judged<'_>, fields: &[FieldText<'_>]) {
    let mut ways: Vec<(usize, bool)> = Vec::new();
    let mut marked = Vec::new();
    for place in &judged.places {
        let capitals = !fields[place.field].text[place.range.clone()].chars().any(char::is_lowercase);
        let stands_out = |index: usize| {
            let Candidate { claim, evidence, .. } = &judged.candidates[index];
            if capitals {
                claim.role == Role::Symbol && !evidence.has(Evidence::Shouting)
            } else {
                claim.role == Role::Name
            }
        };
        if place.candidates.clone().any(stands_out) {
            ways.push((place.pattern, capitals));
        }
    }
    ways.sort_unstable();
    if !ways.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1) {
        return;
    }
    for place in &judged.places {
        if [true, false].iter().all(|way| ways.binary_search(&(place.pattern, *way)).is_ok()) {
            marked.extend(place.candidates.clone());
        }
    }
    for index in marked {
        judged.candidates[index].evidence.add(Evidence::BothCases);
    }
}

/// What joins a name and its ticker is no longer than this, in bytes.
const JOINT_MAX: usize = 20;

/// The places after the one at `at` in its field that begin no further than `most` bytes behind its end; some of
/// them before it.
pub(super) fn close_by(places: &[Place], at: usize, most: usize) -> impl Iterator<Item = &Place> {
    let Place { field, range, .. } = &places[at];
    let to = range.end + most;
    places[at + 1..].iter().take_while(move |later| later.field == *field && later.range.start <= to)
}

enum Joint {
    /// An opened parenthesis.
    Open,
    /// A blank, or a possessive.
    Adjacent,
}

fn joint(gap: &str) -> Option<Joint> {
    let gap = gap.trim_end_matches('$');
    let gap = gap.trim_start_matches(['’', '\'']);
    let gap = gap.strip_prefix('s').unwrap_or(gap);
    if gap == " " || gap == "\u{a0}" {
        return Some(Joint::Adjacent);
    }
    let (common, inner) = gap.rsplit_once(['(', '['])?;
    let common = common.trim();
    let fits = common.is_empty() || COMMON_PARTS.iter().any(|part| common.eq_ignore_ascii_case(part));
    let inner = inner.trim();
    (fits && (inner.is_empty() || inner.ends_with(':') || inner == "ticker")).then_some(Joint::Open)
}

/// What may stand between a name and its ticker and belong to either: "Sei Network (SEI)".
const COMMON_PARTS: &[&str] =
    &["Network", "Protocol", "Token", "Coin", "Finance", "DAO", "Chain", "Blockchain", "Foundation", "Labs"];

fn closes(text: &str, end: usize) -> bool {
    text[end..].trim_start().starts_with([')', ']', ',', ';', '/', ':', '-', '+'])
}
