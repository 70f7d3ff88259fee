//! The one lenient reader of numbers and times that markets write.
//!
//! Takes a number, a numeric string or either with an exponent; null, `""`, `"NaN"`, anything absent or
//! unreadable is unknown. Unknown is never 0. Digits are read as written: no float stands in between.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

/// How far the exact decimal may lie from the number as written. Beyond it digits were lost, because the
/// number is finer than 1e-28.
const LOST_DIGITS: f64 = 1e-6;

/// A number with its exact digits.
pub fn decimal(value: Option<&RawValue>) -> Option<Decimal> {
    decimal_text(&text(value)?)
}

/// A price: a number above 0.
pub fn price(value: Option<&RawValue>) -> Option<Decimal> {
    decimal(value).filter(|price| *price > Decimal::ZERO)
}

/// A finite number, for percentages.
pub fn float(value: Option<&RawValue>) -> Option<f64> {
    text(value)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds since 1970, with or without a fraction.
pub fn unix_seconds(value: Option<&RawValue>) -> Option<Timestamp> {
    let seconds = decimal(value)?;
    let millis: i64 = (seconds * Decimal::ONE_THOUSAND).trunc().try_into().ok()?;
    // 0 is how some markets write "never".
    Timestamp::from_millisecond(millis).ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// An instant in RFC 3339.
pub fn rfc3339(value: Option<&RawValue>) -> Option<Timestamp> {
    text(value)?.parse().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// A number with its exact digits from text.
pub fn decimal_text(text: &str) -> Option<Decimal> {
    let nearly: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    // `str::parse` reads exponents; `Decimal::from_scientific` does not read all of them.
    let exact: Decimal = text.parse().ok()?;
    let back: f64 = exact.try_into().ok()?;
    ((back - nearly).abs() <= nearly.abs() * LOST_DIGITS).then_some(exact)
}

/// The digits of a number, or what stands in a string.
fn text(value: Option<&RawValue>) -> Option<String> {
    let json = value?.get().trim();
    let text = if json.starts_with('"') {
        serde_json::from_str::<String>(json).ok()?.trim().to_owned()
    } else {
        json.to_owned()
    };
    // Neither null nor true, lists or objects; they end in no number or time either.
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')).then_some(text)
}
