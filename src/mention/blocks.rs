//! Where something may begin in a text, 64 bytes at a time.
//!
//! Owns the marks of one block. Bytes are classed without branches, which the compiler turns into vector code;
//! the scan then jumps from mark to mark.

use super::letters;

/// Bytes in a block.
pub(super) const SIZE: usize = 64;

/// Marks of one block: bit n stands for its n-th byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// ASCII letters, digits and `_`.
    pub(super) words: u64,
    /// Bytes beyond ASCII.
    pub(super) beyond: u64,
    /// Bytes that can lift the case rule of a word beside them, all beyond ASCII among them.
    pub(super) lifting: u64,
    /// The signs asked for.
    pub(super) signs: u64,
}

impl Marks {
    /// Of the block of `bytes` that begins at `base`; past the end there are none.
    pub(super) fn at(bytes: &[u8], base: usize, signs: &[u8]) -> Self {
        let rest = &bytes[base..];
        match rest.first_chunk() {
            Some(block) => Self::of(block, signs),
            None => {
                let mut block = [0; SIZE];
                block[..rest.len()].copy_from_slice(rest);
                Self::of(&block, signs)
            }
        }
    }

    /// Where such a byte may stand beside a word that begins with this byte, and beside one that ends with it.
    /// Beyond the edges of the block nothing is known.
    pub(super) fn beside_lifting(&self) -> (u64, u64) {
        (self.lifting << 1 | 1, self.lifting >> 1 | self.lifting >> 2 | 0b11 << (SIZE - 2))
    }

    fn of(block: &[u8; SIZE], signs: &[u8]) -> Self {
        let words = mask(block, |byte| {
            (byte | 0x20).wrapping_sub(b'a') < 26 || byte.wrapping_sub(b'0') < 10 || byte == b'_'
        });
        let beyond = if block.is_ascii() { 0 } else { mask(block, |byte| byte >= 0x80) };
        let lifting = mask(block, letters::may_lift);
        let signs = signs.iter().fold(0, |marks, sign| marks | mask(block, |byte| byte == *sign));
        Self { words, beyond, lifting, signs }
    }
}

/// One bit for each byte that `is`.
#[inline(always)]
fn mask(block: &[u8; SIZE], is: impl Fn(u8) -> bool) -> u64 {
    /// Moves the lowest bits of eight bytes into the highest byte, in order.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let ones = block.map(|byte| u8::from(is(byte)));
    let (eights, _) = ones.as_chunks::<8>();
    eights
        .iter()
        .rev()
        .fold(0, |mask, eight| mask << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}

#[cfg(test)]
mod tests {
    use super::super::words::is_ascii_word;
    use super::*;

    #[test]
    fn every_byte_is_marked_as_its_class_says() {
        let bytes: Vec<u8> = (0..=255).chain(0..=99).collect();
        for base in (0..bytes.len()).step_by(SIZE) {
            let marks = Marks::at(&bytes, base, b".$");
            for bit in 0..SIZE {
                let byte = bytes.get(base + bit).copied();
                let marked = |marks: u64| marks >> bit & 1 == 1;
                assert_eq!(marked(marks.words), byte.is_some_and(is_ascii_word));
                assert_eq!(marked(marks.beyond), byte.is_some_and(|byte| byte >= 0x80));
                assert_eq!(marked(marks.lifting), byte.is_some_and(letters::may_lift));
                assert_eq!(marked(marks.signs), matches!(byte, Some(b'.' | b'$')));
            }
        }
    }
}
