//! What a word is: character classes, boundaries, and the folding under which spellings are equal.
//!
//! Owns the rules per script. Never looks at a catalog.

/// What a character means for word boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CharClass {
    /// Space, punctuation, symbols, emoji.
    Other,
    /// Letters, digits, marks and `_` of scripts that put spaces between words.
    Word,
    /// Han, kana, Thai, Lao, Khmer, Burmese: a name may stand between any two characters.
    Spaceless,
    /// Hangul: words are spaced, but particles are glued to their end.
    Hangul,
}

/// Classes of the ASCII range, for the hot loop.
pub(super) const ASCII: [CharClass; 128] = {
    let mut table = [CharClass::Other; 128];
    let mut byte = 0;
    while byte < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        if (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' {
            table[byte] = CharClass::Word;
        }
        byte += 1;
    }
    table
};

/// The class of any character.
pub(super) fn class(c: char) -> CharClass {
    if c.is_ascii() {
        return ASCII[c as usize];
    }
    match c {
        // General punctuation: quotes and dashes are common, and the tables below are slow to say so.
        '\u{2000}'..='\u{206F}' => CharClass::Other,
        '\u{AC00}'..='\u{D7FF}' | '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' => CharClass::Hangul,
        '\u{3040}'..='\u{30FA}'
        | '\u{30FC}'..='\u{312F}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{FF66}'..='\u{FF9F}' => CharClass::Spaceless,
        '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => CharClass::Spaceless,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' => CharClass::Spaceless,
        _ if c.is_alphanumeric() || is_mark(c) => CharClass::Word,
        _ => CharClass::Other,
    }
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}'
        | '\u{064B}'..='\u{065F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Whether a byte is an ASCII letter, digit or `_`.
pub(super) fn is_ascii_word(byte: u8) -> bool {
    byte < 0x80 && ASCII[byte as usize] == CharClass::Word
}

/// Whether a word can start at a character of class `current` that follows one of class `before`.
pub(super) fn starts_word(before: CharClass, current: CharClass) -> bool {
    match current {
        CharClass::Other => false,
        CharClass::Word => before != CharClass::Word,
        CharClass::Hangul => before != CharClass::Hangul,
        CharClass::Spaceless => true,
    }
}

/// Whether a word whose last character has class `last` can end before one of class `after`.
pub(super) fn ends_word(last: CharClass, after: CharClass) -> bool {
    last != CharClass::Word || after != CharClass::Word
}

/// Apostrophes in use: straight, curly (also as a left quote), modifier letter, prime.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | 'ʼ' | '′')
}

/// Whether `at` follows an apostrophe inside a word ("O'Near"), where no name starts. The elided articles
/// of French and Italian ("l'Ethereum", "d'Ethereum") are one letter and do let a name start.
pub(super) fn inside_apostrophe_word(text: &str, at: usize) -> bool {
    let mut before = text[..at].chars().rev();
    if !before.next().is_some_and(is_apostrophe) {
        return false;
    }
    match before.next() {
        Some('l' | 'd' | 'L' | 'D') => before.next().is_some_and(|c| class(c) == CharClass::Word),
        Some(c) => class(c) == CharClass::Word,
        None => false,
    }
}

/// What one character of a text gives to the automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// Nothing: zero-width characters and soft hyphens.
    Nothing,
    /// White space: a whole run counts as one blank.
    Space,
    /// One ASCII byte: itself, a dash, an apostrophe, or the ASCII twin of a full-width character.
    Byte(u8),
    /// Its lower-case form: one to three characters.
    Lower,
}

/// How a character outside ASCII is folded. ASCII letters are folded by the automaton itself.
pub(super) fn fold_char(c: char) -> Folded {
    match c {
        '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{FE0E}' | '\u{FE0F}' => {
            Folded::Nothing
        }
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹘' | '﹣' | '－' => Folded::Byte(b'-'),
        _ if is_apostrophe(c) => Folded::Byte(b'\''),
        #[expect(clippy::cast_possible_truncation, reason = "full-width forms lie 0xFEE0 above ASCII")]
        '\u{FF01}'..='\u{FF5E}' => Folded::Byte((c as u32 - 0xFEE0) as u8),
        _ if c.is_whitespace() => Folded::Space,
        _ => Folded::Lower,
    }
}

/// The form in which a spelling enters the automaton: what [`fold_char`] makes of it, ASCII in lower case.
pub(super) fn fold(text: &str) -> String {
    fold_untrimmed(text.trim())
}

/// The same, keeping a blank at either end.
pub(super) fn fold_untrimmed(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        let kind = if c.is_ascii() {
            if c.is_ascii_whitespace() { Folded::Space } else { Folded::Lower }
        } else {
            fold_char(c)
        };
        match kind {
            Folded::Nothing => {}
            Folded::Space if folded.ends_with(' ') => {}
            Folded::Space => folded.push(' '),
            Folded::Byte(byte) => folded.push((byte as char).to_ascii_lowercase()),
            Folded::Lower if c.is_ascii() => folded.push(c.to_ascii_lowercase()),
            Folded::Lower => folded.extend(c.to_lowercase()),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_punctuation_holds_no_word_characters() {
        assert!(!('\u{2000}'..='\u{206F}').any(|c| c.is_alphanumeric() || is_mark(c)));
    }

    #[test]
    fn folding_makes_equal_what_readers_see_as_equal() {
        for (written, folded) in [
            ("Bitcoin  Cash", "bitcoin cash"),
            ("Bitcoin\u{a0}Cash", "bitcoin cash"),
            ("Wrapped\u{2011}ETH", "wrapped-eth"),
            ("ＢＴＣ", "btc"),
            ("Bit\u{200b}coin", "bitcoin"),
            ("БИТКОИН", "биткоин"),
            ("Cardano’s", "cardano's"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(fold(written), folded, "{written:?}");
        }
    }

    #[test]
    fn no_name_starts_inside_an_apostrophe_word() {
        for (text, at, inside) in
            [("O'Near", 2, true), ("O’Near", 4, true), ("l'Ethereum", 2, false), ("'Near", 1, false)]
        {
            assert_eq!(inside_apostrophe_word(text, at), inside, "{text}");
        }
    }
}
