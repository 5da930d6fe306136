//! The tombstone of an erased call: what stands in the place of the `call` item once a person was erased.
//!
//! It holds the key, the time of the erasure, where the call's objects lay and, where its id tells a number, how it is shown to those who may
//! see none; and nothing personal. It has no `ttl`: an erased call stays erased. Whoever merges meets it, since every write about a call reads
//! or writes the call's item, and stores nothing then. What lands beside it all the same (pushes are put without a condition, and conversations and
//! recordings have conditions of their own) is removed by `sweep-erased`, which finds the tombstones that are due in the
//! index `by-due`.
//!
//! `first_received_at` and `updated_at` say the time of the erasure. The release before tombstones were made reads the
//! item as an empty record by them; without them it could not read the item at all.

use serde_json::{Map, Value};

use crate::model::{CallKey, Instant};
use crate::record::item::{ERASED_AT, Item, VERSION};
use crate::record::keys;
use crate::record::merge::Record;
use crate::view::Mask;

/// Under which prefixes of the bucket the call's objects lay, and may come to lie again.
pub const PREFIXES: &str = "prefixes";
/// Since when a tombstone is looked at as often as one of what was just erased.
pub const ARMED_AT: &str = "armed_at";

/// The call's id as those have it who may see no numbers. There is one only where the id tells a number.
pub const SHOWN_ID: &str = "shown_id";
/// When a call was first heard of whose id tells a number: its events are known by that.
pub const HEARD_AT: &str = "heard_at";

/// What is kept of a call whose id tells a number: the number by which that is known is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenId {
    /// [`SHOWN_ID`].
    pub shown_id: String,
    /// [`HEARD_AT`].
    pub heard_at: Instant,
}

impl HiddenId {
    /// What is kept of a call; `None` where its id tells no number.
    pub fn of(key: &CallKey, call: &Record) -> Option<Self> {
        Self::told_by(key, &Mask::of(call.callee_numbers()), call.first_received_at)
    }

    /// The same of a call of which nothing is known but its key, `now`.
    pub fn of_unknown(key: &CallKey, now: Instant) -> Option<Self> {
        Self::told_by(key, &Mask::of([]), now)
    }

    fn told_by(key: &CallKey, mask: &Mask, heard_at: Instant) -> Option<Self> {
        let call_id = key.call_id.as_str();
        (!mask.may_show(call_id)).then(|| Self { shown_id: mask.id(call_id).into_owned(), heard_at })
    }

    /// What a tombstone has kept, as its record has it.
    pub fn kept_by(stone: &Record) -> Option<Self> {
        let text = |name: &str| stone.facts.get(name).and_then(Value::as_str);
        let heard_at = text(HEARD_AT)?.parse().ok()?;
        Some(Self { shown_id: text(SHOWN_ID)?.to_owned(), heard_at })
    }

    /// Has a tombstone keep it.
    pub fn keep_in(self, stone: &mut Item) {
        stone.insert(SHOWN_ID.to_owned(), self.shown_id.into());
        stone.insert(HEARD_AT.to_owned(), self.heard_at.to_string().into());
    }
}

/// The tombstone of a call that was erased at `erased_at`. `prefixes` are where its objects lay in the bucket; `due_at` is
/// when `sweep-erased` has to look at it next, `None` where it need not any more. `version` is one more than that of the
/// item it replaces, so that a write which was under way meanwhile is refused.
pub fn tombstone(
    key: &CallKey,
    erased_at: Instant,
    prefixes: impl IntoIterator<Item = String>,
    due_at: Option<Instant>,
    version: u64,
) -> Item {
    let (pk, time) = (keys::call_pk(key), Value::String(erased_at.to_string()));
    let mut item = Map::from_iter([
        (keys::PK.to_owned(), pk.clone().into()),
        (keys::SK.to_owned(), keys::CALL.into()),
        (VERSION.to_owned(), version.into()),
        (ERASED_AT.to_owned(), time.clone()),
        ("first_received_at".to_owned(), time.clone()),
        ("updated_at".to_owned(), time),
    ]);
    let prefixes: Vec<Value> = prefixes.into_iter().map(Value::String).collect();
    if !prefixes.is_empty() {
        item.insert(PREFIXES.to_owned(), Value::Array(prefixes));
    }
    if let Some(due_at) = due_at {
        item.insert(keys::DUE.to_owned(), keys::erased_due_key(keys::shard_of(&pk)).into());
        item.insert(keys::DUE_AT.to_owned(), due_at.to_string().into());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallId, Provider};
    use crate::record::item::{self, is_tombstone};

    #[test]
    fn a_tombstone_is_known_and_can_be_read_as_an_empty_record() {
        let key = CallKey { provider: Provider::Alicom, call_id: CallId::new("1".to_owned()).unwrap() };
        let at = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let item = tombstone(&key, at, ["large/alicom/1/".to_owned()], Some(at.plus_seconds(300)), 7);
        assert!(is_tombstone(&item));
        assert!(item["due"].as_str().unwrap().starts_with("erased#"));
        assert!(!item.contains_key(keys::TTL));
        let record = item::record(item).unwrap();
        assert!(record.sources.is_empty());
        assert_eq!(record.first_received_at, at);
    }
}
