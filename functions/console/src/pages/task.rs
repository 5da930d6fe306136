//! One task: from called to each intent.

use std::collections::BTreeMap;

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use readers::filter::problem;
use readers::format::{Format, table};
use readers::parameter as of;
use readers::{Answer, Problem, counts};
use runtime::store::reading::Counted;
use serde_json::{Map, Value, json};
use shared::access::Permission;
use shared::masking::{Hidden, in_name};
use shared::model::Provider;
use shared::reading::TaskCounts;

use crate::chart::{Share, hours, shares};
use crate::frame::{Frame, Page, Place, brief, grouped, instant, lasted, number, percent, text, visible};
use crate::link::Filters;
use crate::pages::calls::intent_name;
use crate::pages::task_names;
use crate::route::Form;
use crate::{Asked, see};

/// The longest name of a task, in characters.
const MAX_NAME_CHARACTERS: usize = 80;
/// How many intents are told apart in a chart.
const MAX_SHARES: usize = 12;

pub(crate) async fn answer(asked: &Asked<'_>, provider: Provider, task: &str) -> Result<Answer, Problem> {
    asked.query.check(&[&of::ZONE.described], Some(asked.visit.actor))?;
    let zone = &asked.frame.zone;
    let (counted, path) = counted(asked, provider, task).await?;
    let tells_a_number = counts::tells_a_number(task, &counted.counts);
    let names = task_names(asked, [(provider, task.to_owned())]).await?;
    let numbers = asked.visit.sees_numbers();
    let mut shown: Map<_, _> = counts::shown(provider, Some(task), &counted.counts, zone, numbers);
    shown.insert("name".to_owned(), names.into_values().next().into());
    shown.insert("complete".to_owned(), counted.complete.into());
    shown.insert("as_of".to_owned(), json!(counted.as_of));
    let data = Value::Object(shown);
    match asked.found.form {
        Form::Csv => file(asked.frame, task, &data, Format::Csv),
        Form::Xlsx => file(asked.frame, task, &data, Format::Xlsx),
        Form::Html | Form::Json => {
            let calls = Calls::of(provider, task, tells_a_number);
            // An id that tells a number is shown without it.
            let id = text(&data, "task_id").unwrap_or_default();
            let title = brief(text(&data, "name").unwrap_or(id), 60);
            let body = body(asked.frame, provider, &path, &calls, &data);
            Ok(asked.page(&Page { title, place: Place::Tasks, data, body, media: None }))
        }
    }
}

/// Names a task that there is, for whoever has its page: another is answered as if there were none.
pub(crate) async fn name(asked: &Asked<'_>, provider: Provider, task: &str) -> Result<Answer, Problem> {
    let (_, path) = counted(asked, provider, task).await?;
    let name = asked.field("name").map(str::trim).unwrap_or_default();
    let name: String =
        visible(name).chars().filter(|it| !it.is_control()).take(MAX_NAME_CHARACTERS).collect();
    // A name is for everybody.
    let name = in_name(&name).into_owned();
    let visit = &asked.visit;
    let named = visit.reader.store.name_task(provider, task, &name, &visit.actor.subject, visit.now).await;
    named.map_err(|error| Problem::unavailable("The table", &error))?;
    Ok(see(path))
}

/// What is counted of a task, and the path of its page. There is none of a task that has no calls, nor, for whoever may not see numbers, of one
/// whose id tells a number, be it that of one of its calls alone.
async fn counted(
    asked: &Asked<'_>,
    provider: Provider,
    task: &str,
) -> Result<(Counted<TaskCounts>, String), Problem> {
    // What is a number by itself is not looked up for them.
    let path = asked.frame.task_path(provider, task, Hidden::default().is_told_by(task));
    path.ok_or(Problem::NoSuchTask)?;
    let counted =
        asked.visit.reader.store.count_task(provider, task, &asked.frame.zone).await.map_err(problem)?;
    let path = asked.frame.task_path(provider, task, counts::tells_a_number(task, &counted.counts));
    match path {
        Some(path) if counted.counts.calls > 0 => Ok((counted, path)),
        _ => Err(Problem::NoSuchTask),
    }
}

/// The lists of a task's calls, which are filtered by its id. Of one that tells a number there is none: it would stand in the URL; nor of one that
/// no query takes.
struct Calls(Option<Filters>);

impl Calls {
    fn of(provider: Provider, task: &str, tells_a_number: bool) -> Self {
        let filters = Filters::default().with("provider", provider.as_str()).with("task", task);
        Self((!tells_a_number && !task.contains(char::is_control)).then_some(filters))
    }

    /// The path of all of them, or of those of one part.
    fn at(&self, path: &str, part: Option<(&str, &str)>) -> Option<String> {
        let filters = self.0.clone()?;
        Some(match part {
            Some((name, value)) => filters.with(name, value).at(path),
            None => filters.at(path),
        })
    }
}

/// Names and counts, the most frequent first.
pub(crate) fn by_count(counts: &Value) -> Vec<(String, u64)> {
    let counts: BTreeMap<_, _> = counts
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| Some((name.clone(), count.as_u64().filter(|count| *count > 0)?)))
        .collect();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// Outcomes as shares, in words.
pub(crate) fn outcome_shares(
    frame: &Frame<'_>,
    outcomes: &Value,
    href: impl Fn(&str) -> Option<String>,
) -> Vec<Share> {
    let rows = by_count(outcomes).into_iter();
    rows.map(|(outcome, count)| Share {
        name: frame.words.outcome(&outcome).to_owned(),
        title: None,
        count,
        href: href(&outcome),
    })
    .collect()
}

/// What stands in counts for the names that are not told apart.
const OTHERS: &str = "…";

/// Names as shares, each with what `called` calls it, as far as that is known; `others` is what those are called that are not told apart, which
/// have no link.
pub(crate) fn name_shares(
    names: &Value,
    called: &Value,
    others: &str,
    href: impl Fn(&str) -> Option<String>,
) -> Vec<Share> {
    let rows = by_count(names).into_iter().take(MAX_SHARES);
    rows.map(|(name, count)| match name.as_str() {
        OTHERS => Share { name: others.to_owned(), title: None, count, href: None },
        _ => {
            let called = text(called, &name);
            Share {
                name: intent_name(&name, called),
                title: called.map(str::to_owned),
                count,
                href: href(&name),
            }
        }
    })
    .collect()
}

/// How many stars a name has at least where what may be a number was blacked out of it.
const STARS: usize = 4;

/// Whether the calls that have a name can be listed by it: names are counted without what may be a number, and for whoever may see numbers lists
/// go by names as they came. Control characters have no place in a query.
pub(crate) fn can_be_listed(frame: &Frame<'_>, name: &str) -> bool {
    let is_known = !frame.may(Permission::SeeNumbers) || name.matches('*').count() < STARS;
    is_known && !name.contains(char::is_control)
}

/// Intents as shares: each code with what it is called.
pub(crate) fn intent_shares(data: &Value, others: &str, href: impl Fn(&str) -> Option<String>) -> Vec<Share> {
    name_shares(&data["intents"], &data["intent_names"], others, href)
}

fn body(frame: &Frame<'_>, provider: Provider, path: &str, calls: &Calls, data: &Value) -> Markup {
    let w = frame.words;
    let figure = |name: &str| number(data, name).unwrap_or(0);
    let (all, answered, connected) = (figure("calls"), figure("answered"), figure("connected"));
    let (id, name) = (text(data, "task_id").unwrap_or_default(), text(data, "name"));
    let href = |part: Option<(&str, &str)>| calls.at("/calls", part);
    let listed = |part: (&str, &str)| can_be_listed(frame, part.1).then(|| href(Some(part)))?;
    let unheard = calls.at("/calls/next", Some(("has_recording", "true")));
    let mut funnel = vec![
        Share { name: w.called.to_owned(), title: None, count: all, href: href(None) },
        Share { name: w.connected.to_owned(), title: None, count: connected, href: None },
        Share {
            name: w.answered.to_owned(),
            title: None,
            count: answered,
            href: href(Some(("outcome", "answered"))),
        },
    ];
    funnel.extend(intent_shares(data, w.other_intents, |intent| listed(("intent", intent))).into_iter().map(
        |share| match share.name == w.other_intents {
            true => share,
            false => Share { name: format!("{} {}", w.intent, share.name), ..share },
        },
    ));
    let seconds = |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), lasted);
    html! {
        nav.crumbs { a href="/tasks" { (w.tasks) } }
        header.title {
            h1 { (brief(name.unwrap_or(id), 80)) }
            span.badge { (w.provider(provider.as_str())) }
            span.push {}
            @if let Some(unheard) = unheard { a.button.primary href=(unheard) { (w.next_unheard) } }
            @if let Some(href) = href(None) { a.button href=(href) { (w.task_calls) } }
        }
        div.under {
            span.quiet { (w.task_id) " " code { (brief(id, 80)) } }
            @if frame.may(Permission::ReviewCalls) {
                form.rename action=(format!("{path}/name")) method="post" {
                    (frame.form_fields())
                    label.hidden for="name" { (w.name_task) }
                    input id="name" name="name" maxlength=(MAX_NAME_CHARACTERS) value=(name.unwrap_or_default()) placeholder=(w.name_task);
                    button { (w.rename) }
                }
                @if name.is_some_and(|name| name.contains('*')) { p.quiet { (w.name_hides) } }
            }
        }
        @if data["complete"] != true { p.told { (w.partial_counts) } }
        dl.figures {
            (figure_card(w.count, grouped(all)))
            (figure_card(w.answer_rate, percent(answered, all)))
            (figure_card(w.median_duration, seconds(&data["duration_s"]["p50"])))
            (figure_card(w.p90_duration, seconds(&data["duration_s"]["p90"])))
            (figure_card(w.talk_time, seconds(&data["duration_s"]["sum"])))
            @for (currency, amount) in data["cost"].as_object().into_iter().flatten().take(2) {
                (figure_card(w.cost, format!("{} {}", brief(amount.as_str().unwrap_or_default(), 20), brief(currency, 8))))
            }
        }
        div.grid {
            section.card { h2 { (w.funnel) } (shares(frame, w.funnel, w.stage, &funnel, all)) }
            section.card {
                h2 { (w.by_outcome) }
                @let outcomes = outcome_shares(frame, &data["outcomes"], |outcome| href(Some(("outcome", outcome))));
                (shares(frame, w.by_outcome, w.outcome, &outcomes, all))
            }
            section.card {
                h2 { (w.by_hour) }
                @let counts: Vec<_> = data["hours"].as_array().into_iter().flatten().map(|count| count.as_u64().unwrap_or(0)).collect();
                (hours(frame, &counts))
            }
            section.card {
                h2 { (w.tags) }
                @let tags: Vec<_> = name_shares(&data["tags"], &Value::Null, w.other_tags, |tag| listed(("tag", tag)));
                (shares(frame, w.tags, w.tags, &tags, all))
            }
        }
        div.after {
            span.quiet {
                @if let Some(at) = instant(data.get("first_call_at")) { (w.first_call) " " (frame.when(at)) " · " }
                @if let Some(at) = instant(data.get("last_call_at")) { (w.last_call) " " (frame.when(at)) }
            }
            span.push {}
            span.quiet { (w.export) }
            a href=(format!("{path}.xlsx")) { (w.as_excel) }
            a href=(format!("{path}.csv")) { (w.as_csv) }
        }
    }
}

/// A figure with its name.
pub(crate) fn figure_card(name: &str, figure: String) -> Markup {
    html! { div { dt { (name) } dd { (figure) } } }
}

/// The tables of the page's charts, one below the other.
fn file(frame: &Frame<'_>, task: &str, data: &Value, format: Format) -> Result<Answer, Problem> {
    let w = frame.words;
    let figure = |name: &str| number(data, name).unwrap_or(0);
    let mut rows = vec![
        (w.funnel, w.called.to_owned(), figure("calls")),
        (w.funnel, w.connected.to_owned(), figure("connected")),
        (w.funnel, w.answered.to_owned(), figure("answered")),
    ];
    rows.extend(
        by_count(&data["outcomes"])
            .into_iter()
            .map(|(name, count)| (w.by_outcome, w.outcome(&name).to_owned(), count)),
    );
    let intent = |code: String| intent_name(&code, text(&data["intent_names"], &code));
    rows.extend(by_count(&data["intents"]).into_iter().map(|(code, count)| {
        (w.by_intent, if code == OTHERS { w.other_intents.to_owned() } else { intent(code) }, count)
    }));
    rows.extend(
        by_count(&data["tags"]).into_iter().map(|(name, count)| {
            (w.tags, if name == OTHERS { w.other_tags.to_owned() } else { name }, count)
        }),
    );
    let hours = (0..).zip(data["hours"].as_array().into_iter().flatten());
    rows.extend(
        hours.map(|(hour, count): (u8, _)| (w.by_hour, format!("{hour:02}:00"), count.as_u64().unwrap_or(0))),
    );
    let headings = [w.file_table, w.file_name, w.count];
    let rows = rows.into_iter().map(|(table, name, count)| (table.to_owned(), name, count));
    let body = table(format, headings, rows).map_err(readers::file::sheet_problem)?;
    let disposition = attachment(text(data, "name"), task, text(data, "task_id"), format.extension());
    Ok(Answer::of(200, format.content_type(), body).with("content-disposition", disposition))
}

/// The header by which a task's file has the task's name, else its id; neither where its id, as it is shown, hides a number.
fn attachment(name: Option<&str>, task: &str, shown: Option<&str>, extension: &str) -> String {
    let id = (shown == Some(task)).then_some(task);
    let called = name.or(id).map(|called| brief(called, MAX_NAME_CHARACTERS));
    let called = called.map_or_else(|| "task".to_owned(), |called| format!("task {called}"));
    // What a system of files, or a header, takes for something else.
    let of_file = |character: char| match character {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' => '_',
        control if control.is_control() => '_',
        other => other,
    };
    let file: String = format!("{called}.{extension}").chars().map(of_file).collect();
    let plain: String = file.chars().map(|it| if it.is_ascii() { it } else { '_' }).collect();
    let encoded = utf8_percent_encode(&file, NON_ALPHANUMERIC);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_told_apart_are_called_others_and_have_no_link() {
        let counts = json!({"A": 3, "…": 5, "B": 0});
        let shares =
            name_shares(&counts, &Value::Null, "Other intents", |name| Some(format!("/calls?intent={name}")));
        let shares: Vec<_> = shares.iter().map(|it| (&*it.name, it.count, it.href.as_deref())).collect();
        assert_eq!(shares, [("Other intents", 5, None), ("A", 3, Some("/calls?intent=A"))]);
    }

    #[test]
    fn a_task_s_file_has_its_name_or_its_id_and_never_a_hidden_number() {
        let named = |name, task, shown| attachment(name, task, Some(shown), "csv");
        assert_eq!(
            named(Some("双11"), "7", "7"),
            "attachment; filename=\"task _11.csv\"; filename*=UTF-8''task%20%E5%8F%8C11%2Ecsv"
        );
        assert!(named(None, "a/b", "a/b").starts_with("attachment; filename=\"task a_b.csv\";"));
        assert!(
            named(None, "x-13912345678", "x-***********").starts_with("attachment; filename=\"task.csv\";")
        );
        assert!(named(Some("\"\r\nx"), "7", "7").starts_with("attachment; filename=\"task _"));
    }

    #[test]
    fn an_intent_has_its_name_beside_its_code_and_its_link_by_the_code() {
        let data = json!({
            "intents": {"A": 4, "B": 3, "…": 2, "C": 1},
            "intent_names": {"A": "willing", "B": "B (may be)", "D": "nobody's"},
        });
        let shares = intent_shares(&data, "Other intents", |code| Some(format!("/calls?intent={code}")));
        let shares: Vec<_> = shares.iter().map(|it| (&*it.name, it.href.as_deref())).collect();
        assert_eq!(
            shares,
            [
                ("A willing", Some("/calls?intent=A")),
                ("B (may be)", Some("/calls?intent=B")),
                ("Other intents", None),
                ("C", Some("/calls?intent=C")),
            ]
        );
    }
}
