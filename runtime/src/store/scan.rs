//! Reading the whole table, which no function does: for the operator's commands.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::Value;

use super::attributes::from_attributes;
use super::table::{Table, TableError};
use shared::model::Instant;
use shared::record::item::Item;
use shared::record::keys;

impl Table {
    /// Reads every item of one of so many `segments` of the table, consistently. The first is 0; the pages are read as they are asked for.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub fn scan(&self, segment: i32, segments: i32) -> BoxStream<'static, Result<Item, TableError>> {
        let scan = self.client.scan().segment(segment).total_segments(segments).consistent_read(true);
        self.items(scan)
    }

    /// Reads the partition and sort key of every item. The pages are read as they are asked for.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub fn scan_keys(&self) -> BoxStream<'static, Result<(String, String), TableError>> {
        let scan = self
            .client
            .scan()
            .projection_expression("#pk, #sk")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK);
        self.items(scan).map_ok(|item| (text(&item, keys::PK), text(&item, keys::SK))).boxed()
    }

    /// The partition keys of the calls of which a verbatim push is stored that was received at `since` or later; of this `function` alone,
    /// where one is given.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub async fn partitions_of_pushes(
        &self,
        function: Option<&str>,
        since: Option<Instant>,
    ) -> Result<BTreeSet<String>, TableError> {
        let prefix = function.map_or_else(|| "push#".to_owned(), |function| keys::push_sk(function, ""));
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        let scan = self
            .client
            .scan()
            .projection_expression("#pk")
            .filter_expression("begins_with(#sk, :prefix) AND #received_at >= :since")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK)
            .expression_attribute_names("#received_at", "received_at")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
            .expression_attribute_values(":since", AttributeValue::S(since));
        self.items(scan).map_ok(|push| text(&push, keys::PK)).try_collect().await
    }

    /// About how many items there are: DynamoDB counts them every six hours, and may not tell everybody.
    pub async fn items_about(&self) -> Option<u64> {
        let told = self.client.describe_table().table_name(&self.name).send().await.ok()?;
        told.table()?.item_count()?.try_into().ok()
    }

    pub(super) fn items(&self, scan: ScanFluentBuilder) -> BoxStream<'static, Result<Item, TableError>> {
        let items = scan.table_name(&self.name).into_paginator().items().send();
        let items = stream::unfold(items, |mut items| async {
            let item: Result<HashMap<_, _>, _> = items.next().await?;
            let item = item.map(from_attributes).map_err(|error| TableError::Scan(Box::new(error)));
            Some((item, items))
        });
        items.boxed()
    }
}

/// A text of an item; empty where it has none of that name.
pub(super) fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
