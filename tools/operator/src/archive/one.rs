//! `callvault archive --call`: one call's recordings are tried now, whatever was planned for them, and even if they were given up.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use runtime::clock;
use runtime::store::table::Table;
use serde_json::Value;
use shared::model::{CallKey, Recording, RecordingState};
use shared::record::{item, keys};
use tokio::time::{Instant, sleep};

use crate::call_name::{self, Found};
use crate::doctor;

/// How often to look what became of it.
const PAUSE: Duration = Duration::from_secs(1);

/// A recording that is to be tried, by its sort key, and how often it was tried before.
struct Tried {
    sk: String,
    attempts: u64,
}

/// Makes a call's recordings due, and waits for so many seconds until the archiver's next run has tried them. It fails where one is not
/// archived.
pub(super) async fn archive(
    table: &Table,
    call: &CallKey,
    slot: Option<&str>,
    wait_s: u64,
) -> anyhow::Result<()> {
    let pk = keys::call_pk(call);
    let prefix = keys::recording_sk("");
    // As it is told, or as it is stored.
    let wanted = slot.map(|slot| keys::recording_sk(slot.strip_prefix(&prefix).unwrap_or(slot)));
    let items = match call_name::find(table, call).await.context("the table can't be read")? {
        Found::Items(items) => items,
        Found::Unknown => bail!(call_name::UNKNOWN),
        Found::Erased => bail!(call_name::ERASED),
    };
    let mut out = std::io::stdout().lock();
    let (mut tried, mut archived, mut slots) = (Vec::new(), 0, Vec::new());
    for stored in items {
        let sk = stored.get(keys::SK).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(slot) = sk.strip_prefix(&prefix) else { continue };
        slots.push(slot.to_owned());
        if wanted.as_ref().is_some_and(|wanted| *wanted != sk) {
            continue;
        }
        let recording: Recording = item::typed(stored).with_context(|| sk.clone())?;
        if recording.state == RecordingState::Archived {
            writeln!(out, "{sk}  is archived: {}", recording.object_key.unwrap_or_default())?;
            archived += 1;
        } else if table.make_due(&pk, &sk, clock::now()).await? {
            writeln!(out, "{sk}  is due now")?;
            tried.push(Tried { sk, attempts: recording.attempts });
        }
    }
    if slots.is_empty() {
        bail!("no recording of the call was announced: nothing can be archived until a push brings its URL");
    }
    ensure!(archived > 0 || !tried.is_empty(), "the call has no such recording, only {}", slots.join(", "));
    let until = Instant::now() + Duration::from_secs(wait_s);
    let mut failed = 0;
    for one in tried {
        match outcome(table, &pk, &one, until).await? {
            Outcome::Archived(key) => writeln!(out, "{}  is archived: {key}", one.sk)?,
            Outcome::Failed(reason) => {
                writeln!(out, "{}  is not archived: {reason}", one.sk)?;
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 recording is not archived"),
        _ => bail!("{failed} recordings are not archived"),
    }
}

/// What became of a recording.
enum Outcome {
    /// It lies there.
    Archived(String),
    /// Why it is not archived.
    Failed(String),
}

async fn outcome(table: &Table, pk: &str, tried: &Tried, until: Instant) -> anyhow::Result<Outcome> {
    loop {
        let Some(stored) = table.get(pk, &tried.sk).await? else { bail!("the call was erased meanwhile") };
        let recording: Recording = item::typed(stored)?;
        let reason = || recording.last_error.clone().unwrap_or_default();
        match recording.state {
            RecordingState::Archived => {
                return Ok(Outcome::Archived(recording.object_key.unwrap_or_default()));
            }
            RecordingState::Pending if recording.attempts <= tried.attempts => {}
            RecordingState::Pending => {
                let again = recording.next_attempt_at.map(|at| at.to_string()).unwrap_or_default();
                return Ok(Outcome::Failed(format!("{}; it is tried again at {again}", reason())));
            }
            lost => return Ok(Outcome::Failed(format!("{}: {}", lost.as_str(), reason()))),
        }
        if Instant::now() >= until {
            return Ok(Outcome::Failed(no_run_came(table, pk).await?));
        }
        sleep(PAUSE).await;
    }
}

/// Why no run may have come, as far as the lease of the recording's shard tells.
async fn no_run_came(table: &Table, pk: &str) -> anyhow::Result<String> {
    let shard = keys::shard_of(pk);
    let leases = table.shard_leases().await?;
    let lease = leases.iter().find(|lease| lease.shard == shard);
    let state = lease.map(|lease| doctor::state(lease, clock::now())).unwrap_or_default();
    Ok(format!(
        "no run has come to it. Its shard {shard}: {state}. If no run is at work there, the schedule of archive-recordings is off, or each run fails at once: see its log \
         (FunctionErrorsAlarm); `callvault doctor` tells whether the table takes writes, and for how long no run has come"
    ))
}
