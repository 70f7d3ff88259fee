//! From judged candidates to mentions: who is meant, and which places count.
//!
//! Owns identity (shared tickers, renames), coherence over the document, and the choice of the leftmost
//! longest among the believed. Every candidate is judged first: a rejected long alias hides nothing.

use std::collections::HashMap;

use jiff::civil::Date;

use super::evidence::{Confidence, Evidence, Weights};
use super::judge::{Candidate, FieldText, Judged, Place, add_negative_phrases};
use super::lexicon::{Lexicon, Role};
use super::together::close_by;
use crate::catalog::{Catalog, Category, Class, TokenIndex};

/// What a place turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This candidate is meant.
    Token(usize),
    /// One of these is, and nothing says which; most likely first.
    Ambiguous(Vec<usize>),
    /// Something that is no token; index into the catalog's blockers.
    Blocker(u32),
    /// Nothing that can be believed.
    Nothing,
    /// Believed, but inside a longer or earlier mention.
    Hidden,
}

/// Why a candidate lost against another one of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// At the date of the text the surface belonged to the other one.
    Date,
    /// The other one has the better claim to a shared surface.
    Identity,
}

/// The verdict of each place, and why candidates lost.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) losses: HashMap<usize, Loss>,
}

/// Decides over all places. Adds the evidence of coherence, of lists and of phrases to the candidates; the
/// last to all of them if `thorough`, else only where it can change the decision.
#[expect(clippy::too_many_arguments, reason = "one call, of everything that a decision rests on")]
pub(super) fn resolve(
    catalog: &Catalog,
    lexicon: &Lexicon,
    weights: &Weights,
    fields: &[FieldText<'_>],
    judged: &mut Judged<'_>,
    published: Option<Date>,
    least: i32,
    thorough: bool,
) -> Resolved {
    let mut losses = HashMap::new();
    drop_by_date(judged, published, &mut losses);
    let phrases_from = (!thorough).then_some(least);
    add_negative_phrases(lexicon, weights, fields, judged, phrases_from);
    let first: Vec<Verdict> =
        judged.places.iter().map(|place| decide(catalog, judged, place, least, &losses)).collect();
    coherence(judged, &first);
    lists(judged, &first, fields);
    for candidate in &mut judged.candidates {
        candidate.score = weights.score(candidate.evidence);
    }
    add_negative_phrases(lexicon, weights, fields, judged, phrases_from);
    let mut verdicts: Vec<Verdict> =
        judged.places.iter().map(|place| decide(catalog, judged, place, least, &losses)).collect();
    for (place, verdict) in
        judged.places.iter().zip(&verdicts).filter(|(place, _)| place.candidates.len() > 1)
    {
        if let Verdict::Token(winner) = verdict {
            let beaten = place.candidates.clone().filter(|index| index != winner);
            for index in beaten.filter(|index| judged.candidates[*index].score >= least) {
                losses.entry(index).or_insert(Loss::Identity);
            }
        }
    }
    keep_leftmost_longest(&judged.places, &mut verdicts);
    Resolved { verdicts, losses }
}

/// The confidence of one candidate.
pub(super) fn confidence(candidate: &Candidate<'_>) -> Confidence {
    Confidence::of_score(candidate.score)
}

/// A surface that changed hands belongs to its former owner before the change and to the present one from
/// then on; a text without a date is read as of today. A coin of the same ticker that is nothing by itself does
/// not take it over: most tickers of fame have been copied.
fn drop_by_date(judged: &Judged<'_>, published: Option<Date>, losses: &mut HashMap<usize, Loss>) {
    let before = |until: Option<Date>| until.is_some_and(|until| published.is_some_and(|date| date < until));
    for place in judged.places.iter().filter(|place| place.candidates.len() > 1) {
        let candidates = &judged.candidates[place.candidates.clone()];
        for (index, candidate) in place.candidates.clone().zip(candidates) {
            let mut others = candidates.iter().filter(|other| other.claim.token != candidate.claim.token);
            let lost = match candidate.claim.until {
                Some(until) => {
                    !before(Some(until))
                        && others.any(|other| other.claim.until.is_none() && other.claim.class < Class::D)
                }
                None => others.any(|other| before(other.claim.until)),
            };
            if lost {
                losses.insert(index, Loss::Date);
            }
        }
    }
}

/// Who is meant at one place.
fn decide(
    catalog: &Catalog,
    judged: &Judged<'_>,
    place: &Place,
    least: i32,
    losses: &HashMap<usize, Loss>,
) -> Verdict {
    let mut reaching = place
        .candidates
        .clone()
        .filter(|index| judged.candidates[*index].score >= least)
        .filter(|index| losses.get(index) != Some(&Loss::Date));
    let Some(first) = reaching.next() else {
        return place.blocker.map_or(Verdict::Nothing, Verdict::Blocker);
    };
    let Some(second) = reaching.next() else { return Verdict::Token(first) };
    let mut believed: Vec<usize> = [first, second].into_iter().chain(reaching).collect();
    // One asset may claim a surface twice (Ether, ether): its better claim counts.
    believed.sort_by_key(|index| {
        let candidate = &judged.candidates[*index];
        let rank = catalog.asset(candidate.claim.token).rank.unwrap_or(u32::MAX);
        (std::cmp::Reverse(candidate.score), rank, *index)
    });
    let mut tokens = Vec::new();
    believed.retain(|index| {
        let token = judged.candidates[*index].claim.token;
        let new = !tokens.contains(&token);
        tokens.push(token);
        new
    });
    match believed.as_slice() {
        [only] => Verdict::Token(*only),
        several => match clear_winner(catalog, judged, several) {
            Some(winner) => Verdict::Token(winner),
            None => Verdict::Ambiguous(believed),
        },
    }
}

/// The one that the document itself names; else an original against its copies; else a safe claim against
/// unsafe ones; else the one that ranks ten times better.
fn clear_winner(catalog: &Catalog, judged: &Judged<'_>, believed: &[usize]) -> Option<usize> {
    let candidate = |index: usize| &judged.candidates[index];
    let only = |holds: &dyn Fn(usize) -> bool| {
        let mut holding = believed.iter().copied().filter(|index| holds(*index));
        holding.next().filter(|_| holding.next().is_none())
    };
    let named = |index: usize| {
        let evidence = candidate(index).evidence;
        [Evidence::NameWithTicker, Evidence::Coherence, Evidence::CoherenceWeak]
            .into_iter()
            .any(|kind| evidence.has(kind))
    };
    let original = |index: usize| {
        matches!(
            catalog.asset(candidate(index).claim.token).category,
            Category::Asset | Category::Stablecoin | Category::Commodity
        )
    };
    let safe = |index: usize| candidate(index).claim.class <= Class::B;
    let outranks = |index: usize| {
        believed.iter().all(|other| {
            *other == index
                || catalog.clearly_better(candidate(index).claim.token, candidate(*other).claim.token)
        })
    };
    only(&named).or_else(|| only(&original)).or_else(|| only(&safe)).or_else(|| only(&outranks))
}

/// An asset that is named beyond doubt makes its weaker mentions elsewhere believable.
fn coherence(judged: &mut Judged<'_>, verdicts: &[Verdict]) {
    // Each asset with the places that name it beyond doubt.
    let mut established: Vec<(TokenIndex, usize)> = Vec::new();
    for (at, verdict) in verdicts.iter().enumerate() {
        let Verdict::Token(index) = verdict else { continue };
        let candidate = &judged.candidates[*index];
        if is_beyond_doubt(candidate) {
            established.push((candidate.claim.token, at));
        }
    }
    established.sort_unstable();
    for (at, place) in judged.places.iter().enumerate() {
        for candidate in &mut judged.candidates[place.candidates.clone()] {
            let token = candidate.claim.token;
            let first = established.partition_point(|(other, _)| *other < token);
            // The first two are enough to know of another place than this one.
            let places = established[first..].iter().take(2);
            if places.into_iter().any(|(other, place)| *other == token && *place != at) {
                candidate.evidence.add(if candidate.claim.class == Class::D {
                    Evidence::CoherenceWeak
                } else {
                    Evidence::Coherence
                });
            }
        }
    }
}

/// A believed ticker makes the ticker beside it in a list believable, and a name a name.
fn lists(judged: &mut Judged<'_>, verdicts: &[Verdict], fields: &[FieldText<'_>]) {
    /// A place has few neighbours: the parts of one long name.
    const PLACES_ON: usize = 8;
    let mut listed = Vec::new();
    for (at, place) in judged.places.iter().enumerate() {
        let text = fields[place.field].text;
        for (other, other_at) in close_by(&judged.places, at, LIST_JOINT_MAX).zip(at + 1..).take(PLACES_ON) {
            let joint = text.get(place.range.end..other.range.start);
            if !joint.is_some_and(is_list_joint) {
                continue;
            }
            for (from, to) in [(at, other_at), (other_at, at)] {
                let Verdict::Token(believed) = verdicts[from] else { continue };
                let supporter = &judged.candidates[believed];
                if !is_beyond_doubt(supporter) {
                    continue;
                }
                let role = supporter.claim.role;
                let candidates = judged.places[to].candidates.clone();
                listed.extend(candidates.filter(|index| judged.candidates[*index].claim.role == role));
            }
        }
    }
    for index in listed {
        judged.candidates[index].evidence.add(Evidence::List);
    }
}

/// What stands between two members of a list is no longer than this, in bytes.
const LIST_JOINT_MAX: usize = 20;

fn is_list_joint(gap: &str) -> bool {
    // "SAND +14%, MANA +11%": the change belongs to the member before it.
    let gap = gap.trim_start().trim_start_matches(['+', '-', '−', '(']);
    let gap = gap.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '%' | ')'));
    let gap = gap.trim_matches([' ', '$', '#', '\u{a0}']);
    gap.len() <= 8
        && matches!(
            gap,
            "," | "and" | ", and" | "&" | "/" | "or" | ", or" | "vs" | "vs." | "|" | "·" | "+" | ";"
        )
}

/// A surface of class d never starts coherence by itself: it needs its name or its pair beside it.
fn is_beyond_doubt(candidate: &Candidate<'_>) -> bool {
    let strong = [Evidence::NameWithTicker, Evidence::Pair, Evidence::CryptoListing]
        .into_iter()
        .any(|kind| candidate.evidence.has(kind));
    let cashtag = candidate.evidence.has(Evidence::Cashtag) && candidate.claim.class <= Class::C;
    let safe = candidate.claim.class == Class::A
        || candidate.claim.class == Class::B
            && (candidate.claim.role == Role::Symbol || candidate.score >= 1500);
    strong || cashtag || safe
}

/// Of overlapping believed places the leftmost stays, of several with one start the longest.
fn keep_leftmost_longest(places: &[Place], verdicts: &mut [Verdict]) {
    let believed = |verdict: &Verdict| !matches!(verdict, Verdict::Nothing | Verdict::Hidden);
    let mut reached = (0, 0);
    let mut at = 0;
    while at < places.len() {
        let start = (places[at].field, places[at].range.start);
        let same = places[at..].iter().take_while(|place| (place.field, place.range.start) == start).count();
        let group = at..at + same;
        if start.0 != reached.0 {
            reached = (start.0, 0);
        }
        // Of two places with equal ends (a plural and a spelling of its own) the first stands.
        let longest = group
            .clone()
            .rev()
            .filter(|index| believed(&verdicts[*index]) && places[*index].range.start >= reached.1)
            .max_by_key(|index| places[*index].range.end);
        for index in group.filter(|index| Some(*index) != longest) {
            if believed(&verdicts[index]) {
                verdicts[index] = Verdict::Hidden;
            }
        }
        if let Some(longest) = longest {
            reached.1 = places[longest].range.end;
        }
        at += same;
    }
}
