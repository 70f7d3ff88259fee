//! One HTTP client for all sources: who we say we are, how long we wait, how much we read.
//!
//! Tells answers from failures of the connection; what a status or a body means is each source's to say.
//! Never puts a key anywhere but in a header, and never lets a URL into an error.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue, RETRY_AFTER};
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
    /// The header in seconds; `None`: absent, 0 or nonsense.
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
    ) -> Self {
        let key = key.map(|(name, mut value)| {
            value.set_sensitive(true);
            (name, value)
        });
        Self { http, base_url, key, timeout }
    }

    /// Asks `path` below the base URL. `query` must be encoded.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Result<Answer, SourceError> {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        url.set_query(Some(query));
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
    let retry_after = retry_after(response.headers().get(RETRY_AFTER));
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

/// Whole seconds above 0; anything else leaves the wait to our own back-off.
fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds: u64 = header?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
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
