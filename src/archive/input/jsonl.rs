//! JSON Lines in: one object a line.
//!
//! Owns its parsing. Values that are carried through are kept as they were written, never read and written again.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::block::{
    Article, Block, Carried, Cell, Data, Parsed, Position, bad, lines, not_utf8, place, too_long,
};
use super::super::fields::{Fields, Reading};
use super::super::instant;
use super::super::output::{Column, ColumnKind, Columns};
use super::super::source::Entry;
use super::lines::{Cutter, Limits, Lines};
use super::{Cut, Format};
use crate::annotate::ErrorRecord;
use crate::mention::{ContentType, Document};

/// So much of the first input is looked at to learn which fields there are.
const SAMPLE: usize = 256 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The format.
pub(super) struct JsonLines {
    limits: Limits,
    columns: Columns,
}

impl JsonLines {
    /// With `sample`, learns the columns from the beginning of `first`.
    pub(super) fn new(
        first: &Entry,
        reading: &Reading,
        limits: Limits,
        sample: bool,
    ) -> io::Result<(Self, Option<Box<dyn Cut>>)> {
        let mut columns = Columns { list: Vec::new(), other: true };
        let mut stdin: Option<Box<dyn Cut>> = None;
        if sample {
            let mut cutter = cutter(first, Position::default(), limits, Arc::default())?;
            let head = cutter.peek(SAMPLE)?;
            for line in head.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
                learn(&mut columns.list, line, &reading.fields);
            }
            if first.path.is_none() {
                stdin = Some(Box::new(cutter));
            }
        }
        Ok((Self { limits, columns }, stdin))
    }
}

fn cutter(entry: &Entry, at: Position, limits: Limits, read: Arc<AtomicU64>) -> io::Result<Cutter<Lines>> {
    let source = entry.open_at(at.offset, read)?;
    let mut cutter = Cutter::new(source, Arc::clone(&entry.name), limits, Lines, (at.offset, at.line));
    if at.offset == 0 && cutter.peek(BYTE_ORDER_MARK.len())? == BYTE_ORDER_MARK {
        cutter.pass(BYTE_ORDER_MARK.len());
    }
    Ok(cutter)
}

/// Adds the fields of `line` to `columns`; a field of several kinds is JSON.
fn learn(columns: &mut Vec<Column>, line: &[u8], fields: &Fields) {
    let Ok(line) = std::str::from_utf8(line) else { return };
    let Ok(record) = read(line, fields) else { return };
    for (name, value) in record.carried {
        let Cell::Json(json) = value else { continue };
        let Some(kind) = ColumnKind::of_json(&json) else { continue };
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) => column.kind = column.kind.clone().and(kind),
            None => columns.push(Column { name: name.into_owned(), kind }),
        }
    }
}

impl Format for JsonLines {
    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn open(&self, entry: &Entry, at: Position, read: Arc<AtomicU64>) -> io::Result<Box<dyn Cut>> {
        Ok(Box::new(cutter(entry, at, self.limits, read)?))
    }

    fn parse<'b>(&self, block: &'b Block, reading: &Reading) -> Vec<Parsed<'b>> {
        let Data::Text(text) = &block.data else { return Vec::new() };
        let lines = lines(text).zip(block.line + 1..);
        lines
            .filter(|(line, _)| !is_blank(line))
            .map(|(raw, line)| {
                let (article, carried) = parse_line(raw, &block.name, line, reading);
                Parsed { article, carried, raw: Some(Cow::Borrowed(raw)), line }
            })
            .collect()
    }

    fn count(&self, block: &Block) -> usize {
        let Data::Text(text) = &block.data else { return 0 };
        lines(text).filter(|line| !is_blank(line)).count()
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn parse_line<'b>(
    raw: &'b [u8],
    name: &str,
    line: u64,
    reading: &Reading,
) -> (Result<Article, ErrorRecord>, Carried<'b>) {
    let place = || place(name, line);
    if raw.strip_suffix(b"\n").unwrap_or(raw).len() > reading.max_bytes {
        return (Err(too_long(place(), reading.max_bytes)), Vec::new());
    }
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => return (Err(not_utf8(None, error, place())), Vec::new()),
    };
    let record = match read(text, &reading.fields) {
        Ok(record) => record,
        Err(error) => {
            let message = format!("not a JSON object ({error}); write one object a line");
            return (Err(bad(None, "invalid_json", message, place())), Vec::new());
        }
    };
    article(record, reading, place)
}

/// The article of a record whose fields have been told apart.
fn article<'b>(
    record: Fielded<'b>,
    reading: &Reading,
    place: impl Fn() -> String,
) -> (Result<Article, ErrorRecord>, Carried<'b>) {
    let names = &reading.fields;
    let Fielded { id, title, text, html, published_at, lang, carried } = record;
    let wrong = |id: Option<String>, message: String| Err(bad(id, "invalid_field", message, place()));
    let id = match id.as_deref().map(str::as_bytes) {
        None => None,
        Some([b'"', ..]) => id.as_deref().and_then(|id| serde_json::from_str(id).ok()),
        Some([b'-' | b'0'..=b'9', ..]) => id.map(Cow::into_owned),
        Some(b"null") => None,
        Some(_) => return (wrong(None, format!("`{}` must be a text or a number", names.id)), carried),
    };
    let mut texts = [None, None, None];
    for ((slot, value), name) in
        texts.iter_mut().zip([title, text, html]).zip([&names.title, &names.text, &names.html])
    {
        match value {
            Value::None => {}
            Value::Text(text) => *slot = Some(text.into_owned()),
            Value::Other => return (wrong(id, format!("`{name}` must be a text")), carried),
        }
    }
    let [title, text, html] = texts;
    let (body, content_type) = match (text, html) {
        (Some(_), Some(_)) => {
            return (wrong(id, format!("give `{}` or `{}`, not both", names.text, names.html)), carried);
        }
        (None, Some(html)) => (html, ContentType::Html),
        (text, None) => (text.unwrap_or_default(), ContentType::Plain),
    };
    let published = published_at.as_deref().and_then(instant::of_json);
    let given = published_at.as_deref().is_some_and(|json| json != "null" && json != "\"\"");
    if published.is_none() && given && reading.strict_published_at {
        let error = bad(id, "invalid_published_at", no_instant(&names.published_at), place());
        return (Err(error), carried);
    }
    let document = Document {
        id,
        title: title.unwrap_or_default(),
        body,
        content_type,
        published_at: published,
        language: lang.as_deref().and_then(|lang| serde_json::from_str(lang).ok()),
        ..Document::default()
    };
    (Ok(Article { document, before: String::new() }), carried)
}

/// What to tell of a record whose time of publication cannot be read.
pub(super) fn no_instant(name: &str) -> String {
    format!("`{name}` must be RFC 3339, a date, or unix seconds or milliseconds to be priced at publication")
}

/// A text of the article.
#[derive(Debug, Default)]
enum Value<'b> {
    #[default]
    None,
    Text(Cow<'b, str>),
    Other,
}

/// A record with its own fields told apart; ids, instants and languages as JSON.
#[derive(Debug, Default)]
struct Fielded<'b> {
    id: Option<Cow<'b, str>>,
    title: Value<'b>,
    text: Value<'b>,
    html: Value<'b>,
    published_at: Option<Cow<'b, str>>,
    lang: Option<Cow<'b, str>>,
    carried: Carried<'b>,
}

fn read<'b>(line: &'b str, fields: &Fields) -> Result<Fielded<'b>, serde_json::Error> {
    struct Object<'f>(&'f Fields);
    impl<'b> Visitor<'b> for Object<'_> {
        type Value = Fielded<'b>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Fielded<'b>, A::Error> {
            let mut record = Fielded::default();
            while let Some(Key(key)) = map.next_key()? {
                let names = self.0;
                if *key == names.text {
                    record.text = map.next_value()?;
                } else if *key == names.title {
                    record.title = map.next_value()?;
                } else if *key == names.html {
                    record.html = map.next_value()?;
                } else {
                    let json = Cow::Borrowed(map.next_value::<&RawValue>()?.get());
                    let own = [
                        (&names.id, &mut record.id),
                        (&names.published_at, &mut record.published_at),
                        (&names.lang, &mut record.lang),
                    ];
                    for (name, slot) in own {
                        if *key == *name {
                            *slot = Some(json.clone());
                        }
                    }
                    // As in JSON elsewhere, the last of two values of one name holds.
                    match record.carried.iter_mut().find(|(name, _)| *name == key) {
                        Some((_, value)) => *value = Cell::Json(json),
                        None => record.carried.push((key, Cell::Json(json))),
                    }
                }
            }
            Ok(record)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let record = deserializer.deserialize_map(Object(fields))?;
    deserializer.end()?;
    Ok(record)
}

/// A name, borrowed where it has no escapes.
struct Key<'b>(Cow<'b, str>);

impl<'b> Deserialize<'b> for Key<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a name must be a text")),
        }
    }
}

impl<'b> Deserialize<'b> for Value<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'b> Visitor<'b> for Any {
            type Value = Value<'b>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value<'b>, E> {
                Ok(Value::None)
            }

            fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Value<'b>, E> {
                Ok(Value::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'b>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Value<'b>, E> {
                Ok(Value::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Value<'b>, E> {
                Ok(Value::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Value<'b>, E> {
                Ok(Value::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Value<'b>, E> {
                Ok(Value::Other)
            }

            fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<Value<'b>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Value<'b>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_carried_as_they_were_written() {
        let line = r#"{"id":7,"n":1.50,"big":123456789012345678901234567890,"o":{"a": [1 ,2]},"n":2e0,"body":"x\ny","é\"":null}"#;
        let mut reading = Reading::default();
        reading.fields.map("text=body").unwrap();
        let (parsed, carried) = parse_line(line.as_bytes(), "f", 3, &reading);
        let document = parsed.unwrap().document;
        assert_eq!((document.id.as_deref(), document.body.as_str()), (Some("7"), "x\ny"));
        let carried: Vec<String> = carried.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        assert_eq!(
            carried,
            [
                r#"id=Json("7")"#,
                r#"n=Json("2e0")"#,
                r#"big=Json("123456789012345678901234567890")"#,
                r#"o=Json("{\"a\": [1 ,2]}")"#,
                r#"é"=Json("null")"#,
            ]
        );
    }

    #[test]
    fn a_bad_line_says_what_to_change() {
        let reading = Reading { max_bytes: 40, ..Reading::default() };
        for (line, code, message) in [
            (&b"[1]"[..], "invalid_json", "not a JSON object"),
            (b"{\"a\":1} x", "invalid_json", "write one object a line"),
            (b"{\"text\":5}", "invalid_field", "`text` must be a text"),
            (b"{\"id\":[1]}", "invalid_field", "`id` must be a text or a number"),
            (b"{\"text\":\"a\",\"html\":\"b\"}", "invalid_field", "give `text` or `html`, not both"),
            (b"\"\xff\"", "invalid_utf8", "not UTF-8 from byte 1 on"),
            (b"{\"text\":\"0123456789012345678901234567890\"}", "too_long", "longer than 40 bytes"),
        ] {
            let error = parse_line(line, "f", 3, &reading).0.unwrap_err().error;
            assert_eq!((error.code.as_str(), error.place.as_str()), (code, "f:3"));
            assert!(error.message.contains(message), "{}", error.message);
        }
    }
}
