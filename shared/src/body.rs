//! Dividing a body into its elements, each exactly as it came.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::normalized::Rejection;

/// The elements of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Elements<'a> {
    /// Each element's text.
    pub texts: Vec<&'a str>,
    /// What the body said beside the list of elements, as JSON text.
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

/// Divides a body: a list has elements, an object is one itself, unless it has a list under `envelope` (LAAFFIC's `array`).
/// A byte order mark is passed over.
pub fn elements<'a>(body: &'a [u8], envelope: Option<&str>) -> Result<Elements<'a>, NoElements> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let not_json =
        |error: serde_json::Error| NoElements::NotJson { line: error.line(), column: error.column() };
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => Ok(Elements { texts: list(body).map_err(not_json)?, envelope: None }),
        Some(b'{') => match envelope.and_then(|name| enveloped(body, name)) {
            Some(elements) => Ok(elements),
            None => Ok(Elements { texts: vec![whole(body).map_err(not_json)?], envelope: None }),
        },
        _ => Err(whole(body).map_or_else(not_json, |_| NoElements::WrongShape)),
    }
}

fn whole(json: &[u8]) -> Result<&str, serde_json::Error> {
    serde_json::from_slice::<&RawValue>(json).map(RawValue::get)
}

fn list(json: &[u8]) -> Result<Vec<&str>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_slice(json)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The elements of the list under `name`, if there is one. Should a name stand there twice, the last counts, as it does for
/// most readers of JSON.
fn enveloped<'a>(body: &'a [u8], name: &str) -> Option<Elements<'a>> {
    #[derive(Deserialize)]
    struct Envelope<'a>(#[serde(borrow)] std::collections::BTreeMap<String, &'a RawValue>);
    let Envelope(mut fields) = serde_json::from_slice(body).ok()?;
    let texts = list(fields.remove(name)?.get().as_bytes()).ok()?;
    let envelope = (!fields.is_empty()).then(|| {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
        format!("{{{}}}", fields.join(","))
    });
    Some(Elements { texts, envelope })
}

/// An element's fields.
pub fn object(text: &str) -> Result<Map<String, Value>, Rejection> {
    match serde_json::from_str(text) {
        Ok(value) if !is_plain(&value) => {
            Err(Rejection::Unreadable("a name that serde_json keeps to itself".to_owned()))
        }
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Rejection::NotAnObject),
        // The message names a place and a kind, never a value.
        Err(error) => Err(Rejection::Unreadable(error.to_string())),
    }
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

    fn texts(body: &str) -> Vec<&str> {
        elements(body.as_bytes(), Some("array")).unwrap().texts
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
        let elements = elements(br#"{"array":[{}],"total":1,"a\"b":[ ]}"#, Some("array")).unwrap();
        assert_eq!(elements.envelope.as_deref(), Some(r#"{"a\"b":[ ],"total":1}"#));
    }

    #[test]
    fn what_is_not_json_is_told_by_line_and_column() {
        for (body, line, column) in
            [("[{\n \"a\": 1,\n}]", 3, 1), ("", 1, 0), ("[1] x", 1, 5), ("a=1&b=2", 1, 1)]
        {
            assert_eq!(elements(body.as_bytes(), None), Err(NoElements::NotJson { line, column }), "{body}");
        }
        assert!(matches!(elements(b"[\"\xff\"]", None), Err(NoElements::NotJson { .. })));
    }

    #[test]
    fn scalars_are_of_the_wrong_shape() {
        for body in ["1", "\"text\"", "null", "true"] {
            assert_eq!(elements(body.as_bytes(), None), Err(NoElements::WrongShape), "{body}");
        }
    }

    #[test]
    fn what_can_be_divided_but_not_read_is_rejected_alone() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let body = format!("[{deep},{{\"a\":\"\\ud800\"}},{{}}]");
        let texts = texts(&body);
        assert_eq!(texts.len(), 3);
        assert!(matches!(object(texts[0]), Err(Rejection::Unreadable(_))));
        assert!(matches!(object(texts[1]), Err(Rejection::Unreadable(_))));
        assert_eq!(object(texts[2]), Ok(Map::new()));
        assert_eq!(object("[]"), Err(Rejection::NotAnObject));
    }
}
