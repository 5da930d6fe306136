//! Writes analytics' files: for each hour of UTC a Parquet file of each data set, and what is counted of its calls.
//!
//! Scheduled. Whoever changes a call marks its hour as dirty ([`runtime::store::dirty`]). A run takes the marks whose changes the indexes
//! have by now, reads each hour's calls, writes the files anew where their bytes differ, and removes a mark only if it is as it was read.
//! So each file is the table's truth of the moment at which it was written, and once writes rest each call is in exactly one row.
//!
//! - `column`: the columns, one row each; `schema`: the same as Parquet. `cell`: values as columns hold them.
//! - `hour`: the files of one hour. `file`, `buffer`: writing one, with bounded memory.
//! - `compare`: once a day, in case a mark was lost.
//!
//! The files' bytes follow from the calls alone: the same calls make the same bytes, and an hour that does not change is never put again.

mod buffer;
mod cell;
mod column;
mod compare;
mod config;
mod file;
mod hour;
mod read;
mod report;
mod schema;

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runtime::auth::callee_id::{CalleeIdSource, CalleeKeyError};
use runtime::aws::{Account, Patience};
use runtime::config::{ConfigError, Environment, StoreConfig, analytics_bucket_name};
use runtime::deadline::Deadline;
use runtime::metrics::Metrics;
use runtime::store::Store;
use runtime::store::analytics::{AnalyticsBucket, KnownBy};
use runtime::store::dirty::DirtyHour;
use runtime::store::lease::Lease;
use runtime::store::table::TableError;
use shared::access::CalleeIds;
use shared::model::Instant;

pub use column::{Column, DATA_SETS, DataSet, Kind};
pub use config::{Numbers, Settings};
pub use file::{FileError, Finished};
pub use hour::{ExportError, HourFiles, HourMaker, Published, files_of};
pub use read::rows;
pub use report::Summary;

/// The function's name.
pub const FUNCTION: &str = "export-calls";

/// For how long a run holds its lease unless it renews it. One that died holds up the next for that long at most, and ten seconds.
const LEASE: Duration = Duration::from_secs(80);
/// How often it is renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(30);

/// How long before the deadline nothing more is begun, and what is under way is given up.
const RESERVE: Duration = Duration::from_secs(20);

/// The run could not do all of its work. What failed stays marked.
#[derive(thiserror::Error)]
pub enum RunError {
    /// The marks could not be read or changed.
    #[error(transparent)]
    Marks(#[from] TableError),
    /// The key of the callees' ids can't be read: without it all files would change.
    #[error(transparent)]
    Key(#[from] CalleeKeyError),
    /// The index's counts could not be compared.
    #[error("the counts could not be compared: {0}")]
    Compare(ExportError),
    /// The lease could not be renewed in time, or another run took it: what this one had read may be older than what that one writes.
    #[error("the lease was lost, and the run given up")]
    Lost,
    /// Hours could not be written.
    #[error("{failures} hours could not be written, the first since {first}")]
    Hours {
        /// How many hours.
        failures: u64,
        /// What happened to the first.
        first: HourError,
    },
}

/// An hour could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HourError {
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] ExportError),
    /// It takes longer than a run has time for.
    #[error("it takes too long")]
    Late,
}

/// In the words that are fit for a log: Lambda's runtime logs what a function fails by, and the SDK's errors hold whole answers.
impl fmt::Debug for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct Exporter {
    store: Store,
    settings: Settings,
    callee_ids: CalleeIdSource,
    metrics: Metrics,
}

impl Exporter {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        Self::of_account(environment, account)
    }

    /// The same with an operator's own credentials.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn of_account(environment: &Environment<'_>, account: Account) -> Result<Self, ConfigError> {
        let bucket =
            analytics_bucket_name(environment)?.ok_or(ConfigError::Missing("ANALYTICS_BUCKET_NAME"))?;
        Ok(Self {
            settings: Settings::read(environment)?,
            callee_ids: CalleeIdSource::read(environment, &account)?,
            metrics: Metrics::read(environment)?,
            store: Store::new(StoreConfig::read(environment)?, account, Patience::Nobody)
                .with_analytics(Some(bucket)),
        })
    }

    /// The stores.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the files of an hour, and puts them nowhere.
    ///
    /// # Errors
    /// [`RunError`], as that of a run of this hour.
    pub async fn files_of(&self, hour: shared::model::Hour) -> Result<HourFiles, RunError> {
        let callee_ids = self.callee_ids.ids().await?;
        let files = files_of(&self.store, &self.settings, callee_ids, hour).await;
        files.map_err(|error| RunError::Hours { failures: 1, first: error.into() })
    }
}

/// Writes the files of every dirty hour whose changes can be read at `now`, as far as the time allows.
///
/// # Errors
/// [`RunError`]. Every hour is tried all the same.
pub fn handle(
    exporter: &Exporter,
    now: Instant,
    deadline: Deadline,
) -> BoxFuture<'_, Result<Summary, RunError>> {
    // Its type is as deep as all that it waits for.
    run(exporter, now, deadline).boxed()
}

async fn run(exporter: &Exporter, now: Instant, deadline: Deadline) -> Result<Summary, RunError> {
    let Exporter { store, callee_ids, metrics, .. } = exporter;
    let mut summary = Summary::default();
    // Two runs of the same hour: the one that read it earlier could write it later.
    let Some(lease) = Lease::take(store.table(), FUNCTION, now, LEASE).await? else {
        summary.other_run = true;
        summary.close(deadline, now, metrics);
        return Ok(summary);
    };
    let result = match (store.analytics(), callee_ids.ids().await) {
        (_, Err(error)) => Err(error.into()),
        // The settings are not read without it.
        (None, Ok(_)) => Ok(()),
        (Some(bucket), Ok(ids)) => {
            let run = Run { exporter, bucket, ids, began: (now, tokio::time::Instant::now()), deadline };
            let work = run.work(&mut summary);
            lease.hold(RENEWED_EVERY, || run.now(), work).await.unwrap_or(Err(RunError::Lost))
        }
    };
    lease.give_back(now).await?;
    summary.close(deadline, now, metrics);
    result.map(|()| summary)
}

/// A run that holds the lease.
struct Run<'a> {
    exporter: &'a Exporter,
    bucket: &'a AnalyticsBucket,
    ids: &'a CalleeIds,
    began: (Instant, tokio::time::Instant),
    deadline: Deadline,
}

impl Run<'_> {
    /// What time it is, by the clock that the run was given.
    fn now(&self) -> Instant {
        let (began, moment) = self.began;
        let passed = i64::try_from(moment.elapsed().as_millis()).unwrap_or(i64::MAX);
        Instant::clamped(began.epoch_millis().saturating_add(passed))
    }

    async fn work(&self, summary: &mut Summary) -> Result<(), RunError> {
        let Exporter { store, settings, .. } = self.exporter;
        let began = self.now();
        let mut ready = store.dirty_hours().await?;
        ready.retain(|mark| mark.is_ready(began));
        // What waits the longest first.
        ready.sort_unstable();
        if !ready.is_empty() {
            // Of runs that died while they uploaded a file: somebody may be in it who was erased since. Nobody else holds the lease.
            self.bucket.0.remove_uploads(&DATA_SETS.map(|set| set.name), began).await;
        }
        let end = self.deadline.less(RESERVE.min(self.deadline.left() / 5));
        let (mut first, mut ready) = (None, ready.into_iter());
        while let Some(mark) = ready.next() {
            if tokio::time::Instant::now() >= end {
                let left = 1 + u64::try_from(ready.len()).unwrap_or(u64::MAX);
                summary.left = left;
                summary.oldest_minutes = began.seconds_since(mark.since) / 60;
                break;
            }
            match tokio::time::timeout_at(end, self.write(&mark, summary)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    summary.failed += 1;
                    summary.oldest_minutes = summary.oldest_minutes.max(began.seconds_since(mark.since) / 60);
                    first.get_or_insert(HourError::Failed(error));
                }
                Err(_) => {
                    summary.failed += 1;
                    summary.oldest_minutes = summary.oldest_minutes.max(began.seconds_since(mark.since) / 60);
                    first.get_or_insert(HourError::Late);
                }
            }
        }
        if let Some(first) = first {
            return Err(RunError::Hours { failures: summary.failed, first });
        }
        let compared_at = store.compared_at().await?;
        let is_due = compared_at.is_none_or(|at| began.seconds_since(at) >= compare::PAUSE_S);
        if settings.days > 0 && is_due && summary.left == 0 {
            let compared = compare::compare(store, self.bucket, settings.days, self.now());
            if let Ok(marked) = tokio::time::timeout_at(end, compared).await {
                summary.marked = marked.map_err(RunError::Compare)?;
                store.note_compared(began).await?;
            }
        }
        Ok(())
    }

    /// Writes an hour's files, and clears its mark.
    async fn write(&self, mark: &DirtyHour, summary: &mut Summary) -> Result<(), ExportError> {
        let Exporter { store, settings, .. } = self.exporter;
        let read_at = self.now();
        let files = files_of(store, settings, self.ids, mark.hour).await?;
        let (calls, unreadable) = (files.summary.calls, files.summary.unreadable);
        let known_by = if mark.mend { KnownBy::Bytes } else { KnownBy::Digest };
        let Published { put, bytes, removed } = files.publish(self.bucket, known_by).await?;
        store.clear_mark(mark, read_at).await.map_err(runtime::store::reading::ReadError::Table)?;
        summary.hours += 1;
        summary.calls += calls;
        summary.unreadable += unreadable;
        summary.put += put;
        summary.bytes += bytes;
        summary.removed += removed;
        Ok(())
    }
}
