//! What differs between two catalogs that this server knows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Api, Error};
use crate::catalog::{Catalog, Change, diff};

const PAGE_SIZE_DEFAULT: u32 = 100;
/// The name of the catalog that is compiled in.
const BUILTIN: &str = "builtin";
/// So many catalogs that were in force are remembered.
const KNOWN_MAX: usize = 8;

/// Which two catalogs to compare.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffCatalog {
    /// Version of the earlier one, or `builtin`; empty = `builtin`.
    pub from_version: String,
    /// Version of the later one, or `builtin`; empty = the one in force.
    pub to_version: String,
    /// At most so many changes; 0 = the default.
    pub page_size: u32,
    /// `next_page_token` of the page before; empty = the first page.
    pub page_token: String,
}

/// One page of differences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogDiff {
    /// Version of the earlier one.
    pub from_version: String,
    /// Version of the later one.
    pub to_version: String,
    /// The page: assets first, in the order of the later one.
    pub changes: Vec<Change>,
    /// For the next page; empty = this was the last one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next_page_token: String,
    /// How many there are, on all pages.
    pub total_count: u32,
}

/// The catalogs that are or were in force, the newest first.
#[derive(Clone, Debug)]
pub(super) struct KnownCatalogs(Arc<[Arc<Catalog>]>);

impl KnownCatalogs {
    pub(super) fn new(in_force: &Arc<Catalog>) -> Self {
        Self([Arc::clone(in_force)].into())
    }

    /// Another one comes into force.
    pub(super) fn and(&self, in_force: &Arc<Catalog>) -> Self {
        let others = self.0.iter().filter(|known| known.version() != in_force.version());
        Self(std::iter::once(in_force).chain(others).take(KNOWN_MAX).cloned().collect())
    }

    fn find(&self, version: &str, field: &str) -> Result<Arc<Catalog>, Error> {
        if version == BUILTIN {
            return Ok(Catalog::builtin());
        }
        if let Some(known) = self.0.iter().find(|known| known.version() == version) {
            return Ok(Arc::clone(known));
        }
        let builtin = Catalog::builtin();
        if builtin.version() == version {
            return Ok(builtin);
        }
        let known: Vec<_> = self.0.iter().map(|known| known.version()).collect();
        let message =
            format!("no catalog `{version}` is known here; known are {BUILTIN}, {}", known.join(", "));
        Err(Error::not_found(field, message))
    }
}

impl Api {
    /// What differs between two catalogs: the built-in one, the one in force, and those that were in force
    /// since the start. Some milliseconds of work.
    ///
    /// # Errors
    /// A version that is not known, a page that is too long, or a page token of another comparison.
    pub fn diff_catalog(&self, request: &DiffCatalog) -> Result<CatalogDiff, Error> {
        let max = self.limits.page_size_max;
        if request.page_size > max {
            let what = format!("a page of {} changes is asked for", request.page_size);
            return Err(Error::over_limit("page_size", what, "page_size_max", max));
        }
        let page_size = if request.page_size == 0 { PAGE_SIZE_DEFAULT.min(max) } else { request.page_size };
        let or = |version: &str, default: &str| match version {
            "" => default.to_owned(),
            version => version.to_owned(),
        };
        let from = self.known.find(&or(&request.from_version, BUILTIN), "from_version")?;
        let to = self.known.find(&or(&request.to_version, self.catalog_version()), "to_version")?;
        let versions = format!("{}..{}", from.version(), to.version());
        let start = start(&request.page_token, &versions)?;
        let mut changes = diff(from.file(), to.file());
        let total = changes.len();
        let end = total.min(start.saturating_add(page_size as usize));
        changes.truncate(end);
        changes.drain(..start.min(end));
        Ok(CatalogDiff {
            from_version: from.version().to_owned(),
            to_version: to.version().to_owned(),
            changes,
            next_page_token: if end < total { format!("{versions}.{end}") } else { String::new() },
            total_count: u32::try_from(total).unwrap_or(u32::MAX),
        })
    }
}

/// Where the page begins. The token carries both versions, one of which may be "the one in force".
fn start(token: &str, versions: &str) -> Result<usize, Error> {
    if token.is_empty() {
        return Ok(0);
    }
    let place = token.strip_prefix(versions).and_then(|place| place.strip_prefix('.'));
    place.and_then(|place| place.parse().ok()).ok_or_else(|| {
        let message = "`page_token` belongs to a comparison of other versions; start again without it";
        Error::invalid("page_token", message)
    })
}
