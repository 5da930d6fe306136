//! Calls, page by page, by all filters that the API has.

use std::collections::BTreeMap;

use maud::{Markup, Render, html};
use readers::file::{ForPeople, whole_list};
use readers::filter::{self, filtered_by, problem};
use readers::format::Format;
use readers::parameter::{self as of, Described, Parameter};
use readers::{Answer, Problem};
use runtime::store::reading::{CallPage, ListedRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::access::{Permission, What};
use shared::masking::masked;
use shared::model::{CallKey, HangupBy, Instant, Outcome, Provider};
use shared::reading::{CallFilter, CalleeSearch, Cursor};
use shared::view::{self, Mask};

use crate::cookie::SOUGHT;
use crate::frame::{Frame, Page, Place, brief, instant, lasted, number, text, visible};
use crate::link::Filters;
use crate::pages::named::{Instead, instead_of_task, is_a_task};
use crate::route::Form;
use crate::{Asked, pages, see, sign_in};

/// How many calls a page has.
const PER_PAGE: usize = 50;
/// The filters that stand behind a fold, unless one is used.
const FOLDED: [&str; 7] =
    ["tag", "min_duration_s", "max_duration_s", "hangup_by", "has_recording", "provider", "order"];

/// The filters that have no field: who came by a link with one, keeps it.
const UNSEEN: [&str; 3] = ["callee_id", "updated_since", "zone"];

/// What only the console has: whether a file has whole numbers, and where a walk through calls stands.
static NUMBERS: Parameter<bool> = Parameter {
    described: Described {
        name: "numbers",
        about: "Whether a file has whole numbers.",
        repeatable: false,
        permission: Some(Permission::SeeNumbers),
        schema: || json!({"type": "boolean"}),
    },
    read: |text| text.parse().map_err(|_| "true or false".to_owned()),
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
    &NUMBERS.described,
    &AFTER,
];

/// What is asked for, in the zone in which times are shown.
pub(crate) fn filter_of(asked: &Asked<'_>) -> Result<CallFilter, Problem> {
    asked.query.check(&KNOWN, Some(asked.visit.actor))?;
    let filter = filter::read(&asked.query, asked.may(Permission::SeeNumbers))?;
    Ok(CallFilter { zone: asked.frame.zone.clone(), ..filter })
}

/// Records that somebody looks for a number within a text. What is shown has none, and tells that there are such calls.
pub(crate) async fn record_search(asked: &Asked<'_>, filter: &CallFilter) -> Result<(), Problem> {
    match filter::is_by_number(filter) {
        true => asked.visit.record(What::list(&filtered_by(&asked.visit, filter, None)), None).await,
        false => Ok(()),
    }
}

/// A page of calls, or all of them as a file.
pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let filter = filter_of(asked)?;
    let limit = asked.query.get(&of::LIMIT)?.unwrap_or(PER_PAGE);
    let numbers = asked.query.get(&NUMBERS)?.unwrap_or(false);
    let format = match asked.found.form {
        Form::Csv => Some(Format::Csv),
        Form::Xlsx => Some(Format::Xlsx),
        Form::Html | Form::Json => None,
    };
    if let Some(format) = format {
        let mut visit = asked.visit;
        visit.numbers = numbers;
        // A file is opened elsewhere: where its calls are is told with the console's own name.
        let base = sign_in::base(asked.event, asked.served).unwrap_or_default();
        let page_of =
            |key: &CallKey, mask: &Mask| Some(format!("{base}{}", asked.frame.call_path(key, mask)?));
        let people = ForPeople { reviews: asked.may(Permission::ReviewCalls), page_of: &page_of };
        return whole_list(&visit, &filter, format, Some(asked.frame.language.tag()), Some(&people)).await;
    }
    let visit = &asked.visit;
    let cursor = visit.cursor(&asked.query, |text| Cursor::decode(text, &filter)).await?;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let ties = visit.ties().await?;
    let page = visit.reader.store.list_calls(&filter, cursor.as_ref(), limit, &callee_id, &ties).await;
    let page = page.map_err(problem)?;
    record_search(asked, &filter).await?;
    let (is_empty, is_first) = (page.calls.is_empty() && page.next.is_none(), cursor.is_none());
    let named = match &filter.task {
        Some(task) if is_empty && is_first && !is_a_task(asked, &filter, task).await? => {
            match instead_of_task(asked, &filter, task).await? {
                Instead::Elsewhere(answer) => return Ok(answer),
                Instead::Tasks(named) => named,
            }
        }
        _ => Vec::new(),
    };
    let page = shown(asked, page, None, &named).await?;
    Ok(asked.page(&page))
}

/// What is handed on from the form by which a number is looked for.
#[derive(Serialize, Deserialize)]
struct Sought {
    number: String,
}

/// Leads to the calls of a number, which stands in no URL.
pub(crate) fn search(asked: &Asked<'_>) -> Answer {
    // What comes along where a number is copied out of a text.
    let is_beside =
        |character: char| !character.is_alphanumeric() && !matches!(character, '+' | '*' | '＋' | '＊');
    let number = asked.field("number").map(|number| number.trim().trim_start_matches("tel:"));
    let number = number.map(|number| number.trim_matches(is_beside));
    let number = number.filter(|number| CalleeSearch::read(number).is_some());
    match number {
        Some(number) => {
            asked.hand_on("/calls/found".to_owned(), &SOUGHT, &Sought { number: number.to_owned() })
        }
        // Where there is no number, one is asked for.
        None => asked.forgotten(see("/calls/found".to_owned()), &SOUGHT),
    }
}

/// The calls of the number that is looked for. That it was is recorded.
pub(crate) async fn found(asked: &Asked<'_>) -> Result<Answer, Problem> {
    asked.query.check(&[&of::CURSOR.described, &of::ZONE.described], Some(asked.visit.actor))?;
    let sought = asked.handed_on::<Sought>(&SOUGHT);
    let sought = sought.and_then(|sought| Some((CalleeSearch::read(&sought.number)?, sought.number)));
    let Some((callee, number)) = sought else { return Ok(asked.page(&nothing_sought(asked.frame))) };
    let filter = CallFilter { callee: Some(callee), zone: asked.frame.zone.clone(), ..CallFilter::default() };
    let visit = &asked.visit;
    let cursor = visit.cursor(&asked.query, |text| Cursor::decode(text, &filter)).await?;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let ties = visit.ties().await?;
    let page = visit.reader.store.list_calls(&filter, cursor.as_ref(), PER_PAGE, &callee_id, &ties).await;
    let page = page.map_err(problem)?;
    let first = page.calls.first().map(|call| &call.record);
    visit.record(What::list(&filtered_by(visit, &filter, first)), None).await?;
    let page = shown(asked, page, Some(&masked(&number)), &[]).await?;
    Ok(asked.page(&page))
}

/// The page of a search that nobody has begun, or that is over.
fn nothing_sought(frame: &Frame<'_>) -> Page {
    let w = frame.words;
    Page {
        title: w.find_number.to_owned(),
        place: Place::Calls,
        data: Value::Null,
        body: html! {
            nav.crumbs { a href="/calls" { (w.calls) } }
            header.title { h1 { (w.find_number) } span.push {} (number_search(frame)) }
            p.told role="status" { (w.number_again) }
        },
        media: None,
    }
}

/// A call of a list, with the pages that there are of it and of its task.
struct Row {
    call: Value,
    path: Option<String>,
    task: Option<Task>,
}

/// The task of a call: what it is called, and its page.
struct Task {
    /// `None` of one that tells a number.
    id: Option<String>,
    name: String,
    path: Option<String>,
}

/// A page of calls, as it is shown. `sought` is the number that is looked for, masked; `named` are tasks that are called as somebody has it who
/// looked for an id.
async fn shown(
    asked: &Asked<'_>,
    page: CallPage,
    sought: Option<&str>,
    named: &[(String, String)],
) -> Result<Page, Problem> {
    let visit = &asked.visit;
    let frame = asked.frame;
    let store = &visit.reader.store;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let shown = visit.shown(&callee_id);
    let keys: Vec<CallKey> = page.calls.iter().map(|call| call.key.clone()).collect();
    let reviews = store.reviews(&keys).await.map_err(problem)?;
    let tasks = page.calls.iter().filter_map(ListedRecord::task);
    let names = pages::task_names(asked, tasks.collect::<Vec<_>>()).await?;
    let rows = page.calls.iter().map(|listed| {
        let ListedRecord { key, record, .. } = listed;
        let mut call = view::listed(key, record, &shown);
        let review = reviews.get(key).filter(|review| review.is_made());
        call.insert("reviewed".to_owned(), review.is_some().into());
        call.extend(review.and_then(|review| Some(("verdict".to_owned(), review.verdict.clone()?.into()))));
        let mask = Mask::of(record.callee_numbers());
        let task = listed.task().map(|task_of| {
            let name = names.get(&task_of).cloned();
            let task = task_of.1;
            let shown = mask.shared_id(&task);
            let is_hidden = *shown != *task;
            Task {
                id: (!is_hidden).then(|| task.clone()),
                path: frame.task_path(key.provider, &task, is_hidden),
                name: name.unwrap_or_else(|| shown.into_owned()),
            }
        });
        let path = frame.call_path(key, &mask);
        Row { call: Value::Object(call), path, task }
    });
    let rows: Vec<_> = rows.collect();
    let next = visit.next(page.next.as_ref()).await?;
    let list = List { rows: &rows, next: next.as_deref(), unreadable: page.unreadable, sought, named };
    let body = body(asked, &list);
    let data = match sought {
        // A search has no URL at which it would be JSON.
        Some(_) => Value::Null,
        None => {
            let calls: Vec<_> = rows.iter().map(|row| &row.call).collect();
            json!({"calls": calls, "next": next, "scanned": page.scanned, "unreadable": page.unreadable})
        }
    };
    Ok(Page { title: frame.words.calls.to_owned(), place: Place::Calls, data, body, media: None })
}

/// A page of a list.
struct List<'a> {
    rows: &'a [Row],
    next: Option<&'a str>,
    unreadable: u64,
    sought: Option<&'a str>,
    named: &'a [(String, String)],
}

fn body(asked: &Asked<'_>, list: &List<'_>) -> Markup {
    let frame = asked.frame;
    let w = frame.words;
    let is_search = list.sought.is_some();
    let filters = asked.filters.clone().without(&["cursor", "numbers", "after", "limit"]);
    // What is looked for stands in no link: from a call of it one goes on through no list.
    let through = if is_search { Filters::default() } else { filters.clone() };
    let path = if is_search { "/calls/found" } else { "/calls" };
    let is_empty = list.rows.is_empty();
    html! {
        @if is_search { nav.crumbs { a href="/calls" { (w.calls) } } }
        header.title {
            h1 { @match list.sought { Some(number) => { (w.found_for) " " span.callee { (brief(number, 40)) } }, None => (w.calls) } }
            span.push {}
            @if frame.may(Permission::SeeNumbers) { (number_search(frame)) }
            @if !is_search { a.button href=(filters.at("/calls/next")) { (w.next_unheard) } }
        }
        @if !is_search { (filter_form(frame, &filters)) (task_names(list.rows)) }
        @if list.unreadable > 0 { p.told { (w.unreadable(list.unreadable)) } }
        @if is_empty && list.next.is_some() {
            p.told role="status" { (w.page_short) }
        } @else if !list.named.is_empty() {
            section.card {
                h2 { (w.tasks_named) }
                ul.plain { @for (name, way) in list.named { li { a href=(way) { (brief(name, 60)) } } } }
            }
        } @else if is_empty {
            div.blank { p { (w.no_calls) } p.quiet { (if is_search { w.number_hint } else { w.no_calls_hint }) } }
        } @else {
            (table(frame, list.rows, &through))
        }
        div.after {
            @if asked.filters.get("cursor").is_some() { a.button href=(filters.at(path)) { (w.first_page) } }
            @if let Some(next) = list.next {
                a.button href=(filters.clone().with("cursor", next).at(path)) rel="next" { (w.next_page) }
            }
            @if !is_empty { span.quiet { (w.on_this_page(list.rows.len())) } }
            span.push {}
            @if !is_search && !is_empty {
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
            label { span { (w.task_or_name) } input name="task" value=(value("task")) maxlength="200" list="tasks" autocomplete="off"; }
            (outcomes(frame, filters))
            label { span { (w.intent) } input.short name="intent" value=(value("intent")) maxlength="200"; }
            label { span { (w.review_state) }
                select name="reviewed" {
                    option value="" { (w.any) }
                    option value="true" selected[value("reviewed") == "true"] { (w.heard) }
                    option value="false" selected[value("reviewed") == "false"] { (w.not_heard) }
                }
            }
            // What has no field here stays as it is.
            @for name in UNSEEN { @if let Some(value) = filters.get(name) { input type="hidden" name=(name) value=(value); } }
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
            @if frame.may(Permission::SeeNumbers) { small.quiet { (w.numbers_elsewhere) } }
        }
    }
}

/// Outcomes to choose from, one or several: boxes behind what is chosen, since a list of which several can be chosen needs a key that nobody
/// knows.
fn outcomes(frame: &Frame<'_>, filters: &Filters) -> Markup {
    let w = frame.words;
    let chosen: Vec<_> = filters.all("outcome").collect();
    let is_chosen = |outcome: &Outcome| chosen.contains(&outcome.as_str());
    let names: Vec<_> =
        Outcome::ALL.iter().filter(|it| is_chosen(it)).map(|it| w.outcome(it.as_str())).collect();
    let told = if names.is_empty() { w.any.to_owned() } else { names.join(w.and) };
    html! {
        div.field {
            span aria-hidden="true" { (w.outcome) }
            details.choice data-any=(w.any) data-and=(w.and) {
                summary title=[(!names.is_empty()).then_some(&told)] { span.hidden { (w.outcome) (w.colon) } span.chosen { (told) } }
                fieldset {
                    legend.hidden { (w.outcome) }
                    @for outcome in Outcome::ALL {
                        label { input type="checkbox" name="outcome" value=(outcome.as_str()) checked[is_chosen(&outcome)]; " " (w.outcome(outcome.as_str())) }
                    }
                }
            }
        }
    }
}

/// The tasks of the calls that are shown, to choose from: whoever knows a task's name need not know its id.
fn task_names(rows: &[Row]) -> Markup {
    let tasks = rows.iter().filter_map(|row| row.task.as_ref());
    let tasks = tasks.filter_map(|task| Some((task.id.as_deref()?, &*task.name)));
    let tasks: BTreeMap<_, _> = tasks.collect();
    html! {
        datalist id="tasks" {
            @for (id, name) in tasks { option value=(brief(id, 200)) { @if name != id { (brief(name, 60)) } } }
        }
    }
}

/// A table of calls.
fn table(frame: &Frame<'_>, rows: &[Row], filters: &Filters) -> Markup {
    let w = frame.words;
    // The same behind each link: from a call one goes on through the list.
    let query = filters.query();
    let mark = if query.is_empty() { "" } else { "?" };
    html! {
        div.wide {
            table.calls {
                caption.hidden { (w.on_this_page(rows.len())) }
                thead {
                    tr {
                        th scope="col" { (w.call_time) }
                        th scope="col" { (w.callee) }
                        th scope="col" { (w.outcome) }
                        th.number scope="col" { (w.duration) }
                        th scope="col" { (w.intent) }
                        th.far scope="col" { (w.task) }
                        th scope="col" { (w.review) }
                    }
                }
                tbody {
                    @for Row { call, path, task } in rows {
                        tr {
                            @let at = instant(call.get("call_at")).map(|at| list_time(frame, at)).unwrap_or_default();
                            td { @match path {
                                Some(path) => a href=(format!("{path}{mark}{query}")) { (at) },
                                None => (closed(frame, &at)),
                            } }
                            td.callee { @match text(call, "callee") { Some(callee) => (brief(callee, 24)), None => span.quiet { (w.unknown) } } }
                            td { (outcome_badge(frame, call)) }
                            td.number { @if let Some(seconds) = number(call, "duration_s") { (lasted(seconds)) } }
                            td { (list_intent(call)) }
                            td.far { @if let Some(task) = task { (task_link(frame, task)) } }
                            td { (reviewed(frame, call)) }
                        }
                    }
                }
            }
        }
    }
}

/// When a call was, in a list: a phone's screen has no room for year and seconds.
fn list_time(frame: &Frame<'_>, at: Instant) -> Markup {
    let at = frame.time(at);
    match (at.get(..5), at.get(5..16), at.get(16..)) {
        (Some(year), Some(minute), Some(second)) => {
            html! { span.far { (year) } (minute) span.far { (second) } }
        }
        _ => html! { (at) },
    }
}

/// A call's intent, in a list.
fn list_intent(call: &Value) -> Markup {
    let Some(intent) = intent(call) else { return html! {} };
    let shown = brief(&intent, 16);
    html! { span title=[(shown != intent).then_some(&intent)] { (shown) } }
}

/// What has a page, and not for whoever asks, since its address tells a number.
pub(crate) fn closed(frame: &Frame<'_>, name: &dyn Render) -> Markup {
    let w = frame.words;
    html! { span title=(w.id_tells) { (name) span.hidden { " (" (w.id_tells) ")" } } }
}

fn task_link(frame: &Frame<'_>, task: &Task) -> Markup {
    let name = brief(&task.name, 28);
    match &task.path {
        Some(path) => html! { a.quiet href=(path) { (name) } },
        None => closed(frame, &name),
    }
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
        (Some(code), name) => Some(intent_name(code, name)),
        (None, name) => Some(brief(name?, 40)),
    }
}

/// An intent by its code and what that is called: both, unless the name begins with the code.
pub(crate) fn intent_name(code: &str, name: Option<&str>) -> String {
    match name {
        Some(name) if !name.starts_with(code) => format!("{} {}", brief(code, 24), brief(name, 40)),
        name => brief(name.unwrap_or(code), 40),
    }
}
