//! The one place that turns our errors into an HTTP answer: `{"error":{"code","message","field"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::{Code, Error};

/// An answer that is an error.
pub(super) struct Failure {
    status: StatusCode,
    body: FailureBody,
}

#[derive(Serialize)]
struct FailureBody {
    error: ErrorFields,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorFields {
    Ours(Error),
    /// What only HTTP knows.
    Http {
        code: &'static str,
        message: String,
    },
}

impl Failure {
    /// A failure that the API has no code for.
    pub(super) fn with_status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: FailureBody { error: ErrorFields::Http { code, message: message.into() } } }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.code {
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, body: FailureBody { error: ErrorFields::Ours(error) } }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
