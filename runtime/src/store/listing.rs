//! Listing calls by the table's indexes, which may be behind the table by a moment.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::table::{Table, TableError};
use shared::model::{Hour, Instant};
use shared::record::keys::{self, BY_CALLEE, BY_DAY, CALL_AT};

/// How many bytes of a time's text tell its hour: `2025-06-01T02`.
const HOUR_BYTES: usize = 13;

/// A call as an index lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedCall {
    /// Its time, as text that sorts as the times do.
    pub call_at: String,
    /// Its partition key.
    pub pk: String,
}

impl Table {
    /// The partition keys of what the index `by-callee` lists under a number, as it was told last. The pages are read as they are asked
    /// for.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub fn partitions_by_callee(&self, number: String) -> BoxStream<'static, Result<String, TableError>> {
        let items = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(BY_CALLEE)
            .key_condition_expression("#callee = :callee")
            .expression_attribute_names("#callee", "callee_key")
            .expression_attribute_values(":callee", AttributeValue::S(number))
            .into_paginator()
            .items()
            .send();
        let partitions = stream::unfold(items, |mut items| async {
            let item = items.next().await?.map_err(|error| TableError::Query(Box::new(error)));
            let pk = |item: HashMap<String, AttributeValue>| {
                item.get(keys::PK).and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default()
            };
            Some((item.map(pk), items))
        });
        partitions.boxed()
    }

    /// The calls of a date in UTC, `2025-06-01`, from `since` on, over all shards of the index `by-day`, in no order.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub async fn calls_of_day(&self, date: &str, since: Instant) -> Result<Vec<ListedCall>, TableError> {
        let shards = keys::day_keys(date).map(async |day| {
            let mut pages = self
                .shard_of_day(day)
                .key_condition_expression("#day = :day AND #call_at >= :since")
                .expression_attribute_values(":since", AttributeValue::S(since.to_string()))
                .into_paginator()
                .items()
                .send();
            let mut calls = Vec::new();
            while let Some(item) = pages.next().await {
                calls.extend(listed(&item.map_err(|error| TableError::Query(Box::new(error)))?));
            }
            Ok::<_, TableError>(calls)
        });
        Ok(try_join_all(shards).await?.into_iter().flatten().collect())
    }

    /// A query of one of a date's shards in the index `by-day`, which knows `#day`, `#call_at` and `:day`.
    fn shard_of_day(&self, day: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(BY_DAY)
            .expression_attribute_names("#day", "day")
            .expression_attribute_names("#call_at", CALL_AT)
            .expression_attribute_values(":day", AttributeValue::S(day))
    }

    /// How many calls the index `by-day` has in each hour of a date in UTC, `2025-06-01`. However many there are, they are only counted.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub async fn count_by_hour(&self, date: &str) -> Result<[u64; 24], TableError> {
        let shards = keys::day_keys(date).map(async |day| {
            let mut pages = self
                .shard_of_day(day)
                .key_condition_expression("#day = :day")
                .projection_expression("#call_at")
                .into_paginator()
                .items()
                .send();
            let mut counts = [0_u64; 24];
            while let Some(item) = pages.next().await {
                let item = item.map_err(|error| TableError::Query(Box::new(error)))?;
                let at = item.get(CALL_AT).and_then(|at| at.as_s().ok()?.parse::<Instant>().ok());
                let hour = at.map(|at| usize::from(Hour::of(at).of_day()));
                if let Some(count) = hour.and_then(|hour| counts.get_mut(hour)) {
                    *count += 1;
                }
            }
            Ok::<_, TableError>(counts)
        });
        let mut all = [0_u64; 24];
        for counts in try_join_all(shards).await? {
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        Ok(all)
    }

    /// The hours from `first` to `last` in which the index `by-day` has a call of a date in UTC, `2025-06-01`. However many calls there are, it
    /// reads one of each hour and shard.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub async fn hours_with_calls(
        &self,
        date: String,
        first: Hour,
        last: Hour,
    ) -> Result<BTreeSet<Hour>, TableError> {
        let shards = keys::day_keys(&date).map(async |day| {
            let (mut hours, mut next) = (Vec::new(), Some(first));
            while let Some(from) = next {
                let query = self
                    .shard_of_day(day.clone())
                    .key_condition_expression("#day = :day AND #call_at BETWEEN :from AND :last")
                    .expression_attribute_values(":from", AttributeValue::S(from.start().to_text()))
                    .expression_attribute_values(":last", AttributeValue::S(last.last().to_text()))
                    .projection_expression("#call_at")
                    .limit(1);
                let page = query.send().await.map_err(|error| TableError::Query(Box::new(error)))?;
                let Some(item) = page.items().first() else { break };
                // By its text, by which entries are sorted: so the next hour is always a later one.
                let hour = item.get(CALL_AT).and_then(|at| at.as_s().ok()?.get(..HOUR_BYTES)?.parse().ok());
                hours.extend(hour);
                next = hour.unwrap_or(from).next().filter(|next| *next <= last);
            }
            Ok::<_, TableError>(hours)
        });
        Ok(try_join_all(shards).await?.into_iter().flatten().collect())
    }

    /// All calls that the index `by-day` has, which is those that were not erased, in no order.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub async fn calls_of_all_days(&self) -> Result<Vec<ListedCall>, TableError> {
        let scan = self.client.scan().table_name(&self.name).index_name(BY_DAY);
        let mut pages = scan.into_paginator().items().send();
        let mut calls = Vec::new();
        while let Some(item) = pages.next().await {
            calls.extend(listed(&item.map_err(|error| TableError::Scan(Box::new(error)))?));
        }
        Ok(calls)
    }
}

fn listed(item: &HashMap<String, AttributeValue>) -> Option<ListedCall> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(ListedCall { call_at: text(CALL_AT)?, pk: text(keys::PK)? })
}
