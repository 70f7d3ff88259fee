//! The whole suite is one binary: it links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_docs_in_private_items,
    reason = "a test that cannot go on should panic"
)]

mod catalog;
mod house;
mod mention;
mod mention_properties;
mod record;
