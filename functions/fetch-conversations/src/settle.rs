//! Settling calls: what was waited for long enough counts as completed, though not all is known of it.

use runtime::store::Store;
use runtime::store::table::MAX_BATCH_GET;
use shared::model::{CallKey, Instant};
use shared::record::keys;

use crate::asking::RunError;

/// How many calls of a shard a run looks at at most. What is left is settled by the next run.
const MAX_PER_SHARD: usize = 5_000;

/// Settles every call that is due at `now` to be settled, as far as the time allows, and gives back how many.
pub(crate) async fn settle(
    store: &Store,
    now: Instant,
    deadline: tokio::time::Instant,
) -> Result<u64, RunError> {
    let mut settled = 0;
    for shard in keys::conversation_due_keys() {
        let due = store.table().due(&shard, now, MAX_PER_SHARD).await?;
        let due: Vec<CallKey> = due.iter().filter_map(|pk| keys::call_of_pk(pk)).collect();
        for chunk in due.chunks(MAX_BATCH_GET) {
            if tokio::time::Instant::now() >= deadline {
                return Ok(settled);
            }
            for (key, call) in store.calls(chunk).await? {
                let is_due = store.settle_at(&key, &call).is_some_and(|at| at <= now);
                if is_due && store.settle(&key, now).await? {
                    settled += 1;
                }
            }
        }
    }
    Ok(settled)
}
