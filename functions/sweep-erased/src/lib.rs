//! Removes what came to lie beside the tombstones of erased calls.
//!
//! Scheduled. An erased call's item is a tombstone (`shared::record::tombstone`). Whoever merges meets it and stores nothing, but some
//! writes take no condition, and some were under way when the call was erased. A run reads the tombstones that are due from the
//! index `by-due`, removes what lies beside each ([`Remover`]), and sets when to look again (`schedule`). It is the only
//! role that may delete. Rejects that a person was erased from have tombstones, too (`shared::record::erased_reject`, `rejects`).
//!
//! `callvault erase` uses the same [`Remover`]: to erase a call is to put its tombstone and to sweep at once.

mod rejects;
mod remover;
mod schedule;
mod summary;
mod versions;

use std::fmt;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use runtime::aws::{self, Account, Patience};
use runtime::config::{ConfigError, Environment, StoreConfig};
use runtime::deadline::Deadline;
use runtime::metrics::Metrics;
use runtime::store::bucket::Bucket;
use runtime::store::table::{Table, TableError};
use shared::model::Instant;
use shared::record::keys;

pub use remover::{Removed, Remover, SweepError, prefixes};
pub use summary::Summary;
pub use versions::{Version, VersionsError, kept_versions, read_version, remove_version, versions};

/// The function's name.
pub const FUNCTION: &str = "sweep-erased";

/// The most tombstones of a shard that a run takes on. What is left stays due, the oldest first.
const MAX_PER_SHARD: usize = 5_000;
/// How many tombstones are looked at at once.
const CONCURRENCY: usize = 8;
/// How long before the deadline nothing more is begun.
const RESERVE: Duration = Duration::from_secs(20);

/// The run could not do all of its work. What failed stays due.
#[derive(thiserror::Error)]
pub enum RunError {
    /// The index could not be read.
    #[error(transparent)]
    Due(#[from] TableError),
    /// The remains of calls could not be removed.
    #[error("the remains of {failures} erased calls could not be removed, the first since {first}")]
    Calls {
        /// How many calls.
        failures: u64,
        /// What happened to the first.
        first: SweepError,
    },
}

/// In the words that are fit for a log: Lambda's runtime logs what a function fails by, and the SDK's errors hold whole answers.
impl fmt::Debug for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct Sweeper {
    table: Table,
    bucket: Bucket,
    metrics: Metrics,
}

impl Sweeper {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        Ok(Self {
            table: Table::new(&account, &stores, Patience::Nobody),
            bucket: Bucket {
                client: aws::s3(&account, &stores, aws::http_client(), Patience::Nobody),
                name: stores.bucket_name.clone(),
            },
            metrics: Metrics::read(environment)?,
        })
    }
}

/// Removes what lies beside every tombstone that is due at `now`, as far as the time allows.
///
/// # Errors
/// [`RunError`]. Every tombstone is looked at all the same.
pub async fn handle(sweeper: &Sweeper, now: Instant, deadline: Deadline) -> Result<Summary, RunError> {
    let remover = Remover { table: &sweeper.table, bucket: &sweeper.bucket, bypass_governance: false };
    let begin_until = deadline.less(RESERVE.min(deadline.left() / 5));
    let mut due = Vec::new();
    for shard in keys::erased_due_keys() {
        due.extend(sweeper.table.due(&shard, now, MAX_PER_SHARD).await?);
    }
    let mut summary = Summary::default();
    let (mut failures, mut first) = (0, None);
    let mut looks = stream::iter(due)
        .map(|pk| async move {
            if tokio::time::Instant::now() >= begin_until {
                return None;
            }
            Some(match keys::call_of_pk(&pk) {
                Some(key) => remover.sweep(&key, now).await,
                None if keys::is_of_erased_reject(&pk) => remover.sweep_reject(&pk, now).await,
                None => Ok(None),
            })
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(look) = looks.next().await {
        match look {
            None => summary.left += 1,
            // The index is a moment behind the table; or it is not a tombstone that has come to stand there.
            Some(Ok(None)) => {}
            Some(Ok(Some(removed))) => summary.enter(&removed),
            Some(Err(error)) => {
                failures += 1;
                first.get_or_insert(error);
            }
        }
    }
    drop(looks);
    summary.failed = failures;
    summary.close(deadline, now, &sweeper.metrics);
    match first {
        Some(first) => Err(RunError::Calls { failures, first }),
        None => Ok(summary),
    }
}
