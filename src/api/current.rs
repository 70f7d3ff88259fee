//! The [`Api`] in force. A reload puts another in its place; a request keeps the one it began with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Api;
use crate::market::Markets;
use crate::mention::Detector;

/// Where the newest [`Api`] stands. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Api>>);

impl Current {
    /// Begins with this one.
    pub fn new(api: Api) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(api)))
    }

    /// The one in force; ask once per request.
    pub fn get(&self) -> Arc<Api> {
        self.0.load_full()
    }

    /// Puts other knowledge in force; limits and counters stay. `markets` must have been made for the catalog
    /// of `detector`.
    pub fn replace(&self, detector: Arc<Detector>, markets: Markets) {
        let before = self.get();
        let known = before.known.and(detector.catalog());
        let api = Api { detector, known, markets, ..Api::clone(&before) };
        self.0.store(Arc::new(api));
    }
}
