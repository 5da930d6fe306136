//! One call with all that is stored of it.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::ReadError;
use crate::store::Store;
use crate::store::attributes::from_attributes;
use crate::store::table::{Table, TableError};
use shared::model::CallKey;
use shared::record::item::{self, BODIES, ERASED_AT, Item, is_tombstone};
use shared::record::keys;
use shared::record::tombstone::SHOWN_ID;
use shared::whole_call::{LargePart, WholeCall};

/// Before and behind the sort keys of verbatim pushes.
const PUSHES: [&str; 2] = ["push#", "push$"];
/// What is read of a push whose body is not asked for.
const PUSH_WITHOUT_BODY: &str = "#pk, #sk, #received_at";

/// Whether the bodies of verbatim pushes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// They are left where they are: of pushes it is known that they are there.
    Left,
    /// All of them, from the bucket too.
    Fetched,
}

/// What a call's item alone tells: whether there is a call, and who may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallHead {
    /// It is there; these are its callee's numbers: see [`shared::record::merge::Record::callee_numbers`].
    Call {
        /// The numbers.
        callee_numbers: Vec<String>,
    },
    /// It was erased.
    Erased {
        /// Whether its id told the callee's number.
        is_id_hidden: bool,
    },
}

/// The attributes that tell it.
const HEAD: [&str; 10] = [
    keys::PK,
    keys::SK,
    ERASED_AT,
    SHOWN_ID,
    "callee",
    "extra",
    "sources",
    BODIES,
    "first_received_at",
    "updated_at",
];

impl Store {
    /// What a call's item alone tells, consistently; `None` where there is no call. It takes one small read, however much else is stored.
    ///
    /// # Errors
    /// [`ReadError`], when the table fails, and where the item is not what any release has written.
    pub async fn call_head(&self, key: &CallKey) -> Result<Option<CallHead>, ReadError> {
        let wanted = [(keys::call_pk(key), keys::CALL.to_owned())];
        let Some(item) = self.table.read(&wanted, &HEAD, true).await?.into_iter().next() else {
            return Ok(None);
        };
        if is_tombstone(&item) {
            return Ok(Some(CallHead::Erased { is_id_hidden: item.contains_key(SHOWN_ID) }));
        }
        let call = item::record(item)?;
        let callee_numbers = call.callee_numbers().map(str::to_owned).collect();
        Ok(Some(CallHead::Call { callee_numbers }))
    }

    /// All that is stored of a call, consistently; `None` where there is none, or it was erased.
    ///
    /// # Errors
    /// [`ReadError`], when a store fails, and where an item is not what any release has written.
    pub async fn whole_call(&self, key: &CallKey, bodies: Bodies) -> Result<Option<WholeCall>, ReadError> {
        match self.read_whole(key, bodies).await {
            // Its objects go before its items where it is being erased: once more.
            Err(ReadError::Bucket(_)) => self.read_whole(key, bodies).await,
            read => read,
        }
    }

    async fn read_whole(&self, key: &CallKey, bodies: Bodies) -> Result<Option<WholeCall>, ReadError> {
        let pk = keys::call_pk(key);
        let mut items = match bodies {
            Bodies::Left => self.table.query_without_bodies(&pk).await?,
            Bodies::Fetched => self.table.query(&pk).await?,
        };
        if items.iter().any(is_tombstone) {
            return Ok(None);
        }
        for item in &mut items {
            if let Some(part) = LargePart::of(item) {
                let bytes = self.bucket().get(&part.key).await?;
                part.put_into(item, bytes)?;
            }
        }
        Ok(WholeCall::read(key.clone(), items)?)
    }

    /// The body of a verbatim push as it came; `None` where there is no such push, or its call was erased.
    ///
    /// # Errors
    /// [`ReadError`], when a store fails.
    pub async fn push_body(
        &self,
        key: &CallKey,
        function: &str,
        digest: &str,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let wanted = [keys::CALL.to_owned(), keys::push_sk(function, digest)];
        let wanted = wanted.map(|sk| (keys::call_pk(key), sk));
        let items = self.table.get_all(&wanted).await?;
        if items.iter().any(is_tombstone) {
            return Ok(None);
        }
        let sk = |item: &Item| item.get(keys::SK).and_then(Value::as_str).map(str::to_owned);
        let Some(push) = items.into_iter().find(|item| sk(item).as_ref() == Some(&wanted[1].1)) else {
            return Ok(None);
        };
        if let Some(part) = LargePart::of(&push) {
            return Ok(Some(self.bucket().get(&part.key).await?));
        }
        Ok(push.get("body").and_then(Value::as_str).map(|body| body.as_bytes().to_vec()))
    }
}

impl Table {
    /// Reads all items of a partition, consistently, but for the bodies of verbatim pushes.
    async fn query_without_bodies(&self, pk: &str) -> Result<Vec<Item>, TableError> {
        let [first, behind] = PUSHES;
        // What is between two sort keys, the second of which none has.
        let ranges = [
            ("#pk = :pk AND #sk < :sk", first, None),
            ("#pk = :pk AND begins_with(#sk, :sk)", first, Some(PUSH_WITHOUT_BODY)),
            ("#pk = :pk AND #sk >= :sk", behind, None),
        ];
        let reads = ranges.map(async |(condition, sk, projection)| {
            let _permit = self.requests.acquire().await;
            let query = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression(condition)
                .expression_attribute_names("#pk", keys::PK)
                .expression_attribute_names("#sk", keys::SK)
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
                .consistent_read(true);
            let query = match projection {
                Some(projection) => query
                    .projection_expression(projection)
                    .expression_attribute_names("#received_at", "received_at"),
                None => query,
            };
            let mut pages = query.into_paginator().items().send();
            let mut items = Vec::new();
            while let Some(item) = pages.next().await {
                items.push(from_attributes(item.map_err(|error| TableError::Query(Box::new(error)))?));
            }
            Ok::<_, TableError>(items)
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }
}
