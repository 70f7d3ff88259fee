//! From hits to judged candidates: gathers the evidence for every claim at every place.
//!
//! Owns which evidence applies to which surface. The choice between candidates is [`super::resolve`]'s.

use std::collections::HashSet;
use std::ops::Range;

use super::evidence::{Evidence, EvidenceSet};
use super::lexicon::{Claim, Lexicon, Meaning, Role, Rules, WordRoles};
use super::scan::{Form, Hit, scan};
use super::{Field, surroundings};
use crate::catalog::{CaseRule, Class, TokenIndex};

/// One field's text, as detection reads it.
#[derive(Debug)]
pub(super) struct FieldText<'t> {
    pub(super) field: Field,
    pub(super) text: &'t str,
}

/// A place where something may be mentioned.
#[derive(Debug)]
pub(super) struct Place {
    /// Index into the fields.
    pub(super) field: usize,
    pub(super) range: Range<usize>,
    /// Everything it can mean, as a range of [`Judged::candidates`].
    pub(super) candidates: Range<usize>,
    /// The blocker that it is.
    pub(super) blocker: Option<u32>,
}

/// One thing that a place can mean.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'l> {
    pub(super) claim: &'l Claim,
    pub(super) evidence: EvidenceSet,
    pub(super) score: i32,
}

/// All places of a document, by field, then start, then length.
#[derive(Debug, Default)]
pub(super) struct Judged<'l> {
    pub(super) places: Vec<Place>,
    pub(super) candidates: Vec<Candidate<'l>>,
}

/// What else was seen while scanning.
#[derive(Debug, Default)]
struct Seen {
    /// Words of the lists, by field: range and roles.
    words: Vec<Vec<(Range<usize>, WordRoles)>>,
    /// Phrases that speak against a token, by field and start: range, token, whether only as written.
    negatives: Vec<Vec<(Range<usize>, TokenIndex, bool)>>,
    own_context: HashSet<TokenIndex>,
    /// Different crypto words.
    crypto_words: HashSet<usize>,
}

impl Seen {
    /// The phrases that overlap `place`: token, whether only as written.
    fn negatives_at(&self, place: &Place) -> impl Iterator<Item = (TokenIndex, bool)> {
        /// Longer than any phrase, white space included.
        const LONGEST: usize = 128;
        let phrases = &self.negatives[place.field];
        let first = phrases.partition_point(|(range, _, _)| range.start + LONGEST < place.range.start);
        phrases[first..]
            .iter()
            .take_while(|(range, _, _)| range.start < place.range.end)
            .filter(|(range, _, _)| place.range.start < range.end)
            .map(|(_, token, exact)| (*token, *exact))
    }
}

/// Judges every place of a document as far as it can be judged alone.
pub(super) fn judge<'l>(
    lexicon: &'l Lexicon,
    rules: &Rules,
    fields: &[FieldText<'_>],
    crypto_news: bool,
) -> Judged<'l> {
    let mut judged = Judged::default();
    let mut seen = Seen::default();
    for (index, field) in fields.iter().enumerate() {
        seen.words.push(Vec::new());
        seen.negatives.push(Vec::new());
        scan(lexicon, field.text, &mut |hit| {
            collect(lexicon, rules, (index, field.text), hit, &mut judged, &mut seen)
        });
    }
    let mut document = EvidenceSet::default();
    match seen.crypto_words.len() {
        _ if crypto_news => document.add(Evidence::CryptoText),
        0 => document.add(Evidence::NoCrypto),
        1 => document.add(Evidence::CryptoHint),
        _ => document.add(Evidence::CryptoText),
    }
    document.add_if(Evidence::CryptoNews, crypto_news);
    for place in &judged.places {
        let text = fields[place.field].text;
        let beside = beside(text, &place.range, &seen.words[place.field]);
        for candidate in &mut judged.candidates[place.candidates.clone()] {
            let token = candidate.claim.token;
            candidate.evidence = candidate.evidence.with(beside).with(document);
            candidate.evidence.add_if(Evidence::OwnContext, seen.own_context.contains(&token));
            let negative = seen.negatives_at(place).any(|(against, exact)| {
                against == token && (exact || !in_capitals(&text[place.range.clone()], candidate.evidence))
            });
            candidate.evidence.add_if(Evidence::NegativePhrase, negative);
        }
    }
    names_with_tickers(&mut judged, fields);
    for candidate in &mut judged.candidates {
        candidate.evidence = applicable(candidate.evidence, candidate.claim);
        candidate.score = rules.weights.score(candidate.evidence);
    }
    judged
}

/// Sorts one hit into places, words and phrases.
fn collect<'l>(
    lexicon: &'l Lexicon,
    rules: &Rules,
    (field, text): (usize, &str),
    hit: Hit,
    judged: &mut Judged<'l>,
    seen: &mut Seen,
) {
    let range = hit.start..hit.end;
    let surface = &text[range.clone()];
    let mut around = None;
    let first = judged.candidates.len();
    let mut is_blocker = None;
    for meaning in lexicon.meanings(hit.pattern) {
        match meaning {
            Meaning::Claim(claim) => {
                let around = *around
                    .get_or_insert_with(|| surroundings::evidence(text, &range, &rules.words, &lexicon.gate));
                let Some(evidence) = surface_evidence(claim, surface, hit.form, around) else { continue };
                if claim.class == Class::A
                    && !evidence.has(Evidence::LowerCase)
                    && surface.chars().count() >= 3
                {
                    seen.crypto_words.insert(hit.pattern);
                }
                judged.candidates.push(Candidate { claim, evidence, score: 0 });
            }
            Meaning::Blocker { index, case, written } if hit.form == Form::Whole => {
                if case_holds(*case, written, surface) {
                    is_blocker = Some(*index);
                }
            }
            Meaning::Negative { token, exact } if hit.form == Form::Whole => {
                if exact.as_ref().is_none_or(|written| same_letters(written, surface)) {
                    seen.negatives[field].push((range.clone(), *token, exact.is_some()));
                }
            }
            Meaning::OwnContext { token } if hit.form == Form::Whole => {
                seen.own_context.insert(*token);
            }
            Meaning::Word(roles) if hit.form == Form::Whole => {
                if roles.document {
                    seen.crypto_words.insert(hit.pattern);
                }
                if roles.left || roles.right || roles.moves {
                    seen.words[field].push((range.clone(), *roles));
                }
            }
            _ => {}
        }
    }
    if judged.candidates.len() > first || is_blocker.is_some() {
        judged.places.push(Place {
            field,
            range,
            candidates: first..judged.candidates.len(),
            blocker: is_blocker,
        });
    }
}

/// The evidence of the surface and its surroundings for one claim; `None` if its letter case rules it out.
fn surface_evidence(claim: &Claim, surface: &str, form: Form, around: EvidenceSet) -> Option<EvidenceSet> {
    let paired = matches!(form, Form::PairBase | Form::PairQuote) || around.has(Evidence::Pair);
    let bare = if form == Form::Plural { &surface[..surface.len() - 1] } else { surface };
    let any_case = match claim.role {
        Role::Symbol => around.has(Evidence::Cashtag) || paired,
        Role::Name => around.has(Evidence::Hashtag) && claim.class <= Class::B,
    };
    if !any_case && !case_holds(claim.case, &claim.written, bare) {
        return None;
    }
    // Only a ticker is half of a pair, and only a ticker or a safe name takes a plural s.
    if paired && form != Form::Whole && claim.role != Role::Symbol
        || form == Form::Plural && (claim.class > Class::B || bare.chars().count() < 3)
    {
        return None;
    }
    let mut evidence = around;
    evidence.add(match (claim.role, claim.class) {
        (Role::Symbol, Class::A) => Evidence::SymbolA,
        (Role::Symbol, Class::B) => Evidence::SymbolB,
        (Role::Symbol, Class::C) => Evidence::SymbolC,
        (Role::Symbol, Class::D) => Evidence::SymbolD,
        (Role::Name, Class::A) => Evidence::NameA,
        (Role::Name, Class::B) => Evidence::NameB,
        (Role::Name, Class::C) => Evidence::NameC,
        (Role::Name, Class::D) => Evidence::NameD,
    });
    evidence.add_if(Evidence::Pair, paired);
    evidence.add_if(Evidence::Plural, form == Form::Plural);
    let lower = claim.role == Role::Symbol && !bare.chars().any(char::is_uppercase);
    evidence.add_if(Evidence::LowerCase, lower && bare.chars().any(char::is_lowercase) && !paired);
    Some(evidence)
}

/// Drops the kinds that say nothing about a surface of this sort.
fn applicable(evidence: EvidenceSet, claim: &Claim) -> EvidenceSet {
    let word = is_one_word(&claim.written);
    let symbol = claim.role == Role::Symbol;
    let mut kept = EvidenceSet::default();
    for kind in evidence.iter() {
        let applies = match kind {
            Evidence::NoCrypto | Evidence::Compound => {
                claim.class > Class::A && (kind == Evidence::NoCrypto || claim.class > Class::B)
            }
            Evidence::TitleCase => !symbol && claim.class > Class::A && word,
            Evidence::Shouting => claim.class > Class::A && (symbol || word),
            Evidence::SentenceStart => !symbol && claim.class > Class::B && word,
            Evidence::Parenthesised => symbol,
            Evidence::Amount => symbol || claim.class <= Class::B,
            Evidence::Cashtag | Evidence::Pair => symbol,
            Evidence::CryptoListing | Evidence::StockListing => symbol,
            Evidence::Hashtag => claim.class <= Class::B,
            _ => true,
        };
        kept.add_if(kind, applies);
    }
    kept
}

/// One capitalised word, as any word may look in a title: no digit, no blank, no inner capital.
fn is_one_word(written: &str) -> bool {
    let mut chars = written.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.all(|c| c.is_alphabetic() && !c.is_uppercase())
}

/// Evidence of the list words right beside a place.
fn beside(text: &str, place: &Range<usize>, words: &[(Range<usize>, WordRoles)]) -> EvidenceSet {
    /// Further away than this, no word lies within one other word.
    const REACH: usize = 24;
    let mut set = EvidenceSet::default();
    let first = words.partition_point(|(range, _)| range.start < place.end);
    for (range, roles) in words[first..].iter().take_while(|(range, _)| range.start <= place.end + REACH) {
        if is_near(&text[place.end..range.start]) {
            set.add_if(Evidence::ContextRight, roles.right);
            set.add_if(Evidence::Moves, roles.moves);
        }
    }
    let before = words[..first].iter().rev().take_while(|(range, _)| range.start + 2 * REACH >= place.start);
    for (range, roles) in before.filter(|(range, _)| range.end <= place.start) {
        if place.start - range.end <= REACH && is_near(&text[range.end..place.start]) {
            set.add_if(Evidence::ContextLeft, roles.left);
        }
    }
    set
}

/// Whether at most one word and no end of a clause lies in `gap`.
fn is_near(gap: &str) -> bool {
    let gap = gap.trim_start_matches(['’', '\'']);
    let gap = gap.strip_prefix("s ").unwrap_or(gap);
    !gap.contains(['.', '!', '?', ';', ':', ',', '\n', '(', ')', '|', '—'])
        && gap.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count() <= 1
}

/// Marks both sides of "Name (SYM)", "SYM (Name)", "Name's SYM" and "Name SYM".
fn names_with_tickers(judged: &mut Judged<'_>, fields: &[FieldText<'_>]) {
    /// A name and its ticker are a few places apart: the parts of a long name lie between them.
    const PLACES_BACK: usize = 16;
    let mut pairs = Vec::new();
    for (at, later) in judged.places.iter().enumerate() {
        let text = fields[later.field].text;
        for earlier in judged.places[at.saturating_sub(PLACES_BACK)..at].iter() {
            if earlier.field != later.field || earlier.range.end > later.range.start {
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

enum Joint {
    /// An opened parenthesis.
    Open,
    /// A blank, or a possessive.
    Adjacent,
}

fn joint(gap: &str) -> Option<Joint> {
    if gap.len() > 16 {
        return None;
    }
    let gap = gap.trim_end_matches('$');
    let gap = gap.trim_start_matches(['’', '\'']);
    let gap = gap.strip_prefix('s').unwrap_or(gap);
    if gap == " " || gap == "\u{a0}" {
        return Some(Joint::Adjacent);
    }
    let inner = gap.trim_start().strip_prefix(['(', '['])?;
    let inner = inner.trim();
    (inner.is_empty() || inner.ends_with(':') || inner == "ticker").then_some(Joint::Open)
}

fn closes(text: &str, end: usize) -> bool {
    text[end..].trim_start().starts_with([')', ']', ',', ';', '/', ':', '-', '+'])
}

/// Whether a ticker stands out in capitals, so that a phrase of plain words does not speak of it.
fn in_capitals(surface: &str, evidence: EvidenceSet) -> bool {
    !evidence.has(Evidence::Shouting)
        && surface.chars().count() >= 2
        && surface.chars().any(char::is_uppercase)
        && !surface.chars().any(char::is_lowercase)
}

/// Whether the letters of `surface` stand in a case that `rule` allows for `written`.
pub(super) fn case_holds(rule: CaseRule, written: &str, surface: &str) -> bool {
    let capitals = || !surface.chars().any(char::is_lowercase);
    match rule {
        CaseRule::Any => true,
        CaseRule::Upper => capitals(),
        CaseRule::Brand => {
            same_letters(written, surface) || capitals() || capitalised_alike(written, surface)
        }
    }
}

/// The same letters and digits in the same case, whatever blanks and dashes lie between them.
fn same_letters(written: &str, surface: &str) -> bool {
    written.chars().filter(|c| c.is_alphanumeric()).eq(surface.chars().filter(|c| c.is_alphanumeric()))
}

/// Every word of `surface` has a capital at least where `written` begins its words with one.
fn capitalised_alike(written: &str, surface: &str) -> bool {
    let mut capital_words = 0;
    let initials = |text: &str| -> Vec<bool> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .map(|c| c.is_uppercase() || c.is_numeric())
            .collect()
    };
    let (written, surface) = (initials(written), initials(surface));
    written.len() == surface.len()
        && written.iter().zip(&surface).all(|(wanted, is)| {
            capital_words += usize::from(*wanted);
            !*wanted || *is
        })
        && capital_words > 0
}
