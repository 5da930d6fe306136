//! Analytics' files against the simulator's truth, written while the platforms push, people are erased, and runs of the exporter die.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use load::{Options, Simulation};
use runtime::clock;
use runtime::deadline::Deadline;
use serde_json::Value;
use shared::model::{Hour, Instant};
use shared::record::keys::CALL_AT;
use tokio::sync::Mutex;

use crate::rig::Rig;

/// The day of the calls.
const DAY: &str = "2025-06-02";
/// How many runs of the exporter die.
const DEATHS: u64 = 20;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn simulation(rig: &Rig, calls: &str) -> Simulation {
    let url = rig.stack.url();
    let arguments = [
        "simulate",
        "--to",
        &url,
        "--recording-base",
        rig.stack.provider().base_url(),
        "--calls",
        calls,
        "--rate",
        "25",
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

/// Marks every hour in which a call is, or was, as whoever publishes changes would.
async fn mark(rig: &Rig, seen: &Mutex<BTreeSet<Hour>>, at: Instant) {
    let listed = rig.store().table().calls_of_all_days().await.unwrap();
    let mut seen = seen.lock().await;
    seen.extend(listed.iter().map(|call| Hour::of(call.call_at.parse().unwrap())));
    for hour in seen.iter() {
        rig.store().mark_hour(*hour, at).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_simulation_are_its_truth() {
    let calls = std::env::var("ANALYTICS_CALLS").unwrap_or_else(|_| "150".to_owned());
    // Whole numbers, so that what was said can be compared letter by letter.
    let rig = Rig::with(&[("EXPORT_NUMBERS", "full")]).await;
    let simulation = simulation(&rig, &calls);
    let stores = rig.receiver();
    let seen = Mutex::default();
    let over = AtomicBool::new(false);
    let dying = async {
        let mut deaths = 0;
        while deaths < DEATHS || !over.load(Ordering::Relaxed) {
            mark(&rig, &seen, clock::now().plus_seconds(-300)).await;
            // Later than the lease of the one that died before.
            let now = clock::now().plus_seconds(60 * (1 + i64::try_from(deaths).unwrap()));
            let run = export_calls::handle(&rig.exporter, now, Deadline::after(Duration::from_secs(40)));
            let _ = tokio::time::timeout(Duration::from_millis(fastrand::u64(1..900)), run).await;
            deaths += 1;
        }
        deaths
    };
    let sending = async {
        let sent = simulation.send(Some(&stores)).await.unwrap();
        over.store(true, Ordering::Relaxed);
        sent
    };
    let (sent, deaths) = tokio::join!(sending, dying);
    let verification = simulation.verify(rig.store(), &sent).await.unwrap();
    assert!(verification.differences().is_empty(), "{verification}");

    // Writes rest. What the stream would have marked is marked, and a run comes to its end.
    let marked_at = clock::now().plus_seconds(3_600 * 24);
    mark(&rig, &seen, marked_at).await;
    let run = rig.run_at(marked_at.plus_seconds(300)).await.unwrap();
    assert_eq!((run.other_run, run.failed, run.left, run.unreadable), (false, 0, 0, 0));
    assert!(rig.store().dirty_hours().await.unwrap().is_empty());
    let truths = simulation.truths(rig.store(), &sent).await.unwrap();
    assert!(deaths >= DEATHS && !truths.is_empty(), "{deaths} runs that died, {} calls", truths.len());

    let mut rows = BTreeMap::new();
    for hour in seen.lock().await.iter() {
        for row in rig.rows("calls", &hour.to_string()).await.unwrap_or_default() {
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
        for (key, bytes) in rig.objects().await {
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
