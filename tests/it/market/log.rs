//! What a test's own thread logs.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::fake_market::Mood;

/// Collects every line at every level for as long as it lives.
pub(super) struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

/// A subscriber that is always there. While there is only one, tracing asks nobody but the thread that first passes a
/// place whether the place counts, and another test's thread would say no for all of them.
static SECOND: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new()));

impl Log {
    pub(super) fn start() -> Self {
        LazyLock::force(&SECOND);
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        Self { _guard: tracing::subscriber::set_default(subscriber), lines }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The reason is told once, in our words; neither the key nor the body is.
    pub(super) fn check(&self, mood: &Mood, key: &str, reason: &str) {
        let text = self.text();
        assert!(!text.contains(key), "{mood:?}: the key is in the log");
        let ours: Vec<&str> = text.lines().filter(|line| line.contains(" cointag::")).collect();
        let loud = |line: &&&str| line.contains("WARN cointag") || line.contains("ERROR cointag");
        assert_eq!(ours.iter().filter(loud).count(), 1, "{mood:?}: {ours:#?}");
        assert!(ours.iter().any(|line| loud(&line) && line.contains(reason)), "{mood:?}: {ours:#?}");
        let body = match mood {
            Mood::Says(_, body) | Mood::Body(body) => body,
            Mood::Html => "One moment",
            _ => "Throttled",
        };
        if body.len() > 2 {
            assert!(!ours.iter().any(|line| line.contains(body)), "{mood:?}: the body is in the log");
        }
        assert!(!ours.iter().any(|line| line.contains("http://")), "{mood:?}: a URL is in the log");
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
