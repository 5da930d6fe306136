//! Reads the fields of an answer whatever their JSON type, and loses none: providers write numbers as strings and strings
//! as numbers, leave out what they document and add what they don't.

use serde_json::{Map, Value};

/// The fields of one object that have not been read yet. A field is taken only if its value is sound; what is left in
/// the end, unknown or unsound, is [`Fields::rest`]. A null is no value, and is dropped.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl Fields {
    /// The fields of an object; a value that is none has no fields.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self(fields)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// A text as it came; a number as it was written.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, |value| match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(other),
        })
    }

    /// An integer, or a text that writes one.
    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        self.take(name, |value| match &value {
            Value::Number(number) => number.as_i64().ok_or(value),
            Value::String(text) => text.trim().parse().map_err(|_| value),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(value),
        })
    }

    /// A boolean, or a text that writes one.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, |value| match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) => text.trim().to_ascii_lowercase().parse().map_err(|_| value),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(value),
        })
    }

    /// A list of objects. One that holds anything else stays whole among the rest.
    pub(super) fn list<T>(&mut self, name: &str, read: impl Fn(Fields) -> T) -> Vec<T> {
        let items = self.take(name, |value| match value {
            Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
            other => Err(other),
        });
        items.into_iter().flatten().filter_map(Fields::of).map(read).collect()
    }

    /// What has not been read.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.0
    }

    fn take<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Value>) -> Option<T> {
        let value = self.0.remove(name).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(sound) => Some(sound),
            Err(unsound) => {
                self.0.insert(name.to_owned(), unsound);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::of(serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn a_field_is_read_from_either_type_or_stays() {
        for (json, text, integer, flag) in [
            (r#""17""#, Some("17"), Some(17), None),
            ("17", Some("17"), Some(17), None),
            ("9007199254740993", Some("9007199254740993"), Some(9_007_199_254_740_993), None),
            ("123456789012345678901234567890", Some("123456789012345678901234567890"), None, None),
            ("1.50", Some("1.50"), None, None),
            (r#"" -3 ""#, Some(" -3 "), Some(-3), None),
            (r#""""#, Some(""), None, None),
            ("true", None, None, Some(true)),
            (r#""False""#, Some("False"), None, Some(false)),
            ("[1]", None, None, None),
            (r#"{"a":1}"#, None, None, None),
        ] {
            let json = format!(r#"{{"x":{json}}}"#);
            let check = |found: bool, read: Fields| {
                assert_eq!(read.rest().is_empty(), found, "{json}");
            };
            let mut read = fields(&json);
            assert_eq!(read.text("x").as_deref(), text, "{json}");
            check(text.is_some(), read);
            let mut read = fields(&json);
            assert_eq!(read.integer("x"), integer, "{json}");
            check(integer.is_some(), read);
            let mut read = fields(&json);
            assert_eq!(read.flag("x"), flag, "{json}");
            check(flag.is_some(), read);
        }
    }

    #[test]
    fn a_null_is_no_value_and_an_unread_field_is_kept() {
        let mut read = fields(r#"{"x":null,"y":null,"z":[1.10]}"#);
        assert_eq!((read.text("x"), read.text("absent")), (None, None));
        assert_eq!(serde_json::to_string(&read.rest()).unwrap(), r#"{"y":null,"z":[1.10]}"#);
    }

    #[test]
    fn a_list_of_anything_but_objects_is_kept_whole() {
        let mut read = fields(r#"{"good":[{"a":1},{}],"mixed":[{"a":1},2],"none":"[]"}"#);
        assert_eq!(read.list("good", |mut item| item.integer("a")), [Some(1), None]);
        assert!(read.list("mixed", |_| ()).is_empty());
        assert!(read.list("none", |_| ()).is_empty());
        assert_eq!(serde_json::to_string(&read.rest()).unwrap(), r#"{"mixed":[{"a":1},2],"none":"[]"}"#);
    }
}
