//! What is to be archived, from the index `by-due`.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use runtime::aws::brief;
use runtime::store::attributes::from_attributes;
use runtime::store::table::Table;
use serde::Deserialize;
use shared::model::Instant;
use shared::record::item;
use shared::record::keys;

/// The most entries that are looked at in a shard: far more than a run can copy, and a few MB of memory.
const MAX_PER_SHARD: usize = 5_000;

/// A run begins every five minutes.
const RUN_MS: i64 = 300_000;

/// The index could not be read.
#[derive(Debug, thiserror::Error)]
#[error("what is due could not be read: {}", brief(.0))]
pub struct DueError(#[source] Box<SdkError<QueryError>>);

/// A recording that is to be archived, as the index has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    /// Its item's partition key.
    pub(crate) pk: String,
    /// Its item's sort key.
    pub(crate) sk: String,
    /// When it is to be tried.
    pub(crate) due_at: Instant,
    /// When its URL expires.
    pub(crate) source_expires_at: Option<Instant>,
}

/// Reads every entry of every shard, those that are not due yet included: what is about to expire is to be known even while it waits
/// for its next attempt. Soonest expiry first; what has none comes after, in the order in which it became due. Of what is alike,
/// those of another shard come first in each run: where there is more than a run can do, no shard is always the last.
pub(crate) async fn entries(table: &Table, now: Instant) -> Result<Vec<Entry>, DueError> {
    let shards = try_join_all(shards(now).map(|shard| entries_of_shard(table, shard))).await?;
    let mut entries = shards.concat();
    entries.sort_by_key(|entry| (entry.source_expires_at.is_none(), entry.source_expires_at, entry.due_at));
    Ok(entries)
}

/// Every shard once, from another one on in each run.
fn shards(now: Instant) -> impl Iterator<Item = u8> {
    let runs = now.epoch_millis().div_euclid(RUN_MS).rem_euclid(i64::from(keys::SHARDS));
    let first = u8::try_from(runs).unwrap_or_default();
    (0..keys::SHARDS).map(move |shard| (first + shard) % keys::SHARDS)
}

async fn entries_of_shard(table: &Table, shard: u8) -> Result<Vec<Entry>, DueError> {
    let (client, name) = table.client();
    let mut items = client
        .query()
        .table_name(name)
        .index_name("by-due")
        .key_condition_expression("#due = :due")
        .expression_attribute_names("#due", "due")
        .expression_attribute_values(":due", AttributeValue::S(format!("archive#{shard}")))
        .into_paginator()
        .items()
        .send();
    let mut entries = Vec::new();
    // By `due_at`: where there is too much of it, what is left out is what can wait longest.
    while entries.len() < MAX_PER_SHARD {
        let Some(found) = items.next().await else { break };
        let found = from_attributes(found.map_err(|error| DueError(Box::new(error)))?);
        match item::typed::<Entry>(found) {
            Ok(entry) => entries.push(entry),
            Err(error) => tracing::error!(error = %error, "unreadable_entry"),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shard_is_read_and_each_is_the_first_in_one_run_of_eight() {
        let now = Instant::from_epoch_millis(1_748_743_234_567).unwrap();
        let runs =
            (0..i64::from(keys::SHARDS)).map(|run| shards(now.plus_seconds(300 * run)).collect::<Vec<_>>());
        let mut firsts = BTreeSet::new();
        for shards in runs {
            firsts.insert(shards[0]);
            assert_eq!(shards.into_iter().collect::<BTreeSet<_>>(), (0..keys::SHARDS).collect());
        }
        assert_eq!(firsts.len(), usize::from(keys::SHARDS));
    }
}
