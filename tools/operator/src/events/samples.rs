//! One event of each type, of a made-up call: what the documents' samples make. `docs/events.md` shows them, the schemas are held against them,
//! and `events test` puts them on the bus.

use std::collections::BTreeMap;

use anyhow::Context as _;
use catalog::PUSH_FUNCTIONS;
use jiff::tz::Offset;
use serde_json::Value;
use shared::events::{CallState, Change, Event, EventSettings, EventType, EventTypes, ItemKind, events_of};
use shared::model::{CallId, CallKey, Instant, Recording, RecordingState};
use shared::normalize::Context;
use shared::record::item::{self, Item, VERSION};
use shared::record::merge::{CALL_WRITERS, CONVERSATION_WRITERS, Record, merge};
use shared::record::missing::Waiting;
use shared::record::parts::{Element, Parts, parts};
use shared::record::tombstone::tombstone;
use shared::view::Shown;

/// The events, by type.
pub type SampleEvents = BTreeMap<EventType, Event>;

/// The platform's pushes that the call is made of, in this order.
const PUSHES: [&str; 3] = ["alicom-call-report", "alicom-call-record", "alicom-call-note"];
/// How far apart they come, in seconds.
const APART_S: i64 = 2;

/// One event of each type, of a call with this id of which the last push came at `now`.
///
/// # Errors
/// Where a sample can't be read.
pub fn sample_events(call_id: &str, now: Instant) -> anyhow::Result<SampleEvents> {
    let call_id = CallId::new(call_id.to_owned()).context("not an id of a call")?;
    let mut all = Vec::new();
    for (position, function) in PUSHES.into_iter().enumerate() {
        let apart = APART_S * (i64::try_from(position)? - 2);
        all.push(parts_of(function, &call_id, now.plus_seconds(apart))?);
    }
    let key = all.first().map(|parts| parts.push.key.clone()).context("no push")?;
    let teller = Teller { key: &key, now };
    let mut events = SampleEvents::new();
    let mut record: Option<Record> = None;
    let mut before: Option<Item> = None;
    for (version, parts) in (1_u64..).zip(&all) {
        merge(CALL_WRITERS, &mut record, parts.call.clone());
        let after = call_item(&key, record.clone(), version)?;
        events.extend(teller.tell(ItemKind::Call, before.replace(after.clone()), after, None)?);
    }
    // Once more, with another word for how long it took.
    let mut corrected = record.clone().context("no call")?;
    let longer = corrected.facts.get("duration_s").and_then(Value::as_u64).unwrap_or_default() + 1;
    corrected.facts.insert("duration_s", longer);
    let after = call_item(&key, Some(corrected), 4)?;
    let of_correction = teller.tell(ItemKind::Call, before.clone(), after, None)?;
    events.extend(of_correction.into_iter().filter(|(kind, _)| *kind == EventType::CallCorrected));

    let state = CallState::read(before.clone().context("no call")?)?;
    if let Some(said) = all.iter().find_map(|parts| parts.conversation.clone()) {
        let mut conversation = None;
        merge(CONVERSATION_WRITERS, &mut conversation, said);
        let item: Item = item::conversation_item(&key, conversation.context("no conversation")?).into();
        events.extend(teller.tell(ItemKind::Conversation, None, item, Some(&state))?);
    }
    let source = all.iter().find_map(|parts| parts.recordings.first().cloned()).context("no recording")?;
    let pending = Recording::new(source, now);
    for ended in [
        archived(&pending, now),
        lost(&pending, RecordingState::Failed, now),
        lost(&pending, RecordingState::Expired, now),
    ] {
        let (old, new) = (item::recording_item(&key, pending.clone()), item::recording_item(&key, ended));
        events.extend(teller.tell(ItemKind::Recording, Some(old.into()), new.into(), Some(&state))?);
    }
    let stone = tombstone(&key, now, [], Some(now), 5);
    events.extend(teller.tell(ItemKind::Call, before, stone, None)?);
    Ok(events)
}

struct Teller<'a> {
    key: &'a CallKey,
    now: Instant,
}

impl Teller<'_> {
    fn tell(
        &self,
        kind: ItemKind,
        old: Option<Item>,
        new: Item,
        call: Option<&CallState>,
    ) -> anyhow::Result<SampleEvents> {
        let settings = EventSettings { types: EventTypes::all(), numbers: false, max_age_s: None };
        let shown = Shown { numbers: false, callee_id: &|_| None };
        let change = Change { key: self.key.clone(), kind, at: self.now, old, new: Some(new) };
        let events = events_of(change, call, &settings, &shown)?;
        Ok(events.into_iter().map(|event| (event.event_type, event)).collect())
    }
}

/// A document's sample, as if it were of another call, received at `received_at`.
fn parts_of(function: &str, call_id: &CallId, received_at: Instant) -> anyhow::Result<Parts> {
    let known = PUSH_FUNCTIONS.into_iter().find(|known| known.push.function == function);
    let known = known.with_context(|| format!("there is no function {function}"))?;
    let event: Value = serde_json::from_str(known.event)?;
    let body = event["body"].as_str().unwrap_or_default();
    let elements =
        known.push.elements(body.as_bytes()).map_err(|_| anyhow::anyhow!("a sample is no push"))?;
    let text = elements.texts.first().context("a sample without elements")?.to_string();
    let context = Context { received_at, utc_offset: Offset::constant(8) };
    let mut normalized =
        known.push.normalized(&text, &context).map_err(|_| anyhow::anyhow!("a sample is rejected"))?;
    normalized.call_id = call_id.clone();
    let key = CallKey { provider: known.push.provider, call_id: call_id.clone() };
    let push = known.push;
    Ok(parts(Element { key, push, context, expires: None, text, envelope: None, asked: None, normalized }))
}

fn call_item(key: &CallKey, record: Option<Record>, version: u64) -> anyhow::Result<Item> {
    let item = item::call_item(key, record.context("no call")?, Waiting::default())?;
    let mut item: Item = item.into();
    item.insert(VERSION.to_owned(), version.into());
    Ok(item)
}

fn archived(pending: &Recording, now: Instant) -> Recording {
    Recording {
        state: RecordingState::Archived,
        next_attempt_at: None,
        // No event shows where that is.
        object_key: Some("recordings/".to_owned()),
        bytes: Some(320_044),
        sha256: Some("9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a".to_owned()),
        media_type: Some("audio/x-wav".to_owned()),
        archived_at: Some(now),
        ..pending.clone()
    }
}

fn lost(pending: &Recording, state: RecordingState, now: Instant) -> Recording {
    let last_error = match state {
        RecordingState::Failed => "the host answers 404",
        _ => "the URL has expired",
    };
    Recording {
        state,
        next_attempt_at: None,
        lost_at: Some(now),
        attempts: 3,
        last_error: Some(last_error.to_owned()),
        ..pending.clone()
    }
}
