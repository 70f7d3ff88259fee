//! The past prices of an archive: which are needed, what they cost, and fetching them before the first record is tagged.
//!
//! Owns the look at the whole archive that this takes, and what is told of it. Never writes records.

use std::io;
use std::sync::{Mutex, PoisonError};

use comfy_table::{CellAlignment, Table, presets};

use super::local::{LiveQuotes, Local};
use super::options::TagArgs;
use super::report::{Calls, Report, duration};
use crate::annotate::{Record, RecordError};
use crate::api::tokens;
use crate::archive::{
    Annotator, ArchiveError, Destination, Inputs, Job, OutputFormat, files_of_run, grouped, run,
};
use crate::market::history::{Cost, MarketCost, Wanted};
use crate::mention::Document;

/// Notes which prices documents need, and answers nothing else.
struct Noting<'l> {
    local: &'l Local,
    quotes: &'l LiveQuotes,
    wanted: Mutex<Wanted>,
}

impl Annotator for Noting<'_> {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let mut wanted = Wanted::default();
        let catalog = self.local.detector.catalog();
        let answers = documents.into_iter().map(|document| {
            let Some(at) = document.published_at else { return Ok(self.nothing()) };
            let document = Document { context: self.local.context, ..document };
            let record = self.local.mentions(&document);
            let asked: Vec<_> = tokens(catalog, &record).into_iter().map(|token| (token, at)).collect();
            self.quotes.history().note(&mut wanted, &asked);
            Ok(self.nothing())
        });
        let answers = answers.collect();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).add(&wanted);
        Ok(answers)
    }
}

impl Noting<'_> {
    fn nothing(&self) -> Record {
        Record {
            id: None,
            catalog_version: String::new(),
            detector_version: String::new(),
            mentions: Vec::new(),
            ambiguous: Vec::new(),
            rejected: Vec::new(),
        }
    }
}

/// Everything that the articles of `inputs` need. `report` tells how far the reading has come.
pub(super) fn wanted(
    local: &Local,
    quotes: &LiveQuotes,
    inputs: &Inputs,
    args: &TagArgs,
    mut report: Report,
) -> Result<Wanted, ArchiveError> {
    let noting = Noting { local, quotes, wanted: Mutex::default() };
    let mut inputs = inputs.clone();
    inputs.except.extend(args.output.as_deref().map(files_of_run).unwrap_or_default());
    let job = Job {
        inputs,
        reading: args.reading().map_err(ArchiveError::Refused)?,
        format: OutputFormat::Html,
        colour: false,
        annotator: &noting,
        offset_unit: args.options().offset_unit,
        identity: Vec::new(),
        previous: None,
        fill: false,
        prepare: None,
        resume: false,
        tuning: args.tuning(true),
    };
    run(job, Destination::Stream(Box::new(io::sink())), &mut |progress| report.tick(progress))?;
    report.clear();
    Ok(noting.wanted.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Tells what a run over `inputs` costs, and fetches it.
pub(super) fn fetch(
    local: &Local,
    quotes: &LiveQuotes,
    inputs: &Inputs,
    args: &TagArgs,
    to_terminal: bool,
) -> Result<(), ArchiveError> {
    let report = Report::new(args.quiet, to_terminal).of("looking for prices to fetch: ");
    let wanted = wanted(local, quotes, inputs, args, report)?;
    let cost = quotes.history().cost(&wanted);
    let mut calls = Calls::new(args.quiet || to_terminal, cost.calls());
    if !args.quiet {
        super::report::tell(text(&cost).trim_end());
    }
    if !cost.markets.is_empty() || cost.waiting > 0 {
        quotes.fetch(&wanted, &mut |made| calls.tick(made));
    }
    calls.clear();
    Ok(())
}

/// What is told of a plan.
pub(super) fn text(cost: &Cost) -> String {
    let mut text =
        format!("prices at publication: {} wanted, each of a token at an hour", grouped(cost.wanted));
    for (count, what) in [
        (cost.known, "known already"),
        (cost.refused, "that no market has"),
        (cost.waiting, "that wait for a market at rest"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    if cost.markets.is_empty() {
        text.push_str("; no calls to make\n");
        return text;
    }
    text.push('\n');
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "market",
        "prices",
        "calls",
        "calls a minute",
        "left this month",
        "takes about",
    ]);
    for market in &cost.markets {
        table.add_row([
            market.name.to_owned(),
            grouped(market.prices),
            grouped(market.calls),
            per_minute(market),
            market.left.map_or_else(|| "no limit".to_owned(), |left| grouped(left.into())),
            duration(market.takes()),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().for_each(|line| text.push_str(&format!(" {}\n", line.trim_end())));
    for market in &cost.markets {
        if let Some(left) = market.left.filter(|left| u64::from(*left) < market.calls) {
            text.push_str(&format!(
                "  {}: its month allows {} of {} calls; the rest stays pending until --resume\n",
                market.name,
                grouped(left.into()),
                grouped(market.calls)
            ));
        }
    }
    text
}

fn per_minute(market: &MarketCost) -> String {
    let rate = 60.0 / market.interval.as_secs_f64().max(0.001);
    if rate >= 10.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_plan_tells_calls_budget_and_time_by_market() {
        let market = |name, prices, calls, interval_s, left| MarketCost {
            name,
            prices,
            calls,
            interval: Duration::from_secs(interval_s),
            left,
        };
        let cost = Cost {
            wanted: 12_345,
            known: 2000,
            refused: 11,
            waiting: 0,
            markets: vec![
                market("defillama", 20_690, 414, 1, None),
                market("coingecko", 70, 70, 595, Some(50)),
            ],
        };
        let expected = "prices at publication: 12,345 wanted, each of a token at an hour, 2,000 known already, 11 that no market has
  market     prices  calls  calls a minute  left this month  takes about
  defillama  20,690    414              60         no limit   6 min 53 s
  coingecko      70     70             0.1               50  11 h 24 min
  coingecko: its month allows 50 of 70 calls; the rest stays pending until --resume
";
        assert_eq!(text(&cost), expected);
        let known = Cost { wanted: 5, known: 5, ..Cost::default() };
        assert_eq!(
            text(&known),
            "prices at publication: 5 wanted, each of a token at an hour, 5 known already; no calls to make\n"
        );
    }
}
