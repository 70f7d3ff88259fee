//! What differs between two catalogs, named. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::file::{AssetRecord, BlockerRecord, CatalogFile};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Only the second catalog has this asset (id, ticker, name).
    AssetAdded(String, String, String),
    /// Only the first one has it.
    AssetRemoved(String, String, String),
    /// A field of an asset: id, field, before, after. Lists tell only what was added or removed.
    Asset(String, String, Option<String>, Option<String>),
    /// Only the second catalog has this blocker.
    BlockerAdded(String),
    /// Only the first one has it.
    BlockerRemoved(String),
    /// A field of a blocker: text, field, before, after.
    Blocker(String, String, Option<String>, Option<String>),
    /// Whom a ticker is pinned to.
    Pin(String, Option<String>, Option<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved =
            |f: &mut fmt::Formatter<'_>, what: &str, before: &Option<String>, after: &Option<String>| match (
                before, after,
            ) {
                (Some(before), Some(after)) => write!(f, "~ {what}: {before} -> {after}"),
                (None, Some(after)) => write!(f, "~ {what}: + {after}"),
                (Some(before), None) => write!(f, "~ {what}: - {before}"),
                (None, None) => Ok(()),
            };
        match self {
            Self::AssetAdded(id, symbol, name) => write!(f, "+ asset {id} ({symbol}, {name})"),
            Self::AssetRemoved(id, symbol, name) => write!(f, "- asset {id} ({symbol}, {name})"),
            Self::Asset(id, field, before, after) => moved(f, &format!("asset {id} {field}"), before, after),
            Self::BlockerAdded(text) => write!(f, "+ blocker `{text}`"),
            Self::BlockerRemoved(text) => write!(f, "- blocker `{text}`"),
            Self::Blocker(text, field, before, after) => {
                moved(f, &format!("blocker `{text}` {field}"), before, after)
            }
            Self::Pin(symbol, before, after) => moved(f, &format!("pin {symbol}"), before, after),
        }
    }
}

/// Everything that differs, assets first, in the order of the second catalog.
pub fn diff(before: &CatalogFile, after: &CatalogFile) -> Vec<Change> {
    let mut changes = Vec::new();
    let old: BTreeMap<&str, &AssetRecord> =
        before.assets.iter().map(|asset| (asset.id.as_str(), asset)).collect();
    let new: BTreeMap<&str, &AssetRecord> =
        after.assets.iter().map(|asset| (asset.id.as_str(), asset)).collect();
    for asset in &after.assets {
        match old.get(asset.id.as_str()) {
            None => {
                changes.push(Change::AssetAdded(asset.id.clone(), asset.symbol.clone(), asset.name.clone()))
            }
            Some(old) => fields(*old, asset, |field, before, after| {
                changes.push(Change::Asset(asset.id.clone(), field, before, after));
            }),
        }
    }
    for asset in before.assets.iter().filter(|asset| !new.contains_key(asset.id.as_str())) {
        changes.push(Change::AssetRemoved(asset.id.clone(), asset.symbol.clone(), asset.name.clone()));
    }
    let old: BTreeMap<&str, &BlockerRecord> = before.blockers.iter().map(|b| (b.text.as_str(), b)).collect();
    let new: BTreeMap<&str, &BlockerRecord> = after.blockers.iter().map(|b| (b.text.as_str(), b)).collect();
    for (text, blocker) in &new {
        match old.get(text) {
            None => changes.push(Change::BlockerAdded((*text).to_owned())),
            Some(old) => fields(*old, *blocker, |field, before, after| {
                changes.push(Change::Blocker((*text).to_owned(), field, before, after));
            }),
        }
    }
    let removed = old.keys().filter(|text| !new.contains_key(*text));
    changes.extend(removed.map(|text| Change::BlockerRemoved((*text).to_owned())));
    let symbols: std::collections::BTreeSet<_> = before.pin.keys().chain(after.pin.keys()).collect();
    for symbol in symbols {
        let (before, after) = (before.pin.get(symbol), after.pin.get(symbol));
        if before != after {
            changes.push(Change::Pin(symbol.clone(), before.cloned(), after.cloned()));
        }
    }
    changes
}

/// Compares two records field by field as they are written, so that a new field is never forgotten here.
fn fields<T: serde::Serialize>(
    before: &T,
    after: &T,
    mut tell: impl FnMut(String, Option<String>, Option<String>),
) {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return;
    };
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    for field in after.keys().chain(gone) {
        let (old, new) = (before.get(field), after.get(field));
        match (old, new) {
            _ if old == new => {}
            (Some(Value::Array(_)) | None, Some(Value::Array(_)) | None) => {
                let items =
                    |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
                let (old, new) = (items(old), items(new));
                let mut said = false;
                for item in old.iter().filter(|item| !new.contains(item)) {
                    said = true;
                    tell(field.clone(), Some(word(item)), None);
                }
                for item in new.iter().filter(|item| !old.contains(item)) {
                    said = true;
                    tell(field.clone(), None, Some(word(item)));
                }
                if !said {
                    tell(field.clone(), Some("its order".to_owned()), Some("another".to_owned()));
                }
            }
            (Some(Value::Object(_)) | None, Some(Value::Object(_)) | None) => {
                let none = serde_json::Map::new();
                let map = |value: Option<&'_ Value>| {
                    value.and_then(Value::as_object).cloned().unwrap_or(none.clone())
                };
                let (old, new) = (map(old), map(new));
                let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
                for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
                    tell(format!("{field}.{key}"), old.get(key).map(word), new.get(key).map(word));
                }
            }
            (old, new) => tell(field.clone(), old.map(word), new.map(word)),
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let catalog = |text: &str| toml::from_str::<CatalogFile>(text).unwrap();
        let asset = "symbol_class = \"c\"\nname_class = \"a\"\n";
        let before = catalog(&format!(
            "pin = {{ A = \"a\" }}\n[[asset]]\nid = \"a\"\nsymbol = \"A\"\nname = \"Alpha\"\nrank = 5\n{asset}\
             aliases = [{{ text = \"Al\", kind = \"nickname\", case = \"any\", class = \"a\" }}]\n\
             markets = {{ coingecko = \"a\" }}\n[[asset]]\nid = \"b\"\nsymbol = \"B\"\nname = \"Beta\"\n{asset}\
             [[blocker]]\ntext = \"Alpha Centauri\"\nkind = \"place\"\ncase = \"any\"\n"
        ));
        let after = catalog(&format!(
            "[[asset]]\nid = \"a\"\nsymbol = \"AA\"\nname = \"Alpha\"\n{}context = [\"chain\"]\n\
             markets = {{ coingecko = \"a\", binance = \"A\" }}\n[[asset]]\nid = \"c\"\nsymbol = \"C\"\nname = \"Gamma\"\n{asset}\
             [[blocker]]\ntext = \"Alphabet\"\nkind = \"company\"\ncase = \"any\"\n",
            asset.replace('c', "c").replace("\"c\"", "\"b\"")
        ));
        let told: Vec<_> = diff(&before, &after).iter().map(ToString::to_string).collect();
        for change in [
            "~ asset a symbol: A -> AA",
            "~ asset a symbol_class: c -> b",
            "~ asset a rank: - 5",
            "~ asset a markets.binance: + A",
            "~ asset a context: + chain",
            "+ asset c (C, Gamma)",
            "- asset b (B, Beta)",
            "+ blocker `Alphabet`",
            "- blocker `Alpha Centauri`",
            "~ pin A: - a",
        ] {
            assert!(told.iter().any(|told| told == change), "{change} in {told:#?}");
        }
        assert!(
            told.iter().any(|told| told.starts_with("~ asset a aliases: - {\"text\":\"Al\"")),
            "{told:#?}"
        );
        assert_eq!(told.len(), 11, "{told:#?}");
        assert_eq!(diff(&before, &before), []);
    }
}
