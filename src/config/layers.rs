//! Lays flags over environment over file over defaults, and remembers which layer each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::Config;
use super::keys::{Key, ValueKind, keys};

/// Where values may come from. All of it is handed in; nothing is looked up here.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Values of this platform under the file: path of the key → text.
    pub platform: Vec<(String, String)>,
    /// The TOML file to read.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Flags: name of the flag, path of the key, text.
    pub flags: Vec<(String, String, String)>,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its values.
    pub config: Config,
    /// What to tell the operator: each of it was ignored.
    pub warnings: Vec<String>,
    origins: BTreeMap<String, Origin>,
}

/// Which layer a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in, or the platform's.
    Default,
    /// The TOML file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Why the configuration cannot be used; each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The file is no TOML.
    #[error("{} is not TOML: {problem}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {origin}{hint}")]
    UnknownKey {
        /// As written.
        key: String,
        /// Where.
        origin: Origin,
        /// A key that was probably meant.
        hint: String,
    },
    /// A value that the key does not take.
    #[error("`{key}` from {origin}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
        /// What is wrong.
        problem: String,
    },
    /// Would be open to the network.
    #[error(
        "{key} = \"{listen}\" is reachable from other machines without TLS or keys; \
         listen on 127.0.0.1, or set `allow_plaintext = true` in [security] if the network is trusted"
    )]
    Plaintext {
        /// The option.
        key: &'static str,
        /// Its value.
        listen: SocketAddr,
    },
    /// Two listeners cannot share an address.
    #[error("grpc.listen and http.listen are both {0}; change one of them")]
    SameAddress(SocketAddr),
    /// A catalog or overlay file cannot be used.
    #[error("{key}: {}: {problem}", path.display())]
    Catalog {
        /// The option.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// `[limits]` would let nothing through.
    #[error("{0}")]
    Limits(String),
    /// `[trace]` cannot be used.
    #[error("{0}")]
    Trace(String),
    /// `[log]` cannot be used.
    #[error("log.level: {0}")]
    Log(String),
}

impl ConfigError {
    pub(super) fn catalog(key: &'static str, path: &Path, problem: impl fmt::Display) -> Self {
        let problem = problem.to_string().trim_end().to_owned();
        Self::Catalog { key, path: path.to_owned(), problem }
    }
}

impl Loaded {
    /// Where the value of a key came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

impl Layers {
    /// Lays them over each other and checks every value.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key and layer.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut merged = Merged::default();
        for (path, text) in &self.platform {
            merged.set_text(find(path, &Origin::Default)?, text, Origin::Default)?;
        }
        if let Some(path) = &self.file {
            merged.set_table(&read(path)?, "", &Origin::File(path.clone()))?;
        }
        let mut unknown = Vec::new();
        for (name, text) in self.env.iter().filter(|(name, _)| name.starts_with("COINTAG_")) {
            if name == "COINTAG_CONFIG" || is_injected(name) {
                continue;
            }
            match keys().iter().find(|key| key.env() == *name) {
                Some(key) => merged.set_text(key, text, Origin::Env(name.clone()))?,
                None => unknown.push(format!("{name}{}", hint(name, keys().iter().map(Key::env)))),
            }
        }
        for (flag, path, text) in &self.flags {
            let origin = Origin::Flag(flag.clone());
            merged.set_text(find(path, &origin)?, text, origin)?;
        }
        let config = Config::deserialize(merged.table).map_err(|error| ConfigError::Value {
            key: "the configuration".to_owned(),
            origin: Origin::Default,
            problem: error.to_string(),
        })?;
        let warnings = if unknown.is_empty() {
            Vec::new()
        } else {
            vec![format!("ignored in the environment: {}", unknown.join("; "))]
        };
        Ok(Loaded { config, warnings, origins: merged.origins })
    }
}

/// What Kubernetes puts into the environment of every pod for a Service called `cointag` or `cointag-*`.
pub(super) fn is_injected(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("COINTAG_") else { return false };
    rest.starts_with("SERVICE_")
        || rest.starts_with("PORT")
        || rest.contains("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.contains("_PORT_")
        || (rest.ends_with("_PORT") && !rest.contains("__"))
}

#[derive(Default)]
struct Merged {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Merged {
    fn set_table(&mut self, table: &Table, section: &str, origin: &Origin) -> Result<(), ConfigError> {
        for (name, value) in table {
            let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let is_section = keys().iter().any(|key| key.path.starts_with(&format!("{path}.")));
            match value {
                Value::Table(inner) if is_section => self.set_table(inner, &path, origin)?,
                _ if is_section => {
                    let problem = format!("is a section; write its keys below [{path}]");
                    return Err(ConfigError::Value { key: path, origin: origin.clone(), problem });
                }
                value => self.set(find(&path, origin)?, value.clone(), origin.clone())?,
            }
        }
        Ok(())
    }

    fn set_text(&mut self, key: &Key, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let value = match key.kind {
            ValueKind::Text => Some(Value::String(text.to_owned())),
            ValueKind::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(Value::Boolean(true)),
                "false" | "0" | "no" | "off" => Some(Value::Boolean(false)),
                _ => None,
            },
            ValueKind::Integer => text.replace('_', "").parse().ok().map(Value::Integer),
            ValueKind::Float => text.parse().ok().map(Value::Float),
            ValueKind::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
        };
        let Some(value) = value else {
            let wanted = match key.kind {
                ValueKind::Bool => "`true` or `false`",
                ValueKind::Integer => "a whole number",
                _ => "a number",
            };
            // The value stays unsaid: a key put into the wrong variable would end in a log.
            let problem = format!("must be {wanted}");
            return Err(ConfigError::Value { key: key.path.clone(), origin, problem });
        };
        self.set(key, value, origin)
    }

    /// Sets one key. The value is read on its own first, so that an error belongs to this key and layer.
    fn set(&mut self, key: &Key, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let mut alone = Table::new();
        put(&mut alone, &key.path, value.clone());
        if let Err(error) = Config::deserialize(alone) {
            let problem = explain(&key.path, &error);
            return Err(ConfigError::Value { key: key.path.clone(), origin, problem });
        }
        put(&mut self.table, &key.path, value);
        self.origins.insert(key.path.clone(), origin);
        Ok(())
    }
}

fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn explain(key: &str, error: &toml::de::Error) -> String {
    if key.ends_with(".api_key") {
        // serde's words would repeat it.
        return "is not text; put the key in quotes".to_owned();
    }
    let message = error.message().to_owned();
    if key.ends_with(".listen") {
        return format!("{message}; write address and port, such as \"127.0.0.1:8080\"");
    }
    message
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::File { path: path.to_owned(), problem: error.to_string() })?;
    text.parse::<Table>().map_err(|error: toml::de::Error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // Not the error's own text: it quotes the line, which may hold a key.
        let problem = format!("line {line}: {}", error.message());
        ConfigError::Toml { path: path.to_owned(), problem }
    })
}

fn find(path: &str, origin: &Origin) -> Result<&'static Key, ConfigError> {
    keys().iter().find(|key| key.path == path).ok_or_else(|| ConfigError::UnknownKey {
        key: path.to_owned(),
        origin: origin.clone(),
        hint: hint(path, keys().iter().flat_map(|key| [Some(key.path.clone()), section(key)]).flatten()),
    })
}

fn section(key: &Key) -> Option<String> {
    key.path.rsplit_once('.').map(|(section, _)| section.to_owned())
}

/// `; did you mean ...?`, or nothing if nothing is close.
fn hint(asked: &str, known: impl Iterator<Item = String>) -> String {
    // What all variables begin with would make all of them alike.
    let own = |name: &str| name.trim_start_matches("COINTAG_").to_owned();
    known
        .map(|name| (strsim::jaro_winkler(&own(asked), &own(&name)), name))
        .filter(|(closeness, _)| *closeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
