//! Answers of a server as the record that every face shows: the way back of [`super::convert`].
//!
//! Owns nothing but the renaming. What this version does not know is an error, never a guess.

use std::borrow::Cow;

use jiff::Timestamp;

use super::convert::kind_of;
use super::pb;
use crate::annotate::{Ambiguous, Candidate, Mention, Place, PlacedSpan, Record, Rejected};
use crate::market::quote::{QuoteAnswer, QuoteState};
use crate::mention::Field;

/// What a newer server says and this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("the server answers with a `{0}` that version {version} does not know", version = env!("CARGO_PKG_VERSION"))]
pub(super) struct Unknown(&'static str);

fn all<T, U, E>(items: Vec<T>, convert: impl Fn(T) -> Result<U, E>) -> Result<Vec<U>, E> {
    items.into_iter().map(convert).collect()
}

pub(super) fn record(answer: pb::TagResponse) -> Result<Record, Unknown> {
    let pb::TagResponse { id, catalog_version, detector_version, mentions, ambiguous, rejected } = answer;
    Ok(Record {
        id,
        catalog_version,
        detector_version,
        mentions: all(mentions, mention)?,
        ambiguous: all(ambiguous, |one| {
            let candidates = one.candidates.into_iter().map(candidate).collect();
            Ok(Ambiguous { spans: all(one.spans, place)?, candidates })
        })?,
        rejected: all(rejected, |one| {
            let pb::Rejected { span, token_id, confidence, evidence, reason } = one;
            let span = place(span.ok_or(Unknown("span"))?)?;
            let evidence = evidence.into_iter().map(Cow::Owned).collect();
            Ok(Rejected { span, token_id, confidence, evidence, reason })
        })?,
    })
}

fn mention(mention: pb::Mention) -> Result<Mention, Unknown> {
    let kind = kind_of(mention.kind()).ok_or(Unknown("kind"))?;
    Ok(Mention {
        token_id: mention.token_id,
        symbol: mention.symbol,
        name: mention.name,
        kind,
        confidence: mention.confidence,
        count: mention.count,
        in_title: mention.in_title,
        spans: all(mention.spans, |span| {
            let (confidence, caip19) = (span.confidence.unwrap_or_default(), span.caip19.clone());
            let evidence = span.evidence.iter().cloned().map(Cow::Owned).collect();
            Ok(PlacedSpan { place: place(span)?, confidence, evidence, caip19 })
        })?,
        quote: mention.quote.map(quote).transpose()?,
    })
}

fn place(span: pb::Span) -> Result<Place, Unknown> {
    let field = match span.field() {
        pb::Field::Unspecified => return Err(Unknown("field")),
        pb::Field::Title => Field::Title,
        pb::Field::Body => Field::Body,
    };
    Ok(Place { field, start: span.start, end: span.end, surface: span.surface })
}

fn candidate(candidate: pb::Candidate) -> Candidate {
    let pb::Candidate { token_id, symbol, name, confidence } = candidate;
    Candidate { token_id, symbol, name, confidence }
}

fn quote(quote: pb::Quote) -> Result<QuoteAnswer, Unknown> {
    let state = match quote.state() {
        pb::QuoteState::Unspecified => return Err(Unknown("quote.state")),
        pb::QuoteState::Fresh => QuoteState::Fresh,
        pb::QuoteState::Stale => QuoteState::Stale,
        pb::QuoteState::Expired => QuoteState::Expired,
        pb::QuoteState::Pending => QuoteState::Pending,
        pb::QuoteState::Unlisted => QuoteState::Unlisted,
        pb::QuoteState::Unavailable => QuoteState::Unavailable,
        pb::QuoteState::Historical => QuoteState::Historical,
    };
    Ok(QuoteAnswer {
        state,
        reason: quote.reason,
        price: quote.price,
        currency: quote.currency,
        change_24h_pct: quote.change_24h_pct,
        as_of: quote.as_of.map(instant).transpose()?,
        as_of_received: quote.as_of_received,
        age_s: quote.age_s,
        source: quote.source,
        asked_at: quote.asked_at.map(instant).transpose()?,
        distance_s: quote.distance_s,
        change_since_pct: quote.change_since_pct,
        rate_as_of: quote.rate_as_of.map(instant).transpose()?,
    })
}

fn instant(at: prost_types::Timestamp) -> Result<Timestamp, Unknown> {
    Timestamp::new(at.seconds, at.nanos).map_err(|_| Unknown("instant"))
}
