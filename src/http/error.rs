//! The one place that turns our errors into an HTTP answer: `{"error":{"code","message","field"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
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
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, body: FailureBody { error: ErrorFields::Ours(error) } }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self.body)).into_response();
        let headers = response.headers_mut();
        if let ErrorFields::Ours(Error { retry_after_s: Some(seconds), .. }) = &self.body.error {
            // The header knows whole seconds only; the body has the rest.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to an hour")]
            let seconds = seconds.ceil().clamp(0.0, 3600.0) as u16;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
