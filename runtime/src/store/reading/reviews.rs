//! What people think of calls.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::ReadError;
use crate::store::Store;
use shared::model::{CallKey, Review};
use shared::record::item;
use shared::record::keys;

/// All that a review's item may hold.
const ATTRIBUTES: [&str; 7] = [keys::PK, "heard_at", "heard_by", "verdict", "note", "noted_at", "noted_by"];

impl Store {
    /// The reviews of calls; those that have none are left out. One that was written a moment ago may be missing.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails, and where an item is no review.
    pub async fn reviews(&self, calls: &[CallKey]) -> Result<HashMap<CallKey, Review>, ReadError> {
        let partitions: BTreeSet<_> = calls.iter().map(keys::review_pk).collect();
        let keys: Vec<_> = partitions.into_iter().map(|pk| (pk, keys::REVIEW.to_owned())).collect();
        let mut reviews = HashMap::new();
        for item in self.table.read(&keys, &ATTRIBUTES, false).await? {
            let key = item.get(keys::PK).and_then(Value::as_str).and_then(keys::call_of_review_pk);
            if let Some(key) = key {
                reviews.insert(key, item::typed(item)?);
            }
        }
        Ok(reviews)
    }

    /// The review of a call, consistently: who has just written one sees it.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails, and where the item is no review.
    pub async fn review(&self, key: &CallKey) -> Result<Option<Review>, ReadError> {
        let stored = self.table.get_all(&[(keys::review_pk(key), keys::REVIEW.to_owned())]).await?;
        let review = stored.into_iter().next().map(item::typed).transpose();
        Ok(review?)
    }
}
