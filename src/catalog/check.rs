//! The rules that catalog data must keep. Says everything that is wrong, never repairs it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::chains::Chain;
use super::file::{AssetRecord, CatalogFile, Class};

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The asset, blocker or pin at fault.
    pub subject: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// Every problem of a catalog, in the order of the file within each rule.
pub fn check(file: &CatalogFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    ids(file, &mut problems);
    reasons(file, &mut problems);
    dates(file, &mut problems);
    shared_surfaces(file, &mut problems);
    tickers_that_are_names(file, &mut problems);
    blockers(file, &mut problems);
    problems
}

fn problem(problems: &mut Vec<Problem>, subject: &str, message: String) {
    problems.push(Problem { subject: subject.to_owned(), message });
}

/// Ids are unique, here and per market, and every id that is referred to exists.
fn ids(file: &CatalogFile, problems: &mut Vec<Problem>) {
    let mut ids = HashSet::new();
    let mut market_ids: HashMap<(&str, &str), &str> = HashMap::new();
    for asset in &file.assets {
        if !ids.insert(asset.id.as_str()) {
            problem(problems, &asset.id, "the id stands twice; merge the two records".to_owned());
        }
        for (market, id) in &asset.markets {
            if let Some(other) = market_ids.insert((market, id), &asset.id) {
                problem(problems, &asset.id, format!("{market} id `{id}` also belongs to `{other}`"));
            }
        }
        for (name, address) in &asset.addresses {
            if Chain::find(name).is_some_and(|chain| !chain.holds(address)) {
                let message = format!("`{address}` is no address of {name}, or its checksum is wrong");
                problem(problems, &asset.id, message);
            }
        }
        for market in asset.unverified.iter().chain(asset.per.keys()) {
            if !asset.markets.contains_key(market) {
                problem(problems, &asset.id, format!("says something of {market} but has no id there"));
            }
        }
    }
    for asset in &file.assets {
        for other in asset.collides.iter().filter(|other| !ids.contains(other.as_str())) {
            problem(problems, &asset.id, format!("`collides` names `{other}`, which is no asset"));
        }
    }
    for (symbol, id) in file.pin.iter().filter(|(_, id)| !ids.contains(id.as_str())) {
        problem(problems, &format!("pin {symbol}"), format!("`{id}` is no asset"));
    }
}

/// Every class c and d says why.
fn reasons(file: &CatalogFile, problems: &mut Vec<Problem>) {
    for asset in &file.assets {
        for surface in surfaces(asset).filter(|surface| surface.class >= Class::C && !surface.has_why) {
            problem(
                problems,
                &asset.id,
                format!("`{}` is class {} and has no `why`", surface.text, surface.class.letter()),
            );
        }
    }
}

/// Every former spelling has a full date.
fn dates(file: &CatalogFile, problems: &mut Vec<Problem>) {
    for asset in &file.assets {
        for former in &asset.formerly {
            if former.until.parse::<jiff::civil::Date>().is_err() {
                problem(
                    problems,
                    &asset.id,
                    format!("`until = \"{}\"` is no date (YYYY-MM-DD)", former.until),
                );
            }
            if former.symbol.is_none() && former.name.is_none() {
                problem(problems, &asset.id, "a `formerly` entry has neither symbol nor name".to_owned());
            }
        }
    }
}

/// No surface is class a for two assets; a lesser claimant is not class a and lists the owner.
fn shared_surfaces(file: &CatalogFile, problems: &mut Vec<Problem>) {
    let mut claims: BTreeMap<String, Vec<(&AssetRecord, Class)>> = BTreeMap::new();
    for asset in &file.assets {
        let mut own = HashSet::new();
        for surface in surfaces(asset) {
            let text = fold(surface.text);
            if own.insert(text.clone()) {
                claims.entry(text).or_default().push((asset, surface.class));
            } else if surface.text != asset.name && !is_case_variant(asset, surface.text) {
                problem(problems, &asset.id, format!("`{}` stands twice", surface.text));
            }
        }
    }
    for (text, mut holders) in claims.into_iter().filter(|(_, holders)| holders.len() > 1) {
        holders.sort_by_key(|(asset, _)| asset.rank.unwrap_or(u32::MAX));
        let (owner, _) = holders[0];
        for (lesser, class) in &holders[1..] {
            if *class == Class::A {
                problem(
                    problems,
                    &lesser.id,
                    format!("`{text}` is class a although `{}` ranks better; lower it", owner.id),
                );
            }
            // With equal standing (both unranked) either may name the other.
            let named = lesser.collides.contains(&owner.id)
                || lesser.rank == owner.rank && owner.collides.contains(&lesser.id);
            if !named {
                problem(
                    problems,
                    &lesser.id,
                    format!("shares `{text}` with `{}`; name it in `collides`", owner.id),
                );
            }
        }
    }
}

/// The same text in two cases may carry two classes (Ether, ether); the very same text may not.
fn is_case_variant(asset: &AssetRecord, text: &str) -> bool {
    surfaces(asset).filter(|surface| surface.text == text).count() == 1
}

/// No a or b ticker is another asset's name.
fn tickers_that_are_names(file: &CatalogFile, problems: &mut Vec<Problem>) {
    let mut names: HashMap<String, Vec<&AssetRecord>> = HashMap::new();
    for asset in &file.assets {
        names.entry(fold(&asset.name)).or_default().push(asset);
    }
    for asset in file.assets.iter().filter(|asset| asset.symbol_class <= Class::B) {
        let others = names.get(&fold(&asset.symbol)).into_iter().flatten();
        for other in others.filter(|other| other.id != asset.id) {
            problem(
                problems,
                &asset.id,
                format!(
                    "ticker {} is class {} although it is the name of `{}`; make it c or d",
                    asset.symbol,
                    asset.symbol_class.letter(),
                    other.id
                ),
            );
        }
    }
}

/// No blocker is the very surface that an asset may use alone.
fn blockers(file: &CatalogFile, problems: &mut Vec<Problem>) {
    let safe: HashMap<String, &str> = file
        .assets
        .iter()
        .flat_map(|asset| surfaces(asset).map(move |surface| (asset, surface)))
        .filter(|(_, surface)| surface.class <= Class::B)
        .map(|(asset, surface)| (fold(surface.text), asset.id.as_str()))
        .collect();
    let mut texts = HashSet::new();
    for blocker in &file.blockers {
        if let Some(owner) = safe.get(&fold(&blocker.text)) {
            let text = &blocker.text;
            problem(
                problems,
                &format!("blocker `{text}`"),
                format!("is a class a or b surface of `{owner}`"),
            );
        }
        if !texts.insert((&blocker.text, blocker.case)) {
            problem(problems, &format!("blocker `{}`", blocker.text), "stands twice".to_owned());
        }
    }
}

struct Surface<'a> {
    text: &'a str,
    class: Class,
    has_why: bool,
}

/// Every spelling by which an asset is known. A name equal to the ticker counts once, as the ticker.
fn surfaces(asset: &AssetRecord) -> impl Iterator<Item = Surface<'_>> {
    let symbol =
        Surface { text: &asset.symbol, class: asset.symbol_class, has_why: asset.symbol_why.is_some() };
    let name = (fold(&asset.name) != fold(&asset.symbol)).then_some(Surface {
        text: &asset.name,
        class: asset.name_class,
        has_why: asset.name_why.is_some(),
    });
    let aliases = asset.aliases.iter().map(|alias| Surface {
        text: &alias.text,
        class: alias.class,
        has_why: alias.why.is_some(),
    });
    let former = asset.formerly.iter().flat_map(|former| {
        [&former.symbol, &former.name].into_iter().flatten().map(|text| Surface {
            text,
            class: former.class,
            has_why: former.why.is_some(),
        })
    });
    std::iter::once(symbol).chain(name).chain(aliases).chain(former)
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}
