//! How archiving is doing, as far as the table tells: what waits, who holds which shard, and what was lost; and, of it, what is wrong, and
//! what to do. The command `doctor` and the console tell it.

mod advice;
mod english;
mod findings;
mod tried;

use futures_util::{StreamExt, TryStreamExt};

pub use advice::{Cause, OfS3};
pub use english::free_by_hand;
pub use findings::{Expiries, FailurePlace, Failures, Finding, RefusedHost, Seen, call_of, findings, named};
pub use tried::Tried;

use crate::store::due::DueRecording;
use crate::store::lease::Lease;
use crate::store::table::{MAX_BATCH_GET, Table, TableError};
use shared::model::{Instant, Recording};
use shared::record::{item, keys};

/// How many batches of items are read at once.
const AT_ONCE: usize = 8;
/// What was lost is told for so long, in seconds.
const LOST_S: i64 = 24 * 3_600;

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// How many entries of each shard that wait, and that were lost, some 200 bytes of memory each.
    pub entries: usize,
    /// How many recordings are looked at themselves, of those that wait and of those that were lost, some 500 bytes of memory each.
    pub looked_at: usize,
}

impl Depth {
    /// What fits into the answer to a page: a dozen requests.
    pub const PAGE: Self = Self { entries: 5_000, looked_at: 1_000 };
    /// What a command may take a minute for, and some 150 MB.
    pub const WHOLE: Self = Self { entries: 25_000, looked_at: 200_000 };
}

/// Reads how archiving is doing at `now`. What can't be read as what it should be is told of that one alone.
///
/// # Errors
/// [`TableError`], when DynamoDB fails.
pub async fn see(table: &Table, now: Instant, depth: Depth) -> Result<Seen, TableError> {
    let mut seen = Seen { leases: table.shard_leases().await?, ..Seen::default() };
    let mut lost = Vec::new();
    for shard in 0..keys::SHARDS {
        let mut entries = table.due_recordings(shard).take(depth.entries);
        let mut read = 0;
        while let Some(entry) = entries.next().await {
            read += 1;
            match entry {
                Ok(entry) => seen.waiting.push(entry),
                Err(TableError::UnreadableEntry { pk, sk, .. }) => seen.unreadable.push(name_of(&pk, &sk)),
                Err(error) => return Err(error),
            }
        }
        seen.more_waits |= read == depth.entries;
        let most = depth.looked_at / usize::from(keys::SHARDS);
        let mut entries = table.lost_recordings(shard, None).take(most);
        let mut read = 0;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) if now.seconds_since(entry.lost_at) >= LOST_S => break,
                Ok(entry) => lost.push((entry.pk, entry.sk)),
                Err(TableError::UnreadableEntry { pk, sk, .. }) => seen.unreadable.push(name_of(&pk, &sk)),
                Err(error) => return Err(error),
            }
            read += 1;
        }
        seen.more_were_lost |= read == most;
    }
    seen.waiting
        .sort_by_key(|entry| (entry.source_expires_at.is_none(), entry.source_expires_at, entry.due_at));
    let chosen = chosen(&seen.waiting, depth.looked_at);
    seen.more_waits |= chosen.len() < seen.waiting.len();
    seen.looked_at = tried(table, chosen, &mut seen.unreadable).await?;
    seen.lost = tried(table, lost, &mut seen.unreadable).await?;
    Ok(seen)
}

/// Which of what waits to look at: all, or the most urgent, and of the rest some from everywhere, so that no cause is hidden by another. Those
/// that were tried and wait are no less telling than those that are due.
fn chosen(waiting: &[DueRecording], most: usize) -> Vec<(String, String)> {
    let (urgent, rest) = waiting.split_at(if waiting.len() <= most { waiting.len() } else { most / 2 });
    let step = rest.len().div_ceil((most - most / 2).max(1)).max(1);
    urgent.iter().chain(rest.iter().step_by(step)).map(|entry| (entry.pk.clone(), entry.sk.clone())).collect()
}

async fn tried(
    table: &Table,
    keys: Vec<(String, String)>,
    unreadable: &mut Vec<String>,
) -> Result<Vec<Tried>, TableError> {
    let batches: Vec<_> = keys.chunks(MAX_BATCH_GET).map(<[_]>::to_vec).collect();
    let mut batches = futures_util::stream::iter(batches)
        .map(|batch| {
            let table = table.clone();
            async move { table.get_all(&batch).await }
        })
        .buffer_unordered(AT_ONCE);
    let mut tried = Vec::with_capacity(keys.len());
    while let Some(items) = batches.try_next().await? {
        for stored in items {
            let [pk, sk] = [keys::PK, keys::SK]
                .map(|name| stored.get(name).and_then(|key| key.as_str()).unwrap_or_default().to_owned());
            match (keys::call_of_pk(&pk), item::typed::<Recording>(stored)) {
                (Some(call), Ok(recording)) => tried.push(Tried::of(call, &recording)),
                _ => unreadable.push(name_of(&pk, &sk)),
            }
        }
    }
    Ok(tried)
}

/// A recording, as commands take it.
fn name_of(pk: &str, sk: &str) -> String {
    keys::call_of_pk(pk)
        .map_or_else(|| format!("pk {pk:?} sk {sk:?}"), |call| format!("{} {sk}", named(&call)))
}

/// Whether the table takes writes: takes and gives back the lease of a function that there is not, which writes one item of a few bytes.
///
/// # Errors
/// [`TableError`], when it takes none, or whoever asks may not write.
pub async fn write(table: &Table, now: Instant) -> Result<(), TableError> {
    let lease = Lease::take(table, "doctor", now, std::time::Duration::ZERO).await?;
    match lease {
        Some(lease) => lease.give_back(now).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_too_much_the_urgent_and_some_from_everywhere_are_looked_at() {
        let waiting: Vec<_> = (0..1_000)
            .map(|n| DueRecording {
                pk: n.to_string(),
                sk: String::new(),
                due_at: Instant::from_epoch_millis(1_748_743_200_000 + n).unwrap(),
                source_expires_at: None,
            })
            .collect();
        let chosen = |most| super::chosen(&waiting, most).into_iter().map(|(pk, _)| pk).collect::<Vec<_>>();
        assert_eq!(chosen(1_000).len(), 1_000);
        assert_eq!(chosen(10), ["0", "1", "2", "3", "4", "5", "204", "403", "602", "801"]);
        assert_eq!(super::chosen(&[], 10).len(), 0);
    }
}
