//! Numbers in what was rejected: a reject as it is kept, without the elements that hold one. Pure.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use serde_json::{Map, Value};

use super::blackout::{blacked_out, blacked_out_text};
use super::divide;
use super::holds::Held;
use super::number::Numbers;

/// What a compressed body may come to, in bytes. Lambda takes no body of more than 6 MB; what comes to more is made to.
const MAX_DECODED_BYTES: u64 = 256 * 1024 * 1024;

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
    let decoded = if is_text { Decoded::Plain } else { decoded(&bytes) };
    let is_encoded = text("reason").is_some_and(|reason| reason.contains("Content-Encoding"));
    let plain = match decoded {
        Decoded::Plain if is_encoded && !is_text && !is_text_of_its_own(&bytes) => {
            return Verdict::Unreadable("its compressed body can't be decoded here");
        }
        Decoded::Plain => bytes,
        Decoded::From(plain) => plain,
        Decoded::Broken => return Verdict::Unreadable("its compressed body can't be read to its end"),
    };
    let mut rewritten = reject.clone();
    let mut is_changed = false;
    // Reasons may name what came.
    for (_, value) in rewritten.iter_mut().filter(|(name, _)| ![BODY, BODY_BASE64].contains(&name.as_str())) {
        is_changed |= blacken(value, numbers);
    }
    let (mut elements, mut held) = (0, Held::default());
    if numbers.are_in(&plain) {
        let as_text = std::str::from_utf8(&plain).ok();
        let rest = as_text.and_then(|text| divide::rest(text, list_name, numbers));
        let body = match rest {
            Some(rest) => {
                (elements, held) = (rest.removed, rest.held);
                (rest.removed > 0 || rest.is_blacked_out).then(|| rest.body.into_bytes())
            }
            None => blacked_out(&plain, numbers),
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

enum Decoded {
    /// It is not compressed.
    Plain,
    /// This is what was compressed.
    From(Vec<u8>),
    /// It was compressed, and is damaged, or in a way that is not known here.
    Broken,
}

/// What a body says that is no text: gzip and deflate are decoded.
fn decoded(bytes: &[u8]) -> Decoded {
    let read = |reader: &mut dyn Read| {
        let mut plain = Vec::new();
        let read = reader.take(MAX_DECODED_BYTES + 1).read_to_end(&mut plain);
        let is_whole =
            read.is_ok() && u64::try_from(plain.len()).is_ok_and(|length| length <= MAX_DECODED_BYTES);
        (plain, is_whole)
    };
    match bytes {
        [0x1f, 0x8b, ..] => match read(&mut MultiGzDecoder::new(bytes)) {
            (plain, true) => Decoded::From(plain),
            (_, false) => Decoded::Broken,
        },
        // Zstandard.
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Decoded::Broken,
        [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0 =>
        {
            match read(&mut ZlibDecoder::new(bytes)) {
                (plain, true) => Decoded::From(plain),
                // Text may begin like this, too.
                (_, false) if is_text_of_its_own(bytes) => Decoded::Plain,
                (_, false) => Decoded::Broken,
            }
        }
        // Without any mark: it is, if all of it can be read and is text then.
        _ => {
            let mut decoder = DeflateDecoder::new(bytes);
            let (plain, is_whole) = read(&mut decoder);
            let is_all = is_whole && u64::try_from(bytes.len()) == Ok(decoder.total_in());
            match is_all && !plain.is_empty() && std::str::from_utf8(&plain).is_ok() {
                true => Decoded::From(plain),
                false => Decoded::Plain,
            }
        }
    }
}

/// Whether bytes are text in some encoding, as far as that matters here: mostly ASCII, or ASCII with NULs between.
fn is_text_of_its_own(bytes: &[u8]) -> bool {
    let ascii = bytes.iter().filter(|byte| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    ascii * 4 >= bytes.len() * 3
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
