//! The dialogs: a call's recordings, and an attempt that came to no conversation.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{AGENT, CALLEE, Options, fact};
use crate::model::{CallFacts, Instant, Outcome, Recording, RecordingState};
use crate::record::item::TURNS;
use crate::view::Mask;
use crate::whole_call::WholeCall;

/// The slot of the recording that has the callee alone.
const CUSTOMER: &str = "customer";
/// The largest integer that every reader of JSON takes (RFC 8620).
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// The longest media type that is handed on, in bytes (RFC 4288: 127 on each side of the slash).
const MAX_MEDIA_TYPE_BYTES: usize = 255;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Dialog {
    r#type: &'static str,
    start: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    parties: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    originator: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mediatype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<&'static str>,
    application: &'static str,
}

/// A call's dialogs, of which there is always one, and the place of its first recording among them.
pub(super) fn of(call: &WholeCall, options: &Options<'_>, mask: &Mask) -> (Vec<Dialog>, usize) {
    let times = times(call);
    let called_at = times.call_at().unwrap_or(call.call.first_received_at);
    let bare = |r#type, start| Dialog {
        r#type,
        start,
        duration: None,
        parties: vec![AGENT, CALLEE],
        originator: None,
        mediatype: None,
        url: None,
        content_hash: None,
        disposition: None,
        application: call.key.provider.platform().title,
    };
    let failed = disposition(call);
    let mut dialogs = Vec::new();
    dialogs.extend(failed.map(|why| Dialog { disposition: Some(why), ..bare("incomplete", called_at) }));
    let recordings_at = dialogs.len();

    let duration = fact::<u64>(&call.call, "duration_s").filter(|seconds| {
        failed.is_none() && (1..=MAX_INTEGER).contains(seconds) && mask.may_show(&seconds.to_string())
    });
    let start = if failed.is_none() { times.answered_at.unwrap_or(called_at) } else { called_at };
    let recorded = Dialog { duration, ..bare("recording", start) };
    dialogs.extend(call.recordings.iter().map(|recording| {
        let dialog = recorded.clone();
        with_content(dialog, call, recording, options, mask)
    }));
    if dialogs.is_empty() {
        dialogs.push(recorded);
    }
    (dialogs, recordings_at)
}

fn with_content(
    dialog: Dialog,
    call: &WholeCall,
    recording: &Recording,
    options: &Options<'_>,
    mask: &Mask,
) -> Dialog {
    let dialog = match recording.slot.as_str() {
        // What the callee does not say is cut out of it, perhaps.
        CUSTOMER => Dialog { parties: vec![CALLEE], originator: Some(AGENT), duration: None, ..dialog },
        _ => dialog,
    };
    if recording.state != RecordingState::Archived {
        return dialog;
    }
    let tells_nothing = mask.may_show(call.key.call_id.as_str()) && mask.may_show(&recording.slot);
    let url = (options.recording_url)(&call.key, &recording.slot);
    Dialog {
        mediatype: recording.media_type.clone().filter(|found| is_media_type(found) && mask.may_show(found)),
        url: url.filter(|url| url.starts_with("https://") && tells_nothing),
        content_hash: content_hash(recording),
        ..dialog
    }
}

/// The hash of a recording's bytes. SHA-512 is what every reader takes. Where that was not reckoned it is SHA-256, which the draft lets
/// one write too.
fn content_hash(recording: &Recording) -> Option<String> {
    let token = |algorithm: &str, hash: Option<&String>, bytes: usize| {
        let hash = hex::decode(hash?).ok().filter(|hash| hash.len() == bytes)?;
        Some(format!("{algorithm}-{}", BASE64_URL_SAFE_NO_PAD.encode(hash)))
    };
    token("sha512", recording.sha512.as_ref(), 64).or_else(|| token("sha256", recording.sha256.as_ref(), 32))
}

fn is_media_type(text: &str) -> bool {
    let is_token = |token: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !token.is_empty() && token.bytes().all(allowed)
    };
    text.len() <= MAX_MEDIA_TYPE_BYTES
        && text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// The times of a call, so far as they can be read.
fn times(call: &WholeCall) -> CallFacts {
    let time = |attribute| fact::<Instant>(&call.call, attribute);
    CallFacts {
        submitted_at: time("submitted_at"),
        originated_at: time("originated_at"),
        ringing_at: time("ringing_at"),
        answered_at: time("answered_at"),
        ended_at: time("ended_at"),
        ..CallFacts::default()
    }
}

/// Why no conversation came about, in the draft's words for call control; `None` where one did, or where that is not known.
///
/// What was said, or left on a voicemail, is a conversation. A recording of a call that nobody answered has the network's announcement.
fn disposition(call: &WholeCall) -> Option<&'static str> {
    let is_recorded = !call.recordings.is_empty();
    let was_spoken =
        call.conversation.as_ref().is_some_and(|conversation| conversation.facts.contains_key(TURNS));
    if was_spoken {
        return None;
    }
    match fact::<Outcome>(&call.call, "outcome")? {
        Outcome::Answered => None,
        Outcome::Voicemail | Outcome::Other if is_recorded => None,
        Outcome::Voicemail => Some("voicemail-no-message"),
        Outcome::NoAnswer => Some("no-answer"),
        Outcome::Busy => Some("busy"),
        Outcome::Congestion => Some("congestion"),
        Outcome::Canceled | Outcome::Abandoned => Some("hung-up"),
        Outcome::Rejected
        | Outcome::PoweredOff
        | Outcome::Suspended
        | Outcome::InvalidNumber
        | Outcome::Unreachable
        | Outcome::Forwarded
        | Outcome::Barred
        | Outcome::CallerError
        | Outcome::SystemError
        | Outcome::Other => Some("failed"),
    }
}
