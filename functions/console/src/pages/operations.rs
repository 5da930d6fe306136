//! How callvault itself fares.

use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem, recording};
use runtime::health;
use runtime::store::rejects::RecentReject;
use runtime::store::shards::ShardLease;
use serde_json::{Value, json};
use shared::masking::Hidden;
use shared::model::RecordingState;

use crate::Asked;
use crate::frame::{Frame, Page, Place, brief, instant, text};
use crate::pages::player::{badge, details};
use crate::reasons;

/// How many recordings of a state are shown.
const SHOWN: usize = 20;
/// The functions that run one at a time, and note that they do, beside the archiver.
const SCHEDULED: [&str; 1] = ["fetch-conversations"];
/// How many rejects are shown, and of how many days.
const REJECTS: usize = 20;
const REJECT_DAYS: i64 = 3;

pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let now = asked.frame.now;
    let table = |error| Problem::unavailable("The table", &error as &dyn std::fmt::Display);
    let of = async |state| {
        let page = store.waiting_recordings(state, None, SHOWN).await.map_err(problem)?;
        let shown = recording::waiting(visit, &page).await?;
        Ok::<_, Problem>(json!({"recordings": shown, "more": page.next.is_some()}))
    };
    let seen = health::see(store.table(), now, health::Depth::PAGE).await.map_err(table)?;
    let findings: Vec<_> = health::findings(&seen, now)
        .into_iter()
        .map(|finding| {
            // What is told names calls.
            let [what, todo] =
                [&finding.what, &finding.todo].map(|text| Hidden::default().in_text(text).into_owned());
            json!({"what": what, "todo": todo})
        })
        .collect();
    let rejects = store.recent_rejects(now, REJECT_DAYS, REJECTS).await;
    let rejects = rejects.map_err(|error| Problem::unavailable("The bucket", &error))?;
    let runs = store.table().last_leases(&SCHEDULED).await.map_err(table)?;
    let runs: Vec<_> = SCHEDULED
        .iter()
        .map(|name| {
            let until = runs.iter().find(|(known, _)| known == name).map(|(_, until)| *until);
            json!({"function": name, "running": until.is_some_and(|until| until > now), "last_run_at": until.filter(|until| *until <= now)})
        })
        .collect();
    let data = json!({
        "runs": runs,
        "as_of": now,
        "findings": findings,
        "pending": of(RecordingState::Pending).await?,
        "expired": of(RecordingState::Expired).await?,
        "failed": of(RecordingState::Failed).await?,
        "waiting": seen.waiting.len(),
        "due": seen.waiting.iter().filter(|entry| entry.due_at <= now).count(),
        "rejects": rejects.iter().map(reject).collect::<Vec<_>>(),
        "shards": seen.leases.iter().map(|lease| shard(lease, now)).collect::<Vec<_>>(),
    });
    let body = body(asked.frame, &data);
    let title = asked.frame.words.operations.to_owned();
    Ok(asked.page(&Page { title, place: Place::Operations, data, body, media: None }))
}

/// A reject, without what came.
fn reject(reject: &RecentReject) -> Value {
    let hidden = Hidden::default();
    json!({
        "function": reject.function, "received_at": reject.received_at,
        "reason": hidden.in_text(&reject.reason), "field": reject.field.as_deref().map(|field| hidden.in_text(field)),
    })
}

fn shard(lease: &ShardLease, now: shared::model::Instant) -> Value {
    json!({
        "shard": lease.shard, "running": lease.holder(now).is_some(), "in_hand": lease.in_hand.len(),
        "last_run_at": lease.last_run_at,
    })
}

fn body(frame: &Frame<'_>, data: &Value) -> Markup {
    let w = frame.words;
    let none = Vec::new();
    let list = |name: &str| data[name]["recordings"].as_array().unwrap_or(&none);
    let findings = data["findings"].as_array().unwrap_or(&none);
    let rejects = data["rejects"].as_array().unwrap_or(&none);
    let lost: Vec<&Value> = list("expired").iter().chain(list("failed")).collect();
    let more = |names: &[&str]| names.iter().any(|name| data[*name]["more"] == true);
    html! {
        header.title { h1 { (w.operations) } }
        dl.figures {
            div { dt { (w.waiting) } dd { (data["waiting"]) } }
            div { dt { (w.due_now) } dd { (data["due"]) } }
            div { dt { (w.problems) } dd { (findings.len()) } }
        }
        section.card {
            h2 { (w.findings) }
            @if findings.is_empty() { p.blank { (w.findings_none) } } @else {
                @if w.is_chinese() { p.quiet { (w.in_english) } }
                ul.findings lang="en" {
                    @for finding in findings {
                        li { strong { (brief(text(finding, "what").unwrap_or_default(), 400)) } p.quiet { (brief(text(finding, "todo").unwrap_or_default(), 600)) } }
                    }
                }
            }
        }
        div.grid {
            section.card {
                h2 { (w.waiting) }
                (recordings(frame, &list("pending").iter().collect::<Vec<_>>(), w.waiting_none))
                @if more(&["pending"]) { p.quiet { (w.more_than_shown) } }
            }
            section.card {
                h2 { (w.lost) }
                (recordings(frame, &lost, w.lost_none))
                @if more(&["expired", "failed"]) { p.quiet { (w.more_than_shown) } }
            }
            section.card {
                h2 { (w.rejects(REJECT_DAYS)) }
                @if rejects.is_empty() { p.blank { (w.rejects_none) } } @else {
                    ul.plain {
                        @for reject in rejects {
                            li.state {
                                code { (text(reject, "function").unwrap_or_default()) } " "
                                @if let Some(at) = frame.when_of(reject.get("received_at")) { span.quiet { (at) } }
                                @let reason = text(reject, "reason").unwrap_or_default();
                                div { (reasons::told(frame, reason))
                                    @if let Some(field) = text(reject, "field").filter(|field| !reason.contains(field)) { " " code { (brief(field, 60)) } } }
                            }
                        }
                    }
                }
            }
            section.card {
                h2 { (w.runs) }
                table.data {
                    caption.hidden { (w.runs) }
                    thead { tr { th scope="col" { (w.function) } th scope="col" { (w.last_run) } } }
                    tbody {
                        @for run in data["runs"].as_array().unwrap_or(&none) {
                            tr { th scope="row" { code { (text(run, "function").unwrap_or_default()) } } td { (last_run(frame, run)) } }
                        }
                        @for shard in data["shards"].as_array().unwrap_or(&none) {
                            tr {
                                th scope="row" { code { "archive-recordings" } " " (w.shard) " " (shard["shard"]) }
                                td { (last_run(frame, shard)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// When something ran last, or that it is at work.
fn last_run(frame: &Frame<'_>, run: &Value) -> Markup {
    let w = frame.words;
    html! {
        @if run["running"] == true { span.badge.wait { (w.running) } }
        @else if let Some(at) = instant(run.get("last_run_at")) { (frame.when(at)) }
        @else { span.quiet { (w.never_ran) } }
    }
}

fn recordings(frame: &Frame<'_>, recordings: &[&Value], none: &str) -> Markup {
    let w = frame.words;
    html! {
        @if recordings.is_empty() { p.blank { (none) } }
        @for recording in recordings {
            div.state {
                (badge(frame, text(recording, "state").unwrap_or_default())) " "
                @let provider = w.provider(text(recording, "provider").unwrap_or_default());
                @let id = brief(text(recording, "call_id").unwrap_or_default(), 40);
                @match text(recording, "call") {
                    // The API's path, without what stands before it there.
                    Some(call) => a href=(call.strip_prefix("/api").unwrap_or(call)) { (provider) " " code { (id) } },
                    None => { (provider) " " code { (id) } },
                }
                (details(frame, recording))
            }
        }
    }
}
