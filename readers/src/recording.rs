//! Recordings: where to get one, and which wait or were lost.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use runtime::store::bucket::SignedGet;
use runtime::store::reading::{WaitingPage, WaitingRecording};
use serde_json::Value;
use shared::model::{CallKey, Recording, RecordingState};
use shared::path_id::escaped;
use shared::record::{item, keys};
use shared::view::{self, Mask};

use crate::problem::Problem;
use crate::visit::Visit;

/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 120;
/// The media types of audio that browsers play under another name than it is stored by.
const IN_OTHER_WORDS: [(&str, &str); 3] =
    [("audio/x-wav", "audio/wav"), ("audio/x-mp3", "audio/mpeg"), ("audio/x-mp4", "audio/mp4")];

/// A URL of an archived recording that is good for `expires`. Who gets it has to be recorded before.
///
/// # Errors
/// [`Problem::NotArchived`]; [`Problem::Unavailable`], where nothing can be signed.
pub async fn signed_url(
    visit: &Visit<'_>,
    key: &CallKey,
    recording: &Recording,
    mask: &Mask,
    expires: Duration,
) -> Result<String, Problem> {
    let (RecordingState::Archived, Some(object)) = (recording.state, &recording.object_key) else {
        return Err(Problem::NotArchived(recording.state.as_str()));
    };
    let signed = SignedGet {
        key: object,
        expires,
        content_type: media_type(recording),
        file_name: &file_name(key, &recording.slot, object, mask),
    };
    let url = visit.reader.store.bucket().signed_get(&signed).await;
    url.map_err(|error| Problem::unavailable("The bucket", &error))
}

/// The media type of a recording as browsers know it; what is no audio is played by none.
pub fn media_type(recording: &Recording) -> &str {
    let stored = recording.media_type.as_deref().unwrap_or_default();
    let known = IN_OTHER_WORDS.iter().find(|(name, _)| stored.eq_ignore_ascii_case(name));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.+/".contains(&byte);
    match known {
        Some((_, name)) => name,
        None if stored.starts_with("audio/") && stored.bytes().all(is_plain) => stored,
        None => "application/octet-stream",
    }
}

/// A name for the file: of plain characters alone, and without a number that the reader may not see.
fn file_name(key: &CallKey, slot: &str, object: &str, mask: &Mask) -> String {
    let extension = object.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension = match extension.len() <= 5 && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => extension,
        false => "bin",
    };
    let (call_id, slot) = (escaped(&mask.id(key.call_id.as_str())), escaped(&mask.id(slot)));
    let mut name = format!("{}-{call_id}-{slot}", key.provider);
    name.truncate(MAX_NAME_BYTES);
    format!("{name}.{extension}")
}

/// Recordings that wait or were lost, as they are shown. Of a call that can't be read, nothing that might tell its number is told: it is left
/// out.
///
/// # Errors
/// [`Problem::Unavailable`], where the table fails.
pub async fn waiting(visit: &Visit<'_>, page: &WaitingPage) -> Result<Vec<Value>, Problem> {
    let masks = masks(visit, page.recordings.iter().map(|recording| recording.key.clone())).await?;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let shown = visit.shown(&callee_id);
    let recordings = page.recordings.iter().map(|WaitingRecording { key, recording, lost_at }| {
        let mask = masks.get(key)?;
        let mut one = view::Object::new();
        one.insert("provider".to_owned(), key.provider.as_str().into());
        one.insert("call_id".to_owned(), mask.id(key.call_id.as_str()).into());
        one.insert(
            "call".to_owned(),
            mask.may_show(key.call_id.as_str()).then(|| view::href::call(key)).into(),
        );
        one.extend(lost_at.map(|at| ("lost_at".to_owned(), at.to_text().into())));
        one.extend(view::recording(key, recording, &shown, mask));
        Some(Value::Object(one))
    });
    Ok(recordings.flatten().collect())
}

/// What may be seen of each of some calls; those that can't be read, or were erased, are left out.
///
/// # Errors
/// [`Problem::Unavailable`], where the table fails.
pub async fn masks(
    visit: &Visit<'_>,
    calls: impl Iterator<Item = CallKey>,
) -> Result<HashMap<CallKey, Mask>, Problem> {
    if visit.sees_numbers() {
        return Ok(calls.map(|key| (key, Mask::none())).collect());
    }
    let calls: HashSet<_> = calls.map(|key| (keys::call_pk(&key), keys::CALL.to_owned())).collect();
    let calls: Vec<_> = calls.into_iter().collect();
    let items = visit.reader.store.table().get_all(&calls).await;
    let items = items.map_err(|error| Problem::unavailable("The table", &error))?;
    let masks = items.into_iter().filter_map(|item| {
        let key = keys::call_of_pk(item.get(keys::PK)?.as_str()?)?;
        let call = item::record(item).ok().filter(|call| !call.erased)?;
        Some((key, Mask::of(call.callee_numbers())))
    });
    Ok(masks.collect())
}
