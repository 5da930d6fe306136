//! A batch of changes: what each tells, and the call that it is of.

use std::collections::{BTreeMap, BTreeSet};

use runtime::store::Store;
use runtime::store::table::TableError;
use shared::events::{CallState, Change, EventSettings, ItemKind, events_of};
use shared::model::{CallKey, Hour, Instant};
use shared::record::item::{Item, UnreadableItem};
use shared::record::keys;
use shared::view::Shown;

use crate::bus::Entry;
use crate::record::{self, Told};
use crate::{Answer, Batch, ItemFailure};

/// Why a change is set aside whose images are not what any release has written.
const WRONG_IMAGE: &str = "an item that can't be read";

/// What is to be done of a batch.
pub(crate) struct Work {
    sequence_numbers: Vec<Option<String>>,
    /// The changes that tell something, by their position.
    changes: BTreeMap<usize, Change>,
    /// The calls that are read from the table: `None` where there is none.
    calls: BTreeMap<CallKey, Option<CallState>>,
    unreadable: BTreeMap<usize, &'static str>,
    oldest: Option<Instant>,
}

impl Work {
    /// Reads a batch at `now`, as far as `settings` have something told of it.
    pub(crate) fn of(batch: &Batch, settings: &EventSettings, now: Instant) -> Self {
        let mut work = Self {
            sequence_numbers: Vec::new(),
            changes: BTreeMap::new(),
            calls: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            oldest: None,
        };
        for (position, record) in batch.records.iter().enumerate() {
            let record::Read { sequence_number, told } = record::read(record, settings, now);
            work.sequence_numbers.push(sequence_number);
            match told {
                Told::Change { is_expiry: true, .. } | Told::Nothing => {}
                Told::Change { change, is_expiry: false } => {
                    work.oldest = Some(work.oldest.map_or(change.at, |oldest| oldest.min(change.at)));
                    work.changes.insert(position, *change);
                }
                Told::Unreadable(reason) => {
                    work.unreadable.insert(position, reason);
                }
            }
        }
        work
    }

    /// When the oldest change was made.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// Reads the calls that conversations and recordings are of, where the batch does not tell them itself.
    ///
    /// # Errors
    /// The table's, and the position of the first change that needs it.
    pub(crate) async fn read_calls(&mut self, store: &Store) -> Result<(), (usize, TableError)> {
        let told: BTreeSet<_> = self.of_kind(true).map(|(_, change)| change.key.clone()).collect();
        let mut first = None;
        let mut wanted = BTreeSet::new();
        for (position, change) in self.of_kind(false).filter(|(_, change)| !told.contains(&change.key)) {
            first.get_or_insert(position);
            wanted.insert(change.key.clone());
        }
        let Some(first) = first else { return Ok(()) };
        let wanted: Vec<_> = wanted.into_iter().collect();
        let mut read = store.call_states(&wanted).await.map_err(|error| (first, error))?;
        for key in wanted {
            match read.remove(&key).transpose() {
                Ok(state) => drop(self.calls.insert(key, state)),
                // The call's item can't be read: neither can be told what lies beside it.
                Err(_) => self.set_aside(&key),
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, key: &CallKey) {
        let positions: Vec<_> = self.changes.iter().filter(|(_, change)| change.key == *key).collect();
        let positions: Vec<_> = positions.into_iter().map(|(position, _)| *position).collect();
        for position in positions {
            self.changes.remove(&position);
            self.unreadable.insert(position, WRONG_IMAGE);
        }
    }

    fn of_kind(&self, is_call: bool) -> impl Iterator<Item = (usize, &Change)> {
        let of_kind = move |change: &Change| (change.kind == ItemKind::Call) == is_call;
        self.changes
            .iter()
            .filter(move |(_, change)| of_kind(change))
            .map(|(position, change)| (*position, change))
    }

    /// Leaves out the changes from a position on.
    pub(crate) fn end_at(&mut self, position: usize) {
        drop(self.changes.split_off(&position));
        drop(self.unreadable.split_off(&position));
    }

    /// The hours of the calls of which something changed that analytics show: where each is, and where it was.
    pub(crate) fn hours(&self) -> BTreeSet<Hour> {
        let mut hours = BTreeSet::new();
        let of_image = |image: &Item| {
            let call_at = image.get(keys::CALL_AT)?.as_str()?.parse::<Instant>().ok()?;
            Some(Hour::of(call_at))
        };
        for change in self.changes.values().filter(|change| change.may_show()) {
            match change.kind {
                ItemKind::Call => {
                    hours.extend([&change.old, &change.new].into_iter().flatten().filter_map(of_image))
                }
                // Where the call is not there yet, its own item will mark its hour.
                ItemKind::Conversation | ItemKind::Recording => {
                    let call = self.calls.get(&change.key).and_then(Option::as_ref);
                    hours.extend(call.filter(|call| !call.is_erased()).map(|call| Hour::of(call.call_at())));
                }
            }
        }
        hours
    }

    /// The events that the changes make, in their order. A change whose images can't be read becomes one to be set aside. It is the last thing
    /// that is done with the changes.
    pub(crate) fn events(&mut self, settings: &EventSettings, shown: &Shown<'_>) -> Vec<Entry> {
        // Most changes beside a call tell nothing, and then it is not asked what the call was like.
        let beside = self.of_kind(false).filter(|(_, change)| change.may_tell(settings));
        let beside = beside.map(|(position, change)| (position, self.call_at(position, &change.key)));
        let mut beside: BTreeMap<usize, _> = beside.collect();
        let mut entries = Vec::new();
        for (position, change) in std::mem::take(&mut self.changes) {
            let call = match (change.kind, beside.remove(&position)) {
                (_, Some(call)) => call,
                (ItemKind::Call, None) => Ok(None),
                (ItemKind::Conversation | ItemKind::Recording, None) => continue,
            };
            match call.and_then(|call| events_of(change, call.as_ref(), settings, shown)) {
                Ok(events) => entries.extend(events.into_iter().map(|event| Entry { position, event })),
                Err(_) => {
                    self.unreadable.insert(position, WRONG_IMAGE);
                }
            }
        }
        entries
    }

    /// The call as it was when a change beside it was made, as far as the batch tells: what its events show must neither be newer than what
    /// the batch tells next of the call, nor older than what it told before.
    fn call_at(&self, position: usize, key: &CallKey) -> Result<Option<CallState>, UnreadableItem> {
        let is_call = |(_, change): &(&usize, &Change)| change.kind == ItemKind::Call && change.key == *key;
        let before = self.changes.range(..position).rev().find(is_call);
        let after = || self.changes.range(position..).find(is_call);
        let image = match before {
            Some((_, change)) => change.new.clone(),
            None => match after() {
                Some((_, change)) => change.old.clone().or_else(|| change.new.clone()),
                None => return Ok(self.calls.get(key).cloned().flatten()),
            },
        };
        image.map(CallState::read).transpose()
    }

    /// The changes to be set aside, and why.
    pub(crate) fn unreadable(&self) -> Vec<(usize, &'static str)> {
        self.unreadable.iter().map(|(position, reason)| (*position, *reason)).collect()
    }

    /// The answer where all from a position on has to be handed over again; the empty one where nothing has.
    pub(crate) fn answer(&self, first_failure: Option<usize>) -> Answer {
        let Some(first) = first_failure else { return Answer::default() };
        let number = self.sequence_numbers.get(first).cloned().flatten().unwrap_or_default();
        Answer { batch_item_failures: vec![ItemFailure { item_identifier: number }] }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A change of a call by a push, or by somebody who asked for it in vain.
    fn change(name: &str, value: Value) -> crate::record::Record {
        let image =
            |version: &str| json!({"call_at": {"S": "2025-06-01T02:00:00.000Z"}, "version": {"N": version}});
        let (old, mut new) = (image("1"), image("2"));
        new[name] = value;
        let keys = json!({"pk": {"S": "call#alicom#1"}, "sk": {"S": "call"}});
        let record =
            json!({"dynamodb": {"Keys": keys, "SequenceNumber": "1", "OldImage": old, "NewImage": new}});
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn an_hour_is_not_marked_for_what_analytics_do_not_show() {
        let now = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let hours = |record| {
            let batch = Batch { records: vec![record] };
            let hours = Work::of(&batch, &EventSettings::default(), now).hours();
            hours.into_iter().map(|hour| hour.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(hours(change("asked", json!({"N": "2"}))), [""; 0]);
        assert_eq!(hours(change("outcome", json!({"S": "busy"}))), ["2025-06-01T02"]);
        let moved = hours(change("call_at", json!({"S": "2025-06-01T01:59:59.000Z"})));
        assert_eq!(moved, ["2025-06-01T01", "2025-06-01T02"]);
    }
}
