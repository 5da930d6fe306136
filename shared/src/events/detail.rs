//! What an event says: EventBridge's `Detail`.

use serde_json::{Value, json};

use super::EventType;
use super::id::Name;
use crate::model::{CallKey, Instant};
use crate::view::{Object, href};

/// The `Source` of every event.
pub const SOURCE: &str = "callvault";

/// The most bytes that an event's detail has: EventBridge bills by 64 KB, and counts the envelope.
pub const MAX_DETAIL_BYTES: usize = 60 * 1024;

/// The attributes that an event is without since they are too large.
const LEFT_OUT: &str = "left_out";
/// What is never left out of a part, however large the whole is.
const KEPT: [&str; 5] = ["provider", "call_id", "slot", "state", "href"];

/// An event, as it is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it tells.
    pub event_type: EventType,
    /// Its id: 32 digits, hex. The same news has the same one.
    pub id: String,
    /// When it became known.
    pub time: Instant,
    /// The call that it is about.
    pub key: CallKey,
    /// The version of the call that it shows; 0 where the call is not known.
    pub revision: u64,
    /// What it says, the id and the rest included; at most [`MAX_DETAIL_BYTES`] as JSON.
    pub detail: Object,
}

/// The parts of an event's detail beside those that each has.
#[derive(Default)]
pub(super) struct Parts {
    /// The call, as in a list.
    pub(super) call: Option<Object>,
    /// The recording.
    pub(super) recording: Option<Object>,
    /// Whether all is known that the platform tells.
    pub(super) complete: Option<bool>,
    /// The names of the facts that changed.
    pub(super) changed: Option<Vec<String>>,
    /// The names of the attributes that are missing since they are too large.
    pub(super) left_out: Vec<String>,
}

impl Event {
    pub(super) fn new(
        event_type: EventType,
        id: String,
        time: Instant,
        name: &Name<'_>,
        revision: u64,
        parts: Parts,
    ) -> Self {
        let Parts { call, recording, complete, changed, left_out } = parts;
        let key = name.key;
        let href = name.hidden.is_none().then(|| Value::String(href::call(key)));
        let parts = [
            ("id", Some(json!(id))),
            ("time", Some(json!(time.to_text()))),
            ("provider", Some(json!(key.provider.as_str()))),
            ("call_id", Some(json!(name.shown_id()))),
            ("href", href),
            ("revision", Some(json!(revision))),
            ("complete", complete.map(Value::Bool)),
            ("changed", changed.map(|changed| json!(changed))),
            ("call", call.map(Value::Object)),
            ("recording", recording.map(Value::Object)),
        ];
        let detail = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let detail = bounded(detail.collect(), left_out);
        Self { event_type, id, time, key: key.clone(), revision, detail }
    }
}

/// A detail of at most [`MAX_DETAIL_BYTES`]: the largest attributes of its parts go first, and `left_out` names them beside those that it
/// names already. `href` has them.
fn bounded(mut detail: Object, mut left_out: Vec<String>) -> Object {
    if !left_out.is_empty() {
        detail.insert(LEFT_OUT.to_owned(), json!(left_out));
    }
    let mut bytes = length(&detail);
    while bytes > MAX_DETAIL_BYTES {
        let parts = ["call", "recording"].into_iter().filter_map(|part| Some((part, detail.get(part)?)));
        let attributes = parts.flat_map(|(part, attributes)| {
            let attributes = attributes.as_object().into_iter().flatten();
            let attributes = attributes.filter(|(name, _)| !KEPT.contains(&name.as_str()));
            attributes.map(move |(name, value)| (value.to_string().len() + name.len(), part, name.clone()))
        });
        let Some((_, part, name)) = attributes.max() else { break };
        if let Some(Value::Object(attributes)) = detail.get_mut(part) {
            attributes.remove(&name);
        }
        if !left_out.contains(&name) {
            left_out.push(name);
        }
        // The names come from a push where a tag's or a code's do: what is left out is named only as long as there is room.
        left_out.retain(|name| name.len() <= 64);
        detail.insert(LEFT_OUT.to_owned(), json!(left_out));
        bytes = length(&detail);
    }
    if bytes > MAX_DETAIL_BYTES {
        detail.remove("changed");
    }
    detail
}

fn length(detail: &Object) -> usize {
    serde_json::to_string(detail).map_or(usize::MAX, |text| text.len())
}
