//! Tells what changed: events on a bus of EventBridge's, and marks of the hours whose files for analytics are to be written anew.
//!
//! Lambda hands over the changes of the table's stream in batches, those of one call always in their order. What each is worth telling is
//! decided by `shared::events`, which is pure. An event that the bus does not take is put again; what it still has not taken then is
//! handed over again by Lambda, from the first such change on (`ReportBatchItemFailures`). A change that can't be understood is set
//! aside in the bucket, counted, and holds up no other.

mod aside;
mod batch;
mod bus;
mod config;
mod hours;
mod recent;
mod record;

use std::collections::BTreeMap;

use runtime::auth::callee_id::CalleeIdSource;
use runtime::aws::{Account, Patience};
use runtime::clock;
use runtime::config::{ConfigError, Environment, StoreConfig};
use runtime::deadline::Deadline;
use runtime::metrics::{Metrics, PublishCounts};
use runtime::store::Store;
use serde::Serialize;
use shared::view::Shown;

use batch::Work;
use hours::Marked;
use recent::Recent;

pub use bus::{Bus, Entry, Put};
pub use config::PublishConfig;
pub use record::{Batch, Record};

/// The function's name.
pub const FUNCTION: &str = "publish-changes";

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct Publisher {
    config: PublishConfig,
    store: Store,
    bus: Bus,
    callee_ids: CalleeIdSource,
    metrics: Metrics,
    /// What was published of late: a batch that is handed over again need not tell it twice.
    recent: Recent,
    marked: Marked,
}

impl Publisher {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        let config = PublishConfig::read(environment)?;
        Ok(Self {
            bus: Bus::new(&account, &config),
            config,
            callee_ids: CalleeIdSource::read(environment, &account)?,
            store: Store::new(stores, account, Patience::Nobody),
            metrics: Metrics::read(environment)?,
            recent: Recent::default(),
            marked: Marked::default(),
        })
    }
}

/// What Lambda is answered: from which record on it has to hand the batch over again.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// At most one: what comes after it is handed over again in any case.
    #[serde(rename = "batchItemFailures")]
    pub batch_item_failures: Vec<ItemFailure>,
}

/// A record that is to be handed over again, and all after it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// Its number in its shard; empty for the whole batch.
    #[serde(rename = "itemIdentifier")]
    pub item_identifier: String,
}

/// Publishes what a batch of changes tells. It does not fail: what could not be done is in the answer.
pub async fn handle(publisher: &Publisher, batch: Batch, deadline: Deadline) -> Answer {
    let now = clock::now();
    let mut work = Work::of(&batch, &publisher.config.events, now);
    let mut counts = PublishCounts { changes: count(batch.records.len()), ..PublishCounts::default() };
    let ids = match publisher.callee_ids.ids().await {
        Ok(ids) => ids,
        Err(error) => {
            tracing::error!(function = FUNCTION, error = %error, "the key of callees' ids can't be read");
            counts.failed = counts.changes;
            publisher.metrics.changes_published(now, &counts);
            return work.answer(Some(0));
        }
    };
    let callee_id = |number: &str| ids.id_of(number);
    let shown = Shown { numbers: publisher.config.events.numbers, callee_id: &callee_id };

    let mut first_failure: Option<usize> = None;
    let mut fail = |position: usize| {
        first_failure = Some(first_failure.map_or(position, |first| first.min(position)));
    };
    match work.read_calls(&publisher.store).await {
        Ok(()) => {}
        Err((position, error)) => {
            tracing::warn!(function = FUNCTION, error = %error, "calls could not be read");
            fail(position);
            work.end_at(position);
        }
    }
    // At once, whatever becomes of the events: a batch that is handed over again marks them again.
    if let Err(error) = publisher.marked.mark(&publisher.store, work.hours(), now).await {
        tracing::warn!(function = FUNCTION, error = %error, "hours could not be marked");
        fail(0);
    }
    let events = work.events(&publisher.config.events, &shown);
    let events: Vec<_> = events.into_iter().filter(|entry| !publisher.recent.has(&entry.event)).collect();
    let put = publisher.bus.put(events, deadline).await;
    for entry in &put.taken {
        publisher.recent.note(&entry.event);
    }
    if let Some(first) = put.left.iter().map(|entry| entry.position).min() {
        let cause = put.cause.as_deref().unwrap_or("no time");
        tracing::warn!(function = FUNCTION, left = put.left.len(), cause, "the bus did not take all events");
        fail(first);
    }
    counts.published = count(put.taken.len());

    let mut reasons = BTreeMap::<&'static str, u64>::new();
    for (position, reason) in work.unreadable() {
        match aside::set_aside(&publisher.store, &batch, position, reason, now).await {
            Ok(()) => *reasons.entry(reason).or_default() += 1,
            Err(error) => {
                tracing::error!(function = FUNCTION, error = %error, "a change could not be set aside");
                fail(position);
            }
        }
    }
    for (reason, times) in reasons {
        tracing::error!(
            function = FUNCTION,
            reason,
            times,
            "changes that can't be understood were set aside"
        );
        counts.set_aside += times;
    }

    let answer = work.answer(first_failure);
    counts.failed = first_failure.map_or(0, |first| count(batch.records.len() - first));
    counts.delay_ms = work.oldest().map(|oldest| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since a change are few")]
        let delay_ms = (clock::now().epoch_millis() - oldest.epoch_millis()).max(0) as f64;
        delay_ms
    });
    publisher.metrics.changes_published(now, &counts);
    answer
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
