//! The stores, and all that is asked of DynamoDB: no expression of it stands elsewhere.
//!
//! - [`Store`] stores what pushes say, and `replay` reads it anew.
//! - [`table`]: reading items, merging them by version, batches; how an item is written there is known to `attributes` alone.
//! - [`access`]: who saw what. [`analytics`]: the bucket of analytics' files.
//! - [`job`], [`shards`], [`lease`], [`marks`], [`dirty`], [`tombstones`]: what scheduled runs write.
//! - [`reading`]: lists of calls in order, one call whole, counts: for whoever asks.
//! - [`due`], `listing`, `scan`: finding items. `replace`, `delete`: what only an erasure does. [`hashes`]: digests that are added later.
//!
//! What fails in the table is a [`TableError`], in the bucket a [`BucketError`]; a [`StoreError`] is either, where both are
//! written, and a [`job::JobError`] is an item's own, where it is no recording.
//!
//! # Storing a push
//!
//! It is the verbatim push, the call, its conversation, its recordings.
//!
//! What is stored already is read first, in one request that may be stale. Then all writes of one element are independent of each other
//! and under way at the same time; each can be repeated. When one of them is missing after a crash, the repeated push makes up for
//! it, as of its first receipt.

pub mod access;
pub mod analytics;
pub mod attributes;
pub mod bucket;
mod delete;
pub mod dirty;
pub mod due;
mod envelope;
pub mod hashes;
pub mod job;
pub mod lease;
pub mod listing;
pub mod marks;
pub mod reading;
pub mod rejects;
mod replace;
mod replay;
mod reviews;
mod said;
mod scan;
mod settle;
pub mod shards;
pub mod table;
pub mod tombstones;
mod update;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::{self, Account, Patience};
use crate::clock;
use crate::config::StoreConfig;
use crate::store::analytics::AnalyticsBucket;
use crate::store::bucket::{Bucket, BucketError};
use crate::store::said::{BodyWrites, CallWrites, RECEIVED_AT, Receipts, ToMerge, received_at};
use crate::store::table::{MAX_BATCH, Table, TableError, item_key};
use shared::model::{CallKey, Instant, RecordingSource};
use shared::record::item::{self, Item, NewItem, is_tombstone};
use shared::record::keys;
use shared::record::merge::{CALL_WRITERS, CONVERSATION_WRITERS, Contribution, Record};
use shared::record::missing;
use shared::record::parts::{Element, Merged, former_recording_sk, merged, refreshed};

pub use replay::Replayed;

/// How long a push waits for what it could as well do without.
const GLANCE_LIMIT: Duration = Duration::from_millis(150);
/// How long several verbatim pushes wait to be told which of them are there, where that glance told nothing. The rest of what the push says is
/// written meanwhile, which takes as long where the table is slow.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A sender has waited long enough.
    #[error("the stores did not answer in time")]
    Late,
}

/// The table and the bucket.
#[derive(Debug)]
pub struct Store {
    table: Table,
    account: Account,
    config: StoreConfig,
    patience: Patience,
    // Most pushes never need the bucket: its client is made when the first one does.
    bucket: OnceLock<Bucket>,
    analytics_bucket_name: Option<String>,
    analytics: OnceLock<AnalyticsBucket>,
}

/// What became of an element that is durable, or has to be so no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// All that it says is stored.
    Kept,
    /// Its call was erased: nothing of it is stored.
    OfErasedCall,
}

/// What became of an element.
pub type StoreResult = Result<Stored, Arc<StoreError>>;

/// When verbatim pushes were received that are there already, by their partition and sort key.
type EarlierPuts = BTreeMap<(String, String), Instant>;

/// The elements, by their position in the push, that a write was for, and what became of it.
type Written = (Vec<usize>, Result<(), Arc<StoreError>>);

impl Store {
    /// The stores that the settings name.
    pub fn new(config: StoreConfig, account: Account, patience: Patience) -> Self {
        let table = Table::new(&account, &config, patience);
        Self {
            table,
            account,
            config,
            patience,
            bucket: OnceLock::new(),
            analytics_bucket_name: None,
            analytics: OnceLock::new(),
        }
    }

    /// The same with the bucket of analytics' files, where one is named: for whoever writes these, or counts by them.
    pub fn with_analytics(self, bucket_name: Option<String>) -> Self {
        Self { analytics_bucket_name: bucket_name, ..self }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The bucket.
    pub fn bucket(&self) -> &Bucket {
        self.bucket.get_or_init(|| Bucket {
            client: aws::s3(&self.account, &self.config, aws::http_client(), self.patience),
            name: self.config.bucket_name.clone(),
        })
    }

    /// The bucket of analytics' files; `None` where none is named.
    pub fn analytics(&self) -> Option<&AnalyticsBucket> {
        let name = self.analytics_bucket_name.as_ref()?;
        let new = || AnalyticsBucket(Bucket { name: name.clone(), ..self.bucket().clone() });
        Some(self.analytics.get_or_init(new))
    }

    /// What is stored of calls; those that are not are left out. Of an erased call nothing is known but that it was erased.
    pub async fn calls(&self, calls: &[CallKey]) -> Result<BTreeMap<CallKey, Record>, TableError> {
        let keys: Vec<_> = calls.iter().map(|key| (keys::call_pk(key), keys::CALL.to_owned())).collect();
        let mut found = BTreeMap::new();
        for item in self.table.get_all(&keys).await? {
            let key = item.get(keys::PK).and_then(Value::as_str).and_then(keys::call_of_pk);
            if let Some(key) = key {
                found.insert(key, item::record(item)?);
            }
        }
        Ok(found)
    }

    /// When a call is to be asked for, as it is stored.
    pub fn ask_at(&self, key: &CallKey, call: &Record) -> Option<Instant> {
        missing::ask_at(key.provider, call, self.config.waiting())
    }

    /// Notes that a call was asked for at `now`, for the time after `asked`, and gives back what is known of it by now. If
    /// that is not all, it is due again after a pause.
    pub async fn postpone_inquiry(
        &self,
        key: &CallKey,
        asked: u32,
        now: Instant,
    ) -> Result<Option<Record>, TableError> {
        let postponed = |stored: Option<Item>| {
            let stored = stored.filter(|item| !is_tombstone(item));
            let Some(mut record) = stored.map(item::record).transpose()? else { return Ok((None, None)) };
            let due = self.ask_at(key, &record).is_some() && record.inquiry.asked == asked;
            record.inquiry = if due { record.inquiry.postponed(now) } else { record.inquiry };
            let item = due.then(|| self.call_item(key, record.clone())).transpose()?;
            Ok((item, Some(record)))
        };
        self.table.update(&keys::call_pk(key), keys::CALL, postponed).await
    }

    fn call_item(&self, key: &CallKey, record: Record) -> Result<NewItem, item::UnreadableItem> {
        item::call_item(key, record, self.config.waiting())
    }

    /// Stores elements. The answer has a result for each, in their order: `Ok` means that all of it is durable, or that its call was
    /// erased and nothing of it is stored.
    pub async fn store(&self, elements: Vec<Element>) -> Vec<StoreResult> {
        let mut results: Vec<StoreResult> = elements.iter().map(|_| Ok(Stored::Kept)).collect();
        let mut calls: BTreeMap<CallKey, CallWrites> = BTreeMap::new();
        let mut large: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for (position, element) in elements.into_iter().enumerate() {
            let key = element.key.clone();
            let (body, too_large) = BodyWrites::of(element);
            for (key, bytes) in too_large {
                large.entry(key).or_insert_with(|| (Vec::new(), bytes)).0.push(position);
            }
            calls.entry(key).or_default().add(position, body);
        }

        // First what lies in the bucket: no item ever names an object that isn't there. What is stored is read meanwhile.
        let objects: Writes<'_> = FuturesUnordered::new();
        for (key, (positions, bytes)) in large {
            objects.push(Box::pin(async move {
                vec![(positions, self.bucket().put_json_if_absent(&key, bytes).await.map_err(shared))]
            }));
        }
        let objects_put = !objects.is_empty();
        let (mut known, ()) = tokio::join!(self.known(&calls), settle(&mut results, objects));
        let is_nothing_known = known.is_none();

        let mut erased: BTreeMap<CallKey, Vec<usize>> = BTreeMap::new();
        let mut pushes = Vec::new();
        let mut writes = Vec::new();
        for (key, mut call) in calls {
            let glanced = known.as_mut().map(|known| known.remove(&keys::call_pk(&key)).unwrap_or_default());
            let is_known = glanced.is_some();
            let known = glanced.unwrap_or_default();
            if known.get(keys::CALL).is_some_and(is_tombstone) {
                let positions = call.positions();
                positions.iter().for_each(|position| results[*position] = Ok(Stored::OfErasedCall));
                // What was under way during the erasure left something beside the tombstone.
                if objects_put || known.len() > 1 {
                    erased.insert(key, positions);
                }
                continue;
            }
            // An item would name an object that isn't there.
            call.bodies.retain(|body| body.positions.iter().all(|position| results[*position].is_ok()));
            let receipts = Receipts::of(&known);
            for body in &mut call.bodies {
                pushes.extend(body.as_of_its_first_receipt(&receipts));
            }
            if !call.bodies.is_empty() {
                writes.push((key, call, known, is_known));
            }
        }

        let earlier_puts = Mutex::new(BTreeMap::new());
        let puts = async {
            if is_nothing_known && pushes.len() > 1 {
                pushes = self.not_there_yet(pushes, &earlier_puts).await;
            }
            let puts: Writes<'_> = FuturesUnordered::new();
            let mut pushes = pushes.into_iter().peekable();
            while pushes.peek().is_some() {
                let batch: Vec<_> = pushes.by_ref().take(MAX_BATCH).collect();
                puts.push(Box::pin(self.put_pushes(batch, &earlier_puts)));
            }
            settle(&mut results, puts).await;
        };
        let merges = join_all(writes.into_iter().map(|(key, mut call, known, is_known)| async move {
            let met = self.write_call(&key, &mut call, known, is_known).await;
            (key, call, met)
        }));
        let (merges, ()) = tokio::join!(merges, puts);

        // The rest is done only where a push met an erasure, or another receipt of itself.
        let earlier_puts = earlier_puts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rest: Writes<'_> = FuturesUnordered::new();
        for (key, call, met) in merges {
            let positions = call.positions();
            let met = met.map(|met| met.with_puts(&key, &call, &earlier_puts));
            match met {
                Ok(met) if met.erased => {
                    positions.iter().for_each(|position| results[*position] = Ok(Stored::OfErasedCall));
                    erased.insert(key, positions);
                }
                Ok(met) if !met.earlier.is_empty() || call.bodies.iter().any(|body| body.is_put_as_later) => {
                    rest.push(Box::pin(async move {
                        let dated = self.date_back(&key, call, met.earlier).await;
                        vec![(positions, dated.map_err(shared))]
                    }));
                }
                Ok(_) => {}
                Err(error) => note(&mut results, &positions, &shared(error)),
            }
        }
        for (key, positions) in erased {
            rest.push(Box::pin(async move { vec![(positions, self.rearm(&key).await.map_err(shared))] }));
        }
        settle(&mut results, rest).await;
        results
    }

    /// What is stored of the items that are about to be written, by partition and sort key. To read them first costs a tenth of a put
    /// that is refused since there is an item already; and whatever was received before keeps its first receipt.
    ///
    /// What is read may be stale, and what can't be read soon is not known: the put's condition decides. `None` where nothing
    /// could be read.
    async fn known(
        &self,
        calls: &BTreeMap<CallKey, CallWrites>,
    ) -> Option<HashMap<String, BTreeMap<String, Item>>> {
        let keys: Vec<_> = calls
            .iter()
            .flat_map(|(key, call)| call.sort_keys(key).into_iter().map(|sk| (keys::call_pk(key), sk)))
            .collect();
        let mut known = HashMap::<_, BTreeMap<_, _>>::new();
        for item in self.glance(&keys).await? {
            if let [Some(pk), Some(sk)] =
                [keys::PK, keys::SK].map(|name| item.get(name).and_then(Value::as_str).map(str::to_owned))
            {
                known.entry(pk).or_default().insert(sk, item);
            }
        }
        Some(known)
    }

    /// Reads what a push could do without as well: `None` where that takes too long, or fails.
    async fn glance(&self, keys: &[(String, String)]) -> Option<Vec<Item>> {
        timeout(GLANCE_LIMIT, self.table.glance_at(keys)).await.ok().and_then(Result::ok)
    }

    /// The sort key of a recording's item: that of an earlier release where there is such an item. `known` are the sort keys that were
    /// found of the call, `None` where that is to be read first.
    async fn recording_sk(
        &self,
        key: &CallKey,
        source: &RecordingSource,
        known: Option<&BTreeSet<String>>,
    ) -> Result<String, TableError> {
        if let Some(former) = former_recording_sk(key, source) {
            let is_there = match known {
                Some(known) => known.contains(&former),
                None => self.table.get(&keys::call_pk(key), &former).await?.is_some(),
            };
            if is_there {
                return Ok(former);
            }
        }
        Ok(keys::recording_sk(&source.slot))
    }

    /// Several verbatim pushes without those that are there already, which are entered among the `earlier`: a batch takes no condition, and would
    /// put a later receipt over the first one. Where that can't be read either, all are put: that they are durable comes first.
    async fn not_there_yet(
        &self,
        mut pushes: Vec<(Vec<usize>, NewItem)>,
        earlier: &Mutex<EarlierPuts>,
    ) -> Vec<(Vec<usize>, NewItem)> {
        let keys: Vec<_> = pushes.iter().filter_map(|(_, push)| item_key(|name| push.get(name))).collect();
        let look = self.table.read(&keys, &[keys::PK, keys::SK, RECEIVED_AT], true);
        let Ok(Ok(there)) = timeout(LOOK_LIMIT, look).await else { return pushes };
        let there =
            there.iter().filter_map(|push| Some((item_key(|name| push.get(name))?, received_at(push)?)));
        let there: EarlierPuts = there.collect();
        pushes.retain(|(_, push)| {
            let there = item_key(|name| push.get(name)).and_then(|key| there.get(&key));
            let now = push.get(RECEIVED_AT).and_then(Value::as_str).and_then(|now| now.parse().ok());
            there.is_none() || there > now.as_ref()
        });
        earlier.lock().unwrap_or_else(PoisonError::into_inner).extend(there);
        pushes
    }

    /// Puts verbatim pushes. A single item that DynamoDB refuses makes it refuse its batch: then each goes alone.
    ///
    /// What is there already of one that is put alone is entered among the `earlier`: an attempt that could store nothing else has left it, and
    /// what is stored could not be read before.
    async fn put_pushes(
        &self,
        batch: Vec<(Vec<usize>, NewItem)>,
        earlier: &Mutex<EarlierPuts>,
    ) -> Vec<Written> {
        let (positions, mut items): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        // Most bodies have one element, and a sender that loses patience sends it again while it is still being stored. By itself it takes a
        // condition, which a batch has none of: the first receipt stays, whichever put comes last.
        if let [item] = &mut items[..]
            && let Some(first) = item.get(RECEIVED_AT).and_then(Value::as_str).map(str::to_owned)
        {
            let put = self.table.put_unless_less(std::mem::take(item), RECEIVED_AT, &first).await;
            if let Ok(Some(there)) = &put
                && let (Some(key), Some(first)) = (item_key(|name| there.get(name)), received_at(there))
            {
                earlier.lock().unwrap_or_else(PoisonError::into_inner).insert(key, first);
            }
            return vec![(positions.concat(), put.map(drop).map_err(shared))];
        }
        match self.table.put_batch(items.clone()).await {
            Ok(()) => Vec::new(),
            Err(TableError::Refused(_)) if items.len() > 1 => {
                let mut written = Vec::new();
                for (positions, item) in positions.into_iter().zip(items) {
                    written.push((positions, self.table.put(item).await.map_err(shared)));
                }
                written
            }
            Err(error) => vec![(positions.concat(), Err(shared(error)))],
        }
    }

    /// Writes what a push says about one call. `known` is what is believed to be stored of it, by sort key; nothing where that
    /// could not be read, which `is_known` tells.
    async fn write_call(
        &self,
        key: &CallKey,
        call: &mut CallWrites,
        mut known: BTreeMap<String, Item>,
        is_known: bool,
    ) -> Result<Met, TableError> {
        let pk = keys::call_pk(key);
        let (known_call, known_conversation) = (known.remove(keys::CALL), known.remove(keys::CONVERSATION));
        let (mut of_call, mut of_conversation, mut announced) = (Vec::new(), Vec::new(), Vec::new());
        for body in &mut call.bodies {
            let received_at = body.call.received_at;
            let (call, conversation, recordings) = body.merges();
            of_call.push(call);
            of_conversation.extend(conversation);
            announced.extend(recordings.iter().map(|source| (source, received_at)));
        }
        let says_of_conversation = !of_conversation.is_empty();
        let merge_call = |stored| {
            let said = contributions(&mut of_call)?;
            let to_item = |record| self.call_item(key, record);
            Met::of(merged(stored, CALL_WRITERS, said, to_item)?)
        };
        let merge_conversation = |stored| {
            let said = contributions(&mut of_conversation)?;
            let to_item = |record| Ok(item::conversation_item(key, record));
            Met::of(merged(stored, CONVERSATION_WRITERS, said, to_item)?)
        };
        let conversation = async {
            if !says_of_conversation {
                return Ok(Met::default());
            }
            self.table.upsert(&pk, keys::CONVERSATION, known_conversation, merge_conversation).await
        };
        let recordings = async {
            let there = is_known.then(|| known.keys().cloned().collect::<BTreeSet<_>>());
            for (source, received_at) in announced {
                let merge = |stored| Ok((refreshed(stored, key, source, received_at)?, ()));
                let sk = self.recording_sk(key, source, there.as_ref()).await?;
                let known = known.remove(&sk);
                self.table.upsert(&pk, &sk, known, merge).await?;
            }
            Ok(())
        };
        let call = self.table.upsert(&pk, keys::CALL, known_call, merge_call);
        let (mut met, of_conversation, ()) = tokio::try_join!(call, conversation, recordings)?;
        met.erased |= of_conversation.erased;
        for (body, first) in of_conversation.earlier {
            let earliest = met.earlier.entry(body).or_insert(first);
            *earliest = first.min(*earliest);
        }
        Ok(met)
    }

    /// Makes all that is stored of bodies agree on when they were received first, where a merge found that out: two deliveries of
    /// the same body were under way at once, whichever of them is merged last, or what is stored could not be read before.
    async fn date_back(
        &self,
        key: &CallKey,
        mut call: CallWrites,
        earlier: BTreeMap<(&'static str, String), Instant>,
    ) -> Result<(), TableError> {
        call.bodies.retain_mut(|body| {
            let first = earlier.get(&(body.call.function, body.call.body.clone())).copied();
            first.into_iter().for_each(|first| body.first_received(first));
            first.is_some() || body.is_put_as_later
        });
        if !earlier.is_empty() {
            self.write_call(key, &mut call, BTreeMap::new(), false).await?;
        }
        let pk = keys::call_pk(key);
        for body in &call.bodies {
            let Contribution { function, body, received_at: first, .. } = &body.call;
            let Some(mut push) = self.table.get(&pk, &keys::push_sk(function, body)).await? else { continue };
            let Some(stored) = received_at(&push).filter(|stored| first < stored) else { continue };
            push.insert(RECEIVED_AT.to_owned(), first.to_string().into());
            if let Some(expires) = push.get(keys::TTL).and_then(Value::as_i64) {
                push.insert(keys::TTL.to_owned(), item::earlier_expiry(expires, stored, *first).into());
            }
            self.table.put_while(push, RECEIVED_AT, &stored.to_string()).await?;
        }
        Ok(())
    }

    /// Has `sweep-erased` look at a tombstone: something may have come to lie beside it. By a put, as all that pushes write:
    /// `Table::rearm_tombstone` takes a permission that their functions don't have.
    async fn rearm(&self, key: &CallKey) -> Result<(), TableError> {
        let pk = keys::call_pk(key);
        let due = |stored: Option<Item>| {
            let Some(mut tombstone) = stored.filter(is_tombstone) else { return Ok((None, ())) };
            tombstone.insert(keys::DUE.to_owned(), keys::erased_due_key(keys::shard_of(&pk)).into());
            tombstone.insert(keys::DUE_AT.to_owned(), clock::now().to_string().into());
            Ok((Some(tombstone.into()), ()))
        };
        self.table.update(&pk, keys::CALL, due).await
    }
}

/// What is said of an item, for a merge.
fn contributions(said: &mut [ToMerge<'_>]) -> Result<Vec<Contribution>, TableError> {
    said.iter_mut().map(ToMerge::contribution).collect()
}

/// What a write of a call met.
#[derive(Debug, Default)]
struct Met {
    /// The call was erased meanwhile.
    erased: bool,
    /// The bodies that were received before, by function and digest, and when.
    earlier: BTreeMap<(&'static str, String), Instant>,
}

impl Met {
    /// What is to be written of what was merged, and what was met.
    fn of(merged: Merged) -> Result<(Option<NewItem>, Self), TableError> {
        let Merged { item, erased, earlier } = merged;
        Ok((item, Self { erased, earlier }))
    }

    /// The same with what puts of the call's verbatim pushes met.
    fn with_puts(mut self, key: &CallKey, call: &CallWrites, earlier: &EarlierPuts) -> Self {
        // Hardly ever was anything met.
        if earlier.is_empty() {
            return self;
        }
        for BodyWrites { call: said, .. } in &call.bodies {
            let push = (keys::call_pk(key), keys::push_sk(said.function, &said.body));
            if let Some(first) = earlier.get(&push).filter(|first| **first < said.received_at) {
                let earliest = self.earlier.entry((said.function, said.body.clone())).or_insert(*first);
                *earliest = (*first).min(*earliest);
            }
        }
        self
    }
}

/// Writes that are under way.
type Writes<'a> = FuturesUnordered<BoxFuture<'a, Vec<Written>>>;

/// An error that several elements may share.
fn shared(error: impl Into<StoreError>) -> Arc<StoreError> {
    Arc::new(error.into())
}

/// Waits for writes, and notes for every element what went wrong with one of its own.
async fn settle(results: &mut [StoreResult], mut writes: Writes<'_>) {
    while let Some(written) = writes.next().await {
        for (positions, error) in
            written.into_iter().filter_map(|(positions, result)| Some((positions, result.err()?)))
        {
            note(results, &positions, &error);
        }
    }
}

/// Notes what went wrong with elements. An error that will pass decides over one that won't: the sender has to repeat the push then,
/// whatever else is wrong with it.
fn note(results: &mut [StoreResult], positions: &[usize], error: &Arc<StoreError>) {
    let lasting =
        |error: &StoreError| matches!(error, StoreError::Table(TableError::Refused(_) | TableError::Full));
    for position in positions {
        let known = results[*position].as_ref().err();
        if known.is_none_or(|known| lasting(known) && !lasting(error)) {
            results[*position] = Err(Arc::clone(error));
        }
    }
}
