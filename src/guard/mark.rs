//! What tells one request from another: our request id, and the W3C trace that it belongs to, in and out.

use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// In and out.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// Out.
pub(super) const TRACE_RESPONSE: &str = "traceresponse";

/// Longer ids of callers would fill the log.
const ID_CHARS_MAX: usize = 128;

/// The caller's own id of the request. `None`: it sent none, or one that is not plain; it goes into the log.
pub(super) fn given_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(REQUEST_ID).filter(|id| {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        (1..=ID_CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    })
}

/// The caller's own id of the request, or a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    given_id(headers).cloned().unwrap_or_else(|| {
        let id = format!("{:016x}-{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// The caller's side of a W3C trace.
pub(super) struct Trace {
    context: SpanContext,
}

impl Trace {
    /// From `traceparent` and `tracestate`. `None`: there is none, or it is not of that form.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (trace, parent, flags) = parse(text("traceparent")?)?;
        let state = text("tracestate").and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
        Some(Self { context: SpanContext::new(trace, parent, flags, true, state) })
    }

    /// Its id in 32 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        self.context.trace_id().to_string()
    }
}

/// Puts our span below the caller's and names it for the collector, where every request would otherwise have the same
/// name. Gives the header `traceresponse`, which tells where the span is to be found; it has the form of `traceparent`.
pub(super) fn enter_trace(span: &Span, caller: Option<Trace>, method: &'static str) -> Option<HeaderValue> {
    // All of this before the span is asked for its context: then it has begun, and keeps its name and parent.
    span.record("otel.name", method);
    span.record("otel.kind", "server");
    if let Some(Trace { context }) = caller {
        // Fails only where no layer listens.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
    let context = span.context();
    let ours = context.span().span_context().clone();
    let flags = ours.trace_flags().to_u8();
    let header = format!("00-{}-{}-{flags:02x}", ours.trace_id(), ours.span_id());
    ours.is_valid().then(|| HeaderValue::from_str(&header).ok()).flatten()
}

fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let (trace, parent) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    (sound && trace != TraceId::INVALID && parent != SpanId::INVALID).then_some((trace, parent, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_is_kept_and_any_other_replaced() {
        let id = |given: &'static str| {
            let headers = HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(REQUEST_ID),
                HeaderValue::from_static(given),
            )]);
            request_id(&headers)
        };
        assert_eq!(id("feed-17"), "feed-17");
        for odd in ["", "two words", "a\"b"] {
            assert_ne!(id(odd), odd);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn the_trace_is_read_from_traceparent() {
        let trace = |given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_static(given));
            Trace::of(&headers).map(|trace| trace.id()).unwrap_or_default()
        };
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace(sound), "4bf92f3577b34da6a3ce929d0e0e4736");
        for wrong in
            ["", "00-4bf9-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"]
        {
            assert_eq!(trace(wrong), "");
        }
    }
}
