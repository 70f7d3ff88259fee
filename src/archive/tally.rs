//! What was found in an archive as a whole.
//!
//! Owns counting. The tally of two stretches is the same whichever was counted first, save for the newest price.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::previous::KeptLine;
use crate::annotate::{ErrorRecord, Record};

/// Errors kept for the report.
const FAULTS_MAX: usize = 100;

/// More stretches of time than this are drawn as longer ones: days as months, months as years.
const STRETCHES_MAX: usize = 400;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Articles tagged.
    pub articles: u64,
    /// Places that mention something.
    pub mentions: u64,
    /// Surfaces left ambiguous.
    pub ambiguous: u64,
    /// Records set aside.
    pub set_aside: u64,
    /// Articles of which a price could not be had yet, where going on with the run fills it in.
    pub pending: u64,
    /// Articles of these that were taken from the output of an earlier run.
    pub kept: u64,
    /// Files of folders that were not read: their extension tells no format.
    pub left_out: u64,
    /// By token id; by name for what is no token.
    pub tokens: BTreeMap<String, TokenCount>,
    /// Prices by their state.
    pub prices: BTreeMap<String, u64>,
    /// Currency of the prices.
    pub(super) currency: String,
    /// The first errors.
    pub faults: Vec<ErrorRecord>,
    /// Mentions over time, where asked for: by the day, month or year, then by token.
    pub(super) timeline: Option<BTreeMap<String, BTreeMap<String, Point>>>,
}

/// How often one token was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Ticker, or the name of what has none.
    pub label: String,
    /// Its name.
    pub name: String,
    /// Places.
    pub mentions: u64,
    /// Articles.
    pub articles: u64,
}

/// One token in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) mentions: u64,
    /// The last price seen there.
    pub(super) price: Option<f64>,
}

impl Tally {
    /// Nothing yet. `timeline`: also count over time.
    pub(super) fn new(timeline: bool) -> Self {
        Self { timeline: timeline.then(BTreeMap::new), ..Self::default() }
    }

    /// Nothing yet, of what this one counts.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.timeline.is_some())
    }

    pub(super) fn record(&mut self, record: &Record, published_at: Option<Timestamp>) {
        self.articles += 1;
        self.ambiguous += record.ambiguous.iter().map(|one| one.spans.len() as u64).sum::<u64>();
        let day = published_at.filter(|_| self.timeline.is_some());
        let day = day.map(|at| at.to_string()[..10].to_owned());
        for mention in &record.mentions {
            let count = u64::from(mention.count);
            let id = mention.token_id.as_ref().unwrap_or(&mention.name);
            self.token(id, mention.symbol.as_deref(), &mention.name, count);
            if let Some(quote) = &mention.quote {
                match self.prices.get_mut(quote.state.word()) {
                    Some(prices) => *prices += 1,
                    None => drop(self.prices.insert(quote.state.word().to_owned(), 1)),
                }
                if let Some(currency) = quote.currency.as_ref().filter(|_| self.currency.is_empty()) {
                    self.currency.clone_from(currency);
                }
            }
            if let (Some(timeline), Some(day)) = (&mut self.timeline, &day) {
                let point = timeline.entry(day.clone()).or_default().entry(id.clone()).or_default();
                point.mentions += count;
                let price = mention.quote.as_ref().and_then(|quote| quote.price.as_ref()?.parse().ok());
                point.price = price.or(point.price);
            }
        }
    }

    /// A record that is written as an earlier run wrote it.
    pub(super) fn line(&mut self, line: &KeptLine<'_>) {
        self.articles += 1;
        self.kept += 1;
        self.ambiguous += line.ambiguous;
        for mention in &line.mentions {
            let id = mention.token_id.as_ref().unwrap_or(&mention.name);
            self.token(id, mention.symbol.as_deref(), &mention.name, mention.count.into());
        }
    }

    fn token(&mut self, id: &str, symbol: Option<&str>, name: &str, count: u64) {
        self.mentions += count;
        // Most have been seen: no key is made for them.
        if let Some(token) = self.tokens.get_mut(id) {
            token.mentions += count;
            token.articles += 1;
            return;
        }
        let label = symbol.unwrap_or(name).to_owned();
        let token = TokenCount { label, name: name.to_owned(), mentions: count, articles: 1 };
        self.tokens.insert(id.to_owned(), token);
    }

    pub(super) fn error(&mut self, error: &ErrorRecord) {
        self.set_aside += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(error.clone());
        }
    }

    /// Adds what was counted in the stretch behind this one.
    pub(super) fn add(&mut self, next: Self) {
        self.articles += next.articles;
        self.kept += next.kept;
        self.pending += next.pending;
        if self.currency.is_empty() {
            self.currency = next.currency;
        }
        self.mentions += next.mentions;
        self.ambiguous += next.ambiguous;
        self.set_aside += next.set_aside;
        for (id, counted) in next.tokens {
            match self.tokens.get_mut(&id) {
                Some(token) => {
                    token.mentions += counted.mentions;
                    token.articles += counted.articles;
                }
                None => drop(self.tokens.insert(id, counted)),
            }
        }
        for (state, count) in next.prices {
            *self.prices.entry(state).or_default() += count;
        }
        let room = FAULTS_MAX - self.faults.len().min(FAULTS_MAX);
        self.faults.extend(next.faults.into_iter().take(room));
        if let (Some(timeline), Some(next)) = (&mut self.timeline, next.timeline) {
            // Both sides in stretches of the same length, the longer one's.
            let length = |line: &BTreeMap<String, _>| line.keys().next().map_or(10, String::len);
            let shorter = length(timeline).min(length(&next));
            add_timeline(timeline, next);
            *timeline = cut_labels(std::mem::take(timeline), shorter);
            for length in [7, 4] {
                if timeline.len() > STRETCHES_MAX {
                    *timeline = cut_labels(std::mem::take(timeline), length);
                }
            }
        }
    }

    /// The most often mentioned, most first.
    pub fn top(&self, most: usize) -> Vec<(&str, &TokenCount)> {
        let mut tokens: Vec<_> = self.tokens.iter().map(|(id, token)| (id.as_str(), token)).collect();
        tokens.sort_by(|(id, a), (other, b)| b.mentions.cmp(&a.mentions).then(id.cmp(other)));
        tokens.truncate(most);
        tokens
    }

    /// Records seen.
    pub fn records(&self) -> u64 {
        self.articles + self.set_aside
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

type Timeline = BTreeMap<String, BTreeMap<String, Point>>;

fn add_timeline(timeline: &mut Timeline, next: Timeline) {
    for (label, tokens) in next {
        let stretch = timeline.entry(label).or_default();
        for (id, counted) in tokens {
            let point = stretch.entry(id).or_default();
            point.mentions += counted.mentions;
            point.price = counted.price.or(point.price);
        }
    }
}

/// `2026-01-12` becomes `2026-01`, or `2026`.
fn cut_labels(timeline: Timeline, length: usize) -> Timeline {
    let mut cut = Timeline::new();
    for (mut label, tokens) in timeline {
        label.truncate(length);
        add_timeline(&mut cut, BTreeMap::from([(label, tokens)]));
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_days_are_drawn_as_months() {
        let mut tally = Tally::new(true);
        let mut day: jiff::civil::Date = "2025-01-01".parse().unwrap();
        for _ in 0..500 {
            let point = Point { mentions: 2, price: None };
            let tokens = BTreeMap::from([("bitcoin".to_owned(), point)]);
            let next =
                Tally { timeline: Some(BTreeMap::from([(day.to_string(), tokens)])), ..Tally::default() };
            tally.add(next);
            day = day.tomorrow().unwrap();
        }
        let timeline = tally.timeline.unwrap();
        assert_eq!(timeline.len(), 17);
        assert_eq!(timeline["2025-02"]["bitcoin"].mentions, 56);
        assert_eq!(timeline.values().map(|stretch| stretch["bitcoin"].mentions).sum::<u64>(), 1000);
    }
}
