//! Calls from pages: gRPC-Web, and which pages may call. A browser asks first; what is not listed here it does not send.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, Version, header};
use futures_util::future::{BoxFuture, Either};
use hyper::body::Incoming;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors, CorsLayer};

/// What a page must be able to read: without these a failed call has neither code nor reason.
const EXPOSED: [&str; 4] = ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"];
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// Two ways to the same service. Almost all calls are plain gRPC; to look first at what pages may do would be a good
/// part of the work of refusing one.
#[derive(Clone)]
pub(super) struct Doors<P, W> {
    plain: P,
    /// Copied for the calls that need it: a service is copied for each call.
    web: Arc<W>,
}

/// `origins`: of pages that may call.
pub(super) fn doors<S: Clone>(origins: &[String], service: S) -> Doors<S, Cors<GrpcWebService<S>>> {
    let web = cors(origins).layer(GrpcWebLayer::new().layer(service.clone()));
    Doors { plain: service, web: Arc::new(web) }
}

impl<P, W> Service<Request<Incoming>> for Doors<P, W>
where
    P: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    P::Future: Send + 'static,
    W: Service<Request<Incoming>, Response = Response<tonic::body::Body>, Error = Infallible> + Clone,
    W::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<P::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    /// Both lead to the same.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.plain.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if is_plain(&request) {
            return Either::Left(self.plain.call(request));
        }
        let answer = W::clone(&self.web).call(request);
        Either::Right(Box::pin(async move { Ok(answer.await?.map(Body::new)) }))
    }
}

fn is_plain<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && !request.headers().contains_key(header::ORIGIN)
        && matches!(kind, Some(b"application/grpc" | b"application/grpc+proto"))
}

fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        // What is no header value is no origin of any page either.
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(ASK_AGAIN_AFTER)
}
