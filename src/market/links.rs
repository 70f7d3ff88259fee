//! Which unverified listings have proved themselves.
//!
//! A market's id that was matched by name alone may be another coin's. It prices its token only after its
//! price once agreed with another source's; that is remembered in the state directory. Losing the file
//! costs a few minutes without those prices, never a wrong one.

use std::collections::BTreeMap;
use std::path::Path;

use rust_decimal::Decimal;

pub(super) const FILE: &str = "verified_links.json";

/// How far two markets' prices of one token may lie apart.
const AGREE_WITHIN: f64 = 0.05;

/// Source → our token id → the market's id that proved itself. Another id has to prove itself again.
pub(super) type Proved = BTreeMap<String, BTreeMap<String, String>>;

/// The listings that have proved themselves.
#[derive(Debug, Default)]
pub(super) struct Links {
    proved: Proved,
}

impl Links {
    /// What is remembered in `state_dir`; nothing is remembered without one.
    pub(super) fn load(state_dir: Option<&Path>) -> Self {
        let Some(path) = state_dir.map(|dir| dir.join(FILE)) else { return Self::default() };
        let proved = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "unreadable, unverified listings prove themselves again");
                Proved::default()
            }),
            // Absent at the first start.
            Err(_) => Proved::default(),
        };
        Self { proved }
    }

    pub(super) fn is_proved(&self, source: &str, token: &str, market_id: &str) -> bool {
        self.proved.get(source).and_then(|tokens| tokens.get(token)).is_some_and(|id| id == market_id)
    }

    pub(super) fn prove(&mut self, source: &str, token: &str, market_id: &str) {
        let tokens = self.proved.entry(source.to_owned()).or_default();
        tokens.insert(token.to_owned(), market_id.to_owned());
    }

    /// What to keep.
    pub(super) fn to_save(&self) -> Proved {
        self.proved.clone()
    }
}

/// Whether two prices are of one token, as far as prices can tell.
pub(super) fn agree(price: Decimal, other: Decimal) -> bool {
    let (Ok(price), Ok(other)) = (f64::try_from(price), f64::try_from(other)) else { return false };
    (price - other).abs() <= other.abs() * AGREE_WITHIN
}
