//! The one truth about whether to send requests here; gRPC health and `/readyz` both read it.
//!
//! Never looks at a market: missing prices are states in an answer, not an outage.

use tokio::sync::watch;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The first refresh round is under way.
    Starting,
    /// Send requests.
    Ready,
    /// Still answering, but asked to stop: send new requests elsewhere.
    Draining,
    /// Streams of our own end now.
    Stopping,
}

/// A shared view of the stage. Stages only move forward.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<Stage>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }
}

impl Readiness {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Whether to send requests here.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// Moves on to `stage`; a step back is ignored, so a late "ready" cannot undo a drain.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let forward = stage > *now;
            *now = stage.max(*now);
            forward
        });
    }

    /// Tells of every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<Stage> {
        self.0.subscribe()
    }
}
