//! What a worker does with one block: parse, tag or keep, count, encode.
//!
//! Owns what becomes of each record. Never waits for another block.

use jiff::Timestamp;

use super::ArchiveError;
use super::block::{Answered, Article, Block, Data, Outcome, Parsed, Position, bad, lines, place};
use super::compress::Compression;
use super::input::Format;
use super::output::{Batch, Encoded, Encoder, OutputFormat};
use super::previous::Former;
use super::run::Job;
use super::tally::Tally;
use crate::annotate::{ErrorRecord, Record, RecordError};
use crate::market::quote::QuoteAnswer;
use crate::mention::{Field, OffsetUnit, Place};

/// A block as it leaves a worker.
pub(super) struct Done {
    pub(super) encoded: Encoded,
    pub(super) rejects: Vec<u8>,
    pub(super) tally: Tally,
    pub(super) after: Option<Position>,
    pub(super) read: u64,
}

/// What a worker does with one block.
pub(super) fn work(
    job: &Job<'_>,
    format: &dyn Format,
    encoder: &dyn Encoder,
    compression: Compression,
    block: &Block,
    first: bool,
) -> Result<Done, ArchiveError> {
    let mut tally = Tally::new(job.format == OutputFormat::Html);
    let mut rejects = Vec::new();
    let answered = match &block.data {
        Data::SetAside(bytes, error) => {
            rejects.extend(bytes);
            if error.is_some() {
                end_line(&mut rejects);
            }
            let lost = |error: &ErrorRecord| Answered {
                outcome: Outcome::SetAside(error.clone()),
                carried: Vec::new(),
            };
            error.iter().map(lost).collect()
        }
        _ => answer(job, format, block, &mut tally, &mut rejects)?,
    };
    for answered in &answered {
        if let Outcome::SetAside(error) = &answered.outcome {
            tally.error(error);
        }
    }
    let rows = match &block.data {
        Data::Rows(rows) => Some(rows),
        _ => None,
    };
    let encoded = encoder.encode(&Batch { answered, rows, first });
    let encoded = encoded.and_then(|encoded| encoded.pack(compression));
    let encoded = encoded.map_err(ArchiveError::write("the output"))?;
    Ok(Done { encoded, rejects, tally, after: block.after, read: block.read })
}

fn answer<'b>(
    job: &Job<'_>,
    format: &dyn Format,
    block: &'b Block,
    tally: &mut Tally,
    rejects: &mut Vec<u8>,
) -> Result<Vec<Answered<'b>>, ArchiveError> {
    let parsed = format.parse(block, &job.reading);
    let mut former = lines(&block.former);
    let mut documents = Vec::with_capacity(parsed.len());
    // What is left of each record once its document is on its way.
    let mut left = Vec::with_capacity(parsed.len());
    for (number, Parsed { article, carried, raw, line }) in (block.number..).zip(parsed) {
        let line_before = former.next();
        let kept = match article {
            Ok(Article { document, before }) => {
                let former = match (&job.previous, line_before) {
                    (Some(previous), Some(line)) => {
                        let verbatim = (job.format == OutputFormat::JsonLines).then_some(&carried);
                        previous.judge(line, &document, verbatim, number)?
                    }
                    _ => Former::Outdated,
                };
                let (id, published_at) = (document.id.clone(), document.published_at);
                if matches!(former, Former::Compared(_) | Former::Outdated) {
                    documents.push(document);
                }
                Ok(Sent { id, published_at, before, former })
            }
            Err(error) => Err(error),
        };
        left.push((kept, carried, raw, line));
    }
    let sent = documents.len();
    let mut answers = if sent == 0 { Vec::new() } else { job.annotator.annotate(documents)? }.into_iter();
    if answers.len() != sent {
        let why = format!("{} answers to {sent} articles: the annotator is at fault", answers.len());
        return Err(ArchiveError::Annotator(why));
    }
    let mut answered = Vec::with_capacity(left.len());
    for (index, (sent, carried, raw, line)) in left.into_iter().enumerate() {
        let outcome = match sent {
            Err(error) => Outcome::SetAside(error),
            Ok(Sent { former: Former::Line(line), .. }) => {
                tally.line(&line);
                Outcome::Kept(line)
            }
            Ok(Sent { former: Former::Kept(record), published_at, .. }) => {
                tally.kept += 1;
                tally.record(&record, published_at);
                Outcome::Tagged(*record)
            }
            Ok(Sent { id, published_at, before, former }) => {
                let name = if line == 0 { id.as_deref().unwrap_or(&block.name) } else { &block.name };
                match (answers.next(), former) {
                    (Some(Ok(mut record)), former) => {
                        shift(&mut record, &before, job.offset_unit);
                        if let (Former::Compared(former), Some(previous)) = (former, &job.previous)
                            && *former != record
                        {
                            return Err(previous.differs(&place(name, line)));
                        }
                        tally.record(&record, published_at);
                        let mut quotes = record.mentions.iter().filter_map(|mention| mention.quote.as_ref());
                        tally.pending += u64::from(job.fill && quotes.any(QuoteAnswer::is_awaited));
                        Outcome::Tagged(record)
                    }
                    (Some(Err(error)), _) => {
                        let place = if error.place.is_empty() { place(name, line) } else { error.place };
                        Outcome::SetAside(ErrorRecord { id, error: RecordError { place, ..error } })
                    }
                    (None, _) => {
                        let message = "was not answered".to_owned();
                        Outcome::SetAside(bad(id.clone(), "internal", message, place(name, line)))
                    }
                }
            }
        };
        if matches!(outcome, Outcome::SetAside(_)) {
            match raw {
                Some(raw) => rejects.extend_from_slice(&raw),
                None => rejects.extend(format.raw(block, index)),
            }
            if !matches!(block.data, Data::Pages(_)) {
                end_line(rejects);
            }
        }
        answered.push(Answered { outcome, carried });
    }
    Ok(answered)
}

/// A record whose document is on its way.
struct Sent<'b> {
    id: Option<String>,
    published_at: Option<Timestamp>,
    before: String,
    former: Former<'b>,
}

/// What is set aside next begins a line of its own.
fn end_line(bytes: &mut Vec<u8>) {
    if bytes.last().is_some_and(|byte| *byte != b'\n') {
        bytes.push(b'\n');
    }
}

/// Moves every span of the body behind `before`, so that it points into the whole page.
fn shift(record: &mut Record, before: &str, unit: OffsetUnit) {
    if before.is_empty() {
        return;
    }
    let units = match unit {
        OffsetUnit::Bytes => before.len(),
        OffsetUnit::Codepoints => before.chars().count(),
        OffsetUnit::Utf16 => before.chars().map(char::len_utf16).sum(),
    };
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let mut shift = |place: &mut Place| {
        if place.field == Field::Body {
            place.start = place.start.saturating_add(units);
            place.end = place.end.saturating_add(units);
        }
    };
    for span in record.mentions.iter_mut().flat_map(|mention| &mut mention.spans) {
        shift(&mut span.place);
    }
    record.ambiguous.iter_mut().flat_map(|ambiguous| &mut ambiguous.spans).for_each(&mut shift);
    record.rejected.iter_mut().for_each(|rejected| shift(&mut rejected.span));
}
