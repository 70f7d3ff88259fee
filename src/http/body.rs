//! Reads a request body as JSON; says which field is wrong and never repeats the text sent.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::error::Failure;
use crate::api::Error;

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // A page of another origin can send text/plain without asking, but not application/json.
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
            let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        });
        if !is_json {
            let message = "send the request with the header `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Failure::with_status(status, "unsupported_media_type", message));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let message = "the request is longer than any document that this server accepts \
                               (option `document_bytes_max` in [limits])";
                Failure::with_status(StatusCode::PAYLOAD_TOO_LARGE, "invalid_argument", message)
            } else {
                let ours = sources(&rejection).find_map(|source| source.downcast_ref::<Error>());
                let broke_off = || Error::invalid("body", "the request broke off");
                Failure::from(ours.cloned().unwrap_or_else(broke_off))
            }
        })?;
        parse(&bytes).map(Body).map_err(Failure::from)
    }
}

/// An error and what is behind it.
fn sources<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Reads one part of a body; `field` says where it stood.
pub(super) fn parse_part<T: DeserializeOwned>(value: serde_json::Value, field: &str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = match error.path().to_string() {
            root if root == "." => field.to_owned(),
            path => format!("{field}.{path}"),
        };
        explain(field, error.inner())
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = match error.path().to_string() {
            root if root == "." => "body".to_owned(),
            path => path,
        };
        explain(field, error.inner())
    })?;
    json.end().map_err(|error| explain("body".to_owned(), &error))?;
    Ok(value)
}

fn explain(field: String, error: &serde_json::Error) -> Error {
    match error.classify() {
        // Of a wrong type or name: serde's words name what was expected.
        Category::Data => Error::invalid(field, without_values(&error.to_string())),
        _ => Error::invalid("body", format!("not JSON: {error}")),
    }
}

/// serde repeats a string of a wrong type, and that could be the article.
fn without_values(message: &str) -> String {
    match message.split_once("string \"") {
        Some((before, rest)) if message.starts_with("invalid ") => {
            let after = rest.rsplit_once("\", expected").map_or("", |(_, after)| after);
            format!("{before}string, expected{after}")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TagRequest;

    fn message(json: &str) -> (String, String) {
        let error = parse::<TagRequest>(json.as_bytes()).err().map(|error| (error.field, error.message));
        error.map(|(field, message)| (field.unwrap_or_default(), message)).unwrap_or_default()
    }

    #[test]
    fn an_error_names_the_field() {
        let (field, text) = message(r#"{"document":{"titel":"x"}}"#);
        assert_eq!(field, "document.titel");
        assert!(text.starts_with("unknown field `titel`, expected one of `id`, `title`"), "{text}");
        assert_eq!(message(r#"{"document":{},"options":{"explain":3}}"#).0, "options.explain");
        assert_eq!(message("{").0, "body");
        assert_eq!(message(r#"{"document":{}} x"#).0, "body");
    }

    #[test]
    fn an_error_never_repeats_the_text() {
        let (_, text) = message(r#"{"document":"the article, expected \"secret\", expected x"}"#);
        assert!(!text.contains("article") && !text.contains("secret"), "{text}");
        assert!(text.contains("expected struct DocumentFields"), "{text}");
    }
}
