//! Pages in: each file is one article, HTML or plain text.
//!
//! Owns their reading. Its id is its path; spans point into the decoded text of the whole page.

use std::borrow::Cow;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::super::block::{Article, Block, Data, Page, Parsed, Position, bad};
use super::super::charset::{decode, main_part};
use super::super::fields::{Reading, Region};
use super::super::output::Columns;
use super::super::source::Entry;
use super::{Cut, Format, InputFormat};
use crate::mention::{ContentType, Document};

/// The format.
pub(super) struct Pages;

/// Reads `entry`, up to one byte over `max`: so that too long can be told from just fitting.
pub(super) fn read(entry: &Entry, max: usize, read: Arc<AtomicU64>) -> io::Result<Page> {
    let mut bytes = Vec::new();
    entry.open(read)?.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Page {
        name: Arc::clone(&entry.name),
        html: entry.format == InputFormat::Html,
        bytes,
        listed: entry.path.is_some(),
    })
}

/// What stands for a file in the rejected file: its path, for `--files-from`.
pub(super) fn listed(name: &str) -> Vec<u8> {
    format!("{name}\n").into_bytes()
}

impl Format for Pages {
    fn columns(&self) -> Columns {
        Columns::default()
    }

    fn open(&self, _: &Entry, _: Position, _: Arc<AtomicU64>) -> io::Result<Box<dyn Cut>> {
        Err(io::Error::other("a page is not cut"))
    }

    fn parse<'b>(&self, block: &'b Block, reading: &Reading) -> Vec<Parsed<'b>> {
        let Data::Pages(pages) = &block.data else { return Vec::new() };
        let parse = |page: &'b Page| {
            let name = page.name.to_string();
            let raw = if page.listed { Cow::Owned(listed(&name)) } else { Cow::Borrowed(&page.bytes[..]) };
            let article = match decode(&page.bytes, page.html) {
                Ok(text) => Ok(article(name, &text, page.html, reading.region)),
                Err(message) => Err(bad(Some(name.clone()), "invalid_utf8", message, name)),
            };
            Parsed { article, carried: Vec::new(), raw: Some(raw), line: 0 }
        };
        pages.iter().map(parse).collect()
    }

    fn count(&self, block: &Block) -> usize {
        let Data::Pages(pages) = &block.data else { return 0 };
        pages.len()
    }
}

fn article(name: String, text: &str, html: bool, region: Region) -> Article {
    let part = if html && region == Region::Main { main_part(text) } else { 0..text.len() };
    let document = Document {
        id: Some(name),
        body: text[part.clone()].to_owned(),
        content_type: if html { ContentType::Html } else { ContentType::Plain },
        ..Document::default()
    };
    Article { document, before: text[..part.start].to_owned() }
}
