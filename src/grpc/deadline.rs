//! The caller's deadline. tonic would answer CANCELLED when it passes; callers and proxies expect
//! DEADLINE_EXCEEDED.

use std::future::Future;
use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::api::Error;

/// tonic keeps the same deadline; ours has to end first.
const AHEAD_OF_TONIC: Duration = Duration::from_millis(2);

/// Runs `work` unless, or until, the deadline in `grpc-timeout` is over.
pub(super) async fn within<T>(
    metadata: &MetadataMap,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Status> {
    let Some(timeout) = metadata.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?)) else {
        return work.await.map_err(Status::from);
    };
    if timeout.is_zero() {
        return Err(Error::deadline_exceeded().into());
    }
    match tokio::time::timeout(timeout.saturating_sub(AHEAD_OF_TONIC), work).await {
        Ok(result) => result.map_err(Status::from),
        Err(_) => Err(Error::deadline_exceeded().into()),
    }
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
