//! Why a request was not answered, in words that every face can carry.

use serde::{Deserialize, Serialize};

/// A request that was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What sort of failure.
    pub code: Code,
    /// What is wrong and what to do. Never holds the text of a document.
    pub message: String,
    /// The field of the request at fault, such as `options.min_confidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What sort of failure: one for each thing that a caller may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Change the request.
    InvalidArgument,
    /// Ask for something else.
    NotFound,
    /// Not built yet.
    Unimplemented,
    /// Allow more time.
    DeadlineExceeded,
    /// Our fault.
    Internal,
}

impl Error {
    /// The request breaks a rule.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::InvalidArgument, message: message.into(), field: Some(field.into()) }
    }

    /// There is no such thing.
    pub fn not_found(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::NotFound, message: message.into(), field: Some(field.into()) }
    }

    /// The request asks for a part that is not built yet.
    pub fn unimplemented(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Unimplemented, message: message.into(), field: Some(field.into()) }
    }

    /// The caller's time is over.
    pub fn deadline_exceeded() -> Self {
        let message = "the deadline passed before the answer was ready".to_owned();
        Self { code: Code::DeadlineExceeded, message, field: None }
    }
}
