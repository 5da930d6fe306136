//! Running the scheduled functions, through Lambda's Invoke operation, until nothing is due.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::bail;
use operator::http::Http;
use serde_json::Value;

/// How long one run may take: Lambda's longest.
const RUN_TIMEOUT: Duration = Duration::from_secs(900);
/// How long the functions are run in all.
const LONGEST: Duration = Duration::from_secs(600);
/// How long is waited for what will be due again in a moment.
const PAUSE: Duration = Duration::from_secs(1);
/// How many runs in a row may find that what is due is somebody else's, whose claim may yet lapse.
const MAX_IDLE_RUNS: u32 = 60;

/// The counts of an answer that tell of work after which there may be more.
const WORK: [&str; 4] = ["archived", "retried", "expired", "fetched"];

/// Runs each scheduled function until it finds nothing to do, and gives back whether recordings were archived: whether there
/// is a function that does.
pub(super) async fn run(base: &str) -> anyhow::Result<bool> {
    let archives = until_nothing_is_due(base, "archive-recordings").await?;
    if until_nothing_is_due(base, "fetch-conversations").await? && archives {
        // A conversation may bring a fresher URL.
        until_nothing_is_due(base, "archive-recordings").await?;
    }
    // What came to lie beside the tombstones of erased calls.
    until_nothing_is_due(base, "sweep-erased").await?;
    Ok(archives)
}

/// `false`: there is no such function.
async fn until_nothing_is_due(base: &str, function: &str) -> anyhow::Result<bool> {
    let http = Http::new();
    let url = format!("{base}/2015-03-31/functions/{function}/invocations");
    let began = Instant::now();
    let mut idle_runs = 0;
    while idle_runs < MAX_IDLE_RUNS {
        let (status, body) = http.post(&url, "{}".to_owned(), RUN_TIMEOUT).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match status {
            // `sam local start-api` has the latter for a path without a route.
            404 | 403 => {
                note(&format!("{function} can't be invoked at the URL: what it does is not looked at"));
                return Ok(false);
            }
            200 if answer.get("errorType").is_none() => {}
            _ => bail!("{function} failed: {status} {}", answer["errorType"]),
        }
        if began.elapsed() > LONGEST {
            note(&format!("{function} still has work after {} s", LONGEST.as_secs()));
            break;
        }
        if WORK.iter().any(|count| answer[*count].as_u64().is_some_and(|count| count > 0)) {
            idle_runs = 0;
            continue;
        }
        if answer.get("oldest_due").is_none_or(Value::is_null) {
            break;
        }
        idle_runs += 1;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

fn note(text: &str) {
    // Nobody reads it: no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}
