//! Reading the platform's own lists for calls that the table does not have, or not all of: a push is dropped for good after
//! its third retry, sixteen minutes after the first try.
//!
//! Every half hour each task's list of completed and of failed calls is read from where the last reading ended, a little
//! earlier to be sure: a call is listed under the time at which it began, once it has ended. A task whose own counts of its
//! calls have come to rest is not read any more until they change.
//!
//! A call that is due anyway is left to [`crate::due`]. Which tasks there are, the platform says; those that it doesn't list
//! are read where one of their calls was due, or their mark is young.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use runtime::outbound::alibaba::{CallDetail, DetailIds, DetailPageQuery, DetailStatus, Page, Task};
use runtime::store::marks::{Mark, Marks};
use shared::model::{CallFacts, CallId, CallKey, Instant, Provider};
use shared::record::item;
use shared::record::merge::Record;
use shared::record::missing::Missing;

use crate::asking::{Asked, CONCURRENCY, Reason, Run, RunError};

/// How long a push may still come after its call began, in seconds: what is younger is not missing yet.
const PUSHES_MAY_COME_S: i64 = 20 * 60;
/// How much time lies between two readings, in seconds.
const STEP_S: i64 = 30 * 60;
/// How far a reading goes back behind the last one, in seconds.
const OVERLAP_S: i64 = 60 * 60;
/// How many entries a page has, the most that the platform is known to allow.
const PAGE_SIZE: u32 = 100;
/// A window of time that holds more calls than this is divided, so that its mark is set before the run ends.
const MAX_WINDOW_CALLS: i64 = 1_000;
/// The shortest window that is divided, in seconds.
const MIN_WINDOW_S: i64 = 60;
/// How many pages of tasks are read at most.
const MAX_TASK_PAGES: u32 = 1_000;
/// The longest task id that fits a mark's key, in bytes.
const MAX_TASK_ID_BYTES: usize = 512;

/// A task whose list is to be read.
#[derive(Debug)]
struct Unread {
    task_id: String,
    counts: Option<String>,
    mark: Option<Mark>,
}

/// Reads all lists, unless that was done a short while ago. What the deadline cuts off is read by the next run.
pub(crate) async fn reconcile(run: &Run<'_>, due_tasks: &BTreeSet<String>) -> Result<(), RunError> {
    if run.config.reconcile_days == 0 || run.is_over() {
        return Ok(());
    }
    let until = run.now.plus_seconds(-PUSHES_MAY_COME_S);
    let marks = run.store.table().marks(Provider::Alicom).await?;
    if marks.all.is_some_and(|all| until.seconds_since(all) < STEP_S) {
        return Ok(());
    }
    let Some(listed) = list_tasks(run).await else { return Ok(()) };
    let mut complete = true;
    for task in unread_tasks(run, listed, due_tasks, marks, until) {
        complete &= !run.is_over() && read_task(run, task, until).await?;
    }
    if complete {
        run.store.table().mark_all(Provider::Alicom, until).await?;
    }
    Ok(())
}

/// All tasks that the platform lists, with their counts; `None` where it can't say now.
async fn list_tasks(run: &Run<'_>) -> Option<BTreeMap<String, Option<String>>> {
    let mut tasks = BTreeMap::new();
    for page_no in 1..=MAX_TASK_PAGES {
        let asked = Page { number: page_no, size: PAGE_SIZE };
        let page = match run.alibaba.query_ai_call_task_page(asked, run.deadline).await {
            Ok(page) => page,
            Err(error) => {
                run.judge(&error);
                return None;
            }
        };
        let last = is_last(page_no, page.list.len(), page.total);
        for task in page.list {
            // A task that made no call has none to list.
            if task.total_call_count != Some(0) {
                let counts = counts(&task);
                tasks.extend(task.task_id.map(|task_id| (task_id, counts)));
            }
        }
        if last {
            break;
        }
    }
    Some(tasks)
}

/// What a task counts of its calls, as one text; `None` where it counts nothing.
fn counts(task: &Task) -> Option<String> {
    let counts = [task.total_call_count, task.succeed_count, task.failed_count];
    let texts = counts.map(|count| count.map_or_else(String::new, |count| count.to_string()));
    counts.iter().any(Option::is_some).then(|| texts.join("/"))
}

fn is_last(page_no: u32, entries: usize, total: Option<i64>) -> bool {
    let read = i64::from(page_no) * i64::from(PAGE_SIZE);
    entries < PAGE_SIZE as usize || total.is_some_and(|total| read >= total)
}

/// The tasks whose lists may hold calls that were not read yet.
fn unread_tasks(
    run: &Run<'_>,
    listed: BTreeMap<String, Option<String>>,
    due_tasks: &BTreeSet<String>,
    mut marks: Marks,
    until: Instant,
) -> Vec<Unread> {
    let oldest = oldest(run);
    let is_young = |mark: &Mark| mark.last_call_at.is_some_and(|last_call_at| last_call_at >= oldest);
    let young = marks.tasks.iter().filter(|(_, mark)| is_young(mark)).map(|(task_id, _)| task_id);
    let mut tasks: BTreeMap<String, Option<String>> =
        young.chain(due_tasks).map(|task_id| (task_id.clone(), None)).collect();
    tasks.extend(listed);
    tasks
        .into_iter()
        .filter(|(task_id, _)| task_id.len() <= MAX_TASK_ID_BYTES)
        .map(|(task_id, counts)| Unread { mark: marks.tasks.remove(&task_id), task_id, counts })
        .filter(|task| {
            task.mark.as_ref().is_none_or(|mark| {
                // Read already by a run that was cut off later on, or at rest.
                let read = until.seconds_since(mark.until) < STEP_S;
                let at_rest = task.counts.is_some()
                    && task.counts == mark.counts
                    && mark.until.seconds_since(mark.changed_at) >= OVERLAP_S;
                !read && !at_rest
            })
        })
        .collect()
}

fn oldest(run: &Run<'_>) -> Instant {
    run.now.plus_seconds(-i64::from(run.config.reconcile_days) * 86_400)
}

/// How the reading of a window of time ended.
enum Read {
    /// Every call in it was found to be stored, or is now.
    Done {
        /// When the last of them was made.
        last_call_at: Option<Instant>,
    },
    /// There is too much in it.
    TooMuch,
    /// It could not be finished now.
    CutOff,
    /// The platform does not answer for this task.
    Refused,
}

/// Reads a task's list, window by window, the oldest first. False where it could not be finished now.
async fn read_task(run: &Run<'_>, task: Unread, until: Instant) -> Result<bool, RunError> {
    let Unread { task_id, counts, mark } = task;
    let mut from = oldest(run);
    let mut mark = match mark {
        Some(mark) => {
            from = from.max(mark.until.plus_seconds(-OVERLAP_S));
            let changed_at = if mark.counts == counts { mark.changed_at } else { run.now };
            Mark { counts, changed_at, ..mark }
        }
        None => Mark { until: from, counts, changed_at: run.now, last_call_at: None },
    };
    let mut width_s = until.seconds_since(from);
    while from < until {
        let end = from.plus_seconds(width_s.max(1)).min(until);
        match read_window(run, &task_id, from, end).await? {
            Read::Done { last_call_at } => {
                mark.until = end;
                mark.last_call_at = mark.last_call_at.max(last_call_at);
                run.store.table().mark(Provider::Alicom, &task_id, &mark).await?;
                from = end;
                width_s *= 2;
            }
            Read::TooMuch => width_s /= 2,
            Read::CutOff => return Ok(false),
            Read::Refused => return Ok(true),
        }
    }
    Ok(true)
}

async fn read_window(run: &Run<'_>, task_id: &str, from: Instant, to: Instant) -> Result<Read, RunError> {
    let divisible = to.seconds_since(from) > MIN_WINDOW_S;
    let mut last_call_at = None;
    for status in [DetailStatus::Completed, DetailStatus::Failed] {
        let query = DetailPageQuery { task_id: task_id.to_owned(), status, from, until: to };
        for page_no in 1.. {
            let asked = Page { number: page_no, size: PAGE_SIZE };
            let page = match run.alibaba.query_ai_call_detail_page(&query, asked, run.deadline).await {
                Ok(page) => page,
                Err(error) if run.judge(&error) == Asked::NotNow => return Ok(Read::CutOff),
                Err(_) => return Ok(Read::Refused),
            };
            if divisible && page.total.is_some_and(|total| total > MAX_WINDOW_CALLS) {
                return Ok(Read::TooMuch);
            }
            let made_at = |call: &CallDetail| call.calling_time.and_then(Instant::from_epoch_millis);
            last_call_at = last_call_at.max(page.list.iter().filter_map(made_at).max());
            let last = is_last(page_no, page.list.len(), page.total);
            if !store_missing_calls(run, task_id, page.list).await? {
                return Ok(Read::CutOff);
            }
            if last {
                break;
            }
        }
    }
    Ok(Read::Done { last_call_at })
}

/// Asks for those calls of a page that are missing. False where not all could be asked for now.
async fn store_missing_calls(run: &Run<'_>, task_id: &str, page: Vec<CallDetail>) -> Result<bool, RunError> {
    // An entry without a call's id was never called.
    let listed: BTreeMap<CallKey, DetailIds> = page
        .into_iter()
        .filter_map(|entry| {
            let key = CallKey { provider: Provider::Alicom, call_id: CallId::new(entry.call_id?)? };
            let task_id = entry.task_id.unwrap_or_else(|| task_id.to_owned());
            Some((key, DetailIds { task_id, batch_id: entry.batch_id?, detail_id: entry.detail_id? }))
        })
        .collect();
    let keys: Vec<_> = listed.keys().cloned().collect();
    let stored = run.store.calls(&keys).await?;
    let missing: Vec<_> =
        listed.into_iter().filter(|(key, _)| is_missing(run, key, stored.get(key))).collect();
    let asked = stream::iter(missing).map(async |(_, ids)| {
        let asked = run.ask(&ids, Reason::Reconciliation, run.deadline).await;
        if matches!(asked, Asked::Told(_)) {
            let mut tally = run.tally();
            tally.summary.fetched += 1;
            tally.summary.reconciled += 1;
        }
        asked
    });
    let asked: Vec<Asked> = asked.buffer_unordered(CONCURRENCY).collect().await;
    Ok(!asked.contains(&Asked::NotNow))
}

/// Whether a call has to be asked for that the platform lists. One that is due is asked for when its time comes, unless it
/// isn't known by which ids; one that was asked for until its recording could be no more is not asked for again.
fn is_missing(run: &Run<'_>, key: &CallKey, stored: Option<&Record>) -> bool {
    let Some(call) = stored else { return true };
    let known_ids = item::typed::<CallFacts>(call.facts.clone()).ok().as_ref().and_then(DetailIds::of);
    let pursued = call.inquiry.asked > 0 || run.store.ask_at(key, call).is_some();
    !Missing::of(call).is_nothing() && (known_ids.is_none() || !pursued)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_is_known_by_its_length_or_by_the_total() {
        for (page_no, entries, total, last) in [
            (1, 0, None, true),
            (1, 100, None, false),
            (1, 99, None, true),
            (1, 100, Some(100), true),
            (1, 100, Some(101), false),
            (2, 100, Some(200), true),
            (2, 1, Some(101), true),
        ] {
            assert_eq!(is_last(page_no, entries, total), last, "{page_no} {entries} {total:?}");
        }
    }

    #[test]
    fn a_task_that_counts_nothing_is_never_at_rest() {
        assert_eq!(counts(&Task::default()), None);
        let task = Task { total_call_count: Some(7), failed_count: Some(0), ..Task::default() };
        assert_eq!(counts(&task).as_deref(), Some("7//0"));
    }
}
