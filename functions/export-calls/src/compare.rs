//! Once a day: whether the index has as many calls in each hour as the files have, in case a mark was lost.

use runtime::store::Store;
use runtime::store::analytics::AnalyticsBucket;
use runtime::store::reading::ReadError;
use shared::model::{Hour, Instant};

use crate::hour::ExportError;

/// What a day has, in seconds.
const DAY_S: i64 = 24 * 60 * 60;
/// How long after the last time the counts are compared again, in seconds: a day, less a run's interval.
pub(crate) const PAUSE_S: i64 = DAY_S - 10 * 60;

/// Compares the days that end with `now`'s, and marks each hour that has another count. How many were marked.
///
/// # Errors
/// [`ExportError::Read`], [`ExportError::Bucket`].
pub(crate) async fn compare(
    store: &Store,
    bucket: &AnalyticsBucket,
    days: u32,
    now: Instant,
) -> Result<u64, ExportError> {
    let mut marked = 0;
    for back in 0..i64::from(days) {
        let day = now.plus_seconds(-back * DAY_S);
        let counts = store.table().count_by_hour(&day.date()).await.map_err(ReadError::Table)?;
        let midnight = Hour::of(day).start().plus_seconds(-3_600 * i64::from(Hour::of(day).of_day()));
        for (of_day, count) in (0_i64..).zip(counts) {
            let hour = Hour::of(midnight.plus_seconds(3_600 * of_day));
            // What was never written has no calls.
            let written = bucket.summary(hour).await?;
            if written.map_or(0, |(summary, _)| summary.calls + summary.unreadable) != count {
                store.mark_hour(hour, now).await.map_err(ReadError::Table)?;
                marked += 1;
            }
        }
    }
    Ok(marked)
}
