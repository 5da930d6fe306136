//! Numbers in what was rejected: a reject as it is kept, without the elements that hold one. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::blackout::{blacked_out, blacked_out_text};
use super::divide;
use super::holds::Held;
use super::number::Numbers;
use crate::compressed;

const BODY: &str = "body";
const BODY_BASE64: &str = "body_base64";

/// What becomes of a reject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It stays as it is.
    Stays(Held),
    /// It is to be replaced.
    Rewritten {
        /// By this.
        reject: Map<String, Value>,
        /// How many elements are gone from it.
        elements: usize,
        /// How what is left of it holds a number.
        held: Held,
    },
    /// It can't be told what it holds, for this reason.
    Unreadable(&'static str),
}

/// A reject without the elements that hold a number as a whole value. The others stay, in a body that can be redriven. Of what can't be
/// divided into elements, and of all that stands beside them, the number is blacked out. What else the reject says stays.
pub(crate) fn verdict(reject: &Map<String, Value>, list_name: Option<&str>, numbers: &Numbers) -> Verdict {
    let text = |name: &str| reject.get(name).and_then(Value::as_str);
    let (bytes, is_text) = match (text(BODY), text(BODY_BASE64).map(|base64| STANDARD.decode(base64))) {
        (Some(body), _) => (body.as_bytes().to_vec(), true),
        (None, Some(Ok(bytes))) => (bytes, false),
        (None, Some(Err(_))) => return Verdict::Unreadable("its base64 is damaged"),
        (None, None) => return Verdict::Unreadable("not a reject of ours"),
    };
    if reject.get("function").and_then(Value::as_str).is_none() {
        return Verdict::Unreadable("not a reject of ours");
    }
    let plain = match compressed::plain(bytes, is_text, text("reason").unwrap_or_default()) {
        Ok(plain) => plain,
        Err(reason) => return Verdict::Unreadable(reason),
    };
    let mut rewritten = reject.clone();
    let mut is_changed = false;
    // Reasons may name what came.
    for (_, value) in rewritten.iter_mut().filter(|(name, _)| ![BODY, BODY_BASE64].contains(&name.as_str())) {
        is_changed |= blacken(value, numbers);
    }
    let (mut elements, mut held) = (0, Held::default());
    if numbers.may_be_in(&plain) {
        let as_text = std::str::from_utf8(&plain).ok();
        let rest = as_text.and_then(|text| divide::rest(text, list_name, numbers));
        let body = match rest {
            Some(rest) => {
                (elements, held) = (rest.removed, rest.held);
                (rest.removed > 0 || rest.is_blacked_out).then(|| rest.body.into_bytes())
            }
            None => {
                let prefixes = as_text.map(|text| Held::of_json(text, numbers).prefixes).unwrap_or_default();
                held = Held { prefixes, ..Held::default() };
                blacked_out(&plain, numbers)
            }
        };
        if let Some(body) = body {
            is_changed = true;
            rewritten.remove(BODY);
            rewritten.remove(BODY_BASE64);
            // What was compressed is kept as what it said: as such it can be redriven.
            match String::from_utf8(body) {
                Ok(text) => rewritten.insert(BODY.to_owned(), text.into()),
                Err(error) => {
                    rewritten.insert(BODY_BASE64.to_owned(), STANDARD.encode(error.as_bytes()).into())
                }
            };
        }
    }
    match is_changed {
        true => Verdict::Rewritten { reject: rewritten, elements, held },
        false => Verdict::Stays(held),
    }
}

/// A value with the numbers blacked out of every text in it; `None` where it holds none.
pub(crate) fn blackened(value: &Value, numbers: &Numbers) -> Option<Value> {
    let mut black = value.clone();
    blacken(&mut black, numbers).then_some(black)
}

/// Blacks the numbers out of every text in a value: whether there were any.
fn blacken(value: &mut Value, numbers: &Numbers) -> bool {
    match value {
        Value::String(text) => match blacked_out_text(text, numbers) {
            Some(black) => {
                *text = black;
                true
            }
            None => false,
        },
        Value::Number(number) if numbers.is_json_number(&number.to_string()) => {
            *value = "***".into();
            true
        }
        // Each, not until the first.
        Value::Array(list) => list.iter_mut().fold(false, |changed, value| blacken(value, numbers) | changed),
        Value::Object(map) => {
            map.iter_mut().fold(false, |changed, (_, value)| blacken(value, numbers) | changed)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use serde_json::json;

    use super::*;

    const NUMBER: &str = "13912345678";

    fn judged(reject: Value) -> Verdict {
        let Value::Object(mut reject) = reject else { panic!("a reject is an object") };
        reject.entry("function").or_insert("laaffic-status-report".into());
        verdict(&reject, Some("array"), &Numbers::read([NUMBER]).unwrap())
    }

    fn rewritten(reject: Value) -> (Value, usize) {
        match judged(reject) {
            Verdict::Rewritten { reject, elements, .. } => (Value::Object(reject), elements),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_elements_that_hold_the_number_go() {
        let body = r#"[{"x":"13911112222345"},{"x":"13912345678"},{"x":"code 1"}]"#;
        let (left, elements) =
            rewritten(json!({"body": body, "reason": "no 13912345678", "where": [{"is": 1}]}));
        assert_eq!(elements, 1);
        assert_eq!(left["body"], r#"[{"x":"13911112222345"},{"x":"code 1"}]"#);
        assert_eq!((&left["reason"], &left["where"]), (&json!("no ***********"), &json!([{"is": 1}])));
        assert_eq!(judged(json!({"body": r#"[{"x":"139123456789"}]"#})), Verdict::Stays(Held::default()));
        let held = Held { in_text: true, ..Held::default() };
        assert_eq!(judged(json!({"body": r#"[{"x":"to 13912345678"}]"#})), Verdict::Stays(held));
    }

    #[test]
    fn what_is_compressed_is_looked_into_and_kept_as_what_it_says() {
        let body = br#"{"array":[{"callee":"\u00313912345678"},{"callee":"2"}]}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(body).unwrap();
        zlib.write_all(body).unwrap();
        deflate.write_all(body).unwrap();
        let gzip = gzip.finish().unwrap();
        for bytes in [gzip.clone(), zlib.finish().unwrap(), deflate.finish().unwrap()] {
            let (left, elements) = rewritten(json!({"body_base64": STANDARD.encode(bytes)}));
            assert_eq!((left["body"].as_str(), elements), (Some(r#"{"array":[{"callee":"2"}]}"#), 1));
            assert!(left.get("body_base64").is_none());
        }
        let cut = STANDARD.encode(&gzip[..gzip.len() - 9]);
        assert!(matches!(judged(json!({"body_base64": cut})), Verdict::Unreadable(_)));
    }

    #[test]
    fn what_cant_be_divided_has_the_number_blacked_out() {
        let (left, _) = rewritten(json!({"body": "callee=13912345678&x=1"}));
        assert_eq!(left["body"], "callee=***********&x=1");
        let utf_16: Vec<u8> =
            "{\"callee\":\"13912345678\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let with_mark = [&b"\xff\xfe"[..], &utf_16].concat();
        let (left, _) = rewritten(json!({"body_base64": STANDARD.encode(with_mark)}));
        let bytes = STANDARD.decode(left["body_base64"].as_str().unwrap()).unwrap();
        let text: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(String::from_utf16(&text[1..]).unwrap(), "{\"callee\":\"***********\"}");
    }

    #[test]
    fn what_is_no_reject_is_told() {
        for reject in [json!({}), json!({"body_base64": "é"}), json!({"function": 1, "body": ""})] {
            assert!(matches!(judged(reject.clone()), Verdict::Unreadable(_)), "{reject}");
        }
    }
}
