//! What is known of the past: each price is fetched once ever.
//!
//! An embedded store in the state directory, one process at a time. Without a directory, or while another
//! process holds it, it lives in memory: that costs calls later, never correctness. Never fetches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use rust_decimal::Decimal;

use super::point::{Hour, Past};

const FILE: &str = "past_prices.redb";
/// Enough for the upper pages of the tree; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Our token id, hour, source → time in milliseconds and price; with an empty price: when it was asked for in vain.
const POINTS: TableDefinition<'static, (&str, u32, &str), (i64, &str)> = TableDefinition::new("points");

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// One process at a time.
    #[error("{} is in use by another cointag process; stop it, or give another --state-dir", .0.display())]
    InUse(PathBuf),
    /// Anything else that the file system or the file holds against it.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// What the store knows of one point at one source.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Never asked.
    Unknown,
    /// Asked in vain at this time.
    Missing(Timestamp),
    /// The price.
    Known(Past),
}

/// One row as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) token: String,
    pub(super) hour: Hour,
    pub(super) source: String,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) struct Store {
    db: Database,
    path: PathBuf,
}

/// The stores that this process holds: after a reload two catalogs share one.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Store>>> = Mutex::new(BTreeMap::new());

impl Store {
    /// The store in `state_dir`, or the one that this process holds there already.
    pub(super) fn open(state_dir: &Path) -> Result<Arc<Self>, StoreError> {
        let path = state_dir.join(FILE);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(store);
        }
        let store = Arc::new(Self::create(state_dir, &path)?);
        open.insert(path, Arc::downgrade(&store));
        Ok(store)
    }

    fn create(state_dir: &Path, path: &Path) -> Result<Self, StoreError> {
        let unusable = |problem: String| StoreError::Unusable { path: path.to_owned(), problem };
        std::fs::create_dir_all(state_dir).map_err(|error| unusable(error.to_string()))?;
        let db =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
                other => unusable(other.to_string()),
            })?;
        Self { db, path: path.to_owned() }.with_table()
    }

    /// A store that ends with the process.
    pub(super) fn in_memory() -> Result<Arc<Self>, StoreError> {
        let path = PathBuf::from("memory");
        let backend = redb::backends::InMemoryBackend::new();
        let db = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        let db =
            db.map_err(|error| StoreError::Unusable { path: path.clone(), problem: error.to_string() })?;
        Self { db, path }.with_table().map(Arc::new)
    }

    pub(super) fn get(&self, token: &str, hour: Hour, source: &str) -> Result<Found, StoreError> {
        let read = || -> Result<Found, redb::Error> {
            let table = self.db.begin_read()?.open_table(POINTS)?;
            let Some(value) = table.get((token, hour.0, source))? else { return Ok(Found::Unknown) };
            Ok(found(value.value()))
        };
        read().map_err(|error| self.unusable(&error))
    }

    /// Writes rows in one transaction. A known price is never replaced; tells how many rows were new.
    pub(super) fn put(&self, rows: &[Row]) -> Result<usize, StoreError> {
        let write = || -> Result<usize, redb::Error> {
            let mut new = 0;
            let transaction = self.db.begin_write()?;
            {
                let mut table = transaction.open_table(POINTS)?;
                for Row { token, hour, source, found } in rows {
                    let key = (token.as_str(), hour.0, source.as_str());
                    let known = table.get(key)?.is_some_and(|value| !value.value().1.is_empty());
                    if known {
                        continue;
                    }
                    match found {
                        Found::Unknown => continue,
                        Found::Missing(tried) => table.insert(key, (tried.as_millisecond(), ""))?,
                        Found::Known(past) => {
                            let price = past.price.normalize().to_string();
                            table.insert(key, (past.as_of.as_millisecond(), price.as_str()))?
                        }
                    };
                    new += 1;
                }
            }
            transaction.commit()?;
            Ok(new)
        };
        write().map_err(|error| self.unusable(&error))
    }

    /// Hands every row to `each`, in the order of the keys, until it refuses.
    pub(super) fn each<E>(
        &self,
        mut each: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        let mut read = || -> Result<Result<(), E>, redb::Error> {
            let table = self.db.begin_read()?.open_table(POINTS)?;
            for entry in table.iter()? {
                let (key, value) = entry?;
                let (token, hour, source) = key.value();
                let row = Row {
                    token: token.to_owned(),
                    hour: Hour(hour),
                    source: source.to_owned(),
                    found: found(value.value()),
                };
                if let Err(error) = each(row) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        };
        read().map_err(|error| self.unusable(&error))
    }

    fn with_table(self) -> Result<Self, StoreError> {
        let make = || -> Result<(), redb::Error> {
            let transaction = self.db.begin_write()?;
            transaction.open_table(POINTS)?;
            Ok(transaction.commit()?)
        };
        make().map_err(|error| self.unusable(&error))?;
        Ok(self)
    }

    fn unusable(&self, error: &redb::Error) -> StoreError {
        StoreError::Unusable { path: self.path.clone(), problem: error.to_string() }
    }
}

/// A row that cannot be read is as good as none.
fn found((millis, price): (i64, &str)) -> Found {
    let Ok(time) = Timestamp::from_millisecond(millis) else { return Found::Unknown };
    if price.is_empty() {
        return Found::Missing(time);
    }
    match price.parse::<Decimal>() {
        Ok(price) if price > Decimal::ZERO => Found::Known(Past { price, as_of: time }),
        _ => Found::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(price: Option<&str>) -> Row {
        let as_of: Timestamp = "2024-03-05T12:00:07Z".parse().unwrap();
        let found = match price {
            Some(price) => Found::Known(Past { price: price.parse().unwrap(), as_of }),
            None => Found::Missing(as_of),
        };
        Row { token: "bitcoin".to_owned(), hour: Hour(474_828), source: "defillama".to_owned(), found }
    }

    #[test]
    fn a_price_survives_a_restart_exactly_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let get = |store: &Store| store.get("bitcoin", Hour(474_828), "defillama").unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            assert_eq!(get(&store), Found::Unknown);
            store.put(&[row(None)]).unwrap();
            assert_eq!(get(&store), row(None).found);
            assert_eq!(store.put(&[row(Some("0.0000000000782"))]).unwrap(), 1);
            assert_eq!(store.put(&[row(Some("5")), row(None)]).unwrap(), 0);
            let other = Database::create(dir.path().join(FILE));
            assert!(matches!(other, Err(redb::DatabaseError::DatabaseAlreadyOpen)), "one process at a time");
            let again = Store::open(dir.path()).unwrap();
            assert_eq!(get(&again), get(&store), "this process may look twice");
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(get(&store), row(Some("0.0000000000782")).found);
        assert_eq!(store.get("bitcoin", Hour(474_828), "binance").unwrap(), Found::Unknown);
        let mut rows = Vec::new();
        let keep = |row| {
            rows.push(row);
            Ok::<_, ()>(())
        };
        store.each(keep).unwrap().unwrap();
        assert_eq!(rows, [row(Some("0.0000000000782"))]);
    }
}
