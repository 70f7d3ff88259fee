//! What a token is worth: quotes, where they come from, and how old they are.
//!
//! Requests only ever read the [`book`]; the refresh loop writes it. Never knows about texts or mentions.

pub mod book;
pub mod quote;
