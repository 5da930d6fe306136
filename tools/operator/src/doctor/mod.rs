//! `callvault doctor`: how archiving is doing, what is wrong with it, and what to do.

mod advice;
mod findings;

use std::io::Write;

use anyhow::{anyhow, ensure};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use runtime::clock;
use runtime::store::due::DueRecording;
use runtime::store::shards::ShardLease;
use runtime::store::table::{Table, TableError};
use shared::model::{CallKey, Instant, Recording};
use shared::record::{item, keys};

use self::findings::{Finding, Seen, findings, named};
use super::Target;

/// The most entries that are read of a shard.
const MAX_PER_SHARD: usize = 5_000;
/// So many of the most urgent recordings are looked at themselves.
const LOOKED_AT: usize = 1_000;
/// What was lost is told for so long, in seconds.
const LOST_S: i64 = 24 * 3_600;

/// What it may be where the table can't be read.
const UNREADABLE: &str = "the table can't be read (AccessDenied is your role's policy, ResourceNotFound a wrong TABLE_NAME or region, \
                          throttling passes)";

/// Which stores.
#[derive(Args, Clone, Debug)]
pub struct DoctorOptions {
    #[command(flatten)]
    target: Target,
}

/// Tells how archiving is doing. It fails where something is wrong.
pub async fn doctor(options: DoctorOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let table = receiver.store().table();
    let now = clock::now();
    // In brief: the SDK's own words name the account.
    let mut seen = see(table, now).await.map_err(|error| anyhow!("{UNREADABLE}: {error}"))?;
    seen.secret = options.target.unreadable_secret().await?;
    let found = findings(&seen, now);
    tell(&seen, &found, now)?;
    ensure!(found.is_empty(), "{} things are wrong", found.len());
    Ok(())
}

async fn see(table: &Table, now: Instant) -> Result<Seen, TableError> {
    let leases = table.shard_leases().await?;
    let (mut waiting, mut lost) = (Vec::new(), Vec::new());
    for shard in 0..keys::SHARDS {
        let entries = table.due_recordings(shard).take(MAX_PER_SHARD);
        waiting.extend(entries.try_collect::<Vec<DueRecording>>().await?);
        let of_today = table.lost_recordings(shard, None).try_take_while(|one| {
            let is_of_today = now.seconds_since(one.lost_at) < LOST_S;
            std::future::ready(Ok(is_of_today))
        });
        let entries: Vec<_> = of_today.take(LOOKED_AT).try_collect().await?;
        lost.extend(entries.into_iter().map(|one| (one.pk, one.sk)));
    }
    waiting.sort_by_key(|entry| (entry.source_expires_at.is_none(), entry.source_expires_at, entry.due_at));
    // Those that were tried and wait are no less telling than those that are due.
    let urgent: Vec<_> =
        waiting.iter().take(LOOKED_AT).map(|entry| (entry.pk.clone(), entry.sk.clone())).collect();
    Ok(Seen {
        leases,
        looked_at: recordings(table, &urgent).await?,
        lost: recordings(table, &lost).await?,
        waiting,
        secret: None,
    })
}

async fn recordings(
    table: &Table,
    keys: &[(String, String)],
) -> Result<Vec<(CallKey, Recording)>, TableError> {
    let mut recordings = Vec::new();
    for stored in table.get_all(keys).await? {
        let pk = stored.get(keys::PK).and_then(|pk| pk.as_str()).unwrap_or_default();
        if let Some(call) = keys::call_of_pk(pk) {
            recordings.push((call, item::typed(stored)?));
        }
    }
    Ok(recordings)
}

fn tell(seen: &Seen, found: &[Finding], now: Instant) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let due = seen.waiting.iter().filter(|entry| entry.due_at <= now);
    let oldest = due.clone().map(|entry| entry.due_at).min();
    let expiry = seen.waiting.iter().filter_map(|entry| entry.source_expires_at).min();
    writeln!(
        out,
        "waiting {}, due {}{}; next expiry {}; lost in the last day {}",
        seen.waiting.len(),
        due.count(),
        oldest.map(|at| format!(" (the oldest for {})", lasted(now.seconds_since(at)))).unwrap_or_default(),
        expiry.map_or_else(|| "none".to_owned(), |at| at.to_string()),
        seen.lost.len(),
    )?;
    for lease in &seen.leases {
        writeln!(out, "shard {}: {}", lease.shard, state(lease, now))?;
        for one in &lease.in_hand {
            let call = keys::call_of_pk(&one.pk).map(|call| named(&call)).unwrap_or_default();
            writeln!(out, "  in hand: {call} {}", one.sk)?;
        }
    }
    for Finding { what, todo } in found {
        writeln!(out, "\n! {what}\n  do: {todo}")?;
    }
    if found.is_empty() {
        writeln!(out, "\nnothing is wrong")?;
    }
    Ok(())
}

fn state(lease: &ShardLease, now: Instant) -> String {
    match (&lease.lease_owner, lease.lease_until, lease.last_run_at) {
        (Some(owner), Some(until), _) if until > now => {
            let since = lease.lease_since.map_or(0, |since| now.seconds_since(since));
            let name: String = owner.chars().take(8).collect();
            format!(
                "held by run {name} for {}, {} in hand, until {until}",
                lasted(since),
                lease.in_hand.len()
            )
        }
        (Some(_), Some(until), _) => {
            let ago = lasted(now.seconds_since(until));
            format!("the run that held it died; its lease lapsed {ago} ago, {} in hand", lease.in_hand.len())
        }
        (_, _, Some(at)) => format!("free; the last run was done {} ago", lasted(now.seconds_since(at))),
        _ => "free; no run ever held it".to_owned(),
    }
}

fn lasted(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
