//! What is counted of a task's calls, and of the tasks of a day.
//!
//! Where analytics' files are written, each hour's calls are counted already ([`HourSummary`]): what was counted of clean hours is added up,
//! and only the calls of dirty hours are read. So counting costs the same for a thousand calls and a million. Without that bucket, and of
//! hours that were never counted, calls are read: [`MAX_COUNTED`] of them at most.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::ReadError;
use super::calls::{CallPage, ListedRecord, MAX_PAGE};
use crate::clock;
use crate::store::Store;
use crate::store::analytics::AnalyticsBucket;
use shared::model::{Hour, Instant, Provider};
use shared::reading::{CallFilter, DayRange, HourSummary, Order, Plan, Span, TaskCounts, Ties, Zone};
use shared::record::keys::{self, TASK_INDEX};

/// So many calls are counted exactly that were not counted before.
pub const MAX_COUNTED: u64 = 20_000;
/// So many hours of a task are looked at: two years of which each hour had calls.
const MAX_HOURS: usize = 2 * 366 * 24;
/// How many summaries are read at once.
const AT_ONCE: usize = 16;

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<T> {
    /// The counts.
    pub counts: T,
    /// Whether all calls are in them. Where more than [`MAX_COUNTED`] had to be read, only the newest are, and where one can't be read,
    /// that one is not.
    pub complete: bool,
    /// Of what time the counts are: of now, unless an hour has too many calls that changed since it was counted.
    pub as_of: Instant,
}

/// A task of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskOfDay {
    /// Its platform.
    pub provider: Provider,
    /// Its id; `None` for the calls that are of no task.
    pub task_id: Option<String>,
    /// What is counted of its calls in that day.
    pub counts: TaskCounts,
}

/// The tasks of a day, by platform and id.
type Tasks = BTreeMap<(Provider, Option<String>), TaskCounts>;

impl Store {
    /// Counts a task's calls. Hours are those of `zone`.
    ///
    /// # Errors
    /// [`ReadError`], when a store fails.
    pub async fn count_task(
        &self,
        provider: Provider,
        task: &str,
        zone: &Zone,
    ) -> Result<Counted<TaskCounts>, ReadError> {
        let filter =
            CallFilter { provider: Some(provider), task: Some(task.to_owned()), ..CallFilter::default() };
        let mut counts = TaskCounts::new(zone.clone());
        let mut counting = Counting::begin(self, &filter).await?;
        let (hours, is_all) = match counting.analytics {
            Some(_) => self.hours_of_task(&keys::task_key(provider, task)).await?,
            None => (Vec::new(), true),
        };
        counting.complete &= is_all;
        let spans: Vec<_> = match counting.analytics {
            Some(_) => hours.iter().filter_map(|hour| Span::new(hour.start(), hour.last())).collect(),
            None => vec![Span::all()],
        };
        counting
            .count(
                spans,
                &mut counts,
                |counts, summary| {
                    summary.task(provider, task).into_iter().for_each(|of| counts.add_hour(summary.hour, of));
                },
                |counts, ListedRecord { key, call_at, record, .. }| counts.add(&key, call_at, &record),
                || TaskCounts::new(zone.clone()),
                |counts, live| counts.merge(&live),
            )
            .await?;
        Ok(Counted { counts, complete: counting.complete, as_of: counting.as_of })
    }

    /// Counts the calls of days by task: those of a platform, or of all.
    ///
    /// # Errors
    /// [`ReadError`], when a store fails.
    pub async fn tasks_of_day(
        &self,
        provider: Option<Provider>,
        days: DayRange,
        zone: &Zone,
    ) -> Result<Counted<Vec<TaskOfDay>>, ReadError> {
        let filter = CallFilter { provider, days: Some(days), zone: zone.clone(), ..CallFilter::default() };
        let mut tasks = Tasks::new();
        let mut counting = Counting::begin(self, &filter).await?;
        let spans = match (counting.analytics, days.span(zone)) {
            (_, None) => Vec::new(),
            (None, Some(span)) => vec![span],
            (Some(_), Some(span)) => hours_of(span),
        };
        let new = || TaskCounts::new(zone.clone());
        counting
            .count(
                spans,
                &mut tasks,
                |tasks, summary| {
                    for (of, task_id, counts) in
                        summary.tasks().filter(|(of, ..)| provider.is_none_or(|asked| asked == *of))
                    {
                        let task = tasks.entry((of, task_id.map(str::to_owned))).or_insert_with(new);
                        task.add_hour(summary.hour, counts);
                    }
                },
                |tasks, ListedRecord { key, call_at, record, .. }| {
                    let task_id =
                        record.facts.get("task_id").and_then(|task| task.as_str()).map(str::to_owned);
                    let counts = tasks.entry((key.provider, task_id)).or_insert_with(new);
                    counts.add(&key, call_at, &record);
                },
                Tasks::new,
                |tasks, live| {
                    for (task, counts) in live {
                        tasks.entry(task).or_insert_with(new).merge(&counts);
                    }
                },
            )
            .await?;
        let tasks = tasks.into_iter();
        let tasks = tasks.map(|((provider, task_id), counts)| TaskOfDay { provider, task_id, counts });
        Ok(Counted { counts: tasks.collect(), complete: counting.complete, as_of: counting.as_of })
    }

    /// The hours in which a task has calls, the newest first, and whether these are all. Each costs one small question, however many calls
    /// it has.
    async fn hours_of_task(&self, task_key: &str) -> Result<(Vec<Hour>, bool), ReadError> {
        let (mut hours, mut rest) = (Vec::new(), Some(Span::all()));
        while let Some(span) = rest {
            if hours.len() == MAX_HOURS {
                return Ok((hours, false));
            }
            let order = Order::Descending;
            let Some(newest) = self.table.first_entry(TASK_INDEX, task_key, order, span).await? else {
                break;
            };
            let hour = Hour::of(newest.at);
            hours.push(hour);
            rest = span.behind(hour.start(), order);
        }
        Ok((hours, true))
    }
}

/// The hours of a time, the newest first; the first and the last may be parts of hours.
fn hours_of(span: Span) -> Vec<Span> {
    let (mut hours, mut rest) = (Vec::new(), Some(span));
    while let Some(span) = rest {
        let hour = Hour::of(span.last());
        hours.extend(Span::new(hour.start(), hour.last()).and_then(|hour| hour.and(span)));
        rest = span.behind(hour.start(), Order::Descending);
    }
    hours
}

/// Counting, while it goes on.
struct Counting<'a> {
    store: &'a Store,
    filter: &'a CallFilter,
    analytics: Option<&'a AnalyticsBucket>,
    dirty: BTreeSet<Hour>,
    /// So many calls may be read still.
    left: u64,
    complete: bool,
    as_of: Instant,
}

/// What is known of an hour, or of a part of it, before its calls are read.
struct Known {
    span: Span,
    /// What was counted of it, and when.
    summary: Option<(HourSummary, Option<Instant>)>,
    /// Whether that is true still.
    is_clean: bool,
}

impl<'a> Counting<'a> {
    async fn begin(store: &'a Store, filter: &'a CallFilter) -> Result<Self, ReadError> {
        debug_assert_eq!(filter.order, Order::Descending);
        let (analytics, as_of) = (store.analytics(), clock::now());
        let dirty = match analytics {
            Some(_) => store.dirty_hours().await?.into_iter().map(|mark| mark.hour).collect(),
            None => BTreeSet::new(),
        };
        Ok(Self { store, filter, analytics, dirty, left: MAX_COUNTED, complete: true, as_of })
    }

    /// Counts all calls of these times, the newest first: adds what was counted before, and what is counted `live` by `add`.
    async fn count<T>(
        &mut self,
        spans: Vec<Span>,
        counts: &mut T,
        add_summary: impl Fn(&mut T, &HourSummary),
        add: impl Fn(&mut T, ListedRecord),
        new: impl Fn() -> T,
        merge: impl Fn(&mut T, T),
    ) -> Result<(), ReadError> {
        let (analytics, dirty) = (self.analytics, &self.dirty);
        let known = stream::iter(spans).map(async |span| {
            let hour = Hour::of(span.first());
            let is_an_hour = span.first() == hour.start() && span.last() == hour.last();
            let summary = match analytics.filter(|_| is_an_hour) {
                Some(analytics) => analytics.summary(hour).await?,
                None => None,
            };
            let summary = summary.filter(|(summary, _)| summary.is_whole);
            let is_clean = summary.is_some() && !dirty.contains(&hour);
            Ok::<_, ReadError>(Known { span, summary, is_clean })
        });
        let known: Vec<_> = known.buffered(AT_ONCE).try_collect().await?;
        for Known { span, summary, is_clean } in known {
            let live = match (&summary, is_clean) {
                (Some(_), true) => None,
                // It would not be read to its end.
                (Some((summary, _)), false) if summary.calls > self.left => None,
                _ => {
                    let (mut live, was_complete) = (new(), self.complete);
                    let is_all = self.each_call(span, |call| add(&mut live, call)).await?;
                    if !is_all && summary.is_some() {
                        // What was counted before is older, and whole.
                        self.complete = was_complete;
                    }
                    (is_all || summary.is_none()).then_some(live)
                }
            };
            match (live, summary) {
                (Some(live), _) => merge(counts, live),
                (None, Some((summary, written_at))) => {
                    add_summary(counts, &summary);
                    self.complete &= summary.unreadable == 0;
                    if !is_clean {
                        self.as_of = self.as_of.min(written_at.unwrap_or(self.as_of));
                    }
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Hands out the calls of a time, the newest first, as many as may be read still. Whether these were all; where they were not, what is
    /// counted is not complete, unless it was counted before.
    async fn each_call(
        &mut self,
        span: Span,
        mut count: impl FnMut(ListedRecord),
    ) -> Result<bool, ReadError> {
        let plan = Plan::of(self.filter, clock::now(), None).within(span);
        let by = (&plan, &Ties::by_key());
        let mut cursor = None;
        loop {
            if self.left == 0 {
                let more = self.store.list_planned(by, self.filter, cursor.as_ref(), 1, &|_| None).await?;
                let is_all = more.calls.is_empty() && more.next.is_none();
                self.complete &= is_all;
                return Ok(is_all);
            }
            let limit = usize::try_from(self.left).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let page = self.store.list_planned(by, self.filter, cursor.as_ref(), limit, &|_| None).await?;
            let CallPage { calls, next, unreadable, .. } = page;
            self.left -= calls.len() as u64;
            self.complete &= unreadable == 0;
            calls.into_iter().for_each(&mut count);
            match next {
                None => return Ok(true),
                next => cursor = next,
            }
        }
    }
}
