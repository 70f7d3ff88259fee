//! Reads records out of files and stdin.
//!
//! Owns the input formats and the errors of single records. A bad record never ends the reading; only an
//! input that cannot be opened or read does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::ArchiveError;
use crate::annotate::{ErrorRecord, RecordError};
use crate::mention::{ContentType, Document};

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

/// How records are written in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// One JSON object a line.
    JsonLines,
    /// The whole input is one HTML page.
    Html,
    /// The whole input is one plain text.
    Text,
}

impl InputFormat {
    /// The format that a file's extension tells.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "md" | "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// What a reader yields.
#[derive(Debug)]
pub enum Item {
    /// A document to tag.
    Record(Box<Tagged>),
    /// A record that cannot be read. `raw` is what is left of its bytes to set aside.
    Bad {
        /// Stands in the output in its place.
        error: ErrorRecord,
        /// Its bytes.
        raw: Vec<u8>,
    },
}

/// A document and what goes with it through the run.
#[derive(Debug, Default)]
pub struct Tagged {
    /// The document.
    pub document: Document,
    /// Every field that is no text, as it came: carried through.
    pub carried: Map<String, Value>,
    /// The record's bytes, with the line end.
    pub raw: Vec<u8>,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// Reads the inputs one after another.
pub struct Reader {
    inputs: std::vec::IntoIter<(Input, InputFormat)>,
    open: Option<Open>,
    bytes_max: usize,
    bytes_read: u64,
}

struct Open {
    name: String,
    format: InputFormat,
    source: Box<dyn BufRead + Send>,
    line: u64,
    done: bool,
}

impl Reader {
    /// A reader of `inputs`, in order. A record over `bytes_max` bytes is set aside.
    pub fn new(inputs: Vec<(Input, InputFormat)>, bytes_max: usize) -> Self {
        Self { inputs: inputs.into_iter(), open: None, bytes_max, bytes_read: 0 }
    }

    /// Bytes of input read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next record; `None` at the end of the last input. The bytes of a record too long to be held go
    /// straight to `rejected`.
    ///
    /// # Errors
    /// An input cannot be opened or read, or `rejected` not be written.
    pub fn next(&mut self, rejected: &mut dyn Write) -> Result<Option<Item>, ArchiveError> {
        loop {
            if self.open.as_ref().is_none_or(|open| open.done) {
                let Some((input, format)) = self.inputs.next() else { return Ok(None) };
                self.open = Some(Open::new(input, format)?);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let path = open.name.clone();
            let read = match open.format {
                InputFormat::JsonLines => open.next_line(self.bytes_max, rejected, &mut self.bytes_read),
                InputFormat::Html | InputFormat::Text => {
                    open.whole(self.bytes_max, rejected, &mut self.bytes_read).map(Some)
                }
            };
            match read.map_err(|source| ArchiveError::Read { path, source })? {
                Some(item) => return Ok(Some(item)),
                None => open.done = true,
            }
        }
    }
}

impl Open {
    fn new(input: Input, format: InputFormat) -> Result<Self, ArchiveError> {
        let (name, source): (String, Box<dyn BufRead + Send>) = match input {
            Input::Stdin => ("stdin".to_owned(), Box::new(BufReader::new(io::stdin()))),
            Input::Path(path) => {
                let name = path.display().to_string();
                let file =
                    File::open(&path).map_err(|source| ArchiveError::Read { path: name.clone(), source })?;
                (name, Box::new(BufReader::with_capacity(1 << 16, file)))
            }
        };
        Ok(Self { name, format, source, line: 0, done: false })
    }

    /// The next line that is not blank.
    fn next_line(
        &mut self,
        max: usize,
        rejected: &mut dyn Write,
        count: &mut u64,
    ) -> io::Result<Option<Item>> {
        loop {
            let mut raw = Vec::new();
            let read = self.limited(max).read_until(b'\n', &mut raw)?;
            if read == 0 {
                return Ok(None);
            }
            *count += read as u64;
            self.line += 1;
            let place = format!("{}:{}", self.name, self.line);
            if raw.len() > max && raw.last() != Some(&b'\n') {
                rejected.write_all(&raw)?;
                *count += skip_line(&mut self.source, rejected)?;
                return Ok(Some(too_long(place, max)));
            }
            let line = if self.line == 1 { raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw) } else { &raw };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Ok(Some(match parse_line(line) {
                Ok((document, carried)) => Item::Record(Box::new(Tagged { document, carried, raw, place })),
                Err((id, code, message)) => bad(id, code, message, place, raw),
            }));
        }
    }

    /// The whole input as one document.
    fn whole(&mut self, max: usize, rejected: &mut dyn Write, count: &mut u64) -> io::Result<Item> {
        self.done = true;
        let mut raw = Vec::new();
        let read = self.limited(max).read_to_end(&mut raw)?;
        *count += read as u64;
        let place = self.name.clone();
        if raw.len() > max {
            rejected.write_all(&raw)?;
            *count += io::copy(&mut self.source, rejected)?;
            return Ok(too_long(place, max));
        }
        let text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw);
        match std::str::from_utf8(text) {
            Ok(text) => {
                let document = Document {
                    id: Some(place.clone()),
                    body: text.to_owned(),
                    content_type: match self.format {
                        InputFormat::Html => ContentType::Html,
                        _ => ContentType::Plain,
                    },
                    ..Document::default()
                };
                Ok(Item::Record(Box::new(Tagged { document, carried: Map::new(), raw, place })))
            }
            Err(error) => {
                let (code, message) = not_utf8(error);
                Ok(bad(Some(place.clone()), code, message, place, raw))
            }
        }
    }

    /// The source, cut one byte after `max`, so that too long can be told from just fitting.
    fn limited(&mut self, max: usize) -> io::Take<&mut Box<dyn BufRead + Send>> {
        self.source.by_ref().take(max as u64 + 1)
    }
}

fn skip_line(source: &mut dyn BufRead, rejected: &mut dyn Write) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        rejected.write_all(&buffer[..length])?;
        source.consume(length);
        skipped += length as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

type LineError = (Option<String>, &'static str, String);

fn parse_line(line: &[u8]) -> Result<(Document, Map<String, Value>), LineError> {
    let line = std::str::from_utf8(line).map_err(|error| {
        let (code, message) = not_utf8(error);
        (None, code, message)
    })?;
    let mut carried: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        (None, "invalid_json", format!("not a JSON object ({error}); write one object a line"))
    })?;
    let id = match carried.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        Some(_) => return Err((None, "invalid_field", "`id` must be a text or a number".to_owned())),
    };
    let mut text = |field: &str| match carried.shift_remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err((id.clone(), "invalid_field", format!("`{field}` must be a text"))),
    };
    let title = text("title")?.unwrap_or_default();
    let (plain, html) = (text("text")?, text("html")?);
    let (body, content_type) = match (plain, html) {
        (Some(_), Some(_)) => {
            return Err((id, "invalid_field", "give `text` or `html`, not both".to_owned()));
        }
        (None, Some(html)) => (html, ContentType::Html),
        (plain, None) => (plain.unwrap_or_default(), ContentType::Plain),
    };
    let document = Document {
        id,
        title,
        body,
        content_type,
        published_at: carried.get("published_at").and_then(instant),
        language: carried.get("lang").and_then(Value::as_str).map(str::to_owned),
        ..Document::default()
    };
    Ok((document, carried))
}

/// An instant as archives write it: RFC 3339, a plain date (its first moment, UTC), unix seconds or
/// milliseconds. `None`: not readable as any of them.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    /// Larger numbers are milliseconds: as seconds they would lie beyond the year 5100.
    const SECONDS_MAX: i64 = 100_000_000_000;
    match value {
        Value::String(text) => text.parse().ok().or_else(|| {
            let date: jiff::civil::Date = text.parse().ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
        }),
        Value::Number(number) => {
            let number = number.as_i64()?;
            if number.abs() < SECONDS_MAX {
                Timestamp::from_second(number).ok()
            } else {
                Timestamp::from_millisecond(number).ok()
            }
        }
        _ => None,
    }
}

fn not_utf8(error: std::str::Utf8Error) -> (&'static str, String) {
    ("invalid_utf8", format!("not UTF-8 from byte {} on; convert the input to UTF-8", error.valid_up_to()))
}

fn too_long(place: String, max: usize) -> Item {
    let message = format!("longer than {max} bytes; raise --max-bytes");
    bad(None, "too_long", message, place, Vec::new())
}

fn bad(id: Option<String>, code: &str, message: String, place: String, raw: Vec<u8>) -> Item {
    Item::Bad { error: ErrorRecord { id, error: RecordError { code: code.to_owned(), message, place } }, raw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instants_are_read_as_archives_write_them() {
        for (value, instant) in [
            (json!("2026-01-12T08:30:00Z"), Some("2026-01-12T08:30:00Z")),
            (json!("2026-01-12T08:30:00+01:00"), Some("2026-01-12T07:30:00Z")),
            (json!("2026-01-12"), Some("2026-01-12T00:00:00Z")),
            (json!(1_768_206_600), Some("2026-01-12T08:30:00Z")),
            (json!(1_768_206_600_000_i64), Some("2026-01-12T08:30:00Z")),
            (json!("last week"), None),
            (json!(true), None),
        ] {
            let expected = instant.map(|text| text.parse::<Timestamp>().expect("a timestamp"));
            assert_eq!(super::instant(&value), expected, "{value}");
        }
    }
}
