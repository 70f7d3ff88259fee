//! The one truth about whether to send requests here; gRPC health and `/readyz` both read it.
//!
//! Never looks at a market: missing prices are states in an answer, not an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::market::Clock;

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

/// Signs of life: of the runtime, by a task that beats, and of the refresh loops, by what that task sees of them.
#[derive(Debug)]
struct Pulse {
    clock: Clock,
    last_beat_ms: AtomicU64,
    refresh_moves: AtomicBool,
    is_broken: AtomicBool,
}

/// How often the heart beats.
pub const BEAT: Duration = Duration::from_secs(1);
/// Without a beat for so long the process counts as stuck. Many beats, so that a busy moment is no reason to be
/// killed.
const STUCK_AFTER: Duration = Duration::from_secs(15);

impl Readiness {
    /// Of a process that has just started, by this clock.
    pub fn new(clock: Clock) -> Self {
        let pulse = Pulse {
            last_beat_ms: AtomicU64::new(0),
            refresh_moves: AtomicBool::new(true),
            is_broken: AtomicBool::new(false),
            clock,
        };
        let readiness = Self { stages: watch::Sender::new(Stage::Starting), pulse: Arc::new(pulse) };
        readiness.beat(true);
        readiness
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        *self.stages.borrow()
    }

    /// Whether the process still moves. Says nothing of markets: restarting would not help them.
    pub fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.pulse.last_beat_ms.load(Ordering::Relaxed));
        !self.pulse.is_broken.load(Ordering::Relaxed)
            && self.pulse.refresh_moves.load(Ordering::Relaxed)
            && self.pulse.clock.tick().saturating_sub(last) < STUCK_AFTER
    }

    /// The runtime still moves, and the refresh loops do or do not; to be called every [`BEAT`].
    pub fn beat(&self, refresh_moves: bool) {
        let now = u64::try_from(self.pulse.clock.tick().as_millis()).unwrap_or(u64::MAX);
        self.pulse.refresh_moves.store(refresh_moves, Ordering::Relaxed);
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
    fn a_heart_that_stops_is_told_and_one_that_beats_again_too() {
        let clock = Clock::manual("2026-05-18T12:00:00Z".parse().unwrap());
        let readiness = Readiness::new(clock.clone());
        clock.advance(STUCK_AFTER - Duration::from_millis(1));
        assert!(readiness.is_alive());
        clock.advance(Duration::from_millis(1));
        assert!(!readiness.is_alive(), "the runtime does not move");
        readiness.beat(true);
        assert!(readiness.is_alive());
        readiness.beat(false);
        assert!(!readiness.is_alive(), "the refresh loops do not move");
        readiness.beat(true);
        assert!(readiness.is_alive());
    }

    #[test]
    fn stages_never_go_back_and_a_broken_heart_stays_broken() {
        let readiness = Readiness::new(Clock::system());
        readiness.advance(Stage::Draining);
        readiness.advance(Stage::Ready);
        assert_eq!(readiness.stage(), Stage::Draining);
        assert!(readiness.is_alive());
        readiness.broken();
        readiness.beat(true);
        assert!(!readiness.is_alive());
    }
}
