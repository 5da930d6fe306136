//! Setting aside a change that can't be understood: which it was is kept in the bucket, among what was rejected.
//!
//! The item itself is in the table. What it says is not copied: it may be of somebody who was erased, or is to be.

use runtime::store::Store;
use runtime::store::bucket::BucketError;
use serde_json::Value;
use shared::model::Instant;
use shared::record::rejected::Rejected;

use crate::record::IMAGES;
use crate::{Batch, FUNCTION};

/// Keeps a record, with the names of its images' attributes in their place.
pub(crate) async fn set_aside(
    store: &Store,
    batch: &Batch,
    position: usize,
    reason: &str,
    now: Instant,
) -> Result<(), BucketError> {
    let Some(record) = batch.records.get(position) else { return Ok(()) };
    let reject =
        Rejected::new(FUNCTION, now, reason.to_owned(), None, named(record.whole()).to_string().as_bytes());
    let json = serde_json::to_vec(&reject).unwrap_or_default();
    store.bucket().put_json_if_absent(&reject.key(), json).await
}

/// A record without what its images say.
fn named(mut record: Value) -> Value {
    for image in IMAGES {
        if let Some(image) = record.pointer_mut(&format!("/dynamodb/{image}")) {
            *image = match image.as_object() {
                Some(attributes) => attributes.keys().cloned().collect(),
                None => Value::Null,
            };
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_set_aside_says_which_item_it_is_and_nothing_that_the_item_says() {
        let record = json!({"dynamodb": {"Keys": {"pk": {"S": "call#alicom#1"}}, "NewImage": {"callee": {"S": "canary"}}, "OldImage": 7}});
        let kept = json!({"dynamodb": {"Keys": {"pk": {"S": "call#alicom#1"}}, "NewImage": ["callee"], "OldImage": null}});
        assert_eq!(named(record), kept);
    }
}
