//! One call: to hear, to read, to judge.

use std::time::Duration;

use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem, recording};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::access::{AccessEntry, Permission, What};
use shared::masking::masked;
use shared::model::{CallKey, Instant, Provider, RecordingState};
use shared::path_id::escaped;
use shared::record::keys;
use shared::view::{self, Mask, Shown};
use shared::whole_call::WholeCall;
use url::Url;

use crate::Asked;
use crate::cookie::REVEALED;
use crate::frame::{Frame, Page, Place, brief, instant, lasted, number, text, visible};
use crate::link::Filters;
use crate::pages::calls::{closed, intent, outcome_badge};
use crate::pages::player::{Heard, badge, can_be_heard, details, player, slot};
use crate::pages::review;
use crate::pages::transcript::Transcript;
use crate::pages::{task_names, whole_call};
use crate::route::Form;

/// The longest text of a fact that is shown, in characters.
const MAX_FACT_CHARACTERS: usize = 300;
/// How many looks are shown.
const MAX_LOOKS: usize = 50;

/// A call: with its numbers masked, but for once after somebody asked for them.
pub(crate) async fn answer(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    let (call, path) = whole_call(asked, key).await?;
    let revealed = asked.may(Permission::SeeNumbers)
        && asked.found.form == Form::Html
        && asked.handed_on::<Revealed>(&REVEALED).is_some_and(|revealed| revealed.pk == keys::call_pk(key));
    let answer = shown(asked, &call, &path, revealed).await?;
    Ok(if revealed { asked.forgotten(answer, &REVEALED) } else { answer })
}

/// What is handed on from the form by which a number is asked for.
#[derive(Serialize, Deserialize)]
struct Revealed {
    /// The call's key.
    pk: String,
}

/// Leads back to a call, which is shown with whole numbers then, once.
pub(crate) async fn reveal(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    let (_, path) = whole_call(asked, key).await?;
    let filters = Filters::of(asked.here().1);
    Ok(asked.hand_on(filters.at(&path), &REVEALED, &Revealed { pk: keys::call_pk(key) }))
}

async fn shown(asked: &Asked<'_>, call: &WholeCall, path: &str, numbers: bool) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let key = &call.key;
    let review = store.review(key).await.map_err(problem)?;
    let review = review.and_then(|review| serde_json::to_value(review).ok());
    let looks = match asked.may(Permission::ReadOperations) {
        true => {
            let looks = store.access_of_call(key).await;
            Some(looks.map_err(|error| Problem::unavailable("The access log", &error))?)
        }
        false => None,
    };
    let task = call.call.facts.get("task_id").and_then(Value::as_str);
    let names = task_names(asked, task.map(|task| (key.provider, task.to_owned()))).await?;
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let mut data = Value::Object(view::alone(call, review, &Shown { numbers, callee_id: &callee_id }));
    if !numbers && asked.may(Permission::SeeNumbers) {
        // Numbers are hidden until they are asked for, and pushes are where they always are: to read one is recorded.
        data["pushes"] = whole_pushes(call, &callee_id);
    }
    data["task_name"] = names.into_values().next().map_or(Value::Null, Value::String);
    data["looks"] = looks.as_deref().map_or(Value::Null, looks_json);
    visit.record(if numbers { What::NUMBER } else { What::CALL }, Some(key)).await?;
    let media = media_origin(asked, key, call).await;
    let links = Links::of(asked, call, path);
    let page = page(asked, &links, data, numbers, media);
    Ok(asked.page(&page))
}

/// The pushes of a call as they are shown to whoever may see numbers. Nothing else of the call is made ready for that.
fn whole_pushes(call: &WholeCall, callee_id: &(dyn Fn(&str) -> Option<String> + Sync)) -> Value {
    let WholeCall { key, call, pushes, .. } = call;
    let pushes_alone = WholeCall {
        key: key.clone(),
        call: call.clone(),
        conversation: None,
        recordings: Vec::new(),
        pushes: pushes.clone(),
    };
    let mut all = view::alone(&pushes_alone, None, &Shown { numbers: true, callee_id });
    let mut pushes = all.remove("pushes").unwrap_or_default();
    // Their addresses have the call's id in them, which the page hides where it tells a number.
    if !Mask::of(call.callee_numbers()).may_show(key.call_id.as_str()) {
        for push in pushes.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            push.remove("href");
        }
    }
    pushes
}

/// Where a call's parts have their pages. None of the addresses tells a number.
struct Links<'a> {
    /// The call's own.
    path: &'a str,
    /// The call as the parameter `after` names it.
    after: String,
    task: Option<String>,
    /// Of each recording; `None` of one whose slot's name tells a number, to somebody who may not see it.
    recordings: Vec<Option<String>>,
    /// Of each push; none to somebody who may read no push.
    pushes: Vec<String>,
}

impl<'a> Links<'a> {
    fn of(asked: &Asked<'_>, call: &WholeCall, path: &'a str) -> Self {
        let frame = asked.frame;
        let provider = call.key.provider;
        let mask = Mask::of(call.callee_numbers());
        let task = call.call.facts.get("task_id").and_then(Value::as_str);
        let recordings = call.recordings.iter().map(|recording| {
            let slot = frame.segment(&recording.slot, !mask.may_show(&recording.slot))?;
            Some(format!("{path}/recordings/{slot}"))
        });
        let may_read = asked.may(Permission::SeeNumbers);
        let pushes = call
            .pushes
            .iter()
            .filter(|_| may_read)
            .map(|push| format!("{path}/pushes/{}/{}", escaped(&push.function), escaped(&push.digest)));
        Self {
            path,
            after: after(view::call_at(&call.call), provider, path),
            task: task.and_then(|task| frame.task_path(provider, task, !mask.may_show_shared(task))),
            recordings: recordings.collect(),
            pushes: pushes.collect(),
        }
    }
}

/// A call as the parameter `after` names it: by its time, its platform, and its id as its path has it.
pub(crate) fn after(at: Instant, provider: Provider, path: &str) -> String {
    format!("{},{provider},{}", at.to_text(), path.rsplit('/').next().unwrap_or_default())
}

fn looks_json(looks: &[AccessEntry]) -> Value {
    let looks = looks.iter().rev().take(MAX_LOOKS).map(|entry| {
        json!({"at": entry.at, "actor": entry.actor, "what": entry.what.as_str(), "via": entry.via.as_str()})
    });
    looks.collect()
}

/// Where the recordings are played from: the origin of their URLs, which the page's policy names.
async fn media_origin(asked: &Asked<'_>, key: &CallKey, call: &WholeCall) -> Option<String> {
    let archived = call.recordings.iter().find(|recording| recording.state == RecordingState::Archived)?;
    let mask = asked.visit.mask(call.callee_numbers());
    let url = recording::signed_url(&asked.visit, key, archived, &mask, Duration::from_secs(1)).await.ok()?;
    Some(Url::parse(&url).ok()?.origin().ascii_serialization())
}

fn page(asked: &Asked<'_>, links: &Links<'_>, data: Value, revealed: bool, media: Option<String>) -> Page {
    let frame = asked.frame;
    let w = frame.words;
    let call = &data["call"];
    let none = Vec::new();
    let path = links.path;
    let turns = data["conversation"]["turns"].as_array().unwrap_or(&none);
    let recordings = data["recordings"].as_array().unwrap_or(&none);
    let recordings: Vec<_> = recordings
        .iter()
        .zip(&links.recordings)
        .map(|(recording, path)| Heard { recording, path: path.as_deref() })
        .collect();
    let duration_s = number(call, "duration_s").unwrap_or(0);
    let transcript = Transcript::of(turns, duration_s);
    let callee = text(call, "callee").map_or_else(|| w.unknown_number.to_owned(), |callee| brief(callee, 40));
    let back = asked.filters.at("/calls");
    let next = asked.filters.clone().with("after", &links.after).at("/calls/next");
    let body = html! {
        nav.crumbs { a href=(back) { (w.calls) } span.push {} a.button href=(next) data-do="next" { (w.next_unheard) } }
        header.title {
            h1 { span.callee { (callee) } }
            (outcome_badge(frame, call))
            @if let Some(intent) = intent(call) { span.badge.intent { (w.intent) " " (intent) } }
            @if let Some(at) = instant(call.get("call_at")) { span.quiet { (frame.when(at)) } }
            @if frame.may(Permission::SeeNumbers) && !revealed && call.get("callee").is_some() {
                form.reveal action=(format!("{path}/reveal")) method="post" {
                    (frame.form_fields()) button { (w.reveal) } " " small.quiet { (w.reveal_hint) }
                }
            }
        }
        @if revealed { p.told role="status" { (w.revealed) } }
        div.call {
            div.main {
                section.card { h2 { (w.recording) } (player(frame, &recordings, &transcript, duration_s)) }
                section.card {
                    h2 { (w.transcript) @if !turns.is_empty() { span.count { (w.turns(turns.len())) } } }
                    @if turns.is_empty() {
                        p.blank { (w.no_transcript) }
                    } @else {
                        @if !transcript.has_times() { p.quiet { (w.without_times) } }
                        @else if transcript.has_guesses() { p.quiet { "≈ " (w.guessed_times) } }
                        (transcript.conversation(frame, can_be_heard(frame, &recordings)))
                    }
                }
            }
            div.side {
                (review::card(frame, &data["review"], path))
                section.card { h2 { (w.timeline) } (timeline(frame, call)) }
                section.card { h2 { (w.facts) } (facts(frame, &data, links)) }
                @if !stands_in_place_of_player(frame, &recordings) { (recordings_card(frame, &recordings)) }
                (pushes_card(frame, data["pushes"].as_array().unwrap_or(&none), &links.pushes))
                @if let Some(looks) = data["looks"].as_array() { (looks_card(frame, looks)) }
            }
        }
    };
    // A revealed number stays out of the title, which a browser's history keeps.
    let title = match text(call, "callee") {
        Some(number) => format!("{} {}", w.call, brief(&masked(number), 40)),
        None => format!("{} {callee}", w.call),
    };
    Page { title, place: Place::Calls, data, body, media }
}

/// From ordered to ended: each time that is known, and how long after the one before.
fn timeline(frame: &Frame<'_>, call: &Value) -> Markup {
    let w = frame.words;
    let steps = [
        ("submitted_at", w.submitted),
        ("originated_at", w.originated),
        ("ringing_at", w.rang),
        ("answered_at", w.answered_at),
        ("ended_at", w.ended),
    ];
    let mut known: Vec<_> =
        steps.into_iter().filter_map(|(name, told)| Some((instant(call.get(name))?, told))).collect();
    known.sort_by_key(|(at, _)| *at);
    html! {
        @if known.is_empty() {
            p.blank { (w.unknown) }
        } @else {
            ol.timeline {
                @for (at, (time, told)) in known.iter().enumerate() {
                    li {
                        span { (told) }
                        @if at > 0 {
                            @let after = time.seconds_since(known[at - 1].0).unsigned_abs();
                            small.quiet { "+" (lasted(after)) }
                        }
                        time datetime=(time.to_text()) title=(frame.time(*time)) { (frame.clock(*time)) }
                    }
                }
            }
        }
        @if let Some(by) = text(call, "hangup_by") { p.quiet { (w.hangup_by) " " strong { (w.hangup(by)) } } }
    }
}

fn facts(frame: &Frame<'_>, data: &Value, links: &Links<'_>) -> Markup {
    let w = frame.words;
    let call = &data["call"];
    let seconds = |name: &str| number(call, name).map(|seconds| html! { (lasted(seconds)) });
    let plain = |name: &str| text(call, name).map(|text| html! { (brief(text, MAX_FACT_CHARACTERS)) });
    let code =
        |name: &str| text(call, name).map(|text| html! { code { (brief(text, MAX_FACT_CHARACTERS)) } });
    let task = text(call, "task_id").map(|task| {
        let name = brief(text(data, "task_name").unwrap_or(task), 80);
        match &links.task {
            Some(path) => html! { a href=(path) { (name) } },
            None => closed(frame, &name),
        }
    });
    let cost = call.get("cost").and_then(|cost| {
        let amount = text(cost, "amount")?;
        Some(html! { (brief(amount, 40)) " " (brief(text(cost, "currency").unwrap_or_default(), 10)) })
    });
    let tags = call.get("tags").map(|tags| html! { (tag_list(frame, tags)) });
    let provider = text(call, "provider").map(|provider| html! { (w.provider(provider)) });
    let attempt = number(call, "attempt").map(|attempt| html! { (attempt) });
    let rows = [
        (w.platform, provider),
        (w.task, task),
        (w.callee, plain("callee")),
        (w.display_number, plain("display_number")),
        (w.caller, plain("caller")),
        (w.duration, seconds("duration_s")),
        (w.ringing, seconds("ring_s")),
        (w.billed, seconds("billed_s")),
        (w.cost, cost),
        (w.intent, intent(call).map(|intent| html! { (intent) })),
        (w.tags, tags),
        (w.attempt, attempt),
        (w.out_id, code("out_id")),
        (w.batch, code("batch_id")),
        (w.script, code("script_id")),
        (w.call_id, code("call_id")),
        (w.callee_id, code("callee_id")),
        (w.received, frame.when_of(call.get("first_received_at"))),
    ];
    html! {
        dl.facts {
            @for (name, value) in rows { @if let Some(value) = value { dt { (name) } dd { (value) } } }
        }
        @for (name, value) in [(w.codes, call.get("status")), (w.extra, call.get("extra")), (w.variables, data["conversation"].get("variables"))] {
            @if let Some(value) = value.filter(|value| !value.is_null()) {
                details { summary { (name) } pre.code { (visible(&pretty(value))) } }
            }
        }
    }
}

/// JSON as people read it, cut where nobody would.
fn pretty(value: &Value) -> String {
    brief(&serde_json::to_string_pretty(value).unwrap_or_default(), 20_000)
}

/// Tags, whichever form they have.
fn tag_list(frame: &Frame<'_>, tags: &Value) -> Markup {
    let w = frame.words;
    let each: Vec<String> = match tags {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Object(named) => named
            .iter()
            .map(|(name, values)| {
                let values: Vec<_> =
                    values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                if values.is_empty() {
                    name.clone()
                } else {
                    format!("{name}{}{}", w.colon, values.join(w.and))
                }
            })
            .collect(),
        _ => Vec::new(),
    };
    html! {
        @for tag in each.iter().take(20) { span.tag { (brief(tag, 60)) } " " }
        @if each.len() > 20 { "… " (each.len()) }
    }
}

/// Whether what became of the recordings stands where the player would, since none of them can be heard.
fn stands_in_place_of_player(frame: &Frame<'_>, recordings: &[Heard<'_>]) -> bool {
    let is_told_there = recordings.is_empty() || frame.may(Permission::ListenToRecordings);
    is_told_there && !can_be_heard(frame, recordings)
}

fn recordings_card(frame: &Frame<'_>, recordings: &[Heard<'_>]) -> Markup {
    let w = frame.words;
    html! {
        section.card {
            h2 { (w.recordings) }
            @for Heard { recording, path } in recordings {
                div.state {
                    (badge(frame, text(recording, "state").unwrap_or_default())) " " (slot(frame, recording))
                    (details(frame, recording))
                    @if frame.may(Permission::ListenToRecordings) && recording["state"] == "archived" {
                        @if let Some(path) = path { a href=(path) download { (w.download) } }
                    }
                }
            }
        }
    }
}

fn pushes_card(frame: &Frame<'_>, pushes: &[Value], paths: &[String]) -> Markup {
    let w = frame.words;
    html! {
        section.card {
            h2 { (w.pushes) }
            @if pushes.is_empty() { p.blank { (w.none) } }
            ul.plain {
                @for (at, push) in pushes.iter().enumerate().take(100) {
                    li {
                        @let name = text(push, "function").unwrap_or_default();
                        @match paths.get(at) {
                            Some(path) => a href=(path) { (frame.function(name)) },
                            None => (frame.function(name)),
                        }
                        " " @if let Some(at) = frame.when_of(push.get("received_at")) { span.quiet { (at) } }
                    }
                }
            }
            @if !frame.may(Permission::SeeNumbers) && !pushes.is_empty() { p.quiet { (w.push_needs) } }
        }
    }
}

fn looks_card(frame: &Frame<'_>, looks: &[Value]) -> Markup {
    let w = frame.words;
    html! {
        section.card {
            h2 { (w.who_looked) }
            @if looks.is_empty() { p.blank { (w.nobody_looked) } } @else {
                ul.plain {
                    @for look in looks {
                        li {
                            @let actor = text(look, "actor").unwrap_or_default();
                            strong { (brief(actor.split_once(':').map_or(actor, |(_, name)| name), 60)) } " · "
                            (w.seen(text(look, "what").unwrap_or_default())) " · "
                            @if let Some(at) = frame.when_of(look.get("at")) { span.quiet { (at) } }
                        }
                    }
                }
            }
        }
    }
}
