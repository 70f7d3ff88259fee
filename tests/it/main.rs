//! The whole suite is one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

#[cfg(feature = "serve")]
mod fake_market;
#[cfg(feature = "serve")]
mod market;
