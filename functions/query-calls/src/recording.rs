//! Recordings: where to get one, and which wait or were lost.

use std::time::Duration;

use readers::file::unless_small;
use readers::filter::problem;
use readers::request::json_bytes;
use readers::{Answer, Problem, parameter as of, recording};
use runtime::store::reading::{Bodies, WaitingPage};
use serde_json::json;
use shared::access::What;
use shared::model::{CallKey, RecordingState};
use shared::reading::Cursor;

use crate::Asked;

/// Leads to a recording.
pub(crate) async fn answer(asked: &Asked<'_>, key: &CallKey, slot: &str) -> Result<Answer, Problem> {
    let expires = asked.query.get(&of::EXPIRES)?.unwrap_or(of::DEFAULT_EXPIRY_S);
    let visit = &asked.visit;
    visit.check_call(key).await?;
    let call = visit.reader.store.whole_call(key, Bodies::Left).await.map_err(problem)?;
    let call = call.ok_or(Problem::NoSuchCall)?;
    let mask = asked.mask_of(&call)?;
    let found = call.recordings.iter().find(|recording| recording.slot == slot);
    let found = found.ok_or(Problem::NoSuchPart("recording"))?;
    if found.state != RecordingState::Archived {
        return Err(Problem::NotArchived(found.state.as_str()));
    }
    visit.record(What::recording(slot), Some(key)).await?;
    let expires = Duration::from_secs(expires);
    Ok(Answer::found(recording::signed_url(visit, key, found, &mask, expires).await?))
}

/// Which recordings are not archived.
pub(crate) async fn waiting(asked: &Asked<'_>) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let visit = &asked.visit;
    let state = asked.query.get(&of::STATE)?.unwrap_or(RecordingState::Pending);
    let limit = asked.query.get(&of::LIMIT)?.unwrap_or(of::DEFAULT_LIMIT);
    let list = WaitingPage::list_name(state);
    let cursor = visit.cursor(asked.query, |text| Cursor::decode_of_list(text, list)).await?;
    let ties = visit.ties().await?;
    let page = visit.reader.store.waiting_recordings(state, cursor.as_ref(), limit, &ties).await;
    let page = page.map_err(problem)?;
    let recordings = recording::waiting(visit, &page).await?;
    let unreadable = page.unreadable + (page.recordings.len() - recordings.len()) as u64;
    let next = visit.next(page.next.as_ref()).await?;
    let body = json!({"recordings": recordings, "next": next, "unreadable": unreadable});
    if visit.sees_numbers() {
        visit.record(What::list(&[]), None).await?;
    }
    unless_small(visit, Answer::of(200, "application/json", json_bytes(&body)), "recordings.json").await
}
