//! One run: its time, its places for copies, and the way of each entry through it.
//!
//! The run takes its share of the shards that have something due (`holding`), and works on what is due there, the most urgent first (`queue`). It
//! reads some recordings at once, names them in the leases as in hand, and only then begins with them. A loop over what happens does all
//! that: a batch was read and named, a recording is settled, it is time to look at the leases.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::RandomState;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FusedFuture, FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use runtime::deadline::Deadline;
use runtime::store::due::DueRecording;
use runtime::store::job::{Job, Settled};
use runtime::store::table::TableError;
use shared::masking::Hidden;
use shared::model::{Instant, Recording, RecordingState};
use shared::normalize::recording_url::clean_url;
use shared::record::keys;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, timeout_at};

use crate::attempt::{Failed, Mishap};
use crate::due::{self, Entries};
use crate::holding::Holding;
use crate::queue::{self, Level, Queue};
use crate::renew::{FreshUrl, Renewals};
use crate::report::{Ledger, Outcome};
use crate::retry::Verdict;
use crate::{Archiver, FUNCTION};

/// So long before the deadline no copy is begun any more; less where the function has little time at all.
const START_RESERVE: Duration = Duration::from_secs(60);
/// So long before the deadline what is still under way is cut off.
const CUT_RESERVE: Duration = Duration::from_secs(15);

/// How many recordings are in hand for each that can be copied at once: those of a busy host wait, others go on.
const IN_HAND_PER_COPY: usize = 4;
/// The most that are read and named at once, as many as one request reads.
const MAX_BATCH: usize = 100;
/// The most that are in hand: all of them may be those that a dead run leaves.
const MAX_IN_HAND: usize = 512;
/// A recording over which so many runs died is given up.
const MAX_DEATHS: u64 = 6;
/// No shard is read anew sooner than that.
const READ_AGAIN: Duration = Duration::from_secs(15);

/// One run of the archiver.
pub(crate) struct Run<'a> {
    archiver: &'a Archiver,
    holding: Holding,
    renewals: Renewals,
    clock: Clock,
    begun: time::Instant,
    start_until: time::Instant,
    cut_at: time::Instant,
    places: Places,
    /// By what is ordered that is equally urgent.
    ties: RandomState,
    /// What can't be read: the keys of the items.
    set_aside: Mutex<HashSet<[String; 2]>>,
}

/// What came of one entry.
type Ended = (DueRecording, Result<Outcome, TableError>);

/// What came of reading and naming a batch.
#[derive(Default)]
struct Batch {
    /// What is named in the leases, and can be begun.
    jobs: Vec<(DueRecording, Job)>,
    /// What is more suspect than the others: it has to wait.
    suspects: Vec<(Level, DueRecording)>,
    /// What has ended already.
    ended: Vec<Ended>,
}

/// What a look at the leases and the index came to.
struct Looked {
    /// Whether the run has no shard, and waits for one.
    waits: bool,
    /// What has become due since.
    due: Vec<DueRecording>,
}

impl<'a> Run<'a> {
    /// A run that begins now and ends in time.
    pub(crate) fn new(archiver: &'a Archiver, renewals: Renewals, now: Instant, deadline: &Deadline) -> Self {
        let time_left = deadline.left();
        let begun = time::Instant::now();
        let clock = Clock { now, at: begun };
        Self {
            archiver,
            holding: Holding::new(&archiver.table, archiver.config.lease_s, archiver.config.workers, clock),
            renewals,
            clock,
            begun,
            start_until: deadline.less(START_RESERVE.min(time_left / 5)),
            cut_at: deadline.less(CUT_RESERVE.min(time_left / 20)),
            places: Places::new(archiver.config.concurrency, archiver.config.concurrency_per_host),
            ties: RandomState::new(),
            set_aside: Mutex::default(),
        }
    }

    /// Removes what dead runs left in the bucket. An upload of a run that lives is younger than a recording may take.
    pub(crate) async fn sweep(&self) {
        let config = &self.archiver.config;
        let longest_s =
            i64::try_from(config.fetch.total_timeout.as_secs()).unwrap_or(i64::MAX) + config.lease_s;
        let died_before = self.clock.now.plus_seconds(-longest_s);
        self.archiver.copier.bucket.remove_uploads(&["recordings/"], died_before).await;
    }

    /// Works on what is due of the entries of all shards, as far as this run gets the shards, and tells what came of them.
    ///
    /// # Errors
    /// [`TableError`], when the leases can't be read or taken.
    pub(crate) async fn work_through(&self, entries: Entries) -> Result<Ledger, TableError> {
        let now = self.clock.now;
        let Entries { readable, unreadable } = entries;
        let (due, waiting): (Vec<_>, Vec<_>) = readable.into_iter().partition(|entry| entry.due_at <= now);
        let mut ledger = Ledger::new(now, &due, &waiting);
        ledger.enter_unreadable(unreadable);
        let mut queue = Queue::default();
        due.into_iter().for_each(|entry| queue.add(0, entry));
        let worked = match self.take_shards(&queue).await {
            Ok(()) => {
                self.work(&mut queue, &mut ledger).await;
                Ok(ledger)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = self.holding.give_back_all().await {
            tracing::warn!(error = %error, "leases_not_given_back");
        }
        worked
    }

    /// Takes this run's share of the shards that have something due, and, where there is room, those whose runs died: of these nothing need
    /// be due.
    async fn take_shards(&self, queue: &Queue) -> Result<(), TableError> {
        self.holding.take_share(&queue.shards()).await?;
        let dead = self.holding.of_dead_runs().await?;
        self.holding.take_share(&dead).await
    }

    async fn work(&self, queue: &mut Queue, ledger: &mut Ledger) {
        let mut working = FuturesUnordered::new();
        let mut beginning: Fuse<BoxFuture<'_, Batch>> = Fuse::terminated();
        let mut looking: Fuse<BoxFuture<'_, Result<Looked, TableError>>> = Fuse::terminated();
        // Who has no shard looks at once whether there is one to be had.
        let mut waits = !queue.shards().is_empty() && self.holding.is_empty();
        let first = if waits { Duration::ZERO } else { self.holding.pause() };
        let mut ticks = time::interval_at(time::Instant::now() + first, self.holding.pause());
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut level = 0;
        let mut read_at = HashMap::new();
        // The shards of what is being read, which stands neither in the queue nor in a lease.
        let mut reading = Vec::new();
        // What is left of these at the end is this run's to tell of.
        let mut ours = self.holding.shards();
        loop {
            let in_time = time::Instant::now() < self.start_until;
            if in_time && beginning.is_terminated() {
                let batch = self.next_batch(queue, &mut level, working.len());
                if !batch.is_empty() {
                    reading = batch.iter().map(|entry| keys::shard_of(&entry.pk)).collect();
                    beginning = self.begin(level, batch).boxed().fuse();
                }
            }
            let rests = working.is_empty() && beginning.is_terminated() && looking.is_terminated();
            let holds = queue.shards().into_iter().any(|shard| self.holding.holds(shard));
            let may_wait = waits && self.begun.elapsed() < self.holding.patience();
            if rests && (!in_time || !(holds || may_wait)) {
                break;
            }
            select! {
                Some((entry, result)) = working.next(), if !working.is_empty() => ledger.enter(&entry, result),
                batch = &mut beginning, if !beginning.is_terminated() => {
                    batch.ended.into_iter().for_each(|(entry, result)| ledger.enter(&entry, result));
                    batch.suspects.into_iter().for_each(|(level, entry)| queue.add(level, entry));
                    working.extend(batch.jobs.into_iter().map(|(entry, job)| self.work_on(entry, job)));
                    reading.clear();
                }
                looked = &mut looking, if !looking.is_terminated() => {
                    match looked {
                        Ok(Looked { waits: still, due }) => {
                            waits = still;
                            due.into_iter().for_each(|entry| queue.add(0, entry));
                        }
                        Err(error) => {
                            waits = false;
                            tracing::warn!(error = %error, "leases_not_renewed");
                        }
                    }
                    if waits || self.holding.is_leaving() {
                        ticks.reset_after(self.holding.short_pause());
                    }
                }
                _ = ticks.tick(), if looking.is_terminated() => {
                    let mut wanted = if in_time { queue.shards() } else { Vec::new() };
                    // What becomes due of a shard that is held is nobody else's to archive.
                    let mut to_read = self.holding.busy();
                    to_read.retain(|shard| in_time && !wanted.contains(shard));
                    to_read.retain(|shard| {
                        let is_over = |at: &time::Instant| at.elapsed() >= READ_AGAIN;
                        let is_old = read_at.get(shard).map_or_else(|| is_over(&self.begun), is_over);
                        if is_old {
                            read_at.insert(*shard, time::Instant::now());
                        }
                        is_old
                    });
                    wanted.extend(to_read.iter().chain(&reading));
                    if in_time {
                        ours = self.holding.shards();
                    }
                    looking = self.look(wanted, to_read).boxed().fuse();
                }
            }
        }
        for entry in queue.drain() {
            let is_ours = ours.contains(&keys::shard_of(&entry.pk));
            ledger.enter(&entry, Ok(if is_ours { Outcome::Left } else { Outcome::OfAnotherRun }));
        }
    }

    /// What to begin with next, while so many are in hand; the level that is worked on.
    fn next_batch(&self, queue: &mut Queue, level: &mut Level, in_hand: usize) -> Vec<DueRecording> {
        let may_begin = |shard| self.holding.may_begin(shard);
        // Suspects have the last quarter of the time, however much else there is.
        let suspects_first = self.begun.elapsed() * 4 > (self.start_until - self.begun) * 3;
        let Some(next) = queue.next_level(suspects_first, may_begin) else { return Vec::new() };
        if next != *level && in_hand > 0 {
            return Vec::new();
        }
        *level = next;
        let room =
            queue::at_once(next, (self.archiver.config.concurrency * IN_HAND_PER_COPY).min(MAX_IN_HAND));
        let free = room.saturating_sub(in_hand);
        // By the batch, unless there is little to do: each batch is a write of each lease.
        if free * 4 < room {
            return Vec::new();
        }
        queue.take(next, free.min(MAX_BATCH), may_begin)
    }

    /// Reads recordings, and names those that are to be worked on in the leases.
    async fn begin(&self, level: Level, mut entries: Vec<DueRecording>) -> Batch {
        let mut batch = Batch::default();
        // The index may list what is in hand already, and lists what was set aside.
        entries.retain(|entry| !self.holding.has_in_hand(&entry.pk, &entry.sk) && !self.is_set_aside(entry));
        let jobs = match self.archiver.table.jobs(entries.clone(), self.clock.now()).await {
            Ok(jobs) => jobs,
            Err(error) => {
                batch.ended = failed(entries, error);
                return batch;
            }
        };
        let mut by_shard = BTreeMap::<u8, Vec<(DueRecording, Job)>>::new();
        for (entry, job) in jobs {
            match job {
                Ok(Some(job)) if job.recording.deaths >= MAX_DEATHS => {
                    let ended = self.give_up_after_deaths(&job).await;
                    batch.ended.push((entry, ended));
                }
                Ok(Some(job)) if queue::level(job.recording.deaths) > level => {
                    batch.suspects.push((queue::level(job.recording.deaths), entry));
                }
                Ok(Some(job)) => by_shard.entry(job.shard()).or_default().push((entry, job)),
                Ok(None) => batch.ended.push((entry, Ok(Outcome::Elsewhere))),
                Err(error) => {
                    // All others are archived all the same, and so it is no failure of the run.
                    let call = keys::element_digest(&entry.pk);
                    tracing::error!(function = FUNCTION, call, why = error.why(), "unreadable_recording");
                    self.set_aside(&entry);
                    batch.ended.push((entry, Ok(Outcome::Unreadable)));
                }
            }
        }
        let named = by_shard.into_iter().map(async |(shard, jobs)| {
            let in_hand: Vec<_> = jobs.iter().map(|(_, job)| job.in_hand()).collect();
            (self.holding.name(shard, &in_hand).await, jobs)
        });
        for (named, jobs) in join_all(named).await {
            let entries = |jobs: Vec<(DueRecording, Job)>| jobs.into_iter().map(|(entry, _)| entry);
            match named {
                Ok(true) => batch.jobs.extend(jobs),
                Ok(false) => {
                    batch.ended.extend(entries(jobs).map(|entry| (entry, Ok(Outcome::OfAnotherRun))))
                }
                Err(error) => batch.ended.extend(failed(entries(jobs).collect(), error)),
            }
        }
        // Over all shards: who comes first gets the first place.
        batch.jobs.sort_by_cached_key(|(entry, _)| queue::urgency(&self.ties, entry));
        batch
    }

    fn set_aside(&self, entry: &DueRecording) {
        let mut aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        aside.insert([entry.pk.clone(), entry.sk.clone()]);
    }

    fn is_set_aside(&self, entry: &DueRecording) -> bool {
        let aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        !aside.is_empty() && aside.contains(&[entry.pk.clone(), entry.sk.clone()])
    }

    /// Looks at the leases, and reads what is due of shards that were read before.
    async fn look(&self, wanted: Vec<u8>, to_read: Vec<u8>) -> Result<Looked, TableError> {
        let waits = self.holding.beat(&wanted).await?;
        let mut due = Vec::new();
        for shard in to_read.into_iter().filter(|shard| self.holding.may_begin(*shard)) {
            due.extend(due::due_of_shard(&self.archiver.table, shard, self.clock.now()).await?);
        }
        Ok(Looked { waits, due })
    }

    /// Works on one recording, and gives its entry back with what came of it. What goes wrong with the recording is noted there; an error is
    /// the table's.
    async fn work_on(&self, entry: DueRecording, job: Job) -> Ended {
        let result = self.try_to_work_on(&job).await;
        self.holding.done(&job);
        (entry, result)
    }

    async fn try_to_work_on(&self, job: &Job) -> Result<Outcome, TableError> {
        let host = host_of(&job.recording);
        let Ok(_place) = timeout_at(self.start_until, self.places.take(&host)).await else {
            return Ok(Outcome::Left);
        };
        if time::Instant::now() >= self.start_until || !self.holding.holds(job.shard()) {
            return Ok(Outcome::Left);
        }
        match self.archiver.attempt(job, &self.renewals, self.clock.now(), self.cut_at).await {
            Ok(copied) => {
                let settled = self.archiver.table.complete(job, &copied, self.clock.now()).await?;
                // Whoever has settled it otherwise, or has erased it, does not know of the object.
                if settled == Settled::Lost {
                    self.archiver.table.rearm_tombstone(&job.call, self.clock.now()).await?;
                }
                self.outcome(job, settled, Outcome::Archived(copied.bytes)).await
            }
            Err(Mishap::OutOfTime) => {
                let settled = self.archiver.table.cut_off(job).await?;
                self.outcome(job, settled, Outcome::Left).await
            }
            Err(Mishap::Failed(failed)) => self.note(job, failed).await,
        }
    }

    async fn note(&self, job: &Job, failed: Failed) -> Result<Outcome, TableError> {
        let Failed { verdict, reason, refused_host, fresh } = failed;
        // By the hash of its call: whoever knows the call finds the line.
        let call = keys::element_digest(&keys::call_pk(&job.call));
        // A push may name any host.
        let host = host_of(&job.recording);
        let host = Hidden::default().in_id(&host);
        tracing::warn!(function = FUNCTION, call, %host, reason, "not_archived");
        let table = &self.archiver.table;
        let (settled, noted) = match verdict {
            Verdict::Retry { at } => {
                let renewed = fresh.map(|FreshUrl { url, expires_at }| {
                    job.recording.renewed(&url, expires_at, self.clock.now())
                });
                let settled = table.postpone(job, at, &reason, renewed.as_ref()).await?;
                (settled, Outcome::Retried { refused_host })
            }
            Verdict::Expired => {
                let settled = table.give_up(job, RecordingState::Expired, &reason, self.clock.now()).await?;
                (settled, Outcome::Expired)
            }
            Verdict::Failed => {
                let settled = table.give_up(job, RecordingState::Failed, &reason, self.clock.now()).await?;
                (settled, Outcome::Failed)
            }
        };
        self.outcome(job, settled, noted).await
    }

    async fn give_up_after_deaths(&self, job: &Job) -> Result<Outcome, TableError> {
        let reason = format!("{} runs of the archiver died while they had it in hand", job.recording.deaths);
        let now = self.clock.now();
        let settled = self.archiver.table.give_up(job, RecordingState::Failed, &reason, now).await?;
        self.outcome(job, settled, Outcome::Failed).await
    }

    /// What to enter, by how the job was settled: `written` if it was.
    async fn outcome(&self, job: &Job, settled: Settled, written: Outcome) -> Result<Outcome, TableError> {
        match settled {
            Settled::Written => Ok(written),
            Settled::Superseded => Ok(Outcome::Left),
            Settled::Lost => Ok(Outcome::Elsewhere),
            Settled::Erased => {
                // What was copied, or was cut off just before it was there, must not outlast the call.
                self.archiver.table.rearm_tombstone(&job.call, self.clock.now()).await?;
                Ok(Outcome::Elsewhere)
            }
        }
    }
}

/// What a batch comes to that the table failed: the error is told once.
fn failed(entries: Vec<DueRecording>, error: TableError) -> Vec<Ended> {
    let mut error = Some(error);
    entries.into_iter().map(|entry| (entry, error.take().map_or(Ok(Outcome::Left), Err))).collect()
}

/// The time of the run: what it was told it is, and what has passed since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: Instant,
    at: time::Instant,
}

impl Clock {
    /// How much time has passed since the run began.
    pub(crate) fn passed(&self) -> Duration {
        self.at.elapsed()
    }

    pub(crate) fn now(&self) -> Instant {
        let passed = i64::try_from(self.passed().as_millis()).unwrap_or(i64::MAX);
        Instant::from_epoch_millis(self.now.epoch_millis().saturating_add(passed)).unwrap_or(self.now)
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
