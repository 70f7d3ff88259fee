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
    /// When the first block was done, and what was read and done by then: what an earlier run did, or what comes before
    /// the tagging, is no speed of this one.
    first: Option<(Instant, u64, u64)>,
    bar: Option<ProgressBar>,
    read: u64,
    /// What it does, if not tagging.
    doing: &'static str,
}

impl Report {
    /// `to_terminal`: the output itself goes to the terminal, and nothing may come between.
    pub(super) fn new(quiet: bool, to_terminal: bool) -> Self {
        let now = Instant::now();
        let bar = (!quiet && !to_terminal && io::stderr().is_terminal()).then(ProgressBar::no_length);
        Self { quiet: quiet || to_terminal, started: now, told: now, first: None, bar, read: 0, doing: "" }
    }

    /// The same of something that comes before the tagging.
    pub(super) fn of(self, doing: &'static str) -> Self {
        Self { doing, ..self }
    }

    /// After each block.
    pub(super) fn tick(&mut self, progress: &Progress<'_>) {
        self.read = progress.read;
        let records = progress.tally.records();
        self.first.get_or_insert_with(|| (Instant::now(), records, progress.read));
        if self.quiet {
            return;
        }
        let Some(bar) = &self.bar else {
            if self.told.elapsed() >= LINE_EVERY {
                self.told = Instant::now();
                let left =
                    self.left(progress).map_or_else(String::new, |left| format!(", {} left", duration(left)));
                tell(&format!("{}{left}", self.speed(records, progress.tally.set_aside)));
            }
            return;
        };
        if bar.position() == 0 && progress.read > 0 {
            let template = match progress.total {
                Some(total) => {
                    bar.set_length(total);
                    // What a person waits for stands first; the bar takes what is left of the line.
                    "{percent}% {eta} left {wide_bar} {msg}"
                }
                None => "{spinner} {msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
        }
        bar.set_position(progress.read);
        bar.set_message(self.speed(records, progress.tally.set_aside));
    }

    fn left(&self, progress: &Progress<'_>) -> Option<Duration> {
        let (began, _, passed) = self.first?;
        let left = progress.total?.saturating_sub(progress.read) as f64;
        Some(began.elapsed().mul_f64(left / progress.read.saturating_sub(passed).max(1) as f64))
    }

    fn speed(&self, records: u64, set_aside: u64) -> String {
        let (began, before, passed) = self.first.unwrap_or((self.started, 0, 0));
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        format!(
            "{}{} articles, {} articles/s, {:.1} MB/s, {} set aside",
            self.doing,
            grouped(records),
            grouped(records.saturating_sub(before).saturating_mul(1000) / millis),
            self.read.saturating_sub(passed) as f64 / 1e3 / millis as f64,
            grouped(set_aside)
        )
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// At the end.
    pub(super) fn finish(&self, tally: &Tally) {
        self.clear();
        if !self.quiet {
            tell(summary(tally, self.started.elapsed()).trim_end());
        }
    }
}

/// Tells of calls that are made before the tagging begins.
pub(super) struct Calls {
    told: Instant,
    all: u64,
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Calls {
    /// `all`: how many are planned.
    pub(super) fn new(quiet: bool, all: u64) -> Self {
        let bar = (!quiet && all > 0 && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(all);
            match ProgressStyle::with_template(
                "{percent}% {eta} left {wide_bar} {pos} of {len} calls for prices",
            ) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { told: Instant::now(), all, quiet, bar }
    }

    /// So many were made.
    pub(super) fn tick(&mut self, made: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(self.all.max(made));
                bar.set_position(made);
            }
            None if !self.quiet && self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                tell(&calls_made(made, self.all));
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A call that fails is made again, so there may be more than were planned.
fn calls_made(made: u64, all: u64) -> String {
    if made > all {
        return format!("{} calls for prices, {} of them again", grouped(made), grouped(made - all));
    }
    format!("{} of {} calls for prices", grouped(made), grouped(all))
}

pub(super) fn tell(text: &str) {
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
    if tally.pending > 0 {
        text.push_str(&format!("  {} wait for prices\n", counted(tally.pending, "article", "articles")));
    }
    text
}

/// `12.3 s`, `4 min 05 s`, `3 h 20 min`.
pub(super) fn duration(duration: Duration) -> String {
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
    fn calls_that_are_made_again_are_told_apart() {
        assert_eq!(calls_made(1000, 2500), "1,000 of 2,500 calls for prices");
        assert_eq!(calls_made(6, 1), "6 calls for prices, 5 of them again");
    }

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
