//! The whole suite is one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "serve")]
mod config;
#[cfg(feature = "serve")]
mod faces;
#[cfg(feature = "serve")]
mod fake_market;
#[cfg(feature = "serve")]
mod market;
