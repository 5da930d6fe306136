//! What has to be stored of a call, given which of its messages were acknowledged; and how what is stored differs.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::call::{Call, Platform};
use super::element::{Element, Says};

/// What stands in an item beside what was said: when it came, how often it was written, and what is still to be done.
const BOOKKEEPING: [&str; 11] = [
    "version",
    "sources",
    "bodies",
    "first_received_at",
    "updated_at",
    "asked",
    "next_ask_at",
    "settled_at",
    "due",
    "due_at",
    "ttl",
];

/// The partition under which all of a call lies.
pub(super) fn partition(call: &Call) -> String {
    format!("call#{}#{}", provider(call), call.id)
}

/// The provider, as keys name it.
pub(super) fn provider(call: &Call) -> &'static str {
    match call.platform {
        Platform::Alibaba => "alicom",
        Platform::AiVoice { .. } => "ai-voice",
        Platform::Laaffic => "laaffic",
    }
}

/// The sort key of a message, verbatim.
pub(super) fn push_key(element: &Element) -> String {
    format!("push#{}#{}", element.function, hex::encode(&Sha256::digest(&element.text)[..8]))
}

/// What each function says of a call, where it was told several messages: of each field the value of the message that was
/// received last, which takes back what it has no value for. `messages` are by function, each with when it was first
/// received; of two received at the same moment the digest decides.
pub(super) fn said_by_function(messages: &[(&Element, String)]) -> Vec<Element> {
    let mut by_function: Vec<Vec<(&Element, String, String)>> = Vec::new();
    for (element, received_at) in messages {
        let one = (*element, received_at.clone(), push_key(element));
        match by_function.last_mut() {
            Some(list) if list[0].0.function == element.function => list.push(one),
            _ => by_function.push(vec![one]),
        }
    }
    let folded = by_function.into_iter().filter_map(|mut list| {
        list.sort_by(|a, b| (&a.1, &a.2).cmp(&(&b.1, &b.2)));
        list.into_iter().map(|(element, _, _)| element.clone()).reduce(told_later)
    });
    folded.collect()
}

/// What is said after a later message of the same function.
fn told_later(mut earlier: Element, later: Element) -> Element {
    let Says { claims, status, kept, conversation, recordings, nulls } = later.says;
    let said = &mut earlier.says;
    for field in &nulls {
        said.claims.retain(|claim| claim.field != *field);
        said.status.remove(*field);
        said.kept.remove(*field);
        said.kept.remove(&format!("{field}_untrimmed"));
    }
    said.claims.retain(|claim| claims.iter().all(|newer| newer.attribute != claim.attribute));
    said.claims.extend(claims);
    said.status.extend(status);
    said.kept.extend(kept);
    said.conversation.extend(conversation);
    said.recordings.extend(recordings);
    earlier
}

/// The call's item, without its bookkeeping, after what these functions say, the strongest first: of each attribute the
/// strongest value, and where a weaker one differs, that under `extra`.
pub(super) fn call_item(call: &Call, elements: &[Element]) -> Map<String, Value> {
    let mut item = identity(call, "call");
    item.insert("provider".to_owned(), provider(call).into());
    item.insert("call_id".to_owned(), call.id.clone().into());
    let mut status = Map::new();
    let mut extra: Map<String, Value> = Map::new();
    let mut has: Map<String, Value> = Map::new();
    for Element { function, says, .. } in elements {
        let mut kept = says.kept.clone();
        for claim in &says.claims {
            match item.get(claim.attribute) {
                None => {
                    item.insert(claim.attribute.to_owned(), claim.value.clone());
                }
                Some(stronger) if *stronger != claim.value => {
                    kept.insert(claim.field.to_owned(), claim.value.clone());
                }
                Some(_) => {}
            }
        }
        status.extend(says.status.clone());
        let said = [
            ("conversation", says.conversation.contains_key("turns")),
            ("recording", !says.recordings.is_empty()),
        ];
        has.extend(
            said.into_iter().filter(|(_, said)| *said).map(|(what, _)| (what.to_owned(), true.into())),
        );
        if !kept.is_empty() {
            extra.insert((*function).to_owned(), kept.into());
        }
    }
    for (name, map) in [("status", status), ("extra", extra), ("has", has)] {
        if !map.is_empty() {
            item.insert(name.to_owned(), map.into());
        }
    }
    let text =
        |item: &Map<String, Value>, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let task_key = text(&item, "task_id").map(|task| format!("{}#{task}", provider(call)));
    let callee_key = text(&item, "callee").filter(|callee| !callee.contains('*'));
    let others = ["submitted_at", "ringing_at", "answered_at", "ended_at"];
    let call_at =
        text(&item, "originated_at").or_else(|| others.iter().filter_map(|name| text(&item, name)).min());
    for (name, value) in [("task_key", task_key), ("callee_key", callee_key), ("call_at", call_at)] {
        item.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    item
}

/// The conversation's item, without its bookkeeping; `None` where nobody says anything of one.
pub(super) fn conversation_item(call: &Call, elements: &[Element]) -> Option<Map<String, Value>> {
    let said: Map<_, _> =
        elements.iter().rev().flat_map(|element| element.says.conversation.clone()).collect();
    (!said.is_empty()).then(|| identity(call, "conversation").into_iter().chain(said).collect())
}

/// The items of the recordings that a message announces, as far as the message tells.
pub(super) fn recording_items(
    call: &Call,
    says: &Says,
) -> Vec<(super::element::Recording, Map<String, Value>)> {
    let items = says.recordings.iter().map(|recording| {
        let mut item = identity(call, &format!("recording#{}", recording.slot));
        item.insert("slot".to_owned(), recording.slot.clone().into());
        item.extend(recording.url.clone().map(|url| ("source_url".to_owned(), url.into())));
        item.extend(recording.id.clone().map(|id| ("source_id".to_owned(), id.into())));
        item.extend(
            recording
                .signed_until
                .map(|at| ("source_expires_at".to_owned(), super::element::instant(at).into())),
        );
        (recording.clone(), item)
    });
    items.collect()
}

fn identity(call: &Call, sk: &str) -> Map<String, Value> {
    let fields = [("pk", partition(call)), ("sk", sk.to_owned())];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// What of a stored item differs from the truth, as `path: expected …, stored …`; bookkeeping and `beside` are left out.
pub(super) fn differences(
    truth: &Map<String, Value>,
    stored: &Map<String, Value>,
    beside: &[&str],
) -> Vec<String> {
    let mut stored = stored.clone();
    stored.retain(|name, _| {
        truth.contains_key(name) || !BOOKKEEPING.contains(&name.as_str()) && !beside.contains(&name.as_str())
    });
    let mut found = Vec::new();
    compare("", &truth.clone().into(), &stored.into(), &mut found);
    found
}

fn compare(path: &str, truth: &Value, stored: &Value, found: &mut Vec<String>) {
    match (truth, stored) {
        (Value::Object(truth), Value::Object(stored)) => {
            let path_of =
                |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            for (name, value) in truth {
                compare(&path_of(name), value, stored.get(name).unwrap_or(&Value::Null), found);
            }
            for (name, value) in stored.iter().filter(|(name, _)| !truth.contains_key(*name)) {
                found.push(format!("{}: nothing was said, stored {}", path_of(name), brief(value)));
            }
        }
        (Value::Array(truth), Value::Array(stored)) if truth.len() == stored.len() => {
            for (number, (truth, stored)) in truth.iter().zip(stored).enumerate() {
                compare(&format!("{path}[{number}]"), truth, stored, found);
            }
        }
        (truth, stored) if same(truth, stored) => {}
        (truth, Value::Null) => found.push(format!("{path}: expected {}, stored nothing", brief(truth))),
        (truth, stored) => found.push(format!("{path}: expected {}, stored {}", brief(truth), brief(stored))),
    }
}

/// Whether two values are the same. A table hands a number back without the zeros at its end.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => plain(&a.to_string()) == plain(&b.to_string()),
        _ => a == b,
    }
}

fn plain(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// A value short enough for a line. All of it was made up: there is nobody's number in it.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_kind_of_difference_is_named_by_its_path() {
        let truth = map(json!({"a": 1, "cost": {"amount": 0.10}, "turns": [{"text": "x"}], "gone": "y"}));
        let stored = map(json!({
            "a": 2, "cost": {"amount": 0.1}, "turns": [{"text": "x", "more": 1}], "version": 7, "new": [], "skipped": 1,
        }));
        assert_eq!(
            differences(&truth, &stored, &["skipped"]),
            [
                "a: expected 1, stored 2",
                "gone: expected \"y\", stored nothing",
                "turns[0].more: nothing was said, stored 1",
                "new: nothing was said, stored []",
            ]
        );
    }

    #[test]
    fn lists_of_different_length_and_numbers_of_different_kind_differ() {
        let differ =
            |a: Value, b: Value| differences(&map(json!({"x": a})), &map(json!({"x": b})), &[]).len();
        assert_eq!(differ(json!([1]), json!([1, 2])), 1);
        assert_eq!(differ(json!("1"), json!(1)), 1);
        assert_eq!(differ(json!(10), json!(1)), 1);
        assert_eq!(differ(json!(1.50), json!(1.5)), 0);
    }
}
