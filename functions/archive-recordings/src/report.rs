//! What a run came to.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::metrics::ArchiveCounts;
use shared::model::Instant;

/// The hosts that would have to be allowed, and for how many recordings.
pub(crate) type RefusedHosts = BTreeMap<String, u64>;

/// What a run came to: the function's answer, and its line in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many recordings were archived.
    pub archived: u64,
    /// How many are to be tried again.
    pub retried: u64,
    /// How many are lost: their URL is dead.
    pub expired: u64,
    /// How many can never be archived.
    pub failed: u64,
    /// How many bytes were archived.
    pub bytes: u64,
    /// Of those to be tried again: how many wait for an operator to allow their host.
    pub host_not_allowed: u64,
    /// How many were due and are still to be tried, since the time was over or a push changed them.
    pub left: u64,
    /// How many are not archived and expire within a day, due or not.
    pub expiring_soon: u64,
    /// Since when the oldest was due that the run found; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_due: Option<Instant>,
    /// When the next of those that are not archived expires, due or not; absent where none is known to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_expiry: Option<Instant>,
    /// How much time was left at the end, in milliseconds.
    pub time_left_ms: u64,
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is archived, with so many bytes.
    Archived(u64),
    /// It is to be tried again.
    Retried {
        /// The host that is not allowed, where it is that.
        refused_host: Option<String>,
    },
    /// Its URL is dead.
    Expired,
    /// It can never be archived.
    Failed,
    /// It is as it was.
    Left,
    /// It is another run's.
    Elsewhere,
}

impl Outcome {
    /// Whether the recording is off the list.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Self::Archived(_) | Self::Expired | Self::Failed | Self::Elsewhere => true,
            Self::Retried { .. } | Self::Left => false,
        }
    }
}

impl Report {
    /// Counts one entry.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Archived(bytes) => {
                self.archived += 1;
                self.bytes += bytes;
            }
            Outcome::Retried { refused_host } => {
                self.retried += 1;
                self.host_not_allowed += u64::from(refused_host.is_some());
            }
            Outcome::Expired => self.expired += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Left => self.left += 1,
            Outcome::Elsewhere => {}
        }
    }

    /// What of it is a metric.
    pub(crate) fn counts(&self, now: Instant) -> ArchiveCounts {
        let hours = |at: Instant| (at.epoch_millis() - now.epoch_millis()) as f64 / 3_600_000.0;
        ArchiveCounts {
            archived: self.archived,
            bytes: self.bytes,
            retried: self.retried,
            expired: self.expired,
            failed: self.failed,
            hosts_not_allowed: self.host_not_allowed,
            hours_to_expiry: self.next_expiry.map(hours),
        }
    }

    /// Logs the run, and every host that an operator would have to allow.
    pub(crate) fn log(&self, refused_hosts: &RefusedHosts) {
        for (host, recordings) in refused_hosts {
            tracing::warn!(function = crate::FUNCTION, host, recordings, "host_not_allowed");
        }
        tracing::info!(
            function = crate::FUNCTION,
            archived = self.archived,
            retried = self.retried,
            expired = self.expired,
            failed = self.failed,
            bytes = self.bytes,
            host_not_allowed = self.host_not_allowed,
            left = self.left,
            expiring_soon = self.expiring_soon,
            next_expiry = self.next_expiry.map(|expires_at| expires_at.to_string()),
            oldest_due = self.oldest_due.map(|due_at| due_at.to_string()),
            time_left_ms = self.time_left_ms,
            "archive"
        );
    }
}
