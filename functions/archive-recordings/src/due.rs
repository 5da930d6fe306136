//! What is to be archived, from the index `by-due`.

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use runtime::store::due::DueRecording;
use runtime::store::table::{Table, TableError};
use shared::model::Instant;
use shared::record::keys;

use crate::FUNCTION;

/// The most entries that are looked at in a shard: far more than a run can copy, and a few MB of memory.
const MAX_PER_SHARD: usize = 5_000;

/// Entries of the index.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Those that could be read.
    pub(crate) readable: Vec<DueRecording>,
    /// How many others there are.
    pub(crate) unreadable: u64,
}

/// Reads every entry of every shard, those that are not due yet included: what is about to expire is to be known even while it waits
/// for its next attempt. What can't be read is logged.
pub(crate) async fn entries(table: &Table) -> Result<Entries, TableError> {
    let shards = (0..keys::SHARDS).map(|shard| entries_of_shard(table, shard, None));
    let mut all = Entries::default();
    for of_shard in try_join_all(shards).await? {
        all.readable.extend(of_shard.readable);
        all.unreadable += of_shard.unreadable;
    }
    Ok(all)
}

/// Reads the entries of a shard that are due at `now`. What can't be read was told of when the run began.
pub(crate) async fn due_of_shard(
    table: &Table,
    shard: u8,
    now: Instant,
) -> Result<Vec<DueRecording>, TableError> {
    Ok(entries_of_shard(table, shard, Some(now)).await?.readable)
}

async fn entries_of_shard(table: &Table, shard: u8, due_at: Option<Instant>) -> Result<Entries, TableError> {
    let mut recordings = table.due_recordings(shard);
    let mut entries = Entries::default();
    // By `due_at`: where there is too much of it, what is left out is what can wait longest.
    while entries.readable.len() < MAX_PER_SHARD {
        match recordings.next().await {
            Some(Ok(entry)) if due_at.is_some_and(|due_at| entry.due_at > due_at) => break,
            Some(Ok(entry)) => entries.readable.push(entry),
            Some(Err(TableError::UnreadableEntry { pk, source, .. })) => {
                entries.unreadable += 1;
                if due_at.is_none() {
                    // By the hash of its call, as in `not_archived`; the doctor names the call.
                    let call = keys::element_digest(&pk);
                    tracing::error!(function = FUNCTION, call, why = source.why(), "unreadable_entry");
                }
            }
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    Ok(entries)
}
