//! What DynamoDB can hold of JSON, and the text that stands in for the rest.
//!
//! A number has at most 38 significant digits and a magnitude between 1E-130 and 9.99E+125; values nest at most 32
//! deep; a map's key is not empty.

use serde_json::{Map, Value};

/// How deep a value may nest below an attribute of ours: 32 levels less those of our own (`extra`, the function, a turn).
const MAX_DEPTH: usize = 24;

/// The value as DynamoDB can hold it: numbers that it can't hold, and what nests too deeply, become their JSON text.
pub fn storable(value: Value) -> Value {
    if depth_exceeds(&value, MAX_DEPTH) { Value::String(value.to_string()) } else { without_misfits(value) }
}

/// [`storable`] for every value of an object; an empty key becomes a blank one.
pub fn storable_object(object: Map<String, Value>) -> Map<String, Value> {
    object
        .into_iter()
        .map(|(key, value)| (if key.is_empty() { " ".to_owned() } else { key }, storable(value)))
        .collect()
}

fn without_misfits(value: Value) -> Value {
    match value {
        Value::Number(number) if !number_fits(number.as_str()) => Value::String(number.to_string()),
        // Negative zero is zero, to DynamoDB as to everybody.
        Value::Number(number) if number.as_str() == "-0" => Value::from(0),
        Value::Array(list) => Value::Array(list.into_iter().map(without_misfits).collect()),
        Value::Object(map) if map.contains_key("") => Value::String(Value::Object(map).to_string()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, without_misfits(value))).collect())
        }
        other => other,
    }
}

fn depth_exceeds(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(list) => limit == 0 || list.iter().any(|value| depth_exceeds(value, limit - 1)),
        Value::Object(map) => limit == 0 || map.values().any(|value| depth_exceeds(value, limit - 1)),
        _ => false,
    }
}

/// Whether a JSON number fits DynamoDB's number type exactly.
fn number_fits(text: &str) -> bool {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i64>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return false,
        },
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    // The power of ten of the first significant digit.
    let leading_zeros = (digits.len() - significant.len()) as i64;
    let Some(magnitude) = exponent.checked_add(whole.len() as i64 - 1 - leading_zeros) else { return false };
    significant.trim_end_matches('0').len() <= 38 && (-130..=125).contains(&magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_fit_are_told_from_those_that_do_not() {
        for fits in [
            "0",
            "-0",
            "0.0",
            "0e999",
            "1",
            "-330",
            "12345678901234567890123456789012345678",
            "1e125",
            "1E-130",
            "0.00000000000000000000000000000000000000000000001",
            "100000000000000000000000000000000000000000000",
        ] {
            assert!(number_fits(fits), "{fits}");
        }
        for misfits in [
            "123456789012345678901234567890123456789",
            "1e126",
            "1e-131",
            "1e99999999999999999999",
            "10e125",
            "0.1234567890123456789012345678901234567891",
        ] {
            assert!(!number_fits(misfits), "{misfits}");
        }
    }

    #[test]
    fn what_does_not_fit_becomes_its_text() {
        let forty = "1".repeat(40);
        let value: Value = serde_json::from_str(&format!(r#"{{"a":[{forty},1]}}"#)).unwrap();
        assert_eq!(storable(value).to_string(), format!(r#"{{"a":["{forty}",1]}}"#));
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(storable(serde_json::from_str(&deep).unwrap()), Value::String(deep));
        let empty_key: Value = serde_json::from_str(r#"{"a":{"":1}}"#).unwrap();
        assert_eq!(storable(empty_key).to_string(), r#"{"a":"{\"\":1}"}"#);
    }

    #[test]
    fn making_storable_twice_changes_nothing_more() {
        let value: Value = serde_json::from_str(r#"{"a":[1e400,-0,{"":[]}],"b":null,"c":"x"}"#).unwrap();
        let once = storable(value);
        assert_eq!(storable(once.clone()), once);
    }
}
