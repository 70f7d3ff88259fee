//! Full detection against the plain way: a scan for every overlapping alias, filtered by word boundaries.
//!
//! `cargo bench --bench detection`. Both read the same generated articles in turn, on one thread. The plain
//! scan only counts whole-word aliases; detection also reads context, judges and resolves.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a program of its own; not all of it is used by every benchmark"
)]

mod support;

use std::hint::black_box;

use aho_corasick::{AhoCorasick, MatchKind};
use cointag::catalog::Catalog;
use cointag::mention::{Detector, Document, Options};
use support::articles::articles;

const ARTICLES: usize = 2_000;
const ROUNDS: usize = 11;

fn main() {
    let catalog = Catalog::builtin();
    let detector = Detector::new(catalog.clone());
    let documents: Vec<Document> = articles(&catalog, 7, ARTICLES)
        .into_iter()
        .map(|article| Document { title: article.title, body: article.body, ..Document::default() })
        .collect();
    let bytes: usize = documents.iter().map(|document| document.title.len() + document.body.len()).sum();
    let aliases = aliases(&catalog);
    let plain = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .ascii_case_insensitive(true)
        .build(&aliases)
        .unwrap();

    let options = Options::default();
    let mentions: usize =
        documents.iter().map(|document| detector.detect(document, &options).found.len()).sum();
    let hits: usize = documents.iter().map(|document| plain_hits(&plain, document)).sum();

    let mut detect = || {
        for document in &documents {
            black_box(detector.detect(document, &options));
        }
    };
    let mut scan = || {
        for document in &documents {
            black_box(plain_hits(&plain, document));
        }
    };
    let times = support::medians(ROUNDS, &mut [("detection", &mut detect), ("plain scan", &mut scan)]);

    println!(
        "{ARTICLES} articles, {:.1} MB, {} aliases, median of {ROUNDS} rounds",
        bytes as f64 / 1e6,
        aliases.len()
    );
    println!("{:<12} {:>10} {:>12} {:>16}", "", "MB/s", "µs/article", "hits/article");
    for ((name, found), time) in [("detection", mentions), ("plain scan", hits)].into_iter().zip(&times) {
        println!(
            "{name:<12} {:>10.0} {:>12.2} {:>16.1}",
            bytes as f64 / 1e6 / time.as_secs_f64(),
            time.as_secs_f64() * 1e6 / ARTICLES as f64,
            found as f64 / ARTICLES as f64
        );
    }
    println!(
        "detection is {:.2} times as fast as the plain scan",
        times[1].as_secs_f64() / times[0].as_secs_f64()
    );
    linearity(&detector);
}

/// How the time grows from 1 MiB to 4 MiB of texts that are made to be slow: 4 times would be linear.
fn linearity(detector: &Detector) {
    const MIB: usize = 1 << 20;
    let pieces = ["BTC ", "a", "Sonic (S) ", "NEAR, ", "BTC/USDT ", "比特币", "$", "0x"];
    for piece in pieces {
        let document = |size: usize| Document { body: piece.repeat(size / piece.len()), ..Document::default() };
        let (small, large) = (document(MIB), document(4 * MIB));
        let detect = |document: &Document| {
            black_box(detector.detect(document, &Options::default()));
        };
        let times =
            support::medians(3, &mut [("1 MiB", &mut || detect(&small)), ("4 MiB", &mut || detect(&large))]);
        println!(
            "4 MiB of {piece:?} take {:.1} times as long as 1 MiB",
            times[1].as_secs_f64() / times[0].as_secs_f64()
        );
    }
}

/// Every spelling of every asset, once.
fn aliases(catalog: &Catalog) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    for asset in catalog.assets() {
        aliases.extend([asset.symbol.clone(), asset.name.clone()]);
        aliases.extend(asset.aliases.iter().map(|alias| alias.text.clone()));
        for former in &asset.formerly {
            aliases.extend(former.symbol.clone().into_iter().chain(former.name.clone()));
        }
    }
    for alias in &mut aliases {
        *alias = alias.to_lowercase();
    }
    aliases.sort();
    aliases.dedup();
    aliases
}

fn plain_hits(plain: &AhoCorasick, document: &Document) -> usize {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0xC0);
    [&document.title, &document.body]
        .into_iter()
        .map(|text| {
            let bytes = text.as_bytes();
            plain
                .find_overlapping_iter(text)
                .filter(|hit| {
                    let before = hit.start().checked_sub(1).and_then(|at| bytes.get(at));
                    !is_word(before) && !is_word(bytes.get(hit.end()))
                })
                .count()
        })
        .sum()
}
