//! A page out: what was found in the archive as a whole, in one file that needs no other.
//!
//! Owns its looks. It tells nothing that differs between two runs over the same archive.

use std::fmt::Write as _;
use std::io;

use super::super::tally::{Point, Tally, grouped};
use super::table::price_text;
use super::{Batch, Encoded, Encoder};

/// Tokens in the list of bars.
const BARS: usize = 20;
/// Tokens drawn over time.
const CHARTS: usize = 12;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;

/// The format.
pub(super) struct Html;

impl Encoder for Html {
    fn encode(&self, _: &Batch<'_>) -> io::Result<Encoded> {
        Ok(Encoded::Bytes(Vec::new()))
    }

    fn tail(&self, tally: &Tally) -> io::Result<Vec<u8>> {
        let mut page = String::new();
        page.push_str(HEAD);
        let facts = [
            ("articles", tally.articles),
            ("mentions", tally.mentions),
            ("tokens", tally.tokens.len() as u64),
            ("ambiguous", tally.ambiguous),
            ("set aside", tally.set_aside),
        ];
        page.push_str("<dl class=facts>");
        for (name, count) in facts {
            let _ = write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", grouped(count));
        }
        page.push_str("</dl>");
        bars(&mut page, tally);
        prices(&mut page, tally);
        charts(&mut page, tally);
        faults(&mut page, tally);
        page.push_str("</main></html>\n");
        Ok(page.into_bytes())
    }
}

const HEAD: &str = "<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Mentioned tokens</title>
<style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif;--bar:#3b78c4;--line:#c4703b}
main{max-width:46rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem}.facts dt{opacity:.7}.facts dd{margin:0;font-size:1.3rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15rem .6rem .15rem 0;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.w{width:50%}
.b{background:var(--bar);height:.8rem;border-radius:2px;margin-top:.35rem}
svg{width:100%;height:auto}svg rect{fill:var(--bar)}svg polyline{fill:none;stroke:var(--line);stroke-width:2}
svg text{font-size:11px;fill:currentColor;opacity:.7}figure{margin:1rem 0}figcaption b{margin-right:.5rem}
</style>
<main><h1>Mentioned tokens</h1>
";

fn bars(page: &mut String, tally: &Tally) {
    let top = tally.top(BARS);
    let Some((_, first)) = top.first() else {
        page.push_str("<p>No tokens are mentioned.</p>");
        return;
    };
    page.push_str("<h2>Most mentioned</h2><table><tr><th>Token<th><th class=n>Mentions<th class=n>Articles");
    for (id, token) in &top {
        let share = 100.0 * token.mentions as f64 / first.mentions.max(1) as f64;
        let _ = write!(
            page,
            "<tr><td title='{}'>{} ({})<td class=w><div class=b style='width:{share:.1}%'></div><td class=n>{}<td class=n>{}",
            escaped(id),
            escaped(&token.name),
            escaped(&token.label),
            grouped(token.mentions),
            grouped(token.articles)
        );
    }
    page.push_str("</table>");
}

fn prices(page: &mut String, tally: &Tally) {
    if tally.prices.is_empty() {
        return;
    }
    page.push_str("<h2>Prices</h2><table><tr><th>State<th class=n>Mentioned tokens");
    for (state, count) in &tally.prices {
        let _ = write!(page, "<tr><td>{state}<td class=n>{}", grouped(*count));
    }
    page.push_str("</table>");
}

fn charts(page: &mut String, tally: &Tally) {
    let Some(timeline) = tally.timeline.as_ref().filter(|timeline| !timeline.is_empty()) else {
        page.push_str("<h2>Over time</h2><p>No article says when it was published.</p>");
        return;
    };
    let (first, last) = match (timeline.keys().next(), timeline.keys().next_back()) {
        (Some(first), Some(last)) => (first.as_str(), last.as_str()),
        _ => return,
    };
    let priced = timeline.values().flat_map(|tokens| tokens.values()).any(|point| point.price.is_some());
    let line = if priced { ", the line is the price" } else { "" };
    let _ = write!(page, "<h2>Over time</h2><p>{first} to {last}; bars are mentions{line}.</p>");
    for (id, token) in tally.top(CHARTS) {
        let points: Vec<Option<&Point>> = timeline.values().map(|tokens| tokens.get(id)).collect();
        let _ = write!(
            page,
            "<figure><figcaption><b>{}</b>{} mentions",
            escaped(&token.label),
            grouped(token.mentions)
        );
        let prices: Vec<(usize, f64)> =
            points.iter().enumerate().filter_map(|(at, point)| Some((at, (*point)?.price?))).collect();
        if let (Some((_, from)), Some((_, to))) = (prices.first(), prices.last()) {
            let _ = write!(
                page,
                ", {} to {}",
                price_text(&from.to_string(), &tally.currency),
                price_text(&to.to_string(), &tally.currency)
            );
        }
        page.push_str("</figcaption>");
        chart(page, &points, &prices);
        page.push_str("</figure>");
    }
}

fn chart(page: &mut String, points: &[Option<&Point>], prices: &[(usize, f64)]) {
    let _ = write!(page, "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img>");
    let step = WIDTH / points.len() as f64;
    let most = points.iter().flatten().map(|point| point.mentions).max().unwrap_or(1).max(1);
    for (at, point) in points.iter().enumerate() {
        let Some(point) = point else { continue };
        let height = (HEIGHT - 14.0) * point.mentions as f64 / most as f64;
        let _ = write!(
            page,
            "<rect x={:.1} y={:.1} width={:.1} height={height:.1}></rect>",
            at as f64 * step,
            HEIGHT - height,
            (step * 0.85).max(0.5)
        );
    }
    if prices.len() > 1 {
        let low = prices.iter().map(|(_, price)| *price).fold(f64::INFINITY, f64::min);
        let high = prices.iter().map(|(_, price)| *price).fold(f64::NEG_INFINITY, f64::max);
        let range = (high - low).max(f64::MIN_POSITIVE);
        page.push_str("<polyline points='");
        for (at, price) in prices {
            let x = (*at as f64 + 0.4) * step;
            let y = HEIGHT - (HEIGHT - 14.0) * (price - low) / range;
            let _ = write!(page, "{x:.1},{y:.1} ");
        }
        page.push_str("'></polyline>");
    }
    let _ = write!(page, "<text x=0 y=10>{}</text></svg>", grouped(most));
}

fn faults(page: &mut String, tally: &Tally) {
    if tally.faults.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>Set aside</h2><table><tr><th>Place<th>Why");
    for fault in &tally.faults {
        let (place, why) = (escaped(&fault.error.place), escaped(&fault.error.message));
        let _ = write!(page, "<tr><td>{place}<td>{why}");
    }
    page.push_str("</table>");
    let more = tally.set_aside.saturating_sub(tally.faults.len() as u64);
    if more > 0 {
        let _ = write!(page, "<p>and {} more.</p>", grouped(more));
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
