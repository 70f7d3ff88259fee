//! How long a task waits for a thread of the runtime: a task of its own stands in line again and again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often to look while the line is short.
const EVERY: Duration = Duration::from_millis(5);

/// Not standing in line now.
const IDLE: u64 = u64::MAX;

pub(super) struct Lag {
    started: Instant,
    /// How long the last wait took, in microseconds.
    last_us: AtomicU64,
    /// Since when the task stands in line, in microseconds since the start.
    since_us: AtomicU64,
}

impl Default for Lag {
    fn default() -> Self {
        Self { started: Instant::now(), last_us: AtomicU64::new(0), since_us: AtomicU64::new(IDLE) }
    }
}

impl Lag {
    /// The longest wait that is known of: the last one, or that which is not over yet. Without the latter a line that
    /// grows fast would be seen only by whoever comes out of it.
    pub(super) fn now(&self) -> Duration {
        let waiting = match self.since_us.load(Ordering::Relaxed) {
            IDLE => 0,
            since => self.elapsed_us().saturating_sub(since),
        };
        Duration::from_micros(waiting.max(self.last_us.load(Ordering::Relaxed)))
    }

    /// Measures for ever.
    pub(super) async fn watch(&self, long: Duration) {
        loop {
            let since = self.elapsed_us();
            self.since_us.store(since, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let lag = self.elapsed_us().saturating_sub(since);
            self.last_us.store(lag, Ordering::Relaxed);
            self.since_us.store(IDLE, Ordering::Relaxed);
            // After a long wait at once again: what was in line is done by now.
            if Duration::from_micros(lag) <= long {
                tokio::time::sleep(EVERY).await;
            }
        }
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One thread, so that the line is whatever this test does.
    #[tokio::test]
    async fn a_line_is_seen_while_it_is_stood_in_and_forgotten_when_it_is_gone() {
        static LAG: std::sync::LazyLock<Lag> = std::sync::LazyLock::new(Lag::default);
        let busy = Duration::from_millis(50);
        tokio::spawn(LAG.watch(busy * 100));
        // The task stands in line as soon as it has run once.
        tokio::task::yield_now().await;
        let began = Instant::now();
        while began.elapsed() < busy {}
        assert!(LAG.now() >= busy, "{:?}", LAG.now());
        let gone = async {
            while LAG.now() >= busy {
                tokio::time::sleep(EVERY).await
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("took too long");
    }
}
