//! Calls, page by page, by all filters that the API has.

use maud::{Markup, html};
use readers::file::whole_list;
use readers::filter::{self, filtered_by, problem};
use readers::format::Format;
use readers::parameter::{self as of, Described};
use readers::{Answer, Problem};
use runtime::store::reading::{CallPage, MAX_PAGE};
use serde_json::{Value, json};
use shared::access::{Permission, What};
use shared::model::{CallKey, HangupBy, Outcome, Provider};
use shared::path_id::escaped;
use shared::reading::{CallFilter, CalleeSearch, Cursor};
use shared::view;
use std::collections::HashMap;

use crate::Asked;
use crate::frame::{Frame, Page, Place, brief, grouped, instant, lasted, number, text, visible};
use crate::link::Filters;
use crate::pages::call::console_path;
use crate::route::Form;

/// How many calls a page has.
const PER_PAGE: usize = 50;
/// The filters that stand behind a fold, unless one is used.
const FOLDED: [&str; 7] =
    ["tag", "min_duration_s", "max_duration_s", "hangup_by", "has_recording", "provider", "order"];

/// What only the console has: whether a file has whole numbers, and where a walk through calls stands.
static NUMBERS: Described = Described {
    name: "numbers",
    about: "Whether a file has whole numbers.",
    repeatable: false,
    permission: Some(Permission::SeeNumbers),
    schema: || json!({"type": "boolean"}),
};
static AFTER: Described = Described {
    name: "after",
    about: "The call behind which the next one is looked for.",
    repeatable: false,
    permission: None,
    schema: || json!({"type": "string"}),
};

/// The parameters of lists.
static KNOWN: [&Described; 19] = [
    &of::PROVIDER.described,
    &of::TASK.described,
    &of::CALLEE_ID.described,
    &of::DAY.described,
    &of::ZONE.described,
    &of::OUTCOME.described,
    &of::INTENT.described,
    &of::TAG.described,
    &of::AT_LEAST_S.described,
    &of::AT_MOST_S.described,
    &of::HANGUP_BY.described,
    &of::HAS_RECORDING.described,
    &of::REVIEWED.described,
    &of::UPDATED_SINCE.described,
    &of::ORDER.described,
    &of::LIMIT.described,
    &of::CURSOR.described,
    &NUMBERS,
    &AFTER,
];

/// What is asked for, in the zone in which times are shown.
pub(crate) fn filter_of(asked: &Asked<'_>) -> Result<CallFilter, Problem> {
    asked.query.check(&KNOWN, Some(asked.visit.actor))?;
    let filter = filter::read(&asked.query, asked.may(Permission::SeeNumbers))?;
    Ok(CallFilter { zone: asked.frame.zone.clone(), ..filter })
}

/// A page of calls, or all of them as a file.
pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let filter = filter_of(asked)?;
    let format = match asked.found.form {
        Form::Csv => Some(Format::Csv),
        Form::Xlsx => Some(Format::Xlsx),
        Form::Html | Form::Json => None,
    };
    if let Some(format) = format {
        let mut visit = asked.visit;
        visit.numbers = asked.filters.get(NUMBERS.name) == Some("true");
        return whole_list(&visit, &filter, format, Some(asked.frame.language.tag())).await;
    }
    let visit = &asked.visit;
    let cursor = visit.cursor(&asked.query, |text| Cursor::decode(text, &filter))?;
    let limit = asked.query.get(&of::LIMIT)?.unwrap_or(PER_PAGE);
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let page = visit.reader.store.list_calls(&filter, cursor.as_ref(), limit, &callee_id).await;
    let page = shown(asked, page.map_err(problem)?, false).await?;
    Ok(asked.page(&page))
}

/// The calls of a number, which stands in no URL. That it was looked for is recorded.
pub(crate) async fn search(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let bad = || Problem::BadValue { name: of::CALLEE.described.name, expected: String::new() };
    let callee = asked.field("number").and_then(CalleeSearch::read).ok_or_else(bad)?;
    let filter = CallFilter { callee: Some(callee), zone: asked.frame.zone.clone(), ..CallFilter::default() };
    let visit = &asked.visit;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let page = visit.reader.store.list_calls(&filter, None, MAX_PAGE, &callee_id).await;
    let page = page.map_err(problem)?;
    let first = page.calls.first().map(|call| &call.record);
    visit.record(What::list(filtered_by(visit, &filter, first).as_deref()), None).await?;
    let page = shown(asked, page, true).await?;
    Ok(asked.page(&page))
}

/// A page of calls, as it is shown.
async fn shown(asked: &Asked<'_>, page: CallPage, is_search: bool) -> Result<Page, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let shown = visit.shown(&callee_id);
    let keys: Vec<CallKey> = page.calls.iter().map(|call| call.key.clone()).collect();
    let reviews = store.reviews(&keys).await.map_err(problem)?;
    let mut tasks: Vec<_> = page
        .calls
        .iter()
        .filter_map(|call| Some((call.key.provider, call.record.facts.get("task_id")?.as_str()?.to_owned())))
        .collect();
    tasks.sort();
    tasks.dedup();
    let names = store.task_names(tasks).await;
    let names = names.map_err(|error| Problem::unavailable("The table", &error))?;
    let calls = page.calls.iter().map(|call| {
        let mut one = view::listed(&call.key, &call.record, &shown);
        let review = reviews.get(&call.key).filter(|review| review.is_made());
        one.insert("reviewed".to_owned(), review.is_some().into());
        one.extend(review.and_then(|review| Some(("verdict".to_owned(), review.verdict.clone()?.into()))));
        Value::Object(one)
    });
    let calls: Vec<_> = calls.collect();
    let next = page.next.as_ref().map(|next| visit.next(next));
    let body = body(asked, &calls, &names, next.as_deref(), page.unreadable, is_search);
    let data = json!({"calls": calls, "next": next, "scanned": page.scanned, "unreadable": page.unreadable});
    Ok(Page { title: asked.frame.words.calls.to_owned(), place: Place::Calls, data, body, media: None })
}

fn body(
    asked: &Asked<'_>,
    calls: &[Value],
    names: &HashMap<(Provider, String), String>,
    next: Option<&str>,
    unreadable: u64,
    is_search: bool,
) -> Markup {
    let frame = asked.frame;
    let w = frame.words;
    let filters = asked.filters.clone().without(&["cursor", "numbers", "after", "limit"]);
    html! {
        header.title {
            h1 { (w.calls) }
            span.push {}
            @if frame.may(Permission::SeeNumbers) { (number_search(frame)) }
            @if !is_search { a.button href=(filters.at("/calls/next")) { (w.next_unheard) } }
        }
        @if !is_search { (filter_form(frame, &filters)) }
        @if unreadable > 0 { p.told { (w.unreadable(unreadable)) } }
        @if calls.is_empty() && next.is_some() {
            p.told role="status" { (w.page_short) }
        } @else if calls.is_empty() {
            div.blank { p { (w.no_calls) } p.quiet { (w.no_calls_hint) } }
        } @else {
            (table(frame, calls, names, &filters))
        }
        div.after {
            @if filters.get("cursor").is_none() && asked.filters.get("cursor").is_some() { a.button href=(filters.at("/calls")) { (w.first_page) } }
            @if let Some(next) = next.filter(|_| !is_search) {
                a.button href=(filters.clone().with("cursor", next).at("/calls")) rel="next" { (w.next_page) }
            }
            span.push {}
            @if !is_search && !calls.is_empty() {
                span.quiet { (w.download_list) }
                a href=(filters.at("/calls.xlsx")) { (w.as_excel) }
                a href=(filters.at("/calls.csv")) { (w.as_csv) }
                @if frame.may(Permission::SeeNumbers) {
                    a href=(filters.clone().with("numbers", "true").at("/calls.xlsx")) { (w.as_excel) " " small { (w.with_numbers) } }
                }
            }
        }
    }
}

fn number_search(frame: &Frame<'_>) -> Markup {
    let w = frame.words;
    html! {
        form.search action="/calls" method="post" role="search" {
            (frame.form_fields())
            label.hidden for="number" { (w.find_number) }
            input id="number" name="number" inputmode="tel" autocomplete="off" required maxlength="40"
                placeholder=(w.find_number) title=(w.number_hint);
            button { (w.find) }
        }
    }
}

fn filter_form(frame: &Frame<'_>, filters: &Filters) -> Markup {
    let w = frame.words;
    let value = |name: &str| visible(filters.get(name).unwrap_or_default()).into_owned();
    let days = filters.get("day").unwrap_or_default();
    // Without a day or a task it is today.
    let today = frame.zone.date(frame.now).to_string();
    let chooses = ["task", "callee_id"].iter().any(|name| filters.get(name).is_some());
    let days = if days.is_empty() && !chooses { today.as_str() } else { days };
    let (from, to) = days.split_once("..").unwrap_or((days, days));
    let is_unfolded = FOLDED.iter().any(|name| filters.get(name).is_some());
    html! {
        form.filters action="/calls" method="get" {
            label { span { (w.from) } input type="date" name="from" value=(from); }
            label { span { (w.to) } input type="date" name="to" value=(to); }
            label { span { (w.task) } input name="task" value=(value("task")) maxlength="200"; }
            label { span { (w.outcome) }
                select name="outcome" {
                    option value="" { (w.any) }
                    @for outcome in Outcome::ALL.map(Outcome::as_str) {
                        option value=(outcome) selected[value("outcome") == outcome] { (w.outcome(outcome)) }
                    }
                }
            }
            label { span { (w.intent) } input.short name="intent" value=(value("intent")) maxlength="200"; }
            label { span { (w.review_state) }
                select name="reviewed" {
                    option value="" { (w.any) }
                    option value="true" selected[value("reviewed") == "true"] { (w.heard) }
                    option value="false" selected[value("reviewed") == "false"] { (w.not_heard) }
                }
            }
            @if let Some(id) = filters.get("callee_id") { input type="hidden" name="callee_id" value=(id); }
            details open[is_unfolded] {
                summary { (w.more_filters) }
                div.filters {
                    label { span { (w.platform) }
                        select name="provider" {
                            option value="" { (w.any) }
                            @for provider in Provider::ALL.map(Provider::as_str) {
                                option value=(provider) selected[value("provider") == provider] { (w.provider(provider)) }
                            }
                        }
                    }
                    label { span { (w.tags) } input name="tag" value=(value("tag")) maxlength="200"; }
                    label { span { (w.at_least) } input.short type="number" min="0" name="min_duration_s" value=(value("min_duration_s")); }
                    label { span { (w.at_most) } input.short type="number" min="0" name="max_duration_s" value=(value("max_duration_s")); }
                    label { span { (w.hangup_by) }
                        select name="hangup_by" {
                            option value="" { (w.any) }
                            @for by in HangupBy::ALL.map(HangupBy::as_str) {
                                option value=(by) selected[value("hangup_by") == by] { (w.hangup(by)) }
                            }
                        }
                    }
                    label { span { (w.with_recording) }
                        select name="has_recording" {
                            option value="" { (w.any) }
                            option value="true" selected[value("has_recording") == "true"] { (w.yes) }
                            option value="false" selected[value("has_recording") == "false"] { (w.no) }
                        }
                    }
                    label { span { (w.order) }
                        select name="order" {
                            option value="" { (w.newest_first) }
                            option value="asc" selected[value("order") == "asc"] { (w.oldest_first) }
                        }
                    }
                }
            }
            div.do { button.primary { (w.filter) } a href="/calls" { (w.clear) } }
        }
    }
}

/// A table of calls.
fn table(
    frame: &Frame<'_>,
    calls: &[Value],
    names: &HashMap<(Provider, String), String>,
    filters: &Filters,
) -> Markup {
    let w = frame.words;
    // The same behind each link: from a call one goes on through the list.
    let query = filters.query();
    let mark = if query.is_empty() { "" } else { "?" };
    html! {
        div.wide {
            table.calls {
                caption.hidden { (w.calls) (w.colon) (grouped(calls.len() as u64)) }
                thead {
                    tr {
                        th scope="col" { (w.call_time) }
                        th scope="col" { (w.callee) }
                        th scope="col" { (w.outcome) }
                        th.number scope="col" { (w.duration) }
                        th scope="col" { (w.intent) }
                        th scope="col" { (w.task) }
                        th scope="col" { (w.review) }
                    }
                }
                tbody {
                    @for call in calls {
                        tr {
                            @let at = instant(call.get("call_at")).map(|at| frame.time(at)).unwrap_or_default();
                            td { @match text(call, "href") {
                                Some(href) => a href=(format!("{}{mark}{query}", console_path(href))) { (at) },
                                None => (at),
                            } }
                            td.callee { @match text(call, "callee") { Some(callee) => (brief(callee, 24)), None => span.quiet { (w.unknown) } } }
                            td { (outcome_badge(frame, call)) }
                            td.number { @if let Some(seconds) = number(call, "duration_s") { (lasted(seconds)) } }
                            td { @if let Some(intent) = intent(call) { (brief(&intent, 16)) } }
                            td { (task_link(call, names)) }
                            td { (reviewed(frame, call)) }
                        }
                    }
                }
            }
        }
    }
}

fn task_link(call: &Value, names: &HashMap<(Provider, String), String>) -> Markup {
    let Some(task) = text(call, "task_id") else { return html! {} };
    let provider = text(call, "provider").unwrap_or_default();
    let name = Provider::named(provider).and_then(|provider| names.get(&(provider, task.to_owned())));
    html! { a.quiet href=(format!("/tasks/{provider}/{}", escaped(task))) { (brief(name.map_or(task, String::as_str), 28)) } }
}

fn reviewed(frame: &Frame<'_>, call: &Value) -> Markup {
    let w = frame.words;
    if call["reviewed"] != true {
        return html! {};
    }
    match text(call, "verdict") {
        Some(verdict) => {
            let class = match verdict {
                "good" => "badge good",
                "bad" => "badge bad",
                _ => "badge wait",
            };
            html! { span class=(class) { (w.verdict_name(verdict).map_or_else(|| brief(verdict, 16), str::to_owned)) } }
        }
        None => html! { span.badge { (w.heard) } },
    }
}

/// A call's outcome in words.
pub(crate) fn outcome_badge(frame: &Frame<'_>, call: &Value) -> Markup {
    let w = frame.words;
    match text(call, "outcome") {
        Some("answered") => html! { span.badge.good { (w.outcome("answered")) } },
        Some(outcome) => html! { span.badge { (w.outcome(outcome)) } },
        None => html! { span.badge.quiet { (w.unknown) } },
    }
}

/// A call's intent, as its platform tells it.
pub(crate) fn intent(call: &Value) -> Option<String> {
    match (text(call, "intent_code"), text(call, "intent_name")) {
        (Some(code), Some(name)) if !name.starts_with(code) => {
            Some(format!("{} {}", brief(code, 24), brief(name, 40)))
        }
        (_, Some(one)) | (Some(one), None) => Some(brief(one, 40)),
        (None, None) => None,
    }
}
