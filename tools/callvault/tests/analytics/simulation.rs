//! Analytics' files against the simulator's truth, written while the platforms push, people are erased, calls are replayed, the indexes are
//! behind, and runs of the exporter die.
//!
//! Of few calls, the exporter's clock is ahead, so that nothing has to be waited for, and hours are marked by the test. From [`LARGE`] calls on
//! everything goes by the real clock: marks are those that the stack's publisher sets, and the indexes, and replicas, are behind by as much
//! as half a minute and more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use load::{Options, Simulation};
use runtime::clock;
use runtime::deadline::Deadline;
use serde_json::{Value, json};
use shared::model::{Hour, Instant};
use shared::record::item::is_tombstone;
use shared::record::keys::{CALL, CALL_AT, EXPORT_RUNS};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::index::{Behind, Lagging};
use crate::rig::{Rig, exporter};
use crate::week::hour_of;

/// The day of the calls.
const DAY: &str = "2025-06-02";
/// How many runs of the exporter die.
const DEATHS: u64 = 20;
/// From so many calls on, everything goes by the real clock.
const LARGE: u32 = 2_000;
/// So many calls are then made a second.
const RATE: usize = 15;
/// By how much the exporter's clock is ahead otherwise, in seconds: what is marked is ready at once.
const AHEAD_S: i64 = 400;
/// How many calls the indexes, or a replica, are behind with at once, and for how long at most.
const BEHIND: usize = 60;
const BEHIND_FOR: Duration = Duration::from_secs(40);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// A simulation of so many calls, so many of them a second.
fn simulation(rig: &Rig, calls: u32, rate: usize) -> Simulation {
    let (url, calls, rate) = (rig.stack.url(), calls.to_string(), rate.to_string());
    let arguments = [
        "simulate",
        "--to",
        &url,
        "--recording-base",
        rig.stack.provider().base_url(),
        "--calls",
        &calls,
        "--rate",
        &rate,
        "--patience",
        "20",
        "--time-scale",
        "0.01",
        "--day",
        DAY,
        "--verify",
        "--erase",
        "3",
    ];
    Simulation::new(&Cli::parse_from(arguments).options).unwrap()
}

/// What is done to the files while they are written.
struct Trouble<'a> {
    rig: &'a Rig,
    is_large: bool,
    /// In which hours a call is, or was, as far as it was seen.
    seen: Mutex<BTreeSet<Hour>>,
    /// Whether all is sent.
    over: AtomicBool,
    deaths: AtomicU64,
}

impl Trouble<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The exporter's time.
    fn now(&self) -> Instant {
        clock::now().plus_seconds(if self.is_large { 0 } else { AHEAD_S })
    }

    /// Marks every hour in which a call is, or was, as whoever publishes changes would.
    async fn mark(&self) {
        let listed = self.rig.store().table().calls_of_all_days().await.unwrap();
        let written = self.rig.bucket().keys_in("summaries/").await.unwrap();
        let mut seen = self.seen.lock().await;
        seen.extend(listed.iter().map(|call| Hour::of(call.call_at.parse().unwrap())));
        seen.extend(written.iter().filter_map(|key| hour_of(key)));
        for hour in seen.iter() {
            self.rig.store().mark_hour(*hour, clock::now()).await.unwrap();
        }
    }

    /// Has the exporter run, and die at some moment, until all is sent and enough have died.
    async fn kill(&self) {
        while self.deaths.load(Ordering::Relaxed) < DEATHS || !self.is_over() {
            let longest_ms = match self.is_large && !self.is_over() {
                true => {
                    sleep(Duration::from_millis(fastrand::u64(..20_000))).await;
                    20_000
                }
                false => 900,
            };
            if !self.is_large {
                self.mark().await;
            }
            let run = export_calls::handle(
                &self.rig.exporter,
                self.now(),
                Deadline::after(Duration::from_secs(600)),
            );
            if timeout(Duration::from_millis(fastrand::u64(1..longest_ms)), run).await.is_err() {
                self.deaths.fetch_add(1, Ordering::Relaxed);
                // Its lease has lapsed.
                self.rig.store().table().delete(EXPORT_RUNS, "lease").await.unwrap();
            }
        }
    }

    /// Has the indexes, or a replica, tell some calls as they were, each for a while: mostly of those that are being made.
    async fn lag(&self, lagging: &Lagging, calls: &[String]) {
        let (mut behind, began) = (VecDeque::new(), std::time::Instant::now());
        while !self.is_over() {
            sleep(BEHIND_FOR / u32::try_from(BEHIND).unwrap() / 2).await;
            let made = usize::try_from(began.elapsed().as_secs()).unwrap() * RATE;
            let at = match fastrand::u8(..4) {
                0 => fastrand::usize(..calls.len()),
                _ => (made + fastrand::usize(..20 * RATE)).saturating_sub(5 * RATE).min(calls.len() - 1),
            };
            let pk = &calls[at];
            if behind.contains(pk) {
                continue;
            }
            let before = self.rig.store().table().get(pk, CALL).await.unwrap();
            let what = if fastrand::bool() { Behind::Index } else { Behind::Replica };
            lagging.hold(pk, what, before.filter(|item| !is_tombstone(item)));
            behind.push_back(pk.clone());
            if behind.len() > BEHIND {
                lagging.release(&behind.pop_front().unwrap());
            }
        }
        behind.iter().for_each(|pk| lagging.release(pk));
    }

    /// Has what was pushed replayed while more is pushed.
    async fn replay(&self) {
        while self.deaths.load(Ordering::Relaxed) < DEATHS / 2 && !self.is_over() {
            sleep(Duration::from_millis(100)).await;
        }
        let (succeeded, said) = self.rig.operate(&["replay", "--function", "alicom-call-record"]).await;
        assert!(succeeded, "{said}");
    }

    /// Has recordings archived while more is pushed: afterwards, those of many calls would take too long.
    async fn archive(&self) {
        while self.is_large && !self.is_over() {
            self.rig.stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await.unwrap();
            sleep(Duration::from_secs(20)).await;
        }
    }

    /// Has the exporter run until nothing is marked any more.
    async fn come_to_rest(&self) {
        if !self.is_large {
            self.mark().await;
        }
        let mut quiet = 0;
        while quiet < if self.is_large { 30 } else { 1 } {
            if self.rig.store().dirty_hours().await.unwrap().is_empty() {
                quiet += 1;
            } else {
                quiet = 0;
                let run = self.rig.run_at(self.now()).await.unwrap();
                assert_eq!((run.other_run, run.failed, run.unreadable), (false, 0, 0));
            }
            sleep(Duration::from_millis(if self.is_large { 1_000 } else { 10 })).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_simulation_are_its_truth() {
    let calls = std::env::var("ANALYTICS_CALLS").map_or(150, |calls| calls.parse().unwrap());
    let is_large = calls >= LARGE;
    // Whole numbers, so that what was said can be compared letter by letter.
    let mut rig = Rig::with(&[("EXPORT_NUMBERS", "full")]).await;
    let lagging = Lagging::start(&rig.stack.variable("DYNAMODB_ENDPOINT").unwrap(), Duration::ZERO).await;
    if is_large {
        let variables = [("EXPORT_NUMBERS", "full"), ("DYNAMODB_ENDPOINT", &lagging.endpoint)];
        rig.exporter = exporter(&rig.stack, &variables);
    }
    let simulation = simulation(&rig, calls, if is_large { RATE } else { 25 });
    let stores = rig.receiver();
    let trouble = Trouble {
        rig: &rig,
        is_large,
        seen: Mutex::default(),
        over: AtomicBool::new(false),
        deaths: AtomicU64::new(0),
    };
    let sending = async {
        let sent = simulation.send(Some(&stores)).await.unwrap();
        trouble.over.store(true, Ordering::Relaxed);
        sent
    };
    let partitions = if is_large { simulation.partitions() } else { Vec::new() };
    let lag = async {
        if is_large {
            trouble.lag(&lagging, &partitions).await;
        }
    };
    let (sent, ..) = tokio::join!(sending, trouble.kill(), lag, trouble.replay(), trouble.archive());
    let deaths = trouble.deaths.load(Ordering::Relaxed);
    println!("sent, {deaths} runs died");
    let verification = simulation.verify(rig.store(), &sent).await.unwrap();
    assert!(verification.differences().is_empty(), "{verification}");
    println!("verified");

    // Writes rest, and so do the indexes.
    trouble.come_to_rest().await;
    let truths = simulation.truths(rig.store(), &sent).await.unwrap();
    assert!(deaths >= DEATHS && !truths.is_empty(), "{deaths} runs that died, {} calls", truths.len());

    let mut rows = BTreeMap::new();
    let objects = rig.objects().await;
    for (_, file) in objects.iter().filter(|(key, _)| key.starts_with("calls/")) {
        for row in export_calls::rows(file.clone()).unwrap() {
            let key = (row["provider"].clone().to_string(), row["call_id"].to_string());
            assert!(rows.insert(key.clone(), row).is_none(), "{key:?} is in two rows");
        }
    }
    let expected: BTreeSet<_> =
        truths.iter().map(|truth| (truth["provider"].to_string(), truth["call_id"].to_string())).collect();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected, "after {deaths} runs that died");
    for truth in &truths {
        let row = &rows[&(truth["provider"].to_string(), truth["call_id"].to_string())];
        for name in ["task_id", "callee", "outcome", "duration_s", "intent_code", CALL_AT] {
            assert_eq!(row[name], *truth.get(name).unwrap_or(&Value::Null), "{name} of {}", truth["call_id"]);
        }
    }
    if let Ok(folder) = std::env::var("ANALYTICS_FILES") {
        for (key, bytes) in objects {
            let path = Path::new(&folder).join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let mut lines = String::new();
        truths.iter().for_each(|truth| writeln!(lines, "{}", Value::Object(truth.clone())).unwrap());
        std::fs::write(Path::new(&folder).join("truth.ndjson"), lines).unwrap();
    }
    rig.stack.stop().await.unwrap();
}
