//! What a caller is told when the server has no room for its request: made once, so that saying it costs next to
//! nothing. Under overload most calls get no other answer, and every moment spent on them is taken from the rest.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, response};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;

use super::layer::Face;
use crate::api::{Error, LimitRef, Limits};

/// How long callers that are turned away are asked to wait: a few times the longest wait for a turn, and not all of
/// them as long, for they would all come again together. Few enough that a connection's compression of headers
/// remembers all of them.
const RETRY_AFTER: [Duration; 4] = [
    Duration::from_millis(700),
    Duration::from_millis(900),
    Duration::from_millis(1100),
    Duration::from_millis(1300),
];

/// Which room is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The line of those that wait for a thread.
    Queue,
    /// The places of those that are answered or wait.
    InFlight,
}

impl Full {
    /// As in the metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::InFlight => "in_flight",
        }
    }

    fn error(self, limits: &Limits, retry_after: Duration) -> Error {
        let (message, limit) = match self {
            Self::Queue => {
                let max = limits.queue_wait_max;
                let message = format!(
                    "the server has more to do than it can: requests wait over {max:?} for their turn \
                     (option `queue_wait_max` in [limits])"
                );
                (message, LimitRef::new("queue_wait_max", format_args!("{}ms", max.as_millis())))
            }
            Self::InFlight => {
                let max = limits.requests_in_flight_max;
                let message = format!(
                    "{max} requests are being answered already (option `requests_in_flight_max` in [limits])"
                );
                (message, LimitRef::new("requests_in_flight_max", max))
            }
        };
        Error::exhausted(message, limit, retry_after)
    }
}

/// The answers of one face.
pub(super) struct Answers {
    queue: Vec<Made>,
    in_flight: Vec<Made>,
    turn: AtomicUsize,
}

/// An answer that can be given again and again.
struct Made {
    head: response::Parts,
    body: Bytes,
    /// For the metrics.
    code: Cow<'static, str>,
}

impl Answers {
    pub(super) fn new<F: Face>(face: &F, limits: &Limits) -> Self {
        let all = |full: Full| {
            let made = |after| Made::new(face, face.refuse(full.error(limits, after)));
            RETRY_AFTER.into_iter().map(made).collect()
        };
        Self { queue: all(Full::Queue), in_flight: all(Full::InFlight), turn: AtomicUsize::new(0) }
    }

    /// An answer, and its code as in the metrics.
    pub(super) fn give(&self, full: Full) -> (Response<Body>, Cow<'static, str>) {
        let answers = match full {
            Full::Queue => &self.queue,
            Full::InFlight => &self.in_flight,
        };
        let made = &answers[self.turn.fetch_add(1, Ordering::Relaxed) % answers.len()];
        (made.give(), made.code.clone())
    }
}

impl Made {
    fn new<F: Face>(face: &F, answer: Response<Body>) -> Self {
        let code = face.code(&answer).unwrap_or_default();
        let (head, body) = answer.into_parts();
        // A refusal is whole from the start: there is nothing to wait for.
        let body = body.collect().now_or_never().and_then(Result::ok);
        Self { head, body: body.map(|body| body.to_bytes()).unwrap_or_default(), code }
    }

    fn give(&self) -> Response<Body> {
        // An empty one ends with its head, in one frame.
        let body = if self.body.is_empty() { Body::empty() } else { Body::from(self.body.clone()) };
        Response::from_parts(self.head.clone(), body)
    }
}
