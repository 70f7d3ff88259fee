//! The whole suite is one binary: it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod accuracy;
mod archive;
mod catalog;
mod cli;
mod config;
mod contracts;
mod faces;
mod fake_bodies;
mod fake_market;
mod house;
mod market;
mod mention;
mod mention_properties;
mod operations;
mod record;
mod schema;
mod weights;
