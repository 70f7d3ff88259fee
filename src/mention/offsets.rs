//! Positions in the caller's unit: bytes, code points or UTF-16.
//!
//! Owns the conversion. Never touches what the positions mean.

use super::OffsetUnit;

/// Converts byte positions of one text, asked for in any order, in time linear in the text.
#[derive(Debug)]
pub(super) struct Offsets<'t> {
    text: &'t str,
    unit: OffsetUnit,
    byte: usize,
    units: usize,
}

impl<'t> Offsets<'t> {
    /// A converter for `text`.
    pub(super) fn new(text: &'t str, unit: OffsetUnit) -> Self {
        Self { text, unit, byte: 0, units: 0 }
    }

    /// The position `byte`, which lies on a character, in the unit asked for. Cheap when positions rise.
    pub(super) fn convert(&mut self, byte: usize) -> u32 {
        let count = match self.unit {
            OffsetUnit::Bytes => byte,
            OffsetUnit::Codepoints | OffsetUnit::Utf16 => {
                if byte < self.byte {
                    (self.byte, self.units) = (0, 0);
                }
                let passed = &self.text[self.byte..byte];
                self.units += match self.unit {
                    OffsetUnit::Utf16 => passed.chars().map(char::len_utf16).sum(),
                    _ => passed.chars().count(),
                };
                self.byte = byte;
                self.units
            }
        };
        // Texts are limited far below 4 GiB before they come here.
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_in_each_unit() {
        let text = "ß😀 Bitcoin";
        let at = text.find("Bitcoin").expect("there");
        for (unit, position) in [(OffsetUnit::Bytes, 7), (OffsetUnit::Codepoints, 3), (OffsetUnit::Utf16, 4)]
        {
            let mut offsets = Offsets::new(text, unit);
            assert_eq!(offsets.convert(at), position);
            assert_eq!(offsets.convert(0), 0, "going back works too");
        }
    }
}
