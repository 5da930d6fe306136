//! One call: all that is stored of it, as JSON and as a vCon, its pushes, and who looked at it.

use readers::filter::problem;
use readers::request::json_bytes;
use readers::{Answer, Problem, file};
use runtime::store::reading::{Bodies, CallHead};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::access::What;
use shared::model::CallKey;
use shared::vcon::{Options, Shown, Vcon, recording_path};
use shared::view;

use crate::Asked;
use crate::route::VCON;

/// How many bytes of the SHA-256 of an answer are its `ETag`.
const ETAG_BYTES: usize = 16;

/// A call with all that is stored of it.
pub(crate) async fn answer(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    asked.check_accept()?;
    asked.visit.check_call(key).await?;
    let store = &asked.visit.reader.store;
    let call = store.whole_call(key, Bodies::Left).await.map_err(problem)?.ok_or(Problem::NoSuchCall)?;
    asked.mask_of(&call)?;
    let review = store.reviews(std::slice::from_ref(key)).await.map_err(problem)?.remove(key);
    let review = review.and_then(|review| serde_json::to_value(review).ok());
    let callee_id = |number: &str| asked.visit.callee_ids.id_of(number);
    let body = Value::Object(view::alone(&call, review, &asked.visit.shown(&callee_id)));
    let what = if asked.visit.sees_numbers() { What::CALL_WITH_NUMBERS } else { What::CALL };
    asked.visit.record(what, Some(key)).await?;
    tagged(asked, "application/json", json_bytes(&body), "call.json").await
}

/// A call as a vCon; with its pushes for whoever may see them.
pub(crate) async fn vcon(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    asked.check_accept()?;
    asked.visit.check_call(key).await?;
    let (shown, bodies) = match asked.visit.sees_numbers() {
        true => (Shown::NumbersAndPushes, Bodies::Fetched),
        false => (Shown::WithoutNumbers, Bodies::Left),
    };
    let call = asked
        .visit
        .reader
        .store
        .whole_call(key, bodies)
        .await
        .map_err(problem)?
        .ok_or(Problem::NoSuchCall)?;
    asked.mask_of(&call)?;
    // As API Gateway was asked for, never as a header of the reader's has it.
    let host = asked.event.request_context.domain_name.as_deref();
    let is_https =
        asked.header("x-forwarded-proto").is_none_or(|scheme| scheme.eq_ignore_ascii_case("https"));
    let recording_url = |key: &CallKey, slot: &str| {
        let host = host.filter(|_| is_https)?;
        Some(format!("https://{host}{}", recording_path(key, slot)))
    };
    let vcon = Vcon::of(&call, &Options { shown, recording_url: &recording_url });
    let body = serde_json::to_vec(&vcon).map_err(|error| Problem::Unreadable { why: error.to_string() })?;
    let what = if asked.visit.sees_numbers() { What::VCON_WITH_NUMBERS } else { What::VCON };
    asked.visit.record(what, Some(key)).await?;
    tagged(asked, VCON, body, "call.vcon").await
}

/// A push as it came.
pub(crate) async fn push(
    asked: &Asked<'_>,
    key: &CallKey,
    function: &str,
    digest: &str,
) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let body = asked.visit.reader.store.push_body(key, function, digest).await.map_err(problem)?;
    let body = body.ok_or(Problem::NoSuchPart("push"))?;
    asked.visit.record(What::of("push"), Some(key)).await?;
    let answer = Answer::of(200, "application/json", body);
    file::unless_small(&asked.visit, answer, "push.json").await
}

/// Who looked at a call. An erased one has a log, too; one that never was has none.
pub(crate) async fn access(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let head = asked.visit.head_of(key).await?;
    let entries = asked.visit.reader.store.access_of_call(key).await;
    let entries = entries.map_err(|error| Problem::unavailable("The access log", &error))?;
    if matches!(head, CallHead::Erased { .. }) && entries.is_empty() {
        return Err(Problem::NoSuchCall);
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "at": entry.at, "actor": entry.actor, "what": entry.what.as_str(), "via": entry.via.as_str(),
            })
        })
        .collect();
    let answer = Answer::of(200, "application/json", json_bytes(&json!({"access": entries})));
    file::unless_small(&asked.visit, answer, "access.json").await
}

/// An answer with its tag, by which a reader knows whether it has changed. It is of what is shown: that of what is stored would tell
/// numbers to whoever tries them.
async fn tagged(asked: &Asked<'_>, media_type: &str, body: Vec<u8>, name: &str) -> Result<Answer, Problem> {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..ETAG_BYTES]));
    if asked.header("if-none-match").is_some_and(|known| matches(known, &tag)) {
        return Ok(Answer::empty(304).with("etag", tag));
    }
    let answer = Answer::of(200, media_type, body).with("etag", tag);
    file::unless_small(&asked.visit, answer, name).await
}

/// Whether a tag is among those that a reader has. They are compared weakly: a proxy that compresses makes them so.
fn matches(known: &str, tag: &str) -> bool {
    let mut tags = known.split(',').map(|known| known.trim().trim_start_matches("W/"));
    tags.any(|known| known == tag || known == "*")
}
