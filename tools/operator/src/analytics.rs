//! `callvault analytics`: having analytics' files written anew, and comparing them with what is stored.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use export_calls::{DATA_SETS, Exporter, Kind, rows};
use runtime::clock;
use runtime::store::analytics::AnalyticsBucket;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::model::{Hour, Instant, NotAnHour};
use shared::record::keys;

use super::Target;

/// How many differences of a file are told.
const MAX_TOLD: usize = 20;

/// A row as it is read back.
type Row = Map<String, Value>;

/// What to do.
#[derive(Args, Clone, Debug)]
pub struct AnalyticsOptions {
    #[command(subcommand)]
    command: AnalyticsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AnalyticsCommand {
    /// Mark hours, so that export-calls reads all of their calls and their files, and writes those that differ.
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
        exporter.store().mark_hour_to_mend(*hour, now).await.context("an hour can't be marked")?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "marked {} hours: export-calls writes them from in two minutes on", hours.len())?;
    Ok(())
}

async fn verify(range: &Range) -> anyhow::Result<()> {
    let exporter = range.target.exporter().await?;
    let bucket = exporter.store().analytics().context("ANALYTICS_BUCKET_NAME is not set")?;
    let mut out = std::io::stdout().lock();
    let (mut calls, mut differing) = (0_u64, 0_u64);
    let hours = range.hours(clock::now())?;
    for hour in &hours {
        let (of_hour, differences) = differences(&exporter, bucket, *hour).await?;
        calls += of_hour;
        for difference in &differences {
            writeln!(out, "{hour}  {difference}")?;
        }
        differing += u64::from(!differences.is_empty());
    }
    let strangers = strangers(bucket, &hours).await?;
    for key in &strangers {
        writeln!(out, "{key}  is no file of any hour: remove it")?;
    }
    writeln!(out, "{} hours, {calls} calls, {differing} hours differ", hours.len())?;
    ensure!(differing == 0, "{differing} hours differ; those that are marked are written soon");
    ensure!(strangers.is_empty(), "{} objects are no files of any hour", strangers.len());
    Ok(())
}

/// Objects of these hours' days that are no hour's file: whoever reads a folder reads them, too.
async fn strangers(bucket: &AnalyticsBucket, hours: &[Hour]) -> anyhow::Result<Vec<String>> {
    let days: BTreeSet<_> = hours.iter().map(|hour| hour.date()).collect();
    let mut strangers = Vec::new();
    for day in days {
        let of_day = (0..24).filter_map(|hour| format!("{day}T{hour:02}").parse::<Hour>().ok());
        let ours: BTreeSet<_> =
            of_day.flat_map(|hour| DATA_SETS.map(|set| keys::analytics_key(set.name, hour))).collect();
        for set in DATA_SETS {
            let there = bucket.keys_in(&format!("{}/day={day}/", set.name)).await;
            let there = there.context("the bucket can't be read")?;
            strangers.extend(there.into_iter().filter(|key| !ours.contains(key)));
        }
    }
    Ok(strangers)
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
    let made = made.map(rows).transpose().context("a file that was just made can't be read")?;
    match stored.map(rows).transpose() {
        Ok(stored) => Ok(unlike(set, stored.unwrap_or_default(), made.unwrap_or_default())),
        Err(error) => Ok(vec![format!("{set}  is no Parquet file: {error}")]),
    }
}

/// What differs between the rows of a file and those that it ought to have.
fn unlike(set: &str, stored: Vec<Row>, made: Vec<Row>) -> Vec<String> {
    let mut told = Vec::new();
    let (mut found, mut repeated) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
    for row in stored {
        match found.entry(name(&row)) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(place) => *repeated.entry(place.key().clone()).or_insert(1) += 1,
        }
    }
    for row in made {
        let name = name(&row);
        match found.remove(&name) {
            None => told.push(format!("{set}  {name}  is stored, and in no row")),
            Some(other) if other != row => {
                told.push(format!("{set}  {name}  differs in {}", differing(set, &other, &row)));
            }
            Some(_) => {}
        }
    }
    told.extend(repeated.iter().map(|(name, times)| format!("{set}  {name}  is in {times} rows")));
    told.extend(found.keys().map(|name| format!("{set}  {name}  is in a row, and not stored")));
    if told.is_empty() {
        told.push(format!("{set}  has the same rows in other bytes"));
    }
    let more = told.len().saturating_sub(MAX_TOLD);
    told.truncate(MAX_TOLD);
    told.extend((more > 0).then(|| format!("{set}  and {more} more")));
    told
}

/// In which columns a row differs from what it ought to be: amounts, numbers and times with both values. Texts may be anybody's.
fn differing(set: &str, stored: &Row, made: &Row) -> String {
    let is_shown = |name: &str| {
        let columns = DATA_SETS.iter().filter(|known| known.name == set).flat_map(|set| set.columns);
        let kind = columns.filter(|column| column.name == name).map(|column| column.kind).next();
        matches!(kind, Some(Kind::Number | Kind::Flag | Kind::Time | Kind::Date | Kind::Amount))
    };
    let value = |row: &Row, name: &str| match row.get(name) {
        None => "no column".to_owned(),
        Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let names: BTreeSet<_> = stored.keys().chain(made.keys()).collect();
    let differing = names.into_iter().filter(|name| stored.get(*name) != made.get(*name));
    let differing = differing.map(|name| match is_shown(name) {
        true => format!("{name} (stored {}, in the row {})", value(made, name), value(stored, name)),
        false => name.clone(),
    });
    differing.collect::<Vec<_>>().join(", ")
}

/// By what a row is known.
fn name(row: &Row) -> String {
    let known = ["provider", "call_id", "turn", "slot"];
    let parts = known.iter().filter_map(|column| row.get(*column)).filter(|value| !value.is_null());
    let parts: Vec<_> =
        parts.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(call: &str, cost: &str) -> Row {
        let row = json!({"provider": "laaffic", "call_id": call, "cost_amount": cost, "callee": format!("{call}00")});
        row.as_object().unwrap().clone()
    }

    #[test]
    fn every_way_in_which_rows_differ_is_told() {
        let ought = || vec![row("1", "0.1"), row("2", "0.2"), row("3", "0.3")];
        let told = |stored: Vec<Row>| unlike("calls", stored, ought());
        assert_eq!(told(ought()), ["calls  has the same rows in other bytes"]);
        assert_eq!(told(ought().split_off(1)), ["calls  laaffic/1  is stored, and in no row"]);
        assert_eq!(
            told([ought(), ought(), vec![row("2", "0.2")]].concat()),
            [
                "calls  laaffic/1  is in 2 rows",
                "calls  laaffic/2  is in 3 rows",
                "calls  laaffic/3  is in 2 rows",
            ]
        );
        assert_eq!(
            told([ought(), vec![row("4", "0")]].concat()),
            ["calls  laaffic/4  is in a row, and not stored"]
        );
        let mut changed = ought();
        changed[1] = row("2", "0.20");
        changed[1]["callee"] = "elsewhere".into();
        changed[2].remove("cost_amount");
        assert_eq!(
            told(changed),
            [
                "calls  laaffic/2  differs in callee, cost_amount (stored 0.2, in the row 0.20)",
                "calls  laaffic/3  differs in cost_amount (stored 0.3, in the row no column)",
            ]
        );
        let nothing = unlike("calls", Vec::new(), (0..30).map(|call| row(&call.to_string(), "1")).collect());
        assert_eq!((nothing.len(), nothing.last().unwrap().as_str()), (21, "calls  and 10 more"));
    }

    #[test]
    fn what_is_no_parquet_file_is_told_as_such() {
        let told = compare("calls", Some(b"PAR1 no more".to_vec()), None).unwrap();
        assert!(told.len() == 1 && told[0].starts_with("calls  is no Parquet file: "), "{told:?}");
    }

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
