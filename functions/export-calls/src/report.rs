//! What a run did: its answer, and its line in the log.

use runtime::deadline::Deadline;
use runtime::metrics::{ExportCounts, Metrics};
use serde::Serialize;
use shared::model::Instant;

use crate::FUNCTION;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whether another run is under way: then this one did nothing.
    pub other_run: bool,
    /// Hours that were read.
    pub hours: u64,
    /// Their calls.
    pub calls: u64,
    /// Calls of them that can't be read.
    pub unreadable: u64,
    /// Objects that were put; what has the same bytes is not.
    pub put: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were removed, since they would have no rows.
    pub removed: u64,
    /// Hours that were marked, since the index has another count of calls.
    pub marked: u64,
    /// Hours that could not be written this time.
    pub failed: u64,
    /// Hours that are ready to be written and that there was no time for.
    pub left: u64,
    /// Since when the oldest of those that are left may lack something, in minutes; 0 where none is.
    pub oldest_minutes: i64,
    /// How much time was left at the end, in milliseconds.
    pub time_left_ms: u64,
}

impl Summary {
    /// Logs the run, and counts it.
    pub(crate) fn close(&mut self, deadline: Deadline, now: Instant, metrics: &Metrics) {
        self.time_left_ms = u64::try_from(deadline.left().as_millis()).unwrap_or(u64::MAX);
        let Self { other_run, hours, calls, unreadable, put, bytes, removed, marked, failed, left, .. } =
            *self;
        let Self { oldest_minutes, time_left_ms, .. } = *self;
        tracing::info!(
            function = FUNCTION,
            other_run,
            hours,
            calls,
            unreadable,
            put,
            bytes,
            removed,
            marked,
            failed,
            left,
            oldest_minutes,
            time_left_ms,
            "export"
        );
        metrics.export_run(now, &ExportCounts { hours, put, unreadable, oldest_minutes });
    }
}
