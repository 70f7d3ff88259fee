//! Labelled texts: JSON Lines with the places of every mention (`data/labelled/README.md`).

use std::ops::Range;

use jiff::Timestamp;
use serde::Deserialize;

use crate::mention::{ContentType, Document, Field};

/// A text and what it mentions.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledText {
    /// The text.
    pub document: Document,
    /// What it mentions.
    pub mentions: Vec<Label>,
    /// What counts neither way.
    pub optional: Vec<Label>,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Id of the token.
    pub token_id: String,
    /// Title or body.
    pub field: Field,
    /// Bytes of that field.
    pub range: Range<usize>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    title: String,
    text: Option<String>,
    html: Option<String>,
    published_at: Option<String>,
    #[serde(default)]
    mentions: Vec<RowLabel>,
    #[serde(default)]
    optional: Vec<RowLabel>,
}

#[derive(Deserialize)]
struct RowLabel {
    token_id: String,
    field: String,
    start: usize,
    end: usize,
}

/// Reads labelled JSON Lines; blank lines are skipped.
///
/// # Errors
/// The number of the line, and what is wrong with it.
pub fn read(lines: &str) -> Result<Vec<LabelledText>, String> {
    let numbered = (1..).zip(lines.lines()).filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(number, line)| text(line).map_err(|error| format!("line {number}: {error}"))).collect()
}

fn text(line: &str) -> Result<LabelledText, String> {
    let row: Row = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let (body, content_type) = match row.html {
        Some(html) => (html, ContentType::Html),
        None => (row.text.unwrap_or_default(), ContentType::Plain),
    };
    let document = Document {
        id: Some(row.id),
        title: row.title,
        body,
        content_type,
        published_at: row.published_at.as_deref().map(instant).transpose()?,
        ..Document::default()
    };
    let labels = |rows: Vec<RowLabel>| {
        rows.into_iter().map(|row| label(&document, row)).collect::<Result<Vec<_>, _>>()
    };
    Ok(LabelledText {
        mentions: labels(row.mentions)?,
        optional: labels(row.optional)?,
        document: document.clone(),
    })
}

fn label(document: &Document, row: RowLabel) -> Result<Label, String> {
    let (field, text) = match row.field.as_str() {
        "title" => (Field::Title, &document.title),
        "text" | "body" | "html" => (Field::Body, &document.body),
        other => return Err(format!("unknown field `{other}`; use title or text")),
    };
    let byte = |codepoint: usize| {
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        ends.nth(codepoint).ok_or_else(|| format!("position {codepoint} lies beyond the {}", row.field))
    };
    let range = byte(row.start)?..byte(row.end)?;
    if range.is_empty() {
        return Err(format!("{}..{} holds no text", row.start, row.end));
    }
    Ok(Label { token_id: row.token_id, field, range })
}

/// RFC 3339, or a date, which means its first moment.
fn instant(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<jiff::civil::Date>().ok();
    let midnight = || jiff::tz::TimeZone::UTC.to_timestamp(date()?.at(0, 0, 0, 0)).ok();
    text.parse().ok().or_else(midnight).ok_or_else(|| format!("`{text}` is no date"))
}
