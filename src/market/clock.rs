//! The time, so that tests can set it.
//!
//! Ages are told by the time of day; paces are kept by a clock that only runs forward, so that a stepped
//! system clock neither floods a market nor silences it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Where the market module takes the time from.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { made: Instant },
    Manual { start: Timestamp, passed: Arc<watch::Sender<Duration>> },
}

impl Clock {
    /// The system's time.
    pub fn system() -> Self {
        Self(Kind::System { made: Instant::now() })
    }

    /// A clock that stands still at `start` until it is [advanced](Self::advance). Clones share the time.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual { start, passed: Arc::new(watch::Sender::new(Duration::ZERO)) })
    }

    /// Moves a manual clock on and wakes what sleeps until then. The system's time is not changed.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual { passed, .. } = &self.0 {
            passed.send_modify(|passed| *passed += by);
        }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { .. } => Timestamp::now(),
            Kind::Manual { start, passed } => start.checked_add(*passed.borrow()).unwrap_or(Timestamp::MAX),
        }
    }

    /// Time since the clock was made; only ever grows.
    pub fn tick(&self) -> Duration {
        match &self.0 {
            Kind::System { made } => made.elapsed(),
            Kind::Manual { passed, .. } => *passed.borrow(),
        }
    }

    /// Returns when [`Self::tick`] has reached `tick`.
    pub async fn sleep_until(&self, tick: Duration) {
        match &self.0 {
            Kind::System { made } => match made.checked_add(tick) {
                Some(then) => tokio::time::sleep_until(then.into()).await,
                None => std::future::pending().await,
            },
            Kind::Manual { passed, .. } => {
                // Cannot fail: this clock keeps the sender.
                let _ = passed.subscribe().wait_for(|passed| *passed >= tick).await;
            }
        }
    }
}
