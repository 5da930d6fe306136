//! `callvault doctor`: how archiving is doing, what is wrong with it, and what to do.

use std::io::Write;

use anyhow::{anyhow, ensure};
use clap::Args;
use runtime::clock;
use runtime::health::{Finding, Seen, findings, named, see};
use runtime::store::shards::ShardLease;
use shared::model::Instant;
use shared::record::keys;

use super::Target;

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
