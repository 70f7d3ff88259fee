//! The newest quote for each token.
//!
//! Written by the refresh loop, read by every request. Reading never waits for the network: a token
//! without a quote is answered without one.

use jiff::Timestamp;

use super::quote::QuoteAnswer;
use crate::catalog::TokenIndex;

/// The book at one moment; read it once per article.
#[derive(Debug)]
pub struct Snapshot {}

impl Snapshot {
    /// What is known of `token` as of `now`. Never waits.
    pub fn answer(&self, token: TokenIndex, now: Timestamp) -> QuoteAnswer {
        let _ = (token, now);
        unreachable!("written next")
    }
}
