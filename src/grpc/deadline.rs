//! The caller's deadline. tonic answers CANCELLED when it passes; callers and proxies expect
//! DEADLINE_EXCEEDED.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use crate::api::Error;

/// tonic keeps the same deadline; ours has to end first.
const AHEAD_OF_TONIC: Duration = Duration::from_millis(2);

/// Puts every call under the deadline in its `grpc-timeout`; when that is over the work is dropped.
#[derive(Clone, Copy)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithinDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithinDeadline(inner)
    }
}

#[derive(Clone)]
pub(super) struct WithinDeadline<S>(S);

impl<S, In, Out> Service<Request<In>> for WithinDeadline<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    Out: Default + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        // Here and not in the future: tonic's own time runs from this call.
        let deadline = timeout(request.headers())
            .and_then(|timeout| Instant::now().checked_add(timeout.saturating_sub(AHEAD_OF_TONIC)));
        let call = self.0.call(request);
        Box::pin(async move {
            match deadline {
                None => call.await,
                Some(deadline) if deadline <= Instant::now() => Ok(exceeded()),
                Some(deadline) => timeout_at(deadline, call).await.unwrap_or_else(|_| Ok(exceeded())),
            }
        })
    }
}

fn exceeded<Out: Default>() -> Response<Out> {
    Status::from(Error::deadline_exceeded()).into_http()
}

fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// Up to 8 digits and a unit, as the protocol says. `None`: not that form; no deadline.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_the_form_of_the_protocol() {
        assert_eq!(parse("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "S", "3", "-3S", "3s", "123456789S", "3é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

#[cfg(test)]
mod call_tests {
    use super::*;

    /// Over a socket tonic's own client would end the call by the same header and race with the server; the
    /// interop checks call with a client that does not.
    #[tokio::test]
    async fn a_deadline_past_is_deadline_exceeded_and_drops_the_work() {
        let (dropped, work) = tokio::sync::oneshot::channel::<()>();
        let mut work = Some(work);
        let never = tower::service_fn(move |_: Request<()>| {
            let work = work.take();
            async move {
                let _work = work;
                std::future::pending::<Result<Response<()>, std::convert::Infallible>>().await
            }
        });
        let mut within = DeadlineLayer.layer(never);
        let request = Request::builder().header("grpc-timeout", "20m").body(()).unwrap();
        let answer = within.call(request).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "4");
        assert!(dropped.is_closed());
    }
}
