//! Storing what pushes say: the verbatim push, the call, its conversation, its recordings.
//!
//! All writes of one element are independent of each other and under way at the same time; each can be repeated. When one of
//! them is missing after a crash, the repeated push makes up for it.

mod replay;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::{self, Account, Patience};
use crate::bucket::{Bucket, BucketError};
use crate::config::StoreConfig;
use crate::inquiry;
use crate::item::{self, Item};
use crate::keys;
use crate::merge::{CALL_WRITERS, CONVERSATION_WRITERS, Contribution, Record};
use crate::model::{CallKey, Instant, Provider, RecordingSource};
use crate::parts::{Element, former_recording_sk, merged, parts, refreshed};
use crate::table::{MAX_BATCH, Table, TableError};

pub use replay::Replayed;

/// How long a push waits for what it could as well do without.
const GLANCE_LIMIT: Duration = Duration::from_millis(150);

/// Something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// The table and the bucket.
#[derive(Debug)]
pub struct Store {
    table: Table,
    account: Account,
    config: StoreConfig,
    // Most pushes never need the bucket: its client is made when the first one does.
    bucket: OnceLock<Bucket>,
}

/// The elements, by their position in the push, that a write was for, and what became of it.
type Written = (Vec<usize>, Result<(), Arc<StoreError>>);

impl Store {
    /// The stores that the settings name.
    pub fn new(config: StoreConfig, account: Account, patience: Patience) -> Self {
        let client = aws::dynamodb(&account, &config, aws::http_client(), patience);
        let table = Table::new(client, config.table_name.clone());
        Self { table, account, config, bucket: OnceLock::new() }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The bucket.
    pub fn bucket(&self) -> &Bucket {
        self.bucket.get_or_init(|| Bucket {
            client: aws::s3(&self.account, &self.config, aws::http_client()),
            name: self.config.bucket_name.clone(),
        })
    }

    /// What is stored of calls; those that are not are left out.
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
    pub fn ask_at(&self, call: &Record) -> Option<Instant> {
        inquiry::ask_at(call, self.config.conversation_delay_s.into())
    }

    /// Notes that a call was asked for at `now`, for the time after `asked`, and gives back what is known of it by now. If
    /// that is not all, it is due again after a pause.
    pub async fn postpone_inquiry(
        &self,
        key: &CallKey,
        asked: u32,
        now: Instant,
    ) -> Result<Option<Record>, TableError> {
        let latest = std::sync::Mutex::new(None);
        let postponed = |stored: Option<Item>| {
            let Some(mut record) = stored.map(item::record).transpose()? else { return Ok(None) };
            let due = self.ask_at(&record).is_some() && record.inquiry.asked == asked;
            record.inquiry = if due { record.inquiry.postponed(now) } else { record.inquiry };
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
            Ok(due.then(|| self.call_item(key, record)).transpose()?)
        };
        self.table.update(&keys::call_pk(key), keys::CALL, postponed).await?;
        Ok(latest.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn call_item(&self, key: &CallKey, record: Record) -> Result<Item, item::UnreadableItem> {
        item::call_item(key, record, self.config.conversation_delay_s.into())
    }

    /// Stores elements. The answer has a result for each, in their order: `Ok` means that all of it is durable.
    pub async fn store(&self, elements: Vec<Element>) -> Vec<Result<(), Arc<StoreError>>> {
        let mut results: Vec<Result<(), Arc<StoreError>>> = elements.iter().map(|_| Ok(())).collect();
        let mut pushes = BTreeMap::new();
        let mut calls: BTreeMap<CallKey, CallWrites> = BTreeMap::new();
        let mut large: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for (position, element) in elements.into_iter().enumerate() {
            let parts = match parts(element) {
                Ok(parts) => parts,
                Err(error) => {
                    results[position] = Err(shared(TableError::from(error)));
                    continue;
                }
            };
            for (key, bytes) in parts.large {
                large.entry(key).or_insert_with(|| (Vec::new(), bytes)).0.push(position);
            }
            let call = calls.entry(parts.push.key.clone()).or_default();
            call.positions.push(position);
            call.recordings
                .extend(parts.recordings.into_iter().map(|source| (source, parts.call.received_at)));
            call.contributions.push(parts.call);
            call.conversations.extend(parts.conversation);
            // Twice the same element in one push is one item: a batch must not name a key twice.
            let key = (parts.push.key.clone(), parts.push.digest.clone());
            pushes.entry(key).or_insert_with(|| (Vec::new(), item::push_item(parts.push))).0.push(position);
        }

        // First what lies in the bucket, so that no item ever names an object that isn't there.
        let writes: FuturesUnordered<BoxFuture<'_, Vec<Written>>> = FuturesUnordered::new();
        for (key, (positions, bytes)) in large {
            writes.push(Box::pin(async move {
                vec![(positions, self.bucket().put_json_if_absent(&key, bytes).await.map_err(shared))]
            }));
        }
        settle(&mut results, writes).await;

        let writes: FuturesUnordered<BoxFuture<'_, Vec<Written>>> = FuturesUnordered::new();
        let mut pushes = pushes.into_values().peekable();
        while pushes.peek().is_some() {
            let batch: Vec<_> = pushes.by_ref().take(MAX_BATCH).collect();
            writes.push(Box::pin(self.put_pushes(batch)));
        }
        writes.push(Box::pin(self.write_calls(calls)));
        settle(&mut results, writes).await;
        results
    }

    async fn write_calls(&self, calls: BTreeMap<CallKey, CallWrites>) -> Vec<Written> {
        let mut known = self.known(&calls).await;
        let writes = calls.into_iter().map(|(key, call)| {
            let known = known.as_mut().map(|known| known.remove(&keys::call_pk(&key)).unwrap_or_default());
            async move {
                let result = self.write_call(&key, &call, known).await.map_err(shared);
                (call.positions, result)
            }
        });
        join_all(writes).await
    }

    /// What is stored of the items that are about to be written, by partition and sort key, where other functions tell of the
    /// same calls. To read them first costs a tenth of a put that is refused since there is an item already.
    ///
    /// What is read may be stale, and what can't be read soon is not known: the put's condition decides. `None` where nothing
    /// could be read.
    async fn known(
        &self,
        calls: &BTreeMap<CallKey, CallWrites>,
    ) -> Option<HashMap<String, BTreeMap<String, Item>>> {
        let wanted = calls.iter().flat_map(|(key, call)| {
            let sort_keys = match key.provider {
                Provider::Alicom => call.sort_keys(key),
                // All that is known of a call comes in one push: there is no item, but for a repeat, and for what an earlier
                // release named otherwise.
                Provider::AiVoice | Provider::Laaffic => call.former_sort_keys(key).collect(),
            };
            sort_keys.into_iter().map(|sk| (keys::call_pk(key), sk))
        });
        let keys: Vec<_> = wanted.collect();
        let mut known = HashMap::<_, BTreeMap<_, _>>::new();
        let found = timeout(GLANCE_LIMIT, self.table.glance_at(&keys)).await.ok().and_then(Result::ok)?;
        for item in found {
            if let [Some(pk), Some(sk)] =
                [keys::PK, keys::SK].map(|name| item.get(name).and_then(Value::as_str).map(str::to_owned))
            {
                known.entry(pk).or_default().insert(sk, item);
            }
        }
        Some(known)
    }

    /// The sort key of a recording's item: that of an earlier release where there is such an item. `known` is what was read of the
    /// call, `None` where that is to be read first.
    async fn recording_sk(
        &self,
        key: &CallKey,
        source: &RecordingSource,
        known: Option<&BTreeMap<String, Item>>,
    ) -> Result<String, TableError> {
        if let Some(former) = former_recording_sk(key, source) {
            let is_there = match known {
                Some(known) => known.contains_key(&former),
                None => self.table.get(&keys::call_pk(key), &former).await?.is_some(),
            };
            if is_there {
                return Ok(former);
            }
        }
        Ok(keys::recording_sk(&source.slot))
    }

    /// Puts verbatim pushes. A single item that DynamoDB refuses makes it refuse its batch: then each goes alone.
    async fn put_pushes(&self, batch: Vec<(Vec<usize>, Item)>) -> Vec<Written> {
        let (positions, items): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
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

    /// Writes what a push says about one call. `glanced` is what is believed to be stored of it, by sort key; `None` where that
    /// could not be read.
    async fn write_call(
        &self,
        key: &CallKey,
        call: &CallWrites,
        glanced: Option<BTreeMap<String, Item>>,
    ) -> Result<(), TableError> {
        let pk = keys::call_pk(key);
        let is_known = glanced.is_some();
        let mut known = glanced.unwrap_or_default();
        let (known_call, known_conversation) = (known.remove(keys::CALL), known.remove(keys::CONVERSATION));
        let conversation = async {
            if call.conversations.is_empty() {
                return Ok(());
            }
            let to_item = |record| item::conversation_item(key, record);
            let merge = |stored| Ok(merged(stored, CONVERSATION_WRITERS, &call.conversations, to_item)?);
            self.table.upsert(&pk, keys::CONVERSATION, known_conversation, merge).await
        };
        let recordings = async {
            for (source, received_at) in &call.recordings {
                let merge = |stored| Ok(refreshed(stored, key, source, *received_at)?);
                let sk = self.recording_sk(key, source, is_known.then_some(&known)).await?;
                let known = known.remove(&sk);
                self.table.upsert(&pk, &sk, known, merge).await?;
            }
            Ok(())
        };
        let to_item = |record| self.call_item(key, record);
        let merge = |stored| Ok(merged(stored, CALL_WRITERS, &call.contributions, to_item)?);
        tokio::try_join!(self.table.upsert(&pk, keys::CALL, known_call, merge), conversation, recordings)?;
        Ok(())
    }
}

/// What a push has to write about one call.
#[derive(Default)]
struct CallWrites {
    positions: Vec<usize>,
    contributions: Vec<Contribution>,
    conversations: Vec<Contribution>,
    recordings: Vec<(RecordingSource, Instant)>,
}

impl CallWrites {
    /// The sort keys of the items to write.
    fn sort_keys(&self, key: &CallKey) -> BTreeSet<String> {
        let conversation = (!self.conversations.is_empty()).then(|| keys::CONVERSATION.to_owned());
        let recordings = self.recordings.iter().map(|(source, _)| keys::recording_sk(&source.slot));
        let all = [keys::CALL.to_owned()].into_iter().chain(conversation).chain(recordings);
        all.chain(self.former_sort_keys(key)).collect()
    }

    /// The sort keys that an earlier release gave to the same recordings.
    fn former_sort_keys(&self, key: &CallKey) -> impl Iterator<Item = String> {
        self.recordings.iter().filter_map(|(source, _)| former_recording_sk(key, source))
    }
}

/// An error that several elements may share.
fn shared(error: impl Into<StoreError>) -> Arc<StoreError> {
    Arc::new(error.into())
}

/// Waits for writes, and notes for every element what went wrong with one of its own. An error that will pass decides over
/// one that won't: the sender has to repeat the push then, whatever else is wrong with it.
async fn settle(
    results: &mut [Result<(), Arc<StoreError>>],
    mut writes: FuturesUnordered<BoxFuture<'_, Vec<Written>>>,
) {
    let lasting = |error: &StoreError| matches!(error, StoreError::Table(TableError::Refused(_)));
    while let Some(written) = writes.next().await {
        for (positions, error) in
            written.into_iter().filter_map(|(positions, result)| Some((positions, result.err()?)))
        {
            for position in positions {
                let decides =
                    results[position].as_ref().err().is_none_or(|known| lasting(known) && !lasting(&error));
                if decides {
                    results[position] = Err(Arc::clone(&error));
                }
            }
        }
    }
}
