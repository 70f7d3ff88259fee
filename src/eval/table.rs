//! The report as text, for people and for the documents.

use std::fmt::Write as _;

use super::score::{Counts, Report};

/// The report in aligned columns. `confusions`: how many rows of what was taken for what.
pub fn table(report: &Report, confusions: usize) -> String {
    let mut text = String::new();
    let share = |part: usize, whole: usize| {
        #[expect(clippy::cast_precision_loss, reason = "counts of texts")]
        let share = if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
        share
    };
    let _ = writeln!(
        text,
        "{} texts, {} exactly right ({:.1} %); {} mention nothing, {} false tokens in those ({:.1} per 1,000)",
        report.texts,
        report.exactly_right,
        share(report.exactly_right, report.texts),
        report.plain_texts,
        report.plain_false,
        share(report.plain_false, report.plain_texts) * 10.0,
    );
    let _ = writeln!(
        text,
        "\n{:<20}{:>10}{:>9}{:>7}{:>7}{:>7}{:>8}",
        "", "precision", "recall", "F1", "right", "false", "missed"
    );
    row(&mut text, "tokens by text", report.by_text);
    row(&mut text, "places", report.by_place);
    for (class, counts) in &report.by_class {
        row(&mut text, &format!("  {}", class.word()), *counts);
    }
    let _ =
        writeln!(text, "\n{:<14}{:>11}{:>17}{:>8}", "confidence", "candidates", "mean confidence", "right");
    for (tenth, bin) in report.reliability.iter().enumerate() {
        let range =
            format!("0.{tenth}-{}", if tenth == 9 { "1.0".to_owned() } else { format!("0.{}", tenth + 1) });
        let _ = writeln!(text, "{range:<14}{:>11}{:>17.3}{:>8.3}", bin.candidates, bin.confidence, bin.right);
    }
    if confusions > 0 && !report.confusion.is_empty() {
        let _ = writeln!(text, "\n{:<7}{:<24}{:<28}found as", "times", "surface", "labelled as");
        for row in report.confusion.iter().take(confusions) {
            let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
            let _ = writeln!(
                text,
                "{:<7}{:<24}{:<28}{}",
                row.count,
                row.surface,
                name(&row.labelled),
                name(&row.found)
            );
        }
    }
    text
}

fn row(text: &mut String, name: &str, counts: Counts) {
    let _ = writeln!(
        text,
        "{name:<20}{:>10.3}{:>9.3}{:>7.3}{:>7}{:>7}{:>8}",
        counts.precision(),
        counts.recall(),
        counts.f1(),
        counts.right,
        counts.wrong,
        counts.missed
    );
}
