//! Dividing a body into its elements, each exactly as it came.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::normalize::Rejection;

/// The elements of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elements<'a> {
    /// Each different element's text, in the order in which they came first.
    pub texts: Vec<&'a str>,
    /// How often each of them came: the same element again is the same item.
    pub times: Vec<usize>,
    /// Whether there are more different elements than were asked for. Then these are the first of them.
    pub too_many: bool,
    /// What the body said beside its list of elements, as JSON text: every field as it came, in order, names that stand twice too.
    pub envelope: Option<String>,
}

/// Why a body has no elements.
#[derive(Debug, PartialEq, Eq)]
pub enum NoElements {
    /// It isn't JSON from here on: line and column, counted from one.
    NotJson {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// It is JSON, but neither an object nor a list.
    WrongShape,
}

/// Divides a body: a list has elements, an object is one itself, unless it has a list under `envelope` (LAAFFIC's `array`). Should
/// that name stand there more than once, every list under it has elements. A byte order mark is passed over. At most `limit`
/// different elements are told of; the rest of the body is still checked to be JSON.
pub fn elements<'a>(
    body: &'a [u8],
    envelope: Option<&str>,
    limit: usize,
) -> Result<Elements<'a>, NoElements> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let not_json =
        |error: serde_json::Error| NoElements::NotJson { line: error.line(), column: error.column() };
    let mut found = Found::new(limit);
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => {
            let mut reader = serde_json::Deserializer::from_slice(body);
            List(&mut found).deserialize(&mut reader).map_err(not_json)?;
            reader.end().map_err(not_json)?;
        }
        Some(b'{') => {
            let whole = whole(body).map_err(not_json)?;
            match envelope.and_then(|name| enveloped(whole, name, &mut found)) {
                Some(beside) => found.elements.envelope = beside,
                None => found.add(whole),
            }
        }
        _ => return Err(whole(body).map_or_else(not_json, |_| NoElements::WrongShape)),
    }
    Ok(found.elements)
}

/// The elements that were found so far.
struct Found<'a> {
    elements: Elements<'a>,
    places: HashMap<&'a str, usize>,
    limit: usize,
}

impl<'a> Found<'a> {
    fn new(limit: usize) -> Self {
        Self { elements: Elements::default(), places: HashMap::new(), limit }
    }

    fn add(&mut self, text: &'a str) {
        let Elements { texts, times, too_many, .. } = &mut self.elements;
        // Most bodies have one element, which need not be looked for.
        match texts[..] {
            [] if self.limit > 0 => {
                texts.push(text);
                times.push(1);
                return;
            }
            [first] => {
                self.places.insert(first, 0);
            }
            _ => {}
        }
        if texts.len() >= self.limit && !self.places.contains_key(text) {
            *too_many = true;
            return;
        }
        match self.places.entry(text) {
            Entry::Occupied(place) => times[*place.get()] += 1,
            Entry::Vacant(place) => {
                place.insert(texts.len());
                texts.push(text);
                times.push(1);
            }
        }
    }
}

/// Reads a list's elements one by one: a list of all of them could be larger than the body.
struct List<'a, 'f>(&'f mut Found<'a>);

impl<'a> DeserializeSeed<'a> for List<'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for List<'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&RawValue>()? {
            self.0.add(element.get());
        }
        Ok(())
    }
}

fn whole(json: &[u8]) -> Result<&str, serde_json::Error> {
    serde_json::from_slice::<&RawValue>(json).map(RawValue::get)
}

/// An object's fields in their order, those of the same name included: names and values as they came, JSON text each.
#[derive(Clone, Debug)]
pub struct RawFields<'a>(pub Vec<(&'a str, &'a str)>);

impl<'de> Deserialize<'de> for RawFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = object.next_entry::<&RawValue, &RawValue>()? {
                    fields.push((name.get(), value.get()));
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Finds the elements of the lists under `name`, and gives back what stands beside them; `None` where there is no such list.
fn enveloped<'a>(body: &'a str, name: &str, found: &mut Found<'a>) -> Option<Option<String>> {
    let RawFields(fields) = serde_json::from_str(body).ok()?;
    let is_list = |(field, value): &(&str, &str)| {
        value.starts_with('[') && read::<String>(field).is_ok_and(|field| field == name)
    };
    if !fields.iter().any(is_list) {
        return None;
    }
    let mut beside = String::new();
    for field in fields {
        if is_list(&field) {
            let mut reader = serde_json::Deserializer::from_str(field.1);
            // It was read before.
            List(found).deserialize(&mut reader).ok()?;
        } else {
            beside.push(if beside.is_empty() { '{' } else { ',' });
            beside.extend([field.0, ":", field.1]);
        }
    }
    Some((!beside.is_empty()).then(|| beside + "}"))
}

/// An element's fields.
pub fn object(text: &str) -> Result<Map<String, Value>, Rejection> {
    match read(text) {
        Ok(value) if !is_plain(&value) => {
            Err(Rejection::Unreadable("a name that serde_json keeps to itself".to_owned()))
        }
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Rejection::NotAnObject),
        // The message names a place and a kind, never a value.
        Err(error) => Err(Rejection::Unreadable(error.to_string())),
    }
}

/// Reads JSON. Half of a surrogate pair (`"cut \ud83d"`, of a platform that cuts texts without looking) is read as U+FFFD.
///
/// # Errors
/// What serde_json says of it, as it came.
pub fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match with_whole_characters(text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(mended) => serde_json::from_str(&mended),
    })
}

/// The JSON text with every escape that is half of a surrogate pair replaced by that of U+FFFD.
fn with_whole_characters(text: &str) -> Cow<'_, str> {
    // An escape's code unit, where one stands at `at`.
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = text[from..].find('\\') {
        let at = from + found;
        from = match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at + 12,
            Some(0xd800..=0xdfff) => {
                mended.extend([&text[kept..at], "\\ufffd"]);
                kept = at + 6;
                kept
            }
            Some(_) => at + 6,
            // Another escape: of a backslash, maybe. What it escapes may have any length in JSON that is none.
            None => at + 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(&text[kept..]);
    Cow::Owned(mended)
}

/// A tree's node with room for eleven fields.
const OBJECT_BYTES: usize = 700;
/// A value in a list, in which there may be room for as many again; half a field.
const VALUE_BYTES: usize = 96;

/// Whether an element takes no more memory than so many bytes once it is read, as [`memory_bytes`] has it. Of most, their length tells.
pub fn fits_memory(text: &str, bytes: usize) -> bool {
    // An object of each byte.
    text.len() <= bytes / (OBJECT_BYTES + VALUE_BYTES + 1) || memory_bytes(text) <= bytes
}

/// About how much memory an element takes at most once it is read, in bytes. What stands in its texts counts as well, for it may be
/// JSON that is read too.
pub fn memory_bytes(text: &str) -> usize {
    let (mut objects, mut values, mut escapes) = (0_usize, 1_usize, 0_usize);
    // Without a branch: in JSON none could be foretold.
    for byte in text.bytes() {
        objects += usize::from(byte == b'{');
        values += usize::from(matches!(byte, b',' | b':' | b'['));
        escapes += usize::from(byte == b'\\');
    }
    if escapes > 0 {
        let hidden = |escape| text.matches(escape).count();
        objects += hidden("\\u007b") + hidden("\\u007B");
    }
    let (objects, values) = (objects.saturating_mul(OBJECT_BYTES), values.saturating_mul(VALUE_BYTES));
    text.len().saturating_add(objects).saturating_add(values)
}

/// Whether a value can be handed through serde unchanged: serde_json marks exact numbers and raw text by names in an object, and
/// would take an object that has such a name for one of them.
pub fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(is_plain),
        Value::Object(map) => is_plain_object(map),
        _ => true,
    }
}

/// [`is_plain`] for an object.
pub fn is_plain_object(map: &Map<String, Value>) -> bool {
    map.iter().all(|(name, value)| !name.starts_with("$serde_json::private::") && is_plain(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(body: &str) -> Vec<&str> {
        elements(body.as_bytes(), Some("array"), usize::MAX).unwrap().texts
    }

    #[test]
    fn lists_objects_and_envelopes_are_divided_and_nothing_is_reformatted() {
        assert_eq!(texts("[{ \"a\" : 1.10 } ,2]"), ["{ \"a\" : 1.10 }", "2"]);
        assert_eq!(texts("\u{feff} {\"a\":1} "), ["{\"a\":1}"]);
        assert_eq!(texts("{\"array\":[{\"a\":1},{\"b\":2}]}"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(texts("{\"array\":1}"), ["{\"array\":1}"]);
        assert_eq!(texts("[]"), [""; 0]);
        assert_eq!(texts("{}"), ["{}"]);
    }

    #[test]
    fn what_stands_beside_the_list_is_kept() {
        for (body, count, beside) in [
            (r#"{"array":[{}],"total":1,"a\"b":[ ]}"#, 1, r#"{"total":1,"a\"b":[ ]}"#),
            (
                r#"{"array":[1],"array" : 1.0,"a\u0072ray":[2],"array":null}"#,
                2,
                r#"{"array":1.0,"array":null}"#,
            ),
            (r#"{"x\ud800":"\ud800","x":1,"x":1,"array":[]}"#, 0, r#"{"x\ud800":"\ud800","x":1,"x":1}"#),
        ] {
            let elements = elements(body.as_bytes(), Some("array"), usize::MAX).unwrap();
            assert_eq!((elements.texts.len(), elements.envelope.as_deref()), (count, Some(beside)), "{body}");
        }
    }

    #[test]
    fn the_same_element_again_is_counted_and_beyond_the_limit_nothing_new_is_told_of() {
        let some = |limit: usize| elements(b"[1,2,1,3,1,2]", None, limit).unwrap();
        let Elements { texts, times, too_many, .. } = some(3);
        assert_eq!((texts, times, too_many), (vec!["1", "2", "3"], vec![3, 2, 1], false));
        let Elements { texts, times, too_many, .. } = some(2);
        assert_eq!((texts, times, too_many), (vec!["1", "2"], vec![3, 2], true));
        assert!(elements(b"[1,2,3,}]", None, 1).is_err(), "the rest is checked all the same");
    }

    #[test]
    fn what_is_not_json_is_told_by_line_and_column() {
        for (body, line, column) in
            [("[{\n \"a\": 1,\n}]", 3, 1), ("", 1, 0), ("[1] x", 1, 5), ("a=1&b=2", 1, 1)]
        {
            assert_eq!(
                elements(body.as_bytes(), None, 9),
                Err(NoElements::NotJson { line, column }),
                "{body}"
            );
        }
        assert!(matches!(elements(b"[\"\xff\"]", None, 9), Err(NoElements::NotJson { .. })));
    }

    #[test]
    fn scalars_are_of_the_wrong_shape() {
        for body in ["1", "\"text\"", "null", "true"] {
            assert_eq!(elements(body.as_bytes(), None, 9), Err(NoElements::WrongShape), "{body}");
        }
    }

    #[test]
    fn what_can_be_divided_but_not_read_is_rejected_alone() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let body = format!("[{deep},{{}}]");
        let texts = texts(&body);
        assert_eq!(texts.len(), 2);
        assert!(matches!(object(texts[0]), Err(Rejection::Unreadable(_))));
        assert_eq!(object(texts[1]), Ok(Map::new()));
        assert_eq!(object("[]"), Err(Rejection::NotAnObject));
    }

    #[test]
    fn half_a_surrogate_pair_is_read_as_a_replacement_character() {
        for (text, read_as) in [
            (
                r#"{"cut \ud83d":"\uDC00\ud83d\ud83d\ude00\ud83dx"}"#,
                "{\"cut \u{fffd}\":\"\u{fffd}\u{fffd}\u{1f600}\u{fffd}x\"}",
            ),
            (r#"{"a":"\\ud83d\ud83d\n"}"#, "{\"a\":\"\\\\ud83d\u{fffd}\\n\"}"),
            (r#"{"a":"\ud83d\\ude00"}"#, "{\"a\":\"\u{fffd}\\\\ude00\"}"),
        ] {
            assert_eq!(Value::Object(object(text).unwrap()).to_string(), read_as, "{text}");
        }
        assert!(matches!(object(r#"{"a":"\ud83d"#), Err(Rejection::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn whatever_is_cut_is_no_panic_and_what_was_whole_stays_as_it_was(
            text in r#"[ -~]{0,8}(\\(u[dD][89a-fA-F][0-9a-f]{2}|u00e9|\\|"|n|u|é|)[ud8é"\\]{0,3}){0,8}"#,
        ) {
            let mended = with_whole_characters(&text);
            let json = format!("\"{text}\"");
            match serde_json::from_str::<String>(&json) {
                Ok(whole) => prop_assert_eq!(read::<String>(&json).unwrap(), whole),
                Err(_) => drop(read::<String>(&json)),
            }
            prop_assert_eq!(with_whole_characters(&mended), Cow::Borrowed(&*mended));
        }

        #[test]
        fn the_memory_of_an_element_is_not_underrated(value in json()) {
            let text = value.to_string();
            let bytes = memory_bytes(&text);
            prop_assert!(bytes >= held(&value), "{}", value);
            for limit in [bytes - 1, bytes, 800 * text.len(), 800 * text.len() - 1] {
                prop_assert_eq!(fits_memory(&text, limit), bytes <= limit, "{} in {}", value, limit);
            }
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(Value::from),
            "[a\"\\\\{,é]{0,9}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 60, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                proptest::collection::btree_map("[a-c]{0,2}", inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// A lower bound of what a value takes.
    fn held(value: &Value) -> usize {
        let inner = match value {
            Value::Array(list) => list.iter().map(held).sum(),
            Value::Object(map) => map.iter().map(|(name, value)| name.len() + held(value)).sum(),
            Value::String(text) => text.len(),
            Value::Number(number) => number.as_str().len(),
            Value::Null | Value::Bool(_) => 0,
        };
        size_of::<Value>() + inner
    }
}
