//! What differs between two catalogs, named. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{AssetRecord, BlockerRecord, CatalogFile};

/// One difference. A list tells each item that came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// The asset's id, the blocker's text or the ticker.
    pub id: String,
    /// Which of its fields. `None`: the whole, which came, went or was pinned anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// As it was; `None`: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it is now; `None`: it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An asset.
    Asset,
    /// A blocker.
    Blocker,
    /// Whom a ticker is pinned to.
    Pin,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.subject {
            Subject::Asset => format!("asset {}", self.id),
            Subject::Blocker => format!("blocker `{}`", self.id),
            Subject::Pin => format!("pin {}", self.id),
        };
        match (&self.field, &self.before, &self.after) {
            (None, None, Some(after)) => write!(f, "+ {name} ({after})"),
            (None, Some(before), None) => write!(f, "- {name} ({before})"),
            (None, before, after) => {
                write!(f, "~ {name}: {} -> {}", told(before.as_deref()), told(after.as_deref()))
            }
            (Some(field), None, Some(after)) => write!(f, "~ {name} {field}: + {after}"),
            (Some(field), Some(before), None) => write!(f, "~ {name} {field}: - {before}"),
            (Some(field), before, after) => {
                write!(f, "~ {name} {field}: {} -> {}", told(before.as_deref()), told(after.as_deref()))
            }
        }
    }
}

fn told(value: Option<&str>) -> &str {
    value.unwrap_or("nothing")
}

/// Everything that differs, assets first, in the order of the second catalog.
pub fn diff(before: &CatalogFile, after: &CatalogFile) -> Vec<Change> {
    let mut changes = Vec::new();
    records(
        (Subject::Asset, &before.assets, &after.assets),
        |asset: &AssetRecord| (asset.id.as_str(), format!("{}, {}", asset.symbol, asset.name)),
        &mut changes,
    );
    records(
        (Subject::Blocker, &before.blockers, &after.blockers),
        |blocker: &BlockerRecord| (blocker.text.as_str(), word_of(&blocker.kind)),
        &mut changes,
    );
    let symbols: BTreeSet<_> = before.pin.keys().chain(after.pin.keys()).collect();
    for symbol in symbols {
        let (before, after) = (before.pin.get(symbol).cloned(), after.pin.get(symbol).cloned());
        if before != after {
            changes.push(Change { subject: Subject::Pin, id: symbol.clone(), field: None, before, after });
        }
    }
    changes
}

/// Records that came, went or changed; `name` gives the id of one and what to call it.
fn records<T: Serialize>(
    (subject, before, after): (Subject, &[T], &[T]),
    name: impl Fn(&T) -> (&str, String),
    changes: &mut Vec<Change>,
) {
    let ids = |records| -> BTreeMap<String, &T> {
        <[T]>::iter(records).map(|record| (name(record).0.to_owned(), record)).collect()
    };
    let (old, new) = (ids(before), ids(after));
    for record in after {
        let (id, called) = name(record);
        let change = |field, before, after| Change { subject, id: id.to_owned(), field, before, after };
        match old.get(id) {
            None => changes.push(change(None, None, Some(called))),
            Some(old) => fields(*old, record, |field, before, after| {
                changes.push(change(Some(field), before, after));
            }),
        }
    }
    for record in before {
        let (id, called) = name(record);
        if !new.contains_key(id) {
            changes.push(Change {
                subject,
                id: id.to_owned(),
                field: None,
                before: Some(called),
                after: None,
            });
        }
    }
}

fn word_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).map_or_else(|_| String::new(), |value| word(&value))
}

/// Compares two records field by field as they are written, so that a new field is never forgotten here.
fn fields<T: Serialize>(before: &T, after: &T, mut tell: impl FnMut(String, Option<String>, Option<String>)) {
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
                let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
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
            asset.replace("\"c\"", "\"b\"")
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
            "+ blocker `Alphabet` (company)",
            "- blocker `Alpha Centauri` (place)",
            "- pin A (a)",
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
