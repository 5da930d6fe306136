//! What the functions' tests have in common.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this is test code")]

pub mod leaks;
pub mod log;
pub mod proxy;
pub mod vcon;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::tz::Offset;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use runtime::config::{PushConfig, Tokens, Zones};
use shared::model::{CallFacts, CallKey, ConversationFacts, Instant};
use shared::normalize::{Context, PushType};
use shared::record::inquiry::HAS;
use shared::record::item;
use shared::record::merge::{self, CALL_WRITERS, CONVERSATION_WRITERS};
use shared::record::parts::{Element, parts};
use shared::record::storable::storable_object;

/// The context of every fixture: received on 2025-06-01 at 10:05:33.120 in China.
pub fn context() -> Context {
    Context {
        received_at: Instant::from_epoch_millis(1_748_743_533_120).unwrap(),
        utc_offset: Offset::constant(8),
    }
}

/// What a body comes to: a list of models and rejections, or what is wrong with the body.
pub fn outcome_of(push: &PushType, body: &[u8]) -> Value {
    let elements = match push.elements(body) {
        Ok(elements) => elements,
        Err(error) => return json!({"no_elements": format!("{error:?}")}),
    };
    let outcomes = elements.texts.iter().map(|text| match push.normalized(text, &context()) {
        Ok(normalized) => serde_json::to_value(normalized).unwrap(),
        Err(rejection) => json!({"rejected": rejection.to_string(), "field": rejection.field()}),
    });
    outcomes.collect()
}

/// Checks every `<name>.json` of a folder against `<name>.snap` beside it, and that no snapshot is without its fixture.
pub fn check_golden_outputs(push: &PushType, folder: &str) {
    let names = |extension: &str| -> BTreeSet<String> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let of_kind = files.filter(|path| path.extension().is_some_and(|found| found == extension));
        of_kind.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let fixtures = names("json");
    assert!(!fixtures.is_empty(), "there are fixtures in {folder}");
    for name in &fixtures {
        let body = fs::read(Path::new(folder).join(name).with_extension("json")).unwrap();
        let golden = serde_json::to_string_pretty(&outcome_of(push, &body)).unwrap();
        insta::with_settings!({snapshot_path => folder, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name.as_str(), golden);
        });
    }
    assert_eq!(
        names("snap").difference(&fixtures).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "snapshots without fixture"
    );
}

/// Checks that every leaf of a sample is found outside the verbatim push: in an attribute of the model, or in `extra`. A time is
/// found as the instant that it means; text that holds JSON, by the leaves of that JSON. A null says nothing.
pub fn check_leaves(push: &PushType, sample: &str) {
    check_leaves_in_other_words(push, sample, &[]);
}

/// [`check_leaves`], where the model has words of its own for some of the document's: `(theirs, ours)`.
pub fn check_leaves_in_other_words(push: &PushType, sample: &str, words: &[(&str, &str)]) {
    let elements = push.elements(sample.as_bytes()).unwrap();
    for text in &elements.texts {
        let normalized = serde_json::to_value(push.normalized(text, &context()).unwrap()).unwrap();
        let mut kept = BTreeSet::new();
        leaves(&normalized, "", &mut |_, leaf| {
            kept.insert(leaf.to_owned());
        });
        let mut lost = Vec::new();
        leaves(&serde_json::from_str(text).unwrap(), "", &mut |path, leaf| {
            let instant = Instant::parse(leaf, context().utc_offset).map(|instant| instant.to_string());
            let translated = words.iter().find(|(theirs, _)| *theirs == leaf).map(|(_, ours)| *ours);
            if !kept.contains(leaf)
                && !kept.contains(leaf.trim())
                && !translated.is_some_and(|ours| kept.contains(ours))
                && !instant.is_some_and(|instant| kept.contains(&instant))
            {
                lost.push(format!("{path} = {leaf}"));
            }
        });
        assert_eq!(lost, Vec::<String>::new(), "leaves that are nowhere in {normalized:#}");
    }
}

/// Visits the leaves of a value, by path, as text.
pub fn leaves(value: &Value, path: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Null => {}
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{path}[{i}]"), visit))
        }
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| leaves(value, &format!("{path}.{name}"), visit))
        }
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => leaves(&inner, path, visit),
            _ => visit(path, text),
        },
        Value::Bool(truth) => visit(path, &truth.to_string()),
        Value::Number(number) => visit(path, &number.to_string()),
    }
}

/// Checks that neither arbitrary JSON nor a mutation of the sample makes the normalizer panic, and that what is made of them is
/// the same each time.
pub fn check_no_panic(push: &PushType, sample: &str) {
    let mut runner = TestRunner::new(Config { cases: 512, failure_persistence: None, ..Config::default() });
    let sample: Value = serde_json::from_str(sample).unwrap();
    let bodies = prop_oneof![
        arbitrary_json().prop_map(|value| value.to_string().into_bytes()),
        mutated(sample).prop_map(|value| value.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    runner
        .run(&bodies, |body| {
            check_body(push, &body);
            Ok(())
        })
        .unwrap();
}

/// Checks that the same is made of a body each time, and that what is made of it stands in an item as serde would write it, and reads back
/// from there as it was.
pub fn check_body(push: &PushType, body: &[u8]) {
    assert_eq!(outcome_of(push, body), outcome_of(push, body));
    let Ok(elements) = push.elements(body) else { return };
    for normalized in elements.texts.iter().filter_map(|text| push.normalized(text, &context()).ok()) {
        let call = storable_object(item::object(&normalized.call).unwrap());
        assert_eq!(normalized.call.clone().into_facts(), call.clone().into());
        let read: CallFacts = item::typed(call.clone()).unwrap();
        assert_eq!(storable_object(item::object(&read).unwrap()), call);
        let conversation = storable_object(item::object(&normalized.conversation).unwrap());
        assert_eq!(normalized.conversation.clone().into_facts(), conversation.clone().into());
        let read: ConversationFacts = item::typed(conversation.clone()).unwrap();
        assert_eq!(storable_object(item::object(&read).unwrap()), conversation);
    }
}

/// Checks what a null takes back, for every field of every fixture: where a body comes again with the field null, the call and its
/// conversation are known as if the field had never been there, whichever of the two is merged first.
pub fn check_nulls(push: &PushType, folder: &str) {
    check_nulls_of_record(push, folder, "data");
}

/// [`check_nulls`], where an element wraps its record in the field `wrapper`.
pub fn check_nulls_of_record(push: &PushType, folder: &str, wrapper: &str) {
    let within = format!("/{wrapper}");
    let mut checked = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = fs::read(&path).unwrap();
        let Ok(elements) = push.elements(&body) else { continue };
        for text in &elements.texts {
            let Ok(element) = serde_json::from_str::<Value>(text) else { continue };
            for pointer in pointers(&element).iter().filter(|pointer| is_a_field(pointer, &within)) {
                // A field that stands beside the record too is kept under another name while the record has one.
                if pointer.strip_prefix(&within).is_some_and(|beside| element.pointer(beside).is_some()) {
                    continue;
                }
                let nulled = with_null(&element, pointer);
                let [Some(whole), Some(nulled), Some(without)] =
                    [Some(element.clone()), Some(nulled), without(&element, pointer)]
                        .map(|element| contributions(push, &element?))
                else {
                    continue;
                };
                let nulled = nulled.map(|said| {
                    said.map(|said| merge::Contribution {
                        received_at: said.received_at.plus_seconds(1),
                        ..said
                    })
                });
                for (number, writers) in [CALL_WRITERS, CONVERSATION_WRITERS].into_iter().enumerate() {
                    let [whole, nulled] = [&whole[number], &nulled[number]];
                    let (facts, extra) = known(writers, &[&without[number]]);
                    for order in [[whole, nulled], [nulled, whole]] {
                        let (known_facts, mut known_extra) = known(writers, &order);
                        assert_eq!(known_facts, facts, "{pointer} in {}", path.display());
                        // What the field's absence makes of other fields takes nothing back of them.
                        known_extra.retain(|name, _| {
                            extra.contains_key(name) || pointer.ends_with(&format!("/{name}"))
                        });
                        assert_eq!(known_extra, extra, "{pointer} in {}", path.display());
                    }
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "there are fields in {folder}");
}

/// Whether a path leads to a field of an element, or of the record in it where it is wrapped.
fn is_a_field(pointer: &str, within: &str) -> bool {
    let field = pointer.strip_prefix(within).filter(|rest| !rest.is_empty()).unwrap_or(pointer);
    field.matches('/').count() == 1
}

fn with_null(element: &Value, pointer: &str) -> Value {
    let mut element = element.clone();
    *element.pointer_mut(pointer).unwrap() = Value::Null;
    element
}

fn without(element: &Value, pointer: &str) -> Option<Value> {
    let mut element = element.clone();
    let (parent, name) = pointer.rsplit_once('/')?;
    element.pointer_mut(parent)?.as_object_mut()?.remove(&name.replace("~1", "/").replace("~0", "~"))?;
    Some(element)
}

/// What an element says of its call and its conversation.
fn contributions(push: &PushType, element: &Value) -> Option<[Option<merge::Contribution>; 2]> {
    let text = element.to_string();
    let context = context();
    let normalized = push.normalized(&text, &context).ok()?;
    let key = CallKey { provider: push.provider, call_id: normalized.call_id.clone() };
    let parts = parts(Element {
        key,
        push: *push,
        context,
        expires: None,
        text,
        envelope: None,
        asked: None,
        normalized,
    });
    Some([Some(parts.call), parts.conversation])
}

/// The facts and what else is known, without what says nothing and what only grows.
fn known(writers: merge::Writers, said: &[&Option<merge::Contribution>]) -> (Value, Map<String, Value>) {
    let mut record = None;
    for said in said.iter().copied().flatten() {
        merge::merge(writers, &mut record, said.clone());
    }
    let Some(mut record) = record else { return (json!({}), Map::new()) };
    record.facts.remove(HAS);
    let mut extra = record.extra.into_values().next().unwrap_or_default();
    extra.retain(|_, value| !value.is_null());
    (record.facts.into(), extra)
}

/// Settings of a push function that accepts the tokens with these digests.
pub fn push_config(token_digests: Vec<[u8; 32]>) -> PushConfig {
    PushConfig {
        tokens: Tokens::everywhere(token_digests),
        allowed_sources: Vec::new(),
        max_body_bytes: 4 * 1024 * 1024,
        zones: Zones::default(),
        retention_days: None,
    }
}

/// JSON of any shape.
pub fn arbitrary_json() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "-?[1-9][0-9]{0,60}(\\.[0-9]{1,50})?([eE]-?[0-9]{1,5})?"
            .prop_map(|number| serde_json::from_str(&number).unwrap()),
        "\\PC{0,30}".prop_map(Value::String),
        "[0-9]{1,20}".prop_map(Value::String),
        "2025-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}".prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map(
                prop_oneof![9 => "\\PC{0,12}", 1 => "\\$serde_json::private::(Number|RawValue)"],
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The value with some of its parts replaced by arbitrary JSON.
pub fn mutated(sample: Value) -> impl Strategy<Value = Value> {
    proptest::collection::vec((any::<proptest::sample::Index>(), arbitrary_json()), 1..4).prop_map(
        move |mutations| {
            let mut value = sample.clone();
            for (index, replacement) in mutations {
                let pointers = pointers(&value);
                *value.pointer_mut(&pointers[index.index(pointers.len())]).unwrap() = replacement;
            }
            value
        },
    )
}

fn pointers(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let children: Vec<(String, &Value)> = match value {
        Value::Array(list) => list.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, child) in children {
        all.extend(pointers(child).into_iter().map(|pointer| format!("/{name}{pointer}")));
    }
    all
}
