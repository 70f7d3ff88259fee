//! Certificates and keys are read again when their files change. A bad file leaves the old ones in force.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::Metrics;
use crate::config::Config;
use crate::guard::{Guard, Keys};
use crate::net::Tls;

pub(super) struct Secrets {
    tls: Option<Tls>,
    tls_files: Vec<PathBuf>,
    guard: Guard,
    keys_file: Option<PathBuf>,
    metrics: Metrics,
}

impl Secrets {
    pub(super) fn new(config: &Config, tls: Option<Tls>, guard: Guard, metrics: Metrics) -> Self {
        let tls_files = [&config.tls.cert, &config.tls.key, &config.tls.client_ca].into_iter().flatten();
        let keys_file = config.auth.keys_file.clone();
        Self { tls, tls_files: tls_files.cloned().collect(), guard, keys_file, metrics }
    }

    /// Looks at the files' contents, not at their times: an orchestrator swaps links, and clocks differ.
    pub(super) async fn watch(self, every: Duration, stop: CancellationToken) {
        if self.tls.is_none() && self.keys_file.is_none() {
            return;
        }
        let (mut tls_seen, mut keys_seen) = (contents(&self.tls_files), contents(&self.keys_file));
        // An interval of zero would panic.
        let mut rounds = tokio::time::interval(every.max(Duration::from_millis(10)));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => {}
            }
            let (tls_now, keys_now) = (contents(&self.tls_files), contents(&self.keys_file));
            if tls_now != tls_seen {
                tls_seen = tls_now;
                self.reload_tls();
            }
            if keys_now != keys_seen {
                keys_seen = keys_now;
                self.reload_keys();
            }
        }
    }

    fn reload_tls(&self) {
        let Some(tls) = &self.tls else { return };
        let reloaded = tls.reload();
        self.metrics.reloaded("tls", reloaded.is_ok());
        match reloaded {
            Ok(()) => tracing::info!("new certificates are in force"),
            Err(error) => tracing::error!(%error, "the old certificates stay in force"),
        }
    }

    fn reload_keys(&self) {
        let Some(path) = &self.keys_file else { return };
        let read = Keys::read(path);
        self.metrics.reloaded("keys", read.is_ok());
        match read {
            Ok(keys) => {
                self.guard.set_keys(keys);
                tracing::info!("new keys are in force");
            }
            Err(error) => tracing::error!(%error, "the old keys stay in force"),
        }
    }
}

/// Of a file that cannot be read, nothing: that differs from what was seen before.
fn contents<'p>(files: impl IntoIterator<Item = &'p PathBuf>) -> Vec<Option<blake3::Hash>> {
    files.into_iter().map(|path| std::fs::read(path).ok().map(|bytes| blake3::hash(&bytes))).collect()
}
