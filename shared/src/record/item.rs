//! The table's items as JSON objects, and the records as items.
//!
//! An item is built and read here as a JSON object with exact numbers; the store turns it into DynamoDB's attribute values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{CallKey, Candidate, Instant, PhoneNumber, Recording, date_of, is_plainly_an_instant};
use crate::record::attribute_list::AttributeList;
use crate::record::inquiry::Inquiry;
use crate::record::keys;
use crate::record::merge::{FOUND_BY, LARGE_KEY, Record, Source};
use crate::record::missing::{self, Waiting};

/// An item of the table, as it is read.
pub type Item = Map<String, Value>;

/// An item of the table that is to be written.
pub type NewItem = AttributeList;

/// The attribute by which a tombstone is known: when the call was erased.
pub const ERASED_AT: &str = "erased_at";
/// The attribute that counts an item's writes: a write is on condition that it stands where it was read.
pub const VERSION: &str = "version";

/// The attributes of a call's or a conversation's item that are no facts: keys, and the record's bookkeeping.
const NO_FACTS: [&str; 20] = [
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
    "settled_at",
    "task_key",
    "callee_key",
    "day",
    "call_at",
    "due",
    "due_at",
];

/// The attribute that tells the bodies of a function apart, by function: see [`Source::apart`].
pub const BODIES: &str = "bodies";

/// A stored item that is not what this program writes.
#[derive(Debug, thiserror::Error)]
#[error("the stored item can't be read")]
pub struct UnreadableItem(#[from] serde_json::Error);

impl UnreadableItem {
    /// What is wrong, for logs: which field is missing, or what was expected; never what stands there, since that may be anything.
    pub fn why(&self) -> String {
        /// How serde's own errors begin, which end with what was expected; other errors may repeat any value in any place.
        const OF_SERDE: [&str; 4] =
            ["invalid type: ", "invalid value: ", "unknown variant ", "invalid length "];
        let text = self.0.to_string();
        let expected = || {
            let is_of_serde = OF_SERDE.iter().any(|begin| text.starts_with(begin));
            text.rsplit_once(", expected ").filter(|_| is_of_serde)
        };
        match expected() {
            // The model's own names.
            None if text.starts_with("missing field ") => text,
            Some((_, expected)) => format!("expected {expected}"),
            None => "a value that no release writes".to_owned(),
        }
    }
}

/// The bookkeeping of a record, as an item holds it.
#[derive(Deserialize)]
struct Bookkeeping {
    #[serde(default)]
    extra: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    sources: BTreeMap<String, String>,
    #[serde(default)]
    bodies: BTreeMap<String, Map<String, Value>>,
    first_received_at: Option<Instant>,
    updated_at: Option<Instant>,
    #[serde(default)]
    asked: u32,
    next_ask_at: Option<Instant>,
    settled_at: Option<Instant>,
}

/// The item of a call. One that is not complete some time after it was first heard of is due: to be asked for, where its platform can be
/// asked, and to be settled.
pub fn call_item(key: &CallKey, record: Record, waiting: Waiting) -> Result<NewItem, UnreadableItem> {
    let Listed { task_id, callee, call_at } = Listed::of(&record.facts)?;
    let call_at = call_at.map_or_else(|| record.first_received_at.to_text(), Cow::into_owned);
    let task_key = task_id.map(|task| keys::task_key(key.provider, task));
    let callee_key = callee.as_ref().and_then(keys::callee_key);
    let ask_at = missing::ask_at(key.provider, &record, waiting);
    let settle_at = missing::settle_at(key.provider, &record, waiting);
    let pk = keys::call_pk(key);
    let shard = keys::shard_of(&pk);
    let mut item = record_item(pk, keys::CALL, record, Receipt::InAttributes);
    item.push("provider", key.provider.as_str());
    item.push("call_id", key.call_id.as_str());
    item.push("day", keys::day_key(date_of(&call_at), shard));
    item.push("call_at", call_at);
    item.push_some("task_key", task_key);
    item.push_some("callee_key", callee_key);
    let due = match settle_at {
        Some(settle_at) => {
            Some((keys::conversation_due_key(shard), ask_at.unwrap_or(settle_at).min(settle_at)))
        }
        None => ask_at.map(|ask_at| (keys::settled_due_key(shard), ask_at)),
    };
    if let Some((due, due_at)) = due {
        item.push("due", due);
        item.push("due_at", due_at.to_text());
    }
    Ok(item)
}

/// The facts by which lists are made: to read them alone is a fraction of reading them all.
struct Listed<'a> {
    task_id: Option<&'a str>,
    callee: Option<PhoneNumber>,
    /// [`crate::model::CallFacts::call_at`], as it is written: the texts of times sort as the times do.
    call_at: Option<Cow<'a, str>>,
}

impl<'a> Listed<'a> {
    fn of(facts: &'a AttributeList) -> Result<Self, UnreadableItem> {
        let time = |name| time(facts, name);
        let others = [time("submitted_at")?, time("ringing_at")?, time("answered_at")?, time("ended_at")?];
        let call_at = time("originated_at")?.or_else(|| others.into_iter().flatten().min());
        Ok(Self { task_id: fact(facts, "task_id")?, callee: fact(facts, "callee")?, call_at })
    }
}

/// A fact in terms of the model.
fn fact<'a, T: Deserialize<'a>>(facts: &'a AttributeList, name: &str) -> Result<Option<T>, UnreadableItem> {
    Ok(facts.get(name).map(Option::<T>::deserialize).transpose()?.flatten())
}

/// A fact that is a time, as it is written.
fn time<'a>(facts: &'a AttributeList, name: &str) -> Result<Option<Cow<'a, str>>, UnreadableItem> {
    match facts.get(name) {
        Some(Value::String(text)) if is_plainly_an_instant(text) => Ok(Some(Cow::Borrowed(text))),
        _ => Ok(fact::<Instant>(facts, name)?.map(|instant| Cow::Owned(instant.to_text()))),
    }
}

/// The item of a conversation.
pub fn conversation_item(key: &CallKey, record: Record) -> NewItem {
    record_item(keys::call_pk(key), keys::CONVERSATION, record, Receipt::InSources)
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
    let mut line = match short.iter().find(|(_, at)| at == received_at) {
        Some((word, _)) => (*word).to_owned(),
        None => received_at.to_text(),
    };
    let mut add = |before: &str, names: &[String]| {
        line.reserve(names.iter().map(|name| 1 + name.len()).sum::<usize>() + before.len());
        for (position, name) in names.iter().enumerate() {
            line.push_str(if position == 0 { before } else { "," });
            line.push_str(name);
        }
    };
    add(" ", bodies);
    add(LACKS, lacks);
    line
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

fn record_item(pk: String, sk: &str, record: Record, receipt: Receipt) -> NewItem {
    /// The most attributes beside the facts.
    const BESIDE: usize = 16;
    let Record { facts, extra, sources, inquiry, first_received_at: first, updated_at: last, erased: _ } =
        record;
    let Inquiry { asked, next_ask_at, settled_at } = inquiry;
    let (short, first_received_at, updated_at) = match receipt {
        Receipt::InAttributes => (&[(FIRST, first), (LAST, last)][..], Some(first), Some(last)),
        Receipt::InSources => {
            let told = sources.values().map(|source| source.received_at).min();
            (&[][..], (told != Some(first)).then_some(first), None)
        }
    };
    let mut item = facts;
    item.reserve(BESIDE);
    if let Some(large_key) = item.get_mut(TURNS).and_then(|turns| turns.get_mut(LARGE_KEY)).map(Value::take) {
        item.remove(TURNS);
        item.push(TURNS_KEY, large_key);
    }
    item.push(keys::PK, pk);
    item.push(keys::SK, sk);
    let (mut lines, mut bodies) = (Map::new(), Map::new());
    for (function, source) in sources {
        let line = source_line(&source, short);
        if !source.apart.is_empty() {
            bodies.insert(function.clone(), Value::Object(source.apart));
        }
        lines.insert(function, Value::String(line));
    }
    let extra: Map<_, _> =
        extra.into_iter().map(|(function, extra)| (function, Value::Object(extra))).collect();
    for (name, map) in [("extra", extra), ("sources", lines), (BODIES, bodies)] {
        if !map.is_empty() {
            item.push(name, map);
        }
    }
    item.push_some("first_received_at", first_received_at.map(Instant::to_text));
    item.push_some("updated_at", updated_at.map(Instant::to_text));
    if asked > 0 {
        item.push("asked", asked);
    }
    item.push_some("next_ask_at", next_ask_at.map(Instant::to_text));
    item.push_some("settled_at", settled_at.map(Instant::to_text));
    item
}

/// The record that an item of a call or a conversation holds.
pub fn record(mut item: Item) -> Result<Record, UnreadableItem> {
    let erased = is_tombstone(&item);
    let mut bookkeeping = Map::new();
    for name in NO_FACTS {
        bookkeeping.extend(item.remove(name).map(|value| (name.to_owned(), value)));
    }
    let Bookkeeping {
        extra,
        sources,
        mut bodies,
        first_received_at,
        updated_at,
        asked,
        next_ask_at,
        settled_at,
    } = typed(bookkeeping)?;
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
    let inquiry = Inquiry { asked, next_ask_at, settled_at };
    Ok(Record { facts: item.into(), extra, sources, inquiry, first_received_at, updated_at, erased })
}

/// Whether an item is a tombstone.
pub fn is_tombstone(item: &Map<String, Value>) -> bool {
    item.contains_key(ERASED_AT)
}

/// The item of a recording.
pub fn recording_item(key: &CallKey, recording: Recording) -> NewItem {
    /// The most attributes beside the key.
    const ATTRIBUTES: usize = 24;
    let Recording {
        slot,
        source_url,
        source_id,
        source_expires_at,
        candidates,
        state,
        attempts,
        deaths,
        last_error,
        next_attempt_at,
        lost_at,
        lease_until,
        lease_owner,
        object_key,
        bytes,
        sha256,
        sha512,
        media_type,
        archived_at,
        call_at,
        first_received_at,
    } = recording;
    let pk = keys::call_pk(key);
    let shard = keys::shard_of(&pk);
    let (due, due_at) = match (next_attempt_at, lost_at) {
        (Some(at), _) => (Some(keys::archive_due_key(shard)), Some(at)),
        (None, Some(at)) => (Some(keys::lost_due_key(shard)), Some(at)),
        (None, None) => (None, None),
    };
    let mut item = keyed(pk, keys::recording_sk(&slot), ATTRIBUTES);
    item.push("slot", slot);
    item.push_some("source_url", source_url);
    item.push_some("source_id", source_id);
    item.push_some("source_expires_at", source_expires_at.map(Instant::to_text));
    if !candidates.is_empty() {
        item.push("candidates", candidates.into_iter().map(candidate).collect::<Vec<_>>());
    }
    item.push("state", state.as_str());
    item.push("attempts", attempts);
    item.push_some("deaths", (deaths > 0).then_some(deaths));
    item.push_some("last_error", last_error);
    item.push_some("next_attempt_at", next_attempt_at.map(Instant::to_text));
    item.push_some("lost_at", lost_at.map(Instant::to_text));
    item.push_some("lease_until", lease_until.map(Instant::to_text));
    item.push_some("lease_owner", lease_owner);
    item.push_some("object_key", object_key);
    item.push_some("bytes", bytes);
    item.push_some("sha256", sha256);
    item.push_some("sha512", sha512);
    item.push_some("media_type", media_type);
    item.push_some("archived_at", archived_at.map(Instant::to_text));
    item.push("call_at", call_at.to_text());
    item.push("first_received_at", first_received_at.to_text());
    item.push_some("due", due);
    item.push_some("due_at", due_at.map(Instant::to_text));
    item
}

fn candidate(candidate: Candidate) -> Value {
    let Candidate { url, id, expires_at, received_at } = candidate;
    let fields = [
        ("expires_at", expires_at.map(Instant::to_text)),
        ("id", id),
        ("received_at", Some(received_at.to_text())),
        ("url", url),
    ];
    fields.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
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
pub fn push_item(push: PushItem) -> NewItem {
    let PushItem { key, function, digest, received_at, expires, body, envelope, asked } = push;
    let mut item = keyed(keys::call_pk(&key), keys::push_sk(function, &digest), 6);
    item.push("function", function);
    item.push("received_at", received_at.to_text());
    match body {
        Verbatim::Here(body) => item.push("body", body),
        Verbatim::Large(key) => item.push("body_key", key),
    };
    item.push_some(ENVELOPES, envelope);
    if let Some(Asked { ids, found_by }) = asked {
        let ids = ids.into_iter().map(|(attribute, id)| (attribute, Value::String(id)));
        let found_by = found_by.map(|found_by| (FOUND_BY.to_owned(), Value::String(found_by)));
        item.push(ASKED, ids.chain(found_by).collect::<Map<_, _>>());
    }
    item.push_some(keys::TTL, expires);
    item
}

/// The attribute of a verbatim answer that holds [`Asked`].
pub const ASKED: &str = "asked_by";

/// The attribute of a verbatim push that names the envelopes which it came in, by digest, separated by commas. (Older items have the
/// one envelope's text itself, as `envelope`.)
pub const ENVELOPES: &str = "envelopes";
/// The attribute of a conversation that may be too large for an item.
pub const TURNS: &str = "turns";
/// What stands in its place then: the key of the object that holds it.
pub const TURNS_KEY: &str = "turns_key";

/// An item that has its key so far, and room for so many more attributes.
fn keyed(pk: String, sk: String, attributes: usize) -> NewItem {
    let mut item = NewItem::new();
    item.reserve(2 + attributes);
    item.push(keys::PK, pk);
    item.push(keys::SK, sk);
    item
}

/// An object as one of the model's types.
pub fn typed<T: DeserializeOwned>(object: impl Into<Map<String, Value>>) -> Result<T, UnreadableItem> {
    Ok(serde_json::from_value(Value::Object(object.into()))?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn why_an_item_cannot_be_read_is_told_without_what_stands_there() {
        let why = |value: Value| typed::<Recording>(value.as_object().unwrap().clone()).unwrap_err().why();
        assert_eq!(why(json!({"slot": "main"})), "missing field `state`");
        let number = "13900000000, expected 13900000000";
        for (slot, state) in [(json!("main"), json!(number)), (json!([number]), json!("pending"))] {
            let why = why(json!({"slot": slot, "state": state}));
            assert!(why.starts_with("expected ") && !why.contains("139"), "{why}");
        }
        let own = UnreadableItem(Error::custom(format!("not a time: {number}")));
        assert_eq!(own.why(), "a value that no release writes");
    }
}
