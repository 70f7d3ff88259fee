//! Prices at the time of publication.

use std::time::Duration;

use jiff::Timestamp;

use crate::annotate::Record;
use crate::catalog::{Catalog, TokenIndex};
use crate::market::{Markets, QuoteAnswer, QuoteState};

/// Sees to it that these are fetched, and waits for them if `wait` is not zero.
pub(super) async fn fetch(
    markets: &Markets,
    asked: impl Iterator<Item = (TokenIndex, Timestamp)>,
    wait: Duration,
) {
    let asked: Vec<_> = asked.collect();
    if wait.is_zero() {
        markets.history().want(&asked);
    } else {
        markets.history().wait_for(&asked, wait).await;
    }
}

/// The tokens of a record, for [`crate::market::history::History`].
pub fn tokens(catalog: &Catalog, record: &Record) -> Vec<TokenIndex> {
    let ids = record.mentions.iter().filter_map(|mention| mention.token_id.as_deref());
    ids.filter_map(|id| catalog.find(id)).collect()
}

/// Prices every token of a record as of its publication, as far as that is known by now. Never waits, and never
/// takes a price of today.
pub fn price_at_publication(
    catalog: &Catalog,
    markets: &Markets,
    record: &mut Record,
    published_at: Option<Timestamp>,
) {
    let snapshot = markets.snapshot();
    for mention in &mut record.mentions {
        let token = mention.token_id.as_deref().and_then(|id| catalog.find(id));
        mention.quote = token.map(|token| match published_at {
            Some(at) => markets.history().answer(token, at, &snapshot),
            None => QuoteAnswer::without_price(
                QuoteState::Unavailable,
                "the document has no `published_at` to price it at",
            ),
        });
    }
}
