//! Records of the table's stream, as Lambda hands them over.
//!
//! Format: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use serde::Deserialize;
use serde_json::{Map, Number, Value};
use shared::events::{Change, ItemKind};
use shared::model::Instant;
use shared::record::item::Item;
use shared::record::keys;

/// How deep a value may be nested: DynamoDB takes 32 levels.
const MAX_DEPTH: usize = 64;

/// A batch of records, each as it came: one that can't be understood must not hold up the others.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The records, in the order of their shard.
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

/// What a record tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// An item of a call changed.
    Change {
        /// The change.
        change: Box<Change>,
        /// Whether the item's time to live had passed, which tells nothing.
        is_expiry: bool,
    },
    /// An item changed whose changes tell nothing.
    Nothing,
    /// It is not what a stream of our table has.
    Unreadable(&'static str),
}

/// A record that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Its number in its shard; `None` where there is none to be found.
    pub(crate) sequence_number: Option<String>,
    /// What it tells.
    pub(crate) told: Told,
}

/// Why a record can't be understood at all.
const NO_RECORD: &str = "not a record of a stream";

/// Reads a record; `now` dates what is not dated. It is read where it stands: an item's image is large.
pub(crate) fn read(record: &Value, now: Instant) -> Read {
    let number = record.get("dynamodb").and_then(|body| body.get("SequenceNumber")).and_then(Value::as_str);
    let told = told(record, now).unwrap_or_else(Told::Unreadable);
    Read { sequence_number: number.map(str::to_owned), told }
}

fn told(record: &Value, now: Instant) -> Result<Told, &'static str> {
    let body = record.get("dynamodb").and_then(Value::as_object).ok_or(NO_RECORD)?;
    let keys = body.get("Keys").and_then(Value::as_object).ok_or(NO_RECORD)?;
    body.get("SequenceNumber").and_then(Value::as_str).ok_or(NO_RECORD)?;
    let key = |name: &str| keys.get(name).and_then(|key| key.get("S")).and_then(Value::as_str);
    let (Some(pk), Some(sk)) = (key(keys::PK), key(keys::SK)) else {
        return Err("a record without its item's key");
    };
    let Some(kind) = ItemKind::of_sk(sk) else { return Ok(Told::Nothing) };
    // What other tables' stores have under such sort keys is none of ours; neither is a call of a platform of a later release.
    let Some(key) = keys::call_of_pk(pk) else { return Ok(Told::Nothing) };
    let at = match body.get("ApproximateCreationDateTime") {
        Some(Value::Number(seconds)) => time(seconds).unwrap_or(now),
        None | Some(Value::Null) => now,
        Some(_) => return Err(NO_RECORD),
    };
    let image = |name: &str| match body.get(name) {
        Some(Value::Object(image)) => item(image).map(Some),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(NO_RECORD),
    };
    let (old, new) = (image("OldImage")?, image("NewImage")?);
    if old.is_none() && new.is_none() {
        return Err("a record without images");
    }
    let by = record.get("userIdentity").and_then(|identity| identity.get("principalId"));
    let is_expiry = by.is_some_and(|by| by == "dynamodb.amazonaws.com");
    Ok(Told::Change { change: Box::new(Change { key, kind, at, old, new }), is_expiry })
}

/// A time in seconds since 1970.
fn time(seconds: &Number) -> Option<Instant> {
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is far below 2^53")]
    let millis = (seconds.as_f64()? * 1_000.0).round() as i64;
    Instant::from_epoch_millis(millis)
}

/// An item, of its attributes as DynamoDB writes them in JSON.
fn item(image: &Map<String, Value>) -> Result<Item, &'static str> {
    image.iter().map(|(name, value)| Ok((name.clone(), plain(value, 0)?))).collect()
}

/// A value, of `{"S": "text"}` and the like.
fn plain(value: &Value, depth: usize) -> Result<Value, &'static str> {
    const WRONG: &str = "an image with a value that is none of DynamoDB's";
    if depth > MAX_DEPTH {
        return Err("an image that is nested too deeply");
    }
    let mut typed = value.as_object().ok_or(WRONG)?.iter();
    let (Some((kind, value)), None) = (typed.next(), typed.next()) else { return Err(WRONG) };
    match (kind.as_str(), value) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) => Ok(value.clone()),
        ("N", Value::String(number)) => number.parse().map(Value::Number).map_err(|_| WRONG),
        ("NULL", _) => Ok(Value::Null),
        ("L", Value::Array(list)) => list.iter().map(|value| plain(value, depth + 1)).collect(),
        ("M", Value::Object(map)) => {
            let map = map.iter().map(|(name, value)| Ok((name.clone(), plain(value, depth + 1)?)));
            map.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        // This program writes no sets, and nothing binary into these items.
        ("SS" | "NS" | "BS", Value::Array(_)) | ("B", Value::String(_)) => Ok(value.clone()),
        _ => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Instant {
        Instant::from_epoch_seconds(1_748_743_200).unwrap()
    }

    fn read_json(record: &Value) -> Read {
        read(record, now())
    }

    fn record(sk: &str) -> Value {
        json!({
            "eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_748_743_260.5,
                "Keys": {"pk": {"S": "call#alicom#1"}, "sk": {"S": sk}},
                "NewImage": {"pk": {"S": "call#alicom#1"}, "version": {"N": "2"}, "cost": {"M": {"amount": {"N": "0.10"}}},
                    "tags": {"L": [{"S": "a"}, {"NULL": true}, {"BOOL": false}]}},
                "SequenceNumber": "111", "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        })
    }

    #[test]
    fn a_change_is_read_with_its_numbers_exact() {
        let Read { sequence_number, told } = read_json(&record("call"));
        assert_eq!(sequence_number.as_deref(), Some("111"));
        let Told::Change { change, is_expiry: false } = told else { panic!("{told:?}") };
        assert_eq!(change.at.to_string(), "2025-06-01T02:01:00.500Z");
        assert_eq!(change.old, None);
        let new = Value::Object(change.new.unwrap());
        assert_eq!(
            new.to_string(),
            r#"{"cost":{"amount":0.10},"pk":"call#alicom#1","tags":["a",null,false],"version":2}"#
        );
    }

    #[test]
    fn what_tells_nothing_and_what_is_no_record_are_told_apart() {
        let told = |record: &Value| read_json(record).told;
        assert!(matches!(told(&record("push#alicom-call-report#1")), Told::Nothing));
        let mut of_nobody = record("call");
        of_nobody["dynamodb"]["Keys"]["pk"]["S"] = "call#later-platform#1".into();
        assert!(matches!(told(&of_nobody), Told::Nothing));
        let mut without_images = record("call");
        without_images["dynamodb"].as_object_mut().unwrap().remove("NewImage");
        assert!(matches!(told(&without_images), Told::Unreadable(_)));
        let mut wrong = record("call");
        wrong["dynamodb"]["NewImage"]["version"] = json!({"N": "two"});
        assert!(matches!(told(&wrong), Told::Unreadable(_)));
        let numbered = read_json(&json!({"dynamodb": {"SequenceNumber": "7", "Keys": 1}}));
        assert!(matches!(
            (numbered.sequence_number.as_deref(), numbered.told),
            (Some("7"), Told::Unreadable(_))
        ));
        assert!(matches!(read_json(&json!(1)), Read { sequence_number: None, told: Told::Unreadable(_) }));
        let mut deep = json!({"S": "x"});
        for _ in 0..100 {
            deep = json!({"L": [deep]});
        }
        wrong["dynamodb"]["NewImage"]["version"] = deep;
        assert!(matches!(told(&wrong), Told::Unreadable(_)));
    }
}
