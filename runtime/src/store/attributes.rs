//! Items as DynamoDB takes them and hands them back.
//!
//! The text of a push is the larger part of what is written, and all of it is JSON: where gzip makes its item smaller by a write
//! unit, the item holds it as `body_gzip` instead of `body`. Nobody but this module sees that. By hand:
//! `aws dynamodb get-item … --query Item.body_gzip.B --output text | base64 -d | gunzip`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use serde_json::{Map, Number, Value};

use shared::record::item::{Item, NewItem};
use shared::record::storable::plain_digits;

/// The attribute of a verbatim push that holds its text.
const BODY: &str = "body";
/// The attribute that holds it compressed.
const BODY_GZIP: &str = "body_gzip";
/// DynamoDB bills writes by whole units of so many bytes.
const WRITE_UNIT_BYTES: usize = 1024;
/// No text in an item is longer: an item has 400 KB, and a long text lies in the bucket.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// What gzip begins with: deflate, no flags, no time, the fastest way, of no system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// What it ends with: the checksum and the length of the text.
const GZIP_TRAILER_BYTES: usize = 8;
/// The level of the fastest way.
const FASTEST: u8 = 1;

/// An item as DynamoDB takes it.
pub fn to_attributes(item: impl Into<NewItem>) -> HashMap<String, AttributeValue> {
    let item = item.into();
    let compressed = compressed(&item);
    // With room for the version, which is added last.
    let mut attributes = HashMap::with_capacity(item.len() + 1);
    let is_replaced = compressed.is_some();
    for (name, value) in item {
        if !(is_replaced && name == BODY) {
            attributes.insert(name.into_owned(), to_attribute(value));
        }
    }
    attributes.extend(compressed.map(|gzip| (BODY_GZIP.to_owned(), AttributeValue::B(Blob::new(gzip)))));
    attributes
}

/// The item's body with gzip, where that makes the item smaller by a write unit at least.
fn compressed(item: &NewItem) -> Option<Vec<u8>> {
    let body = item.get(BODY)?.as_str()?;
    let bytes: usize = item.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes <= WRITE_UNIT_BYTES {
        return None;
    }
    let gzip = DEFLATE.with_borrow_mut(|deflate| gzip(deflate, body.as_bytes()))?;
    let then = bytes - BODY.len() - body.len() + BODY_GZIP.len() + gzip.len();
    (then.div_ceil(WRITE_UNIT_BYTES) < bytes.div_ceil(WRITE_UNIT_BYTES)).then_some(gzip)
}

thread_local! {
    /// Its tables take 300 KB: to have them anew for each text takes longer than to compress it.
    static DEFLATE: RefCell<Box<CompressorOxide>> = RefCell::new(deflate());
}

/// The one that every release has used: another makes other bytes of the same text, and sometimes a write unit more.
fn deflate() -> Box<CompressorOxide> {
    let mut deflate = Box::<CompressorOxide>::default();
    deflate.set_format_and_level(DataFormat::Raw, FASTEST);
    deflate
}

fn gzip(deflate: &mut CompressorOxide, text: &[u8]) -> Option<Vec<u8>> {
    deflate.reset();
    let mut gzip = GZIP_HEADER.to_vec();
    let mut written = gzip.len();
    gzip.resize(written + text.len() + 64, 0);
    let mut rest = text;
    for flush in [MZFlush::None, MZFlush::Finish] {
        loop {
            let step = stream::deflate(deflate, rest, gzip.get_mut(written..)?, flush);
            rest = rest.get(step.bytes_consumed..)?;
            written += step.bytes_written;
            let is_done = match (flush, step.status) {
                (MZFlush::Finish, Ok(MZStatus::StreamEnd)) => true,
                (MZFlush::None, _) => rest.is_empty(),
                (_, Ok(_) | Err(MZError::Buf)) => false,
                (_, Err(_)) => return None,
            };
            if is_done {
                break;
            }
            gzip.resize(gzip.len() + text.len() / 2 + 64, 0);
        }
    }
    gzip.truncate(written);
    gzip.extend(crc32fast::hash(text).to_le_bytes());
    gzip.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
    Some(gzip)
}

fn decompressed(value: &AttributeValue) -> Option<String> {
    let deflated = value.as_b().ok()?.as_ref().strip_prefix(&GZIP_HEADER)?;
    let (deflated, trailer) = deflated.split_at_checked(deflated.len().checked_sub(GZIP_TRAILER_BYTES)?)?;
    let text = decompress_to_vec_with_limit(deflated, MAX_BODY_BYTES).ok()?;
    let is_whole = trailer.starts_with(&crc32fast::hash(&text).to_le_bytes());
    String::from_utf8(text).ok().filter(|_| is_whole)
}

fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(truth) => AttributeValue::Bool(truth),
        Value::Number(number) => AttributeValue::N(number.as_str().to_owned()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(list) => AttributeValue::L(list.into_iter().map(to_attribute).collect()),
        Value::Object(map) => {
            AttributeValue::M(map.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
        }
    }
}

/// An item as DynamoDB hands it back.
pub fn from_attributes(mut attributes: HashMap<String, AttributeValue>) -> Item {
    if let Some(body) = attributes.get(BODY_GZIP).and_then(decompressed) {
        attributes.remove(BODY_GZIP);
        attributes.insert(BODY.to_owned(), AttributeValue::S(body));
    }
    attributes.into_iter().map(|(name, value)| (name, from_attribute(value))).collect()
}

fn from_attribute(value: AttributeValue) -> Value {
    let texts = |list: Vec<String>| Value::Array(list.into_iter().map(Value::String).collect());
    match value {
        AttributeValue::Bool(truth) => Value::Bool(truth),
        AttributeValue::N(number) => from_number(number),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::L(list) => Value::Array(list.into_iter().map(from_attribute).collect()),
        AttributeValue::M(map) => Value::Object(
            map.into_iter().map(|(key, value)| (key, from_attribute(value))).collect::<Map<_, _>>(),
        ),
        // This program writes no sets, and no binary values but a body; somebody else's are shown rather than lost.
        AttributeValue::Ss(list) | AttributeValue::Ns(list) => texts(list),
        AttributeValue::B(bytes) => Value::String(hex::encode(bytes)),
        AttributeValue::Bs(list) => texts(list.into_iter().map(Blob::into_inner).map(hex::encode).collect()),
        _ => Value::Null,
    }
}

/// DynamoDB's number is always a JSON number. What stands in for it may hand out a small one by its exponent, `1E-7`: then it is in plain digits here
/// all the same, as it was written.
fn from_number(number: String) -> Value {
    let digits = match number.contains(['e', 'E']) {
        true => plain_digits(&number).map(Cow::into_owned),
        false => None,
    };
    let digits = digits.unwrap_or(number);
    digits.parse::<Number>().map_or(Value::String(digits), Value::Number)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use serde_json::json;

    fn item(body: &str) -> Item {
        let push = json!({"pk": "call#alicom#1", "sk": "push#alicom-call-note#1", "received_at": "2025-06-01T02:00:00.000Z"});
        let body = (BODY.to_owned(), body.into());
        push.as_object().unwrap().clone().into_iter().chain([body]).collect()
    }

    #[test]
    fn a_body_is_compressed_where_that_saves_a_write_unit() {
        for (body, compresses) in [("{}".repeat(100), false), ("{}".repeat(1_000), true)] {
            let attributes = to_attributes(item(&body));
            assert_eq!(
                (attributes.contains_key(BODY), attributes.contains_key(BODY_GZIP)),
                (!compresses, compresses)
            );
            assert_eq!(from_attributes(attributes), item(&body));
        }
        // Nothing is gained by it.
        let noise: String = (0..1_500).map(|_| fastrand::char('!'..'\u{7f}')).collect();
        assert!(to_attributes(item(&noise)).contains_key(BODY));
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        for (handed_out, digits) in
            [("1E-7", "0.0000001"), ("1.2e-7", "0.00000012"), ("0.5", "0.5"), ("1E+3", "1000")]
        {
            let number = from_attribute(AttributeValue::N(handed_out.to_owned()));
            assert_eq!(number.to_string(), digits);
        }
    }

    #[test]
    fn what_is_no_gzip_is_shown_as_it_is() {
        let broken = HashMap::from([(BODY_GZIP.to_owned(), AttributeValue::B(Blob::new(*b"no")))]);
        assert_eq!(Value::Object(from_attributes(broken)), json!({"body_gzip": "6e6f"}));
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_gzip_to_others_whatever_was_compressed_before(
            text in "\\PC{0,300}", times in 1_usize..2_000, other in "\\PC{0,4000}"
        ) {
            let mut used = deflate();
            for text in [text.repeat(times), other] {
                let bytes = gzip(&mut used, text.as_bytes());
                prop_assert_eq!(&bytes, &gzip(&mut deflate(), text.as_bytes()));
                let mut read = String::new();
                GzDecoder::new(bytes.unwrap().as_slice()).read_to_string(&mut read).unwrap();
                prop_assert_eq!(read, text);
            }
        }

        #[test]
        fn every_body_comes_back_as_it_was(body in "\\PC{0,4000}") {
            prop_assert_eq!(from_attributes(to_attributes(item(&body))), item(&body));
        }
    }
}
