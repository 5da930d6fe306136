//! What people write: reviews of calls, and names of tasks. Items of their own, so that nothing that a platform told is ever written by them.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::Store;
use super::table::{Table, TableError};
use shared::model::{CallKey, Instant, Provider, Review};
use shared::record::item::{self, Item};
use shared::record::keys;

/// The name that people gave a task.
const NAME: &str = "name";

impl Store {
    /// Changes the review of a call: `change` has what stands there, and is called again where somebody else has written meanwhile.
    ///
    /// The caller has seen that the call is there. A call that is erased at the same time may leave its review: the sweeper's next look finds it.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails, and where the item is no review.
    pub async fn change_review(
        &self,
        key: &CallKey,
        change: impl Fn(Review) -> Review,
    ) -> Result<(), TableError> {
        let pk = keys::review_pk(key);
        let changed = |stored: Option<Item>| {
            let stored = stored.map(item::typed::<Review>).transpose()?.unwrap_or_default();
            let new = change(stored.clone());
            Ok(((new != stored).then(|| review_item(key, &new).into()), ()))
        };
        self.table.update(&pk, keys::REVIEW, changed).await
    }

    /// Writes a review of a call, whatever stood there: the last word counts.
    ///
    /// The caller has seen that the call is there. A call that is erased at the same time may leave its review: the sweeper's next look finds it.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn put_review(&self, key: &CallKey, review: &Review) -> Result<(), TableError> {
        self.table.put(review_item(key, review)).await
    }

    /// Names a task; an empty name takes it back.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn name_task(
        &self,
        provider: Provider,
        task_id: &str,
        name: &str,
        by: &str,
        at: Instant,
    ) -> Result<(), TableError> {
        let item = json!({
            keys::PK: keys::task_name_pk(provider, task_id), keys::SK: keys::TASK_NAME,
            NAME: name, "named_by": by, "named_at": at.to_text(),
        });
        match item {
            Value::Object(item) => self.table.put(item).await,
            _ => Ok(()),
        }
    }

    /// The names of tasks; those that have none are left out. One that was given a moment ago may be missing.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn task_names(
        &self,
        tasks: impl IntoIterator<Item = (Provider, String)>,
    ) -> Result<HashMap<(Provider, String), String>, TableError> {
        let partitions: BTreeSet<_> =
            tasks.into_iter().map(|(provider, task)| keys::task_name_pk(provider, &task)).collect();
        let keys: Vec<_> = partitions.into_iter().map(|pk| (pk, keys::TASK_NAME.to_owned())).collect();
        let items = self.table.read(&keys, &[keys::PK, NAME], false).await?;
        let names = items.into_iter().filter_map(|item| {
            let text = |name: &str| item.get(name).and_then(Value::as_str);
            let task = keys::task_of_name_pk(text(keys::PK)?)?;
            Some((task, text(NAME).filter(|name| !name.is_empty())?.to_owned()))
        });
        Ok(names.collect())
    }
}

impl Table {
    /// Removes the review of a call; whether there was one.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn remove_review(&self, key: &CallKey) -> Result<bool, TableError> {
        let pk = keys::review_pk(key);
        let is_there = !self.query(&pk).await?.is_empty();
        if is_there {
            self.delete(&pk, keys::REVIEW).await?;
        }
        Ok(is_there)
    }
}

fn review_item(key: &CallKey, review: &Review) -> Item {
    let mut item = match serde_json::to_value(review) {
        Ok(Value::Object(item)) => item,
        Ok(_) | Err(_) => Map::new(),
    };
    item.insert(keys::PK.to_owned(), keys::review_pk(key).into());
    item.insert(keys::SK.to_owned(), keys::REVIEW.into());
    item
}
