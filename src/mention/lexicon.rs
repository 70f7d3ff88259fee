//! The catalog and the word lists, compiled into one automaton.
//!
//! Owns the map from a folded spelling to everything it can mean. Never judges a mention.

use std::collections::{BTreeMap, HashSet};

use aho_corasick::MatchKind;
use aho_corasick::nfa::contiguous::NFA;
use jiff::civil::Date;
use serde::Deserialize;

use super::contracts::Contracts;
use super::evidence::{Evidence, EvidenceSet, Weights};
use super::gate::Gate;
use super::letters::{self, Capitals};
use super::phrases::Phrases;
use super::{surface, words};
use crate::catalog::{AliasKind, BlockerKind, CaseRule, Catalog, Class, TokenIndex};

/// `data/detection.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) default_min_confidence: f64,
    pub(super) weights: Weights,
    pub(super) prior: Weights,
    pub(super) words: WordLists,
}

/// The words that rules look for; see the comments in `data/detection.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WordLists {
    document: Vec<String>,
    right: Vec<String>,
    left: Vec<String>,
    moves: Vec<String>,
    pub(super) pair_quotes: HashSet<String>,
    pub(super) money: HashSet<String>,
    pub(super) stock_exchanges: Vec<String>,
    pub(super) crypto_listings: Vec<String>,
    pub(super) longer_name_before: Vec<String>,
    pub(super) longer_name_after: Vec<String>,
}

impl WordLists {
    /// Only what pairs of tickers are quoted in; no word is looked for.
    pub(super) fn pairs_alone(self) -> Self {
        Self { pair_quotes: self.pair_quotes, ..Self::default() }
    }
}

/// One thing that a spelling can mean.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A surface of an asset.
    Claim(Claim),
    /// Something else that looks like one; index into the catalog's blockers.
    Blocker { index: u32, case: CaseRule, written: Box<str> },
    /// A word that makes `token` believable.
    OwnContext { token: TokenIndex },
    /// A word that speaks of another bearer of the name.
    Against { token: TokenIndex },
    /// A word of the lists.
    Word(WordRoles),
}

impl Meaning {
    /// The capitals without which it cannot count.
    pub(super) fn needs(&self) -> Capitals {
        match self {
            Self::Claim(claim) => letters::needed(claim.case, &claim.written),
            Self::Blocker { case, written, .. } => letters::needed(*case, written),
            Self::OwnContext { .. } | Self::Against { .. } | Self::Word(_) => Capitals::None,
        }
    }
}

/// A surface of an asset.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) token: TokenIndex,
    pub(super) role: Role,
    pub(super) class: Class,
    pub(super) case: CaseRule,
    pub(super) written: Box<str>,
    /// What it says by itself.
    pub(super) says: Evidence,
    /// The kinds that say something about it.
    pub(super) heeds: EvidenceSet,
    /// Whether there are phrases in which the asset is not meant.
    pub(super) phrases: bool,
    /// First date on which the asset no longer went by this surface.
    pub(super) until: Option<Date>,
}

/// Ticker-like, name-like or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Symbol,
    Name,
    Address,
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
    pub(super) contracts: Contracts,
    /// All meanings, pattern by pattern, and where those of each pattern begin.
    meanings: Vec<Meaning>,
    first_meanings: Vec<usize>,
    /// By token: the phrases in which it is not meant.
    negatives: Vec<Phrases>,
    /// By blocker: whether it is a crypto exchange, and so a word of crypto.
    exchanges: Vec<bool>,
    /// Folded spellings by pattern: for the tests, which scan in another way.
    #[cfg(test)]
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
            for word in &asset.context {
                add(word, Meaning::OwnContext { token });
            }
            for word in &asset.against {
                add(word, Meaning::Against { token });
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
        let negatives = catalog.assets().iter().map(|asset| Phrases::new(&asset.negative)).collect();
        let gate = Gate::new(&patterns, &meanings, &words.pair_quotes);
        let mut first_meanings = vec![0];
        for meanings in &meanings {
            first_meanings.push(first_meanings[first_meanings.len() - 1] + meanings.len());
        }
        Self {
            automaton,
            gate,
            contracts: Contracts::new(catalog),
            meanings: meanings.into_iter().flatten().collect(),
            first_meanings,
            negatives,
            exchanges: catalog.file().blockers.iter().map(|b| b.kind == BlockerKind::Exchange).collect(),
            #[cfg(test)]
            patterns,
        }
    }

    /// Whether a blocker is a crypto exchange.
    pub(super) fn is_exchange(&self, blocker: u32) -> bool {
        self.exchanges[blocker as usize]
    }

    /// The phrases in which a token is not meant.
    pub(super) fn negatives(&self, token: TokenIndex) -> &Phrases {
        &self.negatives[token.at()]
    }

    /// What a pattern can mean.
    pub(super) fn meanings(&self, pattern: usize) -> &[Meaning] {
        &self.meanings[self.first_meanings[pattern]..self.first_meanings[pattern + 1]]
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
        says: surface::says(role, class),
        heeds: surface::heeds(role, class, written, asset.rank),
        phrases: !asset.negative.is_empty(),
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
