//! What DynamoDB can hold of JSON and everybody can read, and the text that stands in for the rest.
//!
//! Values nest at most 32 deep; a map's key is not empty. DynamoDB's own numbers reach further than what its readers take: it hands
//! them out in plain digits, of which boto3 raises on more than 38, and JavaScript's DynamoDBDocumentClient on a fraction beyond
//! 2^53. One such number makes every scan that meets it fail, so it is stored as its text.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

/// How deep a value may nest below an attribute of ours: 32 levels less those of our own (`extra`, the function, a turn).
const MAX_DEPTH: usize = 24;
/// How many digits a number may have, from its first to its last, or to the point.
const MAX_DIGITS: usize = 38;
/// The place of a number's first digit may be so far behind the point: boto3's least exponent.
const MAX_ZEROS: usize = 128;
/// JavaScript's largest safe integer, from which on its client wants numbers to be integers.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// The values of an object as DynamoDB can hold them: numbers that it or one of its readers can't take, and what nests too deeply,
/// become their JSON text. The other numbers are written as DynamoDB hands them out: in plain digits, without zeros that say nothing. An
/// empty key becomes a blank one.
pub fn storable_object(mut object: Map<String, Value>) -> Map<String, Value> {
    if let Some(value) = object.remove("") {
        object.entry(" ").or_insert(value);
    }
    object.values_mut().for_each(make_storable);
    object
}

/// A value as DynamoDB can hold it, below an attribute of ours.
pub fn storable(mut value: Value) -> Value {
    make_storable(&mut value);
    value
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
pub fn json_fits(value: &Value, max_bytes: usize) -> bool {
    left_at_least(value, max_bytes).is_some() || fits(value, max_bytes)
}

/// [`json_fits`] for an object.
pub fn object_fits(object: &Map<String, Value>, max_bytes: usize) -> bool {
    left_beside(object, max_bytes).is_some() || fits(object, max_bytes)
}

fn fits(value: &impl Serialize, max_bytes: usize) -> bool {
    serde_json::to_writer(Room(max_bytes), value).is_ok()
}

/// How much room the JSON text of a value leaves at least of so many bytes; `None` where it might not fit. Most values are far below
/// what they may have, and to take every byte for an escape of six is much faster than to look at each.
fn left_at_least(value: &Value, room: usize) -> Option<usize> {
    match value {
        // `false` is the longest.
        Value::Null | Value::Bool(_) => room.checked_sub(5),
        Value::Number(number) => room.checked_sub(number.as_str().len()),
        Value::String(text) => left_beside_text(text, room),
        Value::Array(list) => {
            let room = room.checked_sub(2 + list.len())?;
            list.iter().try_fold(room, |room, value| left_at_least(value, room))
        }
        Value::Object(object) => left_beside(object, room),
    }
}

fn left_beside(object: &Map<String, Value>, room: usize) -> Option<usize> {
    let room = room.checked_sub(2 + 2 * object.len())?;
    object.iter().try_fold(room, |room, (name, value)| left_at_least(value, left_beside_text(name, room)?))
}

fn left_beside_text(text: &str, room: usize) -> Option<usize> {
    room.checked_sub(2 + text.len().checked_mul(6)?)
}

/// Whether an object holds more values than so many, at any depth.
pub fn holds_more_values(object: &Map<String, Value>, limit: usize) -> bool {
    fn count<'v>(values: impl IntoIterator<Item = &'v Value>, left: usize) -> Option<usize> {
        values.into_iter().try_fold(left, |left, value| {
            let left = left.checked_sub(1)?;
            match value {
                Value::Array(list) => count(list, left),
                Value::Object(map) => count(map.values(), left),
                _ => Some(left),
            }
        })
    }
    count(object.values(), limit).is_none()
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
        Value::Number(number) => {
            let number_in_digits = match plain_digits(number.as_str()) {
                Some(digits) if digits == number.as_str() => return,
                // Digits are a number.
                Some(digits) => digits.parse().map(Value::Number).ok(),
                None => None,
            };
            *value = number_in_digits.unwrap_or_else(|| Value::String(number.to_string()));
        }
        Value::Array(list) => list.iter_mut().for_each(replace_misfits),
        Value::Object(map) if map.contains_key("") => *value = Value::String(value.to_string()),
        Value::Object(map) => map.values_mut().for_each(replace_misfits),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn depth_exceeds(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(list) => limit == 0 || list.iter().any(|value| depth_exceeds(value, limit - 1)),
        Value::Object(map) => limit == 0 || map.values().any(|value| depth_exceeds(value, limit - 1)),
        _ => false,
    }
}

/// A JSON number in plain digits, as DynamoDB hands it out; `None` where it, boto3, the AWS CLI or JavaScript's client can't take it.
pub fn plain_digits(text: &str) -> Option<Cow<'_, str>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Most numbers.
    if digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits != "0" {
        return Some(Cow::Borrowed(text));
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let significant = &significant[..significant.trim_end_matches('0').len()];
    if significant.is_empty() {
        // Zero, of whatever sign and exponent.
        return Some(Cow::Borrowed("0"));
    }
    if significant.len() > MAX_DIGITS {
        return None;
    }
    // Where the point stands, counted from before the first significant digit.
    let leading_zeros = all.len() - all.trim_start_matches('0').len();
    let point = isize::try_from(whole.len()).ok()?.checked_sub(isize::try_from(leading_zeros).ok()?)?;
    let point = point.checked_add(exponent.parse().ok()?)?;
    let sign = if digits.len() < text.len() { "-" } else { "" };
    let plain = match usize::try_from(point) {
        Ok(point) if point >= significant.len() => {
            if point > MAX_DIGITS {
                return None;
            }
            format!("{sign}{significant:0<point$}")
        }
        Ok(point) if point > 0 => {
            let (whole, fraction) = significant.split_at(point);
            if whole.parse::<u64>().ok()? >= MAX_SAFE {
                return None;
            }
            format!("{sign}{whole}.{fraction}")
        }
        _ => {
            let zeros = point.unsigned_abs();
            if zeros >= MAX_ZEROS {
                return None;
            }
            format!("{sign}0.{}{significant}", "0".repeat(zeros))
        }
    };
    Some(if plain == text { Cow::Borrowed(text) } else { Cow::Owned(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_that_all_can_read_are_written_in_plain_digits() {
        let wide = "12345678901234567890123456789012345678";
        for (number, digits) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.0", "0"),
            ("0e999", "0"),
            ("-0E-99999999999999999999", "0"),
            ("1", "1"),
            ("-330", "-330"),
            (wide, wide),
            ("1.50", "1.5"),
            ("-1.0", "-1"),
            ("1e2", "100"),
            ("12.345E1", "123.45"),
            ("1200e-4", "0.12"),
            ("1e37", "10000000000000000000000000000000000000"),
            ("9007199254740990.5", "9007199254740990.5"),
            (
                "0.00000000000000000000000000000000000000000000001",
                "0.00000000000000000000000000000000000000000000001",
            ),
        ] {
            assert_eq!(plain_digits(number).as_deref(), Some(digits), "{number}");
        }
        for misfit in [
            "123456789012345678901234567890123456789",
            "100000000000000000000000000000000000000",
            "1e38",
            "1e126",
            "1e-129",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "9007199254740991.5",
            "12345678901234567890.25",
            "0.1234567890123456789012345678901234567891",
        ] {
            assert_eq!(plain_digits(misfit), None, "{misfit}");
        }
    }

    /// Numbers crowded where one reader or another stops: digits around 38, values around 2^53 and 10^38, exponents, zeros.
    fn numbers() -> impl Strategy<Value = String> {
        let digits = prop_oneof![
            "0{1,3}",
            "[1-9][0-9]{0,3}",
            "[1-9][0-9]{34,40}",
            "10{34,40}",
            "9{34,40}",
            "900719925474(09)?9[0-9]{0,2}",
        ];
        let whole = digits.prop_map(|digits| match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        });
        let fraction =
            prop_oneof![3 => "", 1 => "\\.[0-9]{1,3}", 1 => "\\.0{1,40}[0-9]{0,2}", 1 => "\\.[0-9]{36,39}"];
        let exponent = prop_oneof![3 => "", 1 => "[eE][+-]?[0-9]", 1 => "[eE][+-]?(3[5-9]|1[23][0-9]|999|99999999999999999999)"];
        ("-?", whole, fraction, exponent)
            .prop_map(|(sign, whole, fraction, exponent)| [sign, whole, fraction, exponent].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn what_is_stored_as_a_number_is_no_more_than_boto3_and_javascript_take(number in numbers()) {
            let Some(plain) = plain_digits(&number) else { return Ok(()) };
            let digits = plain.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{}", plain);
            let significant = [whole, fraction].concat();
            prop_assert!(significant.trim_start_matches('0').len() <= 38, "{}", plain);
            prop_assert!(!fraction.ends_with('0') && plain != "-0", "{}", plain);
            let value: f64 = plain.parse().unwrap();
            prop_assert!(fraction.is_empty() || value.abs() <= 9_007_199_254_740_991.0, "{}", plain);
            prop_assert!(value == 0.0 || value.abs() >= 1e-130, "{}", plain);
            prop_assert_eq!(value, number.parse::<f64>().unwrap(), "{} is not {}", plain, number);
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
        for (room, fits) in [(bytes, true), (bytes - 1, false), (0, false), (1_000, true)] {
            assert_eq!(json_fits(&value, room), fits, "{room}");
            assert_eq!(object_fits(value.as_object().unwrap(), room), fits, "{room}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_to_fit_unread_does_fit(value in values(), spare in 0_usize..400) {
            let bytes = value.to_string().len();
            prop_assert!(left_at_least(&value, bytes.saturating_sub(1)).is_none(), "{}", value);
            prop_assert_eq!(json_fits(&value, spare), bytes <= spare, "{}", value);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\\n\u{1}é\u{2028}]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 30, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::btree_map("[a\u{1}]{0,3}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn values_are_counted_at_any_depth() {
        let object: Map<String, Value> = serde_json::from_str(r#"{"a":[1,{"b":null}],"c":{}}"#).unwrap();
        assert!(!holds_more_values(&object, 5));
        assert!(holds_more_values(&object, 4));
        assert!(!holds_more_values(&Map::new(), 0));
    }

    #[test]
    fn making_storable_twice_changes_nothing_more() {
        let value: Value = serde_json::from_str(r#"{"a":[1e400,-0,{"":[]}],"b":null,"c":"x"}"#).unwrap();
        let once = storable(value);
        assert_eq!(storable(once.clone()), once);
    }
}
