//! Writes an archive of made-up articles as JSON Lines, to try `cointag tag` on: the same number gives the same archive.
//!
//! `cargo run --release --example generate_archive -- 300000 > archive.jsonl`

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a program of its own; the articles are those of the benchmarks"
)]

#[path = "../benches/support/articles.rs"]
mod articles;

use std::io::Write as _;

use cointag::catalog::Catalog;

/// Articles made at a time.
const CHUNK: usize = 1000;

fn main() -> std::io::Result<()> {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(CHUNK);
    let catalog = Catalog::builtin();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for first in (0..count).step_by(CHUNK) {
        let chunk = articles::articles(&catalog, first as u64 + 1, CHUNK.min(count - first));
        for (at, article) in (first..).zip(chunk) {
            let day = at % 700;
            serde_json::to_writer(
                &mut out,
                &serde_json::json!({
                    "id": format!("article-{at}"),
                    "title": article.title,
                    "text": article.body,
                    "published_at": 1_700_000_000 + day * 86_400,
                    "url": format!("https://news.example/{at}"),
                }),
            )?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}
