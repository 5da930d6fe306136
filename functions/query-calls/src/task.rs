//! Tasks: what is counted of their calls.

use readers::counts::{hidden_last, shown};
use readers::file::unless_small;
use readers::filter::{problem, told_by_id};
use readers::request::json_bytes;
use readers::{Answer, Problem, parameter as of};
use runtime::store::reading::TaskOfDay;
use serde_json::{Value, json};
use shared::access::What;
use shared::masking::Hidden;
use shared::model::Provider;
use shared::reading::DayRange;

use crate::Asked;

/// What is counted of all calls of a task.
pub(crate) async fn answer(asked: &Asked<'_>, provider: Provider, task: &str) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let zone = asked.query.get(&of::ZONE)?.unwrap_or_default();
    // What is hidden can't be tried.
    if !asked.visit.sees_numbers() && Hidden::default().is_told_by(task) {
        return Err(Problem::NoSuchTask);
    }
    let counted = asked.visit.reader.store.count_task(provider, task, &zone).await.map_err(problem)?;
    let is_hidden = counted.counts.tells_callee && !asked.visit.sees_numbers();
    if is_hidden {
        return Err(Problem::NoSuchTask);
    }
    // A search by a number is recorded whatever it finds.
    let told = told_by_id(&asked.visit, task);
    if asked.visit.sees_numbers() && (counted.counts.calls > 0 || !told.is_empty()) {
        asked.visit.record(What::tasks(&told), None).await?;
    }
    if counted.counts.calls == 0 {
        return Err(Problem::NoSuchTask);
    }
    let mut shown = shown(provider, Some(task), &counted.counts, &zone, asked.visit.sees_numbers());
    shown.insert("as_of".to_owned(), json!(counted.as_of));
    shown.insert("complete".to_owned(), counted.complete.into());
    unless_small(
        &asked.visit,
        Answer::of(200, "application/json", json_bytes(&Value::Object(shown))),
        "task.json",
    )
    .await
}

/// The tasks that had calls on a day, with what is counted of these.
pub(crate) async fn of_day(asked: &Asked<'_>) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let zone = asked.query.get(&of::ZONE)?.unwrap_or_default();
    let provider = asked.query.get(&of::PROVIDER)?;
    let today = zone.date(asked.visit.now);
    let day = match asked.query.get(&of::ONE_DAY)? {
        Some(day) => day,
        None => {
            DayRange::new(today, today).map_err(|error| Problem::Unreadable { why: error.to_string() })?
        }
    };
    let counted = asked.visit.reader.store.tasks_of_day(provider, day, &zone).await.map_err(problem)?;
    let mut of_day: Vec<_> = counted.counts.iter().collect();
    // The place among others would tell an id that is hidden.
    if !asked.visit.sees_numbers() {
        let ties = asked.visit.ties().await?;
        of_day.sort_by_cached_key(|task| {
            hidden_last(task.provider, task.task_id.as_deref(), &task.counts, &ties)
        });
    }
    let tasks = of_day.into_iter().map(|TaskOfDay { provider, task_id, counts }| {
        Value::Object(shown(*provider, task_id.as_deref(), counts, &zone, asked.visit.sees_numbers()))
    });
    // Ids, tags and intents may be numbers.
    if asked.visit.sees_numbers() {
        asked.visit.record(What::tasks(&[]), None).await?;
    }
    let body = json!({
        "day": day.to_string(), "zone": zone.name(), "tasks": tasks.collect::<Vec<_>>(),
        "as_of": counted.as_of, "complete": counted.complete,
    });
    unless_small(&asked.visit, Answer::of(200, "application/json", json_bytes(&body)), "tasks.json").await
}
