//! What an element of a push comes to in the table and the bucket. Pure: the store writes it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::model::{CallKey, Instant, Recording, RecordingSource};
use crate::normalize::recording_url;
use crate::normalize::{Context, Normalized, PushType, Rejection};
use crate::record::inquiry;
use crate::record::item::is_tombstone;
use crate::record::item::{self, Asked, Item, NewItem, PushItem, TURNS, UnreadableItem, Verbatim};
use crate::record::keys;
use crate::record::merge::{self, Contribution, FOUND_BY, LARGE_KEY, Record, Writers};
use crate::record::storable::{holds_more_values, json_fits, object_fits, storable_object};

/// From this size on a part of an item lies in the bucket instead, in bytes.
pub const LARGE_BYTES: usize = 64 * 1024;
/// Unknown fields of more values than that lie in the bucket too, however short they are: each is an attribute of the item's, which is
/// work for DynamoDB and memory for everybody who reads it.
const MAX_VALUES: usize = 1_000;

/// An element of a push, normalized.
#[derive(Clone, Debug)]
pub struct Element {
    /// The call that it is about.
    pub key: CallKey,
    /// What kind of push it is of, or answer.
    pub push: PushType,
    /// When it was received, and the zone of its times that carry none.
    pub context: Context,
    /// When the verbatim push may be forgotten, in seconds since 1970.
    pub expires: Option<i64>,
    /// The element's text exactly as it came.
    pub text: String,
    /// The digest of what the body said beside the list that the element was in.
    pub envelope: Option<String>,
    /// What whoever asked for it knows beside it.
    pub asked: Option<Asked>,
    /// What it says.
    pub normalized: Normalized,
}

impl Element {
    /// What its parts are made of.
    pub fn origin(&self) -> Origin {
        let Self { key, push, context, text, asked, .. } = self;
        Origin { key: key.clone(), push: *push, context: *context, text: text.clone(), asked: asked.clone() }
    }
}

/// What an element's contributions are made of. Merging consumes them; whoever needs them a second time, since a put was refused, has them
/// made again: that is rare, and to copy all that a push says costs more than its text does.
#[derive(Debug)]
pub struct Origin {
    key: CallKey,
    push: PushType,
    context: Context,
    text: String,
    asked: Option<Asked>,
}

impl Origin {
    /// The element's parts once more, as they were: as of its own receipt, without its envelope.
    ///
    /// # Errors
    /// A [`Rejection`], where the text is no sound element: of one whose parts were made before it is.
    pub fn parts(&self) -> Result<Parts, Rejection> {
        let Self { key, push, context, text, asked } = self;
        Ok(parts(Element {
            key: key.clone(),
            push: *push,
            context: *context,
            expires: None,
            text: text.clone(),
            envelope: None,
            asked: asked.clone(),
            normalized: push.normalized(text, context)?,
        }))
    }
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
pub fn parts(element: Element) -> Parts {
    let Element { key, push, context, expires, text, envelope, asked, normalized } = element;
    let received_at = context.received_at;
    let Normalized { call_id: _, call, conversation, recordings, extra, unknown_values: _, nulls } =
        normalized;
    let PushType { function, feeds, .. } = push;
    let mut large = BTreeMap::new();
    let mut outsource = |bytes: Vec<u8>| {
        let name = keys::large_key(&key, &bytes);
        large.insert(name.clone(), bytes);
        name
    };
    let digest = keys::element_digest(&text);

    let mut conversation = conversation.into_facts();
    if let Some(turns) = conversation.get(TURNS).filter(|turns| !json_fits(turns, LARGE_BYTES)) {
        let name = outsource(turns.to_string().into_bytes());
        conversation.insert(TURNS, large_reference(name));
    }
    let mut extra = storable_object(extra);
    if !object_fits(&extra, LARGE_BYTES) || holds_more_values(&extra, MAX_VALUES) {
        let json = Value::Object(extra).to_string();
        extra = Map::from_iter([(LARGE_KEY.to_owned(), Value::String(outsource(json.into_bytes())))]);
    }
    let body = if text.len() > LARGE_BYTES {
        Verbatim::Large(outsource(text.into_bytes()))
    } else {
        Verbatim::Here(text)
    };

    let contribution = |facts, extra, nulls, feeds| Contribution {
        function,
        body: digest.clone(),
        received_at,
        facts,
        extra,
        nulls,
        feeds,
    };
    let mut call = call.into_facts();
    let has = inquiry::has_fact(conversation.contains_key(TURNS), !recordings.is_empty());
    call.push_some(inquiry::HAS, has);
    if let Some(Asked { ids, found_by }) = &asked {
        for (attribute, id) in ids {
            call.insert(attribute.clone(), id.as_str());
        }
        extra.extend(found_by.as_deref().map(|found_by| (FOUND_BY.to_owned(), found_by.into())));
    }
    let feeds_conversation = |name: &&String| feeds.conversation.iter().any(|(field, _)| field == name);
    let of_conversation: BTreeSet<_> = nulls.iter().filter(feeds_conversation).cloned().collect();
    let call = contribution(call, extra, nulls, feeds.call);
    // A null may have to take back what another body says, whichever of them comes first.
    let conversation = (!conversation.is_empty() || !of_conversation.is_empty())
        .then(|| contribution(conversation, Map::new(), of_conversation, feeds.conversation));
    let push = PushItem { key, function, digest, received_at, expires, body, envelope, asked };
    Parts { push, call, conversation, recordings, large }
}

/// A recording's announcement as of its first receipt, `first`. What its normalizer counted from when it was received now (a call that tells
/// no time of its own, a URL that tells no end) is counted from then.
pub fn announced_at(source: &mut RecordingSource, now: Instant, first: Instant) {
    if source.call_at == now {
        source.call_at = first;
    }
    let unsigned = source.url.as_deref().is_some_and(|url| recording_url::expires_at(url).is_none());
    if let (true, Some(expires_at)) = (unsigned, source.expires_at) {
        let lifetime = expires_at.epoch_millis() - now.epoch_millis();
        source.expires_at = Instant::from_epoch_millis(first.epoch_millis() + lifetime).or(source.expires_at);
    }
}

/// Why an item can't be made of what is stored and what is added to it.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The stored item, or the new one, can't be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItem),
    /// The function has told too many different things of the call.
    #[error("the call has {} different bodies of this function already", merge::MAX_BODIES)]
    Full,
}

/// What came of merging contributions into an item.
#[derive(Debug, Default, PartialEq)]
pub struct Merged {
    /// The new item; `None` where there is nothing to write.
    pub item: Option<NewItem>,
    /// Whether the call was erased: then nothing is to be written about it.
    pub erased: bool,
    /// The bodies of which another delivery is merged already, by function and digest, and when the first of both was received. The other one
    /// may be the later: two were under way at once, and its verbatim push may lie over this one's.
    pub earlier: BTreeMap<(&'static str, String), Instant>,
}

/// The item with contributions merged in.
pub fn merged(
    stored: Option<Item>,
    writers: Writers,
    contributions: impl IntoIterator<Item = Contribution>,
    to_item: impl FnOnce(Record) -> Result<NewItem, UnreadableItem>,
) -> Result<Merged, MergeError> {
    if stored.as_ref().is_some_and(is_tombstone) {
        return Ok(Merged { erased: true, ..Merged::default() });
    }
    let mut merged = Merged::default();
    let mut record = stored.map(item::record).transpose()?;
    let mut changed = false;
    for said in contributions {
        if let Some(record) = &record {
            if record.is_full_for(&said) {
                return Err(MergeError::Full);
            }
            let known = record.receipt(said.function, &said.body);
            if let Some(other) = known.filter(|known| *known != said.received_at) {
                merged.earlier.insert((said.function, said.body.clone()), other.min(said.received_at));
            }
        }
        changed |= merge::merge(writers, &mut record, said);
    }
    merged.item = record.filter(|_| changed).map(to_item).transpose()?;
    Ok(merged)
}

/// The longest id that once named a recording's slot, in bytes.
const MAX_FORMER_SLOT_BYTES: usize = 900;

/// The sort key that an earlier release may have given to the same recording: some were named by their id, so that one that
/// came by URL and by id became two. Where there is an item under it, that is the recording.
pub fn former_recording_sk(key: &CallKey, source: &RecordingSource) -> Option<String> {
    let id = source.id.as_deref().filter(|id| id.len() <= MAX_FORMER_SLOT_BYTES)?;
    key.provider.platform().slots_were_ids.then(|| keys::recording_sk(id))
}

/// The item of a recording, new or brought up to date; `None` where there is nothing to change.
pub fn refreshed(
    stored: Option<Item>,
    key: &CallKey,
    source: &RecordingSource,
    received_at: Instant,
) -> Result<Option<NewItem>, UnreadableItem> {
    let recording = match stored {
        None => Some(Recording::new(source.clone(), received_at)),
        Some(item) => item::typed::<Recording>(item)?.refreshed(source, received_at),
    };
    Ok(recording.map(|recording| item::recording_item(key, recording)))
}

fn large_reference(key: String) -> Value {
    Value::Object(Map::from_iter([(LARGE_KEY.to_owned(), Value::String(key))]))
}
