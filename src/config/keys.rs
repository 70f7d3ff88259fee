//! Which keys there are and what each takes, asked from the types themselves: the struct definitions are the
//! only list, so no key can be forgotten in the environment, in `config print` or in a suggestion.
//!
//! serde's derive tells a deserialiser the field names of every struct before it reads a value. [`Probe`] is
//! a deserialiser that only listens: it is led down one path at a time and stops at the first thing it is told.

use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::Config;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Section and name, such as `grpc.listen`.
    pub path: String,
    /// What it takes.
    pub kind: ValueKind,
}

impl Key {
    /// The environment variable that sets it.
    pub fn env(&self) -> String {
        format!("COINTAG_{}", self.path.replace('.', "__").to_uppercase())
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Text; also durations, addresses and paths.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Several texts; separated by commas in the environment.
    List,
}

/// Every key, in the order of the struct definitions.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        collect(&mut Vec::new(), &mut keys);
        keys
    });
    &KEYS
}

fn collect(path: &mut Vec<&'static str>, keys: &mut Vec<Key>) {
    match heard(path) {
        Some(Heard::Struct(fields)) => {
            for field in fields {
                path.push(field);
                collect(path, keys);
                path.pop();
            }
        }
        Some(Heard::Value(kind)) => keys.push(Key { path: path.join("."), kind }),
        None => {}
    }
}

#[derive(Clone, Copy)]
enum Heard {
    Struct(&'static [&'static str]),
    Value(ValueKind),
}

fn heard(path: &[&'static str]) -> Option<Heard> {
    let told = Mutex::new(None);
    // Always ends in an error: the probe stops as soon as it has heard enough.
    let _stopped = Config::deserialize(Probe { path, told: &told });
    told.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
struct Probe<'p> {
    /// What is still to be walked.
    path: &'p [&'static str],
    told: &'p Mutex<Option<Heard>>,
}

impl Probe<'_> {
    fn stop<T>(self, heard: Heard) -> Result<T, de::value::Error> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        Err(de::Error::custom("heard enough"))
    }
}

macro_rules! values {
    ($($method:ident => $kind:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            self.stop(Heard::Value(ValueKind::$kind))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = de::value::Error;

    values! {
        deserialize_any => Text, deserialize_bool => Bool,
        deserialize_u8 => Integer, deserialize_u16 => Integer, deserialize_u32 => Integer,
        deserialize_u64 => Integer, deserialize_i64 => Integer,
        deserialize_f32 => Float, deserialize_f64 => Float,
        deserialize_seq => List,
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.path.split_first() {
            Some((first, rest)) => {
                visitor.visit_map(Step { field: Some(first), rest: Probe { path: rest, ..self } })
            }
            None => self.stop(Heard::Struct(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map enum
        identifier ignored_any
    }
}

/// A map with one entry: the next field of the path.
struct Step<'p> {
    field: Option<&'static str>,
    rest: Probe<'p>,
}

impl<'de> MapAccess<'de> for Step<'_> {
    type Error = de::value::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let field = self.field.take().map(de::value::BorrowedStrDeserializer::new);
        field.map(|field| seed.deserialize(field)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        seed.deserialize(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_key_is_found() {
        let kind = |path: &str| keys().iter().find(|key| key.path == path).map(|key| key.kind);
        assert_eq!(kind("grpc.listen"), Some(ValueKind::Text));
        assert_eq!(kind("market.sources"), Some(ValueKind::List));
        assert_eq!(kind("market.coingecko.api_key"), Some(ValueKind::Text));
        assert_eq!(kind("market.coingecko.timeout"), Some(ValueKind::Text));
        assert_eq!(kind("limits.document_bytes_max"), Some(ValueKind::Integer));
        assert_eq!(kind("security.allow_plaintext"), Some(ValueKind::Bool));
        assert_eq!(kind("state_dir"), Some(ValueKind::Text));
        assert_eq!(kind("grpc"), None);
    }

    #[test]
    fn no_key_collides_with_what_kubernetes_injects() {
        for key in keys() {
            assert!(!super::super::layers::is_injected(&key.env()), "{}", key.env());
        }
    }
}
