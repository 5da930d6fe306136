//! The tasks of a day.

use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};
use readers::counts::hidden_last;
use readers::filter::problem;
use readers::parameter as of;
use readers::{Answer, Problem, counts};
use runtime::store::reading::TaskOfDay;
use serde_json::{Value, json};
use shared::model::Provider;
use shared::reading::DayRange;
use std::cmp::Reverse;
use std::collections::HashMap;

use crate::Asked;
use crate::chart::Share;
use crate::frame::{Frame, Page, Place, brief, grouped, instant, lasted, number, percent, text};
use crate::pages::calls::closed;
use crate::pages::task::intent_shares;
use crate::pages::task_names;

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
    let names = task_names(asked, ids.collect::<Vec<_>>()).await?;
    // The place of a task whose id is hidden tells nothing of it.
    let ties = asked.visit.ties().await?;
    let mut tasks: Vec<_> = counted.counts.iter().collect();
    tasks.sort_by_cached_key(|task| {
        let hidden = hidden_last(task.provider, task.task_id.as_deref(), &task.counts, &ties);
        (Reverse(task.counts.calls), hidden)
    });
    let rows: Vec<_> = tasks.into_iter().map(|task| row(asked, task, &names)).collect();
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
        .and_then(|task| asked.frame.task_path(*provider, task, counts::tells_a_number(task, counts)));
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
                table.tasks {
                    caption.hidden { (w.tasks) " " (day) }
                    thead {
                        tr {
                            th scope="col" { (w.task) }
                            th.far scope="col" { (w.platform) }
                            th.number scope="col" { (w.count) }
                            th.number scope="col" { (w.answered) }
                            th.number scope="col" { (w.answer_rate) }
                            th.number.far scope="col" { (w.median_duration) }
                            th.far scope="col" { (w.intent) }
                            th.far scope="col" { (w.last_call) }
                        }
                    }
                    tbody {
                        @for row in rows {
                            @let task = &row.task;
                            @let calls = number(task, "calls").unwrap_or(0);
                            @let answered = number(task, "answered").unwrap_or(0);
                            tr {
                                th scope="row" { (task_name(frame, row)) }
                                td.far { (w.provider(text(task, "provider").unwrap_or_default())) }
                                td.number { (grouped(calls)) }
                                td.number { (grouped(answered)) }
                                td.number { (percent(answered, calls)) }
                                td.number.far { @if let Some(seconds) = task["duration_s"]["p50"].as_u64() { (lasted(seconds)) } }
                                td.far { (intents(frame, task)) }
                                td.far { @if let Some(at) = instant(task.get("last_call_at")) { (frame.when(at)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The most frequent intents of a task.
fn intents(frame: &Frame<'_>, task: &Value) -> Markup {
    let shares = intent_shares(task, frame.words.other_intents, |_| None);
    html! {
        @for Share { name, count, .. } in shares.iter().take(4) {
            @let shown = brief(name, 16);
            span.tag title=[(shown != *name).then_some(name)] { (shown) " " span.quiet { (grouped(*count)) } } " "
        }
    }
}
