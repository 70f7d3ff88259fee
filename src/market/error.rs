//! What can go wrong with markets: one variant per reaction, so that nobody parses a message.
//!
//! Messages are our own words. They never hold a URL, a key or a body.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

/// Why one call to a source gave no quotes. The text is short: it stands in answers as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Too fast, or out of credits: stop for `retry_after`, or back off where the market gave no sensible
    /// time; never ask again at once.
    #[error("rate limited")]
    RateLimited {
        /// What the market asked for, if it did.
        retry_after: Option<Duration>,
    },
    /// The day's credits are used up at the market, or the month's: do not ask before it turns.
    #[error("out of credits for this {}", if *month { "month" } else { "day" })]
    OutOfCredits {
        /// The month's, not only the day's.
        month: bool,
    },
    /// Refused for reasons that may pass, such as an address limit at the edge: stop for some minutes.
    #[error("refused the call ({status})")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Will not change by itself (bad key, wrong host, forbidden place): stop until the configuration changes.
    #[error("{0}")]
    Permanent(&'static str),
    /// The plan does not include the route: do not ask it again.
    #[error("the plan does not include this route")]
    PlanLacksRoute,
    /// May be gone in a moment: try again twice, then leave it to the next source.
    #[error("{0}")]
    Passing(PassingFault),
    /// Too many ids in one call: ask for half.
    #[error("too many tokens in one call")]
    TooLong,
    /// Answered something that cannot be read: the next source has to do.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
}

/// A fault that may be gone in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassingFault {
    /// No whole answer within the timeout.
    #[error("timed out")]
    TimedOut,
    /// No connection: no network, no such host, refused, or a certificate that is not trusted.
    #[error("cannot connect")]
    CannotConnect,
    /// The connection broke before the answer was whole.
    #[error("answer cut off")]
    CutOff,
    /// 408 or 5xx.
    #[error("answered {0}")]
    Status(u16),
}

/// Why the markets cannot be used as configured. Each message names the option to change.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// A name in `market.sources` that this build does not know.
    #[error("market.sources: unknown source `{name}`; known are {known}")]
    UnknownSource {
        /// As configured.
        name: String,
        /// All that are known.
        known: String,
    },
    /// A name that stands twice.
    #[error("market.sources: `{0}` stands twice")]
    TwiceNamed(String),
    /// An option with a value that cannot be used.
    #[error("market.{option}: {problem}")]
    Option {
        /// The option below `market`, such as `coingecko.plan`.
        option: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// `[quotes]` contradicts itself.
    #[error("quotes.expire_after must not be shorter than quotes.fresh_for")]
    Freshness,
    /// `[quotes]` has a limit that means nothing.
    #[error("quotes.jump_pct must be above 0, such as 25")]
    Jump,
    /// The operator's file of prices cannot be read.
    #[error("market.file.path: {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column where it is a matter of form.
        problem: String,
    },
    /// No HTTPS client could be made.
    #[error("cannot make an HTTPS client: {0}")]
    Client(String),
}

impl SourceError {
    /// An answer that cannot be read, in our own words.
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self::Malformed(Cow::Borrowed(what))
    }
}

impl MarketError {
    pub(super) fn option(source: &str, option: &str, problem: impl Into<String>) -> Self {
        Self::Option { option: format!("{source}.{option}"), problem: problem.into() }
    }
}
