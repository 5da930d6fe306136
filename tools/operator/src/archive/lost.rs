//! `callvault archive --lost`: what was lost is made due again, once its cause is mended.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt};
use runtime::clock;
use runtime::health::Tried;
use runtime::store::due::LostRecording;
use runtime::store::table::{MAX_BATCH_GET, Table, TableError};
use serde_json::Value;
use shared::model::{Instant, Recording, RecordingState};
use shared::record::{item, keys};

/// How many items are changed at once.
const AT_ONCE: usize = 16;

/// What came of them.
#[derive(Default)]
struct Counts {
    /// How many are, or would be, due, by host.
    due: BTreeMap<String, u64>,
    /// How many are archived or gone meanwhile.
    changed: u64,
    /// How many can't be read.
    unreadable: u64,
}

/// Makes due what was lost, of a `host` and `since` a time where they are given, and tells how many there are of each host. It fails where
/// one can't be read.
pub(super) async fn archive(
    table: &Table,
    host: Option<&str>,
    since: Option<Instant>,
    dry_run: bool,
) -> anyhow::Result<()> {
    let mut counts = Counts::default();
    for shard in 0..keys::SHARDS {
        // Read whole before anything is changed: what is made due leaves the list.
        let lost = lost_of(table, shard, since, &mut counts).await.context("the table can't be read")?;
        for some in lost.chunks(MAX_BATCH_GET) {
            make_due(table, some, host, dry_run, &mut counts).await?;
        }
    }
    let mut out = std::io::stdout().lock();
    let verb = if dry_run { "would be due" } else { "due now" };
    for (host, count) in &counts.due {
        writeln!(out, "{host}: {verb} {count}")?;
    }
    let due: u64 = counts.due.values().sum();
    writeln!(out, "{verb} {due}, changed meanwhile {}, unreadable {}", counts.changed, counts.unreadable)?;
    if due > 0 && !dry_run {
        writeln!(out, "the archiver's next runs try them: `callvault doctor` tells how it goes")?;
    }
    ensure!(counts.unreadable == 0, "some items can't be read: `callvault doctor` names them");
    Ok(())
}

/// What was lost of a shard, since then.
async fn lost_of(
    table: &Table,
    shard: u8,
    since: Option<Instant>,
    counts: &mut Counts,
) -> Result<Vec<LostRecording>, TableError> {
    let mut entries = table.lost_recordings(shard, None);
    let mut lost = Vec::new();
    while let Some(entry) = entries.next().await {
        match entry {
            // The last are the first.
            Ok(entry) if since.is_some_and(|since| entry.lost_at < since) => break,
            Ok(entry) => lost.push(entry),
            Err(TableError::UnreadableEntry { .. }) => counts.unreadable += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

async fn make_due(
    table: &Table,
    lost: &[LostRecording],
    host: Option<&str>,
    dry_run: bool,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let keys: Vec<_> = lost.iter().map(|one| (one.pk.clone(), one.sk.clone())).collect();
    let mut chosen = Vec::new();
    let stored = table.get_all(&keys).await.context("the table can't be read")?;
    counts.changed += (keys.len() - stored.len()) as u64;
    for stored in stored {
        let key = [keys::PK, keys::SK]
            .map(|name| stored.get(name).and_then(Value::as_str).unwrap_or_default().to_owned());
        let (Some(call), Ok(recording)) = (keys::call_of_pk(&key[0]), item::typed::<Recording>(stored))
        else {
            counts.unreadable += 1;
            continue;
        };
        let tried = Tried::of(call, &recording);
        if !matches!(recording.state, RecordingState::Expired | RecordingState::Failed) {
            counts.changed += 1;
        } else if host.is_none_or(|host| tried.is_at(host)) {
            let port = tried.port.map(|port| format!(":{port}")).unwrap_or_default();
            let place = tried.host.map_or_else(|| "no URL".to_owned(), |host| format!("{host}{port}"));
            chosen.push((key, place));
        }
    }
    if dry_run {
        chosen.into_iter().for_each(|(_, place)| *counts.due.entry(place).or_default() += 1);
        return Ok(());
    }
    let mut made = futures_util::stream::iter(chosen)
        .map(async |([pk, sk], place)| anyhow::Ok((table.make_due(&pk, &sk, clock::now()).await?, place)))
        .buffer_unordered(AT_ONCE);
    while let Some((is_due, place)) = made.try_next().await? {
        match is_due {
            true => *counts.due.entry(place).or_default() += 1,
            false => counts.changed += 1,
        }
    }
    Ok(())
}
