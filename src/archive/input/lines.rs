//! Cuts text at the ends of records: of lines, or of CSV records, whose texts may hold line ends.
//!
//! Owns cutting. Where a block ends depends only on where it begins, so that a run that goes on cuts as one that was
//! never stopped.

use std::io::{self, Read};
use std::sync::Arc;

use super::super::block::{Data, place, too_long};
use super::{Cut, Piece};

/// How large blocks and records may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) block: usize,
    pub(super) record: usize,
}

/// Finds the ends of records.
pub(super) trait Ends: Send {
    /// Looks at `bytes`, which follow what was looked at before; calls `end` with the index behind each end of a
    /// record until it returns true, and then stands behind that one.
    fn scan(&mut self, bytes: &[u8], end: &mut dyn FnMut(usize) -> bool);
    /// A record begins.
    fn reset(&mut self);
}

/// Every line is a record.
#[derive(Debug, Default)]
pub(super) struct Lines;

impl Ends for Lines {
    fn scan(&mut self, bytes: &[u8], end: &mut dyn FnMut(usize) -> bool) {
        for at in memchr::memchr_iter(b'\n', bytes) {
            if end(at + 1) {
                return;
            }
        }
    }

    fn reset(&mut self) {}
}

/// Cuts one text.
pub(super) struct Cutter<E> {
    source: Box<dyn Read + Send>,
    name: Arc<str>,
    limits: Limits,
    ends: E,
    /// What has been read and not yet cut: `buffer[from..]`.
    buffer: Vec<u8>,
    from: usize,
    /// Bytes and lines of the text before `buffer[from]`.
    offset: u64,
    line: u64,
    ended: bool,
    /// In the midst of a record over the limit; the line it begins on.
    passing: Option<u64>,
}

impl<E: Ends> Cutter<E> {
    /// Cuts `source`, of which `offset` bytes and `line` lines have been passed.
    pub(super) fn new(
        source: Box<dyn Read + Send>,
        name: Arc<str>,
        limits: Limits,
        ends: E,
        (offset, line): (u64, u64),
    ) -> Self {
        Self {
            source,
            name,
            limits,
            ends,
            buffer: Vec::new(),
            from: 0,
            offset,
            line,
            ended: false,
            passing: None,
        }
    }

    /// Up to `length` bytes from here on; fewer at the end of the text only. Nothing is passed.
    pub(super) fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        if !self.ended && self.buffer.len() - self.from < length {
            self.buffer.drain(..self.from);
            self.from = 0;
            let missing = length - self.buffer.len();
            let read = self.source.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
            self.ended = read < missing;
        }
        let end = self.buffer.len().min(self.from + length);
        Ok(&self.buffer[self.from..end])
    }

    /// Passes `length` bytes that have been peeked at.
    pub(super) fn pass(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.buffer[self.from..self.from + length].to_vec();
        self.from += length;
        self.offset += length as u64;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        if self.from == self.buffer.len() {
            // What a giant record needed is not kept for small ones.
            self.buffer = Vec::new();
            self.from = 0;
        }
        bytes
    }

    /// The index behind the last end of a record within the next `length` bytes, and whether these are all.
    fn last_end(&mut self, length: usize) -> io::Result<(Option<usize>, usize, bool)> {
        self.peek(length)?;
        let window = &self.buffer[self.from..self.buffer.len().min(self.from + length)];
        let mut last = None;
        self.ends.reset();
        self.ends.scan(window, &mut |end| {
            last = Some(end);
            false
        });
        Ok((last, window.len(), self.ended && self.from + window.len() == self.buffer.len()))
    }

    /// The rest of a record over the limit, a piece at a time.
    fn rest_of_long(&mut self, begun: u64) -> io::Result<Option<Piece>> {
        let length = self.limits.block.max(1);
        self.peek(length)?;
        let window = &self.buffer[self.from..self.buffer.len().min(self.from + length)];
        let window_length = window.len();
        let mut first = None;
        self.ends.scan(window, &mut |end| {
            first = Some(end);
            true
        });
        let over = first.is_some() || self.ended && self.from + window_length == self.buffer.len();
        let line = self.line;
        let bytes = self.pass(first.unwrap_or(window_length));
        let error = over.then(|| too_long(place(&self.name, begun + 1), self.limits.record));
        let after = over.then_some((self.offset, self.line));
        if over {
            self.passing = None;
        }
        Ok(Some(Piece { data: Data::SetAside(bytes, error), line, after }))
    }
}

impl<E: Ends> Cut for Cutter<E> {
    fn next(&mut self) -> io::Result<Option<Piece>> {
        if let Some(begun) = self.passing {
            return self.rest_of_long(begun);
        }
        let most = self.limits.record.saturating_add(1);
        let mut length = self.limits.block.max(1);
        loop {
            let (last, seen, all) = self.last_end(length)?;
            if seen == 0 {
                return Ok(None);
            }
            let end = last.or_else(|| (all && seen <= most).then_some(seen));
            if let Some(end) = end {
                let line = self.line;
                let bytes = self.pass(end);
                return Ok(Some(Piece {
                    data: Data::Text(bytes),
                    line,
                    after: Some((self.offset, self.line)),
                }));
            }
            if seen > most || all {
                self.passing = Some(self.line);
                self.ends.reset();
                return self.rest_of_long(self.line);
            }
            length = length.saturating_mul(2).min(most.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::csv::Records;
    use super::*;

    /// What `text` is cut into, from each place where a piece may end.
    fn pieces<E: Ends>(text: &str, from: u64, limits: Limits, ends: E) -> Vec<(String, Option<u64>)> {
        let source = Box::new(io::Cursor::new(text.as_bytes()[usize::try_from(from).unwrap()..].to_vec()));
        let mut cutter = Cutter::new(source, "x".into(), limits, ends, (from, 0));
        let mut pieces = Vec::new();
        while let Some(piece) = cutter.next().unwrap() {
            let text = match piece.data {
                Data::Text(bytes) => String::from_utf8(bytes).unwrap(),
                Data::SetAside(bytes, error) => {
                    format!("{}!{}", String::from_utf8(bytes).unwrap(), u8::from(error.is_some()))
                }
                _ => unreachable!("text is cut into text"),
            };
            pieces.push((text, piece.after.map(|after| after.0)));
        }
        pieces
    }

    #[test]
    fn blocks_end_with_records_and_long_records_pass_in_pieces() {
        let limits = Limits { block: 8, record: 12 };
        let text = "a\nbb\nccc\ndddddddddd\neeeeeeeeeeeeeeeeee\nf";
        let cut = pieces(text, 0, limits, Lines);
        let texts: Vec<&str> = cut.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a\nbb\n", "ccc\n", "dddddddddd\n", "eeeeeeee!0", "eeeeeeee!0", "ee\n!1", "f"]);
        // Going on after any piece gives the pieces that were still to come.
        for (at, (_, after)) in cut.iter().enumerate() {
            if let Some(after) = after {
                assert_eq!(pieces(text, *after, limits, Lines), cut[at + 1..], "from {after}");
            }
        }
    }

    #[test]
    fn a_csv_record_ends_outside_of_quotes() {
        let limits = Limits { block: 16, record: 100 };
        let text = "a,\"b\nb\"\n1,\"x \"\"y\"\"\nz\"\r\n5\" disk,q\n\"open\nto the end";
        let cut = pieces(text, 0, limits, Records::default());
        let texts: Vec<&str> = cut.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a,\"b\nb\"\n", "1,\"x \"\"y\"\"\nz\"\r\n", "5\" disk,q\n", "\"open\nto the end"]);
    }
}
