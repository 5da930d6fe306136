//! A call as Alibaba's three messages tell it: the report, the recording's announcement, the note.
//!
//! Documents: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallreport-1>, `alicomagentcallrecord-1`,
//! `alicomagentcallnote-1`.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::call::{Call, HangupBy, SIGNED_FOR_S, World};
use super::element::{Element, Recording, Writer, civil, instant, number_or_text};

/// `smartStatusCode` for each outcome; several where the document has synonyms.
const STATUS_CODES: [(&str, &[&str]); 13] = [
    ("answered", &["ANSWERED"]),
    ("voicemail", &["INTELLIGENT_ANSWER"]),
    ("no_answer", &["NO_ANSWER"]),
    ("busy", &["USER_BUSY"]),
    ("rejected", &["CALL_REJECTED"]),
    ("powered_off", &["POWERED_OFF"]),
    ("suspended", &["SUSPEND"]),
    ("invalid_number", &["INVALID_NUMBER"]),
    ("unreachable", &["UNAVAILABLE", "NO_USER_RESPONDING", "NO_USER_RESPONSE"]),
    ("forwarded", &["CALL_FORWARDING"]),
    ("barred", &["INCOMING_CALL_BARRED", "OPERATOR_BLOCK"]),
    ("congestion", &["NETWORK_BUSY"]),
    ("canceled", &["CANCEL"]),
];
/// What the platform could say tomorrow: `other`, and so is what it has no code for.
const NEW_CODES: [&str; 3] = ["OTHERS", "OTHER", "CALLEE_ON_HOLIDAY"];
/// Stands in the text of a turn by which the callee interrupted the agent.
const INTERRUPTED: &str = "<客户打断>";

fn status_code(outcome: &str, rng: &mut Rng) -> (&'static str, &'static str) {
    match STATUS_CODES.iter().find(|(known, _)| *known == outcome) {
        Some((outcome, codes)) => (outcome, codes[rng.usize(..codes.len())]),
        None => ("other", NEW_CODES[rng.usize(..NEW_CODES.len())]),
    }
}

fn ids(writer: &mut Writer, call: &Call, rng: &mut Rng) {
    if call.named {
        writer.field("callId", &json!(call.id));
    }
    writer.claim("task_id", call.task.to_string(), "taskId", number_or_text(call.task, rng));
    writer.claim("detail_id", call.detail.to_string(), "detailId", call.detail.to_string());
    writer.claim("batch_id", call.batch.clone(), "batchId", call.batch.clone());
    writer.out_id(call.out_id.as_deref(), rng);
}

/// AlicomAgentCallReport.
pub(super) fn report(call: &Call) -> Element {
    let rng = &mut call.rng(0);
    let mut writer = Writer::new(rng);
    ids(&mut writer, call, rng);
    match rng.u32(..30) {
        // What comes where a time should be, now and then.
        0 if !call.sound => writer.kept("originateTime", "0000-00-00 00:00:00"),
        1 => {
            writer.claim("originated_at", instant(call.originated), "originateTime", call.originated * 1_000)
        }
        _ => writer.claim("originated_at", instant(call.originated), "originateTime", civil(call.originated)),
    }
    match call.ringing {
        Some(ringing) => writer.claim("ringing_at", instant(ringing), "ringTime", civil(ringing)),
        None => writer.null("ringTime"),
    }
    match call.answered {
        Some(answered) => writer.claim("answered_at", instant(answered), "startTime", civil(answered)),
        None => writer.null("startTime"),
    }
    writer.claim("ended_at", instant(call.ended), "endTime", civil(call.ended));
    match rng.u32(..30) {
        0 if !call.sound => writer.kept("duration", "abc"),
        1 if !call.sound => writer.kept("duration", -1),
        _ => writer.claim("duration_s", call.duration(), "duration", number_or_text(call.duration(), rng)),
    }
    let (outcome, code) = status_code(call.outcome, rng);
    writer.status("smartStatusCode", code);
    writer.implied("outcome", outcome, "smartStatusCode");
    writer.status("statusCode", "200010");
    writer.status("statusMsg", "通话正常结束");
    match call.hangup_by {
        Some(by) => {
            let (meant, said): (_, &[&str]) = match by {
                HangupBy::Callee => ("callee", &["User", "用户", "0"]),
                HangupBy::Agent => ("agent", &["Machine", "机器", "1"]),
                HangupBy::Unknown => ("unknown", &["aleg"]),
            };
            writer.status("hangupDirection", said[rng.usize(..said.len())]);
            writer.implied("hangup_by", meant, "hangupDirection");
        }
        None => writer.null("hangupDirection"),
    }
    writer.claim("caller", call.caller.clone(), "caller", call.caller.clone());
    writer.claim("display_number", call.display_number.clone(), "realCaller", call.display_number.clone());
    writer.claim("callee", call.callee.clone(), "callee", call.callee.clone());
    writer.kept("bOriginateTime", civil(call.originated + 1));
    writer.kept("bDuration", call.duration().saturating_sub(7));
    writer.surprises(rng);
    writer.finish("alicom-call-report")
}

/// AlicomAgentCallRecord. Its times differ from the report's now and then, and its `startTime` is when the call began.
pub(super) fn record(call: &Call, world: &World) -> Element {
    record_at(call, world, "")
}

/// AlicomAgentCallRecord with a URL under which there is nothing to be had, where [`record`] corrects it.
pub(super) fn dead_record(call: &Call, world: &World) -> Element {
    record_at(call, world, "fault=expired")
}

fn record_at(call: &Call, world: &World, fault: &str) -> Element {
    let rng = &mut call.rng(1);
    let mut writer = Writer::new(rng);
    ids(&mut writer, call, rng);
    let (originated, ended) = (call.originated - rng.i64(0..2), call.ended + rng.i64(0..2));
    writer.claim("originated_at", instant(originated), "startTime", civil(originated));
    writer.claim("ended_at", instant(ended), "endTime", civil(ended));
    let duration = call.duration().saturating_sub(rng.u64(0..3));
    writer.claim("duration_s", duration, "duration", duration);
    match call.recordings.first() {
        Some(name) => {
            let signed_at = (rng.u32(..2) == 0).then_some(call.ended);
            let mut url = world.recording_url(name, signed_at);
            if !fault.is_empty() {
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(fault);
            }
            writer.field("recordFile", &json!(url));
            writer.recording(Recording {
                name: name.clone(),
                slot: "main".to_owned(),
                url: Some(url),
                id: None,
                signed_until: signed_at.map(|at| at + SIGNED_FOR_S),
            });
        }
        None => writer.null("recordFile"),
    }
    writer.surprises(rng);
    writer.finish("alicom-call-record")
}

/// AlicomAgentCallNote.
pub(super) fn note(call: &Call) -> Element {
    let rng = &mut call.rng(2);
    let mut writer = Writer::new(rng);
    ids(&mut writer, call, rng);
    match &call.intent {
        Some((code, _)) => {
            writer.claim("intent_code", code.clone(), "majorIntent", code.clone());
            writer.conversation("intent_code", code.clone());
        }
        None => writer.null("majorIntent"),
    }
    if call.tags.is_empty() {
        writer.null("outputTags");
    } else {
        // A text tag's value is a text, an enumeration's a list.
        let as_sent = |values: &[&str]| if values.len() == 1 { json!(values[0]) } else { json!(values) };
        let object = |read: &dyn Fn(&[&str]) -> Value| -> Map<String, Value> {
            call.tags.iter().map(|(tag, values)| ((*tag).to_owned(), read(values))).collect()
        };
        let meant = object(&|values| json!(values));
        writer.conversation("tags", meant.clone());
        writer.claim("tags", meant, "outputTags", object(&as_sent));
    }
    if call.lines.is_empty() || rng.u32(..10) == 0 {
        // What would be too long for a push comes empty.
        writer.kept("conversationRecord", "");
    } else {
        let mut turns = Vec::new();
        let mut sent = Vec::new();
        for (number, line) in call.lines.iter().enumerate() {
            let (role, speaker) = if line.agent { ("assistant", "agent") } else { ("user", "callee") };
            let mark = if line.interrupted { INTERRUPTED } else { "" };
            let mut entry = json!({"content": format!("{mark}{}", line.text), "role": role});
            let mut turn = json!({"speaker": speaker, "text": line.text});
            if line.interrupted {
                turn["interrupted"] = true.into();
            }
            if number % 2 == 0 {
                entry["transactionId"] = format!("t-{number}").into();
                turn["extra"] = json!({"transactionId": format!("t-{number}")});
            }
            sent.push(entry);
            turns.push(turn);
        }
        writer.field("conversationRecord", &Value::Array(sent).to_string().into());
        writer.conversation("turns", turns);
    }
    writer.claim("attempt", call.attempt, "call_times", number_or_text(call.attempt, rng));
    // A line's number may have changed since.
    let display = if rng.u32(..4) == 0 { &call.caller } else { &call.display_number };
    writer.claim("display_number", display.clone(), "realCaller", display.clone());
    writer.surprises(rng);
    writer.finish("alicom-call-note")
}
