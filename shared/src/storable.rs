//! What DynamoDB can hold of JSON, and the text that stands in for the rest.
//!
//! A number has at most 38 significant digits and a magnitude between 1E-130 and 9.99E+125; values nest at most 32
//! deep; a map's key is not empty.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

/// How deep a value may nest below an attribute of ours: 32 levels less those of our own (`extra`, the function, a turn).
const MAX_DEPTH: usize = 24;
/// How many significant digits a number may have.
const MAX_DIGITS: usize = 38;

/// The values of an object as DynamoDB can hold them: numbers that it can't hold, and what nests too deeply, become their JSON
/// text. An empty key becomes a blank one.
pub fn storable_object(mut object: Map<String, Value>) -> Map<String, Value> {
    if let Some(value) = object.remove("") {
        object.entry(" ").or_insert(value);
    }
    object.values_mut().for_each(make_storable);
    object
}

// In place: hardly ever is there anything to change.
fn make_storable(value: &mut Value) {
    if depth_exceeds(value, MAX_DEPTH) {
        *value = Value::String(value.to_string());
    } else {
        replace_misfits(value);
    }
}

/// Whether the JSON text of a value has at most so many bytes. The text itself is not made.
pub fn json_fits(value: &impl Serialize, max_bytes: usize) -> bool {
    serde_json::to_writer(Room(max_bytes), value).is_ok()
}

/// Takes so many bytes and no more.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn replace_misfits(value: &mut Value) {
    match value {
        Value::Number(number) if !number_fits(number.as_str()) => *value = Value::String(number.to_string()),
        // Negative zero is zero, to DynamoDB as to everybody.
        Value::Number(number) if number.as_str() == "-0" => *value = Value::from(0),
        Value::Array(list) => list.iter_mut().for_each(replace_misfits),
        Value::Object(map) if map.contains_key("") => *value = Value::String(value.to_string()),
        Value::Object(map) => map.values_mut().for_each(replace_misfits),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => {}
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
    if text.len() <= MAX_DIGITS && !text.contains(['e', 'E']) {
        return true;
    }
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
    significant.trim_end_matches('0').len() <= MAX_DIGITS && (-130..=125).contains(&magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storable(mut value: Value) -> Value {
        make_storable(&mut value);
        value
    }

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
    fn an_empty_key_becomes_a_blank_one_where_there_is_none() {
        for (object, storable) in [(r#"{"":1,"a":2}"#, r#"{" ":1,"a":2}"#), (r#"{"":1," ":2}"#, r#"{" ":2}"#)]
        {
            let object = serde_json::from_str(object).unwrap();
            assert_eq!(Value::Object(storable_object(object)).to_string(), storable);
        }
    }

    #[test]
    fn a_json_text_fits_where_there_is_room_for_its_last_byte() {
        let value: Value = serde_json::from_str(r#"{"a":["b\n",1.50,null]}"#).unwrap();
        let bytes = value.to_string().len();
        assert!(json_fits(&value, bytes));
        assert!(!json_fits(&value, bytes - 1));
        assert!(!json_fits(&value, 0));
    }

    #[test]
    fn making_storable_twice_changes_nothing_more() {
        let value: Value = serde_json::from_str(r#"{"a":[1e400,-0,{"":[]}],"b":null,"c":"x"}"#).unwrap();
        let once = storable(value);
        assert_eq!(storable(once.clone()), once);
    }
}
