//! `[auth]`: who has which key. Holds only hashes of the keys, so that none can be shown by accident.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};

/// Section `[auth]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A TOML file with one `[[client]]` for each caller: `name`, one or two `keys`, and `scopes` (`read`,
    /// `admin`). Read again when it changes. Unset: everybody may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
}

/// Shorter keys can be guessed.
const KEY_CHARS_MIN: usize = 16;
/// The old one and the new one, while callers change over.
const KEYS_PER_CLIENT_MAX: usize = 2;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask.
    Read,
    /// Ask, and change how the server runs.
    Admin,
}

impl Scope {
    /// As written in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// Why keys cannot be used. Never says what is in the file.
#[derive(Debug, thiserror::Error)]
#[error("auth.keys_file: {}: {problem}", path.display())]
pub struct KeysError {
    path: PathBuf,
    problem: String,
}

/// Every key in force.
#[derive(Debug)]
pub struct Keys(Vec<(Hashed, Arc<Client>)>);

/// A caller.
#[derive(Debug)]
pub(super) struct Client {
    name: Arc<str>,
    scopes: Vec<Scope>,
}

struct Hashed([u8; 32]);

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<ClientRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientRow {
    name: String,
    keys: Vec<String>,
    scopes: Vec<Scope>,
}

impl Keys {
    /// Reads the file.
    ///
    /// # Errors
    /// Names the line or the client at fault.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&text))
            .map_err(|problem| KeysError { path: path.to_owned(), problem })
    }

    fn parse(text: &str) -> Result<Self, String> {
        // Not the error's own words: they may repeat a key.
        let file: File = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            format!(
                "line {line}: not as expected; each [[client]] has `name`, `keys` and `scopes` (read, admin)"
            )
        })?;
        if file.client.is_empty() {
            return Err("has no [[client]]; nobody could ask anything".to_owned());
        }
        let mut keys = Vec::new();
        for ClientRow { name, keys: of_client, scopes } in file.client {
            if of_client.is_empty() || of_client.len() > KEYS_PER_CLIENT_MAX {
                return Err(format!("client `{name}`: give one key, or two while callers change over"));
            }
            if of_client.iter().any(|key| key.len() < KEY_CHARS_MIN) {
                return Err(format!("client `{name}`: a key has at least {KEY_CHARS_MIN} characters"));
            }
            let client = Arc::new(Client { name: name.into(), scopes });
            keys.extend(of_client.iter().map(|key| (hash(key), Arc::clone(&client))));
        }
        Ok(Self(keys))
    }

    /// Takes the same time whether and where the key is found.
    pub(super) fn find(&self, key: &str) -> Option<&Client> {
        let asked = hash(key);
        let mut found = None;
        for (known, client) in &self.0 {
            let same: Choice = known.0.ct_eq(&asked.0);
            if same.into() {
                found = Some(&**client);
            }
        }
        found
    }
}

impl Client {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|has| *has == scope || *has == Scope::Admin)
    }
}

/// Of equal length for all keys, so that comparing tells nothing about the length either.
fn hash(key: &str) -> Hashed {
    Hashed(*blake3::hash(key.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[[client]]
name = "feed"
keys = ["old-old-old-old-old", "new-new-new-new-new"]
scopes = ["read"]
[[client]]
name = "operator"
keys = ["operator-operator"]
scopes = ["admin"]
"#;

    #[test]
    fn both_keys_of_a_client_are_valid_and_scopes_differ() {
        let keys = Keys::parse(FILE).unwrap();
        for key in ["old-old-old-old-old", "new-new-new-new-new"] {
            let client = keys.find(key).unwrap();
            assert!(client.may(Scope::Read) && !client.may(Scope::Admin));
        }
        let operator = keys.find("operator-operator").unwrap();
        assert!(operator.may(Scope::Read) && operator.may(Scope::Admin));
        assert!(keys.find("old-old-old-old-ol").is_none() && keys.find("").is_none());
    }

    #[test]
    fn nothing_shows_a_key() {
        assert!(!format!("{:?}", Keys::parse(FILE).unwrap()).contains("old-old"));
        for text in [
            "[[client]]\nname = \"a\"\nkeys = \"s3cret-s3cret-s3cret\"\nscopes = [\"read\"]",
            "[[client]]\nname = \"a\"\nkeys = [\"s3cret\"]\nscopes = [\"read\"]",
            "[[client]]\nname = \"a\"\nkeys = [s3cret-s3cret-s3cret]\nscopes = [\"read\"]",
            "[[client]]\nname = \"a\"\nkeys = [\"s3cret-s3cret-s3cret\"]\nscopes = [\"write\"]",
        ] {
            let error = Keys::parse(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
