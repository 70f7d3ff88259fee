//! The HTTP face: the same service as JSON, the probes, and a page to try it on.
//!
//! Each route unpacks, calls [`crate::api`] and serialises; it decides nothing.

mod body;
mod error;
mod face;

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{DefaultBodyLimit, FromRef, Path, Query, State, rejection::QueryRejection};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tower::{Layer as _, Service};
use tower_http::catch_panic::CatchPanicLayer;

use crate::annotate::Record;
use crate::api::{
    Api, BatchTag, BatchTagRequest, CatalogDiff, Current, DiffCatalog, Error, ListTokens, Quotes,
    QuotesRequest, Readiness, ServerInfo, Stage, TagOptions, TagRequest, Token, TokenPage, TokenSelector,
};
use crate::catalog::Category;
use crate::guard::{Guard, GuardLayer};
use crate::telemetry;
use body::{Body, parse_part};
use error::Failure;

const PAGE: &str = include_str!("page.html");

/// The page loads nothing from elsewhere and may be framed by nobody.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A control character takes one byte of text and six of JSON (`\u0001`): any document within the limit
/// has to fit in.
const JSON_BYTES_PER_BYTE: usize = 6;
/// What a request may hold beside the texts that `document_bytes_max` counts.
const BODY_OVERHEAD: usize = 64 * 1024;

/// Section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
    }
}

/// Everything that HTTP callers may ask, behind the guard.
pub fn service(
    api: Current,
    readiness: Readiness,
    guard: Guard,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    GuardLayer::new(guard, face::Http).layer(router(api, readiness))
}

/// The probes alone, for a port of their own that needs neither TLS nor a key.
pub fn probes(readiness: Readiness) -> Router {
    Router::new().route("/readyz", get(readyz)).route("/livez", get(livez)).with_state(readiness)
}

fn router(api: Current, readiness: Readiness) -> Router {
    let limits = api.get().limits().clone();
    let body_max = limits.document_bytes_max as usize * JSON_BYTES_PER_BYTE + BODY_OVERHEAD;
    let batch_max = limits.batch_bytes_max as usize * JSON_BYTES_PER_BYTE + BODY_OVERHEAD;
    Router::new()
        .route("/", get(page))
        .route("/v1/tag", post(tag))
        .route("/v1/batch-tag", post(batch_tag).layer(DefaultBodyLimit::max(batch_max)))
        .route("/v1/quotes", post(quotes))
        .route("/v1/tokens", get(tokens))
        .route("/v1/tokens/{token_id}", get(token))
        .route("/v1/catalog-diff", get(catalog_diff))
        .route("/v1/server-info", get(server_info))
        .route("/v1/log-level", put(log_level))
        .route("/metrics", get(metrics))
        .with_state(api)
        .merge(probes(readiness))
        .fallback(async || Failure::with_status(StatusCode::NOT_FOUND, "not_found", "no such path; see `/`"))
        .method_not_allowed_fallback(async || {
            let message = "this path does not take this method";
            Failure::with_status(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(DefaultBodyLimit::max(body_max))
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a request panicked; this is a bug in cointag");
            Failure::with_status(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a bug in cointag")
                .into_response()
        }))
}

/// A handler that asks for an [`Api`] gets the one in force.
impl FromRef<Current> for Api {
    fn from_ref(current: &Current) -> Self {
        Self::clone(&current.get())
    }
}

async fn tag(State(api): State<Api>, Body(request): Body<TagRequest>) -> Result<Json<Record>, Failure> {
    Ok(Json(api.tag(request).await?))
}

/// Documents are read one by one, so that a bad one does not fail the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchBody {
    documents: Vec<serde_json::Value>,
    #[serde(default)]
    options: TagOptions,
}

async fn batch_tag(
    State(api): State<Api>,
    Body(BatchBody { documents, options }): Body<BatchBody>,
) -> Result<Json<BatchTag>, Failure> {
    let documents = documents.into_iter().map(|document| parse_part(document, "document")).collect();
    Ok(Json(api.batch_tag(BatchTagRequest { documents, options }).await?))
}

async fn quotes(State(api): State<Api>, Body(request): Body<QuotesRequest>) -> Result<Json<Quotes>, Failure> {
    Ok(Json(api.quotes(request).await?))
}

/// The conditions of `ListTokens` as a query; several categories are separated by commas.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TokensQuery {
    page_size: u32,
    page_token: String,
    query: String,
    categories: String,
    rank_max: Option<u32>,
}

async fn tokens(
    State(api): State<Api>,
    query: Result<Query<TokensQuery>, QueryRejection>,
) -> Result<Json<TokenPage>, Failure> {
    let Query(query) = query.map_err(|rejection| Error::invalid("query", rejection.body_text()))?;
    let TokensQuery { page_size, page_token, query, categories, rank_max } = query;
    let categories = categories.split(',').map(str::trim).filter(|word| !word.is_empty());
    let categories = categories.map(category).collect::<Result<_, _>>()?;
    Ok(Json(api.tokens(&ListTokens { page_size, page_token, query, categories, rank_max })?))
}

fn category(word: &str) -> Result<Category, Error> {
    serde_json::from_value(word.into()).map_err(|error| Error::invalid("categories", error.to_string()))
}

async fn token(State(api): State<Api>, Path(token_id): Path<String>) -> Result<Json<Token>, Failure> {
    Ok(Json(api.token(&TokenSelector::Id(token_id))?))
}

async fn catalog_diff(
    State(api): State<Api>,
    query: Result<Query<DiffCatalog>, QueryRejection>,
) -> Result<Json<CatalogDiff>, Failure> {
    let Query(query) = query.map_err(|rejection| Error::invalid("query", rejection.body_text()))?;
    Ok(Json(api.diff_catalog(&query)?))
}

async fn server_info(State(api): State<Api>) -> Json<ServerInfo> {
    Json(api.server_info())
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    match readiness.stage() {
        Stage::Ready => "ready\n".into_response(),
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Stage::Draining | Stage::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn livez(State(readiness): State<Readiness>) -> Response {
    match readiness.is_alive() {
        true => "alive\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stuck\n").into_response(),
    }
}

async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    const KIND: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, KIND)], api.render_metrics())
}

/// The level until the next change or restart, as in `[log] level`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    level: String,
}

async fn log_level(Body(asked): Body<LogLevel>) -> Result<Json<LogLevel>, Failure> {
    telemetry::set_level(&asked.level).map_err(|problem| Error::invalid("level", problem.to_string()))?;
    tracing::info!(level = asked.level, "log level changed");
    Ok(Json(asked))
}

async fn page() -> impl IntoResponse {
    const HEADERS: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (HEADERS, PAGE)
}
