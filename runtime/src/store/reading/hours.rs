//! All calls of an hour, each whole, the oldest first: for whoever writes analytics' files.
//!
//! The calls are found by the index `by-day`, and read from the table at half the price of a consistent read; where both contradict each
//! other, a consistent read decides. However many calls an hour has, and however large they are, only some of them are held at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::calls::{is_true, json_bytes};
use super::partition::Entry;
use super::walk::Walk;
use super::{Bodies, ReadError};
use crate::store::Store;
use crate::store::table::{Table, TableError};
use shared::model::{CallKey, Hour, Instant};
use shared::reading::{Plan, Position, Ties};
use shared::record::inquiry::{HAS, HAS_RECORDING};
use shared::record::item::{Item, is_tombstone};
use shared::record::keys::{self, DAY_INDEX};
use shared::whole_call::{LargePart, WholeCall};

/// How many calls are read at once, at first.
const FIRST_ROUND: usize = 25;
/// How many in a later round.
const ROUND: std::ops::RangeInclusive<usize> = 5..=100;
/// About so many bytes of calls are read at once, as JSON.
const ROUND_BYTES: usize = 2 * 1024 * 1024;

/// A call of an hour.
#[derive(Debug)]
pub enum HourCall {
    /// All that is stored of it, but for its pushes; and by which time it is listed.
    Read(Instant, Box<WholeCall>),
    /// It can't be read: it is not what any release has written.
    Unreadable(CallKey),
}

/// Reads the calls of an hour.
pub struct HourReader<'a> {
    store: &'a Store,
    plan: Plan,
    walk: Option<Walk<'a>>,
    /// Up to where the hour was read.
    last: Option<Position>,
    is_at_end: bool,
    at_once: usize,
    ready: VecDeque<Found>,
}

/// A call that was read, of which parts may lie in the bucket.
struct Found {
    key: CallKey,
    at: Instant,
    items: Vec<Item>,
}

impl Store {
    /// The calls of an hour, the oldest first; those of the same time by key. Pushes are not read.
    pub fn calls_of_hour(&self, hour: Hour) -> HourReader<'_> {
        HourReader {
            store: self,
            plan: Plan::of_hour(hour),
            walk: None,
            last: None,
            is_at_end: false,
            at_once: FIRST_ROUND,
            ready: VecDeque::new(),
        }
    }
}

impl HourReader<'_> {
    /// The next call; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`], when a store fails.
    pub async fn next(&mut self) -> Result<Option<HourCall>, ReadError> {
        loop {
            while let Some(found) = self.ready.pop_front() {
                if let Some(call) = self.whole(found).await? {
                    return Ok(Some(call));
                }
            }
            if self.is_at_end {
                return Ok(None);
            }
            let entries = self.entries().await?;
            self.ready = self.look_at(entries).await?;
        }
    }

    /// The next entries of the index.
    async fn entries(&mut self) -> Result<Vec<Entry>, TableError> {
        let (store, plan, last) = (self.store, &self.plan, &self.last);
        let walk =
            self.walk.get_or_insert_with(|| Walk::new(&store.table, plan, &Ties::by_key(), last.clone()));
        let entries = walk.take(self.at_once, |_| true).await?;
        if entries.len() < self.at_once {
            self.is_at_end = walk.is_at_end();
            // Enough was read for one walk: another goes on.
            self.last = walk.position(entries.last().map(Entry::position).or(self.last.take()));
            self.walk = None;
        } else {
            self.last = entries.last().map(Entry::position);
        }
        Ok(entries)
    }

    /// Reads the calls that entries name, in their order. One that is not where its entry says is left out: it has another place in the
    /// index, or is erased.
    async fn look_at(&mut self, entries: Vec<Entry>) -> Result<VecDeque<Found>, ReadError> {
        let table = &self.store.table;
        let mut items = by_partition(table.read_whole(&keys_of(entries.iter()), false).await?);
        let is_doubtful = |entry: &&Entry| match call_of(&items, entry) {
            None => true,
            Some(call) => !is_tombstone(call) && !is_true(DAY_INDEX, entry, call),
        };
        let doubtful: Vec<_> = entries.iter().filter(is_doubtful).collect();
        if !doubtful.is_empty() {
            let known = by_partition(table.read_whole(&keys_of(doubtful.iter().copied()), true).await?);
            doubtful.iter().for_each(|entry| drop(items.remove(&entry.pk)));
            items.extend(known);
        }
        let mut found = Vec::new();
        for entry in entries {
            let is_there = call_of(&items, &entry).is_some_and(|call| is_true(DAY_INDEX, &entry, call));
            let named = is_there.then(|| keys::call_of_pk(&entry.pk)).flatten();
            if let (Some(key), Some(items)) = (named, items.remove(&entry.pk)) {
                found.push(Found { key, at: entry.at, items });
            }
        }
        let recordings = found.iter().map(async |call| match call.has_recordings() {
            true => table.recordings_of(&keys::call_pk(&call.key)).await,
            false => Ok(Vec::new()),
        });
        let recordings = try_join_all(recordings).await?;
        found.iter_mut().zip(recordings).for_each(|(call, recordings)| call.items.extend(recordings));
        let bytes: usize = found.iter().flat_map(|call| &call.items).map(json_bytes).sum();
        let a_call = bytes / found.len().max(1);
        self.at_once = (ROUND_BYTES / a_call.max(1)).clamp(*ROUND.start(), *ROUND.end());
        Ok(found.into())
    }

    /// A call with what lies of it in the bucket; `None` where it was erased meanwhile.
    async fn whole(&self, found: Found) -> Result<Option<HourCall>, ReadError> {
        let Found { key, at, mut items } = found;
        for item in &mut items {
            let Some(part) = LargePart::of(item) else { continue };
            let Ok(bytes) = self.store.bucket().get(&part.key).await else {
                // Its objects go before its items where it is being erased: once more.
                let call = self.store.whole_call(&key, Bodies::Left).await?;
                return Ok(call.map(|call| HourCall::Read(at, Box::new(call))));
            };
            if part.put_into(item, bytes).is_err() {
                return Ok(Some(HourCall::Unreadable(key)));
            }
        }
        Ok(match WholeCall::read(key.clone(), items) {
            Ok(call) => call.map(|call| HourCall::Read(at, Box::new(call))),
            Err(_) => Some(HourCall::Unreadable(key)),
        })
    }
}

impl Found {
    /// Whether a recording was announced.
    fn has_recordings(&self) -> bool {
        self.items.iter().any(|item| item.get(HAS).is_some_and(|has| has.get(HAS_RECORDING).is_some()))
    }
}

/// The keys of calls and of their conversations.
fn keys_of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<(String, String)> {
    let partitions: BTreeSet<_> = entries.map(|entry| &entry.pk).collect();
    let both = |pk: &String| [keys::CALL, keys::CONVERSATION].map(|sk| (pk.clone(), sk.to_owned()));
    partitions.into_iter().flat_map(both).collect()
}

fn by_partition(items: Vec<Item>) -> BTreeMap<String, Vec<Item>> {
    let mut by_partition = BTreeMap::<_, Vec<_>>::new();
    for item in items {
        if let Some(pk) = item.get(keys::PK).and_then(Value::as_str).map(str::to_owned) {
            by_partition.entry(pk).or_default().push(item);
        }
    }
    by_partition
}

/// The call's own item of those that an entry names.
fn call_of<'i>(items: &'i BTreeMap<String, Vec<Item>>, entry: &Entry) -> Option<&'i Item> {
    let is_call = |item: &&Item| item.get(keys::SK).and_then(Value::as_str) == Some(keys::CALL);
    items.get(&entry.pk)?.iter().find(is_call)
}

impl Table {
    /// The recordings of a call. What was written a moment ago may be missing.
    async fn recordings_of(&self, pk: &str) -> Result<Vec<Item>, TableError> {
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :recording)")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":recording", AttributeValue::S(keys::recording_sk("")));
        self.all_of(query).await
    }
}
