//! The visible text of an HTML body, and the way back from it to the source.
//!
//! Owns which elements are text. Tokenizing is html5gum's; nothing here builds a tree. Inline tags leave a
//! word whole, block tags separate paragraphs, entities are decoded; every visible byte knows its source.

use std::ops::Range;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

/// Elements whose content is no part of the article.
const SKIPPED: &[&[u8]] = &[
    b"title",
    b"script",
    b"style",
    b"template",
    b"nav",
    b"header",
    b"footer",
    b"aside",
    b"noscript",
    b"iframe",
    b"svg",
    b"math",
    b"select",
    b"textarea",
    b"object",
];

/// Elements that may stand in a `head` left open; any other start tag ends it.
const IN_HEAD: &[&[u8]] =
    &[b"title", b"meta", b"link", b"base", b"script", b"style", b"noscript", b"template", b"head", b"html"];

/// Elements that begin a paragraph of their own.
const BLOCKS: &[&[u8]] = &[
    b"address",
    b"article",
    b"aside",
    b"blockquote",
    b"body",
    b"caption",
    b"dd",
    b"details",
    b"dialog",
    b"div",
    b"dl",
    b"dt",
    b"fieldset",
    b"figcaption",
    b"figure",
    b"footer",
    b"form",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"hr",
    b"li",
    b"main",
    b"nav",
    b"ol",
    b"option",
    b"p",
    b"pre",
    b"section",
    b"summary",
    b"table",
    b"tbody",
    b"td",
    b"tfoot",
    b"th",
    b"thead",
    b"tr",
    b"ul",
];

/// What separates two paragraphs of visible text; no alias reaches across it.
const PARAGRAPH: &str = "\n\n";

/// Visible text with its map to the source.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// What a reader sees.
    pub(super) text: String,
    segments: Vec<Segment>,
}

/// A stretch of visible text and the stretch of source it came from. Equal lengths: byte for byte.
/// Otherwise (an entity, a line end) the two belong together only as a whole.
#[derive(Debug)]
struct Segment {
    visible: Range<usize>,
    source: Range<usize>,
}

impl Visible {
    /// The source range behind a range of visible text; markup between its ends is included.
    pub(super) fn source(&self, visible: Range<usize>) -> Range<usize> {
        let first = self.segments.partition_point(|segment| segment.visible.end <= visible.start);
        let last = self.segments.partition_point(|segment| segment.visible.start < visible.end);
        let start = self.segments.get(first).map_or(0, |segment| segment.source_of_start(visible.start));
        let end = last
            .checked_sub(1)
            .map_or(start, |last| self.segments[last].source_of_end(visible.end))
            .max(start);
        start..end
    }

    /// A new paragraph, unless one has just begun.
    fn break_paragraph(&mut self) {
        let kept = self.text.trim_end_matches([' ', '\t']).len();
        if kept > 0 && !self.text[..kept].ends_with(PARAGRAPH) {
            self.text.push_str(PARAGRAPH);
        }
    }

    fn push(&mut self, visible: &str, source: Range<usize>) {
        let start = self.text.len();
        self.text.push_str(visible);
        let linear = visible.len() == source.len();
        if let Some(last) = self.segments.last_mut()
            && linear
            && last.visible.end == start
            && last.source.end == source.start
            && last.visible.len() == last.source.len()
        {
            last.visible.end = self.text.len();
            last.source.end = source.end;
        } else {
            self.segments.push(Segment { visible: start..self.text.len(), source });
        }
    }

    /// Adds decoded text, finding for each piece of it the piece of source.
    fn push_decoded(&mut self, source: &str, offset: usize, decoded: &str, preformatted: bool) {
        let (mut from, mut to) = (0, 0);
        while from < source.len() && to < decoded.len() {
            let rest = &source[from..];
            let plain = rest.find(['&', '\r', '\0']).unwrap_or(rest.len());
            if plain > 0 && decoded[to..].starts_with(&rest[..plain]) {
                let text = &rest[..plain];
                // Line ends in the source of a paragraph are mere blanks.
                let text = if preformatted { text.to_owned() } else { text.replace('\n', " ") };
                self.push(&text, offset + from..offset + from + plain);
                (from, to) = (from + plain, to + plain);
                continue;
            }
            let length = reference_length(rest);
            let value = decode(&rest[..length]);
            if !decoded[to..].starts_with(&value) {
                break;
            }
            let text = if preformatted { value.clone() } else { value.replace('\n', " ") };
            self.push(&text, offset + from..offset + from + length);
            (from, to) = (from + length, to + value.len());
        }
        if to < decoded.len() {
            // Not expected of the tokenizer; the text is kept and points at the whole stretch.
            self.push(&decoded[to..], offset + from..offset + source.len());
        }
    }
}

impl Segment {
    fn source_of_start(&self, visible: usize) -> usize {
        let within = visible.saturating_sub(self.visible.start);
        if self.visible.len() == self.source.len() { self.source.start + within } else { self.source.start }
    }

    fn source_of_end(&self, visible: usize) -> usize {
        let missing = self.visible.end.saturating_sub(visible);
        if self.visible.len() == self.source.len() { self.source.end - missing } else { self.source.end }
    }
}

/// Reads the visible text of `html`. Any text is valid input.
pub(super) fn visible_text(html: &str) -> Visible {
    let mut visible = Visible::default();
    let mut skipping = Skipping::default();
    let mut preformatted = 0usize;
    let mut open_tag: Vec<u8> = Vec::new();
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: Span<usize>| -> Option<()> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                open_tag.clear();
                open_tag.extend_from_slice(name);
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                let name = open_tag.as_slice();
                skipping.start(name, self_closing);
                if name == b"br" {
                    visible.push("\n", span.start..span.start);
                } else if BLOCKS.contains(&name) {
                    visible.break_paragraph();
                }
                preformatted += usize::from(name == b"pre");
            }
            CallbackEvent::EndTag { name } => {
                skipping.end(name);
                if BLOCKS.contains(&name) {
                    visible.break_paragraph();
                }
                preformatted = preformatted.saturating_sub(usize::from(name == b"pre"));
            }
            CallbackEvent::String { value } if !skipping.active() => {
                let decoded = String::from_utf8_lossy(value);
                let source = html.get(span.start..span.end).unwrap_or("");
                visible.push_decoded(source, span.start, &decoded, preformatted > 0);
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
    visible
}

/// Which skipped elements are open.
#[derive(Debug, Default)]
struct Skipping {
    open: Vec<Vec<u8>>,
    in_head: bool,
}

impl Skipping {
    fn active(&self) -> bool {
        self.in_head || !self.open.is_empty()
    }

    fn start(&mut self, name: &[u8], self_closing: bool) {
        if name == b"head" {
            self.in_head = true;
        } else if !IN_HEAD.contains(&name) {
            self.in_head = false;
        }
        // Only foreign elements can close themselves; `<script/>` is open in HTML.
        let closes_itself = self_closing && matches!(name, b"svg" | b"math");
        if SKIPPED.contains(&name) && !closes_itself {
            self.open.push(name.to_vec());
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"head" => self.in_head = false,
            b"body" | b"html" => self.open.clear(),
            _ => {
                if let Some(at) = self.open.iter().rposition(|open| open == name) {
                    self.open.truncate(at);
                }
            }
        }
    }
}

/// Bytes of the character reference, line end or NUL that `source` begins with.
fn reference_length(source: &str) -> usize {
    if source.starts_with("\r\n") {
        return 2;
    }
    if !source.starts_with('&') {
        return source.chars().next().map_or(0, char::len_utf8);
    }
    let name = source[1..].bytes().take(40).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    1 + name + usize::from(source[1 + name..].starts_with(';'))
}

/// What the tokenizer makes of a short piece of source.
fn decode(piece: &str) -> String {
    if piece.starts_with('\r') {
        return "\n".to_owned();
    }
    let mut decoded = Vec::new();
    let emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<()> {
        if let CallbackEvent::String { value } = event {
            decoded.extend_from_slice(value);
        }
        None
    });
    for token in Tokenizer::new_with_emitter(piece, emitter) {
        match token {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_text_is_what_a_reader_sees() {
        for (html, text) in [
            ("<p>Bit<b>coin</b> up</p>", "Bitcoin up\n\n"),
            ("<p>One</p><p>Two</p>", "One\n\nTwo\n\n"),
            ("a<br>b", "a\nb"),
            ("<head><title>BTC</title></head><body>x<script>ETH</script><!-- SOL --></body>", "x\n\n"),
            ("<nav>BTC</nav><p title='ETH'>x</p><footer>SOL</footer>", "x\n\n"),
            ("<title>BTC<p>still title</p></title><p>x", "x"),
            ("<head><meta name=a><p>body without end of head", "body without end of head"),
            ("AT&amp;T &#8217;s &euro; &nosuch; &notit;", "AT&T ’s € &nosuch; ¬it;"),
            ("line\r\none\nline", "line one line"),
            ("<pre>a\nb</pre>", "a\nb\n\n"),
            ("1 < 2 & 3", "1 < 2 & 3"),
        ] {
            assert_eq!(visible_text(html).text, text, "{html}");
        }
    }

    #[test]
    fn every_visible_range_knows_its_source() {
        for (html, visible, source) in [
            ("<p>Bit<b>coin</b></p>", "Bitcoin", "Bit<b>coin"),
            ("<p>R&amp;D of Bitcoin</p>", "Bitcoin", "Bitcoin"),
            ("&quot;B&#105;tcoin&quot;", "Bitcoin", "B&#105;tcoin"),
            ("a\r\nBitcoin", "Bitcoin", "Bitcoin"),
            ("<i>é</i> Bitcoin &amp; co", "Bitcoin", "Bitcoin"),
            ("x < y Bitcoin", "Bitcoin", "Bitcoin"),
        ] {
            let seen = visible_text(html);
            let at = seen.text.find(visible).expect("visible");
            assert_eq!(&html[seen.source(at..at + visible.len())], source, "{html}");
        }
    }
}
