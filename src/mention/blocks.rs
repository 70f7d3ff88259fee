//! Where something may begin in a text, some 64 bytes at a time.
//!
//! Owns the marks of one block. Bytes are classed 16 at a time; the scan then jumps from mark to mark.

use wide::u8x16;

use super::letters;

/// Bytes in a block.
pub(super) const SIZE: usize = 64;

/// Bytes past a block that can be read with it.
const MARGIN: usize = 8;

/// Bytes that are classed at once.
const LANE: usize = 16;

/// Some bytes of a text with their marks: bit n stands for the n-th byte. No word crosses the end.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Zeros past the end of the text.
    bytes: [u8; SIZE + MARGIN],
    /// How many of them are in the block: 64, or fewer, down to none, so that its last word is not cut.
    pub(super) length: usize,
    /// ASCII letters, digits and `_`, past the block too.
    pub(super) words: u64,
    /// Bytes beyond ASCII.
    pub(super) beyond: u64,
    /// The signs asked for.
    pub(super) signs: u64,
    /// Where something may stand that lifts the letter case of the word before it, or with which the word goes on
    /// in a way that only a close look can tell.
    pub(super) odd: u64,
    /// Where a word may stand in any letter case for the sign before it.
    pub(super) tagged: u64,
    /// Where three word bytes follow of which none is a small letter. Past the block nothing does.
    pub(super) capitals: u64,
}

impl Block {
    /// The block of `text` that begins at `base`, where no word goes on.
    pub(super) fn at(text: &[u8], base: usize, signs: &[u8]) -> Self {
        let rest = &text[base..];
        let bytes = match rest.first_chunk() {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; SIZE + MARGIN];
                bytes[..rest.len()].copy_from_slice(rest);
                bytes
            }
        };
        let (mut lower, mut upper, mut others, mut beyond) = (0, 0, 0, 0);
        let (mut joining, mut tags, mut blank, mut control) = (0, 0, 0, 0);
        let lanes = bytes.as_chunks::<LANE>().0;
        for (lane, at) in lanes.iter().zip((0..SIZE).step_by(LANE)) {
            let lane = u8x16::new(*lane);
            let mark = |marks: &mut u64, lane: u8x16| *marks |= u64::from(lane.to_bitmask()) << at;
            mark(&mut lower, within(lane, b'a', b'z'));
            mark(&mut upper, within(lane, b'A', b'Z'));
            mark(&mut others, within(lane, b'0', b'9') | is(lane, b'_'));
            mark(&mut beyond, lane);
            mark(&mut joining, is(lane, b'-') | is(lane, b'/') | is(lane, b':'));
            mark(&mut tags, within(lane, b'#', b'$'));
            mark(&mut blank, is(lane, b' '));
            mark(&mut control, within(lane, 0, b' ' - 1));
        }
        let mut signs_at = 0;
        for sign in signs {
            let sign = u8x16::splat(*sign);
            for (lane, at) in lanes.iter().zip((0..SIZE).step_by(LANE)) {
                signs_at |= u64::from(u8x16::new(*lane).simd_eq(sign).to_bitmask()) << at;
            }
        }
        let words: u64 = lower | upper | others;
        // Past the block anything may follow, so its last two bytes count as odd after a blank.
        let plain = (lower | upper) & !(beyond >> 1) & (u64::MAX >> 1);
        let capitals = words & !lower;
        let before = base.checked_sub(1).map_or(b' ', |before| text[before]);
        let first = u64::from(letters::joins(before) | letters::begins_tag(before));
        Self {
            bytes,
            length: SIZE - words.leading_ones() as usize,
            words,
            beyond,
            signs: signs_at,
            odd: joining | beyond | control | blank & !(plain >> 1),
            tagged: (joining | tags) << 1 | first,
            capitals: capitals & capitals >> 1 & capitals >> 2,
        }
    }

    /// The bits of the block.
    pub(super) fn bits(&self) -> u64 {
        !from_bit(self.length)
    }

    /// The eight bytes from the one of a bit on.
    #[inline(always)]
    pub(super) fn eight(&self, bit: usize) -> u64 {
        let mut eight = [0; 8];
        // The remainder says to the compiler what the caller knows.
        eight.copy_from_slice(&self.bytes[bit % SIZE..][..8]);
        u64::from_le_bytes(eight)
    }

    /// How long the word is that starts at a bit of the block.
    #[inline(always)]
    pub(super) fn word_length(&self, bit: usize) -> usize {
        // The last bit is in no word of the block: set, it tells the compiler that there is an end.
        (!(self.words >> bit) | 1 << (SIZE - 1)).trailing_zeros() as usize
    }
}

/// All bits from this one on; none from 64 on.
#[inline(always)]
pub(super) fn from_bit(bit: usize) -> u64 {
    if bit < SIZE { u64::MAX << bit } else { 0 }
}

#[inline(always)]
fn is(lane: u8x16, byte: u8) -> u8x16 {
    lane.simd_eq(u8x16::splat(byte))
}

#[inline(always)]
fn within(lane: u8x16, from: u8, to: u8) -> u8x16 {
    let above = lane - u8x16::splat(from);
    above.min(u8x16::splat(to - from)).simd_eq(above)
}

#[cfg(test)]
mod tests {
    use super::super::letters::lifts_case;
    use super::super::words::is_ascii_word;
    use super::*;

    #[test]
    fn every_byte_is_marked_as_its_class_says() {
        let bytes: Vec<u8> = (0..=255).chain(0..=99).collect();
        let mut base = 0;
        while base < bytes.len() {
            let block = Block::at(&bytes, base, b".$");
            for bit in 0..block.length {
                let byte = bytes.get(base + bit).copied();
                let marked = |marks: u64| marks >> bit & 1 == 1;
                assert_eq!(marked(block.words), byte.is_some_and(is_ascii_word));
                assert_eq!(marked(block.beyond), byte.is_some_and(|byte| byte >= 0x80));
                assert_eq!(marked(block.signs), matches!(byte, Some(b'.' | b'$')));
                assert_eq!(block.eight(bit) & 0xFF, u64::from(byte.unwrap_or_default()));
            }
            base += block.length;
        }
    }

    #[test]
    fn no_word_is_cut_and_none_beside_a_sign_is_missed() {
        let signs = [
            "",
            "$",
            "#",
            "a-",
            " ",
            "/",
            ":",
            "-",
            " +",
            " (3",
            " 4",
            "\u{2009}",
            " \u{2212}",
            "\n",
            "  ",
            "é",
        ];
        for before in signs {
            for after in
                signs.into_iter().filter(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
            {
                for lead in 50..70 {
                    let text = format!("{}{before} {before}near{after} word", " ".repeat(lead));
                    let bytes = text.as_bytes();
                    let start = text.find("near").unwrap();
                    let mut base = 0;
                    let mut block = Block::at(bytes, base, b"");
                    while base + block.length <= start {
                        base += block.length;
                        block = Block::at(bytes, base, b"");
                    }
                    let bit = start - base;
                    assert_eq!(block.word_length(bit), 4);
                    let marked = block.tagged >> bit & 1 == 1 || block.odd >> (bit + 4) & 1 == 1;
                    assert!(marked || !lifts_case(bytes, start, start + 4), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_word_longer_than_a_block_leaves_it_empty() {
        let text = "a".repeat(2 * SIZE);
        assert_eq!(Block::at(text.as_bytes(), 0, b"").length, 0);
        assert_eq!(Block::at(format!("a {text}").as_bytes(), 0, b"").length, 2);
    }
}
