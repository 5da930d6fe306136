//! Values as columns hold them.

use std::borrow::Cow;

use jiff::civil::Date;
use serde_json::Value;
use shared::model::{Amount, Instant};
use shared::view::Object;

use crate::column::Kind;

/// How many digits of an amount stand behind the point.
pub(crate) const SCALE: u32 = 10;
/// How many digits the type of an amount has.
pub(crate) const PRECISION: u32 = 38;
/// How many digits an amount may have before the point. The type has room for ten more: sums are of the same type in DuckDB and Athena, which
/// fail where one does not fit. So ten billion amounts can be added, whatever they are.
const WHOLE_DIGITS: u32 = 18;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Nothing is known.
    Nothing,
    Text(Cow<'a, str>),
    /// A number, or a time in milliseconds since 1970.
    Number(i64),
    Flag(bool),
    /// Days since 1970.
    Date(i32),
    /// Units of the last digit.
    Amount(i128),
    Tags(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>),
}

/// A value that is shown, as a column of that kind holds it. What is of another kind is nothing, but in columns of text.
pub(crate) fn of(kind: Kind, value: &Value) -> Cell<'_> {
    match (kind, value) {
        (_, Value::Null) => Cell::Nothing,
        (Kind::Text | Kind::Id, value) => Cell::Text(text(value)),
        (Kind::Json, value) => Cell::Text(value.to_string().into()),
        (Kind::Number, value) => value.as_i64().map_or(Cell::Nothing, Cell::Number),
        (Kind::Flag, value) => value.as_bool().map_or(Cell::Nothing, Cell::Flag),
        (Kind::Time, value) => {
            let time = value.as_str().and_then(|text| text.parse::<Instant>().ok());
            time.map_or(Cell::Nothing, |time| Cell::Number(time.epoch_millis()))
        }
        (Kind::Tags, value) => tags(value),
        // These are made of others.
        (Kind::Date | Kind::Amount, _) => Cell::Nothing,
    }
}

/// Text as it is; anything else as JSON.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Tags: a list of names, or values by name.
fn tags(value: &Value) -> Cell<'_> {
    match value {
        Value::Array(names) => Cell::Tags(names.iter().map(|name| (text(name), None)).collect()),
        Value::Object(named) => {
            let mut tags = Vec::new();
            for (name, values) in named {
                let name: Cow<'_, str> = Cow::Borrowed(name);
                match values {
                    Value::Array(values) if values.is_empty() => tags.push((name, None)),
                    Value::Array(values) => {
                        tags.extend(values.iter().map(|value| (name.clone(), Some(text(value)))));
                    }
                    other => tags.push((name, Some(text(other)))),
                }
            }
            Cell::Tags(tags)
        }
        other => Cell::Tags(vec![(text(other), None)]),
    }
}

/// What a call cost, as it is shown: exact digits.
pub(crate) fn amount(call: &Object) -> Option<&str> {
    call.get("cost")?.get("amount")?.as_str()
}

/// In which currency.
pub(crate) fn currency(call: &Object) -> Option<&str> {
    call.get("cost")?.get("currency")?.as_str()
}

/// An amount in units of the last digit that its column has; `None` where it can't hold it exactly, or could not be added to others.
pub(crate) fn units(amount: &str) -> Option<i128> {
    let amount = Amount::parse(amount)?;
    let (whole, fraction) = amount.as_str().split_once('.').unwrap_or((amount.as_str(), ""));
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::try_from(SCALE).ok().filter(|scale| fraction.len() <= *scale)?;
    // More digits than it has are no number of its type.
    let units: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    (units.unsigned_abs() < 10_u128.checked_pow(WHOLE_DIGITS + SCALE)?).then_some(units)
}

/// A date in days since 1970.
pub(crate) fn days(date: Date) -> i32 {
    let days = date.since(Date::constant(1970, 1, 1)).map(|span| span.get_days());
    days.unwrap_or_default()
}

pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use serde_json::json;

    #[test]
    fn what_a_column_of_money_can_hold_is_exact_and_nothing_else_is_held() {
        for (amount, expected) in [
            ("0", Some(0)),
            ("0.1", Some(1_000_000_000)),
            ("-0.0000000001", Some(-1)),
            ("12.3400000000000", Some(123_400_000_000)),
            ("0.00000000001", None),
            ("999999999999999999.9999999999", Some(9_999_999_999_999_999_999_999_999_999)),
            ("-123456789012345678.1234567891", Some(-1_234_567_890_123_456_781_234_567_891)),
            ("1000000000000000000", None),
            ("-1000000000000000000", None),
            ("9999999999999999999999999999", None),
            ("79228162514264337593543950335", None),
            ("123456789012345678901234567890123456789012345678901234567890", None),
            ("free", None),
        ] {
            assert_eq!(units(amount), expected, "{amount}");
        }
    }

    #[test]
    fn tags_are_names_with_values_or_without() {
        let tag = |name: &'static str, value: Option<&'static str>| (name.into(), value.map(Cow::from));
        assert_eq!(
            of(Kind::Tags, &json!(["a", "漢字"])),
            Cell::Tags(vec![tag("a", None), tag("漢字", None)])
        );
        assert_eq!(
            of(Kind::Tags, &json!({"a": [], "b": ["1", "2"]})),
            Cell::Tags(vec![tag("a", None), tag("b", Some("1")), tag("b", Some("2"))])
        );
        assert_eq!(of(Kind::Tags, &Value::Null), Cell::Nothing);
    }

    #[test]
    fn what_is_of_another_kind_is_nothing() {
        assert_eq!(of(Kind::Number, &json!("x")), Cell::Nothing);
        assert_eq!(of(Kind::Time, &json!("yesterday")), Cell::Nothing);
        assert_eq!(of(Kind::Text, &json!(7)), Cell::Text("7".into()));
        assert_eq!(of(Kind::Json, &json!({"a": [1]})), Cell::Text(r#"{"a":[1]}"#.into()));
        assert_eq!(of(Kind::Time, &json!("1970-01-02T00:00:00Z")), Cell::Nothing, "no time of a call");
        assert_eq!(of(Kind::Time, &json!("2000-01-01T00:00:00.001Z")), Cell::Number(946_684_800_001));
        assert_eq!((days(Date::constant(1970, 1, 2)), days(Date::constant(2025, 6, 1))), (1, 20_240));
    }

    /// Whatever is in the column, ten billion of it are of its type.
    #[test]
    fn amounts_are_small_enough_to_be_added() {
        let largest = units("999999999999999999.9999999999").unwrap();
        assert!(largest.checked_mul(10_i128.pow(10)).unwrap() < 10_i128.pow(PRECISION));
    }

    proptest! {
        #[test]
        fn every_amount_of_up_to_ten_digits_behind_the_point_is_exact(units_of in -10_i64.pow(17)..10_i64.pow(17), scale in 0_u32..=10) {
            let exact = Decimal::new(units_of, scale);
            prop_assert_eq!(units(&exact.to_string()), Some(i128::from(units_of) * 10_i128.pow(SCALE - scale)));
        }
    }
}
