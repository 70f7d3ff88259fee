//! Which unverified listings have proved themselves.
//!
//! A market's id that was matched by name alone may be another coin's. It prices its token only after its
//! price once agreed with another source's; that is remembered in the state directory. Losing the file
//! costs a few minutes without those prices, never a wrong one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;

const FILE: &str = "verified_links.json";

/// How far two markets' prices of one token may lie apart.
const AGREE_WITHIN: f64 = 0.05;

/// Source → our token id → the market's id that proved itself. Another id has to prove itself again.
type Proved = BTreeMap<String, BTreeMap<String, String>>;

/// The listings that have proved themselves.
#[derive(Debug, Default)]
pub(super) struct Links {
    path: Option<PathBuf>,
    proved: Proved,
}

impl Links {
    /// What is remembered in `state_dir`; nothing is remembered without one.
    pub(super) fn load(state_dir: Option<&Path>) -> Self {
        let Some(path) = state_dir.map(|dir| dir.join(FILE)) else { return Self::default() };
        let proved = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "unreadable, unverified listings prove themselves again");
                Proved::default()
            }),
            // Absent at the first start.
            Err(_) => Proved::default(),
        };
        Self { path: Some(path), proved }
    }

    pub(super) fn is_proved(&self, source: &str, token: &str, market_id: &str) -> bool {
        self.proved.get(source).and_then(|tokens| tokens.get(token)).is_some_and(|id| id == market_id)
    }

    pub(super) fn prove(&mut self, source: &str, token: &str, market_id: &str) {
        let tokens = self.proved.entry(source.to_owned()).or_default();
        tokens.insert(token.to_owned(), market_id.to_owned());
    }

    /// What to write where, to remember; `None`: there is no state directory.
    pub(super) fn to_save(&self) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.path.clone()?;
        Some((path, serde_json::to_vec_pretty(&self.proved).ok()?))
    }
}

/// Writes beside the file and renames: a reader sees the old or the new one, whole.
pub(super) fn save(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let part = path.with_extension("json.part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

/// Whether two prices are of one token, as far as prices can tell.
pub(super) fn agree(price: Decimal, other: Decimal) -> bool {
    let (Ok(price), Ok(other)) = (f64::try_from(price), f64::try_from(other)) else { return false };
    (price - other).abs() <= other.abs() * AGREE_WITHIN
}
