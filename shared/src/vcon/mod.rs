//! A call as a vCon, the IETF's container for conversations: draft-ietf-vcon-vcon-core, syntax `0.4.0`.
//!
//! <https://datatracker.ietf.org/doc/draft-ietf-vcon-vcon-core/>
//!
//! Pure: the same call makes the same vCon, byte for byte, whenever and wherever it is made. Objects of a vCon name each other by their
//! places in its arrays, so the places are fixed: [`AGENT`], [`CALLEE`] and [`PLATFORM`] among the parties; among the dialogs first the
//! attempt that failed, then the recordings by slot. A call of which no recording is known yet has one dialog without content, which
//! gets it later.
//!
//! | of the call | in the vCon |
//! |---|---|
//! | each recording | a `recording` dialog, with `url` and `content_hash` once it is archived |
//! | not answered | an `incomplete` dialog with the disposition of call control |
//! | what was said | `analysis` of type `transcript`, schema `callvault-turns-1` |
//! | outcome, intent, tags, the platform's codes, ids, times, cost | `analysis` of type `report`, schema `callvault-call-1` |
//! | verbatim pushes | `attachments`, with the text exactly as it came |
//!
//! Whoever may not see numbers gets another vCon, with a UUID of its own: its `redacted` names the one that has them.

mod analysis;
mod dialog;
mod uuid;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{CallKey, Instant, PhoneNumber};
use crate::record::keys;
use crate::record::merge::Record;
use crate::view::{Mask, href};
use crate::whole_call::{StoredPush, WholeCall};
use analysis::Analysis;
use dialog::Dialog;

/// The syntax that is written.
const SYNTAX: &str = "0.4.0";
/// What is taken out of a vCon for whoever may not see numbers.
const REDACTION: &str = "phone numbers";
const JSON: &str = "application/json";

/// The place of the AI agent among the parties. It calls, so it is first.
pub const AGENT: usize = 0;
/// The place of the person called.
pub const CALLEE: usize = 1;
/// The place of the platform, which tells of the call and takes no part in it.
pub const PLATFORM: usize = 2;

/// What of a call may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Numbers are masked, and blacked out where texts mention them.
    WithoutNumbers,
    /// Numbers too.
    Numbers,
    /// Numbers, and the verbatim pushes, which are full of them.
    NumbersAndPushes,
}

/// How a call is shown.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What of it.
    pub shown: Shown,
    /// The URL at which a recording can be had, by call and slot; `None` where there is none. It has to be the same each time, so it
    /// carries no signature; one that is not HTTPS is left out, as the draft has it. See [`recording_path`].
    pub recording_url: &'a (dyn Fn(&CallKey, &str) -> Option<String> + Sync),
}

/// The path of a recording at the readers' API.
pub fn recording_path(key: &CallKey, slot: &str) -> String {
    href::recording(key, slot)
}

/// A call as a vCon. Serialized, it is JSON of the media type `application/vcon+json`, unsigned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vcon {
    vcon: &'static str,
    uuid: String,
    created_at: Instant,
    updated_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<Redacted>,
    parties: Vec<Party>,
    dialog: Vec<Dialog>,
    analysis: Vec<Analysis>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
}

/// Which vCon this one is a redaction of.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Redacted {
    uuid: String,
    r#type: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Party {
    #[serde(skip_serializing_if = "Option::is_none")]
    tel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Attachment {
    purpose: String,
    start: Instant,
    party: usize,
    dialog: usize,
    mediatype: &'static str,
    encoding: &'static str,
    body: String,
}

impl Vcon {
    /// Makes a vCon of all that is stored of a call.
    pub fn of(call: &WholeCall, options: &Options<'_>) -> Self {
        let mask = mask(call, options);
        let created_at = call.call.first_received_at;
        let named = keys::call_pk(&call.key);
        let full = uuid::of(created_at, &named);
        let (uuid, redacted) = match options.shown {
            Shown::WithoutNumbers => (
                uuid::of(created_at, &format!("redacted#{named}")),
                Some(Redacted { uuid: full, r#type: REDACTION }),
            ),
            Shown::Numbers | Shown::NumbersAndPushes => (full, None),
        };
        let (dialog, recordings_at) = dialog::of(call, options, &mask);
        let attachments = match options.shown {
            Shown::NumbersAndPushes => call.pushes.iter().filter_map(attachment).collect(),
            Shown::WithoutNumbers | Shown::Numbers => Vec::new(),
        };
        Self {
            vcon: SYNTAX,
            uuid,
            created_at,
            updated_at: updated_at(call),
            redacted,
            parties: parties(call, &mask),
            dialog,
            analysis: analysis::of(call, &mask, recordings_at),
            attachments,
        }
    }

    /// The UUID, which is the same whenever the call is exported, and sorts by when the call was first heard of.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }
}

/// A record's fact, where it has one that can be read. A later release may have others.
fn fact<T: DeserializeOwned>(record: &Record, attribute: &str) -> Option<T> {
    serde_json::from_value(record.facts.get(attribute)?.clone()).ok()
}

/// When anything of the call was changed last.
fn updated_at(call: &WholeCall) -> Instant {
    let conversation = call.conversation.iter().map(|conversation| conversation.updated_at);
    let recordings =
        call.recordings.iter().map(|recording| recording.archived_at.unwrap_or(recording.first_received_at));
    conversation.chain(recordings).fold(call.call.updated_at, Ord::max)
}

/// What may be seen of a call's texts.
fn mask(call: &WholeCall, options: &Options<'_>) -> Mask {
    match options.shown {
        Shown::WithoutNumbers => Mask::of(call.callee_numbers()),
        Shown::Numbers | Shown::NumbersAndPushes => Mask::none(),
    }
}

fn parties(call: &WholeCall, mask: &Mask) -> Vec<Party> {
    let number = |attribute: &str| fact::<PhoneNumber>(&call.call, attribute);
    let title = call.key.provider.platform().title;
    let agent = number("display_number").or_else(|| number("caller"));
    let agent = Party { r#type: "bot", ..party(agent.as_ref(), mask) };
    let callee = Party { r#type: "person", ..party(number("callee").as_ref(), mask) };
    let platform = Party { name: Some(title.to_owned()), r#type: "organization", ..Party::default() };
    // In the order of their places.
    vec![agent, callee, platform]
}

/// Who has this number. One that is masked, by the platform or here, is a name: it leads to nobody.
fn party(number: Option<&PhoneNumber>, mask: &Mask) -> Party {
    let Some(number) = number else { return Party::default() };
    match tel(number.as_str()).filter(|_| mask.shows_numbers()) {
        Some(tel) => Party { tel: Some(tel), ..Party::default() },
        None => Party { name: Some(mask.number(number.as_str()).into_owned()), ..Party::default() },
    }
}

/// A number as a TEL URL, if it is one whole number. Whether it begins with a country's code is not known, so no `+` is added.
fn tel(number: &str) -> Option<String> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_separator = |character: char| matches!(character, ' ' | '-' | '(' | ')' | '.');
    let is_number = digits.chars().all(|character| character.is_ascii_digit() || is_separator(character))
        && digits.contains(|character: char| character.is_ascii_digit());
    let written = |character: &char| !character.is_whitespace();
    is_number.then(|| format!("tel:{}", number.chars().filter(written).collect::<String>()))
}

/// A verbatim push, if its text is at hand.
fn attachment(push: &StoredPush) -> Option<Attachment> {
    Some(Attachment {
        purpose: format!("push {} {}", push.function, push.digest),
        start: push.received_at,
        party: PLATFORM,
        dialog: 0,
        mediatype: JSON,
        encoding: "none",
        body: push.body.clone()?,
    })
}
