//! Why a request was not answered, in words that every face can carry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A request that was not answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What sort of failure.
    pub code: Code,
    /// What is wrong and what to do. Never holds the text of a document.
    pub message: String,
    /// The field of the request at fault, such as `options.min_confidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The limit that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitRef>,
    /// The same request may be answered after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<f64>,
}

/// A limit by the option that sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRef {
    /// Its key in the server's configuration, such as `limits.document_bytes_max`.
    pub option: String,
    /// Its value.
    pub max: String,
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
    /// Send the same later, and less of it.
    ResourceExhausted,
    /// Say who you are.
    Unauthenticated,
    /// Ask the operator for the right to it.
    PermissionDenied,
    /// Ask another server, or this one later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// The word that programs see, such as `not_found`.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::Unimplemented => "unimplemented",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl Error {
    /// Of this sort, about no field.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, limit: None, retry_after_s: None }
    }

    /// The request breaks a rule.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidArgument, message) }
    }

    /// There is no such thing.
    pub fn not_found(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::NotFound, message) }
    }

    /// The request asks for a part that is not built yet.
    pub fn unimplemented(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::Unimplemented, message) }
    }

    /// The caller's time is over.
    pub fn deadline_exceeded() -> Self {
        Self::new(Code::DeadlineExceeded, "the deadline passed before the answer was ready")
    }

    /// The request is larger than `option` of `[limits]` allows; `what` says how large it is.
    pub fn over_limit(
        field: impl Into<String>,
        what: impl std::fmt::Display,
        option: &str,
        max: u32,
    ) -> Self {
        let message =
            format!("{what}, more than the {max} that this server accepts (option `{option}` in [limits])");
        Self { limit: Some(LimitRef::new(option, max)), ..Self::invalid(field, message) }
    }

    /// More than the server can or will do at one time.
    pub fn exhausted(message: impl Into<String>, limit: LimitRef, retry_after: Duration) -> Self {
        Self {
            limit: Some(limit),
            retry_after_s: Some(retry_after.as_secs_f64()),
            ..Self::new(Code::ResourceExhausted, message)
        }
    }
}

impl LimitRef {
    /// An option of `[limits]`.
    pub fn new(option: &str, max: impl std::fmt::Display) -> Self {
        Self { option: format!("limits.{option}"), max: max.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_word() {
        for code in [Code::InvalidArgument, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Internal] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
