//! The layer around a face: lets requests in or refuses them, sets their deadline, marks and counts them.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{self, HeaderMap, Request, Response};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::body::{Answer, Keeps};
use super::full::{Answers, Full};
use super::held::{Counted, Held};
use super::{Access, Guard, Refusal, mark};
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
    fn code(&self, response: &Response<Body>) -> Option<Cow<'static, str>>;

    /// What the trailers say.
    fn code_in_trailers(&self, trailers: &HeaderMap) -> Option<Cow<'static, str>>;

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

impl<S, F: Face> Layer<S> for GuardLayer<F> {
    type Service = Guarded<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let full = Arc::new(Answers::new(&self.face, &self.guard.0.limits));
        Guarded { inner, guard: self.guard.clone(), face: self.face.clone(), full }
    }
}

/// A face behind a guard.
#[derive(Clone)]
pub struct Guarded<S, F> {
    inner: S,
    guard: Guard,
    face: F,
    full: Arc<Answers>,
}

impl<S, F, In> Service<Request<In>> for Guarded<S, F>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    F: Face,
    In: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
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
        let method = self.face.method(request.method(), request.uri().path());
        let place = match method.access {
            Access::Open => Ok(None),
            // Before anything is looked at: what is turned away must cost as little as can be.
            Access::Scope(_) if self.guard.is_behind() => Err(Refusal::Full(Full::Queue)),
            Access::Scope(scope) => {
                let peer = request.extensions().get::<Peer>();
                self.guard.admit(request.headers(), peer, scope).map(Some)
            }
            Access::Operator(scope) => {
                let peer = request.extensions().get::<Peer>();
                self.guard.identify(request.headers(), peer, scope).map(|_| None).map_err(Refusal::Error)
            }
        };
        let place = match place {
            Err(Refusal::Full(full)) => {
                let answer = self.turn_away(method, request.headers(), full);
                return Box::pin(swallowed(answer, method, request.into_body()));
            }
            Err(Refusal::Error(error)) => Err(error),
            Ok(place) => Ok(place),
        };
        let deadline = self.deadline(method, request.headers(), arrived);
        let this = self.clone();
        Box::pin(async move {
            let has_waited = arrived.elapsed() > this.guard.0.limits.queue_wait_max;
            if has_waited && matches!(place, Ok(Some(_))) {
                drop(place);
                let answer = this.turn_away(method, request.headers(), Full::Queue);
                return swallowed(answer, method, request.into_body()).await;
            }
            this.answer(method, request, place, arrived, deadline).await
        })
    }
}

impl<S, F: Face> Guarded<S, F> {
    /// The answer to a request for which there is no room. It is counted, and keeps the id that its caller gave it;
    /// it gets no id, no span and no line in the log.
    fn turn_away(&self, method: Method, headers: &HeaderMap, full: Full) -> Response<Body> {
        let (mut answer, code) = self.full.give(full);
        if let Some(id) = mark::given_id(headers) {
            answer.headers_mut().insert(mark::REQUEST_ID, id.clone());
        }
        self.guard.0.metrics.turned_away(F::NAME, method.name, full.word(), code);
        answer
    }

    /// `place`: an error refuses the request; `None` takes no place.
    async fn answer<In>(
        self,
        method: Method,
        request: Request<In>,
        place: Result<Option<OwnedSemaphorePermit>, Error>,
        arrived: Instant,
        deadline: Option<Instant>,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        In: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
    {
        let Self { mut inner, guard, face, .. } = self;
        let id = mark::request_id(request.headers());
        let trace = mark::Trace::of(request.headers());
        let span = tracing::info_span!(
            "request",
            face = F::NAME,
            method = method.name,
            request_id = id.to_str().unwrap_or_default(),
            trace_id = trace.as_ref().map(mark::Trace::id).unwrap_or_default(),
            // For the collector alone.
            otel.name = tracing::field::Empty,
            otel.kind = tracing::field::Empty,
        );
        let trace_response =
            guard.0.has_traces.then(|| mark::enter_trace(&span, trace, method.name)).flatten();
        let mut seen = guard.0.metrics.begin(F::NAME, method.name, arrived.into_std(), span.clone());
        let answer = async move {
            let (place, held, response) = match place {
                Err(error) => {
                    let response = face.refuse(error);
                    if !method.is_stream {
                        swallow(request.into_body()).await;
                    }
                    (None, None, response)
                }
                Ok(None) => (None, None, within(deadline, inner.call(request.map(Body::new)), &face).await),
                Ok(place) => {
                    let held = Held::new(guard);
                    let counted = |body| Body::new(Counted::new(body, held.clone(), F::break_off));
                    let mut request = request.map(counted);
                    request.extensions_mut().insert(held.clone());
                    (place, Some(held), within(deadline, inner.call(request), &face).await)
                }
            };
            let mut response = face.answer(response);
            response.headers_mut().insert(mark::REQUEST_ID, id);
            if let Some(trace) = trace_response {
                response.headers_mut().insert(mark::TRACE_RESPONSE, trace);
            }
            if let Some(code) = face.code(&response) {
                seen.set_code(code);
            }
            // A stream may stay open for days; its items are held back by its transport instead.
            let place = place.filter(|_| !method.is_stream);
            let keeps = Keeps { place, held, is_stream: method.is_stream };
            Ok(response.map(|body| Body::new(Answer::new(body, face, seen, keeps, deadline))))
        };
        answer.instrument(span).await
    }

    /// The caller's deadline, and for what is no stream at most the server's.
    fn deadline(&self, method: Method, headers: &HeaderMap, arrived: Instant) -> Option<Instant> {
        let asked = self.face.timeout(headers);
        let cap = self.guard.0.limits.deadline_max;
        let timeout = if method.is_stream { asked } else { Some(asked.map_or(cap, |asked| asked.min(cap))) };
        arrived.checked_add(timeout?)
    }
}

/// The answer, once the request has been read past: see [`swallow`].
async fn swallowed<In>(answer: Response<Body>, method: Method, body: In) -> Result<Response<Body>, Infallible>
where
    In: http_body::Body<Data = Bytes> + Unpin,
{
    if !method.is_stream {
        swallow(body).await;
    }
    Ok(answer)
}

/// Reads the rest of a short request that is refused. HTTP/2 would have to reset the call otherwise, and a client
/// that sends many calls then finds the next ones refused by the connection, without a reason.
async fn swallow(mut body: impl http_body::Body<Data = Bytes> + Unpin) {
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
