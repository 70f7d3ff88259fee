//! Prints the `[weights]` of `data/detection.toml`, fitted on the labelled texts given (or the fit part).
//!
//! `cargo run --release --example fit_weights [FILE...]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use cointag::catalog::Catalog;
use cointag::eval::{fit, read};
use cointag::mention::Evidence;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/data/labelled/fit.jsonl").to_owned());
    }
    let mut texts = Vec::new();
    for file in files {
        texts.extend(read(&std::fs::read_to_string(&file)?).map_err(|error| format!("{file}: {error}"))?);
    }
    let weights = fit(&Catalog::builtin(), &texts);
    println!("[weights]");
    for kind in Evidence::ALL {
        println!("{} = {}", kind.key(), weights.of(*kind));
    }
    Ok(())
}
