//! The caller's deadline, as gRPC writes it. What it means is the guard's affair.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

/// `None`: no deadline, or not of the protocol's form.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
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
