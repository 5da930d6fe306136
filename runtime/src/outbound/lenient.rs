//! Reads the fields of an answer that are needed, whatever their JSON type: providers write numbers as strings and strings as numbers, and
//! leave out what they document.

use serde_json::{Map, Value};

/// An object of an answer. A value of an unsound type counts as absent.
#[derive(Debug)]
pub(super) struct Object(Map<String, Value>);

impl From<Map<String, Value>> for Object {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl Object {
    /// The object that a value is; `None` where it is none.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self(fields)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// A text as it came; a number as it was written.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// An integer, or a text that writes one.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A boolean, or a text that writes one.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Takes an object out.
    pub(super) fn object(&mut self, name: &str) -> Option<Self> {
        self.0.remove(name).and_then(Self::of)
    }

    /// Takes the objects of a list out; anything else in it is passed over.
    pub(super) fn list(&mut self, name: &str) -> impl Iterator<Item = Self> + use<> {
        let items = match self.0.remove(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        items.into_iter().filter_map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object {
        Object::of(serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn a_field_is_read_from_either_type_or_is_absent() {
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
            ("null", None, None, None),
            ("[1]", None, None, None),
            (r#"{"a":1}"#, None, None, None),
        ] {
            let read = object(&format!(r#"{{"x":{json}}}"#));
            assert_eq!(read.text("x").as_deref(), text, "{json}");
            assert_eq!(read.integer("x"), integer, "{json}");
            assert_eq!(read.flag("x"), flag, "{json}");
            assert_eq!(read.text("absent"), None);
        }
        assert!(Object::of(Value::from(1)).is_none());
    }

    #[test]
    fn objects_are_found_in_lists_and_objects() {
        let mut read = object(r#"{"good":[{"a":1},{}],"mixed":[{"a":1},2],"none":"[]","one":{"a":2}}"#);
        let mut integers = |name: &str| read.list(name).map(|item| item.integer("a")).collect::<Vec<_>>();
        assert_eq!(integers("good"), [Some(1), None]);
        assert_eq!(integers("mixed"), [Some(1)]);
        assert_eq!(integers("none"), []);
        assert_eq!(read.object("one").unwrap().integer("a"), Some(2));
        assert!(read.object("none").is_none());
    }
}
