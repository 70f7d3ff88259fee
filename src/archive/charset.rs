//! The characters of a page, and the part of it that is the article.
//!
//! Owns decoding: BOM, then `meta`, then UTF-8. Bytes that do not fit are an error, never replaced in silence.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{Encoding, UTF_8};
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

/// A `meta` that names the charset stands within this many bytes.
const HEAD: usize = 1024;

/// `bytes` as text. `html`: a `meta` may name the charset.
///
/// # Errors
/// What to tell the person.
pub(super) fn decode(bytes: &[u8], html: bool) -> Result<Cow<'_, str>, String> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let named = html.then(|| named_by_meta(&bytes[..bytes.len().min(HEAD)])).flatten();
        (named.unwrap_or(UTF_8), 0)
    });
    let bytes = &bytes[mark..];
    if encoding == UTF_8 {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            format!("not UTF-8 from byte {} on; convert the input to UTF-8", mark + error.valid_up_to())
        });
    }
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .ok_or_else(|| format!("says that it is {}, but is not; convert it to UTF-8", encoding.name()))
}

/// The encoding that a `<meta charset=...>` or `<meta ... content="...; charset=...">` names.
fn named_by_meta(head: &[u8]) -> Option<&'static Encoding> {
    let head = head.to_ascii_lowercase();
    let mut rest = head.as_slice();
    while let Some(at) = find(rest, b"<meta") {
        let end = find(&rest[at..], b">").map_or(rest.len(), |end| at + end);
        let tag = &rest[at..end];
        if let Some(at) = find(tag, b"charset") {
            let value = tag[at + b"charset".len()..].trim_ascii_start();
            if let Some(value) = value.strip_prefix(b"=") {
                let value = value.trim_ascii_start();
                let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
                let end = value.iter().position(|b| b"\"' ;/".contains(b)).unwrap_or(value.len());
                // A page that is read as ASCII up to here is no UTF-16, whatever it says.
                return Encoding::for_label(&value[..end]).map(|encoding| encoding.output_encoding());
            }
        }
        rest = &rest[end..];
    }
    None
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
}

/// Where the first `article` or `main` element of `html` lies, tags included. The whole page if it has none.
pub(super) fn main_part(html: &str) -> Range<usize> {
    let mut name: Vec<u8> = Vec::new();
    // The element found, how often it is open within itself, and where it begins.
    let mut found: Option<(Vec<u8>, usize, usize)> = None;
    let mut part = None;
    let mut begins = 0;
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: Span<usize>| -> Option<()> {
        match event {
            CallbackEvent::OpenStartTag { name: opened } => {
                name.clear();
                name.extend_from_slice(opened);
                begins = span.start;
            }
            CallbackEvent::CloseStartTag { .. } => match &mut found {
                Some((element, depth, _)) if *element == name => *depth += 1,
                None if matches!(name.as_slice(), b"article" | b"main") => {
                    found = Some((name.clone(), 1, begins));
                }
                _ => {}
            },
            CallbackEvent::EndTag { name: closed } => {
                if let Some((element, depth, from)) = &mut found
                    && element == closed
                    && part.is_none()
                {
                    *depth -= 1;
                    if *depth == 0 {
                        part = Some(*from..span.end);
                    }
                }
            }
            _ => {}
        }
        None
    });
    let mut emitter = emitter;
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
    let open = found.map(|(_, _, from)| from..html.len());
    part.or(open).filter(|part| html.get(part.clone()).is_some()).unwrap_or(0..html.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_told_by_bom_meta_or_not_at_all() {
        let meta = b"<html><head><META http-equiv=x content='text/html; charset=windows-1252'></head>caf\xe9";
        let short = b"<meta charset=\"shift_jis\"><p>\x83r\x83b\x83g";
        for (bytes, text) in [
            (&b"\xef\xbb\xbfcaf\xc3\xa9"[..], "café"),
            (b"\xff\xfec\0a\0f\0\xe9\0", "café"),
            (b"caf\xc3\xa9", "café"),
            (&meta[..], "café"),
            (&short[..], "ビット"),
        ] {
            assert!(decode(bytes, true).unwrap().ends_with(text), "{text}");
        }
        assert!(decode(b"caf\xe9", true).unwrap_err().starts_with("not UTF-8 from byte 3 on"));
        assert!(decode(meta, false).is_err(), "a text has no meta");
        assert!(decode(b"<meta charset=shift_jis>\x83", true).unwrap_err().contains("Shift_JIS"));
    }

    #[test]
    fn the_article_is_the_first_article_or_main() {
        for (html, part) in [
            ("<p>x", "<p>x"),
            (
                "<nav>a</nav><article class=b><p>x</p></article><main>y</main>",
                "<article class=b><p>x</p></article>",
            ),
            ("é<MAIN>x<article>y</article></MAIN>z", "<MAIN>x<article>y</article></MAIN>"),
            ("<article>a<article>b</article>c</article>d", "<article>a<article>b</article>c</article>"),
            ("<main>never closed", "<main>never closed"),
            ("<script>'<main>'</script><p>x", "<script>'<main>'</script><p>x"),
        ] {
            assert_eq!(&html[main_part(html)], part, "{html}");
        }
    }
}
