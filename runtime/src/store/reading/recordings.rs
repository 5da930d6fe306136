//! Recordings that wait to be archived, and those that were lost.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::ReadError;
use super::partition::Entry;
use super::walk::Walk;
use crate::store::Store;
use crate::store::due::DueRecording;
use crate::store::table::TableError;
use shared::model::{CallKey, Instant, Recording, RecordingState};
use shared::reading::{Cursor, Order, Plan, Position, Ties};
use shared::record::item::{self, Item};
use shared::record::keys::{self, DUE_INDEX, SHARDS};

/// The most recordings of one page.
const MAX_PAGE: usize = 1_000;
/// So many entries are looked at for one page of what was lost, and one more round.
const MAX_SCANNED: usize = 2_000;
/// How many are read in one round.
const ROUND: usize = 100;

/// A recording that waits, or was lost.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingRecording {
    /// Its call.
    pub key: CallKey,
    /// The recording.
    pub recording: Recording,
    /// When it was lost; `None` where it waits.
    pub lost_at: Option<Instant>,
}

/// Some recordings of a list, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitingPage {
    /// The recordings. There may be none although there is a next page.
    pub recordings: Vec<WaitingRecording>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<Cursor>,
    /// How many could not be read: they are not what any release has written.
    pub unreadable: u64,
}

impl WaitingPage {
    /// The name of the list of a state, by which its cursors are known: [`Cursor::decode_of_list`].
    pub fn list_name(state: RecordingState) -> &'static str {
        match state {
            RecordingState::Pending => "recordings: pending",
            RecordingState::Archived => "recordings: archived",
            RecordingState::Expired => "recordings: expired",
            RecordingState::Failed => "recordings: failed",
        }
    }
}

impl Store {
    /// At most `limit` recordings (1 to 1,000) of a state: those that are pending by when their URL expires, the soonest first and last
    /// those of which that is not known; those that are expired or failed by when they were given up, the newest first. There is no list of
    /// archived ones: it is empty.
    ///
    /// For a page of pending ones the whole of what is due is read from the index, as the archiver reads it in each run; no more than a page
    /// is held.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails.
    pub async fn waiting_recordings(
        &self,
        state: RecordingState,
        cursor: Option<&Cursor>,
        limit: usize,
        ties: &Ties,
    ) -> Result<WaitingPage, ReadError> {
        let limit = limit.clamp(1, MAX_PAGE);
        match state {
            RecordingState::Pending => self.pending_recordings(cursor, limit, ties).await,
            RecordingState::Archived => Ok(WaitingPage::default()),
            RecordingState::Expired | RecordingState::Failed => {
                self.lost_recordings(state, cursor, limit, ties).await
            }
        }
    }

    async fn pending_recordings(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        ties: &Ties,
    ) -> Result<WaitingPage, ReadError> {
        let tied = |place: Position| Tied { at: place.at, tie: ties.place(&place.pk), place };
        let after = cursor.map(|cursor| tied(cursor.position().clone()));
        let after = after.as_ref();
        let shards = (0..SHARDS).map(async |shard| {
            let (mut first, mut unreadable) = (BTreeSet::new(), 0);
            let mut due = self.table.due_recordings(shard);
            while let Some(entry) = due.next().await {
                match entry {
                    Ok(entry) => {
                        let place = tied(expiry(entry));
                        if after.is_none_or(|after| place > *after) {
                            first.insert(place);
                        }
                        // One more than are shown tells whether there is a next page.
                        if first.len() > limit + 1 {
                            first.pop_last();
                        }
                    }
                    Err(TableError::UnreadableEntry { .. }) => unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, TableError>((first, unreadable))
        });
        let shards = try_join_all(shards).await?;
        let unreadable = shards.iter().map(|(_, unreadable)| unreadable).sum();
        let places: BTreeSet<_> = shards.into_iter().flat_map(|(first, _)| first).collect();
        let is_last = places.len() <= limit;
        let places: Vec<_> = places.into_iter().take(limit).map(|tied| tied.place).collect();
        let next = places.last().filter(|_| !is_last).cloned();
        let mut items = self.recording_items(&places).await?;
        let mut page = WaitingPage { unreadable, ..WaitingPage::default() };
        for place in places {
            page.take(items.remove(&(place.pk, place.sk)), RecordingState::Pending, None);
        }
        let list = WaitingPage::list_name(RecordingState::Pending);
        page.next = next.map(|place| Cursor::of_list(place, list));
        Ok(page)
    }

    async fn lost_recordings(
        &self,
        state: RecordingState,
        cursor: Option<&Cursor>,
        limit: usize,
        ties: &Ties,
    ) -> Result<WaitingPage, ReadError> {
        let plan = Plan::over(DUE_INDEX, (0..SHARDS).map(keys::lost_due_key), Order::Descending);
        let mut walk = Walk::new(&self.table, &plan, ties, cursor.map(|cursor| cursor.position().clone()));
        let mut page = WaitingPage::default();
        let (mut scanned, mut last, mut is_cut) = (0, None, false);
        'page: while page.recordings.len() < limit && scanned < MAX_SCANNED {
            let entries = walk.take(ROUND.max(limit - page.recordings.len()), |_| true).await?;
            if entries.is_empty() {
                break;
            }
            scanned += entries.len();
            let places: Vec<_> = entries.iter().map(Entry::position).collect();
            let mut items = self.recording_items(&places).await?;
            for place in places {
                if page.recordings.len() == limit {
                    is_cut = true;
                    break 'page;
                }
                let at = place.at;
                last = Some(place.clone());
                // What is pending again, or archived, is lost no more.
                page.take(items.remove(&(place.pk, place.sk)), state, Some(at));
            }
        }
        let next = match (is_cut, walk.is_at_end()) {
            (true, _) => last,
            (false, true) => None,
            (false, false) => walk.position(last),
        };
        page.next = next.map(|place| Cursor::of_list(place, WaitingPage::list_name(state)));
        Ok(page)
    }

    /// The items of recordings, by their keys.
    async fn recording_items(
        &self,
        places: &[Position],
    ) -> Result<BTreeMap<(String, String), Item>, TableError> {
        let keys: BTreeSet<_> = places.iter().map(|place| (place.pk.clone(), place.sk.clone())).collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let items = self.table.get_all(&keys).await?.into_iter();
        let text = |item: &Item, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(items.filter_map(|item| Some(((text(&item, keys::PK)?, text(&item, keys::SK)?), item))).collect())
    }
}

impl WaitingPage {
    /// Adds a recording that is in this state; the index may tell of one that is not any more.
    fn take(&mut self, item: Option<Item>, state: RecordingState, lost_at: Option<Instant>) {
        let Some(item) = item else { return };
        let key = item.get(keys::PK).and_then(Value::as_str).and_then(keys::call_of_pk);
        match (key, item::typed::<Recording>(item)) {
            (Some(key), Ok(recording)) if recording.state == state => {
                self.recordings.push(WaitingRecording { key, recording, lost_at });
            }
            (Some(_), Ok(_)) => {}
            _ => self.unreadable += 1,
        }
    }
}

/// Where a recording stands in a list whose ties are broken so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tied {
    at: Instant,
    tie: [u8; 8],
    place: Position,
}

/// Where a recording that waits stands in the list.
fn expiry(entry: DueRecording) -> Position {
    let DueRecording { pk, sk, due_at: _, source_expires_at } = entry;
    let at = source_expires_at.unwrap_or_else(|| Instant::clamped(i64::MAX));
    Position { at, pk, sk }
}
