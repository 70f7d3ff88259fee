//! `cointag quote`: what tokens are worth, asked from the markets in this process.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{EXIT_FAILED, EXIT_PART, Global, complain, fail, print};
use crate::api::{self, Limits, QuoteItem, QuoteResult, Quotes, QuotesRequest};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::market::quote::{QuoteAnswer, QuoteState};
use crate::market::{Clock, Markets};

/// Options of `quote`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag quote BTC ethereum '$sol'
  cointag quote BTC --at 2024-03-05T12:00Z             what it was worth then, and the change since
  cointag quote BTC ETH --watch                        live, until Ctrl-C
  cointag quote bitcoin --format json | jq -r '.quotes[0].priced.quote.price'

Exit: 0 all priced, 1 some, 2 none.")]
pub(super) struct QuoteArgs {
    /// Tickers (BTC) or our ids (bitcoin)
    #[arg(required = true, value_name = "TOKEN")]
    tokens: Vec<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// A moment in the past to price at, such as 2024-03-05T12:00Z or 2024-03-05
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Currency of the prices: an ISO code, BTC or ETH
    #[arg(long, value_name = "CODE", default_value = "USD")]
    pub(super) currency: String,
    /// Go on showing them as they change, until stopped: live in a terminal, one line a change elsewhere
    #[arg(long, conflicts_with_all = ["at", "format", "wait"])]
    watch: bool,
    /// How long to wait for the markets [default: 3s, with --at 20s]
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    wait: Option<Duration>,
}

const WAIT: Duration = Duration::from_secs(3);
/// A past price may need two calls, one to each of two markets.
const WAIT_FOR_THE_PAST: Duration = Duration::from_secs(20);

impl QuoteArgs {
    fn wait(&self) -> Duration {
        self.wait.unwrap_or(if self.at.is_some() { WAIT_FOR_THE_PAST } else { WAIT })
    }
}

/// An instant in RFC 3339, also without seconds, or a date (its first moment in UTC).
fn instant(text: &str) -> Result<Timestamp, String> {
    let date = || format!("{text}T00:00Z").parse();
    text.parse::<Timestamp>()
        .or_else(|_| date())
        .map_err(|_| "write a moment such as 2024-03-05T12:00Z, or a date".to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// As `POST /v1/quotes` answers
    Json,
}

pub(super) fn run(global: &Global, args: &QuoteArgs) -> ExitCode {
    let quotes = match global.load_and_log(&[], "error").map_err(|error| error.to_string()) {
        Ok(config) if args.watch => {
            return super::watch::run(&config, args).map_or_else(fail, |()| ExitCode::SUCCESS);
        }
        Ok(config) => ask(&config, args),
        Err(error) => Err(error),
    };
    let quotes = match quotes {
        Ok(quotes) => quotes,
        Err(error) => return fail(error),
    };
    let text = match args.format {
        Format::Table => table(&quotes.quotes, args.at.is_some()),
        Format::Json => {
            serde_json::to_string(&quotes).map_or_else(|error| error.to_string(), |json| json + "\n")
        }
    };
    if let Err(exit) = print(&text) {
        return exit;
    }
    let errors = quotes.quotes.iter().filter_map(|item| match &item.result {
        QuoteResult::Error(error) => Some(error),
        QuoteResult::Priced(_) => None,
    });
    errors.for_each(|error| complain(&error.message));
    let priced = quotes.quotes.iter().filter(|item| price(item).is_some()).count();
    match priced {
        0 => ExitCode::from(EXIT_FAILED),
        some if some < quotes.quotes.len() => ExitCode::from(EXIT_PART),
        _ => ExitCode::SUCCESS,
    }
}

fn ask(config: &Config, args: &QuoteArgs) -> Result<Quotes, String> {
    let catalog = config.catalog.load().map_err(|error| error.to_string())?;
    let runtime = super::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
    let (request, places) = request(&catalog, args);
    // A person may wait as long as they say.
    let limits = Limits { quote_wait_max: args.wait(), ..config.limits.clone() };
    let quotes = runtime.block_on(async {
        let state_dir = config.state_dir.as_deref();
        let markets =
            Markets::new(catalog.clone(), &config.market, &config.quotes, state_dir, Clock::system())
                .map_err(|error| error.to_string())?;
        let stop = CancellationToken::new();
        if !args.currency.eq_ignore_ascii_case("USD") {
            markets.rates().want();
        }
        let refresh = markets.spawn(stop.clone());
        let quotes = api::quote(&catalog, &markets, &limits, request).await;
        stop.cancel();
        // Nothing of it is needed any more.
        let _ = refresh.await;
        quotes.map_err(|error| error.message)
    });
    runtime.shutdown_background();
    let mut quotes = quotes?.quotes.into_iter().zip(places).collect::<Vec<_>>();
    quotes.sort_by_key(|(_, place)| *place);
    Ok(Quotes { quotes: quotes.into_iter().map(|(item, _)| item).collect() })
}

/// The request, and for each of its items the place among the arguments: the answer has ids first, a person
/// wants their own order. A word that is one of our ids is taken for it, any other for a ticker.
pub(super) fn request(catalog: &Catalog, args: &QuoteArgs) -> (QuotesRequest, Vec<usize>) {
    let words = args.tokens.iter().enumerate();
    let (ids, symbols): (Vec<_>, Vec<_>) = words.partition(|(_, word)| catalog.find(word).is_some());
    let places = ids.iter().chain(&symbols).map(|(place, _)| *place).collect();
    let texts = |words: Vec<(usize, &String)>| words.into_iter().map(|(_, word)| word.clone()).collect();
    let request = QuotesRequest {
        token_ids: texts(ids),
        symbols: texts(symbols),
        quote_wait_ms: u32::try_from(args.wait().as_millis()).unwrap_or(u32::MAX),
        at: args.at,
        currency: Some(args.currency.clone()),
        ..QuotesRequest::default()
    };
    (request, places)
}

fn price(item: &QuoteItem) -> Option<&str> {
    match &item.result {
        QuoteResult::Priced(priced) => priced.quote.price.as_deref(),
        QuoteResult::Error(_) => None,
    }
}

/// With `past` the column of ages is one of changes since then.
pub(super) fn table(items: &[QuoteItem], past: bool) -> String {
    let mut table = Table::new();
    let currency = items.iter().find_map(|item| match &item.result {
        QuoteResult::Priced(priced) => priced.quote.currency.as_deref(),
        QuoteResult::Error(_) => None,
    });
    let price = format!("PRICE ({})", currency.unwrap_or("USD"));
    let last = if past { ["24 H", "SINCE", "SOURCE"] } else { ["24 H", "AGE", "SOURCE"] };
    table.load_style(presets::NOTHING).set_header(["TOKEN", "NAME", &price].into_iter().chain(last));
    for column in 2..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for item in items {
        if let QuoteResult::Priced(priced) = &item.result {
            let quote = &priced.quote;
            table.add_row([
                Cell::new(&priced.symbol),
                Cell::new(&priced.name),
                Cell::new(quote.price.as_deref().map_or_else(|| "-".to_owned(), grouped)),
                quote.change_24h_pct.map_or_else(|| Cell::new(""), change),
                match (past, quote.change_since_pct) {
                    (true, since) => since.map_or_else(|| Cell::new(""), change),
                    (false, _) => Cell::new(quote.age_s.map_or_else(String::new, age)),
                },
                Cell::new(origin(quote)),
            ]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    table.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

fn origin(quote: &QuoteAnswer) -> String {
    let reason = quote.reason.as_ref().filter(|_| quote.price.is_none());
    match (reason, &quote.source, quote.state) {
        (Some(reason), ..) => reason.clone(),
        (None, Some(source), QuoteState::Fresh) => source.clone(),
        (None, Some(source), QuoteState::Historical) => {
            let as_of =
                quote.as_of.map_or_else(String::new, |as_of| format!(", {}", as_of.strftime("%F %H:%MZ")));
            format!("{source}{as_of}")
        }
        (None, Some(source), _) => format!("{source} (stale)"),
        (None, None, _) => String::new(),
    }
}

fn change(percent: f64) -> Cell {
    Cell::new(format!("{percent:+.1}%")).fg(if percent < 0.0 { Color::Red } else { Color::Green })
}

fn age(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.0} h", seconds / 3600.0)
    }
}

/// Plain decimal text with its whole part in groups of three.
fn grouped(price: &str) -> String {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_grouped_without_becoming_floats() {
        for (price, text) in [
            ("74603.12", "74,603.12"),
            ("0.0000000123", "0.0000000123"),
            ("100", "100"),
            ("1234567", "1,234,567"),
        ] {
            assert_eq!(grouped(price), text);
        }
    }
}
