//! What somebody may have meant who asks for the calls of a task by what is no task's id: its name, or a number.

use jiff::ToSpan;
use readers::filter::problem;
use readers::{Answer, Problem, counts};
use shared::access::Permission;
use shared::masking::Hidden;
use shared::model::Provider;
use shared::reading::{CallFilter, DayRange, Ties};

use crate::cookie::SOUGHT;
use crate::pages::task_names;
use crate::route::Form;
use crate::{Asked, see};

/// How many days are looked through for tasks of a name, the last of those that are asked for.
const DAYS_OF_NAMES: i64 = 7;
/// The most tasks of a name that are shown.
const MAX_NAMED: usize = 20;

/// What somebody may have meant who asked for the calls of a task that there is not.
pub(crate) enum Instead {
    /// Another page.
    Elsewhere(Answer),
    /// Tasks that people gave such a name, each with the way to it.
    Tasks(Vec<(String, String)>),
}

/// Whether there is a task of this id, whatever else is asked for.
pub(crate) async fn is_a_task(asked: &Asked<'_>, filter: &CallFilter, task: &str) -> Result<bool, Problem> {
    let hides_numbers = filter.hides_numbers;
    let of_task = CallFilter { task: Some(task.to_owned()), hides_numbers, ..CallFilter::default() };
    let page = asked.visit.reader.store.list_calls(&of_task, None, 1, &|_| None, &Ties::by_key()).await;
    page.map(|page| !page.calls.is_empty() || page.next.is_some()).map_err(problem)
}

/// A number is looked for elsewhere, where it stands in no address; a name leads to the task that has it.
pub(crate) async fn instead_of_task(
    asked: &Asked<'_>,
    filter: &CallFilter,
    task: &str,
) -> Result<Instead, Problem> {
    if asked.may(Permission::SeeNumbers) && Hidden::default().is_told_by(task) {
        return Ok(Instead::Elsewhere(asked.forgotten(see("/calls/found".to_owned()), &SOUGHT)));
    }
    let tasks = tasks_named(asked, filter, task).await?;
    let filters = asked.filters.clone().without(&["cursor", "after", "task", "provider"]);
    let ways = tasks.into_iter().filter_map(|(provider, id, name, tells_a_number)| {
        // An id that tells a number stands in no address: such a task has its page alone, for whoever may see it.
        let way = match tells_a_number {
            true => asked.frame.task_path(provider, &id, true)?,
            false => filters.clone().with("provider", provider.as_str()).with("task", &id).at("/calls"),
        };
        Some((name, way))
    });
    let mut ways: Vec<_> = ways.take(MAX_NAMED).collect();
    match (ways.len(), asked.found.form) {
        (1, Form::Html) => Ok(Instead::Elsewhere(see(ways.remove(0).1))),
        _ => Ok(Instead::Tasks(ways)),
    }
}

/// The tasks with calls on the days that are asked for whose names have these words, and whether their ids tell a number.
async fn tasks_named(
    asked: &Asked<'_>,
    filter: &CallFilter,
    words: &str,
) -> Result<Vec<(Provider, String, String, bool)>, Problem> {
    let store = &asked.visit.reader.store;
    let today = asked.frame.zone.date(asked.frame.now);
    let last = filter.days.as_ref().map_or(today, |days| days.last());
    let week = last.checked_sub((DAYS_OF_NAMES - 1).days()).unwrap_or(last);
    let first = filter.days.as_ref().map_or(week, |days| days.first().max(week));
    let Ok(days) = DayRange::new(first, last) else { return Ok(Vec::new()) };
    let counted = store.tasks_of_day(filter.provider, days, &asked.frame.zone).await.map_err(problem)?;
    let ids = counted.counts.iter().filter_map(|task| Some((task.provider, task.task_id.clone()?)));
    let names = task_names(asked, ids.collect::<Vec<_>>()).await?;
    let words = words.trim().to_lowercase();
    let tasks = counted.counts.into_iter().filter_map(|task| {
        let id = task.task_id?;
        let name = names.get(&(task.provider, id.clone()))?;
        let tells = counts::tells_a_number(&id, &task.counts);
        name.to_lowercase().contains(&words).then(|| (task.provider, id, name.clone(), tells))
    });
    let mut tasks: Vec<_> = tasks.collect();
    // Of names that only begin with the words of another, that one is meant.
    if tasks.iter().any(|(_, _, name, _)| name.to_lowercase() == words) {
        tasks.retain(|(_, _, name, _)| name.to_lowercase() == words);
    }
    Ok(tasks)
}
