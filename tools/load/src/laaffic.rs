//! A call as LAAFFIC's status report tells it: <https://itniotech.com/api/ai/agentPushVoiceReportBatch>.

use fastrand::Rng;
use serde_json::{Value, json};

use super::call::{Call, HangupBy, Platform, SIGNED_FOR_S, World, china};
use super::element::{Element, Recording, Writer, decimal, instant, number_or_text};

/// The four codes by which a report tells an outcome: `callDescription`, `callStatusNew`, `callStatus`, `terminationCode`; a
/// negative one is not sent.
const CODES: [(&str, [i64; 4]); 12] = [
    ("answered", [1, 1, 50, 0]),
    ("answered", [10, 2, -1, 0]),
    ("answered", [-1, -1, 50, 0]),
    ("voicemail", [2, 1, 40, 0]),
    ("voicemail", [-1, 3, 40, 480]),
    ("canceled", [5, 3, 60, 487]),
    ("busy", [6, 3, 10, 486]),
    ("busy", [-1, 4, 10, 486]),
    ("unreachable", [7, 3, 30, 480]),
    ("no_answer", [8, 3, 20, 408]),
    ("no_answer", [-1, 4, 30, 408]),
    ("no_answer", [-1, -1, 20, 480]),
];
/// Codes that say nothing more than that it failed.
const OTHER_CODES: [[i64; 4]; 3] = [[-1, -1, 60, 500], [99, -1, -1, 503], [-1, -1, -1, 500]];

/// The status report.
pub(super) fn report(call: &Call, world: &World) -> Element {
    let rng = &mut call.rng(0);
    let mut writer = Writer::new(rng);
    if call.named {
        writer.field("voiceId", &call.id.clone().into());
    }
    writer.claim("task_id", call.task.to_string(), "taskId", number_or_text(call.task, rng));
    writer.claim("script_id", "63", "scriptId", 63);
    writer.claim("display_number", call.display_number.clone(), "displayNum", call.display_number.clone());
    let callee = callee_of(call);
    writer.claim("callee", callee.clone(), "callee", callee);
    let submitted_ms = (call.originated - 3) * 1_000 + 963;
    let submitted = instant(call.originated - 3).replace(".000Z", ".963Z");
    writer.claim("submitted_at", submitted, "submitTime", submitted_ms);
    let mut time = |attribute, seconds: Option<i64>, field| match seconds {
        Some(seconds) => writer.claim(attribute, instant(seconds), field, sent(seconds, rng)),
        None => writer.null(field),
    };
    time("originated_at", Some(call.originated), "callTime");
    time("ringing_at", call.ringing, "ringingTime");
    time("answered_at", call.answered, "answerTime");
    time("ended_at", Some(call.ended), "hangupTime");
    writer.claim("duration_s", call.duration(), "callDuration", number_or_text(call.duration(), rng));
    let ring = call.ringing.map_or(0, |ringing| (call.answered.unwrap_or(call.ended) - ringing) as u64);
    writer.claim("ring_s", ring, "ringDuration", ring);
    let billed = call.duration().div_ceil(60) * 60;
    writer.claim("billed_s", billed, "chargedDuration", number_or_text(billed, rng));
    let description = outcome(&mut writer, call, rng);
    let by_callee = call.hangup_by == Some(HangupBy::Callee);
    writer.status("terminationReason", if by_callee { "Called hang up" } else { "Normal" });
    if by_callee {
        writer.implied("hangup_by", "callee", "terminationReason");
    } else if description == 5 {
        writer.implied("hangup_by", "agent", "callDescription");
    }
    writer.status("sipCode", "200");
    if let Some((code, name)) = &call.intent {
        writer.claim("intent_code", code.clone(), "intentCode", code.clone());
        writer.claim("intent_name", name.clone(), "intent", name.clone());
    }
    let currency = ["USD", "EUR"][rng.usize(..2)];
    writer.claim(
        "cost",
        json!({"amount": decimal(&call.cost), "currency": currency}),
        "cost",
        call.cost.clone(),
    );
    if currency != "USD" || rng.u32(..2) == 0 {
        writer.field("currency", &currency.into());
    }
    writer.kept("costEur", "0");
    writer.kept("billPeriod", "60-60");
    writer.kept("aiAgentQuoteRate", "0.1");
    writer.kept("calledInfo", Value::Null);
    recording(&mut writer, call, world, rng);
    writer.surprises(rng);
    writer.finish("laaffic-status-report")
}

/// The callee as the call's platform writes the number. LAAFFIC's has up to 22 digits.
pub(super) fn callee_of(call: &Call) -> String {
    match call.platform {
        Platform::Laaffic => format!("2222222286{}", call.callee),
        Platform::Alibaba | Platform::AiVoice { .. } => call.callee.clone(),
    }
}

/// A time in one of the forms: milliseconds since 1970, as a number or text, or digits in a row.
fn sent(seconds: i64, rng: &mut Rng) -> Value {
    match rng.u32(..4) {
        0 => china(seconds).strftime("%Y%m%d%H%M%S").to_string().into(),
        1 => (seconds * 1_000).to_string().into(),
        _ => (seconds * 1_000).into(),
    }
}

/// Writes the codes, and gives back the `callDescription` among them.
fn outcome(writer: &mut Writer, call: &Call, rng: &mut Rng) -> i64 {
    let fitting: Vec<_> = CODES.iter().filter(|(outcome, _)| *outcome == call.outcome).collect();
    let (outcome, codes) = match fitting.len() {
        0 => ("other", OTHER_CODES[rng.usize(..OTHER_CODES.len())]),
        several => *fitting[rng.usize(..several)],
    };
    let names = ["callDescription", "callStatusNew", "callStatus", "terminationCode"];
    for (name, code) in names.into_iter().zip(codes) {
        match u64::try_from(code) {
            Ok(code) => writer.status(name, number_or_text(code, rng)),
            Err(_) => writer.null(name),
        }
    }
    writer.implied("outcome", outcome, "callStatusNew");
    codes[0]
}

/// The recording, by its URL, by the file's id, or by both.
fn recording(writer: &mut Writer, call: &Call, world: &World, rng: &mut Rng) {
    let Some(name) = call.recordings.first() else {
        writer.null("recordingFileId");
        writer.null("recordingFileUrl");
        return;
    };
    let signed_at = (rng.u32(..2) == 0).then_some(call.ended);
    let url = (rng.u32(..3) > 0).then(|| world.recording_url(name, signed_at));
    // The simulator of the platform finds the file by an id that is its name.
    let id = (url.is_none() || rng.u32(..2) == 0).then(|| name.clone());
    for (field, value) in [("recordingFileId", &id), ("recordingFileUrl", &url)] {
        match value {
            Some(value) => writer.field(field, &value.clone().into()),
            None => writer.null(field),
        }
    }
    let signed_until = url.is_some().then_some(signed_at).flatten().map(|at| at + SIGNED_FOR_S);
    writer.recording(Recording { name: name.clone(), slot: "main".to_owned(), url, id, signed_until });
}
