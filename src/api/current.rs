//! The [`Api`] in force. A reload puts another in its place; a request keeps the one it began with.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Api;
use crate::market::Markets;
use crate::mention::Detector;

/// Where the newest [`Api`] stands. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Current {
    newest: Arc<ArcSwap<Api>>,
    /// Counts the replacements.
    replaced: watch::Sender<u64>,
}

impl Current {
    /// Begins with this one.
    pub fn new(api: Api) -> Self {
        Self { newest: Arc::new(ArcSwap::from_pointee(api)), replaced: watch::Sender::new(0) }
    }

    /// The one in force; ask once per request.
    pub fn get(&self) -> Arc<Api> {
        self.newest.load_full()
    }

    /// Changes whenever another one has come into force: what lives longer than a request goes over to it.
    pub fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// Puts other knowledge in force; limits and counters stay. `markets` must have been made for the catalog
    /// of `detector`.
    pub fn replace(&self, detector: Arc<Detector>, markets: Markets) {
        let before = self.get();
        let known = before.known.and(detector.catalog());
        let api = Api { detector, known, markets, ..Api::clone(&before) };
        self.newest.store(Arc::new(api));
        self.replaced.send_modify(|replaced| *replaced += 1);
    }
}
