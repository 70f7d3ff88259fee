//! The one place that turns our errors into a gRPC status.

use tonic::{Code as GrpcCode, Status};

use crate::api::{Code, Error};

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error.code {
            Code::InvalidArgument => GrpcCode::InvalidArgument,
            Code::NotFound => GrpcCode::NotFound,
            Code::Unimplemented => GrpcCode::Unimplemented,
            Code::DeadlineExceeded => GrpcCode::DeadlineExceeded,
            Code::Internal => GrpcCode::Internal,
        };
        match error.field {
            Some(field) => Self::new(code, format!("{field}: {}", error.message)),
            None => Self::new(code, error.message),
        }
    }
}

/// For our own streams when the server stops.
pub(super) fn stopping() -> Status {
    Status::unavailable("the server is stopping; connect again")
}
