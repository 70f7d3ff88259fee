//! The one place that turns our errors into a gRPC status, with the `google.rpc` details that clients act on.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code as GrpcCode, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::api::{Code, Error};

/// Who gives the reasons in `ErrorInfo`.
const DOMAIN: &str = "cointag";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error.code {
            Code::InvalidArgument => GrpcCode::InvalidArgument,
            Code::NotFound => GrpcCode::NotFound,
            Code::Unimplemented => GrpcCode::Unimplemented,
            Code::DeadlineExceeded => GrpcCode::DeadlineExceeded,
            Code::ResourceExhausted => GrpcCode::ResourceExhausted,
            Code::Unauthenticated => GrpcCode::Unauthenticated,
            Code::PermissionDenied => GrpcCode::PermissionDenied,
            Code::Unavailable => GrpcCode::Unavailable,
            Code::Internal => GrpcCode::Internal,
        };
        let details = details(&error);
        let message = match error.field {
            Some(field) => format!("{field}: {}", error.message),
            None => error.message,
        };
        Self::with_error_details(code, message, details)
    }
}

/// `BadRequest` names the field, `ErrorInfo` the limit and its option, `RetryInfo` when to come again.
fn details(error: &Error) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    if let (Some(field), Code::InvalidArgument) = (&error.field, error.code) {
        details.add_bad_request_violation(field.clone(), error.message.clone());
    }
    match &error.limit {
        Some(limit) => {
            let metadata = [("option", &limit.option), ("max", &limit.max)];
            let metadata = metadata.map(|(name, value)| (name.to_owned(), value.clone()));
            details.set_error_info("LIMIT_EXCEEDED", DOMAIN, HashMap::from(metadata));
        }
        None => {
            details.set_error_info(error.code.word().to_uppercase(), DOMAIN, HashMap::new());
        }
    }
    if let Some(seconds) = error.retry_after_s {
        details.set_retry_info(Duration::try_from_secs_f64(seconds).ok());
    }
    details
}

/// For our own streams when the server stops.
pub(super) fn stopping() -> Status {
    Error::new(Code::Unavailable, "the server is stopping; connect again").into()
}
