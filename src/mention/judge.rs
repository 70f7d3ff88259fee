//! From hits to judged candidates: gathers the evidence for every claim at every place.
//!
//! Owns which evidence applies to which surface. The choice between candidates is [`super::resolve`]'s.

use std::ops::Range;

use super::evidence::{Evidence, EvidenceSet, Weights};
use super::letters::case_holds;
use super::lexicon::{Claim, Lexicon, Meaning, Role, Rules, WordRoles};
use super::scan::{Form, Hit, scan};
use super::together::{names_with_tickers, with_two_surfaces, words_in_both_cases};
use super::topic::{CryptoWords, RICH, document_evidence};
use super::{Field, glued, owner, surroundings};
use crate::catalog::{Catalog, Class, TokenIndex};

/// One field's text, as detection reads it.
#[derive(Debug)]
pub(super) struct FieldText<'t> {
    pub(super) field: Field,
    pub(super) text: &'t str,
    /// Whether it holds no capital letter of ASCII, as many short messages do: tickers are in small letters then.
    lower: bool,
}

impl<'t> FieldText<'t> {
    pub(super) fn new(field: Field, text: &'t str) -> Self {
        Self { field, text, lower: is_lower(text) }
    }
}

/// Whether a text has no capitals: then they say nothing about any of its words.
pub(super) fn is_lower(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_uppercase())
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
    /// The pattern that stands there.
    pub(super) pattern: usize,
    form: Form,
    /// Whether it can be believed by what stands here: a claim above class d, or a sign such as `$` or `(`.
    open: bool,
}

/// One thing that a place can mean.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'l> {
    pub(super) claim: &'l Claim,
    pub(super) evidence: EvidenceSet,
    pub(super) score: i32,
    /// Whether phrases were looked for.
    searched: bool,
}

/// All places of a document, by field, then start, then length.
#[derive(Debug, Default)]
pub(super) struct Judged<'l> {
    pub(super) places: Vec<Place>,
    pub(super) candidates: Vec<Candidate<'l>>,
}

impl Judged<'_> {
    /// Puts places into their order if any were added after the first `sorted`.
    fn sort_from(&mut self, sorted: usize) {
        if self.places.len() > sorted {
            self.places.sort_by_key(|place| (place.field, place.range.start, place.range.end));
        }
    }
}

/// What else was seen while scanning.
#[derive(Debug, Default)]
struct Seen {
    /// Words of the lists, by field: range and roles.
    words: Vec<Vec<(Range<usize>, WordRoles)>>,
    /// Assets of whose own words one was seen; sorted once all are.
    own_context: Vec<TokenIndex>,
    /// Assets of whose namesakes a word was seen; sorted once all are.
    against: Vec<TokenIndex>,
    crypto_words: CryptoWords,
}

/// Judges every place of a document as far as it can be judged alone.
pub(super) fn judge<'l>(
    catalog: &Catalog,
    lexicon: &'l Lexicon,
    rules: &Rules,
    fields: &[FieldText<'_>],
    crypto_news: bool,
) -> Judged<'l> {
    // Room for the places of a usual article, so that lists rarely have to move.
    let mut judged = Judged { places: Vec::with_capacity(32), candidates: Vec::with_capacity(48) };
    let mut seen = Seen::default();
    for (index, field) in fields.iter().enumerate() {
        seen.words.push(Vec::new());
        scan(lexicon, field.text, field.lower, &mut |hit| {
            collect(lexicon, (index, field), hit, &mut judged, &mut seen)
        });
        if fields.iter().all(|other| other.field == field.field || other.text.is_empty()) {
            let places = judged.places.len();
            glued::scan_joints(lexicon, field.text, &mut |hit| {
                collect(lexicon, (index, field), hit, &mut judged, &mut seen)
            });
            judged.sort_from(places);
        }
        contracts(lexicon, (index, field), &mut judged, &mut seen);
    }
    seen.own_context.sort_unstable();
    seen.own_context.dedup();
    seen.against.sort_unstable();
    seen.against.dedup();
    let document: [EvidenceSet; RICH + 2] =
        std::array::from_fn(|crypto_words| document_evidence(crypto_words, crypto_news));
    let awake = awake(&judged);
    let twice = with_two_surfaces(&judged);
    for place in &judged.places {
        let text = fields[place.field].text;
        let document = document[seen.crypto_words.beside(place.pattern)];
        let candidates = &mut judged.candidates[place.candidates.clone()];
        // A surface of class d says nothing by itself. Most of them are plain words, so they are not looked
        // at unless their asset is spoken of somewhere.
        let dormant = !place.open && !candidates.iter().any(|c| awake.binary_search(&c.claim.token).is_ok());
        let around = if dormant {
            document
        } else {
            let heeded = candidates
                .iter()
                .fold(EvidenceSet::default(), |heeded, candidate| heeded.with(candidate.claim.heeds));
            surroundings::evidence(text, &place.range, &rules.words, &lexicon.gate, heeded)
                .with(beside(text, &place.range, &seen.words[place.field]))
                .with(document)
        };
        for candidate in candidates {
            candidate.evidence = candidate.evidence.with(surface_evidence(
                candidate,
                &text[place.range.clone()],
                place.form,
                around,
            ));
            candidate.evidence.add_if(Evidence::LowerText, fields[place.field].lower);
            if candidate.evidence.has(Evidence::Parenthesised) && candidate.claim.role == Role::Symbol {
                let asset = catalog.asset(candidate.claim.token);
                let other = owner::is_other(text, &place.range, asset, &seen.words[place.field]);
                candidate.evidence.add_if(Evidence::OtherName, other);
            }
            if !dormant {
                let own_context = seen.own_context.binary_search(&candidate.claim.token).is_ok();
                candidate.evidence.add_if(Evidence::OwnContext, own_context);
                let two_surfaces = twice.binary_search(&candidate.claim.token).is_ok();
                candidate.evidence.add_if(Evidence::TwoSurfaces, two_surfaces);
                let against = seen.against.binary_search(&candidate.claim.token).is_ok();
                candidate.evidence.add_if(Evidence::AgainstContext, against);
            }
        }
    }
    names_with_tickers(&mut judged, fields);
    words_in_both_cases(&mut judged, fields);
    for candidate in &mut judged.candidates {
        candidate.evidence = candidate.evidence.within(candidate.claim.heeds);
        candidate.score = rules.weights.score(candidate.evidence);
    }
    judged
}

/// Adds the evidence of phrases to candidates that reach `least`, or to all of them: looking for phrases is
/// dear, and they only ever lower a score.
pub(super) fn add_negative_phrases(
    lexicon: &Lexicon,
    weights: &Weights,
    fields: &[FieldText<'_>],
    judged: &mut Judged<'_>,
    least: Option<i32>,
) {
    for place in &judged.places {
        let text = fields[place.field].text;
        for candidate in &mut judged.candidates[place.candidates.clone()] {
            if !candidate.claim.phrases
                || candidate.searched
                || least.is_some_and(|least| candidate.score < least)
            {
                continue;
            }
            candidate.searched = true;
            let capitals = in_capitals(&text[place.range.clone()], candidate.evidence);
            if lexicon.negatives(candidate.claim.token).hold(text, &place.range, capitals) {
                candidate.evidence.add(Evidence::NegativePhrase);
                candidate.score = weights.score(candidate.evidence);
            }
        }
    }
}

/// Sorts one hit into places and words.
fn collect<'l>(
    lexicon: &'l Lexicon,
    (field, FieldText { text, lower: lower_text, .. }): (usize, &FieldText<'_>),
    hit: Hit,
    judged: &mut Judged<'l>,
    seen: &mut Seen,
) {
    let range = hit.start..hit.end;
    let surface = &text[range.clone()];
    let first = judged.candidates.len();
    let mut blocker = None;
    let mut above_d = false;
    for meaning in lexicon.meanings(hit.pattern) {
        match meaning {
            Meaning::Claim(claim) => {
                let bare = bare(surface, hit.form);
                let in_case = case_holds(claim.case, &claim.written, bare);
                if !may_stand(claim, bare, in_case, *lower_text, hit, text) {
                    continue;
                }
                let lower = claim.role == Role::Symbol && !surface.chars().any(char::is_uppercase);
                if claim.class == Class::A && in_case && !lower && surface.chars().count() >= 3 {
                    seen.crypto_words.insert(hit.pattern);
                }
                above_d |= claim.class < Class::D;
                judged.candidates.push(Candidate {
                    claim,
                    evidence: EvidenceSet::default(),
                    score: 0,
                    searched: false,
                });
            }
            Meaning::Blocker { index, case, written }
                if hit.form == Form::Whole && case_holds(*case, written, surface) =>
            {
                blocker = Some(*index);
                if lexicon.is_exchange(*index) {
                    seen.crypto_words.insert(hit.pattern);
                }
            }
            Meaning::OwnContext { token } if hit.form == Form::Whole => {
                seen.own_context.push(*token);
            }
            Meaning::Against { token } if hit.form == Form::Whole => {
                seen.against.push(*token);
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
    if judged.candidates.len() > first || blocker.is_some() {
        let candidates = first..judged.candidates.len();
        let open = above_d || is_pair(hit.form) || surroundings::has_sign(text, &range);
        judged.places.push(Place {
            field,
            range,
            candidates,
            blocker,
            pattern: hit.pattern,
            form: hit.form,
            open,
        });
    }
}

/// Stands for every contract address among the patterns.
const ADDRESS: usize = usize::MAX;

/// Adds the contract addresses of a field to its places.
fn contracts<'l>(
    lexicon: &'l Lexicon,
    (field, FieldText { text, .. }): (usize, &FieldText<'_>),
    judged: &mut Judged<'l>,
    seen: &mut Seen,
) {
    let places = judged.places.len();
    lexicon.contracts.find(text, |range, claims, checksum_holds| {
        let first = judged.candidates.len();
        judged.candidates.extend(claims.iter().map(|claim| {
            let mut evidence = EvidenceSet::default();
            evidence.add_if(Evidence::WrongChecksum, !checksum_holds);
            Candidate { claim, evidence, score: 0, searched: false }
        }));
        seen.crypto_words.insert(ADDRESS);
        let candidates = first..judged.candidates.len();
        let (pattern, form) = (ADDRESS, Form::Whole);
        judged.places.push(Place { field, range, candidates, blocker: None, pattern, form, open: true });
    });
    judged.sort_from(places);
}

/// Shorter tickers in small letters are words or nothing, even where all letters are small.
const LOWER_MIN: usize = 3;

/// Whether a claim can stand here at all, by its letter case and form.
fn may_stand(claim: &Claim, bare: &str, in_case: bool, lower_text: bool, hit: Hit, text: &str) -> bool {
    match hit.form {
        // Only a ticker is half of a pair.
        Form::PairBase | Form::PairQuote => claim.role == Role::Symbol,
        // Only a ticker or a safe name takes a plural s.
        Form::Plural => in_case && claim.class <= Class::B && bare.chars().count() >= 3,
        Form::Whole => {
            in_case
                || match claim.role {
                    Role::Symbol => {
                        lower_text && claim.class <= Class::B && bare.len() >= LOWER_MIN
                            || surroundings::lifts_symbol_case(
                                text,
                                &(hit.start..hit.end),
                                claim.class > Class::B,
                            )
                    }
                    // A hashtag is often written in lower case.
                    Role::Name => claim.class <= Class::B && text[..hit.start].ends_with('#'),
                    Role::Address => false,
                }
        }
    }
}

fn is_pair(form: Form) -> bool {
    matches!(form, Form::PairBase | Form::PairQuote)
}

/// The assets that an open place may name, sorted.
fn awake(judged: &Judged<'_>) -> Vec<TokenIndex> {
    if judged.places.iter().all(|place| place.open) {
        return Vec::new();
    }
    let open = judged.places.iter().filter(|place| place.open);
    let mut awake: Vec<TokenIndex> = open
        .flat_map(|place| &judged.candidates[place.candidates.clone()])
        .map(|candidate| candidate.claim.token)
        .collect();
    awake.sort_unstable();
    awake.dedup();
    awake
}

/// The surface without a plural s.
fn bare(surface: &str, form: Form) -> &str {
    if form == Form::Plural { &surface[..surface.len() - 1] } else { surface }
}

/// The evidence of the surface itself, with what stands around it.
fn surface_evidence(
    candidate: &Candidate<'_>,
    surface: &str,
    form: Form,
    around: EvidenceSet,
) -> EvidenceSet {
    let claim = candidate.claim;
    let mut evidence = around;
    evidence.add(claim.says);
    // Heeded by the claims whose asset has that rank.
    evidence.add(Evidence::LittleKnown);
    evidence.add_if(Evidence::Pair, is_pair(form));
    evidence.add_if(Evidence::Plural, form == Form::Plural);
    let letters = |is: fn(char) -> bool| bare(surface, form).chars().any(is);
    let lower = claim.role == Role::Symbol && letters(char::is_lowercase) && !letters(char::is_uppercase);
    evidence.add_if(Evidence::LowerCase, lower && !evidence.has(Evidence::Pair));
    evidence
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
            set.add_if(Evidence::ContextRightWeak, roles.right);
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
    if gap == " " {
        return true;
    }
    let gap = gap.trim_start_matches(['’', '\'']);
    let gap = gap.strip_prefix("s ").unwrap_or(gap);
    let ends_clause = |c| matches!(c, '.' | '!' | '?' | ';' | ':' | ',' | '\n' | '(' | ')' | '|' | '—');
    !gap.contains(ends_clause)
        && gap.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count() <= 1
}

/// Whether a ticker stands out in capitals, so that a phrase of plain words does not speak of it.
fn in_capitals(surface: &str, evidence: EvidenceSet) -> bool {
    !evidence.has(Evidence::Shouting)
        && surface.chars().count() >= 2
        && surface.chars().any(char::is_uppercase)
        && !surface.chars().any(char::is_lowercase)
}
