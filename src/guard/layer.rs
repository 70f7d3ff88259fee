//! The layer around a face: lets requests in or refuses them, sets their deadline, marks and counts them.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{self, HeaderMap, Request, Response};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::body::{Answer, Keeps};
use super::held::{Counted, Held};
use super::{Access, Guard, mark};
use crate::api::Error;
use crate::net::Peer;

/// So much of a refused request is still read. Real articles are shorter.
const SWALLOWED_MAX: usize = 64 * 1024;
const SWALLOWED_WITHIN: Duration = Duration::from_millis(500);

/// What only the face knows: its methods, and how it words a refusal.
pub trait Face: Clone + Send + Sync + Unpin + 'static {
    /// Its name in metrics and logs.
    const NAME: &'static str;

    /// Which method is asked for.
    fn method(&self, verb: &http::Method, path: &str) -> Method;

    /// The deadline that the caller sends along.
    fn timeout(&self, headers: &HeaderMap) -> Option<Duration>;

    /// An answer that is this error.
    fn refuse(&self, error: Error) -> Response<Body>;

    /// The answer as it goes out.
    fn answer(&self, response: Response<Body>) -> Response<Body> {
        response
    }

    /// What the head of an answer says of its outcome. `None`: the trailers will.
    fn code(&self, response: &Response<Body>) -> Option<String>;

    /// What the trailers say.
    fn code_in_trailers(&self, trailers: &HeaderMap) -> Option<String>;

    /// An error in the body of a request, such that the face answers with it.
    fn break_off(error: Error) -> axum::BoxError;

    /// Trailers that end an answer half-way with this error. `None`: this face can only break off.
    fn end(&self, error: Error) -> Option<HeaderMap>;
}

/// A method of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// For metrics and logs: one of a fixed list, so never what a caller made up.
    pub name: &'static str,
    /// What it asks of its caller.
    pub access: Access,
    /// Whether it is open for as long as the caller likes.
    pub is_stream: bool,
}

/// Puts a guard around a face.
#[derive(Clone)]
pub struct GuardLayer<F> {
    guard: Guard,
    face: F,
}

impl<F> GuardLayer<F> {
    /// The same guard for both faces.
    pub fn new(guard: Guard, face: F) -> Self {
        Self { guard, face }
    }
}

impl<S, F: Clone> Layer<S> for GuardLayer<F> {
    type Service = Guarded<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { inner, guard: self.guard.clone(), face: self.face.clone() }
    }
}

/// A face behind a guard.
#[derive(Clone)]
pub struct Guarded<S, F> {
    inner: S,
    guard: Guard,
    face: F,
}

impl<S, F, In> Service<Request<In>> for Guarded<S, F>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    F: Face,
    In: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    /// Everything before the returned future happens when the request arrives, even if no thread is free to
    /// answer it. That is why the place is taken and the clock started here: those in line count too.
    fn call(&mut self, request: Request<In>) -> Self::Future {
        let arrived = Instant::now();
        let (guard, face, mut inner) = (self.guard.clone(), self.face.clone(), self.inner.clone());
        let method = face.method(request.method(), request.uri().path());
        let id = mark::request_id(request.headers());
        let span = tracing::info_span!(
            "request",
            face = F::NAME,
            method = method.name,
            request_id = id.to_str().unwrap_or_default(),
            trace_id = mark::trace_id(request.headers()),
        );
        let mut seen = guard.0.metrics.begin(F::NAME, method.name, span.clone());
        let deadline = self.deadline(method, request.headers(), arrived);
        let place = match method.access {
            Access::Open => Ok(None),
            Access::Scope(scope) => {
                guard.admit(request.headers(), request.extensions().get::<Peer>(), scope).map(Some)
            }
        };
        let mut request = request.map(Body::new);
        let answer = async move {
            let place = place.and_then(|place| match place {
                Some(_) if arrived.elapsed() > guard.0.limits.queue_wait_max => Err(guard.waited_too_long()),
                place => Ok(place),
            });
            let (place, held, response) = match place {
                Err(error) => {
                    if !method.is_stream {
                        swallow(request.into_body()).await;
                    }
                    (None, None, face.refuse(error))
                }
                Ok(None) => (None, None, within(deadline, inner.call(request), &face).await),
                Ok(place) => {
                    let held = Held::new(guard);
                    request.extensions_mut().insert(held.clone());
                    let request =
                        request.map(|body| Body::new(Counted::new(body, held.clone(), F::break_off)));
                    (place, Some(held), within(deadline, inner.call(request), &face).await)
                }
            };
            let mut response = face.answer(response);
            response.headers_mut().insert(mark::REQUEST_ID, id);
            if let Some(code) = face.code(&response) {
                seen.set_code(code);
            }
            // A stream may stay open for days; its items are held back by its transport instead.
            let place = place.filter(|_| !method.is_stream);
            let keeps = Keeps { place, held, is_stream: method.is_stream };
            Ok(response.map(|body| Body::new(Answer::new(body, face, seen, keeps, deadline))))
        };
        Box::pin(answer.instrument(span))
    }
}

impl<S, F: Face> Guarded<S, F> {
    /// The caller's deadline, and for what is no stream at most the server's.
    fn deadline(&self, method: Method, headers: &HeaderMap, arrived: Instant) -> Option<Instant> {
        let asked = self.face.timeout(headers);
        let cap = self.guard.0.limits.deadline_max;
        let timeout = if method.is_stream { asked } else { Some(asked.map_or(cap, |asked| asked.min(cap))) };
        arrived.checked_add(timeout?)
    }
}

/// Reads the rest of a short request that is refused. HTTP/2 would have to reset the call otherwise, and a client
/// that sends many calls then finds the next ones refused by the connection, without a reason.
async fn swallow(mut body: Body) {
    let read = async {
        let mut left = SWALLOWED_MAX;
        while let Some(Ok(frame)) = body.frame().await
            && left > 0
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    // Whoever sends that slowly gets the reset.
    let _ = tokio::time::timeout(SWALLOWED_WITHIN, read).await;
}

/// When the time is over the call is dropped, and with it all work for it.
async fn within<F: Face>(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<Response<Body>, Infallible>>,
    face: &F,
) -> Response<Body> {
    let exceeded = || face.refuse(Error::deadline_exceeded());
    let response = match deadline {
        None => call.await,
        Some(deadline) if deadline <= Instant::now() => return exceeded(),
        Some(deadline) => match timeout_at(deadline, call).await {
            Ok(response) => response,
            Err(_) => return exceeded(),
        },
    };
    match response {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
