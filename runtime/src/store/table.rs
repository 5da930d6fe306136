//! The table: writing verbatim pushes in batches, and records by version.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use futures_util::future::{try_join, try_join_all};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::aws::{self, Account, Patience};
use crate::backoff::Backoff;
use crate::config::StoreConfig;
use crate::store::attributes::{from_attributes, to_attributes};
use shared::record::item::{Item, NewItem, UnreadableItem, VERSION};
use shared::record::keys;
use shared::record::merge::MAX_BODIES;
use shared::record::parts::MergeError;

/// The most items that one BatchWriteItem takes.
pub const MAX_BATCH: usize = 25;
/// The most items that one BatchGetItem takes.
pub const MAX_BATCH_GET: usize = 100;
/// How many batches are read at once: those of a hundred calls.
const MAX_GLANCES: usize = 4;
/// How many requests are under way at once: each has a connection.
const MAX_REQUESTS: usize = aws::MAX_CONNECTIONS;
/// How often a record is merged anew when others keep changing it meanwhile.
pub(super) const MAX_MERGES: u32 = 16;
/// How many writes' time the first pause spreads those over who change a record at once; each further pause spreads them over twice as
/// much, up to the last.
const SPREAD_OVER_WRITES: std::ops::RangeInclusive<u32> = 8..=128;
/// The shortest and the longest time that they are spread over.
const SPREAD: std::ops::RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_secs(1);
/// How often what DynamoDB left unprocessed is sent again.
const MAX_BATCH_ROUNDS: u32 = 8;
/// The pauses before what DynamoDB left undone is asked for again.
pub(super) const BACKOFF: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(640));

/// The table could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// DynamoDB refuses an item as invalid: trying again is of no use.
    ///
    /// What it says may repeat what was sent: it is kept with what is rejected, and never shown.
    #[error("DynamoDB refuses the item")]
    Refused(String),
    /// An item could not be written.
    #[error("an item could not be written: {}", aws::brief(.0))]
    Put(#[source] Box<SdkError<PutItemError>>),
    /// A batch could not be written.
    #[error("a batch could not be written: {}", aws::brief(.0))]
    Batch(#[source] Box<SdkError<BatchWriteItemError>>),
    /// DynamoDB left items of a batch unprocessed, again and again.
    #[error("{0} items of a batch were left unprocessed")]
    Unprocessed(usize),
    /// An item could not be read.
    #[error("an item could not be read: {}", aws::brief(.0))]
    Get(#[source] Box<SdkError<GetItemError>>),
    /// Items could not be read.
    #[error("items could not be read: {}", aws::brief(.0))]
    BatchGet(#[source] Box<SdkError<BatchGetItemError>>),
    /// A query failed.
    #[error("a query failed: {}", aws::brief(.0))]
    Query(#[source] Box<SdkError<QueryError>>),
    /// An item could not be changed.
    #[error("an item could not be changed: {}", aws::brief(.0))]
    Update(#[source] Box<SdkError<UpdateItemError>>),
    /// An item could not be deleted.
    #[error("an item could not be deleted: {}", aws::brief(.0))]
    Delete(#[source] Box<SdkError<DeleteItemError>>),
    /// The table could not be scanned.
    #[error("the table could not be scanned: {}", aws::brief(.0))]
    Scan(#[source] Box<SdkError<ScanError>>),
    /// Others kept changing the record.
    #[error("a record was changed by others {MAX_MERGES} times in a row")]
    Contended,
    /// The call has as many different bodies of a function as it takes: trying again is of no use.
    #[error("the call has {MAX_BODIES} different bodies of this function already")]
    Full,
    /// What a push says could not be read once more, for another merge.
    #[error("a push can't be read once more: {0}")]
    Again(Cow<'static, str>),
    /// A stored item is not what this program writes.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItem),
    /// An entry of an index is not what this program writes.
    #[error("an entry of the index can't be read")]
    UnreadableEntry {
        /// Its item's partition key.
        pk: String,
        /// Its item's sort key.
        sk: String,
        /// What is wrong with it.
        source: UnreadableItem,
    },
}

impl From<MergeError> for TableError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Unreadable(error) => Self::Unreadable(error),
            MergeError::Full => Self::Full,
        }
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: aws_sdk_dynamodb::Client,
    pub(super) name: String,
    pub(super) requests: Arc<Semaphore>,
    answers: Arc<AtomicU64>,
}

/// What became of a conditional put.
enum Put {
    Done,
    /// Somebody else's item is there; DynamoDB handed it back, or not.
    Occupied(Option<Item>),
}

impl Table {
    /// The table that the settings name.
    pub fn new(account: &Account, stores: &StoreConfig, patience: Patience) -> Self {
        Self {
            client: aws::dynamodb(account, stores, patience),
            name: stores.table_name.clone(),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            answers: Arc::default(),
        }
    }

    /// How many requests DynamoDB has answered so far, whatever it said.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Opens the connection to DynamoDB, so that the first request need not: a TLS handshake takes most of a second on a
    /// small function. It reads an item that is never there.
    pub async fn connect(&self) -> Result<(), TableError> {
        self.get("connect", "connect").await.map(|_| ())
    }

    /// [`Table::connect`], with the two connections that a push of one element needs at once: for its verbatim push, and for its call.
    pub async fn connect_for_pushes(&self) -> Result<(), TableError> {
        try_join(self.connect(), self.connect()).await.map(|_| ())
    }

    /// Reads an item, consistently.
    pub async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, TableError> {
        Ok(self.get_as_stored(pk, sk).await?.map(from_attributes))
    }

    /// [`Table::get`], with the attributes as they are stored.
    pub(super) async fn get_as_stored(
        &self,
        pk: &str,
        sk: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, TableError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(keys::PK, AttributeValue::S(pk.to_owned()))
            .key(keys::SK, AttributeValue::S(sk.to_owned()))
            .consistent_read(true);
        let output = self.in_turn(|| get.send()).await.map_err(|error| TableError::Get(Box::new(error)))?;
        Ok(output.item)
    }

    /// Reads all items of a partition, consistently.
    pub async fn query(&self, pk: &str) -> Result<Vec<Item>, TableError> {
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true);
        self.all_of(query).await
    }

    /// Reads all items that a query finds.
    pub(super) async fn all_of(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, TableError> {
        let _permit = self.requests.acquire().await;
        let mut pages = query.table_name(&self.name).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(from_attributes(item.map_err(|error| TableError::Query(Box::new(error)))?));
        }
        Ok(items)
    }

    /// Reads items with different keys, consistently and in any order; those that are there.
    pub async fn get_all(&self, keys: &[(String, String)]) -> Result<Vec<Item>, TableError> {
        let mut items = Vec::new();
        for keys in keys.chunks(MAX_BATCH_GET) {
            items.extend(self.get_batch_whole(wanted(keys, true)?).await?);
        }
        Ok(items)
    }

    /// Reads items with different keys in any order, those that are there; of each, these attributes. What was written a moment ago may be
    /// missing where the read is not `consistent`, which costs half.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub(super) async fn read(
        &self,
        keys: &[(String, String)],
        attributes: &[&str],
        consistent: bool,
    ) -> Result<Vec<Item>, TableError> {
        let chunks: Vec<_> = keys.chunks(MAX_BATCH_GET).collect();
        let mut items = Vec::new();
        for chunks in chunks.chunks(MAX_GLANCES) {
            let batches = chunks.iter().map(|keys| async {
                self.get_batch_whole(projected(wanted(keys, consistent)?, attributes)).await
            });
            items.extend(try_join_all(batches).await?.into_iter().flatten());
        }
        Ok(items)
    }

    /// Reads items with different keys whole, in any order, those that are there. What was written a moment ago may be missing where the
    /// read is not `consistent`, which costs half.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub(super) async fn read_whole(
        &self,
        keys: &[(String, String)],
        consistent: bool,
    ) -> Result<Vec<Item>, TableError> {
        let chunks: Vec<_> = keys.chunks(MAX_BATCH_GET).collect();
        let mut items = Vec::new();
        for chunks in chunks.chunks(MAX_GLANCES) {
            let batches =
                chunks.iter().map(async |keys| self.get_batch_whole(wanted(keys, consistent)?).await);
            items.extend(try_join_all(batches).await?.into_iter().flatten());
        }
        Ok(items)
    }

    /// Reads one batch, and again what DynamoDB leaves unprocessed of it.
    async fn get_batch_whole(&self, wanted: KeysAndAttributes) -> Result<Vec<Item>, TableError> {
        let (mut wanted, mut items) = (Some(wanted), Vec::new());
        for round in 0..MAX_BATCH_ROUNDS {
            let Some(rest) = wanted.take() else { break };
            BACKOFF.pause(round).await;
            wanted = self.get_batch(rest, &mut items).await?;
        }
        match wanted {
            Some(rest) => Err(TableError::Unprocessed(rest.keys.len())),
            None => Ok(items),
        }
    }

    /// Reads items with different keys in any order, at half the price: what was written a moment ago may be missing, and so
    /// may what DynamoDB leaves unprocessed.
    pub async fn glance_at(&self, keys: &[(String, String)]) -> Result<Vec<Item>, TableError> {
        let chunks: Vec<_> = keys.chunks(MAX_BATCH_GET).collect();
        let mut found = Vec::new();
        // Not all at once: who gives up waiting closes the connections of those under way, and the writes that follow need theirs.
        for chunks in chunks.chunks(MAX_GLANCES) {
            let batches = chunks.iter().map(|keys| async {
                let mut items = Vec::new();
                self.get_batch(wanted(keys, false)?, &mut items).await?;
                Ok::<_, TableError>(items)
            });
            found.extend(try_join_all(batches).await?.into_iter().flatten());
        }
        Ok(found)
    }

    /// Reads one batch, and gives back what DynamoDB left unprocessed of it.
    async fn get_batch(
        &self,
        wanted: KeysAndAttributes,
        items: &mut Vec<Item>,
    ) -> Result<Option<KeysAndAttributes>, TableError> {
        let get = self.client.batch_get_item().request_items(&self.name, wanted);
        let output =
            self.in_turn(|| get.send()).await.map_err(|error| TableError::BatchGet(Box::new(error)))?;
        let found = output.responses.unwrap_or_default().remove(&self.name).unwrap_or_default();
        items.extend(found.into_iter().map(from_attributes));
        Ok(output.unprocessed_keys.unwrap_or_default().remove(&self.name))
    }

    /// Puts at most [`MAX_BATCH`] items with different keys, whatever was there before. What DynamoDB leaves unprocessed is
    /// sent again after a growing pause.
    pub async fn put_batch(&self, items: Vec<NewItem>) -> Result<(), TableError> {
        let mut requests = items
            .into_iter()
            .map(|item| {
                let put = PutRequest::builder().set_item(Some(to_attributes(item))).build();
                Ok(WriteRequest::builder()
                    .put_request(put.map_err(|error| TableError::Refused(error.to_string()))?)
                    .build())
            })
            .collect::<Result<Vec<_>, TableError>>()?;
        for round in 0..MAX_BATCH_ROUNDS {
            BACKOFF.pause(round).await;
            let write = self.client.batch_write_item().request_items(&self.name, requests);
            let output = self
                .in_turn(|| write.send())
                .await
                .map_err(|error| refused(&error).unwrap_or_else(|| TableError::Batch(Box::new(error))))?;
            requests = output.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
        }
        Err(TableError::Unprocessed(requests.len()))
    }

    /// Puts one item, whatever was there before.
    pub async fn put(&self, item: impl Into<NewItem>) -> Result<(), TableError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(to_attributes(item)));
        self.in_turn(|| put.send())
            .await
            .map_err(|error| refused(&error).unwrap_or_else(|| TableError::Put(Box::new(error))))?;
        Ok(())
    }

    /// Puts one item in the place of one whose `attribute` is still the text `is`; where it is not, nothing is put.
    pub async fn put_while(&self, item: Item, attribute: &str, is: &str) -> Result<(), TableError> {
        self.put_if(item, "#attribute = :is", attribute, is).await.map(drop)
    }

    /// Puts one item unless there is one whose `attribute` is less than the text `is`, which is the new item's own: of times the earliest stays.
    /// Gives back the item that stays.
    pub async fn put_unless_less(
        &self,
        item: impl Into<NewItem>,
        attribute: &str,
        is: &str,
    ) -> Result<Option<Item>, TableError> {
        let item = item.into();
        let key = item_key(|name| item.get(name));
        let condition = "attribute_not_exists(#attribute) OR #attribute >= :is";
        match (self.put_if(item, condition, attribute, is).await?, key) {
            (Put::Done, _) | (Put::Occupied(None), None) => Ok(None),
            (Put::Occupied(Some(there)), _) => Ok(Some(there)),
            // DynamoDB hands it back with the refusal; not every store that stands for it does.
            (Put::Occupied(None), Some((pk, sk))) => self.get(&pk, &sk).await,
        }
    }

    /// Puts one item where a condition of one attribute and one text holds; where it doesn't, nothing is put.
    async fn put_if(
        &self,
        item: impl Into<NewItem>,
        condition: &str,
        attribute: &str,
        is: &str,
    ) -> Result<Put, TableError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(to_attributes(item)))
            .condition_expression(condition)
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":is", AttributeValue::S(is.to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        put_by(self.in_turn(|| put.send()).await)
    }

    /// Brings an item up to date: `merge` makes the new item of the stored one, or `None` where there is nothing to change, and tells
    /// what it found. It is written on condition that the stored one is still the same, else merged anew. Gives back what was found
    /// the last time.
    ///
    /// The first try assumes that what is stored is what is `known` of it. Where it is something else, DynamoDB hands it back
    /// with the refusal.
    pub async fn upsert<Found>(
        &self,
        pk: &str,
        sk: &str,
        known: Option<Item>,
        merge: impl FnMut(Option<Item>) -> Result<(Option<NewItem>, Found), TableError>,
    ) -> Result<Found, TableError> {
        self.write(pk, sk, known, merge).await
    }

    /// Brings an item up to date that is known to be there: [`Table::upsert`], but it is read first.
    pub async fn update<Found>(
        &self,
        pk: &str,
        sk: &str,
        merge: impl FnMut(Option<Item>) -> Result<(Option<NewItem>, Found), TableError>,
    ) -> Result<Found, TableError> {
        self.write(pk, sk, self.get(pk, sk).await?, merge).await
    }

    async fn write<Found>(
        &self,
        pk: &str,
        sk: &str,
        mut stored: Option<Item>,
        mut merge: impl FnMut(Option<Item>) -> Result<(Option<NewItem>, Found), TableError>,
    ) -> Result<Found, TableError> {
        let mut took = Duration::ZERO;
        for round in 0..MAX_MERGES {
            // The first refusal is the usual way to learn of the stored item; who is refused again is one of many. They are spread over
            // a time that grows until it has room for all of them. What stands there after a pause has to be read anew: a put by
            // what stood there before it would be refused again, and paid for.
            if round >= 2 {
                let writes =
                    (SPREAD_OVER_WRITES.start() << (round - 2).min(8)).min(*SPREAD_OVER_WRITES.end());
                let over = (took * writes).clamp(*SPREAD.start(), *SPREAD.end());
                tokio::time::sleep(over.mul_f64(fastrand::f64())).await;
                stored = self.get(pk, sk).await?;
            }
            let version = stored.as_ref().and_then(|item| item.get(VERSION)).and_then(Value::as_u64);
            let (item, found) = merge(stored.take())?;
            let Some(mut item) = item else { return Ok(found) };
            item.insert(VERSION, version.unwrap_or(0) + 1);
            let began = std::time::Instant::now();
            let put = self.put_if_unchanged(item, version).await?;
            took = began.elapsed();
            stored = match put {
                Put::Done => return Ok(found),
                Put::Occupied(Some(item)) => Some(item),
                Put::Occupied(None) => self.get(pk, sk).await?,
            };
        }
        Err(TableError::Contended)
    }

    /// Makes a request once there is room for it among [`MAX_REQUESTS`], and sends it.
    ///
    /// Who waits holds the request alone. To send it is a future of the SDK's of several kilobytes: a push of a hundred calls has hundreds of
    /// writes that wait, and would fill megabytes with futures that are not begun.
    pub(super) async fn in_turn<T, E, Sending>(
        &self,
        send: impl FnOnce() -> Sending,
    ) -> Result<T, SdkError<E>>
    where
        Sending: Future<Output = Result<T, SdkError<E>>>,
    {
        let _permit = self.requests.acquire().await;
        let answer = Box::pin(send()).await;
        if matches!(&answer, Ok(_) | Err(SdkError::ServiceError(_))) {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        // Its connection is free once the task that drives it has run: the next in turn would open another.
        tokio::task::yield_now().await;
        answer
    }

    async fn put_if_unchanged(&self, item: NewItem, version: Option<u64>) -> Result<Put, TableError> {
        // The input alone: the client's builder is thrice as large, and so would be what waits.
        let put = PutItemInput::builder()
            .table_name(&self.name)
            .set_item(Some(to_attributes(item)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match version {
            None => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", keys::PK),
            Some(version) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        put_by(self.in_turn(|| put.send_with(&self.client)).await)
    }
}

/// The partition and the sort key of an item, by its attributes.
pub(super) fn item_key<'a>(attribute: impl Fn(&str) -> Option<&'a Value>) -> Option<(String, String)> {
    let text = |name: &str| attribute(name).and_then(Value::as_str).map(str::to_owned);
    Some((text(keys::PK)?, text(keys::SK)?))
}

/// What came of a put on condition.
fn put_by(answer: Result<PutItemOutput, SdkError<PutItemError>>) -> Result<Put, TableError> {
    match answer {
        Ok(_) => Ok(Put::Done),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(Put::Occupied(refusal.item().cloned().map(from_attributes)))
            }
            _ => Err(refused(&error).unwrap_or_else(|| TableError::Put(Box::new(error)))),
        },
    }
}

/// What one BatchGetItem asks for.
fn wanted(keys: &[(String, String)], consistent: bool) -> Result<KeysAndAttributes, TableError> {
    let keys = keys.iter().map(|(pk, sk)| {
        HashMap::from([
            (keys::PK.to_owned(), AttributeValue::S(pk.clone())),
            (keys::SK.to_owned(), AttributeValue::S(sk.clone())),
        ])
    });
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(consistent);
    wanted.build().map_err(|error| TableError::Refused(error.to_string()))
}

/// The same, but for no more than these attributes of each item.
fn projected(mut wanted: KeysAndAttributes, attributes: &[&str]) -> KeysAndAttributes {
    let aliases: Vec<_> = (0..attributes.len()).map(|at| format!("#a{at}")).collect();
    wanted.projection_expression = Some(aliases.join(", "));
    let names = attributes.iter().map(|name| (*name).to_owned());
    wanted.expression_attribute_names = Some(aliases.into_iter().zip(names).collect());
    wanted
}

/// DynamoDB's word that the request itself is wrong, which no repetition mends.
fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<TableError> {
    (error.code() == Some("ValidationException"))
        .then(|| TableError::Refused(error.message().unwrap_or("ValidationException").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_write_that_waits_holds_less_than_it_takes_to_send_it() {
        let look_up = |name: &str| match name {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment).unwrap();
        let account = Account::of_function(&environment, &stores).unwrap();
        let table = Table::new(&account, &stores, Patience::Sender);
        let write = table.upsert("pk", "sk", None, |_| Ok((None, ())));
        let sending = table.client.put_item().send();
        let (write, sending) = (size_of_val(&write), size_of_val(&sending));
        assert!(2 * write < sending, "{write} bytes, {sending}");
    }
}
