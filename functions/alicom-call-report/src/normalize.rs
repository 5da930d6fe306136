//! A call report in terms of the model.

use serde_json::Map;
use shared::model::{CallFacts, HangupBy, Outcome};
use shared::normalize::fields::Fields;
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("taskId", "task_id"),
        ("batchId", "batch_id"),
        ("detailId", "detail_id"),
        ("outId", "out_id"),
        ("caller", "caller"),
        ("realCaller", "display_number"),
        ("callee", "callee"),
        ("originateTime", "originated_at"),
        ("ringTime", "ringing_at"),
        ("startTime", "answered_at"),
        ("endTime", "ended_at"),
        ("duration", "duration_s"),
        ("smartStatusCode", "outcome"),
        ("smartStatusCode", "status"),
        ("hangupDirection", "hangup_by"),
        ("hangupDirection", "status"),
        ("statusCode", "status"),
        ("statusMsg", "status"),
    ],
    conversation: &[],
};

/// Makes the model of a call report.
///
/// `smartStatusCode` decides the outcome: the document's own sample has the carrier's `statusCode` say powered off beside
/// `ANSWERED`. `startTime` is when the callee answered (in the recording's message it is when the call started). The
/// times with a `b` before them are in the sample and in no table; they stay in `extra`.
pub(crate) fn normalize(mut report: Fields, _: &Context) -> Result<Normalized, Rejection> {
    let call_id = call_id(&mut report, "callId")?;
    let mut status = Map::new();
    let mut call = CallFacts {
        task_id: report.trimmed_text("taskId"),
        batch_id: report.trimmed_text("batchId"),
        detail_id: report.trimmed_text("detailId"),
        out_id: report.trimmed_text("outId"),
        caller: report.phone("caller"),
        display_number: report.phone("realCaller"),
        callee: report.phone("callee"),
        originated_at: report.instant("originateTime"),
        ringing_at: report.instant("ringTime"),
        answered_at: report.instant("startTime"),
        ended_at: report.instant("endTime"),
        duration_s: report.whole("duration"),
        outcome: report.code("smartStatusCode", &mut status, Outcome::from_alibaba, Outcome::Other),
        hangup_by: report.code("hangupDirection", &mut status, HangupBy::from_alibaba, HangupBy::Unknown),
        ..CallFacts::default()
    };
    report.status("statusCode", &mut status);
    report.status("statusMsg", &mut status);
    call.status = (!status.is_empty()).then_some(status);
    Ok(Normalized { call, ..Normalized::new(call_id, report) })
}
