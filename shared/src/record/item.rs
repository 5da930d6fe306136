//! The table's items as JSON objects, and the records as items.
//!
//! An item is built and read here as a JSON object with exact numbers; the store turns it into DynamoDB's attribute values.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{CallFacts, CallKey, Instant, PhoneNumber, Recording};
use crate::record::inquiry::{self, Inquiry};
use crate::record::keys;
use crate::record::merge::{Record, Source};
use crate::record::tombstone::is_tombstone;

/// An item of the table.
pub type Item = Map<String, Value>;

/// The attribute that counts an item's writes: a write is on condition that it stands where it was read.
pub const VERSION: &str = "version";

/// The attributes of a call's or a conversation's item that are no facts: keys, and the record's bookkeeping.
const NO_FACTS: [&str; 19] = [
    keys::PK,
    keys::SK,
    keys::TTL,
    VERSION,
    "provider",
    "call_id",
    "extra",
    "sources",
    BODIES,
    "first_received_at",
    "updated_at",
    "asked",
    "next_ask_at",
    "task_key",
    "callee_key",
    "day",
    "call_at",
    "due",
    "due_at",
];

/// The attribute that tells the bodies of a function apart, by function: see [`Source::apart`].
const BODIES: &str = "bodies";

/// A stored item that is not what this program writes.
#[derive(Debug, thiserror::Error)]
#[error("the stored item can't be read")]
pub struct UnreadableItem(#[from] serde_json::Error);

/// The bookkeeping of a record, as an item holds it.
#[derive(Serialize, Deserialize)]
struct Bookkeeping {
    #[serde(default)]
    extra: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bodies: BTreeMap<String, Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_received_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "never")]
    asked: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_ask_at: Option<Instant>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn never(asked: &u32) -> bool {
    *asked == 0
}

/// The item of a call. One that is not complete `inquiry_delay_s` seconds after it was first heard of is due to be asked for then, where
/// its platform can be asked.
pub fn call_item(key: &CallKey, record: Record, inquiry_delay_s: i64) -> Result<Item, UnreadableItem> {
    let facts = Listed::deserialize(&record.facts)?;
    let call_at = facts.call_at().unwrap_or(record.first_received_at);
    let task_key = facts.task_id.map(|task| keys::task_key(key.provider, task));
    let callee_key = facts.callee.as_ref().and_then(keys::callee_key);
    let ask_at =
        if key.provider.platform().is_asked { inquiry::ask_at(&record, inquiry_delay_s) } else { None };
    let mut item = record_item(key, keys::CALL, record, Receipt::InAttributes)?;
    item.insert("provider".to_owned(), key.provider.as_str().into());
    item.insert("call_id".to_owned(), key.call_id.as_str().into());
    item.insert("call_at".to_owned(), call_at.to_string().into());
    item.insert("day".to_owned(), keys::day_key(call_at, key).into());
    item.extend(task_key.map(|task_key| ("task_key".to_owned(), task_key.into())));
    item.extend(callee_key.map(|callee_key| ("callee_key".to_owned(), callee_key.into())));
    if let Some(ask_at) = ask_at {
        item.insert("due".to_owned(), keys::conversation_due_key(key).into());
        item.insert("due_at".to_owned(), ask_at.to_string().into());
    }
    Ok(item)
}

/// The facts by which lists are made: to read them alone is a fraction of reading them all.
#[derive(Deserialize)]
struct Listed<'a> {
    task_id: Option<&'a str>,
    callee: Option<PhoneNumber>,
    submitted_at: Option<Instant>,
    originated_at: Option<Instant>,
    ringing_at: Option<Instant>,
    answered_at: Option<Instant>,
    ended_at: Option<Instant>,
}

impl Listed<'_> {
    fn call_at(&self) -> Option<Instant> {
        let Self { task_id: _, callee: _, submitted_at, originated_at, ringing_at, answered_at, ended_at } =
            *self;
        CallFacts { submitted_at, originated_at, ringing_at, answered_at, ended_at, ..CallFacts::default() }
            .call_at()
    }
}

/// The item of a conversation.
pub fn conversation_item(key: &CallKey, record: Record) -> Result<Item, UnreadableItem> {
    record_item(key, keys::CONVERSATION, record, Receipt::InSources)
}

/// Where an item tells when its pushes were received. It tells it once: most items are one write unit smaller for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receipt {
    /// In `first_received_at` and `updated_at`; `sources` says `first` and `last` for these.
    InAttributes,
    /// In `sources`, and in `first_received_at` where it came before what stands there.
    InSources,
}

const FIRST: &str = "first";
const LAST: &str = "last";
/// Stands before the attributes that a function gave no sound value for.
const LACKS: &str = " lacks ";

/// What a function has contributed, as a line: `first 85674c9d8e5302cd lacks ringing_at,answered_at`. Several bodies are separated by commas.
fn source_line(source: &Source, short: &[(&str, Instant)]) -> String {
    let Source { received_at, bodies, lacks, apart: _ } = source;
    let received = match short.iter().find(|(_, at)| at == received_at) {
        Some((word, _)) => (*word).to_owned(),
        None => received_at.to_string(),
    };
    let line = format!("{received} {}", bodies.join(","));
    if lacks.is_empty() { line } else { format!("{line}{LACKS}{}", lacks.join(",")) }
}

fn source(line: &str, first: Option<Instant>, last: Option<Instant>) -> Result<Source, UnreadableItem> {
    let names = |names: &str| names.split(',').map(str::to_owned).collect();
    let (said, lacks) =
        line.split_once(LACKS).map_or((line, Vec::new()), |(said, lacks)| (said, names(lacks)));
    let parsed = said.split_once(' ').and_then(|(received, bodies)| {
        let received_at = match received {
            FIRST => first,
            LAST => last,
            time => time.parse().ok(),
        };
        Some(Source { received_at: received_at?, bodies: names(bodies), lacks, apart: Map::new() })
    });
    parsed
        .ok_or_else(|| UnreadableItem(Error::custom(format!("not what a function has contributed: {line}"))))
}

fn record_item(key: &CallKey, sk: &str, record: Record, receipt: Receipt) -> Result<Item, UnreadableItem> {
    let Record { facts, extra, mut sources, inquiry, first_received_at: first, updated_at: last, erased: _ } =
        record;
    let Inquiry { asked, next_ask_at } = inquiry;
    let (short, first_received_at, updated_at) = match receipt {
        Receipt::InAttributes => (Some([(FIRST, first), (LAST, last)]), Some(first), Some(last)),
        Receipt::InSources => {
            let told = sources.values().map(|source| source.received_at).min();
            (None, (told != Some(first)).then_some(first), None)
        }
    };
    let apart = sources
        .iter_mut()
        .map(|(function, source)| (function.clone(), Value::Object(std::mem::take(&mut source.apart))))
        .filter(|(_, apart)| apart.as_object().is_some_and(|apart| !apart.is_empty()))
        .collect::<Map<_, _>>();
    let lines = sources.iter().map(|(function, source)| {
        let short = short.as_ref().map_or(&[][..], |short| &short[..]);
        (function.clone(), source_line(source, short))
    });
    let sources = lines.collect();
    let (extra_moved, bodies) = (BTreeMap::new(), BTreeMap::new());
    let bookkeeping = Bookkeeping {
        extra: extra_moved,
        sources,
        bodies,
        first_received_at,
        updated_at,
        asked,
        next_ask_at,
    };
    let mut item = object(&bookkeeping)?;
    // Moved: the bookkeeping would be given a copy.
    item.insert(BODIES.to_owned(), Value::Object(apart));
    let extra = extra.into_iter().map(|(function, extra)| (function, Value::Object(extra)));
    item.insert("extra".to_owned(), Value::Object(extra.collect()));
    item.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
    item.extend(facts.into_iter().map(|(name, value)| match value.get(LARGE_KEY) {
        Some(large_key) if name == TURNS => (TURNS_KEY.to_owned(), large_key.clone()),
        _ => (name, value),
    }));
    item.extend(identity(key, sk));
    Ok(item)
}

/// The record that an item of a call or a conversation holds.
pub fn record(mut item: Item) -> Result<Record, UnreadableItem> {
    let erased = is_tombstone(&item);
    let mut bookkeeping = Map::new();
    for name in NO_FACTS {
        bookkeeping.extend(item.remove(name).map(|value| (name.to_owned(), value)));
    }
    let Bookkeeping { extra, sources, mut bodies, first_received_at, updated_at, asked, next_ask_at } =
        typed(bookkeeping)?;
    let sources = sources
        .into_iter()
        .map(|(function, line)| {
            let apart = bodies.remove(&function).unwrap_or_default();
            let source = source(&line, first_received_at, updated_at)?;
            Ok((function, Source { apart, ..source }))
        })
        .collect::<Result<BTreeMap<_, _>, UnreadableItem>>()?;
    let received = || sources.values().map(|source| source.received_at);
    let (Some(first_received_at), Some(updated_at)) =
        (first_received_at.or_else(|| received().min()), updated_at.or_else(|| received().max()))
    else {
        return Err(UnreadableItem(Error::custom("it is of no push")));
    };
    if let Some(large_key) = item.remove(TURNS_KEY) {
        item.insert(TURNS.to_owned(), Value::Object(Map::from_iter([(LARGE_KEY.to_owned(), large_key)])));
    }
    let inquiry = Inquiry { asked, next_ask_at };
    Ok(Record { facts: item, extra, sources, inquiry, first_received_at, updated_at, erased })
}

/// The item of a recording.
pub fn recording_item(key: &CallKey, recording: &Recording) -> Result<Item, UnreadableItem> {
    let mut item = object(recording)?;
    if let Some(due_at) = recording.next_attempt_at {
        item.insert("due".to_owned(), keys::archive_due_key(key).into());
        item.insert("due_at".to_owned(), due_at.to_string().into());
    }
    item.extend(identity(key, &keys::recording_sk(&recording.slot)));
    Ok(item)
}

/// A verbatim push.
#[derive(Clone, Debug)]
pub struct PushItem {
    /// The call that it is about.
    pub key: CallKey,
    /// The function that caught it.
    pub function: &'static str,
    /// Its digest.
    pub digest: String,
    /// When it was received.
    pub received_at: Instant,
    /// When it may be forgotten, in seconds since 1970.
    pub expires: Option<i64>,
    /// The element's text exactly as it came, or the key of the object that holds it.
    pub body: Verbatim,
    /// The digest of what the body said beside the list that the element was in.
    pub envelope: Option<String>,
    /// What is told of the call beside the body: by which ids an answer was asked for.
    pub asked: Option<Asked>,
}

/// What whoever asked for an answer knows beside it: the attributes that the answer does not say, and what else is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What found the call, where no push told of it: `reconciliation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// The ids by which the call was asked for, by attribute: `task_id`.
    #[serde(flatten)]
    pub ids: BTreeMap<String, String>,
}

impl PushItem {
    /// Takes it as received at `first`, before now.
    pub fn first_received(&mut self, first: Instant) {
        self.expires = self.expires.map(|expires| earlier_expiry(expires, self.received_at, first));
        self.received_at = first;
    }
}

/// When a push may be forgotten that was received at `first`, where `expires` counts from `later`; in seconds since 1970.
pub fn earlier_expiry(expires: i64, later: Instant, first: Instant) -> i64 {
    expires - (later.epoch_millis().div_euclid(1000) - first.epoch_millis().div_euclid(1000))
}

/// A text that came from outside, wherever it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verbatim {
    /// In the item.
    Here(String),
    /// In the bucket, under this key.
    Large(String),
}

/// The item of a verbatim push.
pub fn push_item(push: PushItem) -> Item {
    let mut item = identity(&push.key, &keys::push_sk(push.function, &push.digest));
    item.insert("function".to_owned(), push.function.into());
    item.insert("received_at".to_owned(), push.received_at.to_string().into());
    match push.body {
        Verbatim::Here(body) => item.insert("body".to_owned(), body.into()),
        Verbatim::Large(key) => item.insert("body_key".to_owned(), key.into()),
    };
    item.extend(push.envelope.map(|digest| (ENVELOPES.to_owned(), digest.into())));
    if let Some(Asked { ids, found_by }) = push.asked {
        let ids = ids.into_iter().map(|(attribute, id)| (attribute, Value::String(id)));
        let found_by = found_by.map(|found_by| (FOUND_BY.to_owned(), Value::String(found_by)));
        item.insert(ASKED.to_owned(), Value::Object(ids.chain(found_by).collect()));
    }
    item.extend(push.expires.map(|expires| (keys::TTL.to_owned(), expires.into())));
    item
}

/// The attribute of a verbatim answer that holds [`Asked`].
pub const ASKED: &str = "asked_by";

/// The field under `extra` that says what found a call of which no push told.
pub const FOUND_BY: &str = "found_by";

/// The attribute of a verbatim push that names the envelopes which it came in, by digest, separated by commas. (Older items have the
/// one envelope's text itself, as `envelope`.)
pub const ENVELOPES: &str = "envelopes";
/// Marks a value that lies in the bucket: an object with this key alone.
pub const LARGE_KEY: &str = "large_key";
/// The attribute of a conversation that may be too large for an item.
pub const TURNS: &str = "turns";
/// What stands in its place then: the key of the object that holds it.
pub const TURNS_KEY: &str = "turns_key";

fn identity(key: &CallKey, sk: &str) -> Item {
    Map::from_iter([(keys::PK.to_owned(), keys::call_pk(key).into()), (keys::SK.to_owned(), sk.into())])
}

/// An object as one of the model's types.
pub fn typed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, UnreadableItem> {
    Ok(serde_json::from_value(Value::Object(object))?)
}

/// One of the model's types as an object.
pub fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>, UnreadableItem> {
    match serde_json::to_value(value)? {
        Value::Object(object) => Ok(object),
        other => Err(UnreadableItem(Error::custom(format!("not an object: {}", kind(&other))))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
