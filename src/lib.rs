//! Finds crypto-token mentions in text and attaches each token's price and 24 h change.
//!
//! Modules are listed in reading order: each uses only the ones above it. The first two are
//! pure (no I/O, no clock, no async), so the same text and catalog give the same mentions everywhere.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")
)]

pub mod catalog;
pub mod market;
pub mod mention;

pub mod annotate;

#[cfg(feature = "serve")]
pub mod api;
#[cfg(feature = "serve")]
pub mod net;

#[cfg(feature = "serve")]
pub mod guard;

#[cfg(feature = "archive")]
pub mod archive;
pub mod eval;
#[cfg(feature = "serve")]
pub mod grpc;
#[cfg(feature = "serve")]
pub mod http;

#[cfg(feature = "serve")]
pub mod config;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "serve")]
pub mod telemetry;

#[cfg(feature = "cli")]
pub mod cli;
