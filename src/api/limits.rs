//! What the service accepts. Every limit is an option with a reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[limits]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Longest document: bytes of all its texts together. The longest real articles are a hundredth of
    /// the default; what is beyond it is a mistake or an attack.
    pub document_bytes_max: u32,
    /// Most documents of one batch. Beyond it the answer, not the question, gets too long for one message.
    pub batch_documents_max: u32,
    /// Most bytes of all texts of a batch together: it is held in memory as a whole.
    pub batch_bytes_max: u32,
    /// Documents up to this length are read in their turn; longer ones on a few threads of their own, where
    /// they cannot hold up the short ones.
    pub inline_bytes_max: u32,
    /// How many of the longer documents are read at one time. 0: half the cores, so that the other half is
    /// left for the short ones.
    pub long_documents_at_once: u32,
    /// Longest wait for quotes that a caller can ask for: it holds a stream open.
    #[serde(with = "crate::market::human_duration")]
    pub quote_wait_max: Duration,
    /// Most tokens of one request for quotes.
    pub quote_tokens_max: u32,
    /// Most tokens of one page of the list.
    pub page_size_max: u32,
    /// Most requests that are answered or wait for their turn at one time, on both faces: each holds its
    /// message in memory. One more is refused at once. Health is not counted.
    pub requests_in_flight_max: u32,
    /// Most bytes that the requests being answered hold together, on both faces: counting requests alone would
    /// allow a thousand times the longest batch. More is refused while it is read. Not less than one batch.
    pub bytes_in_flight_max: u32,
    /// A request that waited this long for a thread is refused unread: under overload, answering the oldest
    /// in line means that everybody gets an answer too late. A call waits about three times; the figures behind
    /// the default stand in docs/operations.md.
    #[serde(with = "crate::market::human_duration")]
    pub queue_wait_max: Duration,
    /// The deadline of calls that bring none, or a later one: a lost caller must not hold a place for ever.
    /// Not for streams.
    #[serde(with = "crate::market::human_duration")]
    pub deadline_max: Duration,
    /// Most calls open at one time on one connection: one client cannot take all places.
    pub streams_per_connection_max: u32,
    /// Most connections of one face: each costs a file handle and buffers. More wait to be accepted.
    pub connections_max: u32,
    /// A connection of this age, give or take a tenth, is asked to come again, so that clients spread over new
    /// replicas. Calls under way are not cut off.
    #[serde(with = "crate::market::human_duration")]
    pub connection_age_max: Duration,
    /// Longest header list of one request; keys, trace and proxy headers take a tenth of the default.
    pub header_bytes_max: u32,
    /// Requests a second of one client, told apart by key or client certificate, not by address: behind a
    /// load balancer all have one. 0: no limit.
    pub requests_per_second: u32,
    /// How many of them may come at once. 0: a second's worth.
    pub requests_burst: u32,
}

/// The limits in force.
pub type Limits = Config;

impl Default for Config {
    fn default() -> Self {
        Self {
            document_bytes_max: 4 * 1024 * 1024,
            batch_documents_max: 256,
            batch_bytes_max: 16 * 1024 * 1024,
            inline_bytes_max: 64 * 1024,
            long_documents_at_once: 0,
            quote_wait_max: Duration::from_secs(3),
            quote_tokens_max: 1000,
            page_size_max: 1000,
            requests_in_flight_max: 1024,
            bytes_in_flight_max: 128 * 1024 * 1024,
            queue_wait_max: Duration::from_millis(50),
            deadline_max: Duration::from_secs(60),
            streams_per_connection_max: 200,
            connections_max: 10_000,
            connection_age_max: Duration::from_secs(3600),
            header_bytes_max: 16 * 1024,
            requests_per_second: 0,
            requests_burst: 0,
        }
    }
}

impl Config {
    /// Whether a server with these limits could answer anything.
    ///
    /// # Errors
    /// Names the option to change.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("requests_in_flight_max", self.requests_in_flight_max, 1),
            ("streams_per_connection_max", self.streams_per_connection_max, 1),
            ("connections_max", self.connections_max, 1),
            // Less would turn away what browsers and proxies send of themselves.
            ("header_bytes_max", self.header_bytes_max, 4096),
        ];
        if let Some((name, _, least)) = counts.iter().find(|(_, value, least)| value < least) {
            return Err(format!("limits.{name} must be at least {least}"));
        }
        let longest = self.batch_bytes_max.max(self.document_bytes_max);
        if self.bytes_in_flight_max < longest {
            return Err(format!(
                "limits.bytes_in_flight_max must be at least {longest}, the longest batch (limits.batch_bytes_max) \
                 or document (limits.document_bytes_max)"
            ));
        }
        for (name, value) in
            [("deadline_max", self.deadline_max), ("connection_age_max", self.connection_age_max)]
        {
            if value.is_zero() {
                return Err(format!("limits.{name} must be more than 0s"));
            }
        }
        Ok(())
    }

    /// What a caller who asks to wait this long gets.
    pub(super) fn wait(&self, asked_ms: u32) -> Duration {
        Duration::from_millis(asked_ms.into()).min(self.quote_wait_max)
    }

    /// How many long documents are read at one time.
    pub(super) fn long_documents(&self) -> usize {
        match self.long_documents_at_once as usize {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            asked => asked,
        }
    }
}
