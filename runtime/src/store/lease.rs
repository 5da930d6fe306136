//! Leases: one run of a function at a time, where runs that overlap would do harm.
//!
//! A lease is an item of the table. It is taken on condition that nobody holds it, given back in the end, and lapses by itself: once the
//! run that holds it must be over, or, where the run renews it ([`Lease::hold`]), soon after the run died.

use std::time::Duration;

use serde_json::Value;
use tokio::time;

use super::table::{Table, TableError};
use crate::random;
use shared::model::Instant;
use shared::record::item::{Item, NewItem};
use shared::record::keys;

/// The lease's sort key.
const LEASE: &str = "lease";
const OWNER: &str = "lease_owner";
const UNTIL: &str = "lease_until";
/// For how long the lease outlasts the time that it was taken for, in seconds: clocks differ.
const SPARE_S: i64 = 10;
/// How many times a renewal that fails is tried in the time after which one is due.
const TRIES: u32 = 6;

/// The lease on a function's runs, held.
#[derive(Debug)]
pub struct Lease<'a> {
    table: &'a Table,
    pk: String,
    owner: String,
    /// For how long it is taken, and renewed.
    time: Duration,
    /// When it was asked for: it holds for its time from then on.
    asked_at: time::Instant,
}

impl<'a> Lease<'a> {
    /// Takes the lease for a run of a `function` that began at `now`, for so much time; `None` where another run holds it. Others find it held
    /// for ten seconds more.
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
        let (asked_at, until) = (time::Instant::now(), until(now, time));
        let take = |stored: Option<Item>| {
            // A request that was answered too late, and so repeated, finds its own lease.
            let ours = stored.as_ref().is_some_and(|stored| is_owner(stored, &owner));
            let free = stored.as_ref().is_none_or(|stored| !is_live(stored, now));
            Ok(((free && !ours).then(|| lease(&pk, &owner, until)), ours || free))
        };
        let is_held = table.update(&pk, LEASE, take).await?;
        Ok(is_held.then_some(Self { table, pk, owner, time, asked_at }))
    }

    /// Renews the lease at `now`, for as much time as it was taken for. Whether it is still held: it is not once another run took it.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn renew(&self, now: Instant) -> Result<bool, TableError> {
        let renew = |stored: Option<Item>| {
            let ours = stored.as_ref().is_some_and(|stored| is_owner(stored, &self.owner));
            Ok((ours.then(|| lease(&self.pk, &self.owner, until(now, self.time))), ours))
        };
        self.table.update(&self.pk, LEASE, renew).await
    }

    /// Does work that must not go on once another run may hold the lease: it is renewed `every` so often meanwhile, by the time that `clock`
    /// tells. `None` where it was lost, or could not be renewed in time: the work is then given up where it stands.
    pub async fn hold<T>(
        &self,
        every: Duration,
        clock: impl Fn() -> Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let lost = keep(self.time, self.asked_at, every, || self.renew(clock()));
        tokio::select! {
            // A process that stood still for too long learns of it before it goes on with its work.
            biased;
            () = lost => None,
            done = work => Some(done),
        }
    }

    /// Gives the lease back, for runs from `now` on.
    ///
    /// # Errors
    /// [`TableError`], when the table fails. The lease lapses by itself then.
    pub async fn give_back(self, now: Instant) -> Result<(), TableError> {
        let Self { table, pk, owner, .. } = self;
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

/// Until when others find a lease held that is taken at `now` for so much time.
fn until(now: Instant, time: Duration) -> Instant {
    now.plus_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_add(SPARE_S))
}

/// Renews a lease `every` so often, and ends once it is lost: where somebody else has it (`renew` tells `false`), or its `time` has passed since
/// a renewal was asked for that succeeded, or since it was taken, at `asked_at`.
async fn keep<Renewal>(
    time: Duration,
    asked_at: time::Instant,
    every: Duration,
    mut renew: impl FnMut() -> Renewal,
) where
    Renewal: Future<Output = Result<bool, TableError>>,
{
    let (mut end, mut due) = (asked_at + time, asked_at + every);
    loop {
        time::sleep_until(due.min(end)).await;
        let asked_at = time::Instant::now();
        if asked_at >= end {
            return;
        }
        match time::timeout_at(end, renew()).await {
            Ok(Ok(true)) => (end, due) = (asked_at + time, asked_at + every),
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "lease_not_renewed");
                due = asked_at + every / TRIES;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(60);

    fn failing() -> Result<bool, TableError> {
        Err(TableError::Unprocessed(1))
    }

    #[tokio::test]
    async fn a_lease_is_renewed_until_somebody_else_has_it() {
        let mut renewals = 0;
        let renew = || {
            renewals += 1;
            let answer = match renewals {
                // A failure alone loses nothing: it is tried again.
                2 => failing(),
                later => Ok(later < 5),
            };
            async { answer }
        };
        keep(LONG, time::Instant::now(), SHORT, renew).await;
        assert_eq!(renewals, 5);
    }

    #[tokio::test]
    async fn a_lease_that_cannot_be_renewed_is_lost_in_the_end() {
        let mut tries = 0;
        keep(SHORT, time::Instant::now(), SHORT / 4, || {
            tries += 1;
            async { failing() }
        })
        .await;
        assert!(tries > 0);
        // Nobody answers.
        keep(SHORT, time::Instant::now(), SHORT / 4, std::future::pending).await;
        // The process stood still: it does not ask any more.
        let mut asked = false;
        keep(Duration::ZERO, time::Instant::now(), SHORT, || {
            asked = true;
            async { Ok(true) }
        })
        .await;
        assert!(!asked);
    }
}
