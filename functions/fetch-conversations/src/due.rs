//! Asking for the calls that are due: known, and not complete some time after they were first heard of.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use futures_util::{TryStreamExt, stream};
use runtime::outbound::alibaba::DetailIds;
use runtime::store::table::{MAX_BATCH_GET, TableError};
use shared::model::{CallFacts, CallKey, Instant};
use shared::record::item;
use shared::record::keys;
use shared::record::merge::Record;

use crate::asking::{Asked, CONCURRENCY, Reason, Run, RunError};

/// How many calls of a shard a run takes on at most. What is left is due in the next run.
const MAX_DUE_PER_SHARD: usize = 2_000;
/// How much time lies between two runs, in milliseconds.
const RUN_EVERY_MS: i64 = 5 * 60 * 1_000;

/// Asks for all calls that are due, and gives back the tasks that they belong to.
pub(crate) async fn ask_for_due_calls(run: &Run<'_>) -> Result<BTreeSet<String>, RunError> {
    // The rest of the time is reconciliation's, which a backlog must not starve.
    let began = tokio::time::Instant::now();
    let deadline = began + run.deadline.saturating_duration_since(began).mul_f64(0.6);
    let tasks = Mutex::new(BTreeSet::new());
    for shard in in_turn(partitions(), run.now) {
        let due = run.store.table().due(&shard, run.now, MAX_DUE_PER_SHARD).await?;
        let due: BTreeSet<CallKey> = due.iter().filter_map(|pk| keys::call_of_pk(pk)).collect();
        for chunk in due.into_iter().collect::<Vec<_>>().chunks(MAX_BATCH_GET) {
            if run.is_over() || tokio::time::Instant::now() >= deadline {
                break;
            }
            let calls = run.store.calls(chunk).await?;
            stream::iter(calls.into_iter().map(Ok))
                .try_for_each_concurrent(CONCURRENCY, |(key, call)| {
                    ask_for_call(run, key, call, deadline, &tasks)
                })
                .await?;
        }
    }
    Ok(tasks.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Where calls are due to be asked for, settled or not.
fn partitions() -> Vec<String> {
    keys::conversation_due_keys().chain(keys::settled_due_keys()).collect()
}

/// The shards, beginning with another one in each run: what a backlog leaves no time for is not always the same.
fn in_turn(mut shards: Vec<String>, now: Instant) -> Vec<String> {
    let runs = now.epoch_millis() / RUN_EVERY_MS;
    let first = usize::try_from(runs).unwrap_or_default() % shards.len().max(1);
    shards.rotate_left(first);
    shards
}

async fn ask_for_call(
    run: &Run<'_>,
    key: CallKey,
    call: Record,
    deadline: tokio::time::Instant,
    tasks: &Mutex<BTreeSet<String>>,
) -> Result<(), RunError> {
    // The index is a moment behind: the call may have become complete, or another run have asked for it.
    if run.store.ask_at(&key, &call).is_none_or(|ask_at| ask_at > run.now) {
        return Ok(());
    }
    let facts = item::typed::<CallFacts>(call.facts.clone()).map_err(TableError::from)?;
    if let Some(task_id) = &facts.task_id {
        tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(task_id.clone());
    }
    let asked = match DetailIds::of(&facts) {
        Some(ids) => run.ask(&ids, Reason::Due, deadline).await,
        None => {
            run.tally().summary.without_ids += 1;
            Asked::InVain
        }
    };
    if asked == Asked::NotNow {
        // The call stays due: no attempt of its own was used up.
        return Ok(());
    }
    let now_known = run.store.postpone_inquiry(&key, call.inquiry.asked, run.now).await?;
    if let Asked::Told(told) = asked {
        let same = |now_known: Record| now_known.facts == call.facts && now_known.extra == call.extra;
        let unchanged = told == key && now_known.is_some_and(same);
        let mut tally = run.tally();
        match unchanged {
            true => tally.summary.unchanged += 1,
            false => tally.summary.fetched += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use runtime::clock;

    use super::*;

    #[test]
    fn every_shard_is_the_first_in_its_turn() {
        let shards = partitions();
        let start = clock::now();
        let firsts = (0_i64..).take(shards.len()).map(|run| {
            let turns = in_turn(shards.clone(), start.plus_seconds(run * RUN_EVERY_MS / 1_000));
            assert_eq!(turns.iter().collect::<BTreeSet<_>>(), shards.iter().collect(), "none is left out");
            turns[0].clone()
        });
        assert_eq!(firsts.collect::<BTreeSet<_>>(), shards.iter().cloned().collect());
    }
}
