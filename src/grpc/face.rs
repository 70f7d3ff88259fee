//! What the guard has to know of gRPC: its methods, its deadline header, and how an answer tells its outcome.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{self, HeaderMap, Response};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code as GrpcCode, Status};

use super::{DESCRIPTORS, deadline};
use crate::api::{Code, Error};
use crate::guard::{Access, Face, Method, Scope};

#[derive(Clone)]
pub(super) struct Grpc(Arc<HashMap<String, Method>>);

impl Grpc {
    pub(super) fn new() -> Self {
        static METHODS: LazyLock<Arc<HashMap<String, Method>>> = LazyLock::new(|| Arc::new(methods()));
        Self(Arc::clone(&METHODS))
    }
}

/// Asked from the descriptors, so that no method can be forgotten.
fn methods() -> HashMap<String, Method> {
    let mut methods = HashMap::new();
    for (descriptors, access) in
        [(DESCRIPTORS, Access::Scope(Scope::Read)), (tonic_health::pb::FILE_DESCRIPTOR_SET, Access::Open)]
    {
        for file in FileDescriptorSet::decode(descriptors).unwrap_or_default().file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    // Once per process and method.
                    let name: &'static str = String::leak(path[1..].to_owned());
                    let is_stream = method.client_streaming() || method.server_streaming();
                    methods.insert(path, Method { name, access, is_stream });
                }
            }
        }
    }
    methods
}

impl Face for Grpc {
    const NAME: &'static str = "grpc";

    fn method(&self, _: &http::Method, path: &str) -> Method {
        self.0.get(path).copied().unwrap_or_else(|| {
            let is_reflection = path.starts_with("/grpc.reflection.");
            let name = if is_reflection { "reflection" } else { "other" };
            Method { name, access: Access::Scope(Scope::Read), is_stream: is_reflection }
        })
    }

    fn timeout(&self, headers: &HeaderMap) -> Option<Duration> {
        deadline::timeout(headers)
    }

    fn refuse(&self, error: Error) -> Response<Body> {
        Status::from(error).into_http()
    }

    /// tonic's own words for what it could not even read are those of a server's fault; they are the caller's.
    fn answer(&self, response: Response<Body>) -> Response<Body> {
        // A whole status is long to read, and these two are rare.
        if !matches!(code_of(response.headers()), Some(GrpcCode::OutOfRange | GrpcCode::Internal)) {
            return response;
        }
        let Some(status) = Status::from_header_map(response.headers()) else { return response };
        let error = match status.code() {
            GrpcCode::OutOfRange => Error::new(
                Code::ResourceExhausted,
                format!(
                    "{}; options `document_bytes_max` and `batch_bytes_max` in [limits]",
                    status.message()
                ),
            ),
            GrpcCode::Internal if status.message().starts_with("failed to decode Protobuf message") => {
                Error::new(Code::InvalidArgument, "the request is not the message that this method takes")
            }
            _ => return response,
        };
        self.refuse(error)
    }

    fn code(&self, response: &Response<Body>) -> Option<Cow<'static, str>> {
        self.code_in_trailers(response.headers())
    }

    fn code_in_trailers(&self, trailers: &HeaderMap) -> Option<Cow<'static, str>> {
        code_of(trailers).map(|code| word(code).into())
    }

    fn break_off(error: Error) -> axum::BoxError {
        Box::new(Status::from(error))
    }

    fn end(&self, error: Error) -> Option<HeaderMap> {
        let mut trailers = HeaderMap::new();
        Status::from(error).add_header(&mut trailers).ok()?;
        Some(trailers)
    }
}

/// `None`: the headers do not end the call.
fn code_of(headers: &HeaderMap) -> Option<GrpcCode> {
    headers.get(Status::GRPC_STATUS).map(|code| GrpcCode::from_bytes(code.as_bytes()))
}

fn word(code: GrpcCode) -> &'static str {
    match code {
        GrpcCode::Ok => "OK",
        GrpcCode::Cancelled => "CANCELLED",
        GrpcCode::Unknown => "UNKNOWN",
        GrpcCode::InvalidArgument => "INVALID_ARGUMENT",
        GrpcCode::DeadlineExceeded => "DEADLINE_EXCEEDED",
        GrpcCode::NotFound => "NOT_FOUND",
        GrpcCode::AlreadyExists => "ALREADY_EXISTS",
        GrpcCode::PermissionDenied => "PERMISSION_DENIED",
        GrpcCode::ResourceExhausted => "RESOURCE_EXHAUSTED",
        GrpcCode::FailedPrecondition => "FAILED_PRECONDITION",
        GrpcCode::Aborted => "ABORTED",
        GrpcCode::OutOfRange => "OUT_OF_RANGE",
        GrpcCode::Unimplemented => "UNIMPLEMENTED",
        GrpcCode::Internal => "INTERNAL",
        GrpcCode::Unavailable => "UNAVAILABLE",
        GrpcCode::DataLoss => "DATA_LOSS",
        GrpcCode::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_known_and_only_health_is_open() {
        let face = Grpc::new();
        let method = |path: &str| face.method(&http::Method::POST, path);
        assert_eq!(method("/cointag.v1.TaggerService/Tag").name, "cointag.v1.TaggerService/Tag");
        assert!(method("/cointag.v1.TaggerService/TagStream").is_stream);
        assert!(!method("/cointag.v1.TaggerService/BatchTag").is_stream);
        assert_eq!(method("/made.up/Name").name, "other");
        let mut open: Vec<_> = face
            .0
            .iter()
            .filter(|(_, method)| method.access == Access::Open)
            .map(|(path, _)| path.as_str())
            .collect();
        open.sort_unstable();
        assert_eq!(open, ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]);
    }
}
