//! Archives recordings: copies them from the URLs that pushes gave to the bucket, before those URLs expire.
//!
//! Scheduled. A run (`run`) reads what is due from the index `by-due` (`due`); takes the leases of its share of the shards
//! (`holding`), so that runs may overlap and a run may die; works on what is due there, the most urgent first (`queue`): tries it once (`attempt`), finds it in the bucket, or copies it there
//! (`copy`, `audio`) from the first of its URLs that is alive, a fresh one if need be (`renew`); and notes what became of it, or when to
//! try again (`retry`).

mod attempt;
mod audio;
mod budget;
mod config;
mod copy;
mod copy_error;
mod due;
mod holding;
mod lock;
mod queue;
mod renew;
mod report;
mod retry;
mod run;
mod source;

use std::fmt;

use aws_smithy_runtime_api::client::dns::ResolveDns;
use runtime::aws::{self, Account, Patience};
use runtime::config::{ConfigError, Environment, StoreConfig, process_environment};
use runtime::credentials::KeySource;
use runtime::deadline::Deadline;
use runtime::metrics::Metrics;
use runtime::outbound::fetch::{FetchSettings, Fetcher, SystemResolver};
use runtime::store::bucket::Bucket;
use runtime::store::table::{Table, TableError};
use shared::model::Instant;

pub use config::{ArchiveConfig, DEFAULT_HOSTS};
pub use lock::RecordingLock;
pub use report::Report;

use budget::Budget;
use copy::Copier;
use renew::Renewals;
use run::Run;

/// The function's name.
pub const FUNCTION: &str = "archive-recordings";

/// The archiver could not do its work. What goes wrong with a recording is no such error: it is noted with the recording.
#[derive(thiserror::Error)]
pub enum ArchiveError {
    /// The index, or the leases on its shards, could not be read.
    #[error(transparent)]
    Due(#[from] TableError),
    /// Recordings could not be read, or what became of them not be noted.
    #[error("{failures} recordings could not be read or settled, the first since {first}")]
    Table {
        /// How many.
        failures: u64,
        /// What happened to the first.
        first: String,
    },
}

/// In the words that are fit for a log: Lambda's runtime logs what a function fails by, and the SDK's errors hold whole answers.
impl fmt::Debug for ArchiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Archives recordings: what the function has at hand from its start on.
#[derive(Clone, Debug)]
pub struct Archiver {
    config: ArchiveConfig,
    table: Table,
    copier: Copier,
    keys: KeySource,
    metrics: Metrics,
}

impl Archiver {
    /// An archiver with the process's settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub async fn from_environment() -> Result<Self, ConfigError> {
        Self::new(&process_environment(), SystemResolver).await
    }

    /// An archiver with these settings, which finds hosts by `resolver`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub async fn new(
        environment: &Environment<'_>,
        resolver: impl ResolveDns + 'static,
    ) -> Result<Self, ConfigError> {
        Self::with_fetcher(environment, |settings| Fetcher::new(settings, resolver)).await
    }

    /// An archiver with these settings, which fetches by what `fetcher` makes of those of a fetch.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub async fn with_fetcher(
        environment: &Environment<'_>,
        fetcher: impl FnOnce(FetchSettings) -> Fetcher,
    ) -> Result<Self, ConfigError> {
        let config = ArchiveConfig::read(environment)?;
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        let bucket = Bucket {
            client: aws::s3(&account, &stores, aws::http_client(), Patience::Nobody),
            name: stores.bucket_name.clone(),
        };
        let fetcher = fetcher(config.fetch.clone());
        let table = Table::new(&account, &stores, Patience::Nobody);
        Ok(Self {
            copier: Copier {
                fetcher,
                bucket,
                budget: Budget::new(config.budget_bytes),
                min_bytes: config.min_bytes,
                lock: config.lock.clone(),
            },
            keys: KeySource::read(environment, &account)?,
            table,
            metrics: Metrics::read(environment)?,
            config,
        })
    }
}

/// Archives what is due, as far as the time allows.
///
/// # Errors
/// [`ArchiveError`], when the table fails; what is copied by then is archived all the same.
pub async fn handle(archiver: &Archiver, now: Instant, deadline: Deadline) -> Result<Report, ArchiveError> {
    // Without keys recordings are archived all the same, as long as their URLs live.
    let keys = archiver.keys.keys().await;
    keys.report(FUNCTION, &archiver.metrics, now);
    let run =
        Run::new(archiver, Renewals::new(&archiver.config, keys, archiver.table.clone()), now, &deadline);
    run.sweep().await;
    let entries = due::entries(&archiver.table).await?;
    let ledger = run.work_through(entries).await?;
    ledger.close(deadline, &archiver.metrics)
}
