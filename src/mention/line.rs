//! How the line around a place is written: plain, in title case, all in capitals.
//!
//! Owns the counting of its words. Never knows what stands at the place.

use super::words::{self, CharClass};

/// Words on either side that show how a line is written.
const LINE_WINDOW: usize = 8;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    TitleCase,
    Shouting,
}

/// How the words around a place are written, within its line. Words of the place itself do not count.
/// Without `title` nothing but capitals is asked for.
pub(super) fn look_of_line(before: &str, after: &str, title: bool) -> Look {
    let mut words = WordsOfLine::default();
    words.read(before.chars().rev(), true);
    if !words.are_plain(title) {
        words.read(after.chars(), false);
    }
    let WordsOfLine { long, capitalised, all, shouted, plain_shouted } = words;
    if all >= 3 && plain_shouted > 0 && shouted * 10 >= all * 6 {
        Look::Shouting
    } else if long >= 3 && capitalised * 4 >= long * 3 {
        Look::TitleCase
    } else {
        Look::Plain
    }
}

/// What a character is in a line of words.
#[derive(Clone, Copy, Debug)]
struct InLine {
    ends_word: bool,
    letter: bool,
    lower: bool,
}

impl InLine {
    fn of(c: char) -> Self {
        Self {
            ends_word: words::class(c) == CharClass::Other && !words::is_apostrophe(c),
            letter: c.is_alphabetic(),
            lower: c.is_lowercase(),
        }
    }

    const fn of_ascii(byte: u8) -> Self {
        Self {
            ends_word: !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'\''),
            letter: byte.is_ascii_alphabetic(),
            lower: byte.is_ascii_lowercase(),
        }
    }
}

/// The same for the ASCII range, of which most lines are.
const IN_LINE: [InLine; 128] = {
    let mut table = [InLine::of_ascii(0); 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = InLine::of_ascii(byte);
        byte += 1;
    }
    table
};

/// How many words are written how.
#[derive(Default)]
struct WordsOfLine {
    /// Of four letters and more.
    long: usize,
    capitalised: usize,
    /// Of two letters and more.
    all: usize,
    shouted: usize,
    /// Of those in capitals, the ones as short or long as tickers are not: a list of tickers is no shouting.
    plain_shouted: usize,
}

impl WordsOfLine {
    /// Counts up to [`LINE_WINDOW`] words of a line; `backward` if they are read from their ends.
    fn read(&mut self, chars: impl Iterator<Item = char>, backward: bool) {
        let (mut length, mut letters, mut lower) = (0, 0, false);
        let mut first = ' ';
        let mut left = LINE_WINDOW;
        for c in chars.chain(['\n']) {
            let kind = if c.is_ascii() { IN_LINE[c as usize] } else { InLine::of(c) };
            if kind.ends_word {
                if length > 0 {
                    self.add(first, letters, lower);
                    left -= 1;
                }
                if c == '\n' || left == 0 {
                    return;
                }
                (length, letters, lower) = (0, 0, false);
                continue;
            }
            if backward || length == 0 {
                first = c;
            }
            length += 1;
            letters += usize::from(kind.letter);
            lower |= kind.lower;
        }
    }

    fn add(&mut self, first: char, letters: usize, lower: bool) {
        if !first.is_alphabetic() {
            return;
        }
        if letters >= 2 {
            self.all += 1;
            self.shouted += usize::from(!lower);
            self.plain_shouted += usize::from(!lower && (letters == 2 || letters >= 7));
        }
        if letters >= 4 {
            self.long += 1;
            self.capitalised += usize::from(first.is_uppercase());
        }
    }

    /// Whether the words of the other side cannot change that the line is plain.
    fn are_plain(&self, title: bool) -> bool {
        let shouted_most = self.shouted + LINE_WINDOW;
        let capitalised_most = self.capitalised + LINE_WINDOW;
        let shouting = shouted_most * 10 >= (self.all + LINE_WINDOW) * 6;
        let titled = capitalised_most * 4 >= (self.long + LINE_WINDOW) * 3;
        !(shouting || title && titled)
    }
}
