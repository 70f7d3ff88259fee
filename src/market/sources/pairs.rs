//! Which of an exchange's pairs is which asset, as the exchange itself says.
//!
//! Asked for at most every 12 hours: pairs are listed rarely, and an old table prices nothing wrongly, it only
//! misses the newest. Never guesses from the letters of a pair.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::market::error::SourceError;

const ASKED_EVERY: Duration = Duration::from_secs(12 * 60 * 60);

/// Pair → base asset.
pub(super) type Table = Arc<HashMap<String, String>>;

/// The table as last asked for.
#[derive(Debug, Default)]
pub(super) struct Pairs(Mutex<Option<(Table, Instant)>>);

impl Pairs {
    /// The table; asked for where it is missing or old. An old one will do where the exchange does not answer.
    pub(super) async fn current<A>(&self, ask: impl FnOnce() -> A) -> Result<Table, SourceError>
    where
        A: Future<Output = Result<HashMap<String, String>, SourceError>>,
    {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((table, at)) = &known
            && at.elapsed() < ASKED_EVERY
        {
            return Ok(Arc::clone(table));
        }
        match (ask().await, known) {
            (Ok(table), _) => {
                let table = Arc::new(table);
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Arc::clone(&table), Instant::now()));
                Ok(table)
            }
            (Err(_), Some((table, _))) => Ok(table),
            (Err(error), None) => Err(error),
        }
    }
}
