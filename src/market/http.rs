//! One HTTP client for all sources: who we say we are, how long we wait, how much we read.
//!
//! Tells answers from failures of the connection; what a status or a body means is each source's to say.
//! Never puts a key anywhere but in a header, and never lets a URL into an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use super::error::{MarketError, PassingFault, SourceError};

const USER_AGENT: &str =
    concat!("cointag/", env!("CARGO_PKG_VERSION"), " (+https://github.com/cointag/cointag)");

/// A whole market in one answer is about 2 MB; far more than that is no answer for us.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// All that is read of an error's body.
const ERROR_BYTES_MAX: usize = 4 * 1024;
const REDIRECTS_MAX: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The client that all sources share.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
}

/// What a market answered, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// How long to leave the market alone, as its headers say; `None`: absent, 0 or nonsense.
    pub(crate) retry_after: Option<Duration>,
    /// The whole body of a good answer, the start of an error's.
    pub(crate) body: Vec<u8>,
}

/// One source's end of the shared client.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    http: Http,
    base_url: Url,
    key: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
    /// Counts the calls over the wire.
    calls: Arc<AtomicU32>,
}

impl Http {
    pub(crate) fn new() -> Result<Self, MarketError> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::custom(same_origin))
            .build()
            .map_err(|error| MarketError::Client(error.without_url().to_string()))?;
        Ok(Self { client })
    }
}

impl Endpoint {
    pub(crate) fn new(
        http: Http,
        base_url: Url,
        key: Option<(HeaderName, HeaderValue)>,
        timeout: Duration,
        calls: Arc<AtomicU32>,
    ) -> Self {
        let key = key.map(|(name, mut value)| {
            value.set_sensitive(true);
            (name, value)
        });
        Self { http, base_url, key, timeout, calls }
    }

    /// Whether it asks with a key.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Asks `path` below the base URL. `query` must be encoded.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Result<Answer, SourceError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        url.set_query((!query.is_empty()).then_some(query));
        let mut request = self.http.client.get(url).timeout(self.timeout);
        if let Some((name, value)) = &self.key {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| fault(&error))?;
        read(response).await
    }
}

async fn read(mut response: Response) -> Result<Answer, SourceError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            // The status alone says enough.
            Err(_) if !status.is_success() => break,
            Err(error) => return Err(fault(&error)),
        };
        body.extend_from_slice(&chunk);
        if !status.is_success() && body.len() >= ERROR_BYTES_MAX {
            body.truncate(ERROR_BYTES_MAX);
            break;
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(SourceError::malformed("answer longer than 32 MiB"));
        }
    }
    Ok(Answer { status: status.as_u16(), retry_after, body })
}

/// `Retry-After` in whole seconds or as a date, or CoinMarketCap's time of reset. Anything else, and what lies
/// in the past, leaves the wait to our own back-off.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let reset = || {
        let text = text(HeaderName::from_static("x-ratelimit-reset"))?;
        Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text).ok()
    };
    let stated = text(RETRY_AFTER);
    if let Some(seconds) = stated.as_deref().and_then(|stated| stated.parse().ok()) {
        return Some(Duration::from_secs(seconds)).filter(|wait| !wait.is_zero());
    }
    let until = stated.as_deref().and_then(date).or_else(reset)?;
    // By the market's own clock where it tells it: ours may be wrong.
    let now = text(DATE).as_deref().and_then(date).unwrap_or_else(Timestamp::now);
    Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

fn fault(error: &reqwest::Error) -> SourceError {
    SourceError::Passing(if error.is_timeout() {
        PassingFault::TimedOut
    } else if error.is_connect() {
        PassingFault::CannotConnect
    } else {
        PassingFault::CutOff
    })
}

/// Another host would be given the key, and would not be the market that was configured.
fn same_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let known = attempt.previous();
    let home = known.first().is_some_and(|first| first.origin() == attempt.url().origin());
    if home && known.len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}

/// The reaction to a status that means the same at every market. `None`: a good answer.
pub(crate) fn status_fault(answer: &Answer) -> Option<SourceError> {
    Some(match answer.status {
        200..=299 => return None,
        300..=399 => SourceError::malformed("redirects to another host"),
        401 => SourceError::Permanent("the API key was refused"),
        402 => SourceError::PlanLacksRoute,
        403 => SourceError::Refused { status: 403 },
        408 | 500..=599 => SourceError::Passing(PassingFault::Status(answer.status)),
        413 | 414 => SourceError::TooLong,
        429 => SourceError::RateLimited { retry_after: answer.retry_after },
        451 => SourceError::Permanent("not available from this place (451)"),
        404 => SourceError::malformed("answered 404"),
        _ => SourceError::malformed("answered with an error"),
    })
}

/// Ids joined by commas, for a query. Commas stay as they are: encoded, they would be a third of the URL.
pub(crate) fn joined_ids(ids: &[&str]) -> String {
    let mut joined = String::new();
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            joined.push(',');
        }
        for byte in id.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                joined.push(char::from(byte));
            } else {
                joined.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_in_seconds_as_a_date_and_as_a_reset() {
        let now = ("date", "Mon, 18 May 2026 12:00:00 GMT");
        let rows = [
            (vec![("retry-after", "119")], Some(119)),
            (vec![("retry-after", "0")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-5")], None),
            (vec![now, ("retry-after", "Mon, 18 May 2026 12:02:00 GMT")], Some(120)),
            (vec![now, ("retry-after", "Mon, 18 May 2026 11:59:00 GMT")], None),
            (vec![now, ("x-ratelimit-reset", "2026-05-18 14:01:00 +0200")], Some(60)),
            (vec![], None),
        ];
        for (told, seconds) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in &told {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{told:?}");
        }
    }
}
