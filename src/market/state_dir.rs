//! What is kept in the state directory: the budget's counters and the newest quotes.
//!
//! One process owns the directory, by a lock that ends with the process; another one reads and writes
//! nothing. Whatever goes wrong here costs calls and warm prices, never correctness, and never stops anything.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::links::{FILE as LINKS, Proved};
use super::pace::Kept;
use super::saved::SavedQuote;

const LOCK: &str = "lock";
const BUDGET: &str = "budget.json";
const QUOTES: &str = "quotes.json";

/// The counters of each source, by name.
pub(super) type Budgets = BTreeMap<String, Kept>;

/// The state directory of a running program.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
    /// Held for as long as this process owns the directory.
    lock: Option<File>,
    warned: AtomicBool,
    // Two writers of one file would mix their halves.
    writing: Mutex<()>,
}

/// The directories that this process holds: after a reload two catalogs share one, and its one writer.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<StateDir>>> = Mutex::new(BTreeMap::new());

impl StateDir {
    /// Takes the directory, or says that it is another's.
    pub(super) fn open(path: &Path) -> Arc<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = open.get(path).and_then(Weak::upgrade).filter(|held| held.is_ours()) {
            return held;
        }
        let taken = Arc::new(Self::take(path));
        open.insert(path.to_owned(), Arc::downgrade(&taken));
        taken
    }

    fn take(path: &Path) -> Self {
        let lock = match lock(&path.join(LOCK)) {
            Ok(lock) => Some(lock),
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(path = %path.display(), "another process owns the state directory: it is read, nothing is written");
                None
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "the state directory cannot be written: counters and prices are not kept");
                None
            }
        };
        Self { path: path.to_owned(), lock, warned: AtomicBool::new(false), writing: Mutex::new(()) }
    }

    /// The counters as last written.
    pub(super) fn budgets(&self) -> Budgets {
        self.read(BUDGET)
    }

    /// The quotes as last written.
    pub(super) fn quotes(&self) -> Vec<SavedQuote> {
        self.read(QUOTES)
    }

    /// Whether this process may write.
    pub(super) fn is_ours(&self) -> bool {
        self.lock.is_some()
    }

    /// Keeps the counters, so that not even a crash loses a call.
    pub(super) fn save_budgets(&self, budgets: impl FnOnce() -> Budgets) {
        self.write(BUDGET, budgets);
    }

    /// Keeps the newest quotes.
    pub(super) fn save_quotes(&self, quotes: impl FnOnce() -> Vec<SavedQuote>) {
        self.write(QUOTES, quotes);
    }

    /// Keeps which listings have proved themselves.
    pub(super) fn save_links(&self, links: impl FnOnce() -> Proved) {
        self.write(LINKS, links);
    }

    fn read<T: Default + DeserializeOwned>(&self, name: &str) -> T {
        let path = self.path.join(name);
        // Absent at the first start.
        let Ok(text) = std::fs::read(&path) else { return T::default() };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "unreadable, begun anew");
            T::default()
        })
    }

    /// The content is asked for when it is our turn, so that the last to write writes the newest.
    fn write<T: Serialize>(&self, name: &str, content: impl FnOnce() -> T) {
        if self.lock.is_none() {
            return;
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join(name);
        let written = serde_json::to_vec(&content()).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|text| replace(&path, &text))
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(path = %path.display(), %error, "cannot write to the state directory; what is learned is lost at the end");
        }
    }
}

fn lock(path: &Path) -> Result<File, TryLockError> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(TryLockError::Error)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Writes beside the file and renames: a reader sees the old or the new one, whole.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("json.part");
    let mut file = File::create(&part)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}
