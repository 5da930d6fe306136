//! One run: what it has at hand, and in which order it asks.

use std::sync::Mutex;
use std::time::Duration;

use runtime::aws::{Account, Patience};
use runtime::clock;
use runtime::config::{ConfigError, Environment, StoreConfig};
use runtime::credentials::{KeySource, ProviderCredentials};
use runtime::deadline::Deadline;
use runtime::metrics::Metrics;
use runtime::outbound::alibaba::Alibaba;
use runtime::store::Store;
use runtime::store::lease::Lease;
use shared::model::Instant;

use crate::asking::{Run, RunError, millis};
use crate::config::FetchConfig;
use crate::summary::Summary;
use crate::{FUNCTION, due, reconcile, settle};

/// How long before the deadline nothing more is asked, so that the last answers are stored.
const RESERVE: Duration = Duration::from_secs(10);

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct Conversations {
    config: FetchConfig,
    store: Store,
    account: Account,
    metrics: Metrics,
}

impl Conversations {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        Ok(Self {
            config: FetchConfig::read(environment)?,
            store: Store::new(stores, account.clone(), Patience::Nobody),
            metrics: Metrics::read(environment)?,
            account,
        })
    }

    /// Reads the keys to the providers' APIs. Where the secret that holds them can't be read there are none, which is logged and
    /// counted.
    ///
    /// # Errors
    /// [`ConfigError`], where half of a pair is set.
    pub async fn credentials(
        &self,
        environment: &Environment<'_>,
    ) -> Result<ProviderCredentials, ConfigError> {
        let keys = KeySource::read(environment, &self.account)?.keys().await;
        keys.report(FUNCTION, &self.metrics, clock::now());
        Ok(keys.credentials)
    }
}

/// Settles the calls that were waited for long enough at `now`, with keys or without. Then asks for every call that is due, and reads the
/// platform's lists for calls of which no push came: without keys it does not, and says so; neither does it while another run is
/// under way.
///
/// # Errors
/// [`RunError`]. A platform that fails, or refuses the keys, is no error: it is counted.
pub async fn handle(
    conversations: &Conversations,
    credentials: &ProviderCredentials,
    deadline: Deadline,
    now: Instant,
) -> Result<Summary, RunError> {
    let settled = settle::settle(&conversations.store, now, deadline.less(RESERVE)).await?;
    let Some(key) = credentials.alibaba.clone() else {
        tracing::info!(function = FUNCTION, "no keys to Alibaba's API are set: nothing is asked for");
        let summary = Summary { settled, time_left_ms: millis(deadline.left()), ..Summary::default() };
        summary.log();
        return Ok(summary);
    };
    let table = conversations.store.table();
    let Some(lease) = Lease::take(table, FUNCTION, now, deadline.left()).await? else {
        tracing::info!(function = FUNCTION, "another run is under way: nothing is asked for");
        return Ok(Summary {
            settled,
            overlapped: 1,
            time_left_ms: millis(deadline.left()),
            ..Summary::default()
        });
    };
    let run = Run {
        store: &conversations.store,
        config: &conversations.config,
        alibaba: Alibaba::new(conversations.config.alibaba.clone(), key),
        now,
        deadline: deadline.less(RESERVE),
        tally: Mutex::default(),
    };
    let ended = async {
        let tasks = due::ask_for_due_calls(&run).await?;
        reconcile::reconcile(&run, &tasks).await
    };
    let ended = ended.await;
    if let Err(error) = lease.give_back(now).await {
        tracing::warn!(function = FUNCTION, error = %error, "the lease is left to lapse");
    }
    let summary = Summary { settled, ..run.into_summary(deadline) };
    summary.log();
    conversations.metrics.conversation_run(now, &summary.counts());
    ended.map(|()| summary)
}
