//! A market's price of one token, and what we answer when asked for it.
//!
//! Owns the states of an answer. Never fetches anything and never asks the clock.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::catalog::TokenIndex;

/// One price as a market gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    /// The token priced.
    pub token: TokenIndex,
    /// US dollars for one token; always above 0.
    pub price: Decimal,
    /// Percent over the 24 h before `as_of`. `None`: the market did not say.
    pub change_24h_pct: Option<f64>,
    /// The market's own time of the price, or the time of receipt where it gives none.
    pub as_of: Timestamp,
    /// Whether `as_of` is only the time of receipt.
    pub as_of_received: bool,
    /// The source's name, such as `coingecko`.
    pub source: &'static str,
}

/// How an answer about a price stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteState {
    /// Not older than `quotes.fresh_for`.
    Fresh,
    /// Older than that, up to `quotes.expire_after`.
    Stale,
    /// Older still: the price is withheld, its time is told.
    Expired,
    /// The first ask is under way; of the past also: it could not be had yet.
    Pending,
    /// No enabled source has an id for the token.
    Unlisted,
    /// Every source failed, or none is enabled.
    Unavailable,
    /// A price of the past, as asked for.
    Historical,
}

/// The answer about one token's price, as it stands in every record.
///
/// A price or change that is not known is absent; `reason` is set whenever there is no price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuoteAnswer {
    /// How it stands.
    pub state: QuoteState,
    /// Why there is no price, or of the past why its change over 24 hours is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Plain decimal text, never an exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// ISO code of the currency of `price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Percent over the 24 h before `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_24h_pct: Option<f64>,
    /// When the price held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Present and true: the market gave no time, `as_of` is the time of receipt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_of_received: bool,
    /// Seconds from `as_of` to the answer, with one decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<f64>,
    /// Which market said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The moment in the past that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// Seconds from `asked_at` to `as_of`, whichever came first, with one decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_s: Option<f64>,
    /// Percent from that price to the newest one known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_since_pct: Option<f64>,
    /// Only in another currency than USD: when its rate was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_as_of: Option<Timestamp>,
}

impl QuoteState {
    /// Its word in JSON and in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Unlisted => "unlisted",
            Self::Unavailable => "unavailable",
            Self::Historical => "historical",
        }
    }
}

impl QuoteAnswer {
    /// Whether more may be known later: a price that is not here yet, or one of the past whose change over 24 hours
    /// is not.
    pub fn is_awaited(&self) -> bool {
        match self.state {
            QuoteState::Pending => true,
            QuoteState::Historical => self.reason.is_some(),
            _ => false,
        }
    }

    /// An answer without a price.
    pub fn without_price(state: QuoteState, reason: impl Into<String>) -> Self {
        Self {
            state,
            reason: Some(reason.into()),
            price: None,
            currency: None,
            change_24h_pct: None,
            as_of: None,
            as_of_received: false,
            age_s: None,
            source: None,
            asked_at: None,
            distance_s: None,
            change_since_pct: None,
            rate_as_of: None,
        }
    }
}
