//! What a person sees of a run: a bar or plain lines while it runs, a summary at the end.
//!
//! Owns words on stderr. Never decides anything.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::archive::{Progress, Tally, grouped};

/// Where stderr is no terminal, how often a line is written.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tokens in the summary.
const TOP: usize = 20;

/// Cells of the longest bar.
const BAR: u64 = 40;

/// Tells of one run.
pub(super) struct Report {
    quiet: bool,
    started: Instant,
    told: Instant,
    /// What earlier runs had done.
    before: Option<u64>,
    bar: Option<ProgressBar>,
    read: u64,
}

impl Report {
    /// `to_terminal`: the output itself goes to the terminal, and nothing may come between.
    pub(super) fn new(quiet: bool, to_terminal: bool) -> Self {
        let now = Instant::now();
        let bar = (!quiet && !to_terminal && io::stderr().is_terminal()).then(ProgressBar::no_length);
        Self { quiet: quiet || to_terminal, started: now, told: now, before: None, bar, read: 0 }
    }

    /// After each block.
    pub(super) fn tick(&mut self, progress: &Progress<'_>) {
        self.read = progress.read;
        let records = progress.tally.records();
        let before = *self.before.get_or_insert(0);
        if self.quiet {
            return;
        }
        let Some(bar) = &self.bar else {
            if self.told.elapsed() >= LINE_EVERY {
                self.told = Instant::now();
                let left =
                    self.left(progress).map_or_else(String::new, |left| format!(", {} left", duration(left)));
                tell(&format!("{}{left}", self.speed(records - before, progress.tally.set_aside)));
            }
            return;
        };
        if bar.position() == 0 && progress.read > 0 {
            let template = match progress.total {
                Some(total) => {
                    bar.set_length(total);
                    "{bar:30} {bytes}/{total_bytes} {msg}, {eta} left"
                }
                None => "{spinner} {bytes} {msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
        }
        bar.set_position(progress.read);
        bar.set_message(self.speed(records - before, progress.tally.set_aside));
    }

    fn left(&self, progress: &Progress<'_>) -> Option<Duration> {
        let total = progress.total?;
        let share = total as f64 / progress.read.max(1) as f64 - 1.0;
        Some(self.started.elapsed().mul_f64(share.max(0.0)))
    }

    fn speed(&self, records: u64, set_aside: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        format!(
            "{} articles, {:.0} articles/s, {:.1} MB/s, {} set aside",
            grouped(records),
            records as f64 / seconds,
            self.read as f64 / 1e6 / seconds,
            grouped(set_aside)
        )
    }

    /// At the end.
    pub(super) fn finish(&self, tally: &Tally) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.quiet {
            tell(summary(tally, self.started.elapsed()).trim_end());
        }
    }
}

fn tell(text: &str) {
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

fn summary(tally: &Tally, time: Duration) -> String {
    let counted = |count: u64, one: &str, many: &str| {
        format!("{} {}", grouped(count), if count == 1 { one } else { many })
    };
    let mut text = format!(
        "{} in {}: {} of {}, {} ambiguous, {} set aside\n",
        counted(tally.articles, "article", "articles"),
        duration(time),
        counted(tally.mentions, "mention", "mentions"),
        counted(tally.tokens.len() as u64, "token", "tokens"),
        grouped(tally.ambiguous),
        grouped(tally.set_aside)
    );
    if tally.kept > 0 {
        text.push_str(&format!("  {} of them kept from the earlier output\n", grouped(tally.kept)));
    }
    let top = tally.top(TOP);
    let width = top.iter().map(|(_, token)| token.label.chars().count()).max().unwrap_or(0);
    let most = top.first().map_or(1, |(_, token)| token.mentions.max(1));
    for (_, token) in &top {
        let cells = (token.mentions * BAR).div_ceil(most);
        let bar = "█".repeat(usize::try_from(cells).unwrap_or(0));
        text.push_str(&format!("  {:width$}  {bar} {}\n", token.label, grouped(token.mentions)));
    }
    if !tally.prices.is_empty() {
        let states = tally.prices.iter().map(|(state, count)| format!("{} {state}", grouped(*count)));
        text.push_str(&format!("  prices: {}\n", states.collect::<Vec<_>>().join(", ")));
    }
    text
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_shows_the_most_mentioned_as_bars() {
        let mut tally = Tally::default();
        (tally.articles, tally.mentions, tally.ambiguous) = (1234, 46, 1);
        for (id, label, mentions) in [("bitcoin", "BTC", 40), ("solana", "SOL", 6)] {
            let token = tally.tokens.entry(id.to_owned()).or_default();
            (token.label, token.mentions) = (label.to_owned(), mentions);
        }
        tally.prices.insert("fresh".to_owned(), 7);
        let text = summary(&tally, Duration::from_secs(75));
        let bars = format!("  BTC  {} 40\n  SOL  {} 6\n", "█".repeat(40), "█".repeat(6));
        let first = "1,234 articles in 1 min 15 s: 46 mentions of 2 tokens, 1 ambiguous, 0 set aside\n";
        assert_eq!(text, format!("{first}{bars}  prices: 7 fresh\n"));
    }
}
