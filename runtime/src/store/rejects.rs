//! What was rejected lately, as it is told to people: when, of which function, and why.

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use super::Store;
use super::bucket::{Bucket, BucketError};
use shared::model::Instant;
use shared::record::rejected::Rejected;

/// Under which prefix rejects lie: `rejected/<function>/<year>/<month>/<day>/<digest>.json`.
const REJECTED: &str = "rejected/";
/// How many keys are read of a function's day.
const MAX_KEYS: i32 = 1_000;

/// A reject, without what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentReject {
    /// The function that caught it.
    pub function: String,
    /// When it was received.
    pub received_at: Instant,
    /// What is wrong with it. It may repeat what was sent.
    pub reason: String,
    /// The field that is wrong, where it is one.
    pub field: Option<String>,
}

impl Store {
    /// At most `limit` of the rejects of the last `days` days of UTC, the newest first. What can't be read is left out.
    ///
    /// # Errors
    /// [`BucketError`], when the bucket fails.
    pub async fn recent_rejects(
        &self,
        now: Instant,
        days: i64,
        limit: usize,
    ) -> Result<Vec<RecentReject>, BucketError> {
        let bucket = self.bucket();
        let today = Timestamp::from_millisecond(now.epoch_millis()).unwrap_or_default();
        let days = (0..days).map(|ago| today - SignedDuration::from_hours(24 * ago));
        let days: Vec<_> = days.map(|day| day.strftime("%Y/%m/%d").to_string()).collect();
        let functions = bucket.folders(REJECTED).await?;
        let folders =
            functions.iter().flat_map(|function| days.iter().map(move |day| format!("{function}{day}/")));
        let keys = try_join_all(folders.map(|folder| async move { bucket.newest(&folder).await })).await?;
        let mut keys: Vec<_> = keys.into_iter().flatten().collect();
        keys.sort_by(|one, other| other.cmp(one));
        let read = keys.into_iter().take(limit).map(|(_, key)| async move {
            let bytes = bucket.get(&key).await?;
            Ok::<_, BucketError>(serde_json::from_slice::<Rejected>(&bytes).ok())
        });
        let mut rejects: Vec<_> = try_join_all(read)
            .await?
            .into_iter()
            .flatten()
            .map(|Rejected { function, received_at, reason, field, .. }| RecentReject {
                function,
                received_at,
                reason,
                field,
            })
            .collect();
        rejects.sort_by_key(|reject| std::cmp::Reverse(reject.received_at));
        Ok(rejects)
    }
}

impl Bucket {
    /// The folders right below a prefix.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).delimiter("/");
        let listed = list.send().await.map_err(|error| BucketError::List(Box::new(error)))?;
        let folders = listed.common_prefixes.unwrap_or_default();
        Ok(folders.into_iter().filter_map(|folder| folder.prefix).collect())
    }

    /// The objects below a prefix, each with when it was written, in seconds since 1970.
    async fn newest(&self, prefix: &str) -> Result<Vec<(i64, String)>, BucketError> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(MAX_KEYS);
        let listed = list.send().await.map_err(|error| BucketError::List(Box::new(error)))?;
        let objects = listed.contents.unwrap_or_default().into_iter();
        Ok(objects.filter_map(|object| Some((object.last_modified?.secs(), object.key?))).collect())
    }
}
