//! Archives recordings: copies them from the URLs that pushes gave to the bucket, before those URLs expire.
//!
//! Scheduled. A run (`run`) reads what is due from the index `by-due` (`due`), soonest expiry first; claims each recording for
//! itself (`claim`), so that runs may overlap and a run may die; tries it once (`attempt`): finds it in the bucket, or copies it there
//! (`copy`, `audio`), from a fresh URL if need be (`renew`); and notes what became of it, or when to try again (`retry`).

mod attempt;
mod audio;
mod claim;
mod config;
mod copy;
mod due;
mod renew;
mod report;
mod retry;
mod run;

use aws_smithy_runtime_api::client::dns::ResolveDns;
use shared::aws::{self, Account, Patience};
use shared::bucket::Bucket;
use shared::config::{ConfigError, Environment, StoreConfig, process_environment};
use shared::credentials::{CredentialsError, ProviderCredentials};
use shared::deadline::Deadline;
use shared::metrics::Metrics;
use shared::model::Instant;
use shared::outbound::fetch::{FetchSettings, Fetcher, SystemResolver};
use shared::table::Table;

pub use config::{ArchiveConfig, DEFAULT_HOSTS, RecordingLock};
pub use due::DueError;
pub use report::Report;

use copy::Copier;
use renew::Renewals;
use run::Run;

/// The function's name.
pub const FUNCTION: &str = "archive-recordings";

/// The archiver could not do its work. What goes wrong with a recording is no such error: it is noted with the recording.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The index could not be read.
    #[error(transparent)]
    Due(#[from] DueError),
    /// Recordings could not be claimed, or what became of them not be noted.
    #[error("{failures} recordings could not be claimed or settled, the first since {first}")]
    Table {
        /// How many.
        failures: u64,
        /// What happened to the first.
        first: String,
    },
}

/// The archiver could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The providers' keys could not be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// Archives recordings: what the function has at hand from its start on.
#[derive(Clone, Debug)]
pub struct Archiver {
    config: ArchiveConfig,
    table: Table,
    copier: Copier,
    renewals: Renewals,
    metrics: Metrics,
}

impl Archiver {
    /// An archiver with the process's settings.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn from_environment() -> Result<Self, StartError> {
        Self::new(&process_environment(), SystemResolver).await
    }

    /// An archiver with these settings, which finds hosts by `resolver`.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn new(
        environment: &Environment<'_>,
        resolver: impl ResolveDns + 'static,
    ) -> Result<Self, StartError> {
        Self::with_fetcher(environment, |settings| Fetcher::new(settings, resolver)).await
    }

    /// An archiver with these settings, which fetches by what `fetcher` makes of those of a fetch.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn with_fetcher(
        environment: &Environment<'_>,
        fetcher: impl FnOnce(FetchSettings) -> Fetcher,
    ) -> Result<Self, StartError> {
        let config = ArchiveConfig::read(environment)?;
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        let credentials = ProviderCredentials::load(environment, &account).await?;
        let bucket = Bucket {
            client: aws::s3(&account, &stores, aws::http_client(), Patience::Nobody),
            name: stores.bucket_name.clone(),
        };
        let fetcher = fetcher(config.fetch.clone());
        let client = aws::dynamodb(&account, &stores, aws::http_client(), Patience::Nobody);
        let table = Table::new(client, stores.table_name.clone());
        Ok(Self {
            copier: Copier { fetcher, bucket, min_bytes: config.min_bytes, lock: config.lock.clone() },
            renewals: Renewals::new(&config, credentials, table.clone()),
            table,
            metrics: Metrics::read(environment),
            config,
        })
    }
}

/// Archives what is due, as far as the time allows.
///
/// # Errors
/// [`ArchiveError`], when the table fails; what is copied by then is archived all the same.
pub async fn handle(archiver: &Archiver, now: Instant, deadline: Deadline) -> Result<Report, ArchiveError> {
    let run = Run::new(archiver, now, &deadline);
    run.sweep().await;
    let entries = due::entries(&archiver.table).await?;
    let ledger = run.work_through(entries).await;
    ledger.close(deadline, &archiver.metrics)
}
