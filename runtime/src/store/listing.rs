//! Listing calls by the table's indexes, which may be behind the table by a moment.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::table::{Table, TableError};
use shared::record::keys;

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
            .index_name("by-callee")
            .key_condition_expression("#callee = :callee")
            .expression_attribute_names("#callee", "callee_key")
            .expression_attribute_values(":callee", AttributeValue::S(number))
            .into_paginator()
            .items()
            .send();
        let partitions = stream::unfold(items, |mut items| async {
            let item = items.next().await?.map_err(|error| TableError::Query(Box::new(error)));
            let pk = |item: std::collections::HashMap<String, AttributeValue>| {
                item.get(keys::PK).and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default()
            };
            Some((item.map(pk), items))
        });
        partitions.boxed()
    }
}
