//! All that is stored of one call, as one query on its partition key gives it. Pure: whoever reads it asks the stores.

use serde_json::Value;

use crate::model::{CallKey, Instant, Recording};
use crate::record::item::is_tombstone;
use crate::record::item::{self, Item, TURNS, TURNS_KEY, UnreadableItem};
use crate::record::keys;
use crate::record::merge::Record;

/// The attribute of a verbatim push that holds its text, and the one that names the object which does.
const BODY: &str = "body";
const BODY_KEY: &str = "body_key";

/// All that is stored of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeCall {
    /// Which call it is.
    pub key: CallKey,
    /// What is known of it.
    pub call: Record,
    /// What is known of its conversation.
    pub conversation: Option<Record>,
    /// Its recordings, by slot: that of both sides first.
    pub recordings: Vec<Recording>,
    /// What was pushed of it, and answered by the platform's API, in order of the first receipts.
    pub pushes: Vec<StoredPush>,
}

/// A verbatim push.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredPush {
    /// When it was first received.
    pub received_at: Instant,
    /// The function that caught it.
    pub function: String,
    /// Its digest.
    pub digest: String,
    /// Its text as it came; `None` where it lies in the bucket and was not fetched.
    pub body: Option<String>,
}

/// A part of an item that is too large for it and lies in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargePart {
    /// The key of the object.
    pub key: String,
    attribute: &'static str,
    reference: &'static str,
}

impl LargePart {
    /// The part of an item that lies in the bucket: a conversation's turns, a push's body.
    pub fn of(item: &Item) -> Option<Self> {
        [(TURNS, TURNS_KEY), (BODY, BODY_KEY)].into_iter().find_map(|(attribute, reference)| {
            let key = item.get(reference)?.as_str()?.to_owned();
            Some(Self { key, attribute, reference })
        })
    }

    /// Whether it is a push's body.
    pub fn is_body(&self) -> bool {
        self.attribute == BODY
    }

    /// Puts the object's bytes into the item.
    ///
    /// # Errors
    /// Where they are not what such an object holds: JSON of turns.
    pub fn put_into(self, item: &mut Item, bytes: Vec<u8>) -> Result<(), UnreadableItem> {
        let value = match self.is_body() {
            true => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            false => serde_json::from_slice(&bytes)?,
        };
        item.remove(self.reference);
        item.insert(self.attribute.to_owned(), value);
        Ok(())
    }
}

impl WholeCall {
    /// Reads the items of a call's partition, in whatever order; `None` where there is no call, or it was erased. Items of kinds that
    /// this release does not know are passed over.
    ///
    /// # Errors
    /// Where an item is not what any release has written.
    pub fn read(key: CallKey, items: Vec<Item>) -> Result<Option<Self>, UnreadableItem> {
        let (mut call, mut conversation) = (None, None);
        let (mut recordings, mut pushes) = (Vec::new(), Vec::new());
        for item in items {
            let sk = item.get(keys::SK).and_then(Value::as_str).unwrap_or_default().to_owned();
            if sk == keys::CALL {
                if is_tombstone(&item) {
                    return Ok(None);
                }
                call = Some(item::record(item)?);
            } else if sk == keys::CONVERSATION {
                conversation = Some(item::record(item)?);
            } else if sk.starts_with(&keys::recording_sk("")) {
                recordings.push(item::typed::<Recording>(item)?);
            } else if let Some((function, digest)) =
                sk.strip_prefix("push#").and_then(|push| push.rsplit_once('#'))
            {
                pushes.push((function.to_owned(), digest.to_owned(), item));
            }
        }
        let Some(call) = call else { return Ok(None) };
        recordings.sort_by(|one: &Recording, other| {
            (rank(&one.slot), &one.slot).cmp(&(rank(&other.slot), &other.slot))
        });
        let pushes = pushes.into_iter().map(|(function, digest, mut item)| {
            let told = || item.get("received_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
            // The record knows better when a body was first received.
            let received_at =
                call.receipt(&function, &digest).or_else(told).unwrap_or(call.first_received_at);
            let body = match item.remove(BODY) {
                Some(Value::String(body)) => Some(body),
                _ => None,
            };
            StoredPush { received_at, function, digest, body }
        });
        let mut pushes: Vec<_> = pushes.collect();
        pushes.sort();
        Ok(Some(Self { key, call, conversation, recordings, pushes }))
    }

    /// Every number of the callee that is known: see [`Record::callee_numbers`].
    pub fn callee_numbers(&self) -> impl Iterator<Item = &str> {
        self.call.callee_numbers()
    }
}

/// The place of a slot among a call's recordings: a recording of both sides comes first.
fn rank(slot: &str) -> usize {
    ["main", "full", "customer"].iter().position(|known| *known == slot).unwrap_or(usize::MAX)
}
