//! Messages to and from the types of [`crate::api`]. Nothing is decided here, only renamed.

use std::borrow::Cow;

use jiff::Timestamp;

use super::pb;
use crate::annotate::{Ambiguous, Candidate, Mention, Place, PlacedSpan, Record, Rejected};
use crate::api::{
    CatalogDiff, DiffCatalog, DocumentFields, Error, FormerName, ItemError, ListTokens, PricedToken,
    QuoteItem, QuoteMode, QuoteResult, Quotes, QuotesRequest, ServerInfo, SourceStatus, TagOptions,
    TagRequest, Token, TokenPage, TokenRef, TokenSelector,
};
use crate::catalog::{Category, Change, Subject};
use crate::market::quote::{QuoteAnswer, QuoteState};
use crate::mention::{Ambiguity, ContentType, Context, Field, Kind, OffsetUnit};

pub(super) fn tag_request(request: pb::TagRequest) -> Result<TagRequest, Error> {
    let document = request.document.ok_or_else(|| Error::invalid("document", "`document` is missing"))?;
    let options = request.options.map(tag_options).transpose()?.unwrap_or_default();
    Ok(TagRequest { document: document_fields(document)?, options })
}

pub(super) fn document_fields(document: pb::Document) -> Result<DocumentFields, Error> {
    let content_type = match known(document.content_type, "document.content_type")? {
        pb::ContentType::Unspecified | pb::ContentType::Plain => ContentType::Plain,
        pb::ContentType::Html => ContentType::Html,
    };
    let context = match known(document.context, "document.context")? {
        pb::Context::Unspecified | pb::Context::General => Context::General,
        pb::Context::CryptoNews => Context::CryptoNews,
    };
    let published_at = document.published_at.map(|at| instant(at, "document.published_at")).transpose()?;
    let pb::Document { id, title, body, language, .. } = document;
    Ok(DocumentFields { id, title, body, content_type, published_at, language, context })
}

pub(super) fn tag_options(options: pb::TagOptions) -> Result<TagOptions, Error> {
    let ambiguity = match known(options.ambiguity, "options.ambiguity")? {
        pb::Ambiguity::Unspecified | pb::Ambiguity::Drop => Ambiguity::Drop,
        pb::Ambiguity::Best => Ambiguity::Best,
        pb::Ambiguity::All => Ambiguity::All,
    };
    let offset_unit = match known(options.offset_unit, "options.offset_unit")? {
        pb::OffsetUnit::Unspecified | pb::OffsetUnit::Bytes => OffsetUnit::Bytes,
        pb::OffsetUnit::Codepoints => OffsetUnit::Codepoints,
        pb::OffsetUnit::Utf16 => OffsetUnit::Utf16,
    };
    let quotes = match known(options.quotes, "options.quotes")? {
        pb::QuoteMode::Unspecified | pb::QuoteMode::Live => QuoteMode::Live,
        pb::QuoteMode::None => QuoteMode::None,
        pb::QuoteMode::AtPublication => QuoteMode::AtPublication,
    };
    Ok(TagOptions {
        min_confidence: options.min_confidence,
        ambiguity,
        offset_unit,
        explain: options.explain,
        kinds: options.kinds.into_iter().map(kind_asked).collect::<Result<_, _>>()?,
        max_mentions: options.max_mentions,
        quotes,
        quote_wait_ms: options.quote_wait_ms,
        currency: options.currency,
        max_quote_age_s: options.max_quote_age_s,
    })
}

pub(super) fn quotes_request(request: pb::GetQuotesRequest) -> Result<QuotesRequest, Error> {
    Ok(QuotesRequest {
        at: request.at.map(|at| instant(at, "at")).transpose()?,
        token_ids: request.token_ids,
        symbols: request.symbols,
        currency: request.currency,
        quote_wait_ms: request.quote_wait_ms,
        max_quote_age_s: request.max_quote_age_s,
    })
}

/// The tokens to watch; the heartbeat is the caller's to read.
pub(super) fn watch_request(request: pb::WatchQuotesRequest) -> QuotesRequest {
    let pb::WatchQuotesRequest { token_ids, symbols, currency, heartbeat_ms: _ } = request;
    QuotesRequest { token_ids, symbols, currency, ..QuotesRequest::default() }
}

pub(super) fn token_selector(request: pb::GetTokenRequest) -> Result<TokenSelector, Error> {
    match request.token {
        Some(pb::get_token_request::Token::TokenId(id)) => Ok(TokenSelector::Id(id)),
        Some(pb::get_token_request::Token::Symbol(symbol)) => Ok(TokenSelector::Symbol(symbol)),
        None => Err(Error::invalid("token_id", "give `token_id` or `symbol`")),
    }
}

pub(super) fn list_tokens(request: pb::ListTokensRequest) -> Result<ListTokens, Error> {
    let pb::ListTokensRequest { page_size, page_token, query, categories, rank_max } = request;
    let categories = categories.into_iter().map(category_asked).collect::<Result<_, _>>()?;
    Ok(ListTokens { page_size, page_token, query, categories, rank_max })
}

pub(super) fn diff_catalog(request: pb::DiffCatalogRequest) -> DiffCatalog {
    let pb::DiffCatalogRequest { from_version, to_version, page_size, page_token } = request;
    DiffCatalog { from_version, to_version, page_size, page_token }
}

/// An enum's value by its number. A number from a newer client is refused: guessing would answer
/// something else than was asked.
fn known<E: TryFrom<i32>>(number: i32, field: &str) -> Result<E, Error> {
    E::try_from(number).map_err(|_| {
        Error::invalid(field, format!("value {number} is not known to version {}", env!("CARGO_PKG_VERSION")))
    })
}

fn instant(at: prost_types::Timestamp, field: &str) -> Result<Timestamp, Error> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return Err(Error::invalid(field, "`nanos` lies between 0 and 999999999"));
    }
    Timestamp::new(at.seconds, at.nanos)
        .map_err(|_| Error::invalid(field, "no instant of the years 1 to 9999"))
}

pub(super) fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    // The wire wants nanos of 0 or more, also before 1970, where jiff counts both down.
    let nanos = at.subsec_nanosecond();
    let borrow = nanos < 0;
    prost_types::Timestamp {
        seconds: at.as_second() - i64::from(borrow),
        nanos: if borrow { nanos + 1_000_000_000 } else { nanos },
    }
}

fn kind_asked(number: i32) -> Result<Kind, Error> {
    let missing = || Error::invalid("options.kinds", "a kind is missing its value");
    kind_of(known(number, "options.kinds")?).ok_or_else(missing)
}

/// The kind on the wire; `None`: unspecified.
pub(super) fn kind_of(kind: pb::Kind) -> Option<Kind> {
    Some(match kind {
        pb::Kind::Unspecified => return None,
        pb::Kind::Token => Kind::Token,
        pb::Kind::Company => Kind::Company,
        pb::Kind::Exchange => Kind::Exchange,
        pb::Kind::Person => Kind::Person,
        pb::Kind::Unit => Kind::Unit,
        pb::Kind::Collection => Kind::Collection,
        pb::Kind::Agency => Kind::Agency,
        pb::Kind::Product => Kind::Product,
        pb::Kind::Place => Kind::Place,
        pb::Kind::LongerName => Kind::LongerName,
        pb::Kind::Term => Kind::Term,
    })
}

pub(super) fn kind(kind: Kind) -> pb::Kind {
    match kind {
        Kind::Token => pb::Kind::Token,
        Kind::Company => pb::Kind::Company,
        Kind::Exchange => pb::Kind::Exchange,
        Kind::Person => pb::Kind::Person,
        Kind::Unit => pb::Kind::Unit,
        Kind::Collection => pb::Kind::Collection,
        Kind::Agency => pb::Kind::Agency,
        Kind::Product => pb::Kind::Product,
        Kind::Place => pb::Kind::Place,
        Kind::LongerName => pb::Kind::LongerName,
        Kind::Term => pb::Kind::Term,
    }
}

fn category_asked(number: i32) -> Result<Category, Error> {
    Ok(match known(number, "categories")? {
        pb::Category::Unspecified => {
            return Err(Error::invalid("categories", "a category is missing its value"));
        }
        pb::Category::Asset => Category::Asset,
        pb::Category::Stablecoin => Category::Stablecoin,
        pb::Category::Wrapped => Category::Wrapped,
        pb::Category::Staked => Category::Staked,
        pb::Category::Bridged => Category::Bridged,
        pb::Category::Fund => Category::Fund,
        pb::Category::FanToken => Category::FanToken,
        pb::Category::Commodity => Category::Commodity,
        pb::Category::TokenizedStock => Category::TokenizedStock,
        pb::Category::Vault => Category::Vault,
    })
}

fn category(category: Category) -> pb::Category {
    match category {
        Category::Asset => pb::Category::Asset,
        Category::Stablecoin => pb::Category::Stablecoin,
        Category::Wrapped => pb::Category::Wrapped,
        Category::Staked => pb::Category::Staked,
        Category::Bridged => pb::Category::Bridged,
        Category::Fund => pb::Category::Fund,
        Category::FanToken => pb::Category::FanToken,
        Category::Commodity => pb::Category::Commodity,
        Category::TokenizedStock => pb::Category::TokenizedStock,
        Category::Vault => pb::Category::Vault,
    }
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

impl From<Record> for pb::TagResponse {
    fn from(record: Record) -> Self {
        let Record { id, catalog_version, detector_version, mentions, ambiguous, rejected } = record;
        Self {
            id,
            catalog_version,
            detector_version,
            mentions: all(mentions),
            ambiguous: all(ambiguous),
            rejected: all(rejected),
        }
    }
}

impl From<Mention> for pb::Mention {
    fn from(mention: Mention) -> Self {
        Self {
            token_id: mention.token_id,
            symbol: mention.symbol,
            name: mention.name,
            kind: kind(mention.kind).into(),
            confidence: mention.confidence,
            count: mention.count,
            in_title: mention.in_title,
            spans: all(mention.spans),
            quote: mention.quote.map(Into::into),
        }
    }
}

impl From<Place> for pb::Span {
    fn from(place: Place) -> Self {
        let Place { field, start, end, surface } = place;
        let field = match field {
            Field::Title => pb::Field::Title,
            Field::Body => pb::Field::Body,
        };
        Self {
            field: field.into(),
            start,
            end,
            surface,
            confidence: None,
            evidence: Vec::new(),
            caip19: None,
        }
    }
}

impl From<PlacedSpan> for pb::Span {
    fn from(span: PlacedSpan) -> Self {
        Self {
            confidence: Some(span.confidence),
            evidence: span.evidence.into_iter().map(Cow::into_owned).collect(),
            caip19: span.caip19,
            ..span.place.into()
        }
    }
}

impl From<Ambiguous> for pb::Ambiguous {
    fn from(ambiguous: Ambiguous) -> Self {
        Self { spans: all(ambiguous.spans), candidates: all(ambiguous.candidates) }
    }
}

impl From<Candidate> for pb::Candidate {
    fn from(candidate: Candidate) -> Self {
        let Candidate { token_id, symbol, name, confidence } = candidate;
        Self { token_id, symbol, name, confidence }
    }
}

impl From<Rejected> for pb::Rejected {
    fn from(rejected: Rejected) -> Self {
        let Rejected { span, token_id, confidence, evidence, reason } = rejected;
        let evidence = evidence.into_iter().map(Cow::into_owned).collect();
        Self { span: Some(span.into()), token_id, confidence, evidence, reason }
    }
}

impl From<QuoteAnswer> for pb::Quote {
    fn from(quote: QuoteAnswer) -> Self {
        let state = match quote.state {
            QuoteState::Fresh => pb::QuoteState::Fresh,
            QuoteState::Stale => pb::QuoteState::Stale,
            QuoteState::Expired => pb::QuoteState::Expired,
            QuoteState::Pending => pb::QuoteState::Pending,
            QuoteState::Unlisted => pb::QuoteState::Unlisted,
            QuoteState::Unavailable => pb::QuoteState::Unavailable,
            QuoteState::Historical => pb::QuoteState::Historical,
        };
        Self {
            state: state.into(),
            reason: quote.reason,
            price: quote.price,
            currency: quote.currency,
            change_24h_pct: quote.change_24h_pct,
            as_of: quote.as_of.map(to_timestamp),
            as_of_received: quote.as_of_received,
            age_s: quote.age_s,
            source: quote.source,
            asked_at: quote.asked_at.map(to_timestamp),
            distance_s: quote.distance_s,
            change_since_pct: quote.change_since_pct,
            rate_as_of: quote.rate_as_of.map(to_timestamp),
        }
    }
}

impl From<Quotes> for pb::GetQuotesResponse {
    fn from(quotes: Quotes) -> Self {
        Self { quotes: all(quotes.quotes) }
    }
}

impl From<Quotes> for pb::WatchQuotesResponse {
    fn from(quotes: Quotes) -> Self {
        Self { quotes: all(quotes.quotes) }
    }
}

impl From<QuoteItem> for pb::QuoteItem {
    fn from(item: QuoteItem) -> Self {
        let result = match item.result {
            QuoteResult::Priced(priced) => pb::quote_item::Result::Priced((*priced).into()),
            QuoteResult::Error(error) => pb::quote_item::Result::Error(error.into()),
        };
        Self { asked: item.asked, result: Some(result) }
    }
}

impl From<PricedToken> for pb::PricedToken {
    fn from(priced: PricedToken) -> Self {
        let PricedToken { token_id, symbol, name, quote } = priced;
        Self { token_id, symbol, name, quote: Some(quote.into()) }
    }
}

impl From<ItemError> for pb::ItemError {
    fn from(error: ItemError) -> Self {
        let ItemError { code, message, field, candidates } = error;
        Self { code, message, field, candidates: all(candidates) }
    }
}

impl From<TokenRef> for pb::TokenRef {
    fn from(token: TokenRef) -> Self {
        let TokenRef { token_id, symbol, name, rank } = token;
        Self { token_id, symbol, name, rank }
    }
}

impl From<TokenPage> for pb::ListTokensResponse {
    fn from(page: TokenPage) -> Self {
        let TokenPage { catalog_version, tokens, next_page_token, total_count } = page;
        Self { catalog_version, tokens: all(tokens), next_page_token, total_count }
    }
}

impl From<Token> for pb::Token {
    fn from(token: Token) -> Self {
        Self {
            token_id: token.token_id,
            symbol: token.symbol,
            name: token.name,
            rank: token.rank,
            category: category(token.category).into(),
            aliases: token.aliases,
            formerly: all(token.formerly),
            markets: token.markets.into_iter().collect(),
        }
    }
}

impl From<FormerName> for pb::FormerName {
    fn from(former: FormerName) -> Self {
        let FormerName { symbol, name, until } = former;
        Self { symbol, name, until }
    }
}

impl From<ServerInfo> for pb::GetServerInfoResponse {
    fn from(info: ServerInfo) -> Self {
        Self {
            version: info.version,
            catalog_version: info.catalog_version,
            detector_version: info.detector_version,
            token_count: info.token_count,
            default_min_confidence: info.default_min_confidence,
            limits: Some(info.limits.into()),
            sources: all(info.sources),
        }
    }
}

impl From<SourceStatus> for pb::Source {
    fn from(source: SourceStatus) -> Self {
        Self {
            name: source.name,
            title: source.title,
            credit: source.credit,
            link: source.link,
            terms: source.terms,
            plan: source.plan,
            has_key: source.has_key,
            state: source.state,
            reason: source.reason,
            last_success: source.last_success.map(to_timestamp),
            last_failure: source.last_failure.map(to_timestamp),
            calls_total: source.calls_total,
            calls_per_minute: source.calls_per_minute,
            calls_per_month: source.calls_per_month,
            calls_this_minute: source.calls_this_minute,
            calls_this_month: source.calls_this_month,
            calls_left_this_month: source.calls_left_this_month,
            every_s: source.every_s,
            next_call: source.next_call.map(to_timestamp),
        }
    }
}

impl From<CatalogDiff> for pb::DiffCatalogResponse {
    fn from(diff: CatalogDiff) -> Self {
        let CatalogDiff { from_version, to_version, changes, next_page_token, total_count } = diff;
        Self { from_version, to_version, changes: all(changes), next_page_token, total_count }
    }
}

impl From<Change> for pb::CatalogChange {
    fn from(change: Change) -> Self {
        let Change { subject, id, field, before, after } = change;
        let subject = match subject {
            Subject::Asset => pb::CatalogSubject::Asset,
            Subject::Blocker => pb::CatalogSubject::Blocker,
            Subject::Pin => pb::CatalogSubject::Pin,
        };
        Self { subject: subject.into(), id, field, before, after }
    }
}
