//! What a run came to.

use std::collections::BTreeMap;

use runtime::deadline::Deadline;
use runtime::metrics::{ArchiveCounts, Metrics};
use runtime::store::due::DueRecording;
use runtime::store::table::TableError;
use serde::Serialize;
use shared::masking::Hidden;
use shared::model::Instant;

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
    /// How many were set aside, since what is stored of them can't be read. They stay where they are, and count for nothing else but
    /// their expiry.
    pub unreadable: u64,
    /// How many are not archived and expire within a day, due or not.
    pub expiring_soon: u64,
    /// How many recordings were due when the run began.
    pub due: u64,
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
            due: self.due,
            oldest_due_minutes: self.oldest_due.map_or(0.0, |due_at| (-60.0 * hours(due_at)).max(0.0)),
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
    /// What is stored of it can't be read: it is set aside.
    Unreadable,
    /// It is no longer due: another run settled it, or a push changed it.
    Elsewhere,
    /// Another run holds its shard.
    OfAnotherRun,
}

impl Outcome {
    /// Whether the recording is off the list.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Self::Archived(_) | Self::Expired | Self::Failed | Self::Elsewhere => true,
            Self::Retried { .. } | Self::Left | Self::Unreadable | Self::OfAnotherRun => false,
        }
    }
}

/// What came of the entries, as it is entered.
pub(crate) struct Ledger {
    report: Report,
    now: Instant,
    soon: Instant,
    /// How many are due since when.
    due: BTreeMap<Instant, u64>,
    refused_hosts: BTreeMap<String, u64>,
    failures: u64,
    first_failure: Option<String>,
}

impl Ledger {
    /// A ledger for a run that begins now.
    pub(crate) fn new(now: Instant, due: &[DueRecording], waiting: &[DueRecording]) -> Self {
        let mut ledger = Self {
            report: Report {
                next_expiry: waiting.iter().filter_map(|entry| entry.source_expires_at).min(),
                ..Report::default()
            },
            now,
            soon: now.plus_seconds(SOON_S),
            due: BTreeMap::new(),
            refused_hosts: BTreeMap::new(),
            failures: 0,
            first_failure: None,
        };
        for entry in due {
            *ledger.due.entry(entry.due_at).or_default() += 1;
        }
        ledger.report.expiring_soon =
            waiting.iter().filter(|entry| ledger.expires_soon(entry)).count() as u64;
        ledger
    }

    fn expires_soon(&self, entry: &DueRecording) -> bool {
        entry.source_expires_at.is_some_and(|expires_at| expires_at <= self.soon)
    }

    /// Enters that so many entries of the index can't be read.
    pub(crate) fn enter_unreadable(&mut self, entries: u64) {
        self.report.unreadable += entries;
    }

    /// Enters what came of one.
    pub(crate) fn enter(&mut self, entry: &DueRecording, result: Result<Outcome, TableError>) {
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
            Outcome::Unreadable => {
                self.report.unreadable += 1;
                // No run will come to it, and that is told by itself: among what is due it would hide that the others are late, or not.
                if let Some(due) = self.due.get_mut(&entry.due_at) {
                    *due = due.saturating_sub(1);
                }
            }
            Outcome::Elsewhere | Outcome::OfAnotherRun => {}
        }
    }

    /// Logs the run, counts it, and names every host that an operator would have to allow.
    ///
    /// # Errors
    /// If the table failed on the way.
    pub(crate) fn close(self, deadline: Deadline, metrics: &Metrics) -> Result<Report, ArchiveError> {
        let time_left_ms = u64::try_from(deadline.left().as_millis()).unwrap_or(u64::MAX);
        let due = self.due.iter().filter(|(_, count)| **count > 0);
        let report = Report {
            due: self.due.values().sum(),
            oldest_due: due.map(|(due_at, _)| *due_at).next(),
            time_left_ms,
            ..self.report
        };
        for (host, recordings) in &self.refused_hosts {
            let host = Hidden::default().in_id(host);
            tracing::warn!(function = FUNCTION, %host, recordings, "host_not_allowed");
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
            unreadable = (report.unreadable > 0).then_some(report.unreadable),
            expiring_soon = report.expiring_soon,
            due = report.due,
            next_expiry = report.next_expiry.map(|expires_at| expires_at.to_string()),
            oldest_due = report.oldest_due.map(|due_at| due_at.to_string()),
            time_left_ms = report.time_left_ms,
            "archive"
        );
        metrics.archive_run(self.now, &report.counts(self.now));
        if report.unreadable > 0 {
            metrics.recordings_unreadable(self.now, report.unreadable);
        }
        match self.first_failure {
            Some(first) => Err(ArchiveError::Table { failures: self.failures, first }),
            None => Ok(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn now() -> Instant {
        Instant::from_epoch_millis(1_748_743_200_000).unwrap()
    }

    /// One that expires in so many hours, and was due an hour ago.
    fn entry(hours: Option<i64>) -> DueRecording {
        DueRecording {
            pk: "call#alicom#1".to_owned(),
            sk: "recording#main".to_owned(),
            due_at: now().plus_seconds(-3_600),
            source_expires_at: hours.map(|hours| now().plus_seconds(3_600 * hours)),
        }
    }

    #[test]
    fn each_outcome_is_entered_where_it_belongs_and_what_is_left_may_expire_soon() {
        let waiting = [entry(Some(200)), entry(Some(20)), entry(None)];
        let mut due: Vec<_> = (0..6).map(|n| entry(Some(n))).collect();
        // The oldest of all, and no run will ever come to it.
        due.push(DueRecording { due_at: now().plus_seconds(-7_200), ..entry(Some(30)) });
        let mut ledger = Ledger::new(now(), &due, &waiting);
        let refused_host = Some("elsewhere.test".to_owned());
        let outcomes = [
            Outcome::Archived(7),
            Outcome::Expired,
            Outcome::Failed,
            Outcome::Elsewhere,
            Outcome::Left,
            Outcome::Retried { refused_host },
            Outcome::Unreadable,
        ];
        for (entry, outcome) in due.iter().zip(outcomes) {
            ledger.enter(entry, Ok(outcome));
        }
        let deadline = Deadline::after(Duration::from_secs(60));
        let report = ledger
            .close(deadline, &Metrics::read(&runtime::config::Environment::new(&|_| None)).unwrap())
            .unwrap();
        let expected = Report {
            archived: 1,
            bytes: 7,
            expired: 1,
            failed: 1,
            left: 1,
            retried: 1,
            host_not_allowed: 1,
            unreadable: 1,
            // One waits, one is left, one is to be tried again.
            expiring_soon: 3,
            due: 6,
            oldest_due: Some(now().plus_seconds(-3_600)),
            next_expiry: Some(now().plus_seconds(4 * 3_600)),
            time_left_ms: report.time_left_ms,
        };
        assert_eq!(report, expected);
        let counts = report.counts(now());
        assert_eq!((counts.due, counts.oldest_due_minutes, counts.hours_to_expiry), (6, 60.0, Some(4.0)));
        assert_eq!(Report::default().counts(now()).oldest_due_minutes, 0.0);
    }

    #[test]
    fn a_table_that_fails_is_an_error_and_what_was_to_be_written_is_left() {
        let due = [entry(None), entry(None)];
        let mut ledger = Ledger::new(now(), &due, &[]);
        for entry in &due {
            ledger.enter(entry, Err(TableError::Contended));
        }
        let metrics = Metrics::read(&runtime::config::Environment::new(&|_| None)).unwrap();
        let error = ledger.close(Deadline::after(Duration::from_secs(60)), &metrics).unwrap_err();
        let told =
            format!("2 recordings could not be read or settled, the first since {}", TableError::Contended);
        assert_eq!((error.to_string(), format!("{error:?}")), (told.clone(), told));
    }
}
