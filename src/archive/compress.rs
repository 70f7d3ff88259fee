//! gzip and zstd: told by their first bytes when read, by the file's name when written.
//!
//! Owns compression. Every block written is a member (gzip) or frame (zstd) of its own, so that a run can go on
//! after any of them; readers of both formats take them as one text.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How an output is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// By the extension of `path`.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// `bytes` as a member or frame of its own. The same bytes give the same result.
    pub(super) fn pack(self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        if bytes.is_empty() {
            return Ok(bytes);
        }
        match self {
            Self::None => Ok(bytes),
            Self::Gzip => {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(bytes.len() / 4), flate2::Compression::default());
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(&bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whether a text that begins with `head` is compressed.
pub(super) fn is_packed(head: &[u8]) -> bool {
    head.starts_with(GZIP) || head.starts_with(ZSTD)
}

/// The text of `source`, decompressed if its first bytes say that it is compressed.
pub(super) fn unpack(mut source: Box<dyn BufRead + Send>) -> io::Result<Box<dyn Read + Send>> {
    let head = source.fill_buf()?;
    Ok(if head.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(source))
    } else if head.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(source)?)
    } else {
        Box::new(source)
    })
}

/// `name` without the extension of a compression.
pub(super) fn stem(name: &str) -> &str {
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_frames_read_as_one_text() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut packed = compression.pack(b"one\n".to_vec()).unwrap();
            packed.extend(compression.pack(Vec::new()).unwrap());
            packed.extend(compression.pack(b"two\n".to_vec()).unwrap());
            let mut text = String::new();
            unpack(Box::new(io::Cursor::new(packed))).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n", "{compression:?}");
        }
    }
}
