//! What a run did: its answer, and its line in the log.

use runtime::metrics::ConversationCounts;
use serde::Serialize;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Answers that told something new and were stored.
    pub fetched: u64,
    /// Answers that told nothing new.
    pub unchanged: u64,
    /// How often the platform said that it was asked too often. Nothing is lost by it: the run only gets on more slowly.
    pub throttled: u64,
    /// Questions that brought no answer, or one that could not be stored.
    pub failed: u64,
    /// Of the calls fetched, those that reconciliation found.
    pub reconciled: u64,
    /// Calls of which no push told by which ids to ask for them: reconciliation will find them in their task's list.
    pub without_ids: u64,
    /// Calls that were waited for long enough: they count as completed, though not all is known of them.
    pub settled: u64,
    /// 1 where the platform refused the credentials, which ended the run.
    pub denied: u64,
    /// 1 where another run was under way, which ended this one at once.
    pub overlapped: u64,
    /// How much time was left in the end, in milliseconds.
    pub time_left_ms: u64,
}

impl Summary {
    /// What metrics and alarms are made of.
    pub(crate) fn counts(&self) -> ConversationCounts {
        let Self { fetched, failed, reconciled, throttled, denied, .. } = *self;
        ConversationCounts { fetched, failed, reconciled, throttled, denied }
    }

    /// Writes the run's line.
    pub(crate) fn log(&self) {
        let Self {
            fetched,
            unchanged,
            throttled,
            failed,
            reconciled,
            without_ids,
            settled,
            denied,
            overlapped,
            time_left_ms,
        } = self;
        tracing::info!(
            function = crate::FUNCTION,
            fetched,
            unchanged,
            throttled,
            failed,
            reconciled,
            without_ids,
            settled,
            denied,
            overlapped,
            time_left_ms,
            "run"
        );
    }
}
