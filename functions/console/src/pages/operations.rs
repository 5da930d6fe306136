//! How callvault itself fares.

use maud::{Markup, html};
use readers::filter::problem;
use readers::parameter as of;
use readers::{Answer, Problem, recording};
use runtime::health::{self, Finding};
use runtime::store::rejects::RecentReject;
use runtime::store::shards::ShardLease;
use serde_json::{Value, json};
use shared::masking::in_text;
use shared::model::RecordingState;

use crate::Asked;
use crate::dead_letters::DeadLetterCounts;
use crate::findings::{self, Hidden};
use crate::frame::{Frame, Page, Place, brief, grouped, instant, text};
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
    asked.query.check(&[&of::ZONE.described], Some(asked.visit.actor))?;
    // Queues are asked while the stores are read: they hold up nothing.
    let (dead_letters, stored) = tokio::join!(asked.dead_letters.count(asked.frame.now), stored(asked));
    let (mut data, findings, hidden) = stored?;
    data["dead_letters"] = dead_letters.json();
    let body = body(asked.frame, &data, (&findings, &hidden), dead_letters);
    let title = asked.frame.words.operations.to_owned();
    Ok(asked.page(&Page { title, place: Place::Operations, data, body, media: None }))
}

/// What the stores tell, and what is wrong by that.
async fn stored(asked: &Asked<'_>) -> Result<(Value, Vec<Finding>, Hidden), Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let now = asked.frame.now;
    let table = |error| Problem::unavailable("The table", &error as &dyn std::fmt::Display);
    let ties = visit.ties().await?;
    let recordings_of = async |state| {
        let page = store.waiting_recordings(state, None, SHOWN, &ties).await.map_err(problem)?;
        let shown = recording::waiting(visit, &page).await?;
        Ok::<_, Problem>(json!({"recordings": shown, "more": page.next.is_some()}))
    };
    let seen = health::see(store.table(), now, health::Depth::PAGE).await.map_err(table)?;
    let findings = health::findings(&seen, now);
    let hidden = findings::hidden(asked, &findings).await?;
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
        "findings": findings.iter().map(|one| finding(one, &hidden)).collect::<Vec<_>>(),
        "pending": recordings_of(RecordingState::Pending).await?,
        "expired": recordings_of(RecordingState::Expired).await?,
        "failed": recordings_of(RecordingState::Failed).await?,
        "waiting": seen.waiting.len(),
        "due": seen.waiting.iter().filter(|entry| entry.due_at <= now).count(),
        "rejects": rejects.iter().map(reject).collect::<Vec<_>>(),
        "shards": seen.leases.iter().map(|lease| shard(lease, now)).collect::<Vec<_>>(),
    });
    Ok((data, findings, hidden))
}

/// A finding as programs read it: its kind, and the words of the operator's commands.
fn finding(finding: &Finding, hidden: &Hidden) -> Value {
    let told = [finding.what(&|at| at.to_string()), finding.todo()];
    let [what, todo] = findings::without_numbers(told, hidden);
    json!({"code": finding.code(), "mendable": finding.is_mendable(), "what": what, "todo": todo})
}

/// A reject, without what came.
fn reject(reject: &RecentReject) -> Value {
    json!({
        "function": reject.function, "received_at": reject.received_at,
        "reason": in_text(&reject.reason), "field": reject.field.as_deref().map(|field| in_text(field)),
    })
}

fn shard(lease: &ShardLease, now: shared::model::Instant) -> Value {
    json!({
        "shard": lease.shard, "running": lease.holder(now).is_some(), "in_hand": lease.in_hand.len(),
        "last_run_at": lease.last_run_at,
    })
}

fn body(
    frame: &Frame<'_>,
    data: &Value,
    (findings, hidden): (&[Finding], &Hidden),
    dead_letters: DeadLetterCounts,
) -> Markup {
    let w = frame.words;
    let none = Vec::new();
    let list = |name: &str| data[name]["recordings"].as_array().unwrap_or(&none);
    let rejects = data["rejects"].as_array().unwrap_or(&none);
    let lost: Vec<&Value> = list("expired").iter().chain(list("failed")).collect();
    let more = |names: &[&str]| names.iter().any(|name| data[*name]["more"] == true);
    html! {
        header.title { h1 { (w.operations) } }
        dl.figures {
            div { dt { (w.waiting) } dd { (data["waiting"]) } }
            div { dt { (w.due_now) } dd { (data["due"]) } }
            div { dt { (w.problems) } dd { (findings.len()) } }
            div { dt { (w.dead_letters) } dd { (all_dead_letters(frame, dead_letters)) } }
        }
        section.card {
            h2 { (w.findings) }
            @if findings.is_empty() { p.blank { (w.findings_none) } } @else {
                ul.findings { @for finding in findings { li { (findings::told(frame, finding, hidden)) } } }
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
            (dead_letters_card(frame, dead_letters))
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
                                th scope="row" { code { "archive-recordings" } " " span.whole { (w.shard) " " (shard["shard"]) } }
                                td { (last_run(frame, shard)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How many dead letters there are of both queues, as far as that is known.
fn all_dead_letters(frame: &Frame<'_>, counts: DeadLetterCounts) -> String {
    match counts.known() {
        (known, false) => grouped(known),
        (0, true) => frame.words.unknown.to_owned(),
        (known, true) => format!("≥ {}", grouped(known)),
    }
}

fn dead_letters_card(frame: &Frame<'_>, counts: DeadLetterCounts) -> Markup {
    let w = frame.words;
    let (known, is_part) = counts.known();
    html! {
        section.card {
            h2 { (w.dead_letters) }
            p.quiet { (w.dead_letters_are) }
            dl.facts {
                @for (name, count) in [(w.dead_runs, counts.runs), (w.dead_events, counts.events)] {
                    dt { (name) }
                    dd { @match count {
                        Some(0) => "0",
                        Some(count) => span.badge.bad { (grouped(count)) },
                        None => span.quiet { (w.unknown) },
                    } }
                }
            }
            @if is_part { p.quiet { (w.dead_letters_unknown) } }
            @if known > 0 { p { (w.dead_letters_todo) } }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Language;
    use shared::model::Instant;

    #[test]
    fn dead_letters_that_are_not_counted_are_not_none() {
        let [english, chinese] = Language::ALL.map(|language| Frame {
            words: language.words(),
            language,
            ..Frame::of_test(Instant::from_epoch_seconds(1_748_743_200).unwrap())
        });
        let of = |runs, events| DeadLetterCounts { runs, events };
        let card = |frame, counts| dead_letters_card(frame, counts).into_string();
        assert_eq!(all_dead_letters(&english, of(None, Some(0))), "Unknown");
        assert_eq!(all_dead_letters(&chinese, of(None, None)), "未知");
        assert_eq!(all_dead_letters(&english, of(None, Some(1_200))), "≥ 1,200");
        assert_eq!(all_dead_letters(&english, of(Some(0), Some(0))), "0");
        let (unknown, none, some) = (
            card(&english, of(None, None)),
            card(&english, of(Some(0), Some(0))),
            card(&english, of(None, Some(2))),
        );
        assert!(unknown.contains("no queue is set") && !unknown.contains(">0<"), "{unknown}");
        assert!(
            none.contains("<dd>0</dd>") && !none.contains("no queue") && !none.contains("What to do"),
            "{none}"
        );
        assert!(
            some.contains(">2</span>") && some.contains("no queue") && some.contains("What to do"),
            "{some}"
        );
    }
}
