//! Setting aside a change that can't be understood: it is kept in the bucket, among what was rejected.

use runtime::store::Store;
use runtime::store::bucket::BucketError;
use shared::model::Instant;
use shared::record::rejected::Rejected;

use crate::{Batch, FUNCTION};

/// Keeps a record as it came. An erasure finds it there.
pub(crate) async fn set_aside(
    store: &Store,
    batch: &Batch,
    position: usize,
    reason: &str,
    now: Instant,
) -> Result<(), BucketError> {
    let Some(record) = batch.records.get(position) else { return Ok(()) };
    let reject = Rejected::new(FUNCTION, now, reason.to_owned(), None, record.to_string().as_bytes());
    let json = serde_json::to_vec(&reject).unwrap_or_default();
    store.bucket().put_json_if_absent(&reject.key(), json).await
}
