//! `cointag quote --watch`: quotes as they change, until the person has seen enough.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::quote::{QuoteArgs, request, table};
use crate::api::{QuoteItem, QuoteResult, Watch};
use crate::config::Config;
use crate::market::{Clock, Markets};

/// How often a terminal's ages are renewed.
const REDRAWN: Duration = Duration::from_secs(1);
/// Lines are written when something changes; this often it is looked whether a price has become stale.
const LOOKED: Duration = Duration::from_secs(5);

/// Shows the quotes until stdout closes.
///
/// # Errors
/// In words.
pub(super) fn run(config: &Config, args: &QuoteArgs) -> Result<(), String> {
    let catalog = config.catalog.load().map_err(|error| error.to_string())?;
    let runtime = super::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
    let live = std::io::stdout().is_terminal();
    runtime.block_on(async {
        let state_dir = config.state_dir.as_deref();
        let markets =
            Markets::new(catalog.clone(), &config.market, &config.quotes, state_dir, Clock::system())
                .map_err(|error| error.to_string())?;
        markets.spawn(CancellationToken::new());
        let (request, _) = request(&catalog, args);
        let every = if live { REDRAWN } else { LOOKED };
        let mut watch =
            Watch::new(&catalog, &markets, &config.limits, request, every).map_err(|e| e.message)?;
        let (mut rows, mut drawn) = (Vec::<QuoteItem>::new(), 0);
        loop {
            let changed = watch.changed().quotes;
            let text = if live {
                merge(&mut rows, changed);
                renew(&markets, &catalog, &mut rows);
                let text = table(&rows, false);
                let up = if drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
                drawn = text.lines().count();
                up + &text
            } else {
                changed.iter().map(line).collect()
            };
            let mut out = anstream::stdout();
            // A closed pipe is how `| head` says that it has seen enough.
            if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(());
            }
            watch.wait().await;
        }
    })
}

fn merge(rows: &mut Vec<QuoteItem>, changed: Vec<QuoteItem>) {
    for item in changed {
        match rows.iter_mut().find(|row| row.asked == item.asked) {
            Some(row) => *row = item,
            None => rows.push(item),
        }
    }
}

/// Ages grow though nothing changes.
fn renew(markets: &Markets, catalog: &crate::catalog::Catalog, rows: &mut [QuoteItem]) {
    let (snapshot, now) = (markets.snapshot(), markets.now());
    for row in rows {
        if let QuoteResult::Priced(priced) = &mut row.result
            && let Some(token) = catalog.find(&priced.token_id)
        {
            priced.quote = snapshot.answer(token, now);
        }
    }
}

/// One change in one line: time, id, price, change, state, source.
fn line(item: &QuoteItem) -> String {
    match &item.result {
        QuoteResult::Error(error) => format!("{}\t{}\n", item.asked, error.message),
        QuoteResult::Priced(priced) => {
            let quote = &priced.quote;
            format!(
                "{}\t{}\t{}\t{}\t{}\t{}\n",
                quote.as_of.map_or_else(|| "-".to_owned(), |as_of| as_of.to_string()),
                priced.token_id,
                quote.price.as_deref().unwrap_or("-"),
                quote.change_24h_pct.map_or_else(|| "-".to_owned(), |change| format!("{change:+.2}%")),
                quote.state.word(),
                quote.source.as_deref().or(quote.reason.as_deref()).unwrap_or("-"),
            )
        }
    }
}
