//! What the tests of all sources share.

use super::Priced;
use crate::market::error::SourceError;
use crate::market::http::Answer;

pub(super) fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
}

/// `id price change` of each coin, by id; `-` for an unknown change.
pub(super) fn told(result: Result<Vec<Priced>, SourceError>) -> Vec<String> {
    let row = |priced: Priced| {
        let change = priced.change_24h_pct.map_or("-".to_owned(), |change| change.to_string());
        format!("{} {} {change}", priced.id, priced.price)
    };
    let mut told: Vec<_> = result.unwrap().into_iter().map(row).collect();
    told.sort_unstable();
    told
}
