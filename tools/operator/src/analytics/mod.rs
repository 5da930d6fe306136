//! `callvault analytics`: having analytics' files written anew, and comparing them with what is stored.

mod held;
mod rows;

use std::io::Write;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use export_calls::Exporter;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use runtime::clock;
use runtime::store::analytics::AnalyticsBucket;
use sha2::{Digest, Sha256};
use shared::model::{Hour, Instant};
use shared::record::keys;

use super::Target;
use super::progress::Progress;
use super::span::{self, ahead_of, in_order};
use held::{Held, held};
use rows::compare;

/// How many hours are marked at once.
const MARKED_AT_ONCE: usize = 8;

/// What to do.
#[derive(Args, Clone, Debug)]
pub struct AnalyticsOptions {
    #[command(subcommand)]
    command: AnalyticsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AnalyticsCommand {
    /// Mark the hours that have calls or files, so that export-calls reads all of their calls and their files, and writes those that differ.
    Rebuild(Range),
    /// Make the files of the hours that have calls or files of what is stored now, and tell where those in the bucket differ. Fails where one
    /// does.
    Verify(Range),
}

/// Which hours.
#[derive(Args, Clone, Debug)]
struct Range {
    #[command(flatten)]
    target: Target,
    /// From the hour of this time on, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    since: Instant,
    /// Up to the end of this day or hour, or before this moment. Without it, calls are looked for up to a year from now.
    #[arg(long, value_name = "TIME", value_parser = span::until)]
    until: Option<Instant>,
}

impl Range {
    /// What there is in it.
    async fn held(&self, exporter: &Exporter, bucket: &AnalyticsBucket) -> anyhow::Result<Held> {
        held(exporter.store(), bucket, self.hours(clock::now())?, self.until.is_none()).await
    }

    /// The first hour, and the last.
    fn hours(&self, now: Instant) -> anyhow::Result<(Hour, Hour)> {
        let until = self.until.unwrap_or_else(|| ahead_of(now.max(self.since)));
        in_order(self.since, until)?;
        // The moment at which it ends is not in it.
        Ok((Hour::of(self.since), Hour::of(Instant::clamped(until.epoch_millis() - 1))))
    }
}

/// Does what is asked for. Fails where files differ.
pub async fn analytics(options: AnalyticsOptions) -> anyhow::Result<()> {
    match options.command {
        AnalyticsCommand::Rebuild(range) => rebuild(&range).await,
        AnalyticsCommand::Verify(range) => verify(&range).await,
    }
}

/// The bucket of analytics' files.
fn bucket_of(exporter: &Exporter) -> anyhow::Result<&AnalyticsBucket> {
    exporter.store().analytics().context("ANALYTICS_BUCKET_NAME is not set")
}

async fn rebuild(range: &Range) -> anyhow::Result<()> {
    let exporter = range.target.exporter().await?;
    let Held { hours, .. } = range.held(&exporter, bucket_of(&exporter)?).await?;
    let (now, store) = (clock::now(), exporter.store());
    let progress = Progress::of("hours marked", u64::try_from(hours.len()).ok());
    let marks = hours.iter().map(async |hour| {
        store.mark_hour_to_mend(*hour, now).await.context("an hour can't be marked")?;
        progress.step();
        anyhow::Ok(())
    });
    stream::iter(marks).buffer_unordered(MARKED_AT_ONCE).try_collect::<()>().await?;
    progress.end();
    let what = match hours.len() {
        0 => "none has calls or files".to_owned(),
        _ => "export-calls writes them from in two minutes on".to_owned(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "marked {} hours: {what}", hours.len())?;
    Ok(())
}

async fn verify(range: &Range) -> anyhow::Result<()> {
    let exporter = range.target.exporter().await?;
    let bucket = bucket_of(&exporter)?;
    let Held { hours, strangers } = range.held(&exporter, bucket).await?;
    let mut out = std::io::stdout().lock();
    let (mut calls, mut differing) = (0_u64, 0_u64);
    let progress = Progress::of("hours compared", u64::try_from(hours.len()).ok());
    for hour in &hours {
        let (of_hour, differences) = differences(&exporter, bucket, *hour).await?;
        calls += of_hour;
        if !differences.is_empty() {
            progress.step_aside();
        }
        for difference in &differences {
            writeln!(out, "{hour}  {difference}")?;
        }
        differing += u64::from(!differences.is_empty());
        progress.step();
    }
    progress.end();
    for key in &strangers {
        writeln!(out, "{key}  is no file of any hour: remove it")?;
    }
    writeln!(out, "{} hours, {calls} calls, {differing} hours differ", hours.len())?;
    ensure!(differing == 0, "{differing} hours differ; those that are marked are written soon");
    ensure!(strangers.is_empty(), "{} objects are no files of any hour", strangers.len());
    Ok(())
}

/// How many calls an hour has, and where its files differ from what they ought to be.
async fn differences(
    exporter: &Exporter,
    bucket: &AnalyticsBucket,
    hour: Hour,
) -> anyhow::Result<(u64, Vec<String>)> {
    let made = exporter.files_of(hour).await.context("an hour can't be read")?;
    let (calls, is_empty) = (made.summary.calls, made.summary.is_empty());
    let mut told = Vec::new();
    let summary = bucket.get(&keys::summary_key(hour)).await.context("the bucket can't be read")?;
    match summary {
        Some(_) if is_empty => told.push("it is counted, and has no calls".to_owned()),
        Some((stored, _)) if stored == made.summary.to_json() => {}
        Some(_) => told.push("what is counted differs".to_owned()),
        None if is_empty => {}
        None => told.push("it was never counted".to_owned()),
    }
    for (set, finished) in made.files {
        let stored = bucket.get(&keys::analytics_key(set, hour)).await.context("the bucket can't be read")?;
        let stored = stored.map(|(bytes, _)| bytes);
        match stored {
            None if finished.rows == 0 => continue,
            Some(stored) if finished.rows > 0 && hex::encode(Sha256::digest(&stored)) == finished.sha256 => {
                continue;
            }
            stored => {
                let made = if finished.rows > 0 { Some(finished.into_bytes()?) } else { None };
                told.extend(compare(set, stored, made)?);
            }
        }
    }
    Ok((calls, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_days_and_hours_are_looked_at() {
        let now: Instant = "2025-06-02T01:30:00Z".parse().unwrap();
        let hours = |since: &str, until: Option<&str>| {
            let until = until.map(|until| span::until(until).unwrap());
            let range = Range { target: Target::default(), since: span::since(since).unwrap(), until };
            range.hours(now).map(|(first, last)| format!("{first} {last}"))
        };
        for (since, until, expected) in [
            ("2025-06-01", Some("2025-06-01"), "2025-06-01T00 2025-06-01T23"),
            ("2025-06-01T23", Some("2025-06-02T00"), "2025-06-01T23 2025-06-02T00"),
            ("2025-06-01T02:30:00Z", Some("2025-06-01T03:00:00Z"), "2025-06-01T02 2025-06-01T02"),
            ("2025-06-01T02:30:00Z", Some("2025-06-01T03:00:01Z"), "2025-06-01T02 2025-06-01T03"),
            ("2099-12-31", Some("2099-12-31"), "2099-12-31T00 2099-12-31T23"),
            ("2025-06-01", None, "2025-06-01T00 2026-06-03T01"),
            ("2027-01-01", None, "2027-01-01T00 2028-01-01T23"),
        ] {
            assert_eq!(hours(since, until).unwrap(), expected, "{since} {until:?}");
        }
        assert!(hours("2025-06-03", Some("2025-06-02")).is_err());
    }
}
