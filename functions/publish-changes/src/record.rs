//! Records of the table's stream, as Lambda hands them over.
//!
//! Format: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use shared::events::{Change, EventSettings, EventType, ItemKind};
use shared::model::Instant;
use shared::record::item::Item;
use shared::record::keys;

/// How deep a value may be nested: DynamoDB takes 32 levels.
const MAX_DEPTH: usize = 64;
/// The names of a record's images.
pub(crate) const IMAGES: [&str; 2] = [OLD_IMAGE, NEW_IMAGE];
const OLD_IMAGE: &str = "OldImage";
const NEW_IMAGE: &str = "NewImage";

/// A batch of records, each as it came: one that can't be understood must not hold up the others.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The records, in the order of their shard.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// A record, as it came.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Record {
    json: Value,
    /// The images, where they stand beside it.
    #[serde(skip)]
    beside: Option<[Option<String>; 2]>,
}

impl Record {
    /// A record without images, and its old and its new image beside it, each as text of JSON: whoever has them as text need not make a tree of
    /// them, of which an item is made.
    #[must_use]
    pub fn with_images(json: Value, old: Option<String>, new: Option<String>) -> Self {
        Self { json, beside: Some([old, new]) }
    }

    /// The record, as Lambda has it: with its images within.
    pub(crate) fn whole(&self) -> Value {
        let mut json = self.json.clone();
        for (name, image) in IMAGES.into_iter().zip(self.beside.iter().flatten()) {
            if let (Some(image), Some(body)) =
                (image, json.get_mut("dynamodb").and_then(Value::as_object_mut))
            {
                body.insert(name.to_owned(), serde_json::from_str(image).unwrap_or_default());
            }
        }
        json
    }

    /// An image, as an item; `None` where there is none.
    fn image(&self, name: &str) -> Result<Option<Item>, &'static str> {
        const WRONG: &str = "an image with a value that is none of DynamoDB's";
        if let Some([old, new]) = &self.beside {
            let text = if name == OLD_IMAGE { old } else { new };
            let image = text.as_deref().map(serde_json::from_str::<Image>).transpose();
            return image.map(|image| image.map(|Image(item)| item)).map_err(|_| WRONG);
        }
        match self.json.get("dynamodb").and_then(|body| body.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(image @ Value::Object(_)) => {
                Image::deserialize(image).map(|Image(item)| Some(item)).map_err(|_| WRONG)
            }
            Some(_) => Err(NO_RECORD),
        }
    }

    fn has_image(&self) -> bool {
        let is_there = |name: &str| {
            let image = self.json.get("dynamodb").and_then(|body| body.get(name));
            image.is_some_and(|image| !image.is_null())
        };
        match &self.beside {
            Some(images) => images.iter().any(Option::is_some),
            None => IMAGES.into_iter().any(is_there),
        }
    }
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

/// Reads a record; `now` dates what is not dated. It is read where it stands: an item's image is large. Of what `settings` have nothing told of,
/// it is not read at all.
pub(crate) fn read(record: &Record, settings: &EventSettings, now: Instant) -> Read {
    let body = record.json.get("dynamodb");
    let number = body.and_then(|body| body.get("SequenceNumber")).and_then(Value::as_str);
    let told = told(record, settings, now).unwrap_or_else(Told::Unreadable);
    Read { sequence_number: number.map(str::to_owned), told }
}

fn told(record: &Record, settings: &EventSettings, now: Instant) -> Result<Told, &'static str> {
    let json = &record.json;
    let body = json.get("dynamodb").and_then(Value::as_object).ok_or(NO_RECORD)?;
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
    if !record.has_image() {
        return Err("a record without images");
    }
    let by = json.get("userIdentity").and_then(|identity| identity.get("principalId"));
    let is_expiry = by.is_some_and(|by| by == "dynamodb.amazonaws.com");
    let is_told = kind != ItemKind::Conversation || settings.types.contains(EventType::ConversationReady);
    let (old, new) = match is_told {
        true => (record.image(OLD_IMAGE)?, record.image(NEW_IMAGE)?),
        // That there was a change is all that is asked for, for the sake of its hour.
        false => (None, None),
    };
    Ok(Told::Change { change: Box::new(Change { key, kind, at, old, new }), is_expiry })
}

/// A time in seconds since 1970.
fn time(seconds: &Number) -> Option<Instant> {
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is far below 2^53")]
    let millis = (seconds.as_f64()? * 1_000.0).round() as i64;
    Instant::from_epoch_millis(millis)
}

/// An item, of its attributes as DynamoDB writes them in JSON: `{"S": "text"}` and the like. It is made in one go, of text or of JSON that was
/// read: a tree of it has a node for each value's type, and costs more than all else that is done with most changes.
struct Image(Item);

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(image: D) -> Result<Self, D::Error> {
        Attributes { depth: 0 }.deserialize(image).map(Self)
    }
}

/// The type of a value of DynamoDB's.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "UPPERCASE")]
enum Kind {
    S,
    N,
    Bool,
    Null,
    L,
    M,
    Ss,
    Ns,
    Bs,
    B,
}

/// The attributes of an item or of a map.
#[derive(Clone, Copy)]
struct Attributes {
    depth: usize,
}

/// A value.
#[derive(Clone, Copy)]
struct Plain {
    depth: usize,
}

/// A list of values.
#[derive(Clone, Copy)]
struct List {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, map: D) -> Result<Item, D::Error> {
        map.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            item.insert(name, map.next_value_seed(Plain { depth: self.depth })?);
        }
        Ok(item)
    }
}

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom("nested too deeply"));
        }
        value.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of one type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut typed: A) -> Result<Value, A::Error> {
        let kind = typed.next_key()?.ok_or_else(|| A::Error::custom("a value of no type"))?;
        let depth = self.depth + 1;
        let value = match kind {
            Kind::S | Kind::B => Value::String(typed.next_value()?),
            Kind::N => {
                let number: String = typed.next_value()?;
                Value::Number(number.parse::<Number>().map_err(A::Error::custom)?)
            }
            Kind::Bool => Value::Bool(typed.next_value()?),
            Kind::Null => {
                typed.next_value::<IgnoredAny>()?;
                Value::Null
            }
            Kind::L => Value::Array(typed.next_value_seed(List { depth })?),
            Kind::M => Value::Object(typed.next_value_seed(Attributes { depth })?),
            // This program writes no sets, and nothing binary into these items.
            Kind::Ss | Kind::Ns | Kind::Bs => Value::Array(typed.next_value()?),
        };
        match typed.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("a value of two types")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Vec<Value>, D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Plain { depth: self.depth })? {
            values.push(value);
        }
        Ok(values)
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
        read(&serde_json::from_value(record.clone()).unwrap(), &EventSettings::default(), now())
    }

    /// The same record, its images beside it.
    fn apart(record: &Value) -> Record {
        let mut json = record.clone();
        let mut image = |name: &str| json["dynamodb"].as_object_mut()?.remove(name).map(|it| it.to_string());
        let (old, new) = (image("OldImage"), image("NewImage"));
        Record::with_images(json, old, new)
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

    #[test]
    fn images_that_stand_beside_a_record_tell_what_they_tell_within() {
        let mut both = record("call");
        both["dynamodb"]["OldImage"] =
            json!({"version": {"N": "1"}, "note": {"S": "\u{e9}\n\"x\""}, "set": {"SS": ["a"]}});
        let mut wrong = record("recording#main");
        wrong["dynamodb"]["NewImage"]["version"] = json!({"N": "1", "S": "1"});
        let mut removed = record("call");
        let image = removed["dynamodb"].as_object_mut().unwrap().remove("NewImage").unwrap();
        removed["dynamodb"]["OldImage"] = image;
        for within in [both, wrong, removed] {
            let beside = apart(&within);
            assert_eq!(beside.whole(), within);
            let told = read(&beside, &EventSettings::default(), now()).told;
            match (read_json(&within).told, told) {
                (Told::Change { change, .. }, Told::Change { change: other, .. }) => {
                    assert_eq!(change, other)
                }
                (Told::Unreadable(reason), Told::Unreadable(other)) => assert_eq!(reason, other),
                other => panic!("{other:?}"),
            }
        }
        let none = Record::with_images(apart(&record("call")).json, None, None);
        assert!(matches!(read(&none, &EventSettings::default(), now()).told, Told::Unreadable(_)));
    }

    #[test]
    fn what_is_no_value_of_dynamodbs_is_not_read() {
        for wrong in [
            json!({}),
            json!(7),
            json!("text"),
            json!({"S": 1}),
            json!({"N": 1}),
            json!({"BOOL": "true"}),
            json!({"L": {}}),
            json!({"M": []}),
            json!({"T": "text"}),
            json!({"S": "a", "N": "1"}),
            json!({"L": [{"S": "a"}, 1]}),
            json!({"M": {"a": "b"}}),
        ] {
            let image = json!({"a": wrong});
            assert!(Image::deserialize(&image).is_err(), "{image}");
            assert!(serde_json::from_str::<Image>(&image.to_string()).is_err(), "{image}");
        }
    }

    #[test]
    fn a_conversation_that_nobody_is_told_of_is_not_read() {
        let json = record("conversation");
        let told = |types: &str| {
            let settings = EventSettings { types: types.parse().unwrap(), ..EventSettings::default() };
            read(&apart(&json), &settings, now()).told
        };
        let Told::Change { change, .. } = told("call.completed") else { panic!() };
        assert_eq!((change.kind, &change.new), (ItemKind::Conversation, &None));
        let Told::Change { change, .. } = told("conversation.ready") else { panic!() };
        assert!(change.new.is_some());
    }
}
