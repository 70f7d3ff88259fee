//! Between a connection and a face: who may ask, how often, how many at a time and for how long. The same for
//! both faces, so that no rule can hold on one of them alone.
//!
//! Health passes by all of it: a probe that is refused because the server is busy makes an orchestrator kill
//! a server that works.

mod body;
mod held;
mod keys;
mod layer;
mod mark;
mod rate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, header};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::api::{Code, Error, LimitRef, Limits, Metrics};
use crate::net::Peer;
pub use held::Held;
pub use keys::{Config, Keys, KeysError, Scope};
pub use layer::{Face, GuardLayer, Method};

/// How long a refused caller is asked to wait: a few times the longest wait for a turn.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The rules of admission, shared by both faces. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    limits: Limits,
    keys: ArcSwapOption<Keys>,
    places: Arc<Semaphore>,
    /// Bytes that the requests hold.
    held: Gauge,
    rates: Option<rate::Rates>,
    metrics: Metrics,
    /// How long a task now waits for a thread, in microseconds.
    lag_us: AtomicU64,
}

/// How often the wait for a thread is measured while it is short.
const LAG_EVERY: Duration = Duration::from_millis(5);

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: health. Never refused.
    Open,
    /// A key with this scope, if the server has keys.
    Scope(Scope),
}

impl Guard {
    /// `keys`: `None` lets everybody read and nobody administer.
    pub fn new(limits: Limits, keys: Option<Keys>, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            places: Arc::new(Semaphore::new(limits.requests_in_flight_max as usize)),
            held: metrics.held_bytes(),
            rates: rate::Rates::new(&limits),
            keys: ArcSwapOption::from_pointee(keys),
            limits,
            metrics,
            lag_us: AtomicU64::new(0),
        }))
    }

    /// Measures how long a task waits for a thread, until `stop`. That is the queue: a request whose turn is too
    /// far away is refused when it comes, which costs next to nothing, and not after it has waited.
    pub async fn watch_lag(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let asked = Instant::now();
            tokio::task::yield_now().await;
            let lag = asked.elapsed();
            self.0.lag_us.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            // After a long wait at once again: what was in line is done by now.
            if lag <= self.0.limits.queue_wait_max {
                tokio::time::sleep(LAG_EVERY).await;
            }
        }
    }

    /// Puts other keys in force at once.
    pub fn set_keys(&self, keys: Keys) {
        self.0.keys.store(Some(Arc::new(keys)));
    }

    /// Lets a request in, or says why not. The place is held until the answer is sent.
    fn admit(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        scope: Scope,
    ) -> Result<OwnedSemaphorePermit, Error> {
        self.check_headers(headers)?;
        let client = self.client(headers, peer, scope)?;
        if let Some(rates) = &self.0.rates
            && let Err(wait) = rates.check(&client)
        {
            self.0.metrics.refused("rate");
            let max = self.0.limits.requests_per_second;
            let message =
                format!("more than {max} requests a second (option `requests_per_second` in [limits])");
            return Err(Error::exhausted(message, LimitRef::new("requests_per_second", max), wait));
        }
        if Duration::from_micros(self.0.lag_us.load(Ordering::Relaxed)) > self.0.limits.queue_wait_max {
            return Err(self.waited_too_long());
        }
        Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| {
            self.0.metrics.refused("in_flight");
            let max = self.0.limits.requests_in_flight_max;
            let message = format!(
                "{max} requests are being answered already (option `requests_in_flight_max` in [limits])"
            );
            Error::exhausted(message, LimitRef::new("requests_in_flight_max", max), RETRY_AFTER)
        })
    }

    /// HTTP/2 counts for itself; HTTP/1 knows only the size of a buffer, which is larger.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Error> {
        // As HTTP/2 counts: each field costs 32 bytes beside its text.
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        let max = self.0.limits.header_bytes_max;
        if bytes > max as usize {
            let what = format!("the headers have {bytes} bytes");
            return Err(Error::over_limit("headers", what, "header_bytes_max", max));
        }
        Ok(())
    }

    /// By what name the caller is counted.
    fn client(&self, headers: &HeaderMap, peer: Option<&Peer>, scope: Scope) -> Result<Arc<str>, Error> {
        let certificate = peer.and_then(|peer| peer.certificate.clone());
        let Some(keys) = &*self.0.keys.load() else {
            if scope == Scope::Admin {
                let message = "administration needs a key with the scope `admin`; this server has no keys \
                               (option `keys_file` in [auth])";
                return Err(Error::new(Code::PermissionDenied, message));
            }
            return Ok(certificate.unwrap_or_else(|| Arc::from("anyone")));
        };
        let Some(key) = bearer(headers) else {
            let message = "send a key with the header `authorization: Bearer KEY`";
            return Err(Error::new(Code::Unauthenticated, message));
        };
        let Some(client) = keys.find(key) else {
            return Err(Error::new(Code::Unauthenticated, "the key is not known to this server"));
        };
        if !client.may(scope) {
            let message = format!("the key of `{}` lacks the scope `{}`", client.name(), scope.word());
            return Err(Error::new(Code::PermissionDenied, message));
        }
        Ok(client.name())
    }

    /// Why a request is not answered while the line is too long.
    fn waited_too_long(&self) -> Error {
        self.0.metrics.refused("queue");
        let max = self.0.limits.queue_wait_max;
        let message = format!(
            "the server has more to do than it can: requests wait over {max:?} for their turn \
             (option `queue_wait_max` in [limits])"
        );
        let limit = LimitRef::new("queue_wait_max", format_args!("{}ms", max.as_millis()));
        Error::exhausted(message, limit, RETRY_AFTER)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
