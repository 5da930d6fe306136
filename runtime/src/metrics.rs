//! Metrics, in CloudWatch's embedded metric format: lines of JSON among the logs, of which CloudWatch makes metrics by itself.
//! Nothing is sent, so nothing of it is on an answer's way.
//!
//! Every metric is named here, and nowhere else: a test holds the template's alarms and dashboard to it. Each is emitted without
//! dimensions, which is what alarms watch; a few also by function, by reason or by field, which is what tells where to look.
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, Environment};
use shared::model::Instant;

/// The target of the events that carry a metrics line, by which [`telemetry`](crate::telemetry) knows them.
pub(crate) const TARGET: &str = "metrics";

/// A metric: its name and its unit in CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, as CloudWatch spells it.
    pub unit: &'static str,
}

const fn count(name: &'static str) -> Metric {
    Metric { name, unit: "Count" }
}

/// Pushes from senders that may push, however they were answered; also by function.
pub const PUSHES: Metric = count("Pushes");
/// Elements in them.
pub const ELEMENTS: Metric = count("Elements");
/// Elements that are in the table.
pub const STORED: Metric = count("Stored");
/// Elements and whole bodies that were kept as rejected; also by function and reason.
pub const REJECTED: Metric = count("Rejected");
/// Pushes that were turned away for their token or their address; also by function and reason.
pub const DENIED: Metric = count("Denied");
/// Fields that held a value which no document knows; also by function and field.
pub const UNKNOWN_VALUES: Metric = count("UnknownValues");
/// How long storing a push's elements took.
pub const STORE_LATENCY: Metric = Metric { name: "StoreLatency", unit: "Milliseconds" };
/// Recordings that were archived.
pub const RECORDINGS_ARCHIVED: Metric = count("RecordingsArchived");
/// Their size.
pub const RECORDING_BYTES: Metric = Metric { name: "RecordingBytes", unit: "Bytes" };
/// Recordings to be tried again.
pub const RECORDINGS_RETRIED: Metric = count("RecordingsRetried");
/// Recordings whose URL died before they were archived.
pub const RECORDINGS_EXPIRED: Metric = count("RecordingsExpired");
/// Recordings that can never be archived.
pub const RECORDINGS_FAILED: Metric = count("RecordingsFailed");
/// Recordings at hosts that are not allowed.
pub const HOSTS_NOT_ALLOWED: Metric = count("HostsNotAllowed");
/// Hours until the next recording that is not archived expires; negative once it has. Absent where none will.
pub const HOURS_TO_EXPIRY: Metric = Metric { name: "HoursToExpiry", unit: "None" };
/// Recordings that were due when a run of the archiver began.
pub const RECORDINGS_DUE: Metric = count("RecordingsDue");
/// For how many minutes the oldest of them had been due; 0 where there was none.
pub const OLDEST_DUE_MINUTES: Metric = Metric { name: "OldestDueMinutes", unit: "None" };
/// Recordings that a run of the archiver set aside, since what is stored of them can't be read.
pub const RECORDINGS_UNREADABLE: Metric = count("RecordingsUnreadable");
/// Conversations that were fetched.
pub const CONVERSATIONS_FETCHED: Metric = count("ConversationsFetched");
/// Calls for which a platform's API had an error.
pub const CONVERSATIONS_FAILED: Metric = count("ConversationsFailed");
/// Calls that were found by reconciliation.
pub const CONVERSATIONS_RECONCILED: Metric = count("ConversationsReconciled");
/// Requests that a platform's API refused for being too many.
pub const PROVIDER_THROTTLED: Metric = count("ProviderThrottled");
/// Requests that a platform's API refused for their keys.
pub const PROVIDER_DENIED: Metric = count("ProviderDenied");
/// Runs of the scheduled functions that could not read the secret with the keys to the platforms' APIs.
pub const SECRET_UNREADABLE: Metric = count("SecretUnreadable");
/// Items and versions of objects that came to lie beside the tombstones of erased calls, and were removed.
pub const REMAINS_REMOVED: Metric = count("RemainsRemoved");
/// Versions of erased calls' objects that can't be removed, since they are locked.
pub const REMAINS_KEPT: Metric = count("RemainsKept");

/// Changes that the stream handed to `publish-changes`.
pub const CHANGES: Metric = count("Changes");
/// Events that the bus took.
pub const EVENTS_PUBLISHED: Metric = count("EventsPublished");
/// Changes that are handed over again, since their events could not be published.
pub const CHANGES_FAILED: Metric = count("ChangesFailed");
/// Changes that can't be understood and were set aside.
pub const CHANGES_SET_ASIDE: Metric = count("ChangesSetAside");
/// How old the oldest change of a batch was once its events were published.
pub const EVENT_DELAY: Metric = Metric { name: "EventDelay", unit: "Milliseconds" };
/// Hours whose calls were read for analytics' files.
pub const HOURS_EXPORTED: Metric = count("HoursExported");
/// Objects of analytics' files that were put.
pub const FILES_PUT: Metric = count("FilesPut");
/// Calls that are in no file, since they can't be read.
pub const CALLS_UNREADABLE: Metric = count("CallsUnreadable");
/// For how many minutes an hour has been ready to be written that could not be, or that there was no time for; 0 where there is none.
pub const OLDEST_HOUR_MINUTES: Metric = Metric { name: "OldestHourMinutes", unit: "None" };

/// Requests of readers that were answered; also by function.
pub const READS: Metric = count("Reads");
/// Requests of readers that were turned away for their token or for want of a permission; also by function and reason.
pub const READS_DENIED: Metric = count("ReadsDenied");
/// Requests of readers that were answered 5xx.
pub const READS_FAILED: Metric = count("ReadsFailed");
/// How long answering a reader took.
pub const READ_LATENCY: Metric = Metric { name: "ReadLatency", unit: "Milliseconds" };

/// Every metric.
pub const ALL: [Metric; 38] = [
    PUSHES,
    ELEMENTS,
    STORED,
    REJECTED,
    DENIED,
    UNKNOWN_VALUES,
    STORE_LATENCY,
    RECORDINGS_ARCHIVED,
    RECORDING_BYTES,
    RECORDINGS_RETRIED,
    RECORDINGS_EXPIRED,
    RECORDINGS_FAILED,
    HOSTS_NOT_ALLOWED,
    HOURS_TO_EXPIRY,
    RECORDINGS_DUE,
    OLDEST_DUE_MINUTES,
    RECORDINGS_UNREADABLE,
    CONVERSATIONS_FETCHED,
    CONVERSATIONS_FAILED,
    CONVERSATIONS_RECONCILED,
    PROVIDER_THROTTLED,
    PROVIDER_DENIED,
    SECRET_UNREADABLE,
    REMAINS_REMOVED,
    REMAINS_KEPT,
    CHANGES,
    EVENTS_PUBLISHED,
    CHANGES_FAILED,
    CHANGES_SET_ASIDE,
    EVENT_DELAY,
    HOURS_EXPORTED,
    FILES_PUT,
    CALLS_UNREADABLE,
    OLDEST_HOUR_MINUTES,
    READS,
    READS_DENIED,
    READS_FAILED,
    READ_LATENCY,
];

/// Where metrics go.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: Option<String>,
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
fn is_namespace(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
    let reserved = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws/"));
    (1..=255).contains(&text.len()) && text.bytes().all(letter) && !text.starts_with(':') && !reserved
}

/// What is counted of a push.
#[derive(Clone, Debug)]
pub struct PushCounts<'a> {
    /// The function that caught it.
    pub function: &'static str,
    /// When it was received.
    pub received_at: Instant,
    /// Why it was turned away, where it was.
    pub denied: Option<&'static str>,
    /// How many elements are in it.
    pub elements: usize,
    /// How many of them are in the table.
    pub stored: usize,
    /// Why elements, or the whole body, were kept as rejected: how often for each reason.
    pub rejections: &'a BTreeMap<&'static str, usize>,
    /// The fields that held a value which no document knows, and how often.
    pub unknown_values: &'a BTreeMap<&'static str, usize>,
    /// How long storing took, in milliseconds; `None` where there was nothing to store.
    pub store_ms: Option<f64>,
}

/// What is counted of a run of `archive-recordings`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArchiveCounts {
    /// Recordings that were archived.
    pub archived: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Recordings to be tried again.
    pub retried: u64,
    /// Recordings whose URL died before they were archived.
    pub expired: u64,
    /// Recordings that can never be archived.
    pub failed: u64,
    /// Recordings at hosts that are not allowed.
    pub hosts_not_allowed: u64,
    /// Hours until the next recording that is not archived expires; `None` where none will.
    pub hours_to_expiry: Option<f64>,
    /// Recordings that were due when it began.
    pub due: u64,
    /// For how many minutes the oldest of them had been due.
    pub oldest_due_minutes: f64,
}

/// What is counted of a run of `fetch-conversations`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversationCounts {
    /// Conversations that were fetched.
    pub fetched: u64,
    /// Calls for which the API had an error.
    pub failed: u64,
    /// Calls that were found by reconciliation.
    pub reconciled: u64,
    /// Requests that the API refused for being too many.
    pub throttled: u64,
    /// Requests that the API refused for their keys.
    pub denied: u64,
}

/// What is counted of a run of `sweep-erased`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweepCounts {
    /// Items and versions of objects that were removed.
    pub removed: u64,
    /// Versions of objects that can't be removed.
    pub kept: u64,
}

/// What is counted of a batch of `publish-changes`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishCounts {
    /// Changes in it.
    pub changes: u64,
    /// Events that the bus took.
    pub published: u64,
    /// Changes that are handed over again.
    pub failed: u64,
    /// Changes that were set aside.
    pub set_aside: u64,
    /// How old the oldest change was in the end, in milliseconds; `None` where there was none.
    pub delay_ms: Option<f64>,
}

/// What is counted of a run of `export-calls`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportCounts {
    /// Hours that were read.
    pub hours: u64,
    /// Objects that were put.
    pub put: u64,
    /// Calls that can't be read.
    pub unreadable: u64,
    /// For how many minutes an hour has been ready that is not written.
    pub oldest_minutes: i64,
}

/// What is counted of a reader's request.
#[derive(Clone, Copy, Debug)]
pub struct ReadCounts {
    /// The function that answered it.
    pub function: &'static str,
    /// When it came.
    pub at: Instant,
    /// Why it was turned away, where it was.
    pub denied: Option<&'static str>,
    /// Whether it was answered 5xx.
    pub failed: bool,
    /// How long answering took, in milliseconds.
    pub latency_ms: f64,
}

impl Metrics {
    /// Metrics in the namespace `METRICS_NAMESPACE`; none are emitted where it is not set, as on the local stack.
    ///
    /// # Errors
    /// [`ConfigError`] where CloudWatch takes no such namespace from anybody but AWS.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let namespace = environment.parse("METRICS_NAMESPACE", None, |namespace| match is_namespace(namespace) {
            true => Ok(Some(namespace.to_owned())),
            false => Err(
                "not a namespace of yours: 1 to 255 of A-Z, a-z, 0-9, `.`, `-`, `_`, `/`, `#`, `:`, not beginning with `:` or `AWS/`"
                    .to_owned(),
            ),
        })?;
        Ok(Self { namespace })
    }

    /// Emits what is counted of a push.
    pub fn push(&self, counts: &PushCounts<'_>) {
        let PushCounts {
            function,
            received_at,
            denied,
            elements,
            stored,
            rejections,
            unknown_values,
            store_ms,
        } = *counts;
        if let Some(reason) = denied {
            let dimensions = [("Function", function), ("Reason", reason)];
            return self.emit(received_at, &dimensions, &[(DENIED, 1.0)], &[DENIED]);
        }
        let mut values = vec![(PUSHES, 1.0), (ELEMENTS, number(elements)), (STORED, number(stored))];
        values.extend(store_ms.map(|ms| (STORE_LATENCY, ms)));
        self.emit(received_at, &[("Function", function)], &values, &[PUSHES]);
        for (reason, times) in rejections {
            let dimensions = [("Function", function), ("Reason", reason)];
            self.emit(received_at, &dimensions, &[(REJECTED, number(*times))], &[REJECTED]);
        }
        for (field, times) in unknown_values {
            let dimensions = [("Function", function), ("Field", field)];
            self.emit(received_at, &dimensions, &[(UNKNOWN_VALUES, number(*times))], &[UNKNOWN_VALUES]);
        }
    }

    /// Emits what is counted of a run of `archive-recordings` that ended `at`.
    pub fn archive_run(&self, at: Instant, counts: &ArchiveCounts) {
        let ArchiveCounts {
            archived,
            bytes,
            retried,
            expired,
            failed,
            hosts_not_allowed,
            hours_to_expiry,
            due,
            oldest_due_minutes,
        } = *counts;
        let mut values = vec![
            (RECORDINGS_ARCHIVED, large_number(archived)),
            (RECORDING_BYTES, large_number(bytes)),
            (RECORDINGS_RETRIED, large_number(retried)),
            (RECORDINGS_EXPIRED, large_number(expired)),
            (RECORDINGS_FAILED, large_number(failed)),
            (HOSTS_NOT_ALLOWED, large_number(hosts_not_allowed)),
            (RECORDINGS_DUE, large_number(due)),
            (OLDEST_DUE_MINUTES, oldest_due_minutes),
        ];
        values.extend(hours_to_expiry.map(|hours| (HOURS_TO_EXPIRY, hours)));
        self.emit(at, &[], &values, &[]);
    }

    /// Emits that a run of `archive-recordings` that ended `at` set so many recordings aside.
    pub fn recordings_unreadable(&self, at: Instant, recordings: u64) {
        self.emit(at, &[], &[(RECORDINGS_UNREADABLE, large_number(recordings))], &[]);
    }

    /// Emits what is counted of a run of `fetch-conversations` that ended `at`.
    pub fn conversation_run(&self, at: Instant, counts: &ConversationCounts) {
        let ConversationCounts { fetched, failed, reconciled, throttled, denied } = *counts;
        let values = [
            (CONVERSATIONS_FETCHED, large_number(fetched)),
            (CONVERSATIONS_FAILED, large_number(failed)),
            (CONVERSATIONS_RECONCILED, large_number(reconciled)),
            (PROVIDER_THROTTLED, large_number(throttled)),
            (PROVIDER_DENIED, large_number(denied)),
        ];
        self.emit(at, &[], &values, &[]);
    }

    /// Emits that a run could not read, `at` that time, the secret with the keys to the platforms' APIs.
    pub fn secret_unreadable(&self, at: Instant) {
        self.emit(at, &[], &[(SECRET_UNREADABLE, 1.0)], &[]);
    }

    /// Emits what is counted of a run of `sweep-erased` that ended `at`.
    pub fn sweep_run(&self, at: Instant, counts: &SweepCounts) {
        let SweepCounts { removed, kept } = *counts;
        let values = [(REMAINS_REMOVED, large_number(removed)), (REMAINS_KEPT, large_number(kept))];
        self.emit(at, &[], &values, &[]);
    }

    /// Emits what is counted of a batch of `publish-changes` that ended `at`.
    pub fn changes_published(&self, at: Instant, counts: &PublishCounts) {
        let PublishCounts { changes, published, failed, set_aside, delay_ms } = *counts;
        let mut values = vec![
            (CHANGES, large_number(changes)),
            (EVENTS_PUBLISHED, large_number(published)),
            (CHANGES_FAILED, large_number(failed)),
            (CHANGES_SET_ASIDE, large_number(set_aside)),
        ];
        values.extend(delay_ms.map(|ms| (EVENT_DELAY, ms)));
        self.emit(at, &[], &values, &[]);
    }

    /// Emits what is counted of a run of `export-calls` that began `at`.
    pub fn export_run(&self, at: Instant, counts: &ExportCounts) {
        let ExportCounts { hours, put, unreadable, oldest_minutes } = *counts;
        let values = [
            (HOURS_EXPORTED, large_number(hours)),
            (FILES_PUT, large_number(put)),
            (CALLS_UNREADABLE, large_number(unreadable)),
            (OLDEST_HOUR_MINUTES, large_number(oldest_minutes.max(0).unsigned_abs())),
        ];
        self.emit(at, &[], &values, &[]);
    }

    /// Emits what is counted of a reader's request.
    pub fn read_answered(&self, counts: &ReadCounts) {
        let ReadCounts { function, at, denied, failed, latency_ms } = *counts;
        if let Some(reason) = denied {
            let dimensions = [("Function", function), ("Reason", reason)];
            return self.emit(at, &dimensions, &[(READS_DENIED, 1.0)], &[READS_DENIED]);
        }
        let values = [(READS, 1.0), (READS_FAILED, f64::from(u8::from(failed))), (READ_LATENCY, latency_ms)];
        self.emit(at, &[("Function", function)], &values, &[READS]);
    }

    /// Emits values without dimensions, and those of `divided` also with all of `dimensions`.
    fn emit(&self, at: Instant, dimensions: &[(&str, &str)], values: &[(Metric, f64)], divided: &[Metric]) {
        if let Some(namespace) = &self.namespace {
            tracing::info!(target: TARGET, line = line(namespace, at, dimensions, values, divided));
        }
    }
}

fn line(
    namespace: &str,
    at: Instant,
    dimensions: &[(&str, &str)],
    values: &[(Metric, f64)],
    divided: &[Metric],
) -> String {
    let directive = |dimensions: Value, metrics: Vec<Metric>| {
        let metrics: Vec<_> = metrics.iter().map(declared).collect();
        json!({"Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics})
    };
    let mut directives = vec![directive(json!([]), values.iter().map(|(metric, _)| *metric).collect())];
    if !divided.is_empty() {
        let names: Vec<_> = dimensions.iter().map(|(name, _)| *name).collect();
        directives.push(directive(json!(names), divided.to_vec()));
    }
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({"Timestamp": at.epoch_millis(), "CloudWatchMetrics": directives}));
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(values.iter().map(|(metric, value)| (metric.name.to_owned(), short(*value))));
    Value::Object(line).to_string()
}

/// A metric's name and unit. That of a count is left out: no alarm asks for it, and each byte that is logged is paid for.
fn declared(metric: &Metric) -> Value {
    match metric.unit {
        "Count" => json!({"Name": metric.name}),
        unit => json!({"Name": metric.name, "Unit": unit}),
    }
}

/// A number without the fraction that it doesn't have.
fn short(value: f64) -> Value {
    let whole = value as i64;
    if whole as f64 == value { json!(whole) } else { json!(value) }
}

// CloudWatch's values are doubles.
fn number(count: usize) -> f64 {
    large_number(u64::try_from(count).unwrap_or(u64::MAX))
}

fn large_number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_line_is_as_the_specification_has_it() {
        let at = Instant::from_epoch_millis(1_748_743_200_000).unwrap();
        let line = line(
            "callvault",
            at,
            &[("Function", "alicom-call-report")],
            &[(PUSHES, 1.0), (STORE_LATENCY, 12.5)],
            &[PUSHES],
        );
        assert_eq!(
            parsed(&line),
            parsed(
                r#"{
                    "_aws": {
                        "Timestamp": 1748743200000,
                        "CloudWatchMetrics": [
                            {
                                "Namespace": "callvault",
                                "Dimensions": [[]],
                                "Metrics": [
                                    {"Name": "Pushes"},
                                    {"Name": "StoreLatency", "Unit": "Milliseconds"}
                                ]
                            },
                            {
                                "Namespace": "callvault",
                                "Dimensions": [["Function"]],
                                "Metrics": [{"Name": "Pushes"}]
                            }
                        ]
                    },
                    "Function": "alicom-call-report",
                    "Pushes": 1,
                    "StoreLatency": 12.5
                }"#
            )
        );
        assert!(!line.contains('\n'), "one line");
    }

    #[test]
    fn a_namespace_that_cloudwatch_keeps_for_itself_is_an_error_that_names_the_variable() {
        let read = |namespace: &str| {
            let look_up = |name: &str| (name == "METRICS_NAMESPACE").then(|| namespace.to_owned());
            Metrics::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
        };
        for namespace in ["callvault", "a/b.c-d_e#f:g", "AWSome", &"a".repeat(255)] {
            assert_eq!(read(namespace).unwrap().namespace.as_deref(), Some(namespace));
        }
        for namespace in ["AWS/Lambda", "AWS/x", ":calls", "two words", "名字", &"a".repeat(256)] {
            assert!(
                read(namespace).unwrap_err().starts_with("METRICS_NAMESPACE is not a namespace"),
                "{namespace}"
            );
        }
        assert_eq!(read("").unwrap().namespace, None);
    }

    #[test]
    fn no_two_metrics_share_a_name() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
