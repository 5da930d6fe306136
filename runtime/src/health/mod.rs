//! How archiving is doing: what is read of the table for it, what is wrong, and what to do. The command `doctor` and the console tell it.

mod advice;
mod findings;

use futures_util::{StreamExt, TryStreamExt};

pub use findings::{Finding, Seen, findings, named};

use crate::store::due::DueRecording;
use crate::store::table::{Table, TableError};
use shared::model::{CallKey, Instant, Recording};
use shared::record::{item, keys};

/// The most entries that are read of a shard.
const MAX_PER_SHARD: usize = 5_000;
/// So many of the most urgent recordings are looked at themselves.
const LOOKED_AT: usize = 1_000;
/// What was lost is told for so long, in seconds.
const LOST_S: i64 = 24 * 3_600;

/// Reads how archiving is doing at `now`.
///
/// # Errors
/// [`TableError`], when DynamoDB fails.
pub async fn see(table: &Table, now: Instant) -> Result<Seen, TableError> {
    let leases = table.shard_leases().await?;
    let (mut waiting, mut lost) = (Vec::new(), Vec::new());
    for shard in 0..keys::SHARDS {
        let entries = table.due_recordings(shard).take(MAX_PER_SHARD);
        waiting.extend(entries.try_collect::<Vec<DueRecording>>().await?);
        let of_today = table.lost_recordings(shard, None).try_take_while(|one| {
            let is_of_today = now.seconds_since(one.lost_at) < LOST_S;
            std::future::ready(Ok(is_of_today))
        });
        let entries: Vec<_> = of_today.take(LOOKED_AT).try_collect().await?;
        lost.extend(entries.into_iter().map(|one| (one.pk, one.sk)));
    }
    waiting.sort_by_key(|entry| (entry.source_expires_at.is_none(), entry.source_expires_at, entry.due_at));
    // Those that were tried and wait are no less telling than those that are due.
    let urgent: Vec<_> =
        waiting.iter().take(LOOKED_AT).map(|entry| (entry.pk.clone(), entry.sk.clone())).collect();
    Ok(Seen {
        leases,
        looked_at: recordings(table, &urgent).await?,
        lost: recordings(table, &lost).await?,
        waiting,
        secret: None,
    })
}

async fn recordings(
    table: &Table,
    keys: &[(String, String)],
) -> Result<Vec<(CallKey, Recording)>, TableError> {
    let mut recordings = Vec::new();
    for stored in table.get_all(keys).await? {
        let pk = stored.get(keys::PK).and_then(|pk| pk.as_str()).unwrap_or_default();
        if let Some(call) = keys::call_of_pk(pk) {
            recordings.push((call, item::typed(stored)?));
        }
    }
    Ok(recordings)
}
