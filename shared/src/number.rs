//! The one form in which numbers are stored: plain digits, without zeros that say nothing.
//!
//! DynamoDB hands back `0.10` as `0.1`. What was read from an item and what a body says now could not be compared otherwise.

use serde_json::{Map, Number, Value};

/// The longest number in plain digits; a longer one stays as it was written.
const MAX_DIGITS: i64 = 256;

/// The values of an object with every number in its one form.
pub fn canonical_object(mut object: Map<String, Value>) -> Map<String, Value> {
    object.values_mut().for_each(canonical);
    object
}

fn canonical(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(plain) = plain(number.as_str()).and_then(|text| text.parse::<Number>().ok()) {
                *number = plain;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(canonical),
        Value::Object(map) => map.values_mut().for_each(canonical),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A JSON number in plain digits; `None` where it is so already, or would be too long.
fn plain(text: &str) -> Option<String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (sign, magnitude) = text.strip_prefix('-').map_or(("", text), |magnitude| ("-", magnitude));
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return (text != "0").then(|| "0".to_owned());
    }
    // How many digits stand before the point, counted from the first significant one.
    let leading = i64::try_from(digits.len() - digits.trim_start_matches('0').len()).ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_sub(leading)?;
    let count = i64::try_from(significant.len()).ok()?;
    if point.checked_abs()?.checked_add(count)? > MAX_DIGITS {
        return None;
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let plain = if point <= 0 {
        format!("{sign}0.{}{significant}", zeros(-point))
    } else if point >= count {
        format!("{sign}{significant}{}", zeros(point - count))
    } else {
        let (whole, fraction) = significant.split_at(usize::try_from(point).ok()?);
        format!("{sign}{whole}.{fraction}")
    };
    (plain != text).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn zeros_that_say_nothing_go_and_nothing_else_does() {
        for (text, expected) in [
            ("0.10", "0.1"),
            ("1.0", "1"),
            ("100", "100"),
            ("-0.0", "0"),
            ("0e999", "0"),
            ("-0", "0"),
            ("1e2", "100"),
            ("1.50E+1", "15"),
            ("12.5e-3", "0.0125"),
            ("-3.10", "-3.1"),
            ("1e400", "1e+400"),
            ("1e99999999999999999999", "1e+99999999999999999999"),
        ] {
            let mut value: Value = serde_json::from_str(&format!(r#"[{{"a":{text}}}]"#)).unwrap();
            canonical(&mut value);
            assert_eq!(value.to_string(), format!(r#"[{{"a":{expected}}}]"#));
        }
    }

    proptest! {
        #[test]
        fn a_number_stays_the_same_number(units in any::<i64>(), scale in 0_u32..20, zeros in 0_usize..5) {
            let number = Decimal::from_i128_with_scale(units.into(), scale);
            let written = if scale > 0 { format!("{number}{}", "0".repeat(zeros)) } else { number.to_string() };
            let once = plain(&written).unwrap_or(written);
            prop_assert_eq!(once.parse::<Decimal>().unwrap(), number);
            prop_assert_eq!(plain(&once), None, "{} is its one form", once);
        }
    }
}
