//! Leases: one run of a function at a time, where runs that overlap would do harm.
//!
//! A lease is an item of the table. It is taken on condition that nobody holds it, given back in the end, and lapses once the
//! run that holds it must be over.

use std::time::Duration;

use serde_json::Value;

use super::table::{Table, TableError};
use crate::random;
use shared::model::Instant;
use shared::record::item::{Item, NewItem};
use shared::record::keys;

/// The lease's sort key.
const LEASE: &str = "lease";
const OWNER: &str = "lease_owner";
const UNTIL: &str = "lease_until";
/// For how long the lease outlasts the run's own time, in seconds: clocks differ.
const SPARE_S: i64 = 10;

/// The lease on a function's runs, held.
#[derive(Debug)]
pub struct Lease<'a> {
    table: &'a Table,
    pk: String,
    owner: String,
}

impl<'a> Lease<'a> {
    /// Takes the lease for a run of a `function` that began at `now` and may take so much time; `None` where another run holds it.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn take(
        table: &'a Table,
        function: &str,
        now: Instant,
        time: Duration,
    ) -> Result<Option<Self>, TableError> {
        let (pk, owner) = (format!("run#{function}"), random::name());
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_add(SPARE_S);
        let until = now.plus_seconds(seconds);
        let take = |stored: Option<Item>| {
            // A request that was answered too late, and so repeated, finds its own lease.
            let ours = stored.as_ref().is_some_and(|stored| is_owner(stored, &owner));
            let free = stored.as_ref().is_none_or(|stored| !is_live(stored, now));
            Ok(((free && !ours).then(|| lease(&pk, &owner, until)), ours || free))
        };
        let is_held = table.upsert(&pk, LEASE, None, take).await?;
        Ok(is_held.then_some(Self { table, pk, owner }))
    }

    /// Gives the lease back, for runs from `now` on.
    ///
    /// # Errors
    /// [`TableError`], when the table fails. The lease lapses by itself then.
    pub async fn give_back(self, now: Instant) -> Result<(), TableError> {
        let Self { table, pk, owner } = self;
        let give_back = |stored: Option<Item>| {
            let ours = stored.as_ref().is_some_and(|stored| is_owner(stored, &owner) && is_live(stored, now));
            Ok((ours.then(|| lease(&pk, &owner, now)), ()))
        };
        table.update(&pk, LEASE, give_back).await
    }
}

impl Table {
    /// Until when the last run of each of these functions held its lease, as far as it is known: a run that is over gave it back at its end.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn last_leases(&self, functions: &[&str]) -> Result<Vec<(String, Instant)>, TableError> {
        let keys: Vec<_> =
            functions.iter().map(|function| (format!("run#{function}"), LEASE.to_owned())).collect();
        let items = self.get_all(&keys).await?;
        let runs = items.iter().filter_map(|item| {
            let text = |name: &str| item.get(name).and_then(Value::as_str);
            Some((text(keys::PK)?.strip_prefix("run#")?.to_owned(), text(UNTIL)?.parse().ok()?))
        });
        let mut runs: Vec<_> = runs.collect();
        runs.sort();
        Ok(runs)
    }
}

fn is_owner(stored: &Item, owner: &str) -> bool {
    stored.get(OWNER).and_then(Value::as_str) == Some(owner)
}

fn is_live(stored: &Item, now: Instant) -> bool {
    let until = stored.get(UNTIL).and_then(Value::as_str).and_then(|until| until.parse::<Instant>().ok());
    until.is_some_and(|until| until > now)
}

fn lease(pk: &str, owner: &str, until: Instant) -> NewItem {
    let mut lease = NewItem::new();
    lease.push(keys::PK, pk);
    lease.push(keys::SK, LEASE);
    lease.push(OWNER, owner);
    lease.push(UNTIL, until.to_text());
    lease
}
