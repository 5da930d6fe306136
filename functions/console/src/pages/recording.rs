//! A recording: where to hear it.

use std::time::Duration;

use readers::parameter::DEFAULT_EXPIRY_S;
use readers::{Answer, Problem, recording};
use shared::access::What;
use shared::model::{CallKey, RecordingState};

use crate::Asked;
use crate::pages::whole_call;

/// Leads to a recording. It is asked for again where the URL that this gives has died.
pub(crate) async fn answer(asked: &Asked<'_>, key: &CallKey, slot: &str) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let (call, _) = whole_call(asked, key).await?;
    let found = call.recordings.iter().find(|recording| recording.slot == slot);
    let found = found.ok_or(Problem::NoSuchPart("recording"))?;
    if found.state != RecordingState::Archived {
        return Err(Problem::NotArchived(found.state.as_str()));
    }
    let mask = visit.mask(call.callee_numbers());
    visit.record(What::recording(slot), Some(key)).await?;
    let expires = Duration::from_secs(DEFAULT_EXPIRY_S);
    Ok(Answer::found(recording::signed_url(visit, key, found, &mask, expires).await?))
}
