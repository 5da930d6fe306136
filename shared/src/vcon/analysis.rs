//! The analysis: what was said, and what the platform makes of the call.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{AGENT, CALLEE, JSON};
use crate::record::inquiry::HAS;
use crate::record::item::TURNS;
use crate::view::Mask;
use crate::whole_call::WholeCall;

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
pub(super) fn of(call: &WholeCall, mask: &Mask, recordings_at: usize) -> Vec<Analysis> {
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
        turns(call, mask).map(|turns| analysis("transcript", "callvault-turns-1", json!({"turns": turns})));
    let report = analysis("report", "callvault-call-1", report(call, mask, recordings_at));
    transcript.into_iter().chain([report]).collect()
}

/// What was said, in order, each turn with the place of its party.
fn turns(call: &WholeCall, mask: &Mask) -> Option<Vec<Value>> {
    let turns = call.conversation.as_ref()?.facts.get(TURNS)?.as_array()?;
    let turn = |turn: &Value| {
        let Value::Object(turn) = turn else { return mask.json(turn.clone()) };
        let party = match turn.get("speaker").and_then(Value::as_str) {
            Some("agent") => Some(AGENT),
            Some("callee") => Some(CALLEE),
            _ => None,
        };
        let mut shown: Map<_, _> =
            turn.iter().filter_map(|(name, value)| mask.attribute(name, value)).collect();
        shown.extend(party.map(|party| ("party".to_owned(), party.into())));
        Value::Object(shown)
    };
    Some(turns.iter().map(turn).collect())
}

/// What is known of the call, by the attributes' names, and its recordings by their places among the dialogs.
fn report(call: &WholeCall, mask: &Mask, recordings_at: usize) -> Value {
    let mut facts = call.call.facts.clone();
    facts.remove(HAS);
    facts.insert("provider", call.key.provider.as_str());
    facts.insert("call_id", call.key.call_id.as_str());
    let variables = call.conversation.as_ref().and_then(|conversation| conversation.facts.get(VARIABLES));
    if let Some(variables) = variables {
        facts.insert(VARIABLES, variables.clone());
    }
    let mut shown: Map<_, _> = facts.iter().filter_map(|(name, value)| mask.attribute(name, value)).collect();
    if let Some(amount) = shown.get_mut("cost").and_then(|cost| cost.get_mut("amount"))
        && let Value::Number(exact) = amount
    {
        // Whoever reads a number of JSON as a double would lose digits.
        *amount = Value::String(exact.to_string());
    }
    let recordings = call.recordings.iter().enumerate().map(|(position, recording)| {
        let slot = mask.id(&recording.slot);
        json!({"dialog": recordings_at + position, "slot": slot, "state": recording.state})
    });
    let recordings: Vec<_> = recordings.collect();
    if !recordings.is_empty() {
        shown.insert("recordings".to_owned(), Value::Array(recordings));
    }
    Value::Object(shown)
}
