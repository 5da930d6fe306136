//! What is to be archived, from the index `by-due`.

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use runtime::store::due::DueRecording;
use runtime::store::table::{Table, TableError};
use shared::model::Instant;
use shared::record::keys;

/// The most entries that are looked at in a shard: far more than a run can copy, and a few MB of memory.
const MAX_PER_SHARD: usize = 5_000;

/// A run begins every five minutes.
const RUN_MS: i64 = 300_000;

/// Reads every entry of every shard, those that are not due yet included: what is about to expire is to be known even while it waits
/// for its next attempt. Soonest expiry first; what has none comes after, in the order in which it became due. Of what is alike,
/// those of another shard come first in each run: where there is more than a run can do, no shard is always the last.
pub(crate) async fn entries(table: &Table, now: Instant) -> Result<Vec<DueRecording>, TableError> {
    let shards = try_join_all(shards(now).map(|shard| entries_of_shard(table, shard))).await?;
    let mut entries = shards.concat();
    entries.sort_by_key(|entry| (entry.source_expires_at.is_none(), entry.source_expires_at, entry.due_at));
    Ok(entries)
}

/// Every shard once, from another one on in each run.
fn shards(now: Instant) -> impl Iterator<Item = u8> {
    let runs = now.epoch_millis().div_euclid(RUN_MS).rem_euclid(i64::from(keys::SHARDS));
    let first = u8::try_from(runs).unwrap_or_default();
    (0..keys::SHARDS).map(move |shard| (first + shard) % keys::SHARDS)
}

async fn entries_of_shard(table: &Table, shard: u8) -> Result<Vec<DueRecording>, TableError> {
    let mut recordings = table.due_recordings(shard);
    let mut entries = Vec::new();
    // By `due_at`: where there is too much of it, what is left out is what can wait longest.
    while entries.len() < MAX_PER_SHARD {
        match recordings.next().await {
            Some(Ok(entry)) => entries.push(entry),
            Some(Err(TableError::Unreadable(error))) => tracing::error!(error = %error, "unreadable_entry"),
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shard_is_read_and_each_is_the_first_in_one_run_of_eight() {
        let now = Instant::from_epoch_millis(1_748_743_234_567).unwrap();
        let runs =
            (0..i64::from(keys::SHARDS)).map(|run| shards(now.plus_seconds(300 * run)).collect::<Vec<_>>());
        let mut firsts = BTreeSet::new();
        for shards in runs {
            firsts.insert(shards[0]);
            assert_eq!(shards.into_iter().collect::<BTreeSet<_>>(), (0..keys::SHARDS).collect());
        }
        assert_eq!(firsts.len(), usize::from(keys::SHARDS));
    }
}
