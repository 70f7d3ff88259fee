//! What the catalog knows, as the faces show it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quotes::{find_id, find_symbol};
use super::{Api, Error};
use crate::catalog::{AssetRecord, Category};

const PAGE_SIZE_DEFAULT: u32 = 100;

/// How one token is named in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSelector {
    /// By our id.
    Id(String),
    /// By a ticker as a person types it.
    Symbol(String),
}

/// Which tokens to list; conditions are joined by "and".
#[derive(Clone, Debug, Default)]
pub struct ListTokens {
    /// At most this many; 0 = the default.
    pub page_size: u32,
    /// `next_page_token` of the page before; empty = the first page.
    pub page_token: String,
    /// Part of the id, ticker, name or an alias, in any letter case.
    pub query: String,
    /// One of these; empty = all.
    pub categories: Vec<Category>,
    /// Only tokens ranked this high or higher.
    pub rank_max: Option<u32>,
}

/// One page of tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenPage {
    /// Version of the catalog.
    pub catalog_version: String,
    /// The page.
    pub tokens: Vec<Token>,
    /// For the next page; empty = this was the last one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next_page_token: String,
    /// How many tokens meet the conditions, on all pages.
    pub total_count: u32,
}

/// What the catalog knows of one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Our stable id.
    pub token_id: String,
    /// Ticker of today.
    pub symbol: String,
    /// Name of today.
    pub name: String,
    /// Place by market capitalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// What kind of asset it is.
    pub category: Category,
    /// Other spellings of today.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Tickers and names of the past.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<FormerName>,
    /// Market → the token's id there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markets: BTreeMap<String, String>,
}

/// A ticker or name that a token gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `catalog::FormerRecord`")]
pub struct FormerName {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub until: String,
}

impl Api {
    /// Version of the catalog in use.
    pub fn catalog_version(&self) -> &str {
        self.detector.catalog().version()
    }

    /// One token.
    ///
    /// # Errors
    /// Nobody, or more than one, goes by that name; the message says who is meant instead.
    pub fn token(&self, selector: &TokenSelector) -> Result<Token, Error> {
        let catalog = self.detector.catalog();
        let found = match selector {
            TokenSelector::Id(id) => find_id(catalog, id, "token_id"),
            TokenSelector::Symbol(symbol) => find_symbol(catalog, symbol, "symbol"),
        };
        match found {
            Ok(token) => Ok(catalog.asset(token).into()),
            Err(item) if item.code == "ambiguous" => Err(Error::invalid(item.field, item.message)),
            Err(item) => Err(Error::not_found(item.field, item.message)),
        }
    }

    /// One page of tokens in the order of the catalog.
    ///
    /// # Errors
    /// The page is too long, or its token belongs to another catalog.
    pub fn tokens(&self, request: &ListTokens) -> Result<TokenPage, Error> {
        let max = self.limits.page_size_max;
        if request.page_size > max {
            let what = format!("a page of {} tokens is asked for", request.page_size);
            return Err(Error::over_limit("page_size", what, "page_size_max", max));
        }
        let page_size = if request.page_size == 0 { PAGE_SIZE_DEFAULT.min(max) } else { request.page_size };
        let start = self.page_start(&request.page_token)?;
        let query = request.query.trim_start_matches('$').to_lowercase();
        let mut page = TokenPage {
            catalog_version: self.catalog_version().to_owned(),
            tokens: Vec::new(),
            next_page_token: String::new(),
            total_count: 0,
        };
        for (place, asset) in self.detector.catalog().assets().iter().enumerate() {
            if !meets(asset, request, &query) {
                continue;
            }
            page.total_count = page.total_count.saturating_add(1);
            if place < start {
                continue;
            }
            if page.tokens.len() < page_size as usize {
                page.tokens.push(asset.into());
            } else if page.next_page_token.is_empty() {
                page.next_page_token = format!("{}.{place}", self.catalog_version());
            }
        }
        Ok(page)
    }

    /// Where the page begins. The token carries the catalog's version: places in another catalog would
    /// skip or repeat tokens in silence.
    fn page_start(&self, token: &str) -> Result<usize, Error> {
        if token.is_empty() {
            return Ok(0);
        }
        match token.rsplit_once('.') {
            Some((version, place)) if version == self.catalog_version() => place.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| {
            let message = "`page_token` belongs to another version of the catalog; start again without it";
            Error::invalid("page_token", message)
        })
    }
}

fn meets(asset: &AssetRecord, request: &ListTokens, query: &str) -> bool {
    let names = || {
        let aliases = asset.aliases.iter().map(|alias| &alias.text);
        [&asset.id, &asset.symbol, &asset.name].into_iter().chain(aliases)
    };
    (query.is_empty() || names().any(|name| name.to_lowercase().contains(query)))
        && (request.categories.is_empty() || request.categories.contains(&asset.category))
        && request.rank_max.is_none_or(|max| asset.rank.is_some_and(|rank| rank <= max))
}

impl From<&AssetRecord> for Token {
    fn from(asset: &AssetRecord) -> Self {
        let formerly = asset.formerly.iter().map(|former| FormerName {
            symbol: former.symbol.clone(),
            name: former.name.clone(),
            until: former.until.clone(),
        });
        Self {
            token_id: asset.id.clone(),
            symbol: asset.symbol.clone(),
            name: asset.name.clone(),
            rank: asset.rank,
            category: asset.category,
            aliases: asset.aliases.iter().map(|alias| alias.text.clone()).collect(),
            formerly: formerly.collect(),
            markets: asset.markets.clone(),
        }
    }
}
