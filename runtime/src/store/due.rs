//! What is due, from the index `by-due`. The index may be behind the table by a moment.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{BoxStream, StreamExt};
use serde::Deserialize;

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
    /// Each is [`TableError::Unreadable`] where an entry is not what this program writes, after which others follow; or
    /// [`TableError::Query`], when DynamoDB fails.
    pub fn due_recordings(&self, shard: u8) -> BoxStream<'static, Result<DueRecording, TableError>> {
        let items = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::BY_DUE)
            .key_condition_expression("#due = :due")
            .expression_attribute_names("#due", keys::DUE)
            .expression_attribute_values(":due", AttributeValue::S(keys::archive_due_key(shard)))
            .into_paginator()
            .items()
            .send();
        let recordings = futures_util::stream::unfold(items, |mut items| async {
            let item = items.next().await?;
            let recording = item
                .map_err(|error| TableError::Query(Box::new(error)))
                .and_then(|item| Ok(item::typed(from_attributes(item))?));
            Some((recording, items))
        });
        recordings.boxed()
    }
}
