//! Handing changes to `publish-changes` in batches, as Lambda's event source mapping does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use runtime::backoff::Backoff;
use shared::record::keys;
use tokio::time::MissedTickBehavior;

use super::changes::Changes;
use super::{Record, as_told, sequence_number};
use crate::functions::Functions;

/// The most records of a batch, as in the template.
const MAX_BATCH: usize = 100;
/// How many batches are handed over side by side, where so much waits. The changes of a call are in one.
const MAX_BATCHES: usize = 4;
/// How often it is looked for changes. Lambda asks a shard four times a second; and what is gathered costs less than what is told one by one.
const INTERVAL: Duration = Duration::from_millis(250);
/// The pauses before what failed is handed over again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));

/// Hands changes over, those of a call in their order, until the stack ends. What fails is handed over again for as long as it fails: nothing is
/// lost here after a number of tries.
pub(super) async fn run(changes: Changes, functions: Arc<Functions>) {
    let mut failures = 0;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (found, done) = match round(&changes, &functions).await {
            Ok(counts) => counts,
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "changes could not be read, or be forgotten");
                (1, 0)
            }
        };
        failures = if done == 0 && found > 0 { failures + 1 } else { 0 };
        BACKOFF.pause(failures).await;
        if found == MAX_BATCH * MAX_BATCHES && done > 0 {
            // More waits.
            ticks.reset_immediately();
        }
    }
}

/// Hands over what waits, up to a number of batches. Gives back how many changes there were, and with how many of them all is done.
async fn round(changes: &Changes, functions: &Arc<Functions>) -> anyhow::Result<(usize, usize)> {
    let records = changes.first(MAX_BATCH * MAX_BATCHES).await?;
    let found = records.len();
    if found == 0 {
        return Ok((0, 0));
    }
    // An item that was written as it was is no change.
    let (same, told): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.old == record.new);
    let batches = batches(told);
    let handed_over = join_all(batches.into_iter().map(|batch| hand_over(batch, functions)));
    let mut numbers = handed_over.await.concat();
    numbers.extend(same.iter().map(|record| record.number));
    let done = numbers.len();
    if done > 0 {
        changes.forget(numbers).await?;
    }
    Ok((found, done))
}

/// Divides changes into batches: no more than it takes, and those of a call in one, in their order. What finds no room in its batch waits.
fn batches(records: Vec<Record>) -> Vec<Vec<Record>> {
    let count = records.len().div_ceil(MAX_BATCH);
    let mut batches: Vec<Vec<Record>> = vec![Vec::new(); count];
    for record in records {
        let place = usize::from(keys::shard_of(&record.pk)) % count;
        if let Some(batch) = batches.get_mut(place).filter(|batch| batch.len() < MAX_BATCH) {
            batch.push(record);
        }
    }
    batches
}

/// Hands a batch over, and gives back the numbers of the changes with which all is done: the first ones.
async fn hand_over(batch: Vec<Record>, functions: &Arc<Functions>) -> Vec<i64> {
    let mut numbers: Vec<_> = batch.iter().map(|record| record.number).collect();
    let records = batch.into_iter().map(as_told).collect();
    let answer = match Arc::clone(functions).publish_changes(records).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(function = publish_changes::FUNCTION, error = %error, "invocation failed");
            return Vec::new();
        }
    };
    if let Some(failed) = answer.batch_item_failures.first() {
        let is_it = |number: &i64| sequence_number(*number) == failed.item_identifier;
        numbers.truncate(numbers.iter().position(is_it).unwrap_or_default());
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_changes_of_a_call_are_in_one_batch_in_their_order_and_none_overtakes_another() {
        for (records, calls) in [(1, 1), (100, 3), (101, 1), (400, 7), (400, 400)] {
            let all: Vec<_> = (0..records)
                .map(|number| Record {
                    number,
                    at: 0,
                    pk: format!("call#alicom#{}", number % calls),
                    sk: "call".to_owned(),
                    old: None,
                    new: None,
                })
                .collect();
            let batches = batches(all.clone());
            assert!(batches.len() <= MAX_BATCHES && batches.iter().all(|batch| batch.len() <= MAX_BATCH));
            assert!(batches.iter().any(|batch| !batch.is_empty()));
            let mut places = HashMap::new();
            for (place, batch) in batches.iter().enumerate() {
                assert!(batch.is_sorted_by_key(|record| record.number));
                for record in batch {
                    assert_eq!(*places.entry(record.pk.clone()).or_insert(place), place);
                }
            }
            // What waits is later than all of its call that does not.
            for record in &all {
                let has = |one: &Record| batches.iter().flatten().any(|other| other.number == one.number);
                let earlier =
                    all.iter().filter(|other| other.pk == record.pk && other.number < record.number);
                assert!(!has(record) || earlier.into_iter().all(has));
            }
        }
    }
}
