//! Whether the refresh loops still move: each says when it will be heard of next.
//!
//! A loop that waits an hour for its next call has not stopped; one that is long overdue has. While a market is
//! asked its own timeout watches, so that no market can make a loop look stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A loop that is overdue for so long has stopped. Far more than a busy machine or a slow disk takes.
pub(super) const STANDSTILL: Duration = Duration::from_secs(5 * 60);

/// Of a loop that is not running, or for which something else watches.
const NOT_EXPECTED: u64 = u64::MAX;

pub(super) struct Heartbeat(Box<[AtomicU64]>);

impl Heartbeat {
    pub(super) fn new(loops: usize) -> Self {
        Self((0..loops).map(|_| AtomicU64::new(NOT_EXPECTED)).collect())
    }

    /// This loop moves; it will be heard of again at `tick`.
    pub(super) fn expect_at(&self, place: usize, tick: Duration) {
        self.set(place, u64::try_from(tick.as_millis()).unwrap_or(NOT_EXPECTED));
    }

    /// This loop has ended, or somebody else watches it for now.
    pub(super) fn expect_nothing(&self, place: usize) {
        self.set(place, NOT_EXPECTED);
    }

    /// Whether no loop is long overdue.
    pub(super) fn is_moving(&self, tick: Duration) -> bool {
        let oldest = self.0.iter().map(|due| due.load(Ordering::Relaxed)).min().unwrap_or(NOT_EXPECTED);
        tick.saturating_sub(STANDSTILL) <= Duration::from_millis(oldest)
    }

    fn set(&self, place: usize, due: u64) {
        if let Some(slot) = self.0.get(place) {
            slot.store(due, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::catalog::Catalog;
    use crate::market::{Clock, MarketConfig, Markets, QuotesConfig};

    async fn becomes(markets: &Markets, is_moving: bool) {
        let reached = async {
            while markets.is_moving() != is_moving {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("took too long");
    }

    /// Four threads: the loops that are made to stand still hold one each.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_loop_that_stands_still_is_told_and_one_that_waits_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&file, r#"{"prices":{"bitcoin":{"price":"1"}}}"#).unwrap();
        let clock = Clock::manual("2026-05-18T12:00:00Z".parse().unwrap());
        let mut config = MarketConfig { sources: vec!["file".to_owned()], ..MarketConfig::default() };
        config.file.path = Some(file.to_path_buf());
        let catalog = Catalog::builtin();
        let markets = Markets::new(catalog, &config, &QuotesConfig::default(), None, clock.clone()).unwrap();
        let stop = CancellationToken::new();
        let running = markets.spawn(stop.clone());
        markets.first_round().await;
        clock.advance(Duration::from_secs(3600));
        becomes(&markets, true).await;

        // Whatever a loop does next, it needs the books.
        let (taken, is_taken) = mpsc::channel();
        let (give_back, given_back) = mpsc::channel::<()>();
        let shared = std::sync::Arc::clone(markets.shared());
        let holder = std::thread::spawn(move || {
            let _books = shared.lock();
            taken.send(()).unwrap();
            let _ = given_back.recv();
        });
        is_taken.recv().unwrap();
        clock.advance(STANDSTILL - Duration::from_secs(1));
        assert!(markets.is_moving());
        clock.advance(Duration::from_secs(3600));
        assert!(!markets.is_moving());
        drop(give_back);
        holder.join().unwrap();
        becomes(&markets, true).await;
        stop.cancel();
        running.await.unwrap();
    }
}
