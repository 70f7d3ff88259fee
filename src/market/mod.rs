//! What a token is worth: quotes, where they come from, and how old they are.
//!
//! Requests only ever read the [`book`]; the refresh loop writes it. Never knows about texts or mentions.
//! Modules are listed in reading order. To add a market API: one file in `sources`, one row there.

pub mod book;
pub mod quote;

#[cfg(feature = "serve")]
mod clock;
#[cfg(feature = "serve")]
mod config;
#[cfg(feature = "serve")]
mod error;
#[cfg(feature = "serve")]
mod heartbeat;
#[cfg(feature = "serve")]
pub mod history;
#[cfg(feature = "serve")]
mod http;
#[cfg(feature = "serve")]
pub mod human_duration;
#[cfg(feature = "serve")]
mod info;
#[cfg(feature = "serve")]
mod jumps;
#[cfg(feature = "serve")]
mod ledger;
#[cfg(feature = "serve")]
mod links;
#[cfg(feature = "serve")]
pub mod lists;
#[cfg(feature = "serve")]
mod markets;
#[cfg(feature = "serve")]
mod month;
#[cfg(feature = "serve")]
mod number;
#[cfg(feature = "serve")]
mod pace;
#[cfg(feature = "serve")]
mod plan;
#[cfg(feature = "serve")]
mod planner;
#[cfg(feature = "serve")]
pub mod rates;
#[cfg(feature = "serve")]
mod refresh;
#[cfg(feature = "serve")]
mod saved;
#[cfg(feature = "serve")]
mod settle;
#[cfg(all(test, feature = "serve"))]
#[expect(clippy::cast_possible_truncation, reason = "small counts of a simulation")]
mod simulated_month;
#[cfg(feature = "serve")]
pub mod sources;
#[cfg(feature = "serve")]
mod state_dir;
#[cfg(feature = "serve")]
mod stream;

pub use book::{Freshness, QuoteBook, Snapshot, Standing};
pub use quote::{Quote, QuoteAnswer, QuoteState};

#[cfg(feature = "serve")]
pub use {
    clock::Clock,
    config::{FileConfig, HistoryConfig, MarketConfig, QuotesConfig, Secret, SourceConfig, StreamConfig},
    error::{MarketError, SourceError},
    info::{SourceInfo, SourceState},
    markets::Markets,
};
