//! What each event looks like, as a JSON Schema of the whole event: `events/schemas/` has them.

use serde_json::{Map, Value, json};

use super::{EventType, MAX_DETAIL_BYTES, SOURCE};
use crate::model::{Provider, RecordingState};
use crate::view::field::{Kind, listed_fields};

/// The JSON Schema (2020-12) of an event of this type, as a rule's target gets it.
pub fn schema(event_type: EventType) -> Value {
    let mut parts = Map::new();
    let mut required = vec!["id", "time", "provider", "call_id", "revision"];
    let is_of_call = matches!(
        event_type,
        EventType::CallCompleted | EventType::CallCorrected | EventType::CallIntent | EventType::CallUpdated
    );
    let is_of_recording = matches!(
        event_type,
        EventType::RecordingArchived | EventType::RecordingFailed | EventType::RecordingExpired
    );
    if is_of_call {
        required.extend(["complete", "changed", "call"]);
    }
    if event_type != EventType::CallErased {
        parts.insert("call".to_owned(), call());
        parts.insert(
            "complete".to_owned(),
            json!({"type": "boolean", "description": "Whether all is known that the platform tells."}),
        );
        let about = "The attributes that were left out since they are too large: tags of more than 16 KB, and whatever made the event larger than 60 KB.";
        parts.insert(
            "left_out".to_owned(),
            json!({"type": "array", "items": {"type": "string"}, "description": about}),
        );
    }
    if is_of_call {
        let about = "The names of the facts that changed.";
        parts.insert(
            "changed".to_owned(),
            json!({"type": "array", "items": {"type": "string"}, "description": about}),
        );
    }
    if is_of_recording {
        required.push("recording");
        parts.insert("recording".to_owned(), recording(event_type));
    }
    let text = |about: &str| json!({"type": "string", "description": about});
    let providers = Provider::ALL.map(Provider::as_str);
    let mut detail = json!({
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The same for the same news, however often it is told."},
        "time": {"type": "string", "format": "date-time", "description": "When it became known."},
        "provider": {"type": "string", "enum": providers, "description": "The platform that made the call."},
        "call_id": text("The platform's id of the call."),
        "href": text("Where the API has the whole call."),
        "revision": {"type": "integer", "minimum": 0, "description": "Which version of the call the event shows: of two, the one with the higher is newer."},
    });
    if let Some(detail) = detail.as_object_mut() {
        detail.extend(parts);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type.as_str(),
        "description": format!("At most {} KB, as a target of EventBridge gets it.", MAX_DETAIL_BYTES / 1024),
        "type": "object",
        "required": ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"],
        "properties": {
            "version": {"type": "string"},
            "id": text("EventBridge's own id: another one each time. Deduplicate by detail.id."),
            "detail-type": {"const": event_type.as_str()},
            "source": {"const": SOURCE},
            "account": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "region": {"type": "string"},
            "resources": {"type": "array", "items": {"type": "string"}},
            "detail": {"type": "object", "required": required, "properties": detail},
        },
    })
}

/// The call, as in a list.
fn call() -> Value {
    let fields = listed_fields().map(|field| {
        let mut schema = match field.kind {
            Kind::Number | Kind::Id | Kind::SharedId | Kind::Word | Kind::Text => json!({"type": "string"}),
            Kind::Time => json!({"type": "string", "format": "date-time"}),
            Kind::Seconds | Kind::Count => json!({"type": "integer"}),
            Kind::Tags => json!({"type": ["array", "object"]}),
            Kind::Codes => json!({"type": "object"}),
            Kind::Money => json!({"type": "object", "properties": {"amount": {"type": "string"}, "currency": {"type": "string"}}}),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), field.about.into());
        }
        (field.name.to_owned(), schema)
    });
    json!({"type": "object", "required": ["provider", "call_id", "call_at"], "properties": fields.collect::<Map<_, _>>()})
}

fn recording(event_type: EventType) -> Value {
    let states = [RecordingState::Archived, RecordingState::Failed, RecordingState::Expired];
    let state = states.into_iter().find(|state| EventType::of_recording(*state) == Some(event_type));
    let text = |about: &str| json!({"type": "string", "description": about});
    let time = |about: &str| json!({"type": "string", "format": "date-time", "description": about});
    json!({
        "type": "object",
        "required": ["slot", "state"],
        "properties": {
            "slot": text("Which recording of its call it is: main, full or customer."),
            "state": {"const": state.map(RecordingState::as_str)},
            "media_type": text("Its media type."),
            "bytes": {"type": "integer", "description": "Its size."},
            "sha256": text("Its SHA-256, hex."),
            "sha512": text("Its SHA-512, hex."),
            "archived_at": time("When it was archived."),
            "attempts": {"type": "integer", "description": "How often it was tried."},
            "last_error": text("Why it was given up."),
            "lost_at": time("When it was given up."),
            "source_expires_at": time("When its URL expired."),
            "first_received_at": time("When it was first heard of."),
            "href": text("Where the API has it: a redirect to a URL that is good for five minutes."),
        },
    })
}
