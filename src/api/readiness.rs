//! The one truth about whether to send requests here; gRPC health and `/readyz` both read it.
//!
//! Never looks at a market: missing prices are states in an answer, not an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

/// A shared view of the stage. Stages only move forward, so health cannot flap.
#[derive(Clone, Debug)]
pub struct Readiness {
    stages: watch::Sender<Stage>,
    pulse: Arc<Pulse>,
}

/// Signs of life: of the runtime, by a task that beats, and of the refresh loop, by not having ended.
#[derive(Debug)]
struct Pulse {
    started: Instant,
    last_beat_ms: AtomicU64,
    is_broken: AtomicBool,
}

/// How often the heart beats.
pub const BEAT: Duration = Duration::from_secs(1);
/// Without a beat for so long the process counts as stuck. Many beats, so that a busy moment is no reason to be
/// killed.
const STUCK_AFTER: Duration = Duration::from_secs(15);

impl Default for Readiness {
    fn default() -> Self {
        let pulse = Pulse {
            started: Instant::now(),
            last_beat_ms: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
        };
        Self { stages: watch::Sender::new(Stage::Starting), pulse: Arc::new(pulse) }
    }
}

impl Readiness {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        *self.stages.borrow()
    }

    /// Whether the process still moves. Says nothing of markets: restarting would not help them.
    pub fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.pulse.last_beat_ms.load(Ordering::Relaxed));
        !self.pulse.is_broken.load(Ordering::Relaxed)
            && self.pulse.started.elapsed().saturating_sub(last) < STUCK_AFTER
    }

    /// The runtime still moves; to be called every [`BEAT`].
    pub fn beat(&self) {
        let now = u64::try_from(self.pulse.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.last_beat_ms.store(now, Ordering::Relaxed);
    }

    /// Something ended that should not have: only a restart helps.
    pub fn broken(&self) {
        self.pulse.is_broken.store(true, Ordering::Relaxed);
    }

    /// Whether to send requests here.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// Moves on to `stage`; a step back is ignored, so a late "ready" cannot undo a drain.
    pub fn advance(&self, stage: Stage) {
        self.stages.send_if_modified(|now| {
            let forward = stage > *now;
            *now = stage.max(*now);
            forward
        });
    }

    /// Tells of every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<Stage> {
        self.stages.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_never_go_back_and_a_broken_heart_is_told() {
        let readiness = Readiness::default();
        readiness.advance(Stage::Draining);
        readiness.advance(Stage::Ready);
        assert_eq!(readiness.stage(), Stage::Draining);
        assert!(readiness.is_alive());
        readiness.broken();
        readiness.beat();
        assert!(!readiness.is_alive());
    }
}
