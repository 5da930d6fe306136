//! The shards that a run holds: taking its share of them, keeping them, letting others have theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use runtime::store::job::Job;
use runtime::store::shards::{InHand, ShardLease, ShardLeases};
use runtime::store::table::{Table, TableError};
use shared::model::Instant;
use shared::record::keys;
use tokio::time;

use crate::run::Clock;

/// How many recordings are written at once that a dead run had in hand.
const NOTED_AT_ONCE: usize = 16;

/// For so long nothing more of a shard is begun that another run is to have. What is in hand may take longer: then it stays.
const MAX_LEAVING: Duration = Duration::from_secs(30);

/// From so many bytes of keys on a lease names no more recordings. An item has 400 KB, and a batch may bring as much again.
const MAX_NAMED_BYTES: usize = 128 * 1024;

/// The shards that a run holds.
pub(crate) struct Holding {
    table: Table,
    leases: ShardLeases,
    lease: Duration,
    workers: usize,
    clock: Clock,
    held: Mutex<BTreeMap<u8, Held>>,
}

/// A shard that is held.
struct Held {
    /// When the lease was renewed last; it holds for the lease's time from then on.
    renewed_at: time::Instant,
    /// What the run has in hand of it.
    in_hand: Vec<InHand>,
    /// Since when nothing more of it is begun, since another run is to have it next.
    leaving: Option<time::Instant>,
    /// Until when it stays, since what is in hand of it takes too long for another run to wait.
    stays_until: Option<time::Instant>,
}

impl Held {
    fn stays(&self) -> bool {
        self.stays_until.is_some_and(|until| until > time::Instant::now())
    }
}

impl Holding {
    /// No shard yet. Leases hold for so many seconds, and so many runs begin together.
    pub(crate) fn new(table: &Table, lease_s: i64, workers: usize, clock: Clock) -> Self {
        Self {
            table: table.clone(),
            leases: ShardLeases::new(table.clone(), lease_s),
            lease: Duration::from_secs(lease_s.unsigned_abs()),
            workers,
            clock,
            held: Mutex::default(),
        }
    }

    /// How often to look at all leases: often enough to renew in time, and to be no burden.
    pub(crate) fn pause(&self) -> Duration {
        (self.lease / 12).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// How often to look while a shard changes hands: nobody works on it meanwhile.
    pub(crate) fn short_pause(&self) -> Duration {
        self.pause() / 5
    }

    /// Whether a shard is to be given back as soon as nothing of it is in hand.
    pub(crate) fn is_leaving(&self) -> bool {
        self.held().values().any(|held| held.leaving.is_some())
    }

    /// How long a run waits that has no shard: until the lease of one that died has lapsed.
    pub(crate) fn patience(&self) -> Duration {
        self.lease * 3 / 2
    }

    /// Whether recordings of a shard may be begun: it is held, and its lease has room to name them.
    pub(crate) fn may_begin(&self, shard: u8) -> bool {
        let held = self.held();
        let held = held.get(&shard).filter(|held| held.leaving.is_none() && self.is_valid(held));
        held.is_some_and(|held| held.in_hand.iter().map(key_bytes).sum::<usize>() <= MAX_NAMED_BYTES)
    }

    /// The shards that are held.
    pub(crate) fn shards(&self) -> Vec<u8> {
        self.held().keys().copied().collect()
    }

    /// Whether the run holds no shard.
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether the lease on a shard still holds.
    pub(crate) fn holds(&self, shard: u8) -> bool {
        self.held().get(&shard).is_some_and(|held| self.is_valid(held))
    }

    /// Whether the run has a recording in hand.
    pub(crate) fn has_in_hand(&self, pk: &str, sk: &str) -> bool {
        let held = self.held();
        let in_hand = held.get(&keys::shard_of(pk)).map(|held| held.in_hand.as_slice()).unwrap_or_default();
        in_hand.iter().any(|one| one.pk == pk && one.sk == sk)
    }

    /// The shards of which something is in hand.
    pub(crate) fn busy(&self) -> Vec<u8> {
        self.held().iter().filter(|(_, held)| !held.in_hand.is_empty()).map(|(shard, _)| *shard).collect()
    }

    /// The shards whose runs died. Somebody has to take them over, also where nothing of them is due: what such a run had in hand stays
    /// named until then.
    pub(crate) async fn of_dead_runs(&self) -> Result<Vec<u8>, TableError> {
        let now = self.clock.now();
        let leases = self.table.shard_leases().await?;
        Ok(leases.iter().filter(|lease| lease.is_of_a_dead_run(now)).map(|lease| lease.shard).collect())
    }

    /// Takes shards that nobody holds, of those that are wanted, as long as the run has less than its share.
    pub(crate) async fn take_share(&self, wanted: &[u8]) -> Result<(), TableError> {
        let mut wanted: Vec<_> = wanted.iter().copied().filter(|shard| !self.is_held(*shard)).collect();
        // Runs that begin together should not all try the same.
        fastrand::shuffle(&mut wanted);
        while !wanted.is_empty() {
            let leases = self.table.shard_leases().await?;
            let now = self.clock.now();
            if self.count() >= self.share(&leases, now) {
                break;
            }
            let Some(at) = first_free(&leases, &wanted, now) else { break };
            let shard = wanted.swap_remove(at);
            self.take(shard).await?;
        }
        Ok(())
    }

    /// Takes a shard, and notes the death of the run that held it before, if it died. Another run may be quicker.
    async fn take(&self, shard: u8) -> Result<(), TableError> {
        let renewed_at = time::Instant::now();
        let Some(left) = self.leases.take(shard, self.clock.now()).await? else { return Ok(()) };
        // They stay named until the lease names something else: a run that fails here leaves them to the next.
        for some in left.chunks(NOTED_AT_ONCE) {
            try_join_all(some.iter().map(|one| self.table.note_death(one))).await?;
        }
        if !left.is_empty() {
            tracing::warn!(shard, in_hand = left.len(), "a_run_died");
        }
        self.held().insert(shard, Held { renewed_at, in_hand: Vec::new(), leaving: None, stays_until: None });
        Ok(())
    }

    /// Names jobs of a shard as in hand. Where the shard is not held any more (`false`), none of them may be begun.
    pub(crate) async fn name(&self, shard: u8, jobs: &[InHand]) -> Result<bool, TableError> {
        let in_hand = {
            let mut held = self.held();
            let Some(held) = held.get_mut(&shard) else { return Ok(false) };
            held.in_hand.extend_from_slice(jobs);
            held.in_hand.clone()
        };
        let renewed_at = time::Instant::now();
        let named = self.leases.name(shard, &in_hand, self.clock.now()).await;
        match named {
            Ok(true) => self.renewed(shard, renewed_at),
            Ok(false) => drop(self.held().remove(&shard)),
            Err(_) => jobs.iter().for_each(|job| self.forget(shard, job)),
        }
        named
    }

    /// Notes that a job is not in hand any more.
    pub(crate) fn done(&self, job: &Job) {
        self.forget(job.shard(), &job.in_hand());
    }

    fn forget(&self, shard: u8, job: &InHand) {
        if let Some(held) = self.held().get_mut(&shard)
            && let Some(at) = held.in_hand.iter().position(|one| one.pk == job.pk && one.sk == job.sk)
        {
            held.in_hand.swap_remove(at);
        }
    }

    /// Looks at all leases: renews those of this run, gives back what it has nothing to do for, or has beyond its share, and takes of what is
    /// `wanted` what is free. A run that has none asks for one that
    /// another can spare: whether it is to wait for one.
    pub(crate) async fn beat(&self, wanted: &[u8]) -> Result<bool, TableError> {
        self.renew_all().await?;
        let leases = self.table.shard_leases().await?;
        self.leave_beyond_share(&leases, wanted);
        self.give_back_empty(wanted).await?;
        self.take_share(wanted).await?;
        Ok(self.is_empty() && self.ask(&leases, wanted).await?)
    }

    /// Gives everything back that is not in hand any more. What is left lapses.
    pub(crate) async fn give_back_all(&self) -> Result<(), TableError> {
        self.give_back_empty(&[]).await
    }

    /// Renews every lease that is old. Where one can't be, the others are renewed all the same, and the first failure is told.
    async fn renew_all(&self) -> Result<(), TableError> {
        let is_old = |held: &Held| held.renewed_at.elapsed() >= self.lease / 3;
        let old: Vec<_> =
            self.held().iter().filter(|(_, held)| is_old(held)).map(|(shard, _)| *shard).collect();
        let mut failed = None;
        for shard in old {
            let renewed_at = time::Instant::now();
            match self.leases.renew(shard, self.clock.now()).await {
                Ok(true) => self.renewed(shard, renewed_at),
                Ok(false) => {
                    tracing::warn!(shard, "lease_lapsed");
                    self.held().remove(&shard);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Begins nothing more of what is beyond this run's share: first what another run asks for, then what has least in hand.
    fn leave_beyond_share(&self, leases: &[ShardLease], wanted: &[u8]) {
        let now = self.clock.now();
        let share = self.share(leases, now);
        let asked = |shard: u8| leases.iter().any(|lease| lease.shard == shard && lease.asker(now).is_some());
        let now = time::Instant::now();
        let mut held = self.held();
        let beyond = held.len().saturating_sub(share);
        for held in held.values_mut() {
            if held.leaving.is_some_and(|since| since + MAX_LEAVING < now) {
                held.leaving = None;
                held.stays_until = Some(now + MAX_LEAVING * 4);
            }
        }
        let mut order: Vec<_> = held
            .iter()
            .filter(|(_, held)| !held.stays())
            .map(|(shard, held)| {
                (held.leaving.is_none(), !asked(*shard), held.in_hand.len(), wanted.contains(shard), *shard)
            })
            .collect();
        order.sort_unstable();
        for (at, (.., shard)) in order.into_iter().enumerate() {
            if let Some(held) = held.get_mut(&shard) {
                held.leaving = (at < beyond).then(|| held.leaving.unwrap_or(now));
            }
        }
    }

    /// Gives back the shards of which nothing is in hand, and nothing is to be begun.
    async fn give_back_empty(&self, wanted: &[u8]) -> Result<(), TableError> {
        let empty: Vec<_> = {
            let held = self.held();
            let is_empty = |(shard, held): &(&u8, &Held)| {
                held.in_hand.is_empty() && (held.leaving.is_some() || !wanted.contains(shard))
            };
            held.iter().filter(is_empty).map(|(shard, _)| *shard).collect()
        };
        for shard in empty {
            self.held().remove(&shard);
            self.leases.give_back(shard, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Asks for a wanted shard of the run that has most, if that is more than its share would be. Whether to wait for one.
    async fn ask(&self, leases: &[ShardLease], wanted: &[u8]) -> Result<bool, TableError> {
        let now = self.clock.now();
        let Some(shard) = self.spare(leases, wanted, now) else { return Ok(false) };
        let patience = i64::try_from(4 * self.pause().as_secs().max(1)).unwrap_or(i64::MAX);
        self.leases.ask(shard, now, now.plus_seconds(patience)).await?;
        Ok(true)
    }

    /// A wanted shard of the run that has most, if that is more than its share would be.
    fn spare(&self, leases: &[ShardLease], wanted: &[u8], now: Instant) -> Option<u8> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for holder in leases.iter().filter_map(|lease| lease.holder(now)) {
            *counts.entry(holder).or_default() += 1;
        }
        let share = self.share(leases, now);
        let of = |lease: &ShardLease| {
            lease.holder(now).and_then(|holder| counts.get(holder)).copied().unwrap_or(0)
        };
        let spare = leases.iter().filter(|lease| wanted.contains(&lease.shard) && of(lease) > share);
        spare.max_by_key(|lease| of(lease)).map(|lease| lease.shard)
    }

    /// How many shards each run may have, with this one and those that wait. At first also with those that should begin now: what is theirs
    /// would have to be given back at once. If they don't come, it is taken a little later.
    fn share(&self, leases: &[ShardLease], now: Instant) -> usize {
        let expected = if self.clock.passed() < self.pause() { self.workers } else { 1 };
        let holders = leases.iter().filter_map(|lease| lease.holder(now));
        let askers = leases.iter().filter_map(|lease| lease.asker(now));
        let mut runs: BTreeSet<_> = holders.chain(askers).collect();
        runs.insert(self.leases.owner());
        usize::from(keys::SHARDS).div_ceil(runs.len().max(expected))
    }

    fn count(&self) -> usize {
        self.held().len()
    }

    fn is_held(&self, shard: u8) -> bool {
        self.held().contains_key(&shard)
    }

    fn is_valid(&self, held: &Held) -> bool {
        held.renewed_at.elapsed() < self.lease
    }

    fn renewed(&self, shard: u8, at: time::Instant) {
        if let Some(held) = self.held().get_mut(&shard) {
            held.renewed_at = at;
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u8, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_bytes(one: &InHand) -> usize {
    one.pk.len() + one.sk.len()
}

/// Where the first wanted shard stands that no run holds.
fn first_free(leases: &[ShardLease], wanted: &[u8], now: Instant) -> Option<usize> {
    let is_held = |shard: u8| leases.iter().any(|lease| lease.shard == shard && lease.holder(now).is_some());
    wanted.iter().position(|shard| !is_held(*shard))
}
