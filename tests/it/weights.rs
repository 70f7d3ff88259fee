//! The shipped weights are what the documented command prints.

use cointag::catalog::Catalog;
use cointag::eval::{fit, read};

use crate::mention::DETECTOR;

#[test]
fn fitting_on_the_fit_part_gives_the_shipped_weights() {
    let texts = read(include_str!("../../data/labelled/fit.jsonl")).unwrap();
    let fitted = fit(&Catalog::builtin(), &texts);
    assert_eq!(
        &fitted,
        DETECTOR.weights(),
        "run `cargo run --release --example fit_weights` and put what it prints into data/detection.toml"
    );
}
