//! Shows the configuration in force as a TOML file that says where each value came from.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;
use super::keys::keys;
use super::layers::Loaded;

impl Loaded {
    /// Every key with its value and origin, as TOML. Secrets are masked by their own type.
    pub fn print(&self) -> String {
        let values = Table::try_from(&self.config).unwrap_or_default();
        let rows: Vec<_> = keys()
            .iter()
            .map(|key| {
                let (section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
                let line = match look_up(&values, &key.path) {
                    Some(value) => {
                        (format!("{name} = {}", one_line(value)), self.origin(&key.path).to_string())
                    }
                    None => (format!("# {name} ="), "not set".to_owned()),
                };
                (section, line)
            })
            .collect();
        let width =
            rows.iter().map(|(_, (line, _))| line.len()).filter(|width| *width < 50).max().unwrap_or(0);
        let mut text = String::new();
        let mut last = "";
        for (section, (line, origin)) in rows {
            if section != last {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n[{section}]");
                last = section;
            }
            let _ = writeln!(text, "{line:width$}  # {origin}");
        }
        text
    }
}

/// The keys whose values differ.
pub fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let values = |config: &Config| Table::try_from(config).unwrap_or_default();
    let (before, after) = (values(before), values(after));
    let differs = |path: &&str| look_up(&before, path) != look_up(&after, path);
    keys().iter().map(|key| key.path.as_str()).filter(differs).collect()
}

fn look_up<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => look_up(table.get(section)?.as_table()?, rest),
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}
