//! How often one client may ask: a token bucket each, by the name of its key or certificate.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::api::Limits;

pub(super) struct Rates {
    buckets: DefaultKeyedRateLimiter<Arc<str>>,
    clock: DefaultClock,
}

impl Rates {
    /// `None`: no limit. Names come from our own file or from certificates that our authority signed, so
    /// nobody else can make buckets.
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        let rate = NonZeroU32::new(limits.requests_per_second)?;
        let burst = NonZeroU32::new(limits.requests_burst).unwrap_or(rate);
        let quota = Quota::per_second(rate).allow_burst(burst);
        Some(Self { buckets: RateLimiter::keyed(quota), clock: DefaultClock::default() })
    }

    /// An error says how long until the next request of this client is let in.
    pub(super) fn check(&self, client: &Arc<str>) -> Result<(), Duration> {
        self.buckets.check_key(client).map(drop).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}
