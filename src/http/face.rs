//! What the guard has to know of HTTP: its routes, and how an answer tells its outcome.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{self, HeaderMap, Response};
use axum::response::IntoResponse as _;

use super::error::Failure;
use crate::api::Error;
use crate::guard::{Access, Face, Method, Scope};

#[derive(Clone)]
pub(super) struct Http;

impl Face for Http {
    const NAME: &'static str = "http";

    fn method(&self, _: &http::Method, path: &str) -> Method {
        let read = Access::Scope(Scope::Read);
        let (name, access) = match path {
            // The page holds nothing; what it asks needs a key like everything else.
            "/" => ("/", Access::Open),
            "/livez" => ("/livez", Access::Open),
            "/readyz" => ("/readyz", Access::Open),
            "/metrics" => ("/metrics", Access::Operator(Scope::Read)),
            "/v1/tag" => ("/v1/tag", read),
            "/v1/batch-tag" => ("/v1/batch-tag", read),
            "/v1/quotes" => ("/v1/quotes", read),
            "/v1/tokens" => ("/v1/tokens", read),
            "/v1/catalog-diff" => ("/v1/catalog-diff", read),
            "/v1/server-info" => ("/v1/server-info", read),
            "/v1/log-level" => ("/v1/log-level", Access::Operator(Scope::Admin)),
            path if path.starts_with("/v1/tokens/") => ("/v1/tokens/{token_id}", read),
            _ => ("other", read),
        };
        Method { name, access, is_stream: false }
    }

    fn timeout(&self, _: &HeaderMap) -> Option<Duration> {
        None
    }

    fn refuse(&self, error: Error) -> Response<Body> {
        Failure::from(error).into_response()
    }

    fn code(&self, response: &Response<Body>) -> Option<Cow<'static, str>> {
        Some(response.status().as_str().to_owned().into())
    }

    fn code_in_trailers(&self, _: &HeaderMap) -> Option<Cow<'static, str>> {
        None
    }

    fn break_off(error: Error) -> axum::BoxError {
        Box::new(error)
    }

    fn end(&self, _: Error) -> Option<HeaderMap> {
        None
    }
}
