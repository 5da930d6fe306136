//! A day at a glance, and what needs attention.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem, counts};
use runtime::store::reading::WaitingPage;
use serde_json::{Map, Value, json};
use shared::access::Permission;
use shared::model::{Instant, RecordingState};
use shared::reading::{CallFilter, DayRange, Ties};

use crate::Asked;
use crate::chart::{hours, shares};
use crate::frame::{Frame, Page, Place, grouped, instant, lasted, number, percent, text};
use crate::link::Filters;
use crate::pages::task::{can_be_listed, figure_card, intent_shares, outcome_shares};
use crate::pages::tasks::{day, day_nav};

/// Among so many of the newest calls the last push of each function is looked for.
const NEWEST: usize = 200;
/// So many recordings of a state are counted here.
const MAX_COUNTED: usize = 1_000;
/// A URL that dies within that time needs attention, in seconds.
const SOON_S: i64 = 24 * 3_600;

pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    if !asked.may(Permission::ReadCalls) {
        return Ok(without_calls(asked));
    }
    let day = day(asked)?;
    let zone = &asked.frame.zone;
    let store = &asked.visit.reader.store;
    let counted = store.tasks_of_day(None, day, zone).await.map_err(problem)?;
    let parts = counted.counts.iter().map(|task| {
        let numbers = asked.visit.sees_numbers();
        Value::Object(counts::shown(task.provider, None, &task.counts, zone, numbers))
    });
    let mut data = summed(parts);
    data["day"] = day.to_string().into();
    data["zone"] = zone.name().into();
    data["complete"] = counted.complete.into();
    data["as_of"] = json!(counted.as_of);
    data["last_pushes"] = last_pushes(asked, day).await?;
    let is_operator = asked.may(Permission::ReadOperations);
    if is_operator {
        data["recordings"] = recordings(asked).await?;
    }
    let body = body(asked.frame, day, &data, is_operator);
    let title = asked.frame.words.today.to_owned();
    Ok(asked.page(&Page { title, place: Place::Today, data, body, media: None }))
}

/// The start of somebody who may see no call.
fn without_calls(asked: &Asked<'_>) -> Answer {
    if asked.may(Permission::ReadOperations) {
        return Answer { status_code: 303, ..Answer::found("/operations".to_owned()) };
    }
    let w = asked.frame.words;
    let body = html! { section.notice { h1 { (w.nothing_allowed) } p { (w.forbidden_hint) } } };
    asked.page(&Page {
        title: w.today.to_owned(),
        place: Place::Elsewhere,
        data: Value::Null,
        body,
        media: None,
    })
}

/// What is counted of all tasks together.
fn summed(parts: impl Iterator<Item = Value>) -> Value {
    let mut sums = BTreeMap::from(["calls", "answered", "connected", "talk_s"].map(|name| (name, 0_u64)));
    let mut named: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    let mut hours = vec![0_u64; 24];
    for part in parts {
        for (name, sum) in &mut sums {
            *sum += match *name {
                "talk_s" => part["duration_s"]["sum"].as_u64().unwrap_or(0),
                name => number(&part, name).unwrap_or(0),
            };
        }
        for name in ["outcomes", "intents"] {
            for (value, count) in part[name].as_object().into_iter().flatten() {
                *named.entry(name).or_default().entry(value.clone()).or_default() +=
                    count.as_u64().unwrap_or(0);
            }
        }
        for code in part["intents"].as_object().into_iter().flat_map(Map::keys) {
            let name = text(&part["intent_names"], code).map(str::to_owned);
            names.entry(code.clone()).or_default().insert(name);
        }
        for (sum, count) in hours.iter_mut().zip(part["hours"].as_array().into_iter().flatten()) {
            *sum += count.as_u64().unwrap_or(0);
        }
    }
    // One code may be another thing to another platform: it has a name where all that count it call it alike.
    let alike = |names: BTreeSet<Option<String>>| names.into_iter().reduce(|_, _| None).flatten();
    let names: BTreeMap<_, _> =
        names.into_iter().filter_map(|(code, names)| Some((code, alike(names)?))).collect();
    json!({
        "intent_names": names,
        "calls": sums["calls"], "answered": sums["answered"], "connected": sums["connected"], "talk_s": sums["talk_s"],
        "outcomes": named.get("outcomes"), "intents": named.get("intents"), "hours": hours,
    })
}

/// When each function caught something last, among the newest calls of the day and the one before.
async fn last_pushes(asked: &Asked<'_>, day: DayRange) -> Result<Value, Problem> {
    let before = day.first().checked_sub(1.day()).unwrap_or(day.first());
    let days = DayRange::new(before, day.last()).unwrap_or(day);
    let filter = CallFilter { days: Some(days), zone: asked.frame.zone.clone(), ..CallFilter::default() };
    // In whichever order: no call is shown.
    let page = asked.visit.reader.store.list_calls(&filter, None, NEWEST, &|_| None, &Ties::by_key()).await;
    let page = page.map_err(problem)?;
    let mut last: BTreeMap<&str, Instant> = BTreeMap::new();
    for call in &page.calls {
        for function in call.record.sources.keys() {
            let at = last.entry(function).or_insert(call.record.first_received_at);
            // Which of a call's functions spoke last is not told apart here: it is one of them.
            *at = (*at).max(call.record.updated_at);
        }
    }
    Ok(json!(last))
}

/// How many recordings wait or were lost.
async fn recordings(asked: &Asked<'_>) -> Result<Value, Problem> {
    let store = &asked.visit.reader.store;
    let ties = Ties::by_key();
    let of = async |state| store.waiting_recordings(state, None, MAX_COUNTED, &ties).await.map_err(problem);
    let pending = of(RecordingState::Pending).await?;
    let (expired, failed) = (of(RecordingState::Expired).await?, of(RecordingState::Failed).await?);
    let now = asked.frame.now;
    let expires_soon = |page: &WaitingPage| {
        let expiries = page.recordings.iter().filter_map(|waiting| waiting.recording.source_expires_at);
        expiries.filter(|at| at.seconds_since(now) < SOON_S).count()
    };
    let lost = [&expired, &failed].into_iter().flat_map(|page| &page.recordings);
    let lost = lost.filter(|one| one.lost_at.is_some_and(|at| now.seconds_since(at) < SOON_S)).count();
    Ok(json!({
        "pending": pending.recordings.len(), "expired": expired.recordings.len(), "failed": failed.recordings.len(),
        "expiring_soon": expires_soon(&pending), "lost_lately": lost,
        "more": [pending.next.is_some(), expired.next.is_some(), failed.next.is_some()],
    }))
}

fn body(frame: &Frame<'_>, day: DayRange, data: &Value, is_operator: bool) -> Markup {
    let w = frame.words;
    let figure = |name: &str| number(data, name).unwrap_or(0);
    let (all, answered) = (figure("calls"), figure("answered"));
    let href = |name: &str, value: &str| {
        Filters::default().with("day", &day.to_string()).with(name, value).at("/calls")
    };
    let is_today = day.first() == frame.zone.date(frame.now);
    html! {
        header.title {
            h1 { @if is_today { (w.today) } @else { (day) } }
            (day_nav(frame, "/", day.first()))
        }
        @if data["complete"] != true { p.told { (w.partial_counts) } }
        dl.figures {
            (figure_card(w.count, grouped(all)))
            (figure_card(w.answered, grouped(answered)))
            (figure_card(w.answer_rate, percent(answered, all)))
            (figure_card(w.connected, grouped(figure("connected"))))
            (figure_card(w.talk_time, lasted(figure("talk_s"))))
        }
        div.grid {
            @if all == 0 {
                section.card { h2 { (w.calls) } p.blank { (w.no_calls_on_day) } }
            } @else {
                section.card {
                    h2 { (w.by_hour) }
                    @let counts: Vec<_> = data["hours"].as_array().into_iter().flatten().map(|count| count.as_u64().unwrap_or(0)).collect();
                    (hours(frame, &counts))
                }
                section.card {
                    h2 { (w.by_outcome) }
                    (shares(frame, w.by_outcome, w.outcome, &outcome_shares(frame, &data["outcomes"], |it| Some(href("outcome", it))), all))
                }
                section.card {
                    h2 { (w.by_intent) }
                    (shares(frame, w.by_intent, w.intent, &intent_shares(data, w.other_intents, |it| can_be_listed(frame, it).then(|| href("intent", it))), all))
                }
            }
            section.card { h2 { (w.last_pushes) } (pushes(frame, &data["last_pushes"])) }
            @if is_operator { section.card { h2 { (w.recordings_by_state) } (states(frame, &data["recordings"])) } }
        }
        p.after.quiet { (w.as_of) " " (frame.when(data["as_of"].as_str().and_then(|at| at.parse().ok()).unwrap_or(frame.now))) }
    }
}

fn pushes(frame: &Frame<'_>, last: &Value) -> Markup {
    let last = last.as_object();
    html! {
        @if last.is_none_or(serde_json::Map::is_empty) { p.blank { (frame.words.none_lately) } } @else {
            dl.facts {
                @for (function, at) in last.into_iter().flatten() {
                    dt { (frame.function(function)) } dd { @if let Some(at) = instant(Some(at)) { (frame.when(at)) } }
                }
            }
        }
    }
}

fn states(frame: &Frame<'_>, recordings: &Value) -> Markup {
    let w = frame.words;
    let count = |name: &str| number(recordings, name).unwrap_or(0);
    let more = |at: usize| if recordings["more"][at] == true { "+" } else { "" };
    let soon = usize::try_from(count("expiring_soon")).unwrap_or(usize::MAX);
    let lost = usize::try_from(count("lost_lately")).unwrap_or(usize::MAX);
    html! {
        dl.facts {
            @for (at, (name, told)) in [("pending", w.state_pending), ("expired", w.state_expired), ("failed", w.state_failed)].into_iter().enumerate() {
                dt { (told) } dd { (grouped(count(name))) (more(at)) }
            }
        }
        @if soon == 0 && lost == 0 { p.quiet { (w.all_well) } } @else {
            p.attention { strong { (w.attention) } } ul.attention {
                @if soon > 0 { li { a href="/operations" { (w.expiring(soon)) } } }
                @if lost > 0 { li { a href="/operations" { (w.lost_lately(lost)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_name_where_all_platforms_call_it_alike() {
        let part = |intents: Value, names: Value| json!({"intents": intents, "intent_names": names});
        let sum = summed(
            [
                part(json!({"A": 1, "B": 2, "C": 3}), json!({"A": "willing", "B": "maybe", "C": "no"})),
                part(json!({"A": 1, "B": 2}), json!({"A": "willing", "B": "later"})),
                part(json!({"C": 1}), json!({})),
            ]
            .into_iter(),
        );
        assert_eq!(sum["intent_names"], json!({"A": "willing"}));
        assert_eq!(sum["intents"], json!({"A": 2, "B": 4, "C": 4}));
    }
}
