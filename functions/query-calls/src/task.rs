//! Tasks: what is counted of their calls.

use std::collections::BTreeMap;

use runtime::store::reading::TaskOfDay;
use serde_json::{Map, Value, json};
use shared::masking::Hidden;
use shared::model::Provider;
use shared::path_id::escaped;
use shared::reading::{DayRange, Names, TaskCounts, Zone};

use crate::Asked;
use crate::event::Answer;
use crate::list::problem;
use crate::parameter as of;
use crate::problem::Problem;
use crate::request::json_bytes;

/// What is counted of all calls of a task.
pub(crate) async fn answer(asked: &Asked<'_>, provider: Provider, task: &str) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let zone = asked.query.get(&of::ZONE)?.unwrap_or_default();
    let counted = asked.reader.store.count_task(provider, task, &zone).await.map_err(problem)?;
    if counted.counts.calls == 0 {
        return Err(Problem::NoSuchTask);
    }
    let mut shown = shown(asked, provider, Some(task), &counted.counts, &zone);
    shown.insert("as_of".to_owned(), json!(counted.as_of));
    shown.insert("complete".to_owned(), counted.complete.into());
    Ok(Answer::of(200, "application/json", json_bytes(&Value::Object(shown))))
}

/// The tasks that had calls on a day, with what is counted of these.
pub(crate) async fn of_day(asked: &Asked<'_>) -> Result<Answer, Problem> {
    asked.check_accept()?;
    let zone = asked.query.get(&of::ZONE)?.unwrap_or_default();
    let provider = asked.query.get(&of::PROVIDER)?;
    let today = zone.date(asked.now);
    let day = match asked.query.get(&of::ONE_DAY)? {
        Some(day) => day,
        None => {
            DayRange::new(today, today).map_err(|error| Problem::Unreadable { why: error.to_string() })?
        }
    };
    let counted = asked.reader.store.tasks_of_day(provider, day, &zone).await.map_err(problem)?;
    let tasks = counted.counts.iter().map(|TaskOfDay { provider, task_id, counts }| {
        Value::Object(shown(asked, *provider, task_id.as_deref(), counts, &zone))
    });
    let body = json!({
        "day": day.to_string(), "zone": zone.name(), "tasks": tasks.collect::<Vec<_>>(),
        "as_of": counted.as_of, "complete": counted.complete,
    });
    Ok(Answer::of(200, "application/json", json_bytes(&body)))
}

fn shown(
    asked: &Asked<'_>,
    provider: Provider,
    task: Option<&str>,
    counts: &TaskCounts,
    zone: &Zone,
) -> Map<String, Value> {
    let numbers = asked.sees_numbers();
    let cost: BTreeMap<_, _> =
        counts.cost.iter().map(|(currency, sum)| (text(currency, numbers), sum.to_string())).collect();
    let shown = json!({
        "provider": provider.as_str(),
        "task_id": task,
        "href": task.map(|task| format!("/api/tasks/{provider}/{}", escaped(task))),
        "zone": zone.name(),
        "calls": counts.calls,
        "answered": counts.answered,
        "connected": counts.connected,
        "complete_calls": counts.complete,
        "outcomes": counts.outcomes,
        "intents": names(&counts.intents, numbers),
        "tags": names(&counts.tags, numbers),
        "hours": counts.hours,
        "duration_s": {
            "sum": counts.durations.sum_s(),
            "p50": counts.durations.percentile_s(50),
            "p90": counts.durations.percentile_s(90),
        },
        "billed_s": counts.billed_s,
        "cost": cost,
        "costs_left_out": counts.costs_left_out,
        "first_call_at": counts.first_call_at,
        "last_call_at": counts.last_call_at,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// How often each name was met. Names that look alike once numbers are blacked out are one; `…` stands for all that are not told apart.
fn names(names: &Names, numbers: bool) -> BTreeMap<String, u64> {
    let mut shown = BTreeMap::new();
    for (name, count) in names.counts() {
        *shown.entry(text(name, numbers)).or_default() += count;
    }
    if names.others() > 0 {
        *shown.entry("…".to_owned()).or_default() += names.others();
    }
    shown
}

fn text(name: &str, numbers: bool) -> String {
    match numbers {
        true => name.to_owned(),
        false => Hidden::default().in_text(name).into_owned(),
    }
}
