//! Reading a provider's JSON object so that nothing in it can get lost.
//!
//! A normalizer *takes* the fields that it knows out of a [`Fields`]. What it takes soundly goes to the model; everything
//! else (fields that no document knows, values that are not what the document says) stays behind and becomes the
//! call's `extra`. So a field is kept by default, and forgetting one loses nothing. This is also why there are no wire structs:
//! they would have to be lenient in every field, and name each twice.
//!
//! Reading is lenient where the providers are careless: a number may come as text and text as a number. `null` is the
//! same as absent.

use std::collections::BTreeSet;

use jiff::tz::Offset;
use serde_json::{Map, Value};

use crate::model::{Instant, Money, PhoneNumber};
use crate::normalize::recording_url;
use crate::record::storable::{json_fits, storable_object};

/// What a field's name ends with where its text is kept as it came, with the white space around it.
pub const UNTRIMMED: &str = "_untrimmed";
/// The longest text that an attribute of the model holds, in bytes; ids are part of keys. Longer text stays behind.
const MAX_TEXT_BYTES: usize = 1024;
/// The largest value taken over as it is, as JSON text in bytes; a larger one stays behind.
pub(crate) const MAX_VALUE_BYTES: usize = 16 * 1024;
/// The longest URL, in bytes; one that carries a temporary token in its signature may well exceed an attribute's text.
const MAX_URL_BYTES: usize = 8 * 1024;

/// The fields of one JSON object that no one has taken yet.
#[derive(Clone, Debug)]
pub struct Fields {
    left: Map<String, Value>,
    zone: Offset,
    unknown_values: Vec<&'static str>,
    nulls: BTreeSet<String>,
}

impl Fields {
    /// The fields of `object`, in which times without a zone are in `zone`.
    pub fn new(object: Map<String, Value>, zone: Offset) -> Self {
        Self { left: object, zone, unknown_values: Vec::new(), nulls: BTreeSet::new() }
    }

    /// What nobody took, and the names of the enumerations that held a value which no document knows.
    pub fn into_rest(self) -> (Map<String, Value>, Vec<&'static str>) {
        (self.left, self.unknown_values)
    }

    /// The names of the fields that somebody asked for and that are null. To a normalizer that is the same as absent; but it takes
    /// back what an earlier body said.
    pub fn nulls(&self) -> &BTreeSet<String> {
        &self.nulls
    }

    /// What nobody took, without nulls, and with lists and objects as their JSON text: for what stands so deep in an item
    /// already that nothing more may nest below it.
    pub fn into_flat_rest(self) -> Map<String, Value> {
        let mut rest = self.left;
        rest.retain(|_, value| !value.is_null());
        for value in rest.values_mut() {
            if value.is_array() || value.is_object() {
                *value = Value::String(value.to_string());
            }
        }
        storable_object(rest)
    }

    /// Whether a field is there, null or not.
    pub fn contains(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Puts a value back under a name, to be kept with what nobody took.
    pub fn put_back(&mut self, name: &str, value: Value) {
        self.left.insert(name.to_owned(), value);
    }

    /// Takes a field that `read` understands; leaves it behind where it doesn't.
    pub fn take<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        self.take_over(name, |value| read(&value).ok_or(value))
    }

    /// [`Fields::take`], without a copy: `read` makes something of the value itself, or gives it back as it was.
    pub fn take_over<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Value>) -> Option<T> {
        let (name, value) = self.left.remove_entry(name)?;
        if value.is_null() {
            self.nulls.insert(name);
            return None;
        }
        match read(value) {
            Ok(sound) => Some(sound),
            Err(value) => {
                self.left.insert(name, value);
                None
            }
        }
    }

    /// Takes an object, as fields of its own: the record that a message wraps. The message goes back beside it with
    /// [`Fields::keep_beside`].
    pub fn object(&mut self, name: &str) -> Option<Self> {
        let zone = self.zone;
        self.take_over(name, |value| match value {
            Value::Object(object) => Ok(Self::new(object, zone)),
            other => Err(other),
        })
    }

    /// Keeps what nobody took of the message that wraps this record in its field `wrapper`. A name that the record has too is kept as
    /// `<name>_beside_<wrapper>`.
    pub fn keep_beside(&mut self, message: Self, wrapper: &str) {
        let Self { left, unknown_values, nulls, .. } = message;
        let beside = |record: &Self, name: String| match record.contains(&name) {
            true => format!("{name}_beside_{wrapper}"),
            false => name,
        };
        for (name, value) in left {
            let name = beside(self, name);
            self.left.insert(name, value);
        }
        for name in nulls {
            let name = beside(self, name);
            self.nulls.insert(name);
        }
        self.unknown_values.extend(unknown_values);
    }

    /// Takes text, or a number as its text; not blank, of at most 1,024 bytes.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take_over(name, |value| if is_text(&value) { into_text(value) } else { Err(value) })
    }

    /// Takes text without the white space around it. Where there is some, the text as it came is kept as well, as
    /// `<name>_untrimmed`.
    pub fn trimmed_text(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let trimmed = text.trim();
        if trimmed.len() == text.len() {
            return Some(text);
        }
        let trimmed = trimmed.to_owned();
        self.put_back(&format!("{name}{UNTRIMMED}"), Value::String(text));
        Some(trimmed)
    }

    /// Takes a phone number, masked or not.
    pub fn phone(&mut self, name: &str) -> Option<PhoneNumber> {
        self.take_over(name, |value| match value {
            Value::String(text) => PhoneNumber::of(text).map_err(Value::String),
            other => scalar_text(&other).and_then(PhoneNumber::new).ok_or(other),
        })
    }

    /// Takes a whole number, or its text; not negative.
    pub fn whole(&mut self, name: &str) -> Option<u64> {
        self.take(name, whole)
    }

    /// Takes a time in any form that [`Instant::parse`] knows, as text or number.
    pub fn instant(&mut self, name: &str) -> Option<Instant> {
        let zone = self.zone;
        self.take(name, |value| Instant::parse(scalar_text(value)?, zone))
    }

    /// Takes an amount of money, a number or its text.
    pub fn money(&mut self, name: &str, currency: &str) -> Option<Money> {
        self.take(name, |value| Money::parse(scalar_text(value)?, currency))
    }

    /// Takes a recording's URL as it came, text of at most 8 KiB that is not blank, and the moment its signature expires
    /// if it carries one.
    pub fn recording_url(&mut self, name: &str) -> Option<(String, Option<Instant>)> {
        let url = self.take_over(name, |value| match value {
            Value::String(text) if !text.trim().is_empty() && text.len() <= MAX_URL_BYTES => Ok(text),
            other => Err(other),
        })?;
        let expires_at = recording_url::expires_at(&url)
            .and_then(|expiry| Instant::from_epoch_millis(expiry.as_millisecond()));
        Some((url, expires_at))
    }

    /// [`Fields::take_over`] of a value of no more than 16 KiB.
    pub fn small<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Value>) -> Option<T> {
        self.take_over(
            name,
            |value| if json_fits(&value, MAX_VALUE_BYTES) { read(value) } else { Err(value) },
        )
    }

    /// Moves one of the provider's own codes or messages into the call's status, under its own name. Gives back its text.
    pub fn status<'s>(&mut self, name: &str, status: &'s mut Map<String, Value>) -> Option<&'s str> {
        let value = self.take_over(name, |value| if is_text(&value) { Ok(value) } else { Err(value) })?;
        status.insert(name.to_owned(), value);
        status.get(name).and_then(scalar_text)
    }

    /// Moves a value of an enumeration into the call's status and gives back what it means: `unknown` where `meaning`
    /// does not know it, which is counted.
    pub fn code<T>(
        &mut self,
        name: &'static str,
        status: &mut Map<String, Value>,
        meaning: impl FnOnce(&str) -> Option<T>,
        unknown: T,
    ) -> Option<T> {
        let text = self.status(name, status)?;
        Some(meaning(text.trim()).unwrap_or_else(|| {
            self.unknown_values.push(name);
            unknown
        }))
    }
}

/// The text of a text or a number.
pub fn scalar_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.as_str()),
        _ => None,
    }
}

/// A text, or a number as its text; anything else is given back.
pub fn into_text(value: Value) -> Result<String, Value> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.as_str().to_owned()),
        other => Err(other),
    }
}

/// A whole number that is not negative, or its text. `12.0` is one too.
pub fn whole(value: &Value) -> Option<u64> {
    let text = scalar_text(value)?.trim();
    let digits = text.split_once('.').map_or(text, |(digits, zeros)| match zeros.trim_end_matches('0') {
        "" => digits,
        _ => text,
    });
    // The table's numbers are exact up to 38 digits, JavaScript's and most readers' only up to 2^53.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|number| *number < 1 << 53)
}

/// The texts of a list of texts and numbers; anything else is given back.
pub fn texts(value: Value) -> Result<Vec<String>, Value> {
    match value {
        Value::Array(list) if list.iter().all(|entry| scalar_text(entry).is_some()) => {
            Ok(list.into_iter().flat_map(into_text).collect())
        }
        other => Err(other),
    }
}

fn is_text(value: &Value) -> bool {
    scalar_text(value).is_some_and(|text| !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(object: Value) -> Fields {
        Fields::new(object.as_object().unwrap().clone(), Offset::constant(8))
    }

    fn rest(fields: Fields) -> Value {
        Value::Object(fields.into_rest().0)
    }

    #[test]
    fn what_is_sound_is_taken_and_what_is_not_stays_behind() {
        let mut fields = fields(json!({
            "callId": 42, "duration": "abc", "startTime": "2025-06-01 10:00:00", "endTime": "soon", "new": [1], "out": null,
        }));
        assert_eq!(fields.text("callId").as_deref(), Some("42"));
        assert_eq!(fields.whole("duration"), None);
        assert_eq!(fields.instant("startTime").unwrap().to_string(), "2025-06-01T02:00:00.000Z");
        assert_eq!(fields.instant("endTime"), None);
        assert_eq!(fields.text("out"), None);
        assert_eq!(fields.text("absent"), None);
        assert_eq!(rest(fields), json!({"duration": "abc", "endTime": "soon", "new": [1]}));
    }

    #[test]
    fn numbers_come_as_text_and_text_as_numbers() {
        for (value, expected) in [
            (json!(330), Some(330)),
            (json!("330"), Some(330)),
            (json!("330.00"), Some(330)),
            (json!(-1), None),
            (json!("-1"), None),
            (json!(1.5), None),
            (json!(""), None),
            (json!("９"), None),
            (json!(true), None),
            (json!("99999999999999999999999999"), None),
        ] {
            assert_eq!(whole(&value), expected, "{value}");
        }
    }

    #[test]
    fn an_unknown_code_is_kept_and_counted() {
        let mut status = Map::new();
        let mut fields = fields(json!({"result": "LOST", "other": {"deep": 1}}));
        assert_eq!(fields.code("result", &mut status, |_| None, 7), Some(7));
        assert_eq!(fields.code("other", &mut status, |_| Some(1), 7), None);
        assert_eq!(Value::Object(status), json!({"result": "LOST"}));
        let (left, unknown) = fields.into_rest();
        assert_eq!(Value::Object(left), json!({"other": {"deep": 1}}));
        assert_eq!(unknown, ["result"]);
    }

    #[test]
    fn a_record_is_taken_out_of_its_message_and_what_stands_beside_it_is_kept() {
        let mut message =
            fields(json!({"event": "ended", "id": 7, "call": {"id": 1, "a": "b"}, "list": [1]}));
        assert!(message.object("event").is_none() && message.object("list").is_none());
        let mut record = message.object("call").unwrap();
        assert_eq!(record.text("a").as_deref(), Some("b"));
        record.keep_beside(message, "call");
        assert_eq!(rest(record), json!({"event": "ended", "id": 1, "id_beside_call": 7, "list": [1]}));
    }

    #[test]
    fn a_trimmed_text_is_kept_as_it_came_too() {
        let mut fields = fields(json!({"outId": "bb3b\n"}));
        assert_eq!(fields.trimmed_text("outId").as_deref(), Some("bb3b"));
        assert_eq!(rest(fields), json!({"outId_untrimmed": "bb3b\n"}));
    }

    #[test]
    fn a_recordings_url_is_taken_as_it_came_with_the_expiry_of_its_signature() {
        let signed = "http://a.example/r.wav?OSSAccessKeyId=k&amp;Expires=1749000000&amp;Signature=s";
        let long = format!("http://a.example/{}", "a".repeat(MAX_URL_BYTES));
        let unsigned = format!("http://a.example/{}", "a".repeat(2000));
        let mut fields = fields(
            json!({"a": signed, "b": unsigned, "c": " ", "d": 1, "e": ["http://a.example"], "f": long}),
        );
        let expiry = Instant::from_epoch_seconds(1_749_000_000);
        assert_eq!(fields.recording_url("a"), Some((signed.to_owned(), expiry)));
        assert_eq!(fields.recording_url("b"), Some((unsigned, None)));
        for name in ["c", "d", "e", "f", "absent"] {
            assert_eq!(fields.recording_url(name), None, "{name}");
        }
        assert_eq!(rest(fields), json!({"c": " ", "d": 1, "e": ["http://a.example"], "f": long}));
    }

    #[test]
    fn what_is_too_large_for_an_attribute_stays_behind() {
        let (small, large) = (json!(vec!["a"; 1024]), json!(vec!["a"; 8192]));
        let mut fields = fields(json!({"small": small, "large": large}));
        assert_eq!(fields.small("small", texts).map(|texts| texts.len()), Some(1024));
        assert_eq!(fields.small("large", texts), None);
        assert_eq!(rest(fields), json!({"large": large}));
    }

    #[test]
    fn a_flat_rest_nests_nothing_and_drops_only_nulls() {
        let fields =
            fields(json!({"a": null, "b": [1, {"c": null}], "d": true, "e": 1.50, "": "f", "g": {}}));
        assert_eq!(
            Value::Object(fields.into_flat_rest()),
            json!({"b": "[1,{\"c\":null}]", "d": true, "e": 1.50, " ": "f", "g": "{}"})
        );
    }
}
