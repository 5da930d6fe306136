//! The tombstone of a reject: what tells that a person was erased from it, so that what came stays erased when it comes again.
//!
//! A reject is of no call that could have a tombstone. It is known by its function and the SHA-256 of what came, on whatever day
//! that is. Whoever keeps a reject looks for its tombstone afterwards, and arms it if there is one: `sweep-erased` removes what was
//! kept again then. What the person is not in has been left in the reject by the erasure, or has been stored from it.
//!
//! It holds no more than its key, times, and the keys under which what came was kept.

use serde_json::{Map, Value};

use crate::model::Instant;
use crate::record::item::{ERASED_AT, Item, VERSION};
use crate::record::keys::{self, DUE, DUE_AT};
use crate::record::tombstone::ARMED_AT;

/// Under which keys of the bucket what came may lie.
pub const OBJECTS: &str = "objects";
/// When the erasure had taken the person out of the reject. Until then what lies there is all that is left of the others in it.
pub const REWRITTEN_AT: &str = "rewritten_at";

/// The tombstone `pk` of a reject that a person is being erased from.
pub fn tombstone(pk: &str, erased_at: Instant) -> Item {
    Map::from_iter([
        (keys::PK.to_owned(), pk.into()),
        (keys::SK.to_owned(), keys::ERASED.into()),
        (VERSION.to_owned(), 1.into()),
        (ERASED_AT.to_owned(), erased_at.to_string().into()),
    ])
}

/// The tombstone, due at once, with one more key under which what came may lie.
pub fn armed(mut stone: Item, pk: &str, object: &str, now: Instant) -> Item {
    let objects = stone.entry(OBJECTS).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(objects) = objects
        && !objects.iter().any(|known| known == object)
    {
        objects.push(object.into());
    }
    for time in [ARMED_AT, DUE_AT] {
        stone.insert(time.to_owned(), now.to_string().into());
    }
    stone.insert(DUE.to_owned(), keys::erased_due_key(keys::shard_of(pk)).into());
    stone
}

/// The tombstone of a reject that the person is taken out of now.
pub fn rewritten(mut stone: Item, pk: &str, object: &str, now: Instant) -> Item {
    stone.insert(REWRITTEN_AT.to_owned(), now.to_string().into());
    armed(stone, pk, object, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_names_each_object_once_and_is_due_when_it_is_armed() {
        let at = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let pk = keys::erased_reject_pk("f", "00");
        assert!(keys::is_of_erased_reject(&pk) && keys::call_of_pk(&pk).is_none());
        let stone = tombstone(&pk, at);
        assert!(!stone.contains_key(DUE));
        let stone = rewritten(stone, &pk, "a", at);
        let stone = ["a", "b"].iter().fold(stone, |stone, key| armed(stone, &pk, key, at.plus_seconds(1)));
        assert_eq!(stone[OBJECTS], serde_json::json!(["a", "b"]));
        assert_eq!(stone[DUE_AT], at.plus_seconds(1).to_string());
        assert_eq!(stone[REWRITTEN_AT], at.to_string());
        assert!(stone[DUE].as_str().unwrap().starts_with("erased#"));
    }
}
