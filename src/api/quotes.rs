//! Prices tokens that are named by id or symbol, without a text.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Api, Error, Limits, past};
use crate::catalog::{AssetRecord, Catalog, SymbolMatch, TokenIndex};
use crate::market::Markets;
use crate::market::quote::{QuoteAnswer, QuoteState};
use crate::market::rates::CURRENCIES;

/// How many tokens of a similar spelling are suggested for one that is not known.
const SUGGESTIONS: usize = 3;

/// Which tokens to price.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotesRequest {
    /// Our ids.
    pub token_ids: Vec<String>,
    /// Tickers as a person types them.
    pub symbols: Vec<String>,
    /// ISO code, BTC or ETH; absent: USD.
    pub currency: Option<String>,
    /// A moment in the past to price at; absent: now.
    pub at: Option<Timestamp>,
    /// How long to wait for prices that are not known yet; capped by the limits.
    pub quote_wait_ms: u32,
    /// Withhold older prices.
    pub max_quote_age_s: Option<f64>,
}

/// One item for each token asked for: ids first, then symbols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quotes {
    /// In the order asked.
    pub quotes: Vec<QuoteItem>,
}

/// The answer about one token asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuoteItem {
    /// The id or symbol exactly as asked.
    pub asked: String,
    /// What came of it.
    #[serde(flatten)]
    pub result: QuoteResult,
}

/// What came of one token asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteResult {
    /// The token and what it is worth, which may be unknown.
    Priced(Box<PricedToken>),
    /// Nobody, or more than one, goes by that name.
    Error(ItemError),
}

/// A token and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `annotate::Mention`")]
pub struct PricedToken {
    pub token_id: String,
    pub symbol: String,
    pub name: String,
    pub quote: QuoteAnswer,
}

/// Why one item could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemError {
    /// `not_found` or `ambiguous`.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Where in the request, such as `symbols[2]`.
    pub field: String,
    /// Who it may be, best rank first, or who is spelled alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<TokenRef>,
}

/// A token by its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `catalog::AssetRecord`")]
pub struct TokenRef {
    pub token_id: String,
    pub symbol: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
}

impl Api {
    /// Prices tokens; see [`quote`].
    ///
    /// # Errors
    /// The request breaks a limit or asks for a part that is not built yet.
    pub async fn quotes(&self, request: QuotesRequest) -> Result<Quotes, Error> {
        quote(self.detector.catalog(), &self.markets, &self.limits, request).await
    }
}

/// Prices tokens. Waits only if the caller asks to; one unknown item does not fail the others.
///
/// # Errors
/// The request breaks a limit or asks for a part that is not built yet.
pub async fn quote(
    catalog: &Catalog,
    markets: &Markets,
    limits: &Limits,
    request: QuotesRequest,
) -> Result<Quotes, Error> {
    let currency = currency(request.currency.as_deref(), "currency")?;
    let pricing = Pricing::new(limits, request.quote_wait_ms, request.max_quote_age_s, "max_quote_age_s")?
        .in_currency(currency);
    let at = request.at;
    if at.is_some_and(|at| at > markets.now()) {
        return Err(Error::invalid("at", "`at` lies in the future; leave it out for the price of now"));
    }
    let found = resolve(catalog, limits, request)?;
    let tokens: Vec<TokenIndex> =
        found.iter().filter_map(|(found, _)| found.as_ref().ok().copied()).collect();
    markets.want(&tokens);
    match at {
        Some(at) => past::fetch(markets, tokens.iter().map(|token| (*token, at)), pricing.wait).await,
        None if !pricing.wait.is_zero() && !tokens.is_empty() => {
            markets.wait_for(&tokens, pricing.wait).await;
        }
        None => {}
    }
    pricing.fetch_rates(markets).await;
    let (snapshot, now) = (markets.snapshot(), markets.now());
    let priced = |token: TokenIndex| {
        let quote = match at {
            Some(at) => markets.history().answer(token, at, &snapshot),
            None => {
                let mut quote = snapshot.answer(token, now);
                pricing.withhold_too_old(&mut quote);
                quote
            }
        };
        let quote = markets.rates().convert(quote, &pricing.currency);
        let TokenRef { token_id, symbol, name, .. } = catalog.asset(token).into();
        PricedToken { token_id, symbol, name, quote }
    };
    let item = |(found, asked): Found| {
        let result =
            found.map_or_else(QuoteResult::Error, |token| QuoteResult::Priced(Box::new(priced(token))));
        QuoteItem { asked, result }
    };
    Ok(Quotes { quotes: found.into_iter().map(item).collect() })
}

/// What one name asked for means.
pub(super) type Found = (Result<TokenIndex, ItemError>, String);

/// What each of the names asked for means, ids first.
///
/// # Errors
/// None or too many are asked for.
pub(super) fn resolve(
    catalog: &Catalog,
    limits: &Limits,
    request: QuotesRequest,
) -> Result<Vec<Found>, Error> {
    check(&request, limits)?;
    let by_id = (request.token_ids.into_iter().enumerate())
        .map(|(place, id)| (find_id(catalog, &id, &format!("token_ids[{place}]")), id));
    let by_symbol = (request.symbols.into_iter().enumerate())
        .map(|(place, symbol)| (find_symbol(catalog, &symbol, &format!("symbols[{place}]")), symbol));
    Ok(by_id.chain(by_symbol).collect())
}

fn check(request: &QuotesRequest, limits: &Limits) -> Result<(), Error> {
    let asked = request.token_ids.len() + request.symbols.len();
    let max = limits.quote_tokens_max;
    if asked > max as usize {
        let what = format!("{asked} tokens are asked for");
        return Err(Error::over_limit("token_ids", what, "quote_tokens_max", max));
    }
    if asked == 0 {
        return Err(Error::invalid("token_ids", "no token is asked for; give `token_ids` or `symbols`"));
    }
    Ok(())
}

pub(super) fn find_id(catalog: &Catalog, id: &str, field: &str) -> Result<TokenIndex, ItemError> {
    catalog.find(id).ok_or_else(|| not_found(catalog, id, field, "token has the id"))
}

pub(super) fn find_symbol(catalog: &Catalog, symbol: &str, field: &str) -> Result<TokenIndex, ItemError> {
    match catalog.find_symbol(symbol) {
        SymbolMatch::One(token) => Ok(token),
        SymbolMatch::Unknown => Err(not_found(catalog, symbol, field, "token goes by the symbol")),
        SymbolMatch::Ambiguous(holders) => {
            let candidates: Vec<TokenRef> =
                holders.iter().map(|holder| catalog.asset(*holder).into()).collect();
            let message = format!(
                "`{symbol}` may be {}; ask for one of them by its id",
                join(candidates.iter().map(|token| format!("{} ({})", token.token_id, token.name)))
            );
            Err(ItemError { code: "ambiguous".to_owned(), message, field: field.to_owned(), candidates })
        }
    }
}

fn not_found(catalog: &Catalog, asked: &str, field: &str, what: &str) -> ItemError {
    let candidates: Vec<TokenRef> =
        catalog.suggestions(asked, SUGGESTIONS).into_iter().map(TokenRef::from).collect();
    let hint = if candidates.is_empty() {
        String::new()
    } else {
        let close = candidates.iter().map(|token| format!("{} ({})", token.token_id, token.symbol));
        format!("; did you mean {}?", join(close))
    };
    let message = format!("no {what} `{asked}`{hint}");
    ItemError { code: "not_found".to_owned(), message, field: field.to_owned(), candidates }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

impl From<&AssetRecord> for TokenRef {
    fn from(asset: &AssetRecord) -> Self {
        Self {
            token_id: asset.id.clone(),
            symbol: asset.symbol.clone(),
            name: asset.name.clone(),
            rank: asset.rank,
        }
    }
}

/// What the caller wants of the prices.
pub(super) struct Pricing {
    /// How long to wait for prices not known yet.
    pub(super) wait: Duration,
    max_age_s: Option<f64>,
    pub(super) currency: String,
}

impl Pricing {
    pub(super) fn in_currency(self, currency: String) -> Self {
        Self { currency, ..self }
    }

    /// Sees to it that the rate is known, where one is needed; waits only if the caller asked to.
    pub(super) async fn fetch_rates(&self, markets: &Markets) {
        match (self.currency.as_str(), self.wait.is_zero()) {
            ("USD", _) => {}
            (_, true) => markets.rates().want(),
            (_, false) => markets.rates().wait_for(self.wait).await,
        }
    }

    pub(super) fn new(
        limits: &Limits,
        wait_ms: u32,
        max_age_s: Option<f64>,
        age_field: &str,
    ) -> Result<Self, Error> {
        if max_age_s.is_some_and(|max| max.is_nan() || max < 0.0) {
            return Err(Error::invalid(age_field, "`max_quote_age_s` is a number of seconds, 0 or more"));
        }
        Ok(Self { wait: limits.wait(wait_ms), max_age_s, currency: "USD".to_owned() })
    }

    /// Takes the price out of an answer that is older than the caller allows; its time stays.
    pub(super) fn withhold_too_old(&self, quote: &mut QuoteAnswer) {
        let (Some(max), Some(age), true) = (self.max_age_s, quote.age_s, quote.price.is_some()) else {
            return;
        };
        if age > max {
            quote.state = QuoteState::Expired;
            quote.reason = Some(format!("the price is {age} s old, more than `max_quote_age_s` allows"));
            quote.price = None;
            quote.change_24h_pct = None;
        }
    }
}

/// The currency asked for, in capitals; absent: USD.
///
/// # Errors
/// Not one that prices can be told in. `field` is where it stands in the request.
pub fn currency(asked: Option<&str>, field: &str) -> Result<String, Error> {
    let asked = asked.unwrap_or_default().trim().to_uppercase();
    match asked.as_str() {
        "" => Ok("USD".to_owned()),
        "USD" => Ok(asked),
        _ if CURRENCIES.contains(&asked.as_str()) => Ok(asked),
        _ => {
            let message = format!("no such currency; known are USD, {}", CURRENCIES.join(", "));
            Err(Error::invalid(field, message))
        }
    }
}
