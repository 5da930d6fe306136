//! One run: its time, its places for copies, and the way of each entry through it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use runtime::deadline::Deadline;
use runtime::store::claim::{Claim, ClaimError, Claims, Settled, Worked};
use runtime::store::due::DueRecording;
use shared::model::{Instant, Recording, RecordingState};
use shared::normalize::recording_url::clean_url;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, timeout_at};

use crate::Archiver;
use crate::attempt::{Failed, Mishap};
use crate::renew::{FreshUrl, Renewals};
use crate::report::{Ledger, Outcome};
use crate::retry::Verdict;

/// So long before the deadline no copy is begun any more; less where the function has little time at all.
const START_RESERVE: Duration = Duration::from_secs(60);
/// So long before the deadline what is still under way is cut off.
const CUT_RESERVE: Duration = Duration::from_secs(15);

/// How many recordings are claimed for each that can be copied at once: those of a busy host wait, others go on.
const CLAIMED_PER_COPY: usize = 4;

/// One run of the archiver.
pub(crate) struct Run<'a> {
    archiver: &'a Archiver,
    claims: Claims<'a>,
    renewals: Renewals,
    clock: Clock,
    start_until: time::Instant,
    cut_at: time::Instant,
    places: Places,
}

impl<'a> Run<'a> {
    /// A run that begins now and ends in time.
    pub(crate) fn new(archiver: &'a Archiver, renewals: Renewals, now: Instant, deadline: &Deadline) -> Self {
        let time_left = deadline.left();
        Self {
            archiver,
            claims: Claims::new(&archiver.table, archiver.config.lease_s),
            renewals,
            clock: Clock { now, at: time::Instant::now() },
            start_until: deadline.less(START_RESERVE.min(time_left / 5)),
            cut_at: deadline.less(CUT_RESERVE.min(time_left / 20)),
            places: Places::new(archiver.config.concurrency, archiver.config.concurrency_per_host),
        }
    }

    /// Removes what dead runs left in the bucket. A run that lives has its uploads from after its claims.
    pub(crate) async fn sweep(&self) {
        self.archiver.copier.sweep(self.clock.now.plus_seconds(-self.archiver.config.lease_s)).await;
    }

    /// Works on every entry that is due, in their order, and tells what came of them.
    pub(crate) async fn work_through(&self, entries: Vec<DueRecording>) -> Ledger {
        let now = self.clock.now;
        let (due, waiting): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.due_at <= now);
        let mut ledger = Ledger::new(now, &due, &waiting);
        let mut worked_on = stream::iter(due)
            .map(|entry| self.work_on(entry))
            .buffer_unordered(self.archiver.config.concurrency * CLAIMED_PER_COPY);
        while let Some((entry, result)) = worked_on.next().await {
            ledger.enter(&entry, result);
        }
        ledger
    }

    /// Works on one entry of the index, and gives it back with what came of it. What goes wrong with the recording is noted there;
    /// an error is the table's, and the claim then lapses by itself.
    async fn work_on(&self, entry: DueRecording) -> (DueRecording, Result<Outcome, ClaimError>) {
        let result = self.try_to_work_on(&entry).await;
        (entry, result)
    }

    async fn try_to_work_on(&self, entry: &DueRecording) -> Result<Outcome, ClaimError> {
        if time::Instant::now() >= self.start_until {
            return Ok(Outcome::Left);
        }
        let Some(claim) = self.claims.take(entry, self.clock.now()).await? else {
            return Ok(Outcome::Elsewhere);
        };
        let host = host_of(&claim.recording);
        let Ok(_place) = timeout_at(self.start_until, self.places.take(&host)).await else {
            return self.let_go(&claim, Worked::No).await;
        };
        match self.archiver.attempt(&claim, &self.renewals, self.clock.now(), self.cut_at).await {
            Ok(copied) => {
                let settled = self.claims.complete(&claim, &copied, self.clock.now()).await?;
                // Whoever holds the item now, or has erased it, does not know of the object.
                if settled == Settled::Lost {
                    self.archiver.table.rearm_tombstone(&claim.call, self.clock.now()).await?;
                }
                self.outcome(&claim, settled, Outcome::Archived(copied.bytes)).await
            }
            Err(Mishap::OutOfTime) => self.let_go(&claim, Worked::CutOff).await,
            Err(Mishap::Failed(failed)) => self.note(&claim, failed).await,
        }
    }

    async fn let_go(&self, claim: &Claim, worked: Worked) -> Result<Outcome, ClaimError> {
        let settled = self.claims.release(claim, worked).await?;
        self.outcome(claim, settled, Outcome::Left).await
    }

    async fn note(&self, claim: &Claim, failed: Failed) -> Result<Outcome, ClaimError> {
        let Failed { verdict, reason, refused_host, fresh } = failed;
        let (settled, noted) = match verdict {
            Verdict::Retry { at } => {
                let renewed = fresh.map(|FreshUrl { url, expires_at }| {
                    claim.recording.renewed(&url, expires_at, self.clock.now())
                });
                let settled = self.claims.postpone(claim, at, &reason, renewed.as_ref()).await?;
                (settled, Outcome::Retried { refused_host })
            }
            Verdict::Expired => {
                let end = RecordingState::Expired;
                (self.claims.give_up(claim, end, &reason, self.clock.now()).await?, Outcome::Expired)
            }
            Verdict::Failed => {
                let end = RecordingState::Failed;
                (self.claims.give_up(claim, end, &reason, self.clock.now()).await?, Outcome::Failed)
            }
        };
        self.outcome(claim, settled, noted).await
    }

    /// What to enter, by how the claim was settled: `written` if it was.
    async fn outcome(
        &self,
        claim: &Claim,
        settled: Settled,
        written: Outcome,
    ) -> Result<Outcome, ClaimError> {
        match settled {
            Settled::Written => Ok(written),
            Settled::Superseded => Ok(Outcome::Left),
            Settled::Lost => Ok(Outcome::Elsewhere),
            Settled::Erased => {
                // What was copied, or was cut off just before it was there, must not outlast the call.
                self.archiver.table.rearm_tombstone(&claim.call, self.clock.now()).await?;
                Ok(Outcome::Elsewhere)
            }
        }
    }
}

/// The time of the run: what it was told it is, and what has passed since.
struct Clock {
    now: Instant,
    at: time::Instant,
}

impl Clock {
    fn now(&self) -> Instant {
        self.now.plus_seconds(i64::try_from(self.at.elapsed().as_secs()).unwrap_or(i64::MAX))
    }
}

/// The host that a recording is fetched from; empty where its URL names none, or there is no URL yet.
fn host_of(recording: &Recording) -> String {
    let url = recording.source_url.as_deref().and_then(|url| url::Url::parse(&clean_url(url)).ok());
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// Places for copies: so many in all, and so many for each host.
struct Places {
    all: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Places {
    fn new(all: usize, per_host: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_host, hosts: Mutex::default() }
    }

    /// Waits for a place, the host's first: who waits for a busy host keeps nobody else from copying.
    async fn take(&self, host: &str) -> [Option<OwnedSemaphorePermit>; 2] {
        let of_host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let places = hosts.entry(host.to_owned());
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(self.per_host))))
        };
        // They are never closed, so there is always a permit.
        let of_host = of_host.acquire_owned().await.ok();
        [of_host, Arc::clone(&self.all).acquire_owned().await.ok()]
    }
}
