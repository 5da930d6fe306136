//! Finding a person's calls: by the index, or by reading everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;
use runtime::store::bucket::Bucket;
use runtime::store::table::Table;
use serde_json::Value;
use shared::model::{CallId, CallKey, Provider};
use shared::record::item::Item;
use shared::record::item::is_tombstone;
use shared::record::keys;
use sweep_erased::{Version, read_version, versions};

use super::holds::Held;
use super::number::Numbers;
use crate::progress::Progress;

/// How many parts of the table are read at once.
const SEGMENTS: i32 = 8;
/// How many objects are read at once.
const OBJECTS_AT_ONCE: usize = 16;
/// The attributes that a table's own keys stand in: `callee_key` and `callee` say the same.
const KEYS: [&str; 2] = [keys::PK, keys::SK];
/// What stood beside the list of a push's body, in the item of a release that kept it there: it is of no call in particular.
const ENVELOPE: &str = "envelope";
/// Where it lies that is too large for an item.
const ENVELOPES: &str = "large/envelope/";

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The calls that hold a number as a whole value, which may be the person's.
    pub(crate) calls: BTreeSet<CallKey>,
    /// How other calls hold one.
    pub(crate) others: BTreeMap<CallKey, Held>,
    /// What is of no call, and holds one with another prefix.
    pub(crate) others_beside: Vec<(String, Held)>,
    /// The tombstones that are still looked at.
    pub(crate) tombstones: BTreeSet<CallKey>,
    /// The items beside a call's own in which a number is to be blacked out: partition and sort key.
    pub(crate) to_blacken: Vec<(String, String)>,
    /// The versions of objects in which it is: what stood beside the lists of bodies.
    pub(crate) objects_to_blacken: Vec<Version>,
    /// What could not be read, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// How many items were read.
    pub(crate) items: u64,
    /// How many versions of large objects were read.
    pub(crate) objects: u64,
    /// The calls whose ids can't be told from the keys of their objects, by the prefix of these.
    long_ids: HashMap<String, CallKey>,
}

impl Found {
    fn enter(&mut self, key: CallKey, held: Held) {
        if held.as_person {
            self.calls.insert(key);
        } else if !held.is_nothing() {
            self.others.entry(key).or_default().add(held);
        }
    }

    fn note_beside(&mut self, key: String, held: Held) {
        if !held.prefixes.is_empty() {
            self.others_beside.push((key, held));
        }
    }

    /// Takes note of an item.
    fn look_at(&mut self, mut item: Item, numbers: &Numbers) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (pk, sk) = (text(keys::PK), text(keys::SK));
        for key in KEYS {
            item.remove(key);
        }
        if item.contains_key("body_gzip") {
            self.unreadable.push((format!("{pk} {sk}"), "its compressed text is damaged".to_owned()));
        }
        let Some(key) = keys::call_of_pk(&pk) else {
            // A body's envelope, a review, or what a release to come keeps beside the calls. Of a reject there is a digest, and nothing that
            // was said; and in the access log nothing of a callee, though a time or an id may have the same digits.
            if keys::is_of_erased_reject(&pk) || keys::is_access_pk(&pk) {
                return;
            }
            if item.values().any(|value| numbers.are_in(json(value).as_bytes())) {
                self.to_blacken.push((pk, sk));
            } else {
                self.note_beside(pk, Held::of_json(&Value::Object(item).to_string(), numbers));
            }
            return;
        };
        if sk == keys::CALL && is_tombstone(&item) {
            if item.contains_key("due") || item.contains_key("sources") {
                self.tombstones.insert(key);
            }
            return;
        }
        let prefix = keys::large_prefix(&key);
        if call_of_prefix(&prefix).as_ref() != Some(&key) {
            self.long_ids.insert(prefix, key.clone());
        }
        let envelope = item.remove(ENVELOPE);
        if envelope.is_some_and(|envelope| numbers.are_in(json(&envelope).as_bytes())) {
            self.to_blacken.push((pk, sk));
        }
        self.enter(key, Held::of_json(&Value::Object(item).to_string(), numbers));
    }
}

/// A value as JSON; a text as it is.
fn json(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Finds calls by the index, which knows the number that the strongest push told last, as it was written there.
pub(crate) async fn by_index(table: &Table, given: &[String], numbers: &Numbers) -> anyhow::Result<Found> {
    let spellings = given.iter().map(|number| number.trim().to_owned());
    let spellings: BTreeSet<_> = spellings.chain(numbers.digits().map(str::to_owned)).collect();
    let mut found = Found::default();
    for spelling in spellings {
        let mut partitions = table.partitions_by_callee(spelling);
        while let Some(pk) = partitions.try_next().await.context("the index by-callee can't be read")? {
            found.calls.extend(keys::call_of_pk(&pk));
            found.items += 1;
        }
    }
    Ok(found)
}

/// Reads every item of the table, and every object that holds a part of one, in all of its versions.
pub(crate) async fn everywhere(table: &Table, bucket: &Bucket, numbers: &Numbers) -> anyhow::Result<Found> {
    let found = Mutex::new(Found::default());
    let progress = Progress::about("items", table.items_about().await);
    let segments = (0..SEGMENTS).map(|segment| scan(table, segment, numbers, &found, &progress));
    stream::iter(segments).buffer_unordered(SEGMENTS as usize).try_collect::<Vec<()>>().await?;
    let items = progress.end();
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.items = items;
    look_into_large_objects(bucket, numbers, &mut found).await?;
    let Found { calls, others, .. } = &mut found;
    others.retain(|key, _| !calls.contains(key));
    Ok(found)
}

async fn scan(
    table: &Table,
    segment: i32,
    numbers: &Numbers,
    found: &Mutex<Found>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut items = table.scan(segment, SEGMENTS);
    while let Some(item) = items.try_next().await.context("the table can't be read")? {
        found.lock().unwrap_or_else(PoisonError::into_inner).look_at(item, numbers);
        progress.step();
    }
    Ok(())
}

async fn look_into_large_objects(
    bucket: &Bucket,
    numbers: &Numbers,
    found: &mut Found,
) -> anyhow::Result<()> {
    let progress = Progress::of("large objects", None);
    let listed = versions(bucket, "large/");
    let mut looks = Box::pin(
        listed
            .map(async |version| {
                let version = version?;
                let held =
                    read_version(bucket, &version).await.map(|bytes| match std::str::from_utf8(&bytes) {
                        Ok(text) => Held::of_json(text, numbers),
                        Err(_) => Held { in_text: numbers.are_in(&bytes), ..Held::default() },
                    });
                Ok::<_, anyhow::Error>((version, held))
            })
            .buffer_unordered(OBJECTS_AT_ONCE),
    );
    while let Some(look) = looks.next().await {
        let (version, held) = look?;
        progress.step();
        let prefix = version.key.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        match held {
            Ok(held) if held.is_nothing() => {}
            Ok(held) if version.key.starts_with(ENVELOPES) => match held.any() {
                true => found.objects_to_blacken.push(version),
                false => found.note_beside(version.key, held),
            },
            Ok(held) => match call_of_prefix(&prefix).or_else(|| found.long_ids.get(&prefix).cloned()) {
                Some(key) => found.enter(key, held),
                None if !held.any() => found.note_beside(version.key, held),
                None => found
                    .unreadable
                    .push((version.key, "it holds a number, and is of no call that is known".to_owned())),
            },
            Err(error) => found.unreadable.push((version.key, error.to_string())),
        }
    }
    drop(looks);
    found.objects = progress.end();
    Ok(())
}

/// The call whose large objects lie under a prefix, where its id is spelled out there.
fn call_of_prefix(prefix: &str) -> Option<CallKey> {
    let (provider, segment) = prefix.strip_prefix("large/")?.strip_suffix('/')?.split_once('/')?;
    let provider = Provider::named(provider)?;
    let call_id = CallId::new(percent_decode_str(segment).decode_utf8().ok()?.into_owned())?;
    let key = CallKey { provider, call_id };
    (keys::large_prefix(&key) == prefix).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_calls_folder_tells_the_call_where_its_id_is_not_too_long(id in "\\PC{1,300}") {
            prop_assume!(CallId::new(id.clone()).is_some());
            let key = CallKey { provider: Provider::Laaffic, call_id: CallId::new(id).unwrap() };
            let prefix = keys::large_prefix(&key);
            match call_of_prefix(&prefix) {
                Some(told) => prop_assert_eq!(told, key),
                None => prop_assert!(prefix.contains("sha256=")),
            }
        }
    }
}
