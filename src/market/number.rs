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
pub(super) fn decimal(value: Option<&RawValue>) -> Option<Decimal> {
    decimal_text(&text(value)?)
}

/// A price: a number above 0.
pub(super) fn price(value: Option<&RawValue>) -> Option<Decimal> {
    decimal(value).filter(|price| *price > Decimal::ZERO)
}

/// A finite number, for percentages.
pub(super) fn float(value: Option<&RawValue>) -> Option<f64> {
    text(value)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds since 1970, with or without a fraction.
pub(super) fn unix_seconds(value: Option<&RawValue>) -> Option<Timestamp> {
    let seconds = decimal(value)?;
    let millis: i64 = seconds.checked_mul(Decimal::ONE_THOUSAND)?.trunc().try_into().ok()?;
    // 0 is how some markets write "never".
    Timestamp::from_millisecond(millis).ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Milliseconds since 1970.
pub(super) fn unix_millis(value: Option<&RawValue>) -> Option<Timestamp> {
    let millis: i64 = decimal(value)?.trunc().try_into().ok()?;
    Timestamp::from_millisecond(millis).ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// The change from one price to another, in percent. `None`: the first is no price.
pub(super) fn change_pct(open: Decimal, last: Decimal) -> Option<f64> {
    let change = last.checked_sub(open)?.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(open)?;
    // More digits than any market tells are noise.
    f64::try_from(change.round_dp(6)).ok()
}

/// An instant in RFC 3339.
pub(super) fn rfc3339(value: Option<&RawValue>) -> Option<Timestamp> {
    text(value)?.parse().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// A number with its exact digits from text.
fn decimal_text(text: &str) -> Option<Decimal> {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn every_spelling_of_a_number_is_read_and_none_is_unknown() {
        let rows = [
            ("77671", Some("77671")),
            ("7.82e-11", Some("0.0000000000782")),
            ("1E+3", Some("1000")),
            ("\" 1.5 \"", Some("1.5")),
            ("\"3.91e-6\"", Some("0.00000391")),
            ("-0.5", Some("-0.5")),
            ("0.1234567890123456789012345678", Some("0.1234567890123456789012345678")),
            ("1e-28", Some("0.0000000000000000000000000001")),
            ("1e-29", None),
            ("1e400", None),
            ("1e40", None),
            ("null", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("\"-Infinity\"", None),
            ("\"1,5\"", None),
            ("\"$5\"", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
        ];
        for (json, expected) in rows {
            assert_eq!(
                decimal(Some(&raw(json))).map(|number| number.to_string()).as_deref(),
                expected,
                "{json}"
            );
        }
        assert_eq!(decimal(None), None);
    }

    #[test]
    fn a_time_is_read_and_never_is_unknown() {
        let noon = "2026-05-18T12:00:00Z".parse().ok();
        assert_eq!(unix_seconds(Some(&raw("1779105600"))), noon);
        assert_eq!(unix_seconds(Some(&raw("\"1779105600\""))), noon);
        assert_eq!(rfc3339(Some(&raw("\"2026-05-18T14:00:00+02:00\""))), noon);
        for never in ["0", "null", "\"\"", "1e20", "4.5e26", "\"yesterday\"", "-5"] {
            assert_eq!(unix_seconds(Some(&raw(never))), None, "{never}");
            assert_eq!(rfc3339(Some(&raw(never))), None, "{never}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_read_back_exactly_as_number_and_as_text(mantissa in any::<i64>(), scale in 0u32..=28) {
            let number = Decimal::new(mantissa, scale);
            prop_assert_eq!(decimal(Some(&raw(&number.to_string()))), Some(number));
            prop_assert_eq!(decimal(Some(&raw(&format!("\"{number}\"")))), Some(number));
            let scientific = format!("{mantissa}e-{scale}");
            prop_assert_eq!(decimal(Some(&raw(&scientific))), Some(number));
        }

        #[test]
        fn any_json_is_read_without_panic_and_a_price_is_above_0(text in any::<String>(), number in any::<f64>()) {
            let texts = [serde_json::to_string(&text).unwrap(), serde_json::to_string(&number).unwrap(), format!("{number:e}")];
            for json in texts {
                let Ok(value) = RawValue::from_string(json) else { continue };
                let read = price(Some(&value));
                prop_assert!(read.is_none_or(|price| price > Decimal::ZERO));
                if let Some(price) = read {
                    let written: f64 = text_of(&value).parse().unwrap();
                    let back: f64 = price.try_into().unwrap();
                    prop_assert!((back - written).abs() <= written.abs() * 1e-6);
                }
                let _ = (float(Some(&value)), unix_seconds(Some(&value)), rfc3339(Some(&value)));
            }
        }
    }

    fn text_of(value: &RawValue) -> String {
        text(Some(value)).unwrap()
    }
}
