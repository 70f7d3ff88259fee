//! The columns of what is carried through, for outputs whose columns are fixed before the first record.
//!
//! Owns which column a value fits. What fits none goes into one more column, `other`, as JSON: nothing is lost.

use std::borrow::Cow;

use arrow_schema::DataType;

use super::super::block::{Carried, Cell};

/// Names that belong to the record in JSON; a carried field of the same name is left out.
pub(super) const OWN_IN_JSON: &[&str] =
    &["id", "catalog_version", "detector_version", "mentions", "ambiguous", "rejected", "error"];

/// Further names that belong to the record in outputs with columns.
const OWN_COLUMNS: &[&str] = &["tokens", "error_code", "error_message", "error_place", "other"];

fn is_own(name: &str) -> bool {
    OWN_IN_JSON.contains(&name) || OWN_COLUMNS.contains(&name)
}

/// What is carried through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// In the order of the input.
    pub(crate) list: Vec<Column>,
    /// Whether records may have fields that are not in the list.
    pub(crate) other: bool,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnKind {
    Text,
    Int,
    Float,
    Bool,
    /// JSON as text.
    Json,
    /// As the input has it.
    Arrow(DataType),
}

impl ColumnKind {
    /// The kind of a JSON value; `None`: null tells nothing.
    pub(crate) fn of_json(json: &str) -> Option<Self> {
        Some(match json.as_bytes().first()? {
            b'n' => return None,
            b'"' => Self::Text,
            b't' | b'f' => Self::Bool,
            b'[' | b'{' => Self::Json,
            _ if json.parse::<i64>().is_ok() => Self::Int,
            _ if json.contains(['.', 'e', 'E']) => Self::Float,
            _ => Self::Json,
        })
    }

    /// The kind of a column that holds both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (one, other) if one == other => one,
            _ => Self::Json,
        }
    }

    fn fits(&self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Text | Self::Json, Cell::Text(_)) | (Self::Json | Self::Arrow(_), Cell::Json(_)) => true,
            (kind, Cell::Json(json)) => match (kind, Self::of_json(json)) {
                (_, None) | (Self::Float, Some(Self::Int)) => true,
                (kind, Some(own)) => *kind == own,
            },
            (_, Cell::Text(_)) => false,
        }
    }
}

impl Columns {
    /// Without those whose names belong to the record.
    pub(super) fn not_own(mut self) -> Self {
        self.list.retain(|column| !is_own(&column.name));
        self
    }

    /// The cell of each column, and what fits none of them as one JSON object.
    pub(super) fn place<'c>(&self, carried: &'c Carried<'_>) -> (Vec<Option<&'c Cell<'c>>>, Option<String>) {
        let mut cells = vec![None; self.list.len()];
        let mut other = Vec::new();
        for (name, cell) in carried {
            if is_own(name) {
                continue;
            }
            match self.list.iter().position(|column| column.name == *name) {
                Some(at) if self.list[at].kind.fits(cell) => cells[at] = Some(cell),
                _ => other.push((name, cell)),
            }
        }
        let mut json = String::new();
        for (name, cell) in &other {
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push_str(&quoted(name));
            json.push(':');
            json.push_str(&cell.json());
        }
        if !json.is_empty() {
            json.push('}');
        }
        (cells, (!json.is_empty()).then_some(json))
    }
}

impl Cell<'_> {
    /// As JSON.
    pub(super) fn json(&self) -> Cow<'_, str> {
        match self {
            Cell::Text(text) => Cow::Owned(quoted(text)),
            Cell::Json(json) => Cow::Borrowed(json),
        }
    }

    /// As the cell of a table: a text itself, anything else as JSON, nothing for null.
    pub(super) fn plain(&self) -> Cow<'_, str> {
        match self {
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Json(json) if json.starts_with('"') => {
                serde_json::from_str(json).map_or(Cow::Borrowed(json.as_ref()), Cow::Owned)
            }
            Cell::Json(json) if json == "null" => Cow::Borrowed(""),
            Cell::Json(json) => Cow::Borrowed(json),
        }
    }
}

/// `text` as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_no_column_is_kept_in_other() {
        let kinds = ["1", "2.5"].map(|json| ColumnKind::of_json(json).unwrap());
        let [int, float] = kinds;
        assert_eq!(int.clone().and(float), ColumnKind::Float);
        assert_eq!(ColumnKind::of_json("123456789012345678901234567890"), Some(ColumnKind::Json));
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = Columns { list: vec![column("n", int), column("url", ColumnKind::Text)], other: true };
        let json = |text: &'static str| Cell::Json(text.into());
        let carried: Carried<'_> = vec![
            ("url".into(), json(r#""https://x""#)),
            ("n".into(), json(r#""seven""#)),
            ("new \"field\"".into(), json("[1, 2]")),
            ("mentions".into(), json("[]")),
        ];
        let (cells, other) = columns.place(&carried);
        assert_eq!(cells, [None, Some(&carried[0].1)]);
        assert_eq!(other.as_deref(), Some(r#"{"n":"seven","new \"field\"":[1, 2]}"#));
        assert_eq!(carried[0].1.plain(), "https://x");
    }
}
