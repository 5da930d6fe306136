//! What is counted of a task's calls, and of the tasks of a day.

use std::collections::BTreeMap;

use super::ReadError;
use super::calls::{CallPage, ListedRecord, MAX_PAGE};
use crate::store::Store;
use shared::model::Provider;
use shared::reading::{CallFilter, DayRange, Order, TaskCounts, Zone};

/// So many calls are counted exactly.
pub const MAX_COUNTED: u64 = 20_000;

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<T> {
    /// The counts.
    pub counts: T,
    /// Whether all calls are in them. Where there are more than [`MAX_COUNTED`], only the newest are, and where one can't be read, that one is
    /// not.
    pub complete: bool,
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

impl Store {
    /// Counts a task's calls. Hours are those of `zone`.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails.
    pub async fn count_task(
        &self,
        provider: Provider,
        task: &str,
        zone: &Zone,
    ) -> Result<Counted<TaskCounts>, ReadError> {
        let filter =
            CallFilter { provider: Some(provider), task: Some(task.to_owned()), ..CallFilter::default() };
        let mut counts = TaskCounts::new(zone.clone());
        let complete = self
            .each_call(&filter, |ListedRecord { key, call_at, record, .. }| {
                counts.add(&key, call_at, &record);
            })
            .await?;
        Ok(Counted { counts, complete })
    }

    /// Counts the calls of days by task: those of a platform, or of all.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails.
    pub async fn tasks_of_day(
        &self,
        provider: Option<Provider>,
        days: DayRange,
        zone: &Zone,
    ) -> Result<Counted<Vec<TaskOfDay>>, ReadError> {
        let filter = CallFilter { provider, days: Some(days), zone: zone.clone(), ..CallFilter::default() };
        let mut tasks: BTreeMap<(Provider, Option<String>), TaskCounts> = BTreeMap::new();
        let complete = self
            .each_call(&filter, |ListedRecord { key, call_at, record, .. }| {
                let task_id = record.facts.get("task_id").and_then(|task| task.as_str()).map(str::to_owned);
                let counts = tasks.entry((key.provider, task_id));
                counts.or_insert_with(|| TaskCounts::new(zone.clone())).add(&key, call_at, &record);
            })
            .await?;
        let tasks = tasks.into_iter();
        let tasks = tasks.map(|((provider, task_id), counts)| TaskOfDay { provider, task_id, counts });
        Ok(Counted { counts: tasks.collect(), complete })
    }

    /// Hands out the calls of a filter, the newest first, [`MAX_COUNTED`] of them. Whether these were all.
    async fn each_call(
        &self,
        filter: &CallFilter,
        mut count: impl FnMut(ListedRecord),
    ) -> Result<bool, ReadError> {
        debug_assert_eq!(filter.order, Order::Descending);
        let (mut counted, mut unreadable, mut cursor) = (0, 0, None);
        loop {
            let left = usize::try_from(MAX_COUNTED - counted).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let page = self.list_calls(filter, cursor.as_ref(), left, &|_| None).await?;
            let CallPage { calls, next, unreadable: more, .. } = page;
            counted += calls.len() as u64;
            unreadable += more;
            calls.into_iter().for_each(&mut count);
            match next {
                None => return Ok(unreadable == 0),
                Some(_) if counted >= MAX_COUNTED => return Ok(false),
                next => cursor = next,
            }
        }
    }
}
