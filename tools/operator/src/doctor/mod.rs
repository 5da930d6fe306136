//! `callvault doctor`: how archiving is doing, what is wrong with it, and what to do.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;
use runtime::clock;
use runtime::health::{Depth, Finding, Seen, findings, named, see, write};
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

/// Tells how archiving is doing. It fails where something is wrong that can be mended.
pub async fn doctor(options: DoctorOptions) -> anyhow::Result<()> {
    let (store, bucket) = options.target.stores().await?;
    let table = store.table();
    let now = clock::now();
    // In brief: the SDK's own words name the account.
    let mut seen = see(table, now, Depth::WHOLE).await.map_err(|error| anyhow!("{UNREADABLE}: {error}"))?;
    seen.bucket = bucket;
    seen.secret = options.target.unreadable_secret().await?;
    let mut unknown = None;
    match write(table, now).await {
        Ok(()) => {}
        // The doctor's role is not the archiver's.
        Err(error) if error.to_string().contains("AccessDenied") => {
            unknown = Some(
                "whether the table takes writes is not known: your role lacks dynamodb:GetItem or dynamodb:PutItem",
            );
        }
        Err(error) => seen.writes = Some(error.to_string()),
    }
    let found = findings(&seen, now);
    tell(&seen, &found, unknown, now)?;
    match found.iter().filter(|one| one.is_mendable()).count() {
        0 => Ok(()),
        1 => Err(anyhow!("1 thing is wrong")),
        count => Err(anyhow!("{count} things are wrong")),
    }
}

fn tell(seen: &Seen, found: &[Finding], unknown: Option<&str>, now: Instant) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let due = seen.waiting.iter().filter(|entry| entry.due_at <= now);
    let oldest = due.clone().map(|entry| entry.due_at).min();
    let expiry = seen.waiting.iter().filter_map(|entry| entry.source_expires_at).min();
    writeln!(
        out,
        "waiting {}{}, due {}{}; next expiry {}; lost in the last day {}{}",
        seen.waiting.len(),
        if seen.more_waits { " or more" } else { "" },
        due.count(),
        oldest.map(|at| format!(" (the oldest for {})", lasted(now.seconds_since(at)))).unwrap_or_default(),
        expiry.map_or_else(|| "none".to_owned(), |at| at.to_string()),
        seen.lost.len(),
        if seen.more_were_lost { " or more" } else { "" },
    )?;
    for lease in &seen.leases {
        writeln!(out, "shard {}: {}", lease.shard, state(lease, now))?;
        for one in &lease.in_hand {
            let call = keys::call_of_pk(&one.pk).map(|call| named(&call)).unwrap_or_default();
            writeln!(out, "  in hand: {call} {}", one.sk)?;
        }
    }
    for one in found {
        let sign = if one.is_mendable() { '!' } else { '-' };
        writeln!(out, "\n{sign} {}\n  do: {}", one.what(&|at| at.to_string()), one.todo())?;
    }
    if let Some(unknown) = unknown {
        writeln!(out, "\n- {unknown}")?;
    }
    if !found.iter().any(Finding::is_mendable) {
        writeln!(
            out,
            "\nnothing is wrong{}",
            if found.is_empty() { "" } else { " that can be mended here" }
        )?;
    }
    Ok(())
}

/// Who holds a shard, or did last.
pub(super) fn state(lease: &ShardLease, now: Instant) -> String {
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
        (_, _, Some(at)) if at > now.plus_seconds(60) => {
            format!("free; the last run was done at {at}, which is yet to come: a clock is wrong")
        }
        (_, _, Some(at)) => format!("free; the last run was done {} ago", lasted(now.seconds_since(at))),
        _ => "free; no run ever held it".to_owned(),
    }
}

fn lasted(seconds: i64) -> String {
    // Clocks differ by a little.
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
