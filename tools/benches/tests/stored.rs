//! What is stored stays byte for byte the same, whichever way it is made: the items of every fixture, and of calls that many bodies
//! tell of, in any order, with nulls, repeats, unsound values and values that are too large.
//!
//! `stored.txt` has a line for each case: its name, how many items it comes to, and the SHA-256 of their attribute values, written
//! in one way only. Where a line differs, `STORED_OUT=<folder>` has the test write the attribute values themselves, a file a case,
//! to be compared with those of an older build, and the lines: a change of what is stored that is meant replaces them.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::tz::Offset;
use runtime::store::attributes::{from_attributes, to_attributes};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::normalize::{Context, PushType};
use shared::record::item::{self, Asked, Item, NewItem};
use shared::record::keys;
use shared::record::merge::{self, CALL_WRITERS, CONVERSATION_WRITERS, Contribution};
use shared::record::missing::Waiting;
use shared::record::parts::{Element, Parts, announced_at, merged, parts, refreshed};
use shared::record::tombstone::tombstone;

/// How many calls are made up.
const CALLS: u64 = 300;

const PUSHES: [&PushType; 6] = [
    &alicom_call_report::PUSH,
    &alicom_call_record::PUSH,
    &alicom_call_note::PUSH,
    &fetch_conversations::ANSWER,
    &ai_voice_call_record::PUSH,
    &laaffic_status_report::PUSH,
];

fn at(millis: i64) -> Instant {
    Instant::from_epoch_millis(1_748_743_533_120 + millis).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every body that the project has of a push, by name.
fn fixtures(push: &PushType) -> BTreeMap<String, Vec<u8>> {
    let folder = root().join("functions").join(push.function).join("test_data");
    let mut bodies = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = format!("{}/{}", push.function, path.file_stem().unwrap().to_str().unwrap());
            bodies.insert(name, fs::read(&path).unwrap());
        }
    }
    let event = fs::read(root().join("events").join(push.function).with_extension("json")).unwrap();
    let event: Value = serde_json::from_slice(&event).unwrap();
    if let Some(body) = event.get("body").and_then(Value::as_str) {
        bodies.insert(format!("{}/event", push.function), body.as_bytes().to_vec());
    }
    bodies
}

/// A table of one call, as DynamoDB would hold it, and what was told beside it.
#[derive(Default)]
struct Stored {
    items: BTreeMap<String, HashMap<String, AttributeValue>>,
    told: String,
}

impl Stored {
    fn item(&self, sk: &str) -> Option<Item> {
        self.items.get(sk).cloned().map(from_attributes)
    }

    fn put(&mut self, item: impl Into<NewItem>) {
        let attributes = to_attributes(item);
        let sk = attributes[keys::SK].as_s().unwrap().clone();
        self.items.insert(sk, attributes);
    }

    /// Stores elements of one call as a push does: what it says of the call, of its conversation, its recordings, itself.
    fn store(&mut self, key: &CallKey, elements: Vec<Element>) {
        let all: Vec<Parts> = elements.into_iter().map(parts).collect();
        for (name, bytes) in all.iter().flat_map(|parts| &parts.large) {
            writeln!(self.told, "large {name} {}", hex::encode(Sha256::digest(bytes))).unwrap();
        }
        let call = all.iter().map(|parts| parts.call.clone()).collect();
        self.merge(key, keys::CALL, call);
        let conversation: Vec<_> = all.iter().filter_map(|parts| parts.conversation.clone()).collect();
        if !conversation.is_empty() {
            self.merge(key, keys::CONVERSATION, conversation);
        }
        for parts in &all {
            for source in &parts.recordings {
                let sk = keys::recording_sk(&source.slot);
                let item = refreshed(self.item(&sk), key, source, parts.call.received_at).unwrap();
                item.into_iter().for_each(|item| self.put(item));
            }
        }
        for parts in all {
            self.put(item::push_item(parts.push));
        }
    }

    fn merge(&mut self, key: &CallKey, sk: &str, said: Vec<Contribution>) {
        let is_call = sk == keys::CALL;
        let writers = if is_call { CALL_WRITERS } else { CONVERSATION_WRITERS };
        let to_item = |record| match is_call {
            true => item::call_item(key, record, Waiting::default()),
            false => Ok(item::conversation_item(key, record)),
        };
        match merged(self.item(sk), writers, said, to_item) {
            Ok(merged) => {
                writeln!(self.told, "{sk} erased {} earlier {:?}", merged.erased, merged.earlier).unwrap();
                merged.item.into_iter().for_each(|item| self.put(item));
            }
            Err(error) => writeln!(self.told, "{sk} {error}").unwrap(),
        }
    }

    /// The call read anew of those bodies.
    fn rebuild(&mut self, key: &CallKey, said: &[Contribution]) {
        let Some(stored) = self.item(keys::CALL).map(|item| item::record(item).unwrap()) else { return };
        if stored.erased {
            return;
        }
        let rebuilt = merge::rebuilt(CALL_WRITERS, &stored, said);
        self.put(item::call_item(key, rebuilt, Waiting::default()).unwrap());
    }

    /// All of it, written in one way only.
    fn canonical(&self) -> String {
        let mut text = self.told.clone();
        for (sk, item) in &self.items {
            writeln!(text, "{sk}").unwrap();
            attributes(&mut text, item);
            text.push('\n');
        }
        text
    }
}

fn attributes(text: &mut String, map: &HashMap<String, AttributeValue>) {
    text.push('{');
    for (name, value) in map.iter().collect::<BTreeMap<_, _>>() {
        write!(text, "{name:?}:").unwrap();
        attribute(text, value);
        text.push('\n');
    }
    text.push('}');
}

fn attribute(text: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::S(string) => write!(text, "S{string:?}").unwrap(),
        AttributeValue::N(number) => write!(text, "N{number}").unwrap(),
        // As it is read: another release of the library may compress it otherwise.
        AttributeValue::B(_) => {
            let read = from_attributes(HashMap::from([("body_gzip".to_owned(), value.clone())]));
            write!(text, "B{:?}", read["body"].as_str().unwrap()).unwrap();
        }
        AttributeValue::Bool(truth) => write!(text, "BOOL{truth}").unwrap(),
        AttributeValue::Null(truth) => write!(text, "NULL{truth}").unwrap(),
        AttributeValue::M(map) => attributes(text, map),
        AttributeValue::L(list) => {
            text.push('[');
            for value in list {
                attribute(text, value);
                text.push(',');
            }
            text.push(']');
        }
        other => panic!("no item of ours has {other:?}"),
    }
}

/// A list of numbers that is the same on every machine, for as long as there are calls to be made up.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }
}

/// The fields that hold what was said.
const CONVERSATIONS: [&str; 3] = ["conversationRecord", "ConversationRecord", "callDetailList"];

/// Values that a sender might put in the place of another: what is no value of the document's, what DynamoDB or a reader can't take,
/// what is too large. The last two are conversations.
fn odd_values() -> Vec<Value> {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let deep = format!("{}1{}", "[".repeat(30), "]".repeat(30));
    vec![
        Value::Null,
        Value::Null,
        Value::Null,
        json!(true),
        json!(""),
        json!(" padded \n"),
        json!("words 用户 \u{1f600}"),
        json!("2025-06-01 10:00:00"),
        json!("1754617273"),
        number("0"),
        number("-0"),
        number("7.0"),
        number("1.50"),
        number("12.5e3"),
        number("1e400"),
        number("12345678901234567890.25"),
        number("123456789012345678901234567890123456789"),
        number("1774509744963"),
        json!([]),
        json!({}),
        json!({"": 1, "a": null}),
        json!({"a": {"b": [1, null, true, 1.50, "x"]}}),
        number(&deep),
        json!(["a", "b", 3]),
        json!([{"role": "assistant", "content": "hello"}, {"role": "user", "content": "yes", "new": {"": 1}}]),
        json!("{\"tag\": \"v\", \"list\": [\"a\", \"b\"], \"\": 1}"),
        json!("ANSWERED"),
        json!("long ".repeat(60)),
        json!("long ".repeat(1_000)),
        json!("long ".repeat(14_000)),
        json!(vec![0; 1_100]),
        json!("http://a.example/r.wav?Expires=1749000000"),
        json!([{"role": "assistant", "content": "long ".repeat(14_000)}]),
        json!([{"type": "PERSON", "text": "long ".repeat(14_000), "startOffset": 5, "new": [1.50]}]),
    ]
}

/// Names that no document has, some of which look like names of our own.
const NEW_NAMES: [&str; 12] = [
    "",
    " ",
    "new",
    "newer",
    "large_key",
    "status",
    "has",
    "task_id",
    "taskId_untrimmed",
    "found_by",
    "startTime",
    "turns",
];

/// Bodies that may tell of one call, with what is to be changed in them.
struct Bodies {
    provider: Provider,
    elements: Vec<(&'static PushType, Map<String, Value>)>,
}

impl Bodies {
    fn of(provider: Provider) -> Self {
        let mut elements = Vec::new();
        for push in PUSHES.into_iter().filter(|push| push.provider == provider) {
            for body in fixtures(push).into_values() {
                let Ok(found) = push.elements(&body) else { continue };
                let objects =
                    found.texts.iter().filter_map(|text| shared::normalize::body::object(text).ok());
                elements.extend(objects.map(|object| (push, object)));
            }
        }
        Self { provider, elements }
    }

    fn key(&self) -> CallKey {
        CallKey { provider: self.provider, call_id: CallId::new("10^1".to_owned()).unwrap() }
    }

    /// One of them, changed at random, about the one call.
    fn any(&self, dice: &mut Dice, odd: &[Value]) -> Option<Element> {
        let (push, object) = dice.one_of(&self.elements);
        let mut object = object.clone();
        let names: Vec<String> = object.keys().cloned().collect();
        for _ in 0..dice.roll(5) {
            let name = dice.one_of(&names).clone();
            match dice.roll(4) {
                0 => drop(object.remove(&name)),
                1 => drop(object.insert(name, Value::Null)),
                2 => drop(object.insert(name, dice.one_of(odd).clone())),
                _ => drop(object.insert((*dice.one_of(&NEW_NAMES)).to_owned(), dice.one_of(odd).clone())),
            }
        }
        let turns = names.iter().find(|name| CONVERSATIONS.contains(&name.as_str()));
        if let Some(turns) = turns.filter(|_| dice.roll(8) == 0) {
            object.insert(turns.clone(), dice.one_of(&odd[odd.len() - 2..]).clone());
        }
        let received_at = at(i64::try_from(dice.roll(6)).unwrap() * 700);
        let asked = (push.function == merge::QUERY && dice.roll(2) == 0).then(|| Asked {
            found_by: (dice.roll(2) == 0).then(|| "reconciliation".to_owned()),
            ids: [("task_id".to_owned(), "7".to_owned()), ("detail_id".to_owned(), "9".to_owned())].into(),
        });
        let text = Value::Object(object).to_string();
        let expires = (dice.roll(2) == 0).then_some(1_780_000_000);
        let envelope = (dice.roll(3) == 0).then(|| "0123456789abcdef".to_owned());
        element(push, self.key(), &text, received_at, Beside { expires, envelope, asked })
    }
}

/// What is told of an element beside its text.
#[derive(Default)]
struct Beside {
    expires: Option<i64>,
    envelope: Option<String>,
    asked: Option<Asked>,
}

fn element(
    push: &PushType,
    key: CallKey,
    text: &str,
    received_at: Instant,
    beside: Beside,
) -> Option<Element> {
    let context = Context { received_at, utc_offset: Offset::constant(8) };
    let normalized = push.normalized(text, &context).ok()?;
    let Beside { expires, envelope, asked } = beside;
    Some(Element { key, push: *push, context, expires, text: text.to_owned(), envelope, asked, normalized })
}

/// The same body, received at another time.
fn received(mut element: Element, received_at: Instant) -> Element {
    let was = element.context.received_at;
    for source in &mut element.normalized.recordings {
        announced_at(source, was, received_at);
    }
    element.context.received_at = received_at;
    element
}

/// A call that bodies tell of, one by one and several at once, some of them again.
fn made_up(bodies: &Bodies, number: u64, odd: &[Value]) -> Stored {
    let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let key = bodies.key();
    let mut all: Vec<Element> = Vec::new();
    while all.len() < 1 + dice.roll(7) {
        all.extend(bodies.any(&mut dice, odd));
    }
    for _ in 0..dice.roll(4) {
        let again = dice.one_of(&all).clone();
        let later = at(i64::try_from(dice.roll(9)).unwrap() * 500);
        all.push(received(again, later));
    }
    let mut stored = Stored::default();
    let mut said = Vec::new();
    let mut kept: BTreeMap<String, Contribution> = BTreeMap::new();
    while !all.is_empty() {
        let mut push = Vec::new();
        for _ in 0..=dice.roll(2).min(all.len() - 1) {
            push.push(all.swap_remove(dice.roll(all.len())));
        }
        said.extend(push.iter().map(|element| parts(element.clone()).call));
        stored.store(&key, push);
    }
    if dice.roll(3) == 0 {
        for one in said {
            kept.entry(one.body.clone()).or_insert(one);
        }
        let mut kept: Vec<_> = kept.into_values().collect();
        kept.truncate(1 + dice.roll(kept.len()));
        stored.rebuild(&key, &kept);
    }
    if dice.roll(20) == 0 {
        let prefixes = ["large/alicom/1/".to_owned()];
        stored.put(tombstone(&key, at(9_000), prefixes, Some(at(9_500)), 3));
        stored.store(&key, bodies.any(&mut dice, odd).into_iter().collect());
    }
    stored
}

/// Every case, by name: how many items it comes to, and what they are.
fn cases() -> BTreeMap<String, (usize, String)> {
    let mut cases = BTreeMap::new();
    for push in PUSHES {
        for (name, body) in fixtures(push) {
            let Ok(elements) = push.elements(&body) else { continue };
            let mut calls: BTreeMap<CallKey, Stored> = BTreeMap::new();
            for text in elements.texts {
                let context = Context { received_at: at(0), utc_offset: Offset::constant(8) };
                let Ok(normalized) = push.normalized(text, &context) else { continue };
                let key = CallKey { provider: push.provider, call_id: normalized.call_id };
                let element = element(push, key.clone(), text, at(0), Beside::default());
                calls.entry(key.clone()).or_default().store(&key, element.into_iter().collect());
            }
            let items = calls.values().map(|stored| stored.items.len()).sum();
            cases.insert(name, (items, calls.values().map(Stored::canonical).collect()));
        }
    }
    let odd = odd_values();
    for provider in Provider::ALL {
        let bodies = Bodies::of(provider);
        for number in 0..CALLS {
            let stored = made_up(&bodies, number, &odd);
            cases.insert(format!("{provider}/{number:03}"), (stored.items.len(), stored.canonical()));
        }
    }
    cases
}

/// What a merge has consumed is made anew where a put is refused.
#[test]
fn an_element_says_the_same_when_it_is_read_once_more() {
    let odd = odd_values();
    let (mut of_conversations, mut announced) = (0, 0);
    for provider in Provider::ALL {
        let bodies = Bodies::of(provider);
        for number in 0..CALLS {
            let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let Some(element) = bodies.any(&mut dice, &odd) else { continue };
            let (again, first) = (element.origin().parts().unwrap(), parts(element));
            assert_eq!(again.call, first.call);
            assert_eq!(again.conversation, first.conversation);
            assert_eq!(again.recordings, first.recordings);
            of_conversations += usize::from(first.conversation.is_some());
            announced += first.recordings.len();
        }
    }
    assert!(of_conversations > 100 && announced > 100, "{of_conversations}, {announced}");
}

#[test]
fn what_is_stored_is_the_same_to_the_last_byte() {
    let cases = cases();
    let lines: Vec<_> = cases
        .iter()
        .map(|(name, (items, canonical))| {
            format!("{name} {items} {}", &hex::encode(Sha256::digest(canonical))[..16])
        })
        .collect();
    if let Some(folder) = env::var_os("STORED_OUT").map(PathBuf::from) {
        fs::create_dir_all(folder.join("cases")).unwrap();
        for (name, (_, canonical)) in &cases {
            let path = folder.join("cases").join(format!("{}.txt", name.replace('/', "-")));
            fs::write(path, canonical).unwrap();
        }
        fs::write(folder.join("stored.txt"), lines.join("\n") + "\n").unwrap();
    }
    let expected: Vec<_> = include_str!("stored.txt").lines().collect();
    let differing: Vec<_> = lines.iter().filter(|line| !expected.contains(&line.as_str())).collect();
    assert!(differing.is_empty(), "stored otherwise than before:\n{differing:#?}");
    assert_eq!(lines.len(), expected.len(), "every case of `stored.txt` is there");
}
