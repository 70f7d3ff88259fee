//! Prices that jump while another source says otherwise.
//!
//! Such a price is held back until a second look bears it out, or for a short time: the market may really
//! have moved, so nothing is held back for good. Pure: the time comes in. Never judges a token that only one
//! source prices.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::quote::Quote;
use crate::catalog::TokenIndex;

/// A price is held back for at most so long.
pub(super) const HELD_FOR: Duration = Duration::from_secs(5 * 60);

/// What every source last said, and what is held back of it.
#[derive(Debug)]
pub(super) struct Jumps {
    /// Prices that lie further apart than this part contradict each other.
    most: f64,
    opinion_for: Duration,
    /// By place of the source, then token.
    opinions: Vec<HashMap<TokenIndex, Opinion>>,
    held: HashMap<(usize, TokenIndex), Held>,
}

#[derive(Clone, Copy, Debug)]
struct Opinion {
    price: Decimal,
    as_of: Timestamp,
}

#[derive(Clone, Debug)]
struct Held {
    quote: Quote,
    since: Duration,
}

impl Jumps {
    /// `pct`: from `quotes.jump_pct`. `opinion_for`: older prices of other sources are no objection.
    pub(super) fn new(sources: usize, pct: f64, opinion_for: Duration) -> Self {
        Self { most: pct / 100.0, opinion_for, opinions: vec![HashMap::new(); sources], held: HashMap::new() }
    }

    /// Whether `quote` of the source at `place` may be published over `shown`, what is shown now.
    pub(super) fn admits(
        &mut self,
        quote: &Quote,
        place: usize,
        shown: Option<&Quote>,
        (now, time): (Duration, Timestamp),
    ) -> bool {
        let held = self.held.remove(&(place, quote.token));
        let admitted = self.judge(quote, place, shown, held.as_ref(), time);
        self.opinions[place].insert(quote.token, Opinion { price: quote.price, as_of: quote.as_of });
        if !admitted {
            let since = held.map_or(now, |held| held.since);
            if now.saturating_sub(since) >= HELD_FOR {
                return true;
            }
            self.held.insert((place, quote.token), Held { quote: quote.clone(), since });
        }
        admitted
    }

    /// The quotes held back for long enough.
    pub(super) fn released(&mut self, now: Duration) -> Vec<(usize, Quote)> {
        let over = |held: &Held| now.saturating_sub(held.since) >= HELD_FOR;
        let released = self.held.iter().filter(|(_, held)| over(held));
        let released = released.map(|((place, _), held)| (*place, held.quote.clone())).collect();
        self.held.retain(|_, held| !over(held));
        released
    }

    /// When the next one has been held back for long enough.
    pub(super) fn next_release(&self) -> Option<Duration> {
        self.held.values().map(|held| held.since + HELD_FOR).min()
    }

    /// The tokens of which something is held back.
    pub(super) fn doubted(&self) -> impl Iterator<Item = TokenIndex> {
        self.held.keys().map(|(_, token)| *token)
    }

    fn judge(
        &self,
        quote: &Quote,
        place: usize,
        shown: Option<&Quote>,
        held: Option<&Held>,
        time: Timestamp,
    ) -> bool {
        let counts = |as_of: Timestamp| {
            Duration::try_from(time.duration_since(as_of)).unwrap_or_default() <= self.opinion_for
        };
        let Some(shown) = shown.filter(|shown| counts(shown.as_of)) else { return true };
        // A newer look of the same source that says the same bears itself out.
        let looked_twice = held
            .is_some_and(|held| held.quote.as_of < quote.as_of && self.agree(held.quote.price, quote.price));
        if looked_twice || self.agree(quote.price, shown.price) {
            return true;
        }
        let others = self.opinions.iter().enumerate().filter(|(other, _)| *other != place);
        let mut others = others
            .filter_map(|(_, opinions)| opinions.get(&quote.token))
            .filter(|opinion| counts(opinion.as_of))
            .peekable();
        others.peek().is_none() || others.any(|other| self.agree(quote.price, other.price))
    }

    fn agree(&self, price: Decimal, other: Decimal) -> bool {
        let (Ok(price), Ok(other)) = (f64::try_from(price), f64::try_from(other)) else { return false };
        (price - other).abs() <= price.abs().min(other.abs()) * self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(now: Duration) -> Timestamp {
        "2026-05-18T12:00:00Z".parse::<Timestamp>().unwrap().checked_add(now).unwrap()
    }

    fn quote(price: &str, now: Duration) -> Quote {
        Quote {
            token: TokenIndex(0),
            price: price.parse().unwrap(),
            change_24h_pct: None,
            as_of: at(now),
            as_of_received: false,
            source: "a",
        }
    }

    /// Says prices of two sources, minute by minute, and what becomes of them; an admitted price is shown.
    fn check(rows: &[(usize, &str, bool)]) {
        let mut jumps = Jumps::new(2, 25.0, MINUTE * 10);
        let mut shown: Option<Quote> = None;
        for (minute, (place, price, admitted)) in (0..).zip(rows) {
            let now = MINUTE * minute;
            let quote = quote(price, now);
            let admits = jumps.admits(&quote, *place, shown.as_ref(), (now, at(now)));
            assert_eq!(admits, *admitted, "minute {minute}: {price}");
            if admits {
                shown = Some(quote);
            }
        }
    }

    #[test]
    fn a_jump_that_nobody_contradicts_is_shown() {
        check(&[(0, "100", true), (0, "900", true), (0, "1", true)]);
    }

    #[test]
    fn a_small_difference_is_none() {
        check(&[(0, "100", true), (1, "124", true), (0, "100", true)]);
    }

    #[test]
    fn a_contradicted_jump_waits_for_a_second_look_of_the_same_source() {
        check(&[(0, "100", true), (1, "101", true), (0, "900", false), (0, "910", true)]);
    }

    #[test]
    fn a_contradicted_jump_waits_for_the_other_source() {
        check(&[(0, "100", true), (1, "101", true), (0, "900", false), (1, "905", true), (0, "901", true)]);
    }

    #[test]
    fn a_slip_is_never_shown() {
        check(&[(0, "100", true), (1, "101", true), (0, "900", false), (0, "102", true), (0, "1", false)]);
    }

    #[test]
    fn nothing_is_held_back_for_good() {
        let mut jumps = Jumps::new(2, 25.0, MINUTE * 10);
        let shown = quote("100", Duration::ZERO);
        assert!(jumps.admits(&shown, 1, None, (Duration::ZERO, at(Duration::ZERO))));
        assert!(!jumps.admits(&quote("900", MINUTE), 0, Some(&shown), (MINUTE, at(MINUTE))));
        assert_eq!(jumps.doubted().collect::<Vec<_>>(), [TokenIndex(0)]);
        assert!(jumps.released(MINUTE * 5).is_empty());
        assert_eq!(jumps.next_release(), Some(MINUTE * 6));
        assert_eq!(jumps.released(MINUTE * 6), [(0, quote("900", MINUTE))]);
        assert_eq!(jumps.next_release(), None);
    }
}
