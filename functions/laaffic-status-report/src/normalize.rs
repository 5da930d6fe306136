//! A status report in terms of the model.

use serde_json::{Map, Value};
use shared::model::{CallFacts, HangupBy, Instant, Money, Outcome, RecordingSource};
use shared::normalize::fields::{Fields, whole};
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// The currency of amounts where the report names none: it names one only if it is another.
const USUAL_CURRENCY: &str = "USD";

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("taskId", "task_id"),
        ("scriptId", "script_id"),
        ("displayNum", "display_number"),
        ("callee", "callee"),
        ("submitTime", "submitted_at"),
        ("callTime", "originated_at"),
        ("ringingTime", "ringing_at"),
        ("answerTime", "answered_at"),
        ("hangupTime", "ended_at"),
        ("callDuration", "duration_s"),
        ("ringDuration", "ring_s"),
        ("chargedDuration", "billed_s"),
        ("callDescription", "outcome"),
        ("callDescription", "hangup_by"),
        ("callDescription", "status"),
        ("callStatusNew", "outcome"),
        ("callStatusNew", "status"),
        ("callStatus", "outcome"),
        ("callStatus", "status"),
        ("terminationCode", "outcome"),
        ("terminationCode", "status"),
        ("terminationReason", "hangup_by"),
        ("terminationReason", "status"),
        ("sipCode", "status"),
        ("intentCode", "intent_code"),
        ("intent", "intent_name"),
        ("cost", "cost"),
    ],
    conversation: &[],
};

/// Makes the model of a status report.
///
/// Times are documented as `yyyyMMddHHmmSS` and sampled as milliseconds since 1970; numbers and text stand for one
/// another everywhere. Of the many amounts only `cost`, the line's, is an attribute; the others stay exact in `extra`. The
/// words of `intent` are garbled in the document's own sample: `intentCode` is what to go by.
pub(crate) fn normalize(mut report: Fields, context: &Context) -> Result<Normalized, Rejection> {
    let call_id = call_id(&mut report, "voiceId")?;
    let mut status = Map::new();
    let mut call = CallFacts {
        task_id: report.trimmed_text("taskId"),
        script_id: report.text("scriptId"),
        display_number: report.phone("displayNum"),
        callee: report.phone("callee"),
        submitted_at: report.instant("submitTime"),
        originated_at: report.instant("callTime"),
        ringing_at: report.instant("ringingTime"),
        answered_at: report.instant("answerTime"),
        ended_at: report.instant("hangupTime"),
        duration_s: report.whole("callDuration"),
        ring_s: report.whole("ringDuration"),
        billed_s: report.whole("chargedDuration"),
        outcome: outcome(&mut report, &mut status),
        hangup_by: hangup_by(&mut report, &mut status),
        intent_code: report.text("intentCode"),
        intent_name: report.text("intent"),
        cost: cost(&mut report),
        ..CallFacts::default()
    };
    report.status("sipCode", &mut status);
    call.status = (!status.is_empty()).then_some(status);
    let call_at = call.call_at().unwrap_or(context.received_at);
    let recordings = recording(&mut report, call_at).into_iter().collect();
    Ok(Normalized { call, recordings, ..Normalized::new(call_id, report) })
}

/// What the report's four codes say of the outcome. In order of what they are worth:
///
/// 1. `callDescription`, where it says why nobody was talked to;
/// 2. `callStatusNew`; where that says no more than "not connected", `callStatus` may know the kind;
/// 3. `callStatus`, the older vocabulary, all there is for calls before 2026-03-24;
/// 4. `callDescription`, where it describes a connected call;
/// 5. `terminationCode`, which only tells success from failure.
///
/// A code that holds a value which no document knows says nothing; if none says anything, the outcome is `other`, and if
/// there is none, unknown.
fn outcome(report: &mut Fields, status: &mut Map<String, Value>) -> Option<Outcome> {
    let description = report.code("callDescription", status, |code| known(code, described), None);
    let new =
        report.code("callStatusNew", status, |code| known(code, Outcome::from_laaffic_status_new), None);
    let old = report.code("callStatus", status, |code| known(code, Outcome::from_laaffic_status), None);
    let termination = report.code("terminationCode", status, |code| Some(Some(terminated(code))), None);

    let (description_says, new_says, old_says) = (description.flatten(), new.flatten(), old.flatten());
    let kind = old_says.filter(|kind| matches!(kind, Outcome::Busy | Outcome::Voicemail));
    description_says
        .filter(|outcome| *outcome != Outcome::Answered)
        .or(new_says.map(|outcome| match outcome {
            Outcome::NoAnswer => kind.unwrap_or(outcome),
            _ => outcome,
        }))
        .or(old_says)
        .or(description_says)
        .or(termination.flatten())
        .or_else(|| [description, new, old].iter().any(Option::is_some).then_some(Outcome::Other))
}

/// A code's meaning, `None` where no document knows it.
fn known(code: &str, meaning: impl FnOnce(u64) -> Option<Outcome>) -> Option<Option<Outcome>> {
    code.parse().ok().and_then(meaning).map(Some)
}

/// What `callDescription` says; 1 (a proper call), 3 (hung up within seconds), 4 (silence) and 10 (an announcement of the
/// line's balance) describe a connected call.
fn described(description: u64) -> Option<Outcome> {
    match description {
        1 | 3 | 4 | 10 => Some(Outcome::Answered),
        other => Outcome::from_laaffic_description(other),
    }
}

/// What `terminationCode` says: 0 is success, everything else a failure, even what is no number.
fn terminated(code: &str) -> Outcome {
    code.parse().map_or(Outcome::Other, Outcome::from_laaffic_termination)
}

/// Who hung up, as far as the reason says so in words, or `callDescription` (by now in the status) is 5, "the caller hung
/// up".
fn hangup_by(report: &mut Fields, status: &mut Map<String, Value>) -> Option<HangupBy> {
    let reason = report.status("terminationReason", status);
    if reason.is_some_and(|reason| reason.trim().eq_ignore_ascii_case("Called hang up")) {
        return Some(HangupBy::Callee);
    }
    (whole(status.get("callDescription")?)? == 5).then_some(HangupBy::Agent)
}

/// The line's charge, in the report's currency. Where that is neither blank nor the code of a currency, none is made up.
fn cost(report: &mut Fields) -> Option<Money> {
    let is_code = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let currency = report.take("currency", |value| {
        value.as_str().filter(|text| text.is_empty() || is_code(text)).map(str::to_owned)
    });
    if report.contains("currency") {
        return None;
    }
    let named = currency.as_deref().filter(|text| !text.is_empty());
    let cost = report.money("cost", named.unwrap_or(USUAL_CURRENCY));
    if let (None, Some(currency)) = (&cost, currency) {
        report.put_back("currency", Value::String(currency));
    }
    cost
}

/// The recording, which comes as a URL, as an id from which a URL can be had, or as both. A call has one, however it is named.
fn recording(report: &mut Fields, call_at: Instant) -> Option<RecordingSource> {
    let id = report.trimmed_text("recordingFileId");
    let (url, expires_at) = report.recording_url("recordingFileUrl").unzip();
    if id.is_none() && url.is_none() {
        return None;
    }
    Some(RecordingSource { slot: "main".to_owned(), url, id, expires_at: expires_at.flatten(), call_at })
}
