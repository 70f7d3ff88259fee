//! `cointag catalog sync`: a catalog beside the built-in one, brought up to date with the markets' lists.

use std::path::{Path, PathBuf};

use super::complain;
use crate::catalog::{Catalog, diff, sync};
use crate::config::Config;
use crate::market::lists;

/// Fetches, joins and writes; says what changed.
///
/// # Errors
/// In words; nothing is written then.
pub(super) fn run(
    config: &Config,
    catalog: &Catalog,
    output: Option<&Path>,
    pages: u32,
) -> Result<String, String> {
    let beside = config.state_dir.as_ref().map(|dir| dir.join("catalog.toml"));
    let path: PathBuf =
        output.map(Path::to_owned).or(beside).ok_or("there is no state directory; give --output")?;
    let runtime = super::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
    let lists = runtime.block_on(lists::fetch(&config.market, pages)).map_err(|error| error.to_string())?;
    let today = jiff::Timestamp::now().strftime("%F").to_string();
    let synced =
        sync(catalog.file(), &lists.listed, &lists.others, &today).map_err(|error| error.to_string())?;
    let changes = diff(catalog.file(), &synced.file);
    let text = toml::to_string(&synced.file).map_err(|error| error.to_string())?;
    write(&path, &text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    lists.notes.iter().chain(&synced.notes).for_each(complain);
    let path = path.display();
    Ok(format!(
        "{path}: {} assets, {} changes\nSee them: cointag catalog diff builtin {path}\nUse it:   --catalog {path}, or [catalog] file\n",
        synced.file.assets.len(),
        changes.len(),
    ))
}

/// Appears under its name only when it is whole.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let part = path.with_extension("toml.part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, path)
}
