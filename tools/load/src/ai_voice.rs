//! A call as the AI-voice platform's one message tells it, bare (<https://itniotech.com/api/ai-voice/pushCallRecord>) or wrapped as
//! the engine under it does.

use serde_json::{Value, json};

use super::call::{Call, HangupBy, SIGNED_FOR_S, World};
use super::element::{Element, Recording, Writer, civil, decimal, instant, number_or_text};

/// `resultStatus` for each outcome.
const RESULTS: [(&str, &[&str]); 11] = [
    ("answered", &["ANSWERED"]),
    ("no_answer", &["NO_ANSWER"]),
    ("busy", &["BUSY"]),
    ("rejected", &["REFUSED"]),
    ("powered_off", &["POWER_OFF"]),
    ("suspended", &["OUT_OF_SERVICE"]),
    ("invalid_number", &["VACANT_NUMBER"]),
    ("unreachable", &["CAN_NOT_CONNECT"]),
    ("abandoned", &["CALL_LOSS", "TRANSFER_ARTIFICIAL"]),
    ("caller_error", &["FROM_PHONE_ERROR"]),
    ("system_error", &["SYSTEM_ERROR"]),
];

/// The call record.
pub(super) fn call_record(call: &Call, world: &World, wrapped: bool) -> Element {
    let rng = &mut call.rng(0);
    let mut writer = Writer::new(rng);
    if call.named {
        let id = match rng.u32(..2) {
            0 => call.id.parse::<u64>().map_or(Value::Null, Value::from),
            _ => call.id.clone().into(),
        };
        // The engine has the id under another name.
        writer.field(if wrapped && rng.u32(..2) == 0 { "callRecordId" } else { "callId" }, &id);
    }
    writer.claim("app_id", "a7Xk2Qp9", "appId", "a7Xk2Qp9");
    writer.claim("task_id", call.task.to_string(), "robotCallJobId", number_or_text(call.task, rng));
    writer.claim("script_id", "80211", "dialogFlowId", 80_211);
    writer.kept("tenantPhoneNumberId", 3_077);
    writer.claim("callee", call.callee.clone(), "calledPhoneNumber", call.callee.clone());
    let time = |seconds: i64| if wrapped { json!(civil(seconds)) } else { json!(seconds) };
    writer.claim("originated_at", instant(call.originated), "startTime", time(call.originated));
    match rng.u32(..30) {
        // The document's own sample of a time that is none.
        0 => writer.kept("endTime", 98),
        _ => writer.claim("ended_at", instant(call.ended), "endTime", time(call.ended)),
    }
    let (outcome, result) = match RESULTS.iter().find(|(known, _)| *known == call.outcome) {
        Some((outcome, results)) => (*outcome, results[rng.usize(..results.len())]),
        None => ("other", "ROBOT_ASLEEP"),
    };
    writer.status("resultStatus", result);
    writer.implied("outcome", outcome, "resultStatus");
    if let Some(by) = call.hangup_by {
        let (said, meant) = match by {
            HangupBy::Callee => ("REMOTE_HANGUP", "callee"),
            HangupBy::Agent | HangupBy::Unknown => ("LOCAL_HANGUP", "unknown"),
        };
        writer.status("hangupBy", said);
        writer.implied("hangup_by", meant, "hangupBy");
    }
    writer.kept("customerConcern", json!(["price", "交期"]));
    writer.kept("analysisBasis", "");
    writer.claim("duration_s", call.duration(), "chatDuration", number_or_text(call.duration(), rng));
    let billed = call.duration().div_ceil(60) * 60;
    writer.claim("billed_s", billed, "billingTime", billed);
    let cost = json!({"amount": decimal(&call.cost), "currency": "USD"});
    match rng.u32(..20) {
        0 if !call.sound => writer.kept("pay", "free"),
        1 => writer.claim("cost", cost, "pay", decimal(&call.cost)),
        _ => writer.claim("cost", cost, "pay", call.cost.clone()),
    }
    writer.kept("chatRound", call.lines.len());
    writer.kept("properties", json!({"生日": "2019年10月1日", "amount": "120.50"}));
    if let Some((code, name)) = &call.intent {
        writer.claim("intent_code", code.clone(), "intentLevel", code.clone());
        writer.claim("intent_name", name.clone(), "intentLevelDetailName", name.clone());
    }
    let names: Vec<_> = call.tags.iter().flat_map(|(_, values)| values).copied().collect();
    if names.is_empty() {
        writer.kept("callRecordTagNames", json!([]));
    } else {
        writer.claim("tags", json!(names), "callRecordTagNames", json!(names));
    }
    writer.claim("attempt", call.attempt, "callCount", call.attempt);
    for (part, (slot, field)) in
        [("full", "fullAudioUrl"), ("customer", "customerAudioUrl")].into_iter().enumerate()
    {
        let Some(name) = call.recordings.get(part) else {
            writer.null(field);
            continue;
        };
        let signed_at = (rng.u32(..4) == 0).then_some(call.ended);
        let url = world.recording_url(name, signed_at);
        writer.field(field, &json!(url));
        writer.recording(Recording {
            name: name.clone(),
            slot: slot.to_owned(),
            url: Some(url),
            id: None,
            signed_until: signed_at.map(|at| at + SIGNED_FOR_S),
        });
    }
    dialogue(&mut writer, call);
    writer.surprises(rng);
    match wrapped {
        true => writer.finish_wrapped(
            "ai-voice-call-record",
            &[("dataType", json!("ROBOT_CALL_RECORD")), ("version", json!(2))],
        ),
        false => writer.finish("ai-voice-call-record"),
    }
}

fn dialogue(writer: &mut Writer, call: &Call) {
    if call.lines.is_empty() {
        writer.kept("callDetailList", json!([]));
        return;
    }
    let mut turns = Vec::new();
    let mut sent = Vec::new();
    for (number, line) in call.lines.iter().enumerate() {
        let number = number as u64;
        let extra = json!({"callDetailId": number});
        if line.agent {
            // What the agent says has no times.
            sent.push(json!({"callDetailId": number, "text": line.text, "type": "ROBOT"}));
            turns.push(json!({"speaker": "agent", "text": line.text, "extra": extra}));
        } else {
            let (start, end) = (line.start_ms, line.end_ms);
            sent.push(json!({"callDetailId": number, "text": line.text, "type": "PERSON", "startOffset": start, "endOffset": end}));
            turns.push(json!({"speaker": "callee", "text": line.text, "start_ms": start, "end_ms": end, "extra": extra}));
        }
    }
    writer.field("callDetailList", &sent.into());
    writer.conversation("turns", turns);
}
