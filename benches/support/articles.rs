//! News-like articles from a seed: the same seed gives the same articles on every machine.
//!
//! Plain reporting carries most of the text; five to fifteen mentions an article, drawn by a Zipf law over
//! the catalog's ranks, are what news about crypto holds.

use cointag::catalog::{AssetRecord, Catalog, Class};

/// One article.
pub(crate) struct Article {
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Xorshift: small, seeded, the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }
}

/// `count` articles of about four kilobytes.
pub(crate) fn articles(catalog: &Catalog, seed: u64, count: usize) -> Vec<Article> {
    let mut random = Random::new(seed);
    let ranked: Vec<&AssetRecord> = catalog.assets().iter().filter(|asset| asset.rank.is_some()).collect();
    (0..count).map(|_| article(&mut random, &ranked)).collect()
}

fn article(random: &mut Random, ranked: &[&AssetRecord]) -> Article {
    let mentions = 5 + random.below(11);
    let sentences = 34;
    let mut body = String::new();
    let mut left = mentions;
    for sentence in 0..sentences {
        let due = left * (sentences - sentence) > 0 && random.below(sentences - sentence) < left;
        if due {
            left -= 1;
            let asset = zipf(random, ranked);
            body.push_str(&random.pick(COIN_SENTENCES).replace("{}", &spelling(random, asset)));
        } else {
            body.push_str(&plain_sentence(random));
        }
        body.push_str(if sentence % 6 == 5 { "\n\n" } else { " " });
    }
    let title = random.pick(COIN_SENTENCES).replace("{}", &zipf(random, ranked).name);
    Article { title, body }
}

/// Rank r is drawn with a chance of about 1/r.
fn zipf<'c>(random: &mut Random, ranked: &[&'c AssetRecord]) -> &'c AssetRecord {
    let most = (ranked.len() as f64).ln();
    let uniform = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    ranked[((uniform * most).exp() as usize).min(ranked.len() - 1)]
}

fn spelling(random: &mut Random, asset: &AssetRecord) -> String {
    match random.below(4) {
        0 => format!("{} ({})", asset.name, asset.symbol),
        1 if asset.symbol_class <= Class::B => asset.symbol.clone(),
        2 => format!("${}", asset.symbol),
        _ => asset.name.clone(),
    }
}

/// Subject, verb, object, circumstance: some forty thousand different sentences of ordinary reporting.
fn plain_sentence(random: &mut Random) -> String {
    format!(
        "{} {} {} {}.",
        random.pick(SUBJECTS),
        random.pick(VERBS),
        random.pick(OBJECTS),
        random.pick(CIRCUMSTANCES)
    )
}

const COIN_SENTENCES: &[&str] = &[
    "{} rose 3.1% in early trading while volumes stayed thin.",
    "Holders of {} have waited for the upgrade since the spring.",
    "The fund sold part of its {} position, a filing shows.",
    "“We still like {},” the trader said, “but not at this price.”",
    "Developers behind {} published a plan for the next two years.",
    "Open interest in {} futures fell for the third day in a row.",
    "A wallet that had slept for years moved {} worth several million dollars.",
    "Exchanges paused deposits of {} during the network upgrade.",
];

const SUBJECTS: &[&str] = &[
    "The regulator",
    "A spokesman for the ministry",
    "The bank’s research desk",
    "One person near the talks",
    "The company",
    "An industry group",
    "The court in Rotterdam",
    "Its chief executive",
    "The committee",
    "A survey of 1,200 households",
    "The city council",
    "Analysts at the brokerage",
    "The head of the union",
    "A group of pension funds",
    "The port authority",
    "The start-up",
    "Her lawyer",
    "The statistics office",
    "A former official",
    "The supplier",
    "The board",
    "The insurer",
    "A team of researchers",
    "The airline",
];

const VERBS: &[&str] = &[
    "said on Tuesday that it would review",
    "has not decided whether to publish",
    "declined to comment on",
    "expects a delay of",
    "has begun to replace",
    "asked for more time to study",
    "will vote next month on",
    "warned of higher costs for",
    "wants to link its plans to",
    "has cut its forecast for",
    "is still waiting for",
    "published new figures on",
    "called for an open debate about",
    "agreed in principle to",
    "plans to sell",
    "gave no reason for",
    "paid about $40 million for",
    "has hired a dozen people to work on",
];

const OBJECTS: &[&str] = &[
    "the new rules",
    "its data centres in the north",
    "the draft law",
    "a second power line along the coast",
    "the merger",
    "its older ships",
    "the way fees are shown to customers",
    "the report",
    "a court order",
    "the terms of the loan",
    "stricter checks at the border",
    "its stake in the mine",
    "the repair of the bridge",
    "a common standard for payments",
    "the price of gas in winter",
    "its near-term targets",
    "the flow of goods through the canal",
    "a one-year freeze on rents",
    "the maker of the engines",
    "open positions in the department",
    "the results of the audit",
    "a wave of retirements",
];

const CIRCUMSTANCES: &[&str] = &[
    "before the end of the quarter",
    "after weeks of quiet talks",
    "in a letter seen by reporters",
    "although demand has been weak since the summer",
    "and gave itself until June",
    "at a meeting in Lisbon",
    "without naming a date",
    "as interest rates stay where they are",
    "despite protests from smaller firms",
    "in the face of a lawsuit",
    "under pressure from lenders",
    "for the first time since 2019",
    "while the opposition demands an inquiry",
    "because the old one had run out",
    "over the objections of its staff",
    "with the help of two foreign partners",
    "even if that means a loss this year",
    "from its base in the harbour",
];
