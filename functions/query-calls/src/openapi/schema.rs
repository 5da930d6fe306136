//! The schemas of answers. What a call has is told by the rows that it is shown by.

use serde_json::{Map, Value, json};
use shared::model::{HangupBy, Outcome, Provider};
use shared::view::field::{FIELDS, Field, Kind, listed_fields};

/// Every schema, by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let schemas = json!({
        "CallPage": object(&["calls", "next", "scanned", "unreadable"], json!({
            "calls": {"type": "array", "items": reference("ListedCall")},
            "next": nullable_text("Where the list goes on: give it as `cursor`, with the same filters. Null at the end."),
            "scanned": count("How many calls were looked at for this page, without those that a reader without `calls.pii` may not know of."),
            "unreadable": count("How many of them can't be read, and are missing here."),
        })),
        "ListedCall": call("A call in a list.", listed_fields()),
        "Call": call("A call alone.", FIELDS.iter()),
        "WholeCall": object(&["call", "conversation", "recordings", "pushes", "review"], json!({
            "call": reference("Call"),
            "conversation": {"oneOf": [reference("Conversation"), {"type": "null"}]},
            "recordings": {"type": "array", "items": reference("Recording")},
            "pushes": {"type": "array", "items": reference("Push")},
            "review": {"oneOf": [reference("Review"), {"type": "null"}]},
        })),
        "Conversation": object(&["first_received_at", "updated_at"], json!({
            "turns": {"type": "array", "items": reference("Turn"), "description": "What was said, in order."},
            "intent_code": text("The callee's intent, as the platform codes it."),
            "tags": of_kind(Kind::Tags),
            "variables": {"description": "The values that the script was filled with, as the platform lists them."},
            "extra": {"type": "object", "description": "What the model has no attribute for, by function; with `calls.pii`."},
            "first_received_at": time("When the first push about it was received."),
            "updated_at": time("When the last push that told something new was received."),
        })),
        "Turn": object(&["text"], json!({
            "speaker": {"type": "string", "enum": ["agent", "callee"], "description": "Absent where the platform named neither side."},
            "text": text("The words."),
            "start_ms": count("Where it begins in the recording, in milliseconds."),
            "end_ms": count("Where it ends, in milliseconds."),
            "interrupted": {"type": "boolean", "description": "Whether the callee interrupted the agent with it."},
            "extra": {"type": "object", "description": "What else the platform says of it; with `calls.pii`."},
        })),
        "Recording": recording(json!({}), &[]),
        "WaitingRecording": recording(json!({
            "provider": of_kind_named("provider"),
            "call_id": text("The platform's id of the call."),
            "call": nullable_text("Where the API has the whole call."),
        }), &["provider", "call_id"]),
        "RecordingPage": object(&["recordings", "next", "unreadable"], json!({
            "recordings": {"type": "array", "items": reference("WaitingRecording")},
            "next": nullable_text("Where the list goes on: give it as `cursor`. Null at the end."),
            "unreadable": count("How many can't be read, and are missing here."),
        })),
        "Push": object(&["function", "received_at"], json!({
            "function": text("The function that caught it."),
            "received_at": time("When it was first received."),
            "digest": text("Tells the pushes of a function apart; with `calls.pii`."),
            "href": text("Where the API has it as it came; with `calls.pii`."),
        })),
        "PushBody": {"description": "JSON, exactly as it came."},
        "Vcon": {
            "type": "object", "required": ["vcon", "uuid", "created_at", "parties"],
            "description": "draft-ietf-vcon-vcon-core, 0.4.0: https://datatracker.ietf.org/doc/draft-ietf-vcon-vcon-core/",
        },
        "Review": object(&[], json!({
            "heard_at": time("When somebody marked the call as heard."),
            "heard_by": text("Who did."),
            "verdict": text("Their verdict."),
            "note": text("What they noted."),
            "noted_at": time("When verdict or note were written last."),
            "noted_by": text("Who wrote them."),
        })),
        "AccessLog": object(&["access"], json!({"access": {"type": "array", "items": reference("Access")}})),
        "Access": object(&["at", "actor", "what", "via"], json!({
            "at": time("When."),
            "actor": text("Who: `person:` or `machine:`, and the issuer's name for them."),
            "what": text("What they saw."),
            "via": text("By which way."),
        })),
        "TaskCounts": task(&["as_of", "complete"]),
        "TaskOfDay": task(&[]),
        "TaskList": object(&["day", "zone", "tasks", "as_of", "complete"], json!({
            "day": {"type": "string", "format": "date"},
            "zone": text("The zone of the day and of the hours."),
            "tasks": {"type": "array", "items": reference("TaskOfDay")},
            "as_of": time("When it was counted."),
            "complete": complete(),
        })),
        "Problem": {
            "type": "object", "required": ["type", "title", "status"],
            "properties": {
                "type": {"type": "string", "format": "uri"},
                "title": text("What to do about it."),
                "status": {"type": "integer"},
                "detail": text("More about it."),
                "parameter": text("The parameter that it is about."),
                "value": text("What came as its value: cut after 40 characters, and without what is plainly a phone number."),
                "expected": text("What a value of it is."),
                "parameters": {"type": "array", "items": {"type": "string"}, "description": "Those that there are."},
                "permission": text("The permission that is lacking."),
                "state": {"type": "string", "enum": ["pending", "archived", "expired", "failed"]},
                "media_types": {"type": "array", "items": {"type": "string"}, "description": "Those that can be made."},
            },
        },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

fn nullable_text(about: &str) -> Value {
    json!({"type": ["string", "null"], "description": about})
}

fn time(about: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": about})
}

fn nullable_time(about: &str) -> Value {
    json!({"type": ["string", "null"], "format": "date-time", "description": about})
}

fn count(about: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": about})
}

fn counts(about: &str) -> Value {
    json!({"type": "object", "additionalProperties": {"type": "integer"}, "description": about})
}

fn complete() -> Value {
    json!({"type": "boolean", "description": "Whether all calls are counted. Where there are more than 20,000, only the newest are."})
}

/// A call with these attributes.
fn call(about: &str, fields: impl Iterator<Item = &'static Field>) -> Value {
    let properties: Map<_, _> = fields.map(|field| (field.name.to_owned(), attribute(field))).collect();
    json!({
        "type": "object", "description": about, "properties": properties,
        "required": ["provider", "call_id", "call_at", "first_received_at", "updated_at"],
    })
}

fn attribute(field: &Field) -> Value {
    let mut schema = match field.name {
        "provider" => json!({"type": "string", "enum": Provider::ALL.map(Provider::as_str)}),
        "outcome" => json!({"type": "string", "enum": Outcome::ALL.map(Outcome::as_str)}),
        "hangup_by" => json!({"type": "string", "enum": HangupBy::ALL.map(HangupBy::as_str)}),
        "extra" => json!({"type": "object", "additionalProperties": {"type": "object"}}),
        _ => of_kind(field.kind),
    };
    schema["description"] = field.about.into();
    schema
}

fn of_kind_named(name: &str) -> Value {
    FIELDS.iter().find(|field| field.name == name).map_or(Value::Null, attribute)
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Number | Kind::Id | Kind::SharedId | Kind::Word | Kind::Text => json!({"type": "string"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Seconds | Kind::Count => json!({"type": "integer", "minimum": 0}),
        Kind::Tags => json!({"oneOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        ]}),
        Kind::Money => json!({
            "type": "object", "required": ["currency"],
            "properties": {
                "amount": {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "Exact, in units of the currency."},
                "currency": {"type": "string", "description": "ISO 4217."},
            },
        }),
        Kind::Codes => json!({"type": "object"}),
    }
}

fn recording(more: Value, required: &[&str]) -> Value {
    let mut schema = object(
        &["slot", "state", "first_received_at"],
        json!({
            "slot": text("Which recording of its call it is: `main`, `full` (both sides), `customer` (the callee alone)."),
            "state": {"type": "string", "enum": ["pending", "archived", "expired", "failed"]},
            "media_type": text("Of the audio, as it was recognized."),
            "bytes": count("Its size."),
            "sha256": text("Its SHA-256, in hex."),
            "sha512": text("Its SHA-512, in hex."),
            "archived_at": time("When it was archived."),
            "attempts": count("How often archiving it was tried."),
            "last_error": text("Why the last attempt failed."),
            "next_attempt_at": time("When it is tried next."),
            "lost_at": time("When it was given up."),
            "source_expires_at": time("When the platform's URL of it dies."),
            "source_url": text("Where the platform has it; with `calls.pii`."),
            "source_id": text("The platform's id of it; with `calls.pii`."),
            "first_received_at": time("When it was first heard of."),
            "href": text("Where the API leads to it, once it is archived."),
        }),
    );
    if let (Some(properties), Value::Object(more)) = (schema["properties"].as_object_mut(), more) {
        properties.extend(more);
    }
    if let Some(names) = schema["required"].as_array_mut() {
        names.extend(required.iter().map(|name| Value::from(*name)));
    }
    schema
}

fn task(more: &[&str]) -> Value {
    let mut properties = json!({
        "provider": of_kind_named("provider"),
        "task_id": nullable_text("Null for the calls that are of no task."),
        "href": nullable_text("Where the API has the counts of all calls of the task."),
        "zone": text("The zone of the hours."),
        "calls": count("How many calls."),
        "answered": count("Those that a person answered."),
        "connected": count("Those that were picked up, by a person or a machine."),
        "complete_calls": count("Those of which all is known that the platform tells."),
        "outcomes": counts("Calls by outcome."),
        "intents": counts("Calls by intent, as the platform codes it."),
        "intent_names": {"type": "object", "additionalProperties": {"type": "string"}, "description": "What the platform calls its intents in words, by their codes."},
        "tags": counts("Calls by tag: `name:value` for a tag with values."),
        "hours": {"type": "array", "items": {"type": "integer"}, "minItems": 24, "maxItems": 24, "description": "Calls by local hour, from 0."},
        "duration_s": object(&["sum", "p50", "p90"], json!({
            "sum": count("Of the connected calls, in seconds."),
            "p50": {"type": ["integer", "null"]},
            "p90": {"type": ["integer", "null"]},
        })),
        "billed_s": count("What is charged for, in seconds."),
        "cost": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Exact sums by currency."},
        "costs_left_out": count("Costs that are in no sum, since it would not be exact."),
        "first_call_at": nullable_time("When the first call was."),
        "last_call_at": nullable_time("When the last call was."),
    });
    for name in more {
        properties[*name] = match *name {
            "complete" => complete(),
            _ => time("When it was counted."),
        };
    }
    let required = ["provider", "task_id", "zone", "calls", "outcomes", "hours", "duration_s", "cost"];
    json!({
        "type": "object", "properties": properties,
        "required": required.iter().chain(more).collect::<Vec<_>>(),
    })
}
