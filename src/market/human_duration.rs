//! Durations in configuration as people write them: `"10m"`, `"1h 30m"`, `"2s"`.
//!
//! For `#[serde(with = "...")]`; the module `option` does the same for a duration that may be left out.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer, ser::Error as _};

/// Reads text such as `"10m"`.
///
/// # Errors
/// Says what a duration looks like.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;
    impl serde::de::Visitor<'_> for Text {
        type Value = Duration;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a duration such as \"10m\" or \"2s\"")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            text.parse::<SignedDuration>()
                .ok()
                .and_then(|duration| Duration::try_from(duration).ok())
                .ok_or_else(|| E::custom(format!("`{text}` is not a duration such as \"10m\" or \"2s\"")))
        }
    }
    deserializer.deserialize_str(Text)
}

/// Writes text such as `"10m"`.
///
/// # Errors
/// A duration of more than some 292 billion years.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let duration = SignedDuration::try_from(*duration).map_err(S::Error::custom)?;
    serializer.collect_str(&format_args!("{duration:#}"))
}

/// The same for a duration that may be left out.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    #[derive(Deserialize)]
    struct Human(#[serde(with = "super")] Duration);

    /// Reads text such as `"10m"`, or nothing.
    ///
    /// # Errors
    /// Says what a duration looks like.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Human>::deserialize(deserializer)?.map(|Human(duration)| duration))
    }

    /// Writes text such as `"10m"`, or nothing.
    ///
    /// # Errors
    /// A duration of more than some 292 billion years.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}
