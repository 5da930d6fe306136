//! What an element of a push comes to in the table and the bucket. Pure: [`crate::store`] writes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::inquiry;
use crate::item::{self, Item, LARGE_KEY, PushItem, TURNS, UnreadableItem, Verbatim};
use crate::keys;
use crate::merge::{self, Contribution};
use crate::model::{CallKey, Instant, Provider, Recording, RecordingSource};
use crate::normalized::Normalized;
use crate::storable::{json_fits, storable_object};

/// From this size on a part of an item lies in the bucket instead, in bytes.
const LARGE_BYTES: usize = 64 * 1024;

/// An element of a push, normalized.
#[derive(Clone, Debug)]
pub struct Element {
    /// The call that it is about.
    pub key: CallKey,
    /// The function that caught it.
    pub function: &'static str,
    /// When it was received.
    pub received_at: Instant,
    /// When the verbatim push may be forgotten, in seconds since 1970.
    pub expires: Option<i64>,
    /// The element's text exactly as it came.
    pub text: String,
    /// What the body said beside the list that the element was in.
    pub envelope: Option<String>,
    /// What it says.
    pub normalized: Normalized,
}

/// What one element comes to in the table and the bucket.
#[derive(Debug)]
pub struct Parts {
    /// The verbatim push.
    pub push: PushItem,
    /// What it says of the call.
    pub call: Contribution,
    /// What it says of the conversation, if anything.
    pub conversation: Option<Contribution>,
    /// The recordings that it announces.
    pub recordings: Vec<RecordingSource>,
    /// What is too large for the items, by its key in the bucket.
    pub large: BTreeMap<String, Vec<u8>>,
}

/// Divides an element into what goes to the table's items and what is too large for them.
pub fn parts(element: Element) -> Result<Parts, UnreadableItem> {
    let Element { key, function, received_at, expires, text, envelope, normalized } = element;
    let Normalized { call_id: _, call, conversation, recordings, extra, unknown_values: _ } = normalized;
    let mut large = BTreeMap::new();
    let mut outsource = |bytes: Vec<u8>| {
        let name = keys::large_key(&key, &bytes);
        large.insert(name.clone(), bytes);
        name
    };
    let digest = keys::element_digest(&text);

    let mut conversation = storable_object(item::object(&conversation)?);
    if let Some(turns) = conversation.get(TURNS).filter(|turns| !json_fits(turns, LARGE_BYTES)) {
        let name = outsource(turns.to_string().into_bytes());
        conversation.insert(TURNS.to_owned(), large_reference(name));
    }
    let mut extra = storable_object(extra);
    if !json_fits(&extra, LARGE_BYTES) {
        let json = Value::Object(extra).to_string();
        extra = Map::from_iter([(LARGE_KEY.to_owned(), Value::String(outsource(json.into_bytes())))]);
    }
    let body = if text.len() > LARGE_BYTES {
        Verbatim::Large(outsource(text.into_bytes()))
    } else {
        Verbatim::Here(text)
    };

    let contribution =
        |facts, extra| Contribution { function, body: digest.clone(), received_at, facts, extra };
    let mut call = storable_object(item::object(&call)?);
    let has = inquiry::has_fact(conversation.contains_key(TURNS), !recordings.is_empty());
    call.extend(has.map(|has| (inquiry::HAS.to_owned(), has)));
    let call = contribution(call, extra);
    let conversation = (!conversation.is_empty()).then(|| contribution(conversation, Map::new()));
    let push = PushItem { key, function, digest, received_at, expires, body, envelope };
    Ok(Parts { push, call, conversation, recordings, large })
}

/// The item with contributions merged in; `None` where it holds them all already.
pub fn merged(
    stored: Option<Item>,
    writers: merge::Writers,
    contributions: &[Contribution],
    to_item: impl Fn(merge::Record) -> Result<Item, UnreadableItem>,
) -> Result<Option<Item>, UnreadableItem> {
    let mut record = stored.map(item::record).transpose()?;
    let mut changed = false;
    for contribution in contributions {
        if let Some(merged) = merge::merge(writers, record.as_ref(), contribution) {
            record = Some(merged);
            changed = true;
        }
    }
    record.filter(|_| changed).map(to_item).transpose()
}

/// The longest id that once named a recording's slot, in bytes.
const MAX_FORMER_SLOT_BYTES: usize = 900;

/// The sort key that an earlier release may have given to the same recording: LAAFFIC's were named by their id, so that one that
/// came by URL and by id became two. Where there is an item under it, that is the recording.
pub fn former_recording_sk(key: &CallKey, source: &RecordingSource) -> Option<String> {
    let id = source.id.as_deref().filter(|id| id.len() <= MAX_FORMER_SLOT_BYTES)?;
    (key.provider == Provider::Laaffic).then(|| keys::recording_sk(id))
}

/// The item of a recording, new or brought up to date; `None` where there is nothing to change.
pub fn refreshed(
    stored: Option<Item>,
    key: &CallKey,
    source: &RecordingSource,
    received_at: Instant,
) -> Result<Option<Item>, UnreadableItem> {
    let recording = match stored {
        None => Some(Recording::new(source.clone(), received_at)),
        Some(item) => item::typed::<Recording>(item)?.refreshed(source, received_at),
    };
    recording.map(|recording| item::recording_item(key, &recording)).transpose()
}

fn large_reference(key: String) -> Value {
    Value::Object(Map::from_iter([(LARGE_KEY.to_owned(), Value::String(key))]))
}
