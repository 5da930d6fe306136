//! Archives recordings: copies them from the URLs that pushes gave to the bucket, before those URLs expire.
//!
//! Scheduled. A run reads what is due from the index `by-due` ([`due`]), soonest expiry first; claims each recording for itself
//! ([`claim`]), so that runs may overlap and a run may die; tries it once ([`attempt`]): finds it in the bucket, or copies it there
//! ([`copy`]), from a fresh URL if need be ([`renew`]); and notes what became of it, or when to try again ([`retry`]).

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

use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::dns::ResolveDns;
use futures_util::{StreamExt, stream};
use shared::aws::{self, Account};
use shared::bucket::Bucket;
use shared::config::{ConfigError, Environment, StoreConfig, process_environment};
use shared::credentials::{CredentialsError, ProviderCredentials};
use shared::deadline::Deadline;
use shared::metrics::Metrics;
use shared::model::Instant;
use shared::outbound::fetch::{Fetcher, SystemResolver};
use shared::table::Table;

pub use config::{ArchiveConfig, DEFAULT_HOSTS};
pub use due::DueError;
pub use report::Report;

use claim::ClaimError;
use copy::Copier;
use renew::Renewals;
use report::{Outcome, RefusedHosts};
use run::Run;

/// The function's name.
pub const FUNCTION: &str = "archive-recordings";

/// How many recordings are claimed for each that can be copied at once: those of a busy host wait, others go on.
const CLAIMED_PER_COPY: usize = 4;
/// What expires within this time and is not archived is worth an alarm, in seconds.
const SOON_S: i64 = 24 * 3_600;

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
        let config = ArchiveConfig::read(environment)?;
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        let credentials = ProviderCredentials::load(environment, &account).await?;
        let bucket = Bucket {
            client: aws::s3(&account, &stores, aws::http_client()),
            name: stores.bucket_name.clone(),
        };
        let fetcher = Fetcher::new(config.fetch.clone(), resolver);
        Ok(Self {
            table: patient_table(&account, &stores),
            copier: Copier { fetcher, bucket, min_bytes: config.min_bytes },
            renewals: Renewals::new(&config, credentials),
            metrics: Metrics::read(environment),
            config,
        })
    }
}

/// The table, through a client that waits longer than a push function's: nobody waits for the archiver.
fn patient_table(account: &Account, stores: &StoreConfig) -> Table {
    let hasty = aws::dynamodb(account, stores, aws::http_client());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(10));
    let config = hasty.config().to_builder().timeout_config(timeouts.build()).build();
    Table::new(aws_sdk_dynamodb::Client::from_conf(config), stores.table_name.clone())
}

/// Archives what is due, as far as the time allows.
///
/// # Errors
/// [`ArchiveError`], when the table fails; what is copied by then is archived all the same.
pub async fn handle(archiver: &Archiver, now: Instant, deadline: Deadline) -> Result<Report, ArchiveError> {
    let run = Run::new(archiver, now, &deadline);
    archiver.copier.sweep(now.plus_seconds(-archiver.config.lease_s)).await;
    let entries = due::entries(&archiver.table).await?;
    let (due, waiting): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.due_at <= now);

    let expires_soon = |entry: &due::Entry| {
        entry.source_expires_at.is_some_and(|expires_at| expires_at <= now.plus_seconds(SOON_S))
    };
    let mut report = Report {
        oldest_due: due.iter().map(|entry| entry.due_at).min(),
        expiring_soon: waiting.iter().filter(|entry| expires_soon(entry)).count() as u64,
        next_expiry: waiting.iter().filter_map(|entry| entry.source_expires_at).min(),
        ..Report::default()
    };
    let mut refused_hosts = RefusedHosts::new();
    let mut failures = Failures::default();
    let mut worked_on = stream::iter(due)
        .map(|entry| run.work_on(entry))
        .buffer_unordered(archiver.config.concurrency * CLAIMED_PER_COPY);
    while let Some((entry, result)) = worked_on.next().await {
        let outcome = result.unwrap_or_else(|error| failures.count(&error));
        report.count(&outcome);
        if !outcome.is_settled() {
            report.expiring_soon += u64::from(expires_soon(&entry));
            report.next_expiry = report.next_expiry.into_iter().chain(entry.source_expires_at).min();
        }
        if let Outcome::Retried { refused_host: Some(host) } = outcome {
            *refused_hosts.entry(host).or_default() += 1;
        }
    }
    report.time_left_ms = u64::try_from(deadline.left().as_millis()).unwrap_or(u64::MAX);
    report.log(&refused_hosts);
    archiver.metrics.archive_run(now, &report.counts(now));
    failures.into_result(report)
}

/// What went wrong between the archiver and the table.
#[derive(Default)]
struct Failures {
    count: u64,
    first: Option<String>,
}

impl Failures {
    fn count(&mut self, error: &ClaimError) -> Outcome {
        self.count += 1;
        self.first.get_or_insert_with(|| error.to_string());
        Outcome::Left
    }

    fn into_result(self, report: Report) -> Result<Report, ArchiveError> {
        match self.first {
            Some(first) => Err(ArchiveError::Table { failures: self.count, first }),
            None => Ok(report),
        }
    }
}
