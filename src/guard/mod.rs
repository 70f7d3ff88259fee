//! Between a connection and a face: who may ask, how often, how many at a time and for how long. The same for
//! both faces, so that no rule can hold on one of them alone.
//!
//! Health passes by all of it: a probe that is refused because the server is busy makes an orchestrator kill
//! a server that works.

mod body;
mod full;
mod held;
mod keys;
mod lag;
mod layer;
mod mark;
mod rate;

use std::sync::Arc;
use std::time::Duration;

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

use full::Full;

/// How long a caller is asked to wait whose request does not fit beside the others.
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
    /// Whether spans are sent to a collector.
    has_traces: bool,
    /// How long a task now waits for a thread.
    lag: lag::Lag,
}

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: health. Never refused.
    Open,
    /// A key with this scope, if the server has keys.
    Scope(Scope),
    /// The same, for whoever runs the server: never refused for want of room. A server that has too much to do must
    /// still say so.
    Operator(Scope),
}

impl Guard {
    /// `keys`: `None` lets everybody read and nobody administer. `has_traces`: spans are sent to a collector.
    pub fn new(limits: Limits, keys: Option<Keys>, has_traces: bool, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            places: Arc::new(Semaphore::new(limits.requests_in_flight_max as usize)),
            held: metrics.held_bytes(),
            rates: rate::Rates::new(&limits),
            keys: ArcSwapOption::from_pointee(keys),
            limits,
            metrics,
            has_traces,
            lag: lag::Lag::default(),
        }))
    }

    /// Measures how long a task waits for a thread, until `stop`. That is the queue: a request whose turn is too
    /// far away is refused when it comes, which costs next to nothing, and not after it has waited.
    pub async fn watch_lag(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.0.lag.watch(self.0.limits.queue_wait_max)).await;
    }

    /// Puts other keys in force at once.
    pub fn set_keys(&self, keys: Keys) {
        self.0.keys.store(Some(Arc::new(keys)));
    }

    /// Whether a request that comes now would wait too long for its turn.
    fn is_behind(&self) -> bool {
        self.0.lag.now() > self.0.limits.queue_wait_max
    }

    /// Lets a request in, or says why not. The place is held until the answer is sent.
    fn admit(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        scope: Scope,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let client = self.identify(headers, peer, scope)?;
        if let Some(rates) = &self.0.rates
            && let Err(wait) = rates.check(&client)
        {
            self.0.metrics.refused("rate");
            let max = self.0.limits.requests_per_second;
            let message =
                format!("more than {max} requests a second (option `requests_per_second` in [limits])");
            return Err(Error::exhausted(message, LimitRef::new("requests_per_second", max), wait).into());
        }
        Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| Refusal::Full(Full::InFlight))
    }

    /// Who asks, if they may.
    fn identify(&self, headers: &HeaderMap, peer: Option<&Peer>, scope: Scope) -> Result<Arc<str>, Error> {
        self.check_headers(headers)?;
        self.client(headers, peer, scope)
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
}

/// Why a request is not let in.
enum Refusal {
    /// There is no room for it; whose it is does not matter.
    Full(Full),
    /// It may not, or not as it is.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
