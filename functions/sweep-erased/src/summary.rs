//! What a run did: its answer, and its line in the log.

use runtime::deadline::Deadline;
use runtime::metrics::{Metrics, SweepCounts};
use serde::Serialize;
use shared::model::Instant;

use crate::{FUNCTION, Removed};

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Tombstones that were looked at.
    pub looked_at: u64,
    /// Items that lay beside them and were removed.
    pub items: u64,
    /// Versions of their objects that were removed.
    pub versions: u64,
    /// Versions that can't be removed, since they are locked.
    pub kept: u64,
    /// Tombstones whose remains could not be removed this time.
    pub failed: u64,
    /// Tombstones that are due and that there was no time for.
    pub left: u64,
    /// How much time was left at the end, in milliseconds.
    pub time_left_ms: u64,
}

impl Summary {
    /// Enters what was removed beside a tombstone.
    pub(crate) fn enter(&mut self, removed: &Removed) {
        self.looked_at += 1;
        self.items += count(removed.items);
        self.versions += count(removed.versions);
        self.kept += count(removed.kept.len());
    }

    /// Logs the run, and counts it.
    pub(crate) fn close(&mut self, deadline: Deadline, now: Instant, metrics: &Metrics) {
        self.time_left_ms = u64::try_from(deadline.left().as_millis()).unwrap_or(u64::MAX);
        let Self { looked_at, items, versions, kept, failed, left, time_left_ms } = *self;
        tracing::info!(
            function = FUNCTION,
            looked_at,
            items,
            versions,
            kept,
            failed,
            left,
            time_left_ms,
            "sweep"
        );
        metrics.sweep_run(now, &SweepCounts { removed: items + versions, kept });
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
