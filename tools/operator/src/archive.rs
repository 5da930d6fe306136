//! `callvault archive --call`: one call's recordings are tried now, whatever was planned for them, and even if they were given up.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use runtime::clock;
use runtime::store::table::Table;
use serde_json::Value;
use shared::model::{CallId, CallKey, Provider, Recording, RecordingState};
use shared::record::{item, keys};
use tokio::time::{Instant, sleep};

use super::Target;

/// How often to look what became of it.
const PAUSE: Duration = Duration::from_secs(1);

/// Which recordings, and how long to wait.
#[derive(Args, Clone, Debug)]
pub struct ArchiveOptions {
    #[command(flatten)]
    target: Target,
    /// The call, `alicom/10000161****^1000018****`.
    #[arg(long, value_parser = call)]
    call: CallKey,
    /// Only this recording of it, `main`.
    #[arg(long)]
    slot: Option<String>,
    /// How long to wait for the archiver's next run, in seconds.
    #[arg(long, default_value_t = 180)]
    wait: u64,
}

fn call(text: &str) -> Result<CallKey, String> {
    let (provider, id) = text.split_once('/').ok_or("not a call: <provider>/<id>")?;
    let provider = Provider::named(provider).ok_or_else(|| format!("there is no platform {provider}"))?;
    let call_id = CallId::new(id.to_owned()).ok_or("not a call's id")?;
    Ok(CallKey { provider, call_id })
}

/// A recording that is to be tried, by its sort key, and how often it was tried before.
struct Tried {
    sk: String,
    attempts: u64,
}

/// Makes a call's recordings due, and waits until the archiver's next run has tried them. It fails where one is not archived.
pub async fn archive(options: ArchiveOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let table = receiver.store().table();
    let pk = keys::call_pk(&options.call);
    let wanted = options.slot.as_deref().map(keys::recording_sk);
    let items = table.query(&pk).await.context("the table can't be read")?;
    let mut out = std::io::stdout().lock();
    let (mut tried, mut archived) = (Vec::new(), 0);
    for stored in items {
        let sk = stored.get(keys::SK).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !sk.starts_with(&keys::recording_sk("")) || wanted.as_ref().is_some_and(|wanted| *wanted != sk) {
            continue;
        }
        let recording: Recording = item::typed(stored)?;
        if recording.state == RecordingState::Archived {
            writeln!(out, "{sk}  is archived: {}", recording.object_key.unwrap_or_default())?;
            archived += 1;
        } else if table.make_due(&pk, &sk, clock::now()).await? {
            writeln!(out, "{sk}  is due now")?;
            tried.push(Tried { sk, attempts: recording.attempts });
        }
    }
    ensure!(archived > 0 || !tried.is_empty(), "the call has no such recording");
    let until = Instant::now() + Duration::from_secs(options.wait);
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
    ensure!(failed == 0, "{failed} recordings are not archived");
    Ok(())
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
            return Ok(Outcome::Failed("no run has come to it: `callvault doctor` tells why".to_owned()));
        }
        sleep(PAUSE).await;
    }
}
