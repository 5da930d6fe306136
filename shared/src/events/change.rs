//! Which events a change of one item makes.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::detail::{Event, Parts};
use super::id::{Name, basis, digest, id};
use super::told::{completed_at, has_changed_since, is_intent_told, is_recent, was_complete_at};
use super::{EventSettings, EventType};
use crate::model::{CallKey, Instant, Recording, RecordingState, cause};
use crate::normalize::fields::MAX_VALUE_BYTES;
use crate::reading::is_complete;
use crate::record::item::{self, Item, TURNS, TURNS_KEY, UnreadableItem, VERSION, is_tombstone};
use crate::record::keys;
use crate::record::merge::{LARGE_KEY, Record};
use crate::record::storable::json_fits;
use crate::record::tombstone::HiddenId;
use crate::view::{self, Mask, Object, Shown};

/// What of a shown call is no fact of it: where it is to be had, and when it was heard of.
const NO_FACTS: [&str; 5] = ["provider", "call_id", "href", "first_received_at", "updated_at"];
/// The name, among what changed, of whether all is known.
const COMPLETE: &str = "complete";
/// What an attempt in vain at a recording writes beside its reason: none of it is in analytics' files, nor counted.
const OF_ATTEMPTS: [&str; 7] =
    [VERSION, "attempts", "deaths", "due_at", "next_attempt_at", "lease_until", "lease_owner"];
/// The same of an inquiry in vain about a call.
const OF_INQUIRIES: [&str; 6] = [VERSION, "asked", "next_ask_at", "settled_at", "due", "due_at"];
/// Why an attempt failed: the provider's id of a request in it is another one each time.
const LAST_ERROR: &str = "last_error";
/// What tells the callee's intent.
pub(super) const INTENT: [&str; 2] = ["intent_code", "intent_name"];
/// The attribute whose values may be larger than an attribute is.
const TAGS: &str = "tags";
/// The documents' fields that feed it.
pub const TAG_FIELDS: [&str; 3] = ["outputTags", "OutputTags", "callRecordTagNames"];

/// Which item of a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// The call itself.
    Call,
    /// What was said.
    Conversation,
    /// One of its recordings.
    Recording,
}

impl ItemKind {
    /// The kind of the item under this sort key; `None` where its changes tell nothing: verbatim pushes.
    pub fn of_sk(sk: &str) -> Option<Self> {
        match sk {
            keys::CALL => Some(Self::Call),
            keys::CONVERSATION => Some(Self::Conversation),
            _ => sk.starts_with(&keys::recording_sk("")).then_some(Self::Recording),
        }
    }
}

/// A change of one item, as the table's stream tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The call that the item is of.
    pub key: CallKey,
    /// Which of its items it is.
    pub kind: ItemKind,
    /// When it was changed.
    pub at: Instant,
    /// The item as it was; `None` where there was none.
    pub old: Option<Item>,
    /// The item as it is; `None` where it was removed.
    pub new: Option<Item>,
}

impl Change {
    /// Whether it may have changed what analytics' files, or counts, have of the call. Attempts in vain change nothing there, unless one fails for
    /// another reason than the last: else what can't be had would have its hour written again and again.
    #[must_use]
    pub fn may_show(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return true };
        let waits =
            |item: &Item| item.get("state").is_some_and(|state| state == RecordingState::Pending.as_str());
        let hidden = match self.kind {
            ItemKind::Call => &OF_INQUIRIES[..],
            // How often one was tried in vain is shown once it is given up.
            ItemKind::Recording if waits(old) && waits(new) => &OF_ATTEMPTS,
            ItemKind::Recording | ItemKind::Conversation => return true,
        };
        let mut names = old.keys().chain(new.keys()).filter(|name| !hidden.contains(&name.as_str()));
        let cause_of = |item: &Item| item.get(LAST_ERROR)?.as_str().map(|error| cause(error).into_owned());
        names.any(|name| match name.as_str() {
            LAST_ERROR => cause_of(old) != cause_of(new),
            name => old.get(name) != new.get(name),
        })
    }

    /// Whether it may make an event. What is cheap to see is looked at: most changes make none, and what is shown of a call is costly to make.
    #[must_use]
    pub fn may_tell(&self, settings: &EventSettings) -> bool {
        let Some(new) = &self.new else { return self.kind == ItemKind::Call };
        match self.kind {
            ItemKind::Call => true,
            ItemKind::Conversation => settings.types.contains(EventType::ConversationReady),
            ItemKind::Recording => match new.get("state").map(RecordingState::deserialize) {
                Some(Ok(state)) => {
                    EventType::of_recording(state).is_some_and(|told| settings.types.contains(told))
                }
                // It is found to be none when it is read.
                None | Some(Err(_)) => true,
            },
        }
    }
}

/// What is known of a call beside a change of another item of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallState {
    /// Its record.
    pub record: Record,
    /// The version of its item.
    pub version: u64,
}

impl CallState {
    /// Reads a call's item.
    ///
    /// # Errors
    /// Where it is not what any release has written.
    pub fn read(item: Item) -> Result<Self, UnreadableItem> {
        let version = version(&item);
        Ok(Self { record: item::record(item)?, version })
    }

    /// Whether it is a tombstone.
    pub fn is_erased(&self) -> bool {
        self.record.erased
    }

    /// The time by which lists are sorted.
    pub fn call_at(&self) -> Instant {
        view::call_at(&self.record)
    }
}

fn version(item: &Item) -> u64 {
    item.get(VERSION).and_then(Value::as_u64).unwrap_or_default()
}

/// The events that a change makes, as it is to be shown. `call` is the call's item as it is known, where another item of it changed; the
/// change of a call tells it itself.
///
/// # Errors
/// Where an image is not what any release has written.
pub fn events_of(
    change: Change,
    call: Option<&CallState>,
    settings: &EventSettings,
    shown: &Shown<'_>,
) -> Result<Vec<Event>, UnreadableItem> {
    let Change { key, kind, at, old, new } = change;
    let teller = Teller { key: &key, at, settings, shown };
    let events = match kind {
        ItemKind::Call => {
            let old = old.map(CallState::read).transpose()?;
            let new = new.map(CallState::read).transpose()?;
            teller.of_call(old.as_ref(), new.as_ref())
        }
        ItemKind::Conversation => match (new, is_erased(call)) {
            (Some(new), false) => teller.of_conversation(old.as_ref(), &new, call),
            (_, _) => Vec::new(),
        },
        ItemKind::Recording => match (new, is_erased(call)) {
            (Some(new), false) => {
                let old = old.map(item::typed::<Recording>).transpose()?;
                teller.of_recording(old.as_ref(), &item::typed(new)?, call)
            }
            (_, _) => Vec::new(),
        },
    };
    Ok(events.into_iter().filter(|event| settings.types.contains(event.event_type)).collect())
}

fn is_erased(call: Option<&CallState>) -> bool {
    call.is_some_and(CallState::is_erased)
}

/// The events that tell an item as it is to somebody who may have missed what was told of it, with the ids that were told then. A call that
/// was completed before it changed last is told as completed and as corrected.
///
/// # Errors
/// Where the item is not what any release has written.
pub fn events_again(
    key: CallKey,
    kind: ItemKind,
    at: Instant,
    item: Item,
    call: Option<&CallState>,
    settings: &EventSettings,
    shown: &Shown<'_>,
) -> Result<Vec<Event>, UnreadableItem> {
    let of_the_call = match kind {
        ItemKind::Call => {
            let state = CallState::read(item.clone())?;
            let teller = Teller { key: &key, at, settings, shown };
            (!state.is_erased()).then(|| teller.again(&state))
        }
        ItemKind::Conversation | ItemKind::Recording => None,
    };
    // Whether these were told is known by what was known when.
    const OF_HISTORY: [EventType; 3] =
        [EventType::CallCompleted, EventType::CallCorrected, EventType::CallIntent];
    // However old it is by now: what counts is how old it was when it was told.
    let of_any_age = EventSettings { max_age_s: None, ..settings.clone() };
    let change = Change { key, kind, at, old: None, new: Some(item) };
    let mut events = events_of(change, call, &of_any_age, shown)?;
    if let Some(of_the_call) = of_the_call {
        events.retain(|event| !OF_HISTORY.contains(&event.event_type));
        let wanted = of_the_call.into_iter().filter(|event| settings.types.contains(event.event_type));
        events.splice(0..0, wanted);
    }
    Ok(events)
}

/// What events are made by.
struct Teller<'a> {
    key: &'a CallKey,
    at: Instant,
    settings: &'a EventSettings,
    shown: &'a Shown<'a>,
}

/// A call's image, as events show it.
struct Image<'a> {
    state: &'a CallState,
    call: Object,
    facts: Object,
    /// Whether all is known that the platform tells.
    complete: bool,
    /// Whether nothing more was waited for.
    settled: bool,
}

impl Image<'_> {
    /// Whether the call counts as completed.
    fn is_done(&self) -> bool {
        self.complete || self.settled
    }

    /// What is known of the callee's intent, if it may be told: how old the call is has to be known too, or nothing more be waited for that
    /// could tell it. A note tells no time: of a call that is long over it may come before what does, and that alerts nobody.
    fn intent(&self) -> Option<Object> {
        let is_ripe = self.is_done() || view::told_call_at(&self.state.record).is_some();
        is_ripe.then(|| intent(&self.facts)).flatten()
    }
}

impl Teller<'_> {
    fn image<'s>(&self, state: &'s CallState) -> Image<'s> {
        let call = view::listed(self.key, &state.record, self.shown);
        let mut facts = call.clone();
        NO_FACTS.iter().for_each(|name| drop(facts.remove(*name)));
        Image {
            state,
            call,
            facts,
            complete: is_complete(self.key.provider, &state.record),
            settled: state.record.inquiry.settled_at.is_some(),
        }
    }

    /// Whether all is known of a call, or nothing more is waited for.
    fn is_done(&self, call: &CallState) -> bool {
        is_complete(self.key.provider, &call.record) || call.record.inquiry.settled_at.is_some()
    }

    fn mask(&self, call: Option<&CallState>) -> Mask {
        match (self.shown.numbers, call) {
            (true, _) => Mask::none(),
            (false, Some(call)) => Mask::of(call.record.callee_numbers()),
            (false, None) => Mask::of([]),
        }
    }

    /// How the call is named. Of one that is not known nothing but its id can tell a number.
    fn name(&self, call: Option<&CallState>) -> Name<'_> {
        let hidden = match (self.shown.numbers, call) {
            (true, _) => None,
            (false, Some(call)) => {
                HiddenId::kept_by(&call.record).or_else(|| HiddenId::of(self.key, &call.record))
            }
            (false, None) => HiddenId::of_unknown(self.key, self.at),
        };
        Name { key: self.key, hidden }
    }

    fn id(&self, event_type: EventType, name: &Name<'_>, more: &str) -> String {
        id(event_type, &basis(name, self.shown), more)
    }

    fn is_recent(&self, call: &CallState) -> bool {
        is_recent(&call.record, self.at, self.settings)
    }

    fn of_call(&self, old: Option<&CallState>, new: Option<&CallState>) -> Vec<Event> {
        // An item that is removed (by its time, by hand, by a smoke test) says nothing of the call.
        let Some(new) = new else { return Vec::new() };
        if new.is_erased() {
            return match old.is_some_and(CallState::is_erased) {
                true => Vec::new(),
                false => vec![self.erased(old, new)],
            };
        }
        let old = old.filter(|old| !old.is_erased());
        let was_completed = old.is_some_and(|old| self.was_completed(old));
        let is_told_anything = was_completed
            || self.settings.types.contains(EventType::CallUpdated)
            || self.is_done(new)
            || INTENT.iter().any(|name| new.record.facts.contains_key(name));
        // Most changes tell nothing. To make of them what is shown would cost most of all.
        if !is_told_anything {
            return Vec::new();
        }
        let (old, new) = (old.map(|old| self.image(old)), self.image(new));
        let changed = changed(old.as_ref(), &new, was_completed);
        let was_done = old.as_ref().is_some_and(Image::is_done);
        let mut events = Vec::new();
        let mut tell = |event_type: EventType, more: &str, changed: &[String]| {
            let recent = !event_type.needs_a_recent_call() || self.is_recent(new.state);
            // What is not published need not be made.
            if recent && self.settings.types.contains(event_type) {
                events.push(self.event(event_type, more, &new, changed.to_vec()));
            }
        };
        // It may have counted as old until now: then nobody knows it as completed.
        if new.is_done() && !(was_done && was_completed) {
            tell(EventType::CallCompleted, "", &changed);
        }
        if let Some(intent) = new.intent()
            // Of one that counted as old until now it was not told.
            && (old.as_ref().and_then(Image::intent).as_ref() != Some(&intent)
                || old.as_ref().is_some_and(|old| !self.is_recent(old.state)))
        {
            tell(EventType::CallIntent, &digest(&intent), &changed);
        }
        if !changed.is_empty() {
            let is_told = self.settings.types.contains(EventType::CallUpdated);
            let facts = if was_completed || is_told { facts_digest(&new) } else { String::new() };
            if was_completed {
                tell(EventType::CallCorrected, &facts, &changed);
            }
            tell(EventType::CallUpdated, &facts, &changed);
        }
        events
    }

    /// Whether receivers know the call as completed, so that they have to be told what changes. It is done, or was once, before a later body
    /// took back what an earlier one of the same function said; and when it came to be, it was no old call, of which that is not told.
    fn was_completed(&self, state: &CallState) -> bool {
        // What is no old call now was none before.
        self.is_done(state) && self.is_recent(state)
            || completed_at(self.key, &state.record, self.settings).is_some()
    }

    /// That a call was completed, what it changed into since, and what the callee wants: as far as receivers were told.
    fn again(&self, state: &CallState) -> Vec<Event> {
        let Self { key, settings, .. } = self;
        let image = self.image(state);
        let tell = |event_type: EventType, more: &str| {
            self.event(event_type, more, &image, image.facts.keys().cloned().collect())
        };
        let mut events = Vec::new();
        if let Some(completed_at) = completed_at(key, &state.record, settings) {
            events.push(tell(EventType::CallCompleted, ""));
            let was_complete = was_complete_at(key, &state.record, completed_at);
            if was_complete != image.complete || has_changed_since(&state.record, completed_at) {
                events.push(tell(EventType::CallCorrected, &facts_digest(&image)));
            }
        }
        if let Some(intent) = intent(&image.facts).filter(|_| is_intent_told(key, &state.record, settings)) {
            events.push(tell(EventType::CallIntent, &digest(&intent)));
        }
        events
    }

    fn event(&self, event_type: EventType, more: &str, image: &Image<'_>, changed: Vec<String>) -> Event {
        let name = self.name(Some(image.state));
        let parts = Parts {
            call: Some(image.call.clone()),
            complete: Some(image.complete),
            changed: Some(changed),
            recording: None,
            left_out: too_large(&image.state.record),
        };
        let id = self.id(event_type, &name, more);
        Event::new(event_type, id, self.at, &name, image.state.version, parts)
    }

    /// It says nothing of the call. What was known of it, or its tombstone has kept, only serves to hide a number in its id.
    fn erased(&self, old: Option<&CallState>, stone: &CallState) -> Event {
        let name = self.name(Some(old.unwrap_or(stone)));
        let id = self.id(EventType::CallErased, &name, "");
        Event::new(EventType::CallErased, id, self.at, &name, stone.version, Parts::default())
    }

    fn of_conversation(&self, old: Option<&Item>, new: &Item, call: Option<&CallState>) -> Vec<Event> {
        let has_turns = |item: &Item| item.contains_key(TURNS) || item.contains_key(TURNS_KEY);
        if old.is_some_and(has_turns) || !has_turns(new) || is_tombstone(new) {
            return Vec::new();
        }
        vec![self.beside(EventType::ConversationReady, "", call, None)]
    }

    fn of_recording(&self, old: Option<&Recording>, new: &Recording, call: Option<&CallState>) -> Vec<Event> {
        let Some(event_type) = EventType::of_recording(new.state) else { return Vec::new() };
        if old.is_some_and(|old| old.state == new.state) {
            return Vec::new();
        }
        let mask = self.mask(call);
        let recording = view::recording(self.key, new, self.shown, &mask);
        vec![self.beside(event_type, &mask.id(&new.slot), call, Some(recording))]
    }

    /// An event of what lies beside the call's own item.
    fn beside(
        &self,
        event_type: EventType,
        more: &str,
        call: Option<&CallState>,
        recording: Option<Object>,
    ) -> Event {
        let name = self.name(call);
        let id = self.id(event_type, &name, more);
        let parts = Parts {
            call: call.map(|call| view::listed(self.key, &call.record, self.shown)),
            complete: call.map(|call| is_complete(self.key.provider, &call.record)),
            recording,
            changed: None,
            left_out: call.map_or_else(Vec::new, |call| too_large(&call.record)),
        };
        let revision = call.map_or(0, |call| call.version);
        Event::new(event_type, id, self.at, &name, revision, parts)
    }
}

/// The attributes that a call has none of since what was said of them is larger than an attribute may be: it stands in `extra`, or, with all
/// else there, in the bucket.
fn too_large(record: &Record) -> Vec<String> {
    let is_large = |extra: &Object| {
        let mut fed = TAG_FIELDS.iter().filter_map(|field| extra.get(*field));
        fed.any(|value| !json_fits(value, MAX_VALUE_BYTES)) || extra.contains_key(LARGE_KEY)
    };
    let is_left_out = !record.facts.contains_key(TAGS) && record.extra.values().any(is_large);
    is_left_out.then(|| TAGS.to_owned()).into_iter().collect()
}

/// The digest of all that a correction may be about.
fn facts_digest(image: &Image<'_>) -> String {
    let mut facts = image.facts.clone();
    facts.insert(COMPLETE.to_owned(), image.complete.into());
    digest(&facts)
}

/// The names of the facts that are not as they were, as they are shown. That all became known is one only where a call was given up waiting
/// for, or was told as completed before: else it is told by the event itself.
fn changed(old: Option<&Image<'_>>, new: &Image<'_>, was_completed: bool) -> Vec<String> {
    let nothing = Object::new();
    let before = old.map_or(&nothing, |old| &old.facts);
    let names: BTreeSet<_> = before.keys().chain(new.facts.keys()).collect();
    let differs = |name: &&String| before.get(*name) != new.facts.get(*name);
    let mut changed: Vec<_> = names.into_iter().filter(differs).cloned().collect();
    if old.is_some_and(|old| (old.is_done() || was_completed) && old.complete != new.complete) {
        changed.push(COMPLETE.to_owned());
    }
    changed
}

/// What is known of the callee's intent, if anything.
fn intent(facts: &Object) -> Option<Object> {
    let known = INTENT.into_iter().filter_map(|name| {
        let value = facts.get(name).and_then(|value| String::deserialize(value).ok())?;
        (!value.trim().is_empty()).then(|| (name.to_owned(), Value::String(value)))
    });
    let known: Object = known.collect();
    (!known.is_empty()).then_some(known)
}
