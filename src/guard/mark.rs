//! What tells one request from another: our request id, and the trace it belongs to.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};

/// In and out.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Longer ids of callers would fill the log.
const ID_CHARS_MAX: usize = 128;

/// The caller's own id of the request, or a new one. What is not plain is replaced: it goes into the log.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let given = headers.get(REQUEST_ID).filter(|id| {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        (1..=ID_CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    });
    given.cloned().unwrap_or_else(|| {
        let id = format!("{:016x}-{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// The trace id of a W3C `traceparent`; empty: none, or not of that form.
pub(super) fn trace_id(headers: &HeaderMap) -> &str {
    let parse = |text: &'_ str| -> Option<(usize, usize)> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let some = |part: &str| part.bytes().any(|byte| byte != b'0');
        let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
        (sound && some(trace) && some(parent)).then_some((3, 35))
    };
    let text = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    parse(text).and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
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
            trace_id(&headers).to_owned()
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
