//! A recording's announcement in terms of the model.

use shared::model::{CallFacts, RecordingSource};
use shared::normalize::fields::Fields;
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// How long a recording's URL is valid, by the document: seven days, in seconds.
const URL_LIFETIME_S: i64 = 7 * 24 * 60 * 60;

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("taskId", "task_id"),
        ("batchId", "batch_id"),
        ("detailId", "detail_id"),
        ("outId", "out_id"),
        ("startTime", "originated_at"),
        ("endTime", "ended_at"),
        ("duration", "duration_s"),
    ],
    conversation: &[],
};

/// Makes the model of a recording's announcement.
///
/// `startTime` is when the call started (in the call report it is when the callee answered). `duration` is less than what
/// lies between the two times of the document's own sample; it is kept as it was sent. A URL that is not signed lives for
/// seven days, counted from when it was received, since nothing says when it was made.
pub(crate) fn normalize(mut record: Fields, context: &Context) -> Result<Normalized, Rejection> {
    let call_id = call_id(&mut record, "callId")?;
    let call = CallFacts {
        task_id: record.trimmed_text("taskId"),
        batch_id: record.trimmed_text("batchId"),
        detail_id: record.trimmed_text("detailId"),
        out_id: record.trimmed_text("outId"),
        originated_at: record.instant("startTime"),
        ended_at: record.instant("endTime"),
        duration_s: record.whole("duration"),
        ..CallFacts::default()
    };
    let recording = record.recording_url("recordFile").map(|(url, signed_until)| RecordingSource {
        slot: "main".to_owned(),
        url: Some(url),
        id: None,
        expires_at: signed_until.or_else(|| Some(context.received_at.plus_seconds(URL_LIFETIME_S))),
        call_at: call.call_at().unwrap_or(context.received_at),
    });
    let recordings = recording.into_iter().collect();
    Ok(Normalized { call, recordings, ..Normalized::new(call_id, record) })
}
