//! The answer about a price of the past. Never asks for anything.

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::History;
use super::engine::Engine;
use super::point::{Hour, Past, Point, distance_s};
use super::route::{Before, Route, human};
use crate::catalog::TokenIndex;
use crate::market::book::Snapshot;
use crate::market::quote::{QuoteAnswer, QuoteState};

const DAY_S: f64 = 86_400.0;

impl History {
    /// What `token` was worth at `asked_at`, as far as it is known by now. `live` gives the price of today for the
    /// change since then. Never waits.
    pub fn answer(&self, token: TokenIndex, asked_at: Timestamp, live: &Snapshot) -> QuoteAnswer {
        let engine = &self.0;
        let now = engine.live.clock.now();
        let mut answer = match Hour::nearest(asked_at, now) {
            Some(hour) => engine.answer(Point { token, hour }, asked_at, live),
            None if asked_at > now => refused("the moment asked for lies in the future"),
            None => refused("the moment asked for lies before 1970"),
        };
        answer.asked_at = Some(asked_at);
        answer
    }
}

impl Engine {
    fn answer(&self, point: Point, asked_at: Timestamp, live: &Snapshot) -> QuoteAnswer {
        let within_s = self.within.as_secs_f64();
        let known = (0..self.sources.len()).filter_map(|place| Some((place, self.in_usd(place, point)?)));
        let known: Vec<(usize, Past)> = known.collect();
        if let Some((place, past)) =
            known.iter().find(|(_, past)| distance_s(past.as_of, asked_at) <= within_s)
        {
            let before = self.in_usd(*place, Point { hour: point.hour.day_before(), ..point });
            let before =
                before.filter(|before| (distance_s(past.as_of, before.as_of) - DAY_S).abs() <= within_s);
            let now = live.answer(point.token, self.live.clock.now());
            let today = now.price.and_then(|price| price.parse::<Decimal>().ok());
            let waits = match before {
                Some(_) => Before::Settled,
                None => self.before(&self.lock(), *place, point),
            };
            return QuoteAnswer {
                reason: match waits {
                    Before::Settled => None,
                    Before::Fetch(..) => Some("the change over 24 hours is being asked for".to_owned()),
                    Before::Rests(rest) => Some(format!("no change over 24 hours yet: {}", rest.fault)),
                },
                price: Some(past.price.normalize().to_string()),
                currency: Some("USD".to_owned()),
                change_24h_pct: before.and_then(|before| change_pct(before.price, past.price)),
                as_of: Some(past.as_of),
                source: Some(self.sources[*place].name.to_owned()),
                distance_s: Some((distance_s(past.as_of, asked_at) * 10.0).round() / 10.0),
                change_since_pct: today.and_then(|today| change_pct(past.price, today)),
                ..QuoteAnswer::without_price(QuoteState::Historical, "")
            };
        }
        if let Some((place, past)) = known.first() {
            let away = human(std::time::Duration::from_secs_f64(distance_s(past.as_of, asked_at).round()));
            let name = self.sources[*place].name;
            return refused(format!("{name}: the nearest record lies {away:#} away, at {}", past.as_of));
        }
        match self.standing(point) {
            Route::Known(_) | Route::Fetch(..) => {
                QuoteAnswer::without_price(QuoteState::Pending, "the first ask is under way")
            }
            Route::Unlisted if self.sources.is_empty() => refused("no source of past prices is enabled"),
            Route::Unlisted => {
                let names: Vec<_> = self.sources.iter().map(|source| source.name).collect();
                let reason = format!("no source of past prices lists it at that time ({})", names.join(", "));
                QuoteAnswer::without_price(QuoteState::Unlisted, reason)
            }
            Route::Refused(reasons, None) => {
                refused(format!("no price at {}: {reasons}", point.hour.start()))
            }
            Route::Refused(reasons, Some(_)) => QuoteAnswer::without_price(
                QuoteState::Pending,
                format!("no price yet at {}: {reasons}", point.hour.start()),
            ),
        }
    }
}

/// From one price to another in percent, four decimals.
fn change_pct(from: Decimal, to: Decimal) -> Option<f64> {
    let ratio = to.checked_sub(from)?.checked_div(from)?.to_f64()?;
    Some((ratio * 1_000_000.0).round() / 10_000.0)
}

fn refused(reason: impl Into<String>) -> QuoteAnswer {
    QuoteAnswer::without_price(QuoteState::Unavailable, reason)
}
