//! For people: the box, and below it a table of the mentions.

use std::io::{self, Write};

use super::super::block::Outcome;
use super::{Batch, Encoded, Encoder, misplaced_line};
use crate::annotate::{ErrorRecord, Mention, Record};
use crate::market::quote::{QuoteAnswer, QuoteState};

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// Writes a box and a table for each record.
pub(super) struct Table {
    colour: bool,
}

/// Writes the box and the table of one record.
///
/// # Errors
/// `output` cannot be written.
pub fn write_table(output: &mut dyn Write, record: &Record, colour: bool) -> io::Result<()> {
    Table { colour }.record(output, record)
}

impl Encoder for Table {
    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded> {
        let mut out = Vec::new();
        for (at, answered) in batch.answered.iter().enumerate() {
            if !batch.first || at > 0 {
                out.push(b'\n');
            }
            match &answered.outcome {
                Outcome::Tagged(record) => self.record(&mut out, record)?,
                Outcome::Kept(_) => return Err(misplaced_line()),
                Outcome::SetAside(error) => self.error(&mut out, error)?,
            }
        }
        Ok(Encoded::Bytes(out))
    }
}

impl Table {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("{code}{text}{RESET}") } else { text.to_owned() }
    }

    fn rows(&self, record: &Record) -> Vec<[String; 6]> {
        record
            .mentions
            .iter()
            .map(|mention| {
                let quote = mention.quote.as_ref();
                let change = quote.and_then(|quote| quote.change_24h_pct);
                let seen = mention.spans.first();
                [
                    format!(
                        "{} ({})",
                        mention.name,
                        mention.symbol.as_deref().unwrap_or(mention.kind.word())
                    ),
                    format!("{:.3}", mention.confidence),
                    mention.count.to_string(),
                    quote.map_or_else(|| "-".to_owned(), price_or_state),
                    change.map_or_else(|| "-".to_owned(), change_text),
                    seen.map_or_else(String::new, |span| {
                        format!("“{}” {}", span.place.surface, span.evidence.join(", "))
                    }),
                ]
            })
            .collect()
    }

    fn record(&self, output: &mut dyn Write, record: &Record) -> io::Result<()> {
        if let Some(id) = &record.id {
            let id = self.paint(DIM, id);
            writeln!(output, "{id}")?;
        }
        let line = box_line(&record.mentions, &|code, text| self.paint(code, text));
        writeln!(output, "{line}")?;
        let rows = self.rows(record);
        if !rows.is_empty() {
            let heads = ["Token", "Confidence", "Count", "Price", "24 h", "First seen as, and why"];
            let widths: Vec<usize> = (0..heads.len())
                .map(|column| {
                    let cells = rows.iter().map(|row| row[column].chars().count());
                    cells.chain([heads[column].len()]).max().unwrap_or(0)
                })
                .collect();
            writeln!(output)?;
            let head = heads.iter().zip(&widths).map(|(head, width)| format!("{head:width$}"));
            let head = self.paint(DIM, head.collect::<Vec<_>>().join("  ").trim_end());
            writeln!(output, "{head}")?;
            for row in &rows {
                let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
                writeln!(output, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            }
        }
        for mention in &record.mentions {
            let unpriced = mention.quote.as_ref().filter(|quote| quote.price.is_none());
            if let Some(reason) = unpriced.and_then(|quote| quote.reason.as_deref()) {
                let name = mention.symbol.as_deref().unwrap_or(&mention.name);
                let note = self.paint(DIM, &format!("{name}: no price, {reason}"));
                writeln!(output, "{note}")?;
            }
        }
        for ambiguous in &record.ambiguous {
            let surface = ambiguous.spans.first().map_or("", |place| place.surface.as_str());
            let owners: Vec<_> = ambiguous.candidates.iter().map(|owner| owner.token_id.as_str()).collect();
            let line = format!("ambiguous “{surface}”: {}", owners.join(" or "));
            writeln!(output, "{}", self.paint(DIM, &line))?;
        }
        for rejected in &record.rejected {
            let line = format!(
                "rejected “{}” as {} ({:.3}: {}): {}",
                rejected.span.surface,
                rejected.token_id.as_deref().unwrap_or("-"),
                rejected.confidence,
                rejected.evidence.join(", "),
                rejected.reason
            );
            writeln!(output, "{}", self.paint(DIM, &line))?;
        }
        Ok(())
    }

    fn error(&self, output: &mut dyn Write, error: &ErrorRecord) -> io::Result<()> {
        let line = format!("set aside {}: {}", error.error.place, error.error.message);
        writeln!(output, "{}", self.paint(RED, &line))
    }
}

/// `Mentioned tokens  $BTC $74,603 -1.8%`, each token once. `paint` colours a piece, or returns it as it is.
pub fn box_line(mentions: &[Mention], paint: &dyn Fn(&str, &str) -> String) -> String {
    if mentions.is_empty() {
        return "No tokens mentioned".to_owned();
    }
    let mut line = paint(BOLD, "Mentioned tokens");
    for mention in mentions {
        let symbol =
            mention.symbol.as_ref().map_or_else(|| mention.name.clone(), |symbol| format!("${symbol}"));
        line.push_str("  ");
        line.push_str(&paint(BOLD, &symbol));
        let Some(quote) = &mention.quote else { continue };
        line.push(' ');
        line.push_str(&price_or_state(quote));
        if let Some(change) = quote.change_24h_pct {
            let code = if change < 0.0 { RED } else { GREEN };
            line.push(' ');
            line.push_str(&paint(code, &change_text(change)));
        }
    }
    line
}

fn price_or_state(quote: &QuoteAnswer) -> String {
    let currency = quote.currency.as_deref().unwrap_or("USD");
    match &quote.price {
        Some(price) if quote.state == QuoteState::Stale => format!("{} (stale)", price_text(price, currency)),
        Some(price) => price_text(price, currency),
        None => quote.state.word().to_owned(),
    }
}

fn change_text(change: f64) -> String {
    format!("{change:+.1}%")
}

/// Currencies with a sign that people know; others show their code.
const SIGNS: [(&str, &str); 4] = [("USD", "$"), ("EUR", "€"), ("GBP", "£"), ("JPY", "¥")];

/// A price as people read it: `$74,603`, `€1.08`, `$0.00000391`, `0.746 BTC`. Takes plain decimal text and keeps four
/// significant digits below one, two decimals up to a thousand, and none above.
pub fn price_text(price: &str, currency: &str) -> String {
    let number = number_text(price);
    match SIGNS.iter().find(|(code, _)| *code == currency) {
        Some((_, sign)) => format!("{sign}{number}"),
        None => format!("{number} {currency}"),
    }
}

fn number_text(price: &str) -> String {
    let Ok(value) = price.parse::<rust_decimal::Decimal>() else { return price.to_owned() };
    let thousand = rust_decimal::Decimal::ONE_THOUSAND;
    if value >= thousand {
        let whole = value.round().to_string();
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return grouped;
    }
    if value >= rust_decimal::Decimal::ONE {
        return format!("{:.2}", value.round_dp(2));
    }
    value.round_sf(4).unwrap_or(value).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::price_text;

    #[test]
    fn prices_read_as_people_write_them() {
        for (price, text) in [
            ("74603.12", "$74,603"),
            ("1234567.8", "$1,234,568"),
            ("999.994", "$999.99"),
            ("1.08", "$1.08"),
            ("0.9998", "$0.9998"),
            ("0.00000391", "$0.00000391"),
            ("0.000000000078234", "$0.00000000007823"),
        ] {
            assert_eq!(price_text(price, "USD"), text);
        }
        assert_eq!(price_text("65650.7456", "EUR"), "€65,651");
        assert_eq!(price_text("0.74603", "BTC"), "0.746 BTC");
    }
}
