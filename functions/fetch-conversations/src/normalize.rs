//! A call's details in terms of the model.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shared::model::{CallFacts, ConversationFacts, HangupBy, Outcome, RecordingSource, Tags};
use shared::normalize::alibaba;
use shared::normalize::fields::{Fields, scalar_text, texts};
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// How long a recording's URL is valid, by the document, in seconds.
const URL_LIFETIME_S: i64 = 7 * 24 * 60 * 60;

/// The list of tags as it came. (Its own name stands, in `extra`, for tags that differ from a stronger writer's.)
const TAGS_LISTED: &str = "OutputTags_listed";

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("OutId", "out_id"),
        ("CallerPhone", "caller"),
        ("CalledPhone", "callee"),
        ("StartCallTime", "originated_at"),
        ("PickUpTime", "answered_at"),
        ("ReleaseTime", "ended_at"),
        ("Duration", "duration_s"),
        ("CallResult", "outcome"),
        ("CallResult", "status"),
        ("HangupDirection", "hangup_by"),
        ("HangupDirection", "status"),
        ("StatusCode", "status"),
        ("StatusMsg", "status"),
        ("FailedReason", "status"),
        ("MajorIntent", "intent_code"),
        ("OutputTags", "tags"),
        ("OutputTags", "extra.OutputTags_listed"),
    ],
    conversation: &[
        ("ConversationRecord", "turns"),
        ("MajorIntent", "intent_code"),
        ("OutputTags", "tags"),
        ("Variables", "variables"),
    ],
};

/// Makes the model of the `Data` of QueryConversationDetailInfo.
///
/// Times are milliseconds since 1970; the document's own sample holds two that are none, and these stay in `extra`. The
/// ids by which the call was asked for are not in the answer: whoever asked adds them.
pub(crate) fn normalize(mut data: Fields, context: &Context) -> Result<Normalized, Rejection> {
    let call_id = call_id(&mut data, "CallId")?;
    let mut status = Map::new();
    let mut call = CallFacts {
        out_id: data.trimmed_text("OutId"),
        caller: data.phone("CallerPhone"),
        callee: data.phone("CalledPhone"),
        originated_at: data.instant("StartCallTime"),
        answered_at: data.instant("PickUpTime"),
        ended_at: data.instant("ReleaseTime"),
        duration_s: data.whole("Duration"),
        outcome: data.code("CallResult", &mut status, Outcome::from_alibaba, Outcome::Other),
        hangup_by: data.code("HangupDirection", &mut status, HangupBy::from_alibaba, HangupBy::Unknown),
        intent_code: data.text("MajorIntent"),
        ..CallFacts::default()
    };
    for name in ["StatusCode", "StatusMsg", "FailedReason"] {
        data.status(name, &mut status);
    }
    call.status = (!status.is_empty()).then_some(status);
    let tags = |list| match tags(&list) {
        Some(tags) => Ok((tags, list)),
        None => Err(list),
    };
    if let Some((tags, listed)) = data.small("OutputTags", tags) {
        call.tags = Some(tags);
        data.put_back(TAGS_LISTED, listed);
    }
    let conversation = ConversationFacts {
        turns: data.take_over("ConversationRecord", alibaba::turns),
        intent_code: call.intent_code.clone(),
        tags: call.tags.clone(),
        variables: data.small("Variables", |list| match list {
            Value::Array(variables) if !variables.is_empty() => Ok(Value::Array(variables)),
            other => Err(other),
        }),
    };
    let recording =
        data.recording_url("RecordingFileDownloadUrl").map(|(url, signed_until)| RecordingSource {
            slot: "main".to_owned(),
            url: Some(url),
            id: None,
            expires_at: signed_until.or_else(|| Some(context.received_at.plus_seconds(URL_LIFETIME_S))),
            call_at: call.call_at().unwrap_or(context.received_at),
        });
    let recordings = recording.into_iter().collect();
    Ok(Normalized { call, conversation, recordings, ..Normalized::new(call_id, data) })
}

/// Reads a list of tags. A value is a text, or a list of texts in JSON; one that is empty says nothing, but that there is
/// such a tag. `None` where the list is empty, or an entry has no name or another kind of value.
fn tags(list: &Value) -> Option<Tags> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tag in list.as_array()? {
        let name = scalar_text(tag.get("OutputTagName")?).filter(|name| !name.is_empty())?.to_owned();
        let values = match tag.get("OutputTagValue") {
            None | Some(Value::Null) => Vec::new(),
            Some(value @ Value::Array(_)) => texts(value.clone()).ok()?,
            Some(value) => {
                let text = scalar_text(value)?;
                let parsed = serde_json::from_str::<Value>(text).ok().and_then(|value| texts(value).ok());
                let text = || (!text.is_empty()).then(|| text.to_owned());
                parsed.unwrap_or_else(|| text().into_iter().collect())
            }
        };
        named.entry(name).or_default().extend(values);
    }
    (!named.is_empty()).then_some(Tags::Named(named))
}
