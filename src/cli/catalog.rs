//! `cointag catalog`: look into the catalog in force, check one, write one out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};

use super::{EXIT_FAILED, Global, complain, fail, print};
use crate::catalog::{AssetRecord, Catalog, CatalogFile, SymbolMatch, builtin_file, check, diff};

/// Options of `catalog`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag catalog list sol                 assets whose id, ticker or name holds `sol`
  cointag catalog show BTC                 everything known of one asset
  cointag catalog diff builtin mine.toml   what changed
  cointag catalog check my-catalog.toml    every rule that a catalog file breaks
  cointag --overlay mine.toml catalog export > whole.toml")]
pub(super) struct CatalogArgs {
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// Assets, most valuable first
    List {
        /// Only those whose id, ticker or name holds this
        text: Option<String>,
        /// At most this many; 0 = all
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One asset, by id or ticker, as the catalog holds it
    Show {
        /// An id (bitcoin) or a ticker (BTC)
        token: String,
    },
    /// Check the rules of a catalog file; exit 2 if one is broken
    Check {
        /// The file [default: the catalog in force]
        file: Option<PathBuf>,
    },
    /// What changed from one catalog file to another: assets, tickers, classes, aliases, blockers
    Diff {
        /// The earlier file, or `builtin`
        before: PathBuf,
        /// The later file [default: the catalog in force]
        after: Option<PathBuf>,
    },
    /// Bring the catalog up to date with the markets' lists, in a file of its own
    ///
    /// Asks CoinGecko what there is, and CoinPaprika and CoinMarketCap for their ids where they are among
    /// `market.sources`. Adds ids (unverified), addresses, new tickers (class c) and new assets; never changes a class,
    /// an alias or a link that is there, and never deletes. Takes a minute for each call to CoinGecko without a key.
    Sync {
        /// Where to write [default: catalog.toml in the state directory]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Pages of 250 coins by rank; the coins on them become assets
        #[arg(long, default_value_t = 4)]
        pages: u32,
    },
    /// The whole catalog in force, overlay included, as one TOML file
    Export,
}

pub(super) fn run(global: &Global, args: &CatalogArgs) -> ExitCode {
    if let CatalogCommand::Check { file: Some(path) } = &args.command {
        return check_file(path);
    }
    let config = match global.load_and_log(&[], "warn") {
        Ok(config) => config,
        Err(error) => return fail(error),
    };
    let catalog = match config.catalog.load() {
        Ok(catalog) => catalog,
        Err(error) => return fail(error),
    };
    let text = match &args.command {
        CatalogCommand::List { text, limit } => Ok(list(&catalog, text.as_deref(), *limit)),
        CatalogCommand::Show { token } => show(&catalog, token),
        CatalogCommand::Check { .. } => return report(catalog.version(), catalog.file()),
        CatalogCommand::Diff { before, after } => differences(before, after.as_deref(), &catalog),
        CatalogCommand::Sync { output, pages } => {
            super::sync::run(&config, &catalog, output.as_deref(), *pages)
        }
        CatalogCommand::Export => toml::to_string(catalog.file()).map_err(|error| error.to_string()),
    };
    match text {
        Ok(text) => print(&text).err().unwrap_or(ExitCode::SUCCESS),
        Err(error) => fail(error),
    }
}

fn list(catalog: &Catalog, text: Option<&str>, limit: usize) -> String {
    let wanted = text.unwrap_or_default().to_lowercase();
    let holds = |asset: &&AssetRecord| {
        [&asset.id, &asset.symbol, &asset.name].iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let found: Vec<&AssetRecord> = catalog.assets().iter().filter(holds).collect();
    let shown = if limit == 0 { found.len() } else { limit.min(found.len()) };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["RANK", "TICKER", "NAME", "ID", "CLASSES", "MARKETS"]);
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for asset in &found[..shown] {
        table.add_row([
            asset.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
            asset.symbol.clone(),
            asset.name.clone(),
            asset.id.clone(),
            format!("{}/{}", asset.symbol_class.letter(), asset.name_class.letter()),
            asset.markets.keys().cloned().collect::<Vec<_>>().join(" "),
        ]);
    }
    let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let _ = writeln!(text, "{shown} of {} assets, catalog {}", found.len(), catalog.version());
    text
}

fn show(catalog: &Catalog, token: &str) -> Result<String, String> {
    let index = match catalog.find(token) {
        Some(index) => index,
        None => match catalog.find_symbol(token) {
            SymbolMatch::One(index) => index,
            SymbolMatch::Ambiguous(holders) => {
                let ids: Vec<_> = holders.iter().map(|holder| catalog.asset(*holder).id.as_str()).collect();
                return Err(format!(
                    "several assets go by {token}: {}; give one of these ids",
                    ids.join(", ")
                ));
            }
            SymbolMatch::Unknown => {
                let close: Vec<_> =
                    catalog.suggestions(token, 3).iter().map(|asset| asset.id.as_str()).collect();
                let hint = if close.is_empty() {
                    String::new()
                } else {
                    format!("; did you mean {}?", close.join(", "))
                };
                return Err(format!("no asset `{token}` in the catalog{hint}"));
            }
        },
    };
    let file = CatalogFile { assets: vec![catalog.asset(index).clone()], ..CatalogFile::default() };
    toml::to_string(&file).map_err(|error| error.to_string())
}

/// One line for each difference; none if there is none.
fn differences(before: &Path, after: Option<&Path>, in_force: &Catalog) -> Result<String, String> {
    let before = read_file(before)?;
    let changes = match after {
        Some(after) => diff(&before, &read_file(after)?),
        None => diff(&before, in_force.file()),
    };
    Ok(changes.iter().map(|change| format!("{change}\n")).collect())
}

fn read_file(path: &Path) -> Result<CatalogFile, String> {
    if path == Path::new("builtin") {
        return Ok(builtin_file());
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{} is no catalog: {error}", path.display()))
}

fn check_file(path: &Path) -> ExitCode {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return fail(format_args!("cannot read {}: {error}", path.display())),
    };
    match toml::from_str::<CatalogFile>(&text) {
        Ok(file) => report(&path.display().to_string(), &file),
        Err(error) => fail(format_args!("{} is no catalog: {error}", path.display())),
    }
}

fn report(name: &str, file: &CatalogFile) -> ExitCode {
    let problems = check(file);
    for problem in &problems {
        complain(problem);
    }
    if problems.is_empty() {
        let text =
            format!("{name}: {} assets, {} blockers, no problem\n", file.assets.len(), file.blockers.len());
        return print(&text).err().unwrap_or(ExitCode::SUCCESS);
    }
    complain(format_args!("{name}: {} problem(s)", problems.len()));
    ExitCode::from(EXIT_FAILED)
}
