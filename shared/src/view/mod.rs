//! A call as it is shown to people and programs: in a list, and alone.
//!
//! Times are UTC, RFC 3339 with milliseconds; money is a string of digits with its currency, since whoever reads a number of JSON as a
//! double would lose digits. Whoever may not see numbers ([`Shown::numbers`]) sees them masked, texts without what looks like a number,
//! and nothing that is full of them: `extra`, where recordings were announced, the digests of pushes (of a body of which all but the
//! number is known, the digest tells the number).

pub mod field;
pub mod href;
mod mask;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use mask::Mask;

use crate::model::{CallKey, Instant, PhoneNumber, Recording, RecordingState, Review};
use crate::record::inquiry::HAS;
use crate::record::item::TURNS;
use crate::record::merge::{LARGE_KEY, Record};
use crate::whole_call::{StoredPush, WholeCall};
use field::{EXTRA, STATUS};

/// A JSON object.
pub type Object = Map<String, Value>;

/// How a call is shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Whether phone numbers are shown, and what is full of them.
    pub numbers: bool,
    /// The id that stands for a callee's number: the same each time, and it does not tell the number. `None` where there is no key.
    pub callee_id: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl Shown<'_> {
    /// What may be seen of the texts of a call.
    fn mask(&self, call: &Record) -> Mask {
        if self.numbers { Mask::none() } else { Mask::of(call.callee_numbers()) }
    }
}

/// The time by which lists are sorted, as an item has it: [`crate::model::CallFacts::call_at`], else the first receipt.
pub fn call_at(call: &Record) -> Instant {
    told_call_at(call).unwrap_or(call.first_received_at)
}

/// The same, as far as the platform tells it; `None` where only receipts are known.
pub fn told_call_at(call: &Record) -> Option<Instant> {
    let time = |name: &str| call.facts.get(name)?.as_str()?.parse::<Instant>().ok();
    let others = ["submitted_at", "ringing_at", "answered_at", "ended_at"];
    time("originated_at").or_else(|| others.into_iter().filter_map(time).min())
}

/// A call in a list: what is known of it, without the platform's codes and what the model has no attribute for.
pub fn listed(key: &CallKey, call: &Record, shown: &Shown<'_>) -> Object {
    let mut listed = known(key, call, shown, &shown.mask(call));
    listed.remove(STATUS);
    listed
}

/// What people say of a call, as it is shown beside it.
pub fn review(review: &Review, mask: &Mask) -> Object {
    match serde_json::to_value(review).map(|review| mask.json(review)) {
        Ok(Value::Object(review)) => review,
        Ok(_) | Err(_) => Object::new(),
    }
}

/// A call alone, with all that is stored of it. `review` is what people say of it.
pub fn alone(call: &WholeCall, review: Option<Value>, shown: &Shown<'_>) -> Object {
    let mask = shown.mask(&call.call);
    let mut facts = known(&call.key, &call.call, shown, &mask);
    facts.extend(extra(&call.call, shown));
    let key = &call.key;
    let recordings: Vec<_> = call.recordings.iter().map(|it| recording(key, it, shown, &mask)).collect();
    let pushes: Vec<_> = call.pushes.iter().map(|it| push(key, it, shown)).collect();
    let whole = json!({
        "call": facts,
        "conversation": call.conversation.as_ref().map(|it| conversation(it, shown, &mask)),
        "recordings": recordings,
        "pushes": pushes,
        "review": review.map(|review| mask.json(review)),
    });
    match whole {
        Value::Object(whole) => whole,
        _ => Object::new(),
    }
}

/// A recording, as it is shown beside its call or by itself, where only numbers of the call that are known are hidden.
pub fn recording(key: &CallKey, recording: &Recording, shown: &Shown<'_>, mask: &Mask) -> Object {
    let Recording {
        slot,
        source_url,
        source_id,
        source_expires_at,
        candidates: _,
        state,
        attempts,
        deaths: _,
        last_error,
        next_attempt_at,
        lost_at,
        lease_until: _,
        lease_owner: _,
        object_key: _,
        bytes,
        sha256,
        sha512,
        media_type,
        archived_at,
        call_at: _,
        first_received_at,
    } = recording;
    let time = |time: &Option<Instant>| time.map(|time| Value::String(time.to_text()));
    let text = |text: &Option<String>| text.as_ref().map(|text| Value::String(mask.text(text).into_owned()));
    let plain = |text: &Option<String>| text.clone().map(Value::String);
    let href = href::recording(key, slot);
    let tells_nothing = mask.may_show(key.call_id.as_str()) && mask.may_show(slot);
    let attributes = [
        ("slot", Some(Value::String(mask.id(slot).into_owned()))),
        ("state", Some(state.as_str().into())),
        ("media_type", text(media_type)),
        ("bytes", bytes.map(Value::from)),
        ("sha256", plain(sha256)),
        ("sha512", plain(sha512)),
        ("archived_at", time(archived_at)),
        ("attempts", (*state != RecordingState::Archived).then(|| Value::from(*attempts))),
        ("last_error", text(last_error)),
        ("next_attempt_at", time(next_attempt_at)),
        ("lost_at", time(lost_at)),
        ("source_expires_at", time(source_expires_at)),
        ("source_url", plain(source_url).filter(|_| shown.numbers)),
        ("source_id", plain(source_id).filter(|_| shown.numbers)),
        ("first_received_at", Some(first_received_at.to_text().into())),
        ("href", tells_nothing.then(|| href.into())),
    ];
    object(attributes)
}

/// What is known of a call, and where it is to be had.
fn known(key: &CallKey, call: &Record, shown: &Shown<'_>, mask: &Mask) -> Object {
    let call_id = key.call_id.as_str();
    let callee = call.facts.get("callee").and_then(Value::as_str).and_then(PhoneNumber::new);
    let callee_id =
        callee.filter(|callee| !callee.is_masked()).and_then(|callee| (shown.callee_id)(callee.as_str()));
    let mut known = object([
        ("provider", Some(key.provider.as_str().into())),
        ("call_id", Some(mask.id(call_id).into_owned().into())),
        ("call_at", Some(call_at(call).to_text().into())),
        ("callee_id", callee_id.map(Value::String)),
        ("first_received_at", Some(call.first_received_at.to_text().into())),
        ("updated_at", Some(call.updated_at.to_text().into())),
        // It holds the id.
        ("href", mask.may_show(call_id).then(|| href::call(key).into())),
    ]);
    let facts = call.facts.iter().filter(|(name, _)| *name != HAS);
    known.extend(facts.filter_map(|(name, value)| mask.attribute(name, value)));
    if let Some(amount) = known.get_mut("cost").and_then(|cost| cost.get_mut("amount"))
        && let Value::Number(exact) = amount
    {
        *amount = Value::String(exact.to_string());
    }
    known
}

/// What was said.
fn conversation(conversation: &Record, shown: &Shown<'_>, mask: &Mask) -> Object {
    let mut known = Object::new();
    for (name, value) in conversation.facts.iter().filter(|(name, _)| *name != HAS) {
        if name == TURNS {
            known.extend(turns(value, shown, mask).map(|turns| (TURNS.to_owned(), turns)));
        } else {
            known.extend(mask.attribute(name, value));
        }
    }
    known.insert("first_received_at".to_owned(), conversation.first_received_at.to_text().into());
    known.insert("updated_at".to_owned(), conversation.updated_at.to_text().into());
    known.extend(extra(conversation, shown));
    known
}

/// The turns, in order; `None` where they lie in the bucket and were not fetched.
fn turns(turns: &Value, shown: &Shown<'_>, mask: &Mask) -> Option<Value> {
    if turns.get(LARGE_KEY).is_some() {
        return None;
    }
    let Value::Array(turns) = turns else { return Some(mask.json(turns.clone())) };
    let turn = |turn: &Value| match turn {
        Value::Object(turn) => {
            let told = turn.iter().filter(|(name, _)| shown.numbers || *name != EXTRA);
            Value::Object(told.filter_map(|(name, value)| mask.attribute(name, value)).collect())
        }
        other => mask.json(other.clone()),
    };
    Some(turns.iter().map(turn).collect())
}

/// What the model has no attribute for, by function.
fn extra(record: &Record, shown: &Shown<'_>) -> Option<(String, Value)> {
    let shows = shown.numbers && !record.extra.is_empty();
    shows.then(|| (EXTRA.to_owned(), json!(record.extra)))
}

fn push(key: &CallKey, push: &StoredPush, shown: &Shown<'_>) -> Object {
    let StoredPush { received_at, function, digest, body: _ } = push;
    object([
        ("function", Some(function.as_str().into())),
        ("received_at", Some(received_at.to_text().into())),
        ("digest", shown.numbers.then(|| digest.as_str().into())),
        ("href", shown.numbers.then(|| href::push(key, function, digest).into())),
    ])
}

fn object<const N: usize>(attributes: [(&str, Option<Value>); N]) -> Object {
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
