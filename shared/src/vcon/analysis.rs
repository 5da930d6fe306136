//! The analysis: what was said, and what the platform makes of the call.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{AGENT, CALLEE, JSON, View};
use crate::masking::{Hidden, masked};
use crate::model::Instant;
use crate::record::inquiry::HAS;
use crate::record::item::TURNS;
use crate::whole_call::WholeCall;

/// The attributes that are numbers.
const NUMBERS: [&str; 3] = ["callee", "caller", "display_number"];
/// The attributes, of a call and of a turn, in which digits are no number of anybody's: what tells the callee's is hidden in them, and
/// what only looks like one is shown.
const NO_NUMBERS: [&str; 24] = [
    "provider",
    "call_id",
    "task_id",
    "batch_id",
    "detail_id",
    "out_id",
    "app_id",
    "script_id",
    "submitted_at",
    "originated_at",
    "ringing_at",
    "answered_at",
    "ended_at",
    "duration_s",
    "ring_s",
    "billed_s",
    "outcome",
    "hangup_by",
    "cost",
    "attempt",
    "speaker",
    "start_ms",
    "end_ms",
    "interrupted",
];

/// The attribute of a conversation that holds the values which the script was filled with.
const VARIABLES: &str = "variables";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Analysis {
    r#type: &'static str,
    dialog: usize,
    mediatype: &'static str,
    vendor: &'static str,
    schema: &'static str,
    encoding: &'static str,
    body: Value,
}

/// What was said, if that is known, and what the platform tells of the call. Its first recording is the dialog at `recordings_at`.
pub(super) fn of(call: &WholeCall, view: &View, recordings_at: usize) -> Vec<Analysis> {
    let analysis = |r#type, schema, body| Analysis {
        r#type,
        dialog: 0,
        mediatype: JSON,
        vendor: call.key.provider.platform().title,
        schema,
        encoding: "json",
        body,
    };
    let transcript =
        turns(call, view).map(|turns| analysis("transcript", "callvault-turns-1", json!({"turns": turns})));
    let report = analysis("report", "callvault-call-1", report(call, view, recordings_at));
    transcript.into_iter().chain([report]).collect()
}

/// What was said, in order, each turn with the place of its party.
fn turns(call: &WholeCall, view: &View) -> Option<Vec<Value>> {
    let turns = call.conversation.as_ref()?.facts.get(TURNS)?.as_array()?;
    let turn = |turn: &Value| {
        let Value::Object(turn) = turn else { return view.json(turn.clone()) };
        let party = match turn.get("speaker").and_then(Value::as_str) {
            Some("agent") => Some(AGENT),
            Some("callee") => Some(CALLEE),
            _ => None,
        };
        let mut shown: Map<_, _> =
            turn.iter().filter_map(|(name, value)| view.attribute(name, value)).collect();
        shown.extend(party.map(|party| ("party".to_owned(), party.into())));
        Value::Object(shown)
    };
    Some(turns.iter().map(turn).collect())
}

/// What is known of the call, by the attributes' names, and its recordings by their places among the dialogs.
fn report(call: &WholeCall, view: &View, recordings_at: usize) -> Value {
    let mut facts = call.call.facts.clone();
    facts.remove(HAS);
    facts.insert("provider", call.key.provider.as_str());
    facts.insert("call_id", call.key.call_id.as_str());
    let variables = call.conversation.as_ref().and_then(|conversation| conversation.facts.get(VARIABLES));
    if let Some(variables) = variables {
        facts.insert(VARIABLES, variables.clone());
    }
    let mut shown: Map<_, _> = facts.iter().filter_map(|(name, value)| view.attribute(name, value)).collect();
    if let Some(amount) = shown.get_mut("cost").and_then(|cost| cost.get_mut("amount"))
        && let Value::Number(exact) = amount
    {
        // Whoever reads a number of JSON as a double would lose digits.
        *amount = Value::String(exact.to_string());
    }
    let recordings = call.recordings.iter().enumerate().map(|(position, recording)| {
        let slot = view.id(&recording.slot);
        json!({"dialog": recordings_at + position, "slot": slot, "state": recording.state})
    });
    let recordings: Vec<_> = recordings.collect();
    if !recordings.is_empty() {
        shown.insert("recordings".to_owned(), Value::Array(recordings));
    }
    Value::Object(shown)
}

impl View {
    /// An attribute as it may be shown; `None` where nothing would be left of it.
    fn attribute(&self, name: &str, value: &Value) -> Option<(String, Value)> {
        let Some(hidden) = &self.hidden else { return Some((name.to_owned(), value.clone())) };
        let value = match value {
            Value::String(number) if NUMBERS.contains(&name) => Value::String(masked(number)),
            value if NO_NUMBERS.contains(&name) => without_known(hidden, value)?,
            value => hidden.in_json(value.clone()),
        };
        Some((hidden.in_text(name).into_owned(), value))
    }

    fn id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.hidden.as_ref().map_or(Cow::Borrowed(id), |hidden| hidden.in_id(id))
    }

    fn json(&self, value: Value) -> Value {
        match &self.hidden {
            Some(hidden) => hidden.in_json(value),
            None => value,
        }
    }
}

/// A value without what tells a known number. A number of JSON that does is left out. A time, as it is always written here, tells none.
fn without_known(hidden: &Hidden, value: &Value) -> Option<Value> {
    let is_time = |text: &str| text.parse::<Instant>().is_ok_and(|time| time.to_string() == text);
    match value {
        Value::String(text) if is_time(text) => Some(value.clone()),
        Value::String(text) => Some(Value::String(hidden.in_id(text).into_owned())),
        Value::Number(number) => {
            let shown = matches!(hidden.in_id(&number.to_string()), Cow::Borrowed(_));
            shown.then(|| value.clone())
        }
        Value::Array(list) => Some(list.iter().filter_map(|value| without_known(hidden, value)).collect()),
        Value::Object(object) => {
            let shown = object.iter().filter_map(|(name, value)| {
                Some((hidden.in_id(name).into_owned(), without_known(hidden, value)?))
            });
            Some(Value::Object(shown.collect()))
        }
        Value::Null | Value::Bool(_) => Some(value.clone()),
    }
}
