//! The player: a recording's sound, and all of a call's recordings with what became of each.

use maud::{Markup, html};
use serde_json::Value;
use shared::access::Permission;

use crate::frame::{Frame, brief, instant, lasted, number, size, text};
use crate::pages::transcript::Transcript;
use crate::reasons;

/// What stands in the reason where a recording's host is not among those that are allowed, which only an operator can mend.
const HOST_NOT_ALLOWED: &str = "is not allowed";
/// The same, where the host's address is none of the internet's.
const ADDRESS_REFUSED: &str = "address that is refused";

/// A recording, and its path; `None` where there is none for whoever asks.
pub(crate) struct Heard<'a> {
    pub(crate) recording: &'a Value,
    pub(crate) path: Option<&'a str>,
}

impl Heard<'_> {
    /// Where it can be heard.
    fn playable(&self) -> Option<&str> {
        self.path.filter(|_| self.recording["state"] == "archived")
    }
}

/// Whether there is a recording that whoever asks can hear on the page.
pub(crate) fn can_be_heard(frame: &Frame<'_>, recordings: &[Heard<'_>]) -> bool {
    frame.may(Permission::ListenToRecordings) && recordings.iter().any(|heard| heard.playable().is_some())
}

/// The name of a slot.
pub(crate) fn slot(frame: &Frame<'_>, recording: &Value) -> String {
    let slot = text(recording, "slot").unwrap_or_default();
    frame.words.slot_name(slot).map_or_else(|| brief(slot, 40), str::to_owned)
}

/// The player of a call's recordings; without the script it is the browser's own, one for each.
pub(crate) fn player(
    frame: &Frame<'_>,
    recordings: &[Heard<'_>],
    transcript: &Transcript<'_>,
    duration_s: u64,
) -> Markup {
    let w = frame.words;
    let playable: Vec<_> =
        recordings.iter().filter_map(|heard| Some((heard.recording, heard.playable()?))).collect();
    if recordings.is_empty() {
        return html! { p.blank { (w.no_recording) } };
    }
    if !frame.may(Permission::ListenToRecordings) {
        return html! { p.blank { (w.may_not_listen) } };
    }
    html! {
        @if !playable.is_empty() {
            section.player aria-label=(w.player) data-duration=(duration_s)
                data-play=(w.play) data-pause=(w.pause) data-unplayable=(w.cannot_play) data-retried=(w.playing_failed) {
                @for (at, (recording, path)) in playable.iter().enumerate() {
                    div.sound data-name=(slot(frame, recording)) {
                        @if playable.len() > 1 { span.by { (slot(frame, recording)) } }
                        audio controls preload="none" src=(path) data-type=(text(recording, "media_type").unwrap_or_default().replace("audio/x-", "audio/"))
                            aria-label=(format!("{} {}", w.recording, at + 1)) {}
                    }
                }
                div.deck hidden {
                    button.round data-do="play" type="button" aria-label=(w.play) { "▶" }
                    button data-do="back" type="button" aria-label=(w.back_5) { "−5" }
                    button data-do="ahead" type="button" aria-label=(w.ahead_5) { "+5" }
                    output.clock { "0:00" } span.quiet { "/" } span.length { (lasted(duration_s)) }
                    label { span.hidden { (w.speed) }
                        select data-do="speed" {
                            @for speed in ["0.75", "1", "1.25", "1.5", "2"] {
                                option value=(speed) selected[speed == "1"] { (speed) "×" }
                            }
                        }
                    }
                    @if playable.len() > 1 {
                        label { span.hidden { (w.slot) }
                            select data-do="slot" {
                                @for (at, (recording, _)) in playable.iter().enumerate() { option value=(at) { (slot(frame, recording)) } }
                            }
                        }
                    }
                    a.button data-do="download" href=(playable[0].1) download { (w.download) }
                }
                @if transcript.has_times() { (transcript.lanes(frame)) }
                p.told role="status" hidden {}
            }
        }
        (states(frame, recordings))
    }
}

/// What became of each recording; nothing where all are archived and are played above.
fn states(frame: &Frame<'_>, recordings: &[Heard<'_>]) -> Markup {
    html! {
        @for Heard { recording, .. } in recordings.iter().filter(|heard| heard.playable().is_none()) {
            div.state {
                (badge(frame, text(recording, "state").unwrap_or_default())) " " strong { (slot(frame, recording)) } " "
                (outlook(frame, recording))
                (details(frame, recording))
            }
        }
    }
}

/// What is to be said of a recording that can't be heard, and what to do about it.
fn outlook(frame: &Frame<'_>, recording: &Value) -> &'static str {
    let w = frame.words;
    let reason = text(recording, "last_error");
    match (text(recording, "state").unwrap_or_default(), reason) {
        ("pending", Some(reason)) if reason.contains(HOST_NOT_ALLOWED) => w.told_host,
        ("pending", Some(reason)) if reason.contains(ADDRESS_REFUSED) => w.told_address,
        ("pending", Some(_)) => w.told_retried,
        ("pending", None) => w.told_pending,
        ("expired", _) => w.told_expired,
        ("failed", _) => w.told_failed,
        _ => "",
    }
}

/// What is known of a recording beside its state.
pub(crate) fn details(frame: &Frame<'_>, recording: &Value) -> Markup {
    let w = frame.words;
    html! {
        dl.inline {
            @if let Some(at) = frame.when_of(recording.get("next_attempt_at")) { div { dt { (w.next_try) } dd { (at) } } }
            @if let Some(at) = instant(recording.get("source_expires_at")).filter(|_| recording["state"] != "archived") {
                div { dt { @if at > frame.now { (w.expires) } @else { (w.link_expired) } } dd { (frame.when(at)) } }
            }
            @if let Some(at) = frame.when_of(recording.get("lost_at")) { div { dt { (w.lost_at) } dd { (at) } } }
            @if let Some(tries) = number(recording, "attempts").filter(|tries| *tries > 0) { div { dt { (w.tries) } dd { (tries) } } }
            @if let Some(bytes) = number(recording, "bytes") { div { dt { (w.size) } dd { (size(bytes)) } } }
            @if let Some(reason) = text(recording, "last_error") { div { dt { (w.reason) } dd { (reasons::told(frame, reason)) } } }
        }
    }
}

/// A recording's state.
pub(crate) fn badge(frame: &Frame<'_>, state: &str) -> Markup {
    let class = match state {
        "archived" => "badge good",
        "pending" => "badge wait",
        _ => "badge bad",
    };
    html! { span class=(class) { (frame.words.recording_state(state)) } }
}
