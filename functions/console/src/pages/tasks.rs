//! The tasks of a day.

use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};
use readers::filter::problem;
use readers::parameter as of;
use readers::{Answer, Problem, counts};
use runtime::store::reading::TaskOfDay;
use serde_json::{Value, json};
use shared::masking::Hidden;
use shared::model::Provider;
use shared::reading::DayRange;
use std::collections::HashMap;

use crate::Asked;
use crate::frame::{Frame, Page, Place, brief, grouped, instant, lasted, number, percent, text};
use crate::pages::calls::closed;

/// The day that is asked for; today where none is.
pub(crate) fn day(asked: &Asked<'_>) -> Result<DayRange, Problem> {
    asked.query.check(&[&of::ONE_DAY.described, &of::ZONE.described], Some(asked.visit.actor))?;
    if let Some(day) = asked.query.get(&of::ONE_DAY)? {
        return Ok(day);
    }
    let today = asked.frame.zone.date(asked.frame.now);
    DayRange::new(today, today).map_err(|error| Problem::Unreadable { why: error.to_string() })
}

pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let day = day(asked)?;
    let zone = &asked.frame.zone;
    let store = &asked.visit.reader.store;
    let counted = store.tasks_of_day(None, day, zone).await.map_err(problem)?;
    let ids = counted.counts.iter().filter_map(|task| Some((task.provider, task.task_id.clone()?)));
    let names = store.task_names(ids.collect::<Vec<_>>()).await;
    let names = names.map_err(|error| Problem::unavailable("The table", &error))?;
    let mut rows: Vec<_> = counted.counts.iter().map(|task| row(asked, task, &names)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(number(&row.task, "calls").unwrap_or(0)));
    let body = body(asked.frame, day.first(), &rows, counted.complete);
    let tasks: Vec<_> = rows.into_iter().map(|row| row.task).collect();
    let data = json!({
        "day": day.to_string(), "zone": zone.name(), "tasks": tasks, "complete": counted.complete,
        "as_of": counted.as_of,
    });
    let title = asked.frame.words.tasks.to_owned();
    Ok(asked.page(&Page { title, place: Place::Tasks, data, body, media: None }))
}

/// A task, as it is shown, and its path.
struct Row {
    task: Value,
    path: Option<String>,
}

fn row(asked: &Asked<'_>, task: &TaskOfDay, names: &HashMap<(Provider, String), String>) -> Row {
    let TaskOfDay { provider, task_id, counts } = task;
    let numbers = asked.visit.sees_numbers();
    let mut shown = counts::shown(*provider, task_id.as_deref(), counts, &asked.frame.zone, numbers);
    let name = task_id.clone().and_then(|task| names.get(&(*provider, task)).cloned());
    shown.insert("name".to_owned(), name.into());
    let path = task_id
        .as_ref()
        .and_then(|task| asked.frame.task_path(*provider, task, Hidden::default().is_told_by(task)));
    Row { task: Value::Object(shown), path }
}

/// From a day to the one before and after it.
pub(crate) fn day_nav(frame: &Frame<'_>, path: &str, day: Date) -> Markup {
    let w = frame.words;
    let link = |day: Option<Date>| day.map(|day| format!("{path}?day={day}"));
    let is_past = day < frame.zone.date(frame.now);
    html! {
        form.days action=(path) method="get" data-auto {
            @if let Some(href) = link(day.checked_sub(1.day()).ok()) { a.button href=(href) aria-label=(w.previous_day) { "‹" } }
            label.hidden for="day" { (w.day) }
            input id="day" type="date" name="day" value=(day);
            @if let Some(href) = link(day.checked_add(1.day()).ok()).filter(|_| is_past) { a.button href=(href) aria-label=(w.next_day) { "›" } }
            button.nojs { (w.apply) }
        }
    }
}

/// A task's name, and the way to its page.
fn task_name(frame: &Frame<'_>, row: &Row) -> Markup {
    let Some(id) = text(&row.task, "task_id") else {
        return html! { span.quiet { (frame.words.without_task) } };
    };
    let name = text(&row.task, "name").map_or_else(|| brief(id, 40), |name| brief(name, 60));
    match &row.path {
        Some(path) => html! { a href=(path) { (name) } },
        None => closed(frame, &name),
    }
}

fn body(frame: &Frame<'_>, day: Date, rows: &[Row], complete: bool) -> Markup {
    let w = frame.words;
    html! {
        header.title { h1 { (w.tasks) } (day_nav(frame, "/tasks", day)) }
        @if !complete { p.told { (w.partial_counts) } }
        @if rows.is_empty() { div.blank { p { (w.no_tasks) } } } @else {
            div.wide {
                table.data {
                    caption.hidden { (w.tasks) " " (day) }
                    thead {
                        tr {
                            th scope="col" { (w.task) }
                            th scope="col" { (w.platform) }
                            th.number scope="col" { (w.count) }
                            th.number scope="col" { (w.answered) }
                            th.number scope="col" { (w.answer_rate) }
                            th.number scope="col" { (w.median_duration) }
                            th scope="col" { (w.intent) }
                            th scope="col" { (w.last_call) }
                        }
                    }
                    tbody {
                        @for row in rows {
                            @let task = &row.task;
                            @let calls = number(task, "calls").unwrap_or(0);
                            @let answered = number(task, "answered").unwrap_or(0);
                            tr {
                                th scope="row" { (task_name(frame, row)) }
                                td { (w.provider(text(task, "provider").unwrap_or_default())) }
                                td.number { (grouped(calls)) }
                                td.number { (grouped(answered)) }
                                td.number { (percent(answered, calls)) }
                                td.number { @if let Some(seconds) = task["duration_s"]["p50"].as_u64() { (lasted(seconds)) } }
                                td { (intents(task)) }
                                td { @if let Some(at) = instant(task.get("last_call_at")) { (frame.when(at)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The most frequent intents of a task.
fn intents(task: &Value) -> Markup {
    let counts = task["intents"].as_object();
    let mut counts: Vec<_> =
        counts.into_iter().flatten().filter_map(|(name, count)| Some((name, count.as_u64()?))).collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), (*name).clone()));
    html! { @for (name, count) in counts.into_iter().take(4) { span.tag { (brief(name, 16)) " " (grouped(count)) } " " } }
}
