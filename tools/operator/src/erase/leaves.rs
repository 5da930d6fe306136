//! The leaves of a JSON text: its texts and numbers, each with the name it stands under. Pure.
//!
//! It reads more than a parser would: a text that is cut off, a name that stands twice, half of a surrogate pair, any depth. What is
//! to be found must not hide in what can't be read.

use std::ops::Range;

/// A leaf of a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A name in an object, without its escapes.
    Name(String),
    /// A text, without its escapes.
    Text(String),
    /// A number, as it is written.
    Number(String),
}

/// Calls `visit` with every leaf of a text: the name that it stands under (of the nearest object; empty for none), the leaf, and its place.
pub(crate) fn leaves(text: &str, mut visit: impl FnMut(&str, Leaf, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut outer: Vec<String> = Vec::new();
    let mut name = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                let inner = text.get(start + 1..at.max(start + 1)).unwrap_or_default();
                let value = unescaped(inner.strip_suffix('"').unwrap_or(inner));
                let follows = bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace());
                if follows == Some(&b':') {
                    visit(&name, Leaf::Name(value.clone()), start..at);
                    name = value;
                } else {
                    visit(&name, Leaf::Text(value), start..at);
                }
            }
            b'{' | b'[' => {
                outer.push(name.clone());
                at += 1;
            }
            b'}' | b']' => {
                name = outer.pop().unwrap_or_default();
                at += 1;
            }
            b'0'..=b'9' | b'-' => {
                let is_of_number =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                at += bytes[at..].iter().take_while(is_of_number).count();
                visit(&name, Leaf::Number(text[start..at].to_owned()), start..at);
            }
            _ => at += 1,
        }
    }
}

/// Where a string ends that begins at `at`: behind its quotation mark, or where the text does.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A string's content without its escapes; what is no character is U+FFFD.
fn unescaped(content: &str) -> String {
    if !content.contains('\\') {
        return content.to_owned();
    }
    let mut plain = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut letters = rest.chars();
        match letters.next() {
            Some('u') => {
                let (unit, after) = utf16_unit(letters.as_str());
                rest = after;
                let low = rest.strip_prefix("\\u").map(utf16_unit);
                let pair = match (unit, low) {
                    (Some(high @ 0xd800..=0xdbff), Some((Some(low @ 0xdc00..=0xdfff), after))) => {
                        Some(([high, low], after))
                    }
                    _ => None,
                };
                match pair {
                    Some((pair, after)) => {
                        plain.push_str(&String::from_utf16_lossy(&pair));
                        rest = after;
                    }
                    None => plain.push_str(&String::from_utf16_lossy(&[unit.unwrap_or(0xfffd)])),
                }
            }
            Some(letter) => {
                plain.push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    other => other,
                });
                rest = letters.as_str();
            }
            None => break,
        }
    }
    plain.push_str(rest);
    plain
}

/// The four hexadecimal digits that a text begins with, and what follows.
fn utf16_unit(text: &str) -> (Option<u16>, &str) {
    match text.split_at_checked(4) {
        Some((hex, rest)) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            (u16::from_str_radix(hex, 16).ok(), rest)
        }
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Vec<(String, Leaf)> {
        let mut found = Vec::new();
        leaves(text, |name, leaf, _| {
            if !matches!(leaf, Leaf::Name(_)) {
                found.push((name.to_owned(), leaf));
            }
        });
        found
    }

    #[test]
    fn what_a_parser_refuses_or_forgets_is_read_too() {
        let text = |name: &str, text: &str| (name.to_owned(), Leaf::Text(text.to_owned()));
        let number = |name: &str, number: &str| (name.to_owned(), Leaf::Number(number.to_owned()));
        for (json, expected) in [
            (r#"{"a":"1","a":"2"}"#, vec![text("a", "1"), text("a", "2")]),
            (
                r#"{"a":[{"b":1},"c"],"d":-2.5e3}"#,
                vec![number("b", "1"), text("a", "c"), number("d", "-2.5e3")],
            ),
            (r#"["cut \ud83d","#, vec![text("", "cut \u{fffd}")]),
            (r#"{"a":"it ends h"#, vec![text("a", "it ends h")]),
            (r#""\u0031\n\ud83d\ude00""#, vec![text("", "1\n\u{1f600}")]),
            (r#""ends in \"#, vec![text("", "ends in ")]),
            ("\"", vec![text("", "")]),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
        assert_eq!(read(&"[".repeat(100_000)), []);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<String>().prop_map(Value::String), any::<i64>().prop_map(|n| json!(n))];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn expected(value: &Value, name: &str, found: &mut Vec<(String, Leaf)>) {
        match value {
            Value::String(text) => found.push((name.to_owned(), Leaf::Text(text.clone()))),
            Value::Number(number) => found.push((name.to_owned(), Leaf::Number(number.to_string()))),
            Value::Array(list) => list.iter().for_each(|value| expected(value, name, found)),
            Value::Object(map) => map.iter().for_each(|(name, value)| expected(value, name, found)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    proptest! {
        #[test]
        fn every_leaf_of_sound_json_is_read_as_a_parser_reads_it(value in values()) {
            let mut leaves = Vec::new();
            expected(&value, "", &mut leaves);
            prop_assert_eq!(read(&value.to_string()), leaves.clone());
            prop_assert_eq!(read(&serde_json::to_string_pretty(&value).unwrap()), leaves);
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,60}") {
            read(&text);
        }

        #[test]
        fn nor_is_one_that_is_nearly_json(text in r#"[\\"u{}\[\]:,0-9dD éa-]{0,40}"#) {
            read(&text);
        }
    }
}
