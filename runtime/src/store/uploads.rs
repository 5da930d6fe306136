//! Uploads in parts that broke off: whoever dies while they upload leaves the parts in the bucket, where no list of objects shows them.

use aws_sdk_s3::primitives::DateTime;

use super::bucket::Bucket;
use crate::aws::brief;
use shared::model::Instant;

/// How many uploads are removed at a time.
const MAX_REMOVED: usize = 100;

impl Bucket {
    /// Removes what is left of uploads that were begun before a time, of keys that begin with one of these folders: whoever began them may not
    /// live any more. Some at a time; what stays, and what goes wrong, of which the log tells, is left to the next time, and at last to the
    /// bucket's own rule.
    pub async fn remove_uploads(&self, folders: &[&str], begun_before: Instant) {
        let list = self.client.list_multipart_uploads().bucket(&self.name);
        // S3 knows one beginning of keys at a time.
        let list = match folders {
            [folder] => list.prefix(*folder),
            _ => list,
        };
        let listed = match list.send().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(error = brief(&error), "uploads_not_listed");
                return;
            }
        };
        let begun_before = DateTime::from_millis(begun_before.epoch_millis());
        let left = listed.uploads().iter().filter_map(|upload| {
            let (key, id) = (upload.key()?, upload.upload_id()?);
            let is_left = *upload.initiated()? < begun_before;
            (is_left && folders.iter().any(|folder| key.starts_with(folder))).then_some((key, id))
        });
        let mut uploads = 0_u64;
        for (key, id) in left.take(MAX_REMOVED) {
            uploads += u64::from(self.remove_upload(key, id).await);
        }
        if uploads > 0 {
            tracing::info!(uploads, "uploads_removed");
        }
    }

    /// Removes the parts of an upload that is not to be completed. Whether they are gone: why not, the log tells.
    pub async fn remove_upload(&self, key: &str, id: &str) -> bool {
        let abort = self.client.abort_multipart_upload().bucket(&self.name).key(key).upload_id(id);
        match abort.send().await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = brief(&error), "upload_not_removed");
                false
            }
        }
    }
}
