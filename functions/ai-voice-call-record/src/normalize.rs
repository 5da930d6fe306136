//! A call record in terms of the model.

use serde_json::{Map, Value};
use shared::model::{CallFacts, ConversationFacts, HangupBy, Outcome, RecordingSource, Speaker, Tags, Turn};
use shared::normalize::fields::{Fields, into_text, scalar_text, texts};
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// The `dataType` of a call record where the engine names it; its others are `ROBOT_CALL_JOB` and `ROBOT_CALL_SMS`.
const CALL_RECORD: &str = "ROBOT_CALL_RECORD";
/// The currency of `pay`, which the document states and the message doesn't.
const CURRENCY: &str = "USD";

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("robotCallJobId", "task_id"),
        ("appId", "app_id"),
        ("dialogFlowId", "script_id"),
        ("calledPhoneNumber", "callee"),
        ("startTime", "originated_at"),
        ("endTime", "ended_at"),
        ("chatDuration", "duration_s"),
        ("billingTime", "billed_s"),
        ("resultStatus", "outcome"),
        ("resultStatus", "status"),
        ("hangupBy", "hangup_by"),
        ("hangupBy", "status"),
        ("intentLevel", "intent_code"),
        ("intentLevelDetailName", "intent_name"),
        ("callRecordTagNames", "tags"),
        ("pay", "cost"),
        ("callCount", "attempt"),
    ],
    conversation: &[("callDetailList", "turns")],
};

/// Makes the model of a call record, bare or wrapped.
///
/// Ids and times come as numbers and as text, times moreover as seconds since 1970 and as zoneless dates. The times of the
/// dialogue are those of a recording, in milliseconds; what the agent says has none. An unanswered call may have a
/// recording too (of the network's announcement).
pub(crate) fn normalize(message: Fields, context: &Context) -> Result<Normalized, Rejection> {
    let (mut record, beside) = unwrapped(message, context)?;
    let call_id = call_id(&mut record, "callId")
        .or_else(|missing| call_id(&mut record, "callRecordId").map_err(|_| missing))?;
    let mut status = Map::new();
    let mut call = CallFacts {
        task_id: record.trimmed_text("robotCallJobId"),
        app_id: record.text("appId"),
        script_id: record.text("dialogFlowId"),
        callee: record.phone("calledPhoneNumber"),
        originated_at: record.instant("startTime"),
        ended_at: record.instant("endTime"),
        duration_s: record.whole("chatDuration"),
        billed_s: record.whole("billingTime"),
        outcome: record.code("resultStatus", &mut status, Outcome::from_ai_voice, Outcome::Other),
        hangup_by: record.code("hangupBy", &mut status, HangupBy::from_ai_voice, HangupBy::Unknown),
        intent_code: record.text("intentLevel"),
        intent_name: record.text("intentLevelDetailName"),
        tags: record.small("callRecordTagNames", tags),
        cost: record.money("pay", CURRENCY),
        attempt: record.whole("callCount"),
        ..CallFacts::default()
    };
    call.status = (!status.is_empty()).then_some(status);
    let conversation = ConversationFacts {
        turns: record.take_over("callDetailList", |lines| turns(lines, context)),
        ..ConversationFacts::default()
    };
    let call_at = call.call_at().unwrap_or(context.received_at);
    let mut recording = |slot: &str, field: &str| {
        let (url, signed_until) = record.recording_url(field)?;
        Some(RecordingSource {
            slot: slot.to_owned(),
            url: Some(url),
            id: None,
            expires_at: signed_until,
            call_at,
        })
    };
    let recordings = [recording("full", "fullAudioUrl"), recording("customer", "customerAudioUrl")];
    let recordings = recordings.into_iter().flatten().collect();
    for (name, value) in beside {
        let name = if record.contains(&name) { format!("{name}_beside_data") } else { name };
        record.put_back(&name, value);
    }
    Ok(Normalized { call, conversation, recordings, ..Normalized::new(call_id, record) })
}

/// The call record, and what stands beside it where the engine wraps it as `{"dataType": …, "data": {…}}`.
fn unwrapped(mut message: Fields, context: &Context) -> Result<(Fields, Map<String, Value>), Rejection> {
    let kind = message.text("dataType");
    if let Some(kind) = &kind {
        if kind != CALL_RECORD {
            return Err(Rejection::OtherMessage { field: "dataType", kind: kind.clone() });
        }
        message.put_back("dataType", Value::String(kind.clone()));
    }
    let bare = kind.is_none() && (message.contains("callId") || message.contains("callRecordId"));
    let data = if bare {
        None
    } else {
        message.take_over("data", |data| match data {
            Value::Object(data) => Ok(data),
            other => Err(other),
        })
    };
    Ok(match data {
        Some(data) => (Fields::new(data, context.utc_offset), message.into_rest().0),
        None => (message, Map::new()),
    })
}

fn tags(names: Value) -> Result<Tags, Value> {
    match names {
        Value::Array(list) if list.is_empty() => Err(Value::Array(list)),
        names => texts(names).map(Tags::List),
    }
}

/// The dialogue, however long. It is given back where it is empty or one of its lines is none, so that the whole is kept as it
/// came.
fn turns(lines: Value, context: &Context) -> Result<Vec<Turn>, Value> {
    match lines {
        Value::Array(lines) if !lines.is_empty() && lines.iter().all(is_line) => {
            let objects = lines.into_iter().filter_map(|line| match line {
                Value::Object(line) => Some(line),
                _ => None,
            });
            Ok(objects.map(|line| turn(Fields::new(line, context.utc_offset))).collect())
        }
        other => Err(other),
    }
}

/// Whether a value is an object with a text, which is null where nothing was recognized.
fn is_line(value: &Value) -> bool {
    value.get("text").is_some_and(|text| text.is_null() || scalar_text(text).is_some())
}

fn turn(mut line: Fields) -> Turn {
    let text = line.take_over("text", into_text).unwrap_or_default();
    let speaker = line.take("type", |speaker| match speaker.as_str()? {
        "ROBOT" => Some(Speaker::Agent),
        "PERSON" => Some(Speaker::Callee),
        _ => None,
    });
    Turn {
        speaker,
        text,
        start_ms: line.whole("startOffset"),
        end_ms: line.whole("endOffset"),
        interrupted: false,
        extra: line.into_flat_rest(),
    }
}
