//! What `docs/accuracy.md` says is what the code does, and no class of surface falls behind unseen.

use std::sync::LazyLock;

use cointag::eval::{Report, evaluate, read, table};

use crate::mention::DETECTOR;

static REPORT: LazyLock<Report> = LazyLock::new(|| {
    let texts = read(include_str!("../../data/labelled/test.jsonl")).unwrap();
    evaluate(&DETECTOR, &texts)
});

/// The least F1 of each row of the table, in hundredths. Raise one when detection gets better; lowering one is a
/// decision that a change has to give reasons for.
const FLOORS: &[(&str, u32)] = &[
    ("tokens by text", 89),
    ("places", 91),
    ("cashtag", 97),
    ("symbol a", 99),
    ("symbol b", 87),
    ("symbol c", 74),
    ("symbol d", 60),
    ("name a", 99),
    ("name b", 91),
    ("name c", 88),
    ("name d", 60),
    ("alias", 93),
    ("non-Latin", 92),
];

#[test]
fn no_class_falls_below_its_floor() {
    let table = table(&REPORT, 0);
    let f1_of = |row: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(row)).expect(row);
        let columns: Vec<f64> =
            line.trim_start()[row.len()..].split_whitespace().map(|column| column.parse().unwrap()).collect();
        columns[2]
    };
    let fallen: Vec<String> = FLOORS
        .iter()
        .filter(|(row, floor)| f1_of(row) * 100.0 < f64::from(*floor))
        .map(|(row, floor)| format!("{row}: F1 {} is below {floor} hundredths", f1_of(row)))
        .collect();
    assert!(fallen.is_empty(), "{fallen:#?}\n{table}");
}

#[test]
fn the_page_on_accuracy_tells_the_truth() {
    let table = table(&REPORT, 20);
    let page = include_str!("../../docs/accuracy.md");
    assert!(
        page.contains(&format!("```text\n{table}```")),
        "put what `cointag eval data/labelled/test.jsonl` prints into docs/accuracy.md:\n{table}"
    );
}

#[test]
fn the_readme_quotes_the_same_figures() {
    let readme = include_str!("../../README.md");
    let quoted = format!(
        "precision {:.3}, recall {:.3}, F1 {:.3}",
        REPORT.by_text.precision(),
        REPORT.by_text.recall(),
        REPORT.by_text.f1()
    );
    assert!(readme.contains(&quoted), "README.md should say: {quoted}");
}
