//! What is due, and what was lost, from the index `by-due`. The index may be behind the table by a moment.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{BoxStream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::attributes::from_attributes;
use super::table::{Table, TableError};
use shared::model::Instant;
use shared::record::item;
use shared::record::keys;

/// A recording that is to be archived, as the index has it.
#[derive(Clone, Debug, Deserialize)]
pub struct DueRecording {
    /// Its item's partition key.
    pub pk: String,
    /// Its item's sort key.
    pub sk: String,
    /// When it is to be tried.
    pub due_at: Instant,
    /// When its URL expires.
    pub source_expires_at: Option<Instant>,
}

/// A recording that was given up, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LostRecording {
    /// Its item's partition key.
    pub pk: String,
    /// Its item's sort key.
    pub sk: String,
    /// When it was given up.
    #[serde(rename = "due_at")]
    pub lost_at: Instant,
}

impl Table {
    /// The partition keys of at most `limit` items of a partition of the index that are due at `now`, those first that have been due
    /// the longest.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub async fn due(&self, partition: &str, now: Instant, limit: usize) -> Result<Vec<String>, TableError> {
        let _permit = self.requests.acquire().await;
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::BY_DUE)
            .key_condition_expression("#due = :due AND #due_at <= :now")
            .expression_attribute_names("#due", keys::DUE)
            .expression_attribute_names("#due_at", keys::DUE_AT)
            .expression_attribute_values(":due", AttributeValue::S(partition.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut due = Vec::new();
        while due.len() < limit {
            let Some(item) = pages.next().await else { break };
            let item = item.map_err(|error| TableError::Query(Box::new(error)))?;
            due.extend(item.get(keys::PK).and_then(|pk| pk.as_s().ok()).cloned());
        }
        Ok(due)
    }

    /// All recordings of a shard that are to be archived, those that are not due yet included, by the time at which they are. The pages
    /// are read as they are asked for.
    ///
    /// # Errors
    /// Each is [`TableError::UnreadableEntry`] where an entry is not what this program writes, after which others follow; or
    /// [`TableError::Query`], when DynamoDB fails.
    pub fn due_recordings(&self, shard: u8) -> BoxStream<'static, Result<DueRecording, TableError>> {
        entries(self.query_due(keys::archive_due_key(shard)))
    }

    /// All recordings of a shard that were given up, those last before all others, and only those that follow upon `after` where one is
    /// given. The pages are read as they are asked for.
    ///
    /// # Errors
    /// As those of [`Table::due_recordings`].
    pub fn lost_recordings(
        &self,
        shard: u8,
        after: Option<&LostRecording>,
    ) -> BoxStream<'static, Result<LostRecording, TableError>> {
        let lost = keys::lost_due_key(shard);
        let start = after.map(|after| {
            HashMap::from(
                [
                    (keys::PK, after.pk.clone()),
                    (keys::SK, after.sk.clone()),
                    (keys::DUE, lost.clone()),
                    (keys::DUE_AT, after.lost_at.to_string()),
                ]
                .map(|(name, value)| (name.to_owned(), AttributeValue::S(value))),
            )
        });
        entries(self.query_due(lost).scan_index_forward(false).set_exclusive_start_key(start))
    }

    /// All of a partition of the index.
    fn query_due(&self, partition: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(keys::BY_DUE)
            .key_condition_expression("#due = :due")
            .expression_attribute_names("#due", keys::DUE)
            .expression_attribute_values(":due", AttributeValue::S(partition))
    }
}

/// The entries of the index, each as it is read.
fn entries<T: DeserializeOwned + 'static>(
    query: QueryFluentBuilder,
) -> BoxStream<'static, Result<T, TableError>> {
    let items = query.into_paginator().items().send();
    let entries = futures_util::stream::unfold(items, |mut items| async {
        let item = items.next().await?;
        let entry = item.map_err(|error| TableError::Query(Box::new(error))).and_then(|item| {
            let item = from_attributes(item);
            let [pk, sk] = [keys::PK, keys::SK].map(|name| super::scan::text(&item, name));
            item::typed(item).map_err(|source| TableError::UnreadableEntry { pk, sk, source })
        });
        Some((entry, items))
    });
    entries.boxed()
}
