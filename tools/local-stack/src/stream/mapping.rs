//! Handing a shard's changes to `publish-changes` in batches, as Lambda's event source mapping does.

use std::sync::Arc;
use std::time::Duration;

use runtime::backoff::Backoff;
use tokio::sync::mpsc::UnboundedReceiver;

use super::ledger::Ledger;
use super::{Record, event};
use crate::functions::Functions;

/// The most records of a batch, as in the template.
const MAX_BATCH: usize = 100;
/// For how long a batch is gathered. Lambda asks a shard four times a second.
const GATHERED: Duration = Duration::from_millis(100);
/// The pauses before a batch is handed over again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));

/// Hands a shard's records over, in their order, until the stack ends. What fails is handed over again for as long as it fails: nothing is
/// lost here after a number of tries.
pub(crate) async fn run(
    mut shard: UnboundedReceiver<Record>,
    ledger: Arc<Ledger>,
    functions: Arc<Functions>,
) {
    let mut batch = Vec::new();
    while shard.recv_many(&mut batch, MAX_BATCH).await > 0 {
        tokio::time::sleep(GATHERED).await;
        while batch.len() < MAX_BATCH
            && let Ok(record) = shard.try_recv()
        {
            batch.push(record);
        }
        let mut failures = 0;
        while !batch.is_empty() {
            BACKOFF.pause(failures).await;
            let done = hand_over(&batch, &functions).await;
            failures = if done == 0 { failures + 1 } else { 0 };
            let published: Vec<_> = batch.drain(..done).map(|record| (record.key, record.new)).collect();
            if let Err(error) = ledger.put(&published) {
                tracing::error!(error = %format!("{error:#}"), "what was published could not be noted");
            }
        }
    }
}

/// How many of the first records are done with.
async fn hand_over(batch: &[Record], functions: &Arc<Functions>) -> usize {
    let answer = match Arc::clone(functions).invoke(publish_changes::FUNCTION, event(batch)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(function = publish_changes::FUNCTION, error = %error, "invocation failed");
            return 0;
        }
    };
    let failed = answer["batchItemFailures"].as_array().and_then(|failures| failures.first());
    match failed.map(|failure| failure["itemIdentifier"].as_str().unwrap_or_default().to_owned()) {
        None => batch.len(),
        Some(identifier) => {
            let is_it = |record: &Record| format!("{:021}", record.number) == identifier;
            batch.iter().position(is_it).unwrap_or_default()
        }
    }
}
