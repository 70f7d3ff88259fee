//! The store as JSON Lines: what one machine fetched another one need not.

use std::io::{BufRead, Write};
use std::path::Path;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::KNOWN;
use super::point::{Hour, Past};
use super::store::{Found, Row, Store, StoreError};

/// Rows of one transaction.
const ROWS: usize = 10_000;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token_id: String,
    /// The hour it stands for.
    hour: Timestamp,
    source: String,
    /// Absent: the source had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    /// `USD`, or `USDT` where the source quotes in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// The market's own time of the price; without a price, when it was asked for.
    as_of: Timestamp,
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Lines read or written.
    pub lines: u64,
    /// Of those read, how many were not known yet.
    pub new: u64,
}

/// Writes everything known of the past in `state_dir`.
///
/// # Errors
/// The store cannot be opened, or `output` not be written.
pub fn export(state_dir: &Path, output: &mut dyn Write) -> Result<Transferred, TransferError> {
    let mut done = Transferred::default();
    let wrote = Store::open(state_dir)?.each(|row| {
        let Some(line) = line(row) else { return Ok(()) };
        serde_json::to_writer(&mut *output, &line).map_err(std::io::Error::from)?;
        output.write_all(b"\n")?;
        done.lines += 1;
        Ok::<_, std::io::Error>(())
    })?;
    wrote?;
    output.flush()?;
    Ok(done)
}

/// Takes in what [`export`] wrote. What is known stays as it is.
///
/// # Errors
/// The store cannot be opened, or a line is none of ours: its number is told, the lines before it are kept.
pub fn import(state_dir: &Path, input: &mut dyn BufRead) -> Result<Transferred, TransferError> {
    let store = Store::open(state_dir)?;
    let mut done = Transferred::default();
    let mut rows = Vec::new();
    let mut text = String::new();
    let mut end = false;
    while !end {
        text.clear();
        end = input.read_line(&mut text)? == 0;
        let mut bad = None;
        if !end && !text.trim().is_empty() {
            done.lines += 1;
            let read = serde_json::from_str::<Line>(&text).map_err(|error| error.to_string()).and_then(row);
            match read {
                Ok(row) => rows.push(row),
                Err(problem) => bad = Some(TransferError::Line { line: done.lines, problem }),
            }
        }
        if end || bad.is_some() || rows.len() == ROWS {
            done.new += store.put(&rows)? as u64;
            rows.clear();
        }
        if let Some(bad) = bad {
            return Err(bad);
        }
    }
    Ok(done)
}

/// Why a transfer ended.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other end.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line that is none of ours.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1, blank ones left out.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

fn line(row: Row) -> Option<Line> {
    let (price, as_of) = match row.found {
        Found::Known(Past { price, as_of }) => (Some(price.normalize().to_string()), as_of),
        Found::Missing(tried) => (None, tried),
        Found::Unknown => return None,
    };
    let currency = price.as_ref().map(|_| unit(&row.source).to_owned());
    Some(Line { token_id: row.token, hour: row.hour.start(), source: row.source, price, currency, as_of })
}

fn row(line: Line) -> Result<Row, String> {
    let hour = Hour::nearest(line.hour, line.hour).filter(|hour| hour.start() == line.hour);
    let hour = hour.ok_or("`hour` is no whole hour since 1970")?;
    if !KNOWN.contains(&line.source.as_str()) {
        return Err(format!("unknown source `{}`; known are {}", line.source, KNOWN.join(", ")));
    }
    let found = match &line.price {
        None => Found::Missing(line.as_of),
        Some(price) => {
            let price = price.parse::<Decimal>().ok().filter(|price| *price > Decimal::ZERO);
            Found::Known(Past { price: price.ok_or("`price` is no decimal above 0")?, as_of: line.as_of })
        }
    };
    if line.currency.as_deref().is_some_and(|currency| currency != unit(&line.source)) {
        return Err(format!("`currency` of {} is {}", line.source, unit(&line.source)));
    }
    Ok(Row { token: line.token_id, hour, source: line.source, found })
}

fn unit(source: &str) -> &'static str {
    if source == "binance" { "USDT" } else { "USD" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_exported_is_imported_once_and_bad_lines_are_named() {
        let text = concat!(
            r#"{"token_id":"bitcoin","hour":"2024-03-05T12:00:00Z","source":"binance","price":"66921.5","currency":"USDT","as_of":"2024-03-05T12:00:00Z"}"#,
            "\n",
            r#"{"token_id":"bitcoin","hour":"2024-03-05T12:00:00Z","source":"defillama","as_of":"2026-05-18T12:00:00Z"}"#,
            "\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let import = |text: &str| import(dir.path(), &mut text.as_bytes());
        assert_eq!(import(text).unwrap(), Transferred { lines: 2, new: 2 });
        assert_eq!(import(text).unwrap().new, 1, "only the mark of a vain ask is renewed");
        let mut out = Vec::new();
        assert_eq!(export(dir.path(), &mut out).unwrap().lines, 2);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        for (line, problem) in [
            (
                text.replace("12:00:00Z\",\"source", "12:10:00Z\",\"source"),
                "line 1: `hour` is no whole hour since 1970",
            ),
            (text.replace("66921.5", "0"), "line 1: `price` is no decimal above 0"),
            (text.replace("USDT", "USD"), "line 1: `currency` of binance is USDT"),
            (
                text.replace("defillama", "kraken"),
                "line 2: unknown source `kraken`; known are defillama, binance, coingecko",
            ),
        ] {
            assert_eq!(import(&line).unwrap_err().to_string(), problem);
        }
    }
}
