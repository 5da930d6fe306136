//! What a run came to.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::deadline::Deadline;
use shared::metrics::{ArchiveCounts, Metrics};
use shared::model::Instant;

use crate::claim::ClaimError;
use crate::due::Entry;
use crate::{ArchiveError, FUNCTION};

/// What expires within this time and is not archived is worth an alarm, in seconds.
const SOON_S: i64 = 24 * 3_600;

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

impl Report {
    /// What of it is a metric.
    fn counts(&self, now: Instant) -> ArchiveCounts {
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

/// What came of the entries, as it is entered.
pub(crate) struct Ledger {
    report: Report,
    now: Instant,
    soon: Instant,
    refused_hosts: BTreeMap<String, u64>,
    failures: u64,
    first_failure: Option<String>,
}

impl Ledger {
    /// A ledger for a run that begins now.
    pub(crate) fn new(now: Instant, due: &[Entry], waiting: &[Entry]) -> Self {
        let mut ledger = Self {
            report: Report {
                oldest_due: due.iter().map(|entry| entry.due_at).min(),
                next_expiry: waiting.iter().filter_map(|entry| entry.source_expires_at).min(),
                ..Report::default()
            },
            now,
            soon: now.plus_seconds(SOON_S),
            refused_hosts: BTreeMap::new(),
            failures: 0,
            first_failure: None,
        };
        ledger.report.expiring_soon =
            waiting.iter().filter(|entry| ledger.expires_soon(entry)).count() as u64;
        ledger
    }

    fn expires_soon(&self, entry: &Entry) -> bool {
        entry.source_expires_at.is_some_and(|expires_at| expires_at <= self.soon)
    }

    /// Enters what came of one.
    pub(crate) fn enter(&mut self, entry: &Entry, result: Result<Outcome, ClaimError>) {
        let outcome = result.unwrap_or_else(|error| {
            self.failures += 1;
            self.first_failure.get_or_insert_with(|| error.to_string());
            Outcome::Left
        });
        if !outcome.is_settled() {
            self.report.expiring_soon += u64::from(self.expires_soon(entry));
            self.report.next_expiry =
                self.report.next_expiry.into_iter().chain(entry.source_expires_at).min();
        }
        match outcome {
            Outcome::Archived(bytes) => {
                self.report.archived += 1;
                self.report.bytes += bytes;
            }
            Outcome::Retried { refused_host } => {
                self.report.retried += 1;
                if let Some(host) = refused_host {
                    self.report.host_not_allowed += 1;
                    *self.refused_hosts.entry(host).or_default() += 1;
                }
            }
            Outcome::Expired => self.report.expired += 1,
            Outcome::Failed => self.report.failed += 1,
            Outcome::Left => self.report.left += 1,
            Outcome::Elsewhere => {}
        }
    }

    /// Logs the run, counts it, and names every host that an operator would have to allow.
    ///
    /// # Errors
    /// If the table failed on the way.
    pub(crate) fn close(self, deadline: Deadline, metrics: &Metrics) -> Result<Report, ArchiveError> {
        let time_left_ms = u64::try_from(deadline.left().as_millis()).unwrap_or(u64::MAX);
        let report = Report { time_left_ms, ..self.report };
        for (host, recordings) in &self.refused_hosts {
            tracing::warn!(function = FUNCTION, host, recordings, "host_not_allowed");
        }
        tracing::info!(
            function = FUNCTION,
            archived = report.archived,
            retried = report.retried,
            expired = report.expired,
            failed = report.failed,
            bytes = report.bytes,
            host_not_allowed = report.host_not_allowed,
            left = report.left,
            expiring_soon = report.expiring_soon,
            next_expiry = report.next_expiry.map(|expires_at| expires_at.to_string()),
            oldest_due = report.oldest_due.map(|due_at| due_at.to_string()),
            time_left_ms = report.time_left_ms,
            "archive"
        );
        metrics.archive_run(self.now, &report.counts(self.now));
        match self.first_failure {
            Some(first) => Err(ArchiveError::Table { failures: self.failures, first }),
            None => Ok(report),
        }
    }
}
