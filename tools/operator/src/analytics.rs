//! `callvault analytics`: having analytics' files written anew, and comparing them with what is stored.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use export_calls::{Exporter, rows};
use runtime::clock;
use runtime::store::analytics::AnalyticsBucket;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::model::{Hour, Instant, NotAnHour};
use shared::record::keys;

use super::Target;

/// How many differences of a file are told.
const MAX_TOLD: usize = 20;

/// What to do.
#[derive(Args, Clone, Debug)]
pub struct AnalyticsOptions {
    #[command(subcommand)]
    command: AnalyticsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AnalyticsCommand {
    /// Mark hours, so that export-calls reads all of their calls and writes the files that differ.
    Rebuild(Range),
    /// Make the files of hours of what is stored now, and tell where those in the bucket differ. Fails where one does.
    Verify(Range),
}

/// Which hours.
#[derive(Args, Clone, Debug)]
struct Range {
    #[command(flatten)]
    target: Target,
    /// From this hour on, in UTC: 2025-06-01T00, or 2025-06-01.
    #[arg(long, value_parser = hour)]
    since: Hour,
    /// Up to this hour, that included; by default the hour that is now.
    #[arg(long, value_parser = hour)]
    until: Option<Hour>,
}

fn hour(text: &str) -> Result<Hour, String> {
    text.parse().or_else(|_| format!("{text}T00").parse()).map_err(|error: NotAnHour| error.to_string())
}

impl Range {
    /// Its hours, the first before all others.
    fn hours(&self, now: Instant) -> anyhow::Result<Vec<Hour>> {
        let last = self.until.unwrap_or_else(|| Hour::of(now));
        ensure!(self.since <= last, "--since is after --until");
        let hours = std::iter::successors(Some(self.since), |hour| hour.next());
        Ok(hours.take_while(|hour| *hour <= last).collect())
    }
}

/// Does what is asked for. Fails where files differ.
pub async fn analytics(options: AnalyticsOptions) -> anyhow::Result<()> {
    match options.command {
        AnalyticsCommand::Rebuild(range) => rebuild(&range).await,
        AnalyticsCommand::Verify(range) => verify(&range).await,
    }
}

async fn rebuild(range: &Range) -> anyhow::Result<()> {
    let exporter = range.target.exporter().await?;
    let now = clock::now();
    let hours = range.hours(now)?;
    for hour in &hours {
        exporter.store().mark_hour(*hour, now).await.context("an hour can't be marked")?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "marked {} hours: export-calls writes them from in two minutes on", hours.len())?;
    Ok(())
}

async fn verify(range: &Range) -> anyhow::Result<()> {
    let exporter = range.target.exporter().await?;
    let bucket = exporter.store().analytics().context("ANALYTICS_BUCKET_NAME is not set")?;
    let mut out = std::io::stdout().lock();
    let (mut hours, mut calls, mut differing) = (0_u64, 0_u64, 0_u64);
    for hour in range.hours(clock::now())? {
        let (of_hour, differences) = differences(&exporter, bucket, hour).await?;
        hours += 1;
        calls += of_hour;
        for difference in &differences {
            writeln!(out, "{hour}  {difference}")?;
        }
        differing += u64::from(!differences.is_empty());
    }
    writeln!(out, "{hours} hours, {calls} calls, {differing} hours differ")?;
    ensure!(differing == 0, "{differing} hours differ; those that are marked are written soon");
    Ok(())
}

/// How many calls an hour has, and where its files differ from what they ought to be.
async fn differences(
    exporter: &Exporter,
    bucket: &AnalyticsBucket,
    hour: Hour,
) -> anyhow::Result<(u64, Vec<String>)> {
    let made = exporter.files_of(hour).await.context("an hour can't be read")?;
    let calls = made.summary.calls;
    let mut told = Vec::new();
    let summary = bucket.get(&keys::summary_key(hour)).await.context("the bucket can't be read")?;
    match summary {
        Some((stored, _)) if stored == made.summary.to_json() => {}
        Some(_) => told.push("what is counted differs".to_owned()),
        None if calls + made.summary.unreadable > 0 => told.push("it was never counted".to_owned()),
        None => {}
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

/// What differs between the rows of two files, where one may not be there.
fn compare(set: &str, stored: Option<Vec<u8>>, made: Option<Vec<u8>>) -> anyhow::Result<Vec<String>> {
    let keyed = |file: Option<Vec<u8>>| -> anyhow::Result<BTreeMap<String, Map<String, Value>>> {
        let rows = file.map(rows).transpose().with_context(|| format!("a file of {set} can't be read"))?;
        Ok(rows.unwrap_or_default().into_iter().map(|row| (name(&row), row)).collect())
    };
    let (stored, made) = (keyed(stored)?, keyed(made)?);
    let mut told = Vec::new();
    for (name, row) in &made {
        match stored.get(name) {
            None => told.push(format!("{set}  {name}  is stored, and in no row")),
            Some(other) if other != row => {
                let columns = row.iter().filter(|(column, value)| other.get(*column) != Some(value));
                let columns: Vec<_> = columns.map(|(column, _)| column.as_str()).collect();
                told.push(format!("{set}  {name}  differs in {}", columns.join(", ")));
            }
            Some(_) => {}
        }
    }
    let gone = stored.keys().filter(|name| !made.contains_key(*name));
    told.extend(gone.map(|name| format!("{set}  {name}  is in a row, and not stored")));
    if told.is_empty() {
        told.push(format!("{set}  has the same rows in other bytes"));
    }
    let more = told.len().saturating_sub(MAX_TOLD);
    told.truncate(MAX_TOLD);
    told.extend((more > 0).then(|| format!("{set}  and {more} more")));
    Ok(told)
}

/// By what a row is known.
fn name(row: &Map<String, Value>) -> String {
    let known = ["provider", "call_id", "turn", "slot"];
    let parts = known.iter().filter_map(|column| row.get(*column)).filter(|value| !value.is_null());
    let parts: Vec<_> =
        parts.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use export_calls::DATA_SETS;

    use super::*;

    #[test]
    fn hours_are_told_by_the_hour_or_by_the_day() {
        let at: Instant = "2025-06-02T01:30:00Z".parse().unwrap();
        let range = |since: &str, until: Option<&str>| Range {
            target: Target::default(),
            since: hour(since).unwrap(),
            until: until.map(|until| hour(until).unwrap()),
        };
        assert_eq!(range("2025-06-01", None).hours(at).unwrap().len(), 26);
        assert_eq!(range("2025-06-01T23", Some("2025-06-02T00")).hours(at).unwrap().len(), 2);
        assert!(range("2025-06-03", None).hours(at).is_err());
        assert!(hour("yesterday").is_err());
    }

    /// Rows of the same data set have different names.
    #[test]
    fn every_data_set_has_what_its_rows_are_known_by() {
        for set in DATA_SETS {
            let has = |name: &str| set.columns.iter().any(|column| column.name == name);
            assert!(has("provider") && has("call_id"), "{}", set.name);
            assert!(set.name == "calls" || has("turn") || has("slot"), "{}", set.name);
        }
    }
}
