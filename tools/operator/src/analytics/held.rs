//! Which hours hold anything: a call, by the table's index, or an object, by the bucket's list. Most hours of some years hold nothing, and
//! need not be read to know it.

use std::collections::BTreeSet;

use anyhow::Context;
use export_calls::DATA_SETS;
use futures_util::stream::{self, StreamExt};
use runtime::store::Store;
use runtime::store::analytics::{ATHENA_RESULTS, AnalyticsBucket};
use shared::model::Hour;
use shared::record::keys;

use crate::progress::Progress;
use crate::span::DAY_S;

/// How many days of the index are asked at once.
const DAYS_AT_ONCE: usize = 8;

/// What there is.
pub(super) struct Held {
    /// The hours that hold anything, or are about to be written.
    pub(super) hours: BTreeSet<Hour>,
    /// The keys of objects, of whatever day or above them, that are no hour's file: whoever reads a folder may read them, too.
    pub(super) strangers: Vec<String>,
}

/// Looks for what there is from one hour on. Calls are looked for in the days up to `last`; files and marks up to there as well, or as far as
/// there are any where `is_open`.
pub(super) async fn held(
    store: &Store,
    bucket: &AnalyticsBucket,
    (first, last): (Hour, Hour),
    is_open: bool,
) -> anyhow::Result<Held> {
    let (mut hours, mut strangers) = (BTreeSet::new(), Vec::new());
    for key in bucket.keys_in("").await.context("the bucket can't be read")? {
        match hour_of(&key) {
            Some(hour) => drop(hours.insert(hour)),
            None if key.starts_with(ATHENA_RESULTS) => {}
            None => strangers.push(key),
        }
    }
    let marks = store.dirty_hours().await.context("the marks can't be read")?;
    hours.extend(marks.iter().map(|mark| mark.hour));
    hours.retain(|hour| first <= *hour && (is_open || *hour <= last));

    let midnight = Hour::of(first.start().plus_seconds(-3_600 * i64::from(first.of_day())));
    let after = |day: &Hour| Some(Hour::of(day.start().plus_seconds(DAY_S))).filter(|next| next > day);
    let days: Vec<_> = std::iter::successors(Some(midnight), after).take_while(|day| *day <= last).collect();
    let progress = Progress::of("days looked for calls", u64::try_from(days.len()).ok());
    let asked = days.into_iter().map(|day| store.table().hours_with_calls(day.date(), first, last));
    let mut asked = stream::iter(asked).buffer_unordered(DAYS_AT_ONCE);
    while let Some(of_day) = asked.next().await {
        hours.extend(of_day.context("the table can't be read")?);
        progress.step();
    }
    progress.end();
    Ok(Held { hours, strangers })
}

/// The hour whose file a key is, or what is counted of it.
fn hour_of(key: &str) -> Option<Hour> {
    let (day, file) = key.split_once("/day=")?.1.split_once('/')?;
    let of_day = file.split_once('.').map_or(file, |(of_day, _)| of_day);
    let hour = format!("{day}T{of_day}").parse::<Hour>().ok()?;
    let mut ours = DATA_SETS.iter().map(|set| keys::analytics_key(set.name, hour));
    (key == keys::summary_key(hour) || ours.any(|ours| key == ours)).then_some(hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hours_files_are_known_by_their_keys() {
        for (ours, hour) in [
            ("calls/day=2025-06-01/02.parquet", "2025-06-01T02"),
            ("recordings/day=2025-06-01/23.parquet", "2025-06-01T23"),
            ("summaries/day=2025-06-01/00.json", "2025-06-01T00"),
        ] {
            assert_eq!(hour_of(ours), Some(hour.parse().unwrap()), "{ours}");
        }
        for stranger in [
            "calls/day=2025-06-01/24.parquet",
            "calls/day=2025-06-31/02.parquet",
            "calls/day=2025-06-01/02.json",
            "calls/day=2025-06-01/2.parquet",
            "calls/day=2025-06-01/02.parquet.gz",
            "calls/day=2025-06-01/a/02.parquet",
            "calls/02.parquet",
            "others/day=2025-06-01/02.parquet",
            "summaries/day=2025-06-01/02.parquet",
            "calls/day=",
            "stray.txt",
            "",
        ] {
            assert_eq!(hour_of(stranger), None, "{stranger}");
        }
    }
}
