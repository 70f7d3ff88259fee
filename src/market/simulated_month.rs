//! A month of the planner, as a discrete-event run against markets that renew as the real ones do.
//!
//! ```text
//! SIMULATED_DAYS=31 cargo test --lib simulated_month -- --nocapture
//! ```
//! prints the tables of `docs/prices.md`. Everything here is the real thing (planner, ledger, paces, book) but
//! for the markets, which answer at once and never fail, and the callers, who ask by a Zipf law.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::book::{Freshness, Snapshot, Standing};
use super::ledger::{Account, Ledger, Outcome};
use super::pace::Pace;
use super::planner::{Lane, Listed, Planner, Turn};
use super::quote::Quote;
use super::sources::{Coverage, Haste, Plan, SourceEntry};
use crate::catalog::TokenIndex;

const TOKENS: u32 = 2_000;
const ASKS_A_SECOND: usize = 50;
const DAY_S: u64 = 24 * 60 * 60;
/// Last rank of each tier, and its name.
const TIERS: [(u32, &str); 5] =
    [(10, "1-10"), (100, "11-100"), (250, "101-250"), (1_000, "251-1000"), (TOKENS, "1001-2000")];

/// A market that renews its prices every `renews_s` seconds: an answer's prices are that old at most.
struct Market {
    entry: &'static SourceEntry,
    plan: &'static Plan,
    renews_s: u64,
    calls: Vec<u64>,
}

struct Report {
    /// Ages in seconds of the quotes served, by tier: how many of each age.
    ages: Vec<Vec<u64>>,
    unpriced: u64,
    markets: Vec<Market>,
}

/// One day in the suite; as many as asked for when the tables are made.
fn days() -> u64 {
    option_env!("SIMULATED_DAYS").and_then(|days| days.parse().ok()).unwrap_or(1)
}

fn market(name: &str, plan: &str, renews_s: u64) -> Market {
    let entry = SourceEntry::find(name).unwrap();
    let plan = entry.plans.iter().find(|known| known.name == plan).unwrap();
    Market { entry, plan, renews_s, calls: Vec::new() }
}

fn run(mut markets: Vec<Market>, days: u64) -> Report {
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let account = |market: &Market| {
        let plan = market.plan;
        let pace = Pace::new(plan.every, plan.calls_per_minute, plan.calls_per_month, plan.back_off_max);
        let ids_max = match market.entry.coverage {
            Coverage::Everything => usize::MAX,
            Coverage::Chosen { ids_max, .. } => ids_max,
        };
        Account::new(market.entry.name, (false, false), pace, ids_max, (0..TOKENS).map(|_| true))
    };
    let lane = |market: &Market| Lane {
        coverage: market.entry.coverage,
        listed: vec![Some(Listed { chars: 12, unverified: false }); TOKENS as usize],
    };
    let ledger = Ledger::new(markets.iter().map(account).collect());
    let ranks = (1..=TOKENS).map(Some).collect();
    let mut planner = Planner::new(ledger, markets.iter().map(lane).collect(), ranks);
    let mut book = Snapshot::new(Freshness::default(), (0..TOKENS).map(|_| Standing::Pending).collect());
    let mut asks = vec![0_u32; TOKENS as usize];
    let mut report = Report { ages: vec![vec![0; 7_200]; TIERS.len()], unpriced: 0, markets: Vec::new() };
    let (law, mut dice) = (Zipf::new(), Dice(42));
    let mut due = vec![0_u64; markets.len()];

    for second in 0..days * DAY_S {
        let now = Duration::from_secs(second);
        let time = start.checked_add(now).unwrap();
        for place in 0..markets.len() {
            if due[place] > second {
                continue;
            }
            planner.count_asks(asks.iter_mut().map(std::mem::take), now);
            match planner.next(place, now, time, &book) {
                Turn::Never => due[place] = u64::MAX,
                // Awake at every whole second that something can be due.
                Turn::Wait(until) => due[place] = (until.as_millis().div_ceil(1_000) as u64).max(second + 1),
                Turn::Ask(tokens, haste) => {
                    if haste == Haste::Regular {
                        planner.ledger.accounts[place].pace.began_regular(now);
                    }
                    let begun = planner.ledger.begin(place, &tokens, (now, time));
                    let market = &mut markets[place];
                    market.calls.push(second);
                    for token in &tokens {
                        // Coins are renewed at different moments of the interval.
                        let phase = u64::from(token.0) * 7 % market.renews_s;
                        let old = (second + phase) % market.renews_s;
                        let quote = Quote {
                            token: *token,
                            price: Decimal::ONE,
                            change_24h_pct: None,
                            as_of: time - Duration::from_secs(old),
                            as_of_received: false,
                            source: market.entry.name,
                        };
                        book.offer(quote, place, time);
                    }
                    planner.ledger.end_well(place, &tokens, begun, time, |_| Outcome::Priced);
                    planner.ledger.settle_demand(|token| book.is_fresh(token, time));
                }
            }
        }
        for _ in 0..ASKS_A_SECOND {
            let token = law.draw(&mut dice);
            asks[token as usize] += 1;
            let Some(quote) = book.quote(TokenIndex(token)) else {
                report.unpriced += 1;
                continue;
            };
            let age = usize::try_from(time.duration_since(quote.as_of).as_secs()).unwrap();
            let tier = TIERS.iter().position(|(last, _)| token < *last).unwrap();
            report.ages[tier][age.min(7_199)] += 1;
            if age > 600 && !planner.ledger.is_demanded(TokenIndex(token)) {
                planner.ledger.demand([TokenIndex(token)].into_iter());
                due.fill(second + 1);
            }
        }
    }
    report.markets = markets;
    report
}

impl Report {
    fn all(&self) -> Vec<u64> {
        (0..7_200).map(|age| self.ages.iter().map(|tier| tier[age]).sum()).collect()
    }

    fn table(&self, days: u64) -> String {
        let mut text = format!("{days} days, {ASKS_A_SECOND} asks a second, {TOKENS} tokens\n\n");
        text.push_str("| source, plan | calls | budget | most in 60 s | allowed |\n| --- | ---: | ---: | ---: | ---: |\n");
        for market in &self.markets {
            let Market { entry, plan, calls, .. } = market;
            let budget = plan.calls_per_month.map_or("none".to_owned(), |calls| calls.to_string());
            let most = most_in_a_minute(calls);
            writeln!(
                text,
                "| {}, {} | {} | {budget} | {most} | {} |",
                entry.name,
                plan.name,
                calls.len(),
                plan.calls_per_minute
            )
            .unwrap();
        }
        text.push_str("\n| rank | share of asks | median age | 90 % | 99 % | oldest |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        let total: u64 = self.all().iter().sum();
        let tiers = TIERS.iter().map(|(_, name)| *name).zip(self.ages.iter().cloned());
        for (name, ages) in tiers.chain([("all", self.all())]) {
            let share = 100 * ages.iter().sum::<u64>() / total;
            let [half, most, nearly_all, all] = [0.5, 0.9, 0.99, 1.0].map(|part| quantile(&ages, part));
            writeln!(text, "| {name} | {share} % | {half} s | {most} s | {nearly_all} s | {all} s |")
                .unwrap();
        }
        text
    }

    /// No budget and no pace is exceeded; ages are within these seconds.
    fn check(&self, median: usize, nearly_all: usize) {
        for market in &self.markets {
            let calls = market.calls.len() as u64;
            let budget = market.plan.calls_per_month.map_or(u64::MAX, u64::from);
            assert!(calls <= budget, "{}: {calls} calls", market.entry.name);
            let most = most_in_a_minute(&market.calls);
            assert!(most <= market.plan.calls_per_minute as usize, "{}: {most}", market.entry.name);
        }
        let ages = self.all();
        assert!(quantile(&ages, 0.5) <= median, "median {} s", quantile(&ages, 0.5));
        assert!(quantile(&ages, 0.99) <= nearly_all, "99 %: {} s", quantile(&ages, 0.99));
        assert_eq!(self.unpriced, 0);
    }
}

fn most_in_a_minute(calls: &[u64]) -> usize {
    let within =
        |(at, call): (usize, &u64)| calls[at..].iter().take_while(|other| **other < call + 60).count();
    calls.iter().enumerate().map(within).max().unwrap_or(0)
}

/// The least age that this part of all is not older than.
fn quantile(ages: &[u64], part: f64) -> usize {
    let total: u64 = ages.iter().sum();
    let wanted = (total as f64 * part).ceil() as u64;
    let mut seen = 0;
    let reached = |count: &u64| {
        seen += count;
        seen >= wanted
    };
    ages.iter().position(reached).unwrap_or(0)
}

/// Token `k` (from 1) is asked for 1/k as often as the first; drawn by a table, for speed.
struct Zipf(Vec<u32>);

impl Zipf {
    fn new() -> Self {
        let whole: f64 = (1..=TOKENS).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut table = Vec::new();
        for token in 0..TOKENS {
            let places = (f64::from(1 << 20) / f64::from(token + 1) / whole).round() as usize;
            table.resize(table.len() + places, token);
        }
        Self(table)
    }

    fn draw(&self, dice: &mut Dice) -> u32 {
        self.0[(dice.roll() % self.0.len() as u64) as usize]
    }
}

/// SplitMix64: the same month every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn with_demo_key() -> Vec<Market> {
    vec![market("coingecko", "demo", 60), market("coinpaprika", "free", 300)]
}

fn keyless() -> Vec<Market> {
    vec![market("coingecko", "keyless", 60), market("coinpaprika", "free", 300)]
}

#[test]
#[expect(clippy::print_stdout, reason = "prints the tables of the documents")]
fn a_simulated_time_keeps_budgets_and_ages() {
    let days = days();
    let share = usize::try_from(days).unwrap();
    let demo = run(with_demo_key(), days);
    // The share of the month, and the few calls that may run ahead.
    let [gecko, paprika] = [0, 1].map(|place| demo.markets[place].calls.len());
    let within = gecko <= 10_000 * share / 31 + 6 && paprika <= 20_000 * share / 31 + 6;
    assert!(within, "{gecko} {paprika}");
    for report in [demo, run(keyless(), days)] {
        println!("{}", report.table(days));
        report.check(300, 900);
    }
}
