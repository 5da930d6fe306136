//! Which changes make which events, as data.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::*;
use crate::model::{CallId, CallKey, Instant, Provider, Recording, RecordingSource, RecordingState};
use crate::record::item::{self, Item, VERSION};
use crate::record::merge::{CALL_WRITERS, Contribution, NOTE, QUERY, RECORD, REPORT, Record, merge};
use crate::record::missing::Waiting;
use crate::record::tombstone::tombstone;
use crate::view::Shown;

pub(super) const CALLEE: &str = "13900001234";

pub(super) fn at(second: i64) -> Instant {
    Instant::from_epoch_seconds(1_748_743_200 + second).unwrap()
}

pub(super) fn key() -> CallKey {
    CallKey { provider: Provider::Alicom, call_id: CallId::new("10000161^1000018".to_owned()).unwrap() }
}

pub(super) fn said(function: &'static str, body: &str, second: i64, facts: Value) -> Contribution {
    Contribution {
        function,
        body: body.to_owned(),
        received_at: at(second),
        facts: facts.as_object().unwrap().clone().into(),
        extra: Map::new(),
        nulls: BTreeSet::new(),
        feeds: &[
            ("smartStatusCode", "outcome"),
            ("startTime", "answered_at"),
            ("majorIntent", "intent_code"),
        ],
    }
}

pub(super) fn report(second: i64) -> Contribution {
    let facts = json!({"outcome": "answered", "originated_at": "2025-06-01T02:00:00.000Z",
        "callee": CALLEE, "duration_s": 30, "task_id": "7", "cost": {"amount": 0.10, "currency": "CNY"}});
    said(REPORT, "1", second, facts)
}

pub(super) fn recording_push(second: i64) -> Contribution {
    said(RECORD, "1", second, json!({"has": {"recording": true}}))
}

pub(super) fn note(second: i64) -> Contribution {
    said(
        NOTE,
        "1",
        second,
        json!({"intent_code": "A", "tags": ["call me at 13900001234"], "has": {"conversation": true}}),
    )
}

pub(super) fn record(said: &[Contribution]) -> Record {
    let mut record = None;
    for one in said {
        merge(CALL_WRITERS, &mut record, one.clone());
    }
    record.unwrap()
}

pub(super) fn item_of(key: &CallKey, record: Record, version: u64) -> Item {
    let waiting = Waiting { inquiry_delay_s: 300, complete_after_s: 3_600 };
    let mut item: Item = item::call_item(key, record, waiting).unwrap().into();
    item.insert(VERSION.to_owned(), version.into());
    item
}

fn call(said: &[Contribution]) -> Item {
    item_of(&key(), record(said), u64::try_from(said.len()).unwrap())
}

pub(super) fn told(
    kind: ItemKind,
    second: i64,
    old: Option<Item>,
    new: Option<Item>,
    with: Option<&CallState>,
) -> Vec<Event> {
    let settings = EventSettings { types: EventTypes::all(), ..EventSettings::default() };
    let shown = Shown { numbers: false, callee_id: &|_| None };
    let change = Change { key: key(), kind, at: at(second), old, new };
    events_of(change, with, &settings, &shown).unwrap()
}

fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.event_type.as_str()).collect()
}

fn check(old: Option<Item>, new: Option<Item>, expected: &[&str]) {
    assert_eq!(types(&told(ItemKind::Call, 60, old, new, None)), expected);
}

#[test]
fn a_call_is_completed_by_whichever_push_comes_last() {
    let pushes = [report(1), recording_push(2), note(3)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let in_order = order.map(|push| pushes[push].clone());
        let events: Vec<_> = (0..3)
            .flat_map(|last| {
                let old = (last > 0).then(|| call(&in_order[..last]));
                told(ItemKind::Call, 60, old, Some(call(&in_order[..=last])), None)
            })
            .filter(|event| event.event_type == EventType::CallCompleted)
            .collect();
        assert_eq!(events.len(), 1, "{order:?}");
        assert_eq!((events[0].revision, &events[0].detail["complete"]), (3, &json!(true)));
    }
}

#[test]
fn what_changes_after_completion_is_a_correction_and_a_repeat_is_nothing() {
    let all = [report(1), recording_push(2), note(3)];
    check(None, Some(call(&all[..1])), &["call.updated"]);
    check(Some(call(&all[..1])), Some(call(&all[..2])), &[]);
    check(Some(call(&all[..2])), Some(call(&all)), &["call.completed", "call.intent", "call.updated"]);
    check(Some(call(&all)), Some(call(&all)), &[]);
    let longer = said(REPORT, "2", 9, json!({"duration_s": 31}));
    let corrected = [&all[..], &[longer]].concat();
    let events = told(ItemKind::Call, 60, Some(call(&all)), Some(call(&corrected)), None);
    assert_eq!(types(&events), ["call.corrected", "call.updated"]);
    assert_eq!(events[0].detail["changed"], json!(["duration_s"]));
    assert_eq!(events[0].detail["call"]["duration_s"], 31);
    let hotter = said(NOTE, "2", 9, json!({"intent_code": "B"}));
    check(
        Some(call(&all)),
        Some(call(&[&all[..], &[hotter]].concat())),
        &["call.intent", "call.corrected", "call.updated"],
    );
}

#[test]
fn a_call_that_turns_out_to_be_answered_is_corrected_until_all_is_known_of_it_again() {
    let busy = said(REPORT, "1", 1, json!({"outcome": "busy", "originated_at": "2025-06-01T02:00:00.000Z"}));
    let untold = said(NOTE, "1", 2, json!({}));
    let answered = said(REPORT, "2", 3, json!({"outcome": "answered"}));
    let recording = recording_push(4);
    let all = [
        busy,
        untold,
        answered,
        recording,
        said(QUERY, "1", 5, json!({"has": {"conversation": true}, "intent_code": "A"})),
    ];
    let upto = |count: usize| Some(call(&all[..count]));
    check(upto(1), upto(2), &["call.completed"]);
    check(upto(2), upto(3), &["call.corrected", "call.updated"]);
    check(upto(3), upto(4), &[]);
    check(upto(4), upto(5), &["call.completed", "call.intent", "call.corrected", "call.updated"]);
}

#[test]
fn a_call_that_is_settled_is_completed_without_all_and_what_follows_is_a_correction() {
    let waiting = record(&[report(1)]);
    let mut settled = waiting.clone();
    settled.inquiry.settled_at = Some(at(3_700));
    let (was, is) = (item_of(&key(), waiting, 1), item_of(&key(), settled.clone(), 2));
    let events = told(ItemKind::Call, 3_700, Some(was), Some(is.clone()), None);
    assert_eq!(types(&events), ["call.completed"]);
    assert_eq!(events[0].detail["complete"], false);
    let mut known = Some(settled);
    for said in [recording_push(3_800), note(3_801)] {
        merge(CALL_WRITERS, &mut known, said);
    }
    let known = item_of(&key(), known.unwrap(), 4);
    let events = told(ItemKind::Call, 3_900, Some(is), Some(known), None);
    assert_eq!(types(&events), ["call.intent", "call.corrected", "call.updated"]);
    assert_eq!(events[1].detail["changed"], json!(["intent_code", "tags", "complete"]));
}

#[test]
fn an_old_call_alerts_nobody() {
    let all = [report(1), recording_push(2), note(3)];
    let late = told(ItemKind::Call, 90_000, Some(call(&all[..2])), Some(call(&all)), None);
    assert_eq!(types(&late), ["call.updated"]);
}

#[test]
fn an_erasure_tells_its_key_and_nothing_else_and_a_removal_tells_nothing() {
    let whole = call(&[report(1), note(2)]);
    let stone: Item = tombstone(&key(), at(50), [], Some(at(60)), 3);
    let events = told(ItemKind::Call, 60, Some(whole.clone()), Some(stone.clone()), None);
    assert_eq!(types(&events), ["call.erased"]);
    let names: Vec<_> = events[0].detail.keys().map(String::as_str).collect();
    assert_eq!(names, ["call_id", "href", "id", "provider", "revision", "time"]);
    check(Some(stone.clone()), Some(stone.clone()), &[]);
    check(Some(whole), None, &[]);
    check(Some(stone.clone()), None, &[]);
    // What comes to lie beside a tombstone.
    let erased = CallState::read(stone).unwrap();
    let pending = recording(RecordingState::Archived);
    assert_eq!(told(ItemKind::Recording, 60, None, Some(pending), Some(&erased)), []);
}

#[test]
fn an_intent_waits_until_it_is_known_how_old_the_call_is() {
    let upto = |said: &[Contribution]| Some(call(said));
    let first = note(3);
    check(None, upto(std::slice::from_ref(&first)), &["call.updated"]);
    let both = [first.clone(), report(4)];
    check(upto(&both[..1]), upto(&both), &["call.intent", "call.updated"]);
    let long_ago = said(
        REPORT,
        "1",
        4,
        json!({"outcome": "answered", "duration_s": 30, "originated_at": "2024-06-01T02:00:00.000Z"}),
    );
    check(upto(&both[..1]), upto(&[first.clone(), long_ago]), &["call.updated"]);
    // It comes to be known by the recording's announcement as well, or nobody waits for it any more.
    let announced = said(
        RECORD,
        "1",
        4,
        json!({"has": {"recording": true}, "originated_at": "2025-06-01T02:00:00.000Z"}),
    );
    check(upto(&both[..1]), upto(&[first.clone(), announced]), &["call.intent", "call.updated"]);
    let waiting = record(&[first]);
    let mut settled = waiting.clone();
    settled.inquiry.settled_at = Some(at(3_700));
    let (was, is) = (item_of(&key(), waiting, 1), item_of(&key(), settled, 2));
    let events = told(ItemKind::Call, 3_700, Some(was), Some(is), None);
    assert_eq!(types(&events), ["call.completed", "call.intent"]);
}

#[test]
fn a_correction_is_only_told_of_what_was_told_as_completed() {
    const LATER: i64 = 30 * 86_400;
    let all = |first: i64| [report(first), recording_push(first + 1), note(first + 2)];
    let longer = |second: i64| said(REPORT, "2", second, json!({"duration_s": 31}));
    let corrected = |first: i64, second: i64| {
        let new = [&all(first)[..], &[longer(second)]].concat();
        types(&told(ItemKind::Call, second, Some(call(&all(first))), Some(call(&new)), None))
    };
    assert_eq!(corrected(1, LATER), ["call.corrected", "call.updated"], "it was completed in time");
    // Its pushes came when the call was long over, and nobody was told that it was complete.
    assert_eq!(corrected(LATER, LATER + 9), ["call.updated"]);
    // Neither where it was taken back meanwhile.
    let busy = |first: i64| {
        let busy = json!({"outcome": "busy", "originated_at": "2025-06-01T02:00:00.000Z"});
        [
            said(REPORT, "1", first, busy),
            said(NOTE, "1", first + 1, json!({})),
            said(REPORT, "2", first + 2, json!({"outcome": "answered"})),
            said(REPORT, "3", first + 3, json!({"outcome": "answered", "duration_s": 9})),
        ]
    };
    for (first, expected) in [(1, &["call.corrected", "call.updated"][..]), (LATER, &["call.updated"])] {
        let (old, new) = (call(&busy(first)[..3]), call(&busy(first)));
        assert_eq!(types(&told(ItemKind::Call, LATER + 60, Some(old), Some(new), None)), expected);
    }
    // A call that was settled in time is known as completed.
    let mut settled = record(&[report(1)]);
    settled.inquiry.settled_at = Some(at(3_700));
    let mut known = Some(settled.clone());
    merge(CALL_WRITERS, &mut known, longer(LATER));
    let (old, new) = (item_of(&key(), settled, 2), item_of(&key(), known.unwrap(), 3));
    assert_eq!(
        types(&told(ItemKind::Call, LATER, Some(old), Some(new), None)),
        ["call.corrected", "call.updated"]
    );
}

fn recording(state: RecordingState) -> Item {
    let source = RecordingSource {
        slot: "main".to_owned(),
        url: Some("https://oss.example/x.wav?Signature=canary".to_owned()),
        id: None,
        expires_at: None,
        call_at: at(0),
    };
    let mut recording = Recording::new(source, at(1));
    recording.state = state;
    item::recording_item(&key(), recording).into()
}

#[test]
fn a_recording_tells_how_it_ended_once() {
    let state = CallState::read(call(&[report(1)])).unwrap();
    let pending = recording(RecordingState::Pending);
    for (end, expected) in [
        (RecordingState::Archived, "recording.archived"),
        (RecordingState::Failed, "recording.failed"),
        (RecordingState::Expired, "recording.expired"),
    ] {
        let ended = recording(end);
        let events = told(ItemKind::Recording, 60, Some(pending.clone()), Some(ended.clone()), Some(&state));
        assert_eq!(types(&events), [expected]);
        let again = told(ItemKind::Recording, 600, Some(pending.clone()), Some(ended.clone()), Some(&state));
        assert_eq!(again[0].id, events[0].id);
        assert_eq!(told(ItemKind::Recording, 60, Some(ended.clone()), Some(ended.clone()), Some(&state)), []);
        assert_eq!(told(ItemKind::Recording, 60, Some(ended), Some(pending.clone()), Some(&state)), []);
        let detail = serde_json::to_string(&events[0].detail).unwrap();
        assert!(!detail.contains("canary") && !detail.contains(CALLEE), "{detail}");
        assert_eq!(events[0].detail["call"]["outcome"], "answered");
    }
    assert_eq!(told(ItemKind::Recording, 60, None, Some(pending), Some(&state)), []);
}

#[test]
fn what_was_said_is_ready_once() {
    let conversation = |turns: Option<Value>| {
        let mut item: Item = json!({"pk": "call#alicom#1", "sk": "conversation", "sources": {(NOTE): "2025-06-01T02:00:00.000Z 1"}})
            .as_object()
            .unwrap()
            .clone();
        item.extend(turns.map(|turns| ("turns".to_owned(), turns)));
        Some(item)
    };
    let turns = || conversation(Some(json!([{"text": "hello"}])));
    let ready = |old, new| types(&told(ItemKind::Conversation, 60, old, new, None)).len();
    assert_eq!((ready(None, turns()), ready(conversation(None), turns())), (1, 1));
    assert_eq!((ready(turns(), turns()), ready(None, conversation(None)), ready(turns(), None)), (0, 0, 0));
}

#[test]
fn numbers_are_hidden_unless_they_are_asked_for_and_no_id_depends_on_a_hidden_one() {
    let change = |callee: &str, numbers: bool| {
        let facts =
            json!({"outcome": "no_answer", "callee": callee, "originated_at": "2025-06-01T02:00:00.000Z"});
        let new = call(&[said(REPORT, "1", 1, facts), note(2)]);
        let settings = EventSettings { types: EventTypes::all(), numbers, max_age_s: None };
        let shown = Shown { numbers, callee_id: &|_| None };
        let change = Change { key: key(), kind: ItemKind::Call, at: at(60), old: None, new: Some(new) };
        events_of(change, None, &settings, &shown).unwrap()
    };
    let ids = |events: &[Event]| events.iter().map(|event| event.id.clone()).collect::<Vec<_>>();
    let (one, other) = (change("13900001234", false), change("13900005634", false));
    assert_eq!(types(&one), ["call.completed", "call.intent", "call.updated"]);
    let text = format!("{:?}", one.iter().map(|event| &event.detail).collect::<Vec<_>>());
    assert!(!text.contains("13900001234") && text.contains("139"), "{text}");
    assert_eq!(ids(&one), ids(&other), "all that differs is hidden");
    let whole = change("13900001234", true);
    assert_eq!(whole[0].detail["call"]["callee"], "13900001234");
    assert_ne!(ids(&whole)[2], ids(&change("13900005634", true))[2]);
}

#[test]
fn a_call_whose_id_is_the_callees_number_has_an_id_that_does_not_tell_it() {
    let of = |number: &str, first: i64| {
        let key =
            CallKey { provider: Provider::AiVoice, call_id: CallId::new(format!("x-{number}")).unwrap() };
        let facts =
            json!({"outcome": "no_answer", "callee": number, "originated_at": "2025-06-01T02:00:00.000Z"});
        let new = item_of(&key, record(&[said("ai-voice-call-record", "1", first, facts)]), 1);
        let settings = EventSettings::default();
        let shown = Shown { numbers: false, callee_id: &|_| None };
        let change = Change { key, kind: ItemKind::Call, at: at(60), old: None, new: Some(new) };
        events_of(change, None, &settings, &shown).unwrap().remove(0)
    };
    let (one, other) = (of("13900001234", 1), of("13900001234", 2));
    assert!(!serde_json::to_string(&one.detail).unwrap().contains("1390000"), "{:?}", one.detail);
    assert!(!one.detail.contains_key("href"));
    assert_ne!(one.id, other.id, "two calls are told apart all the same");
    assert_eq!(one.id, of("13900005634", 1).id, "and the hidden digits have no part in it");
}

/// A receiver that drops what it knows would drop all calls of a push but one.
#[test]
fn calls_of_one_push_whose_ids_are_hidden_are_told_apart_where_there_is_a_key() {
    let of = |number: &str| {
        let key =
            CallKey { provider: Provider::AiVoice, call_id: CallId::new(format!("x-{number}")).unwrap() };
        let facts =
            json!({"outcome": "no_answer", "callee": number, "originated_at": "2025-06-01T02:00:00.000Z"});
        let new = item_of(&key, record(&[said("ai-voice-call-record", "1", 1, facts)]), 1);
        let keyed = |text: &str| Some(format!("keyed {text}"));
        let shown = Shown { numbers: false, callee_id: &keyed };
        let change = Change { key, kind: ItemKind::Call, at: at(60), old: None, new: Some(new) };
        events_of(change, None, &EventSettings::default(), &shown).unwrap().remove(0).id
    };
    assert_ne!(of("13900001234"), of("13900005634"));
    assert_eq!(of("13900001234"), of("13900001234"));
}

#[test]
fn what_is_too_large_is_left_to_the_link() {
    let facts = json!({"outcome": "busy", "originated_at": "2025-06-01T02:00:00.000Z",
        "tags": {"a": ["x".repeat(50_000)]}, "intent_name": "y".repeat(50_000)});
    let new = call(&[said(REPORT, "1", 1, facts), said(NOTE, "1", 2, json!({}))]);
    let events = told(ItemKind::Call, 60, None, Some(new), None);
    for event in &events {
        let bytes = serde_json::to_string(&event.detail).unwrap().len();
        assert!(bytes <= MAX_DETAIL_BYTES, "{bytes}");
        assert!(event.detail["left_out"].as_array().is_some_and(|left_out| !left_out.is_empty()));
        assert!(event.detail["href"].is_string() && event.detail["call"]["outcome"] == "busy");
    }
    assert_eq!(types(&events), ["call.completed", "call.intent", "call.updated"]);
}

#[test]
fn tags_that_are_larger_than_an_attribute_are_told_to_be_left_out() {
    let left_out = |facts: Value, extra: Value| {
        let mut note = said(NOTE, "1", 2, facts);
        note.extra = extra.as_object().unwrap().clone();
        let events = told(ItemKind::Call, 60, None, Some(call(&[report(1), note])), None);
        assert_eq!(types(&events), ["call.updated"]);
        events[0].detail.get("left_out").cloned()
    };
    let large = "x".repeat(17_000);
    assert_eq!(left_out(json!({}), json!({"outputTags": {"a": large}})), Some(json!(["tags"])));
    // All that a function says beside may have gone to the bucket with them.
    assert_eq!(left_out(json!({}), json!({"large_key": "large/alicom/1"})), Some(json!(["tags"])));
    // Where another writer's tags stand, or what came are no tags, nothing is missing.
    assert_eq!(left_out(json!({"tags": ["a"]}), json!({"outputTags": {"a": large}})), None);
    assert_eq!(left_out(json!({}), json!({"outputTags": "none"})), None);
    assert_eq!(left_out(json!({}), json!({"new": large})), None);
}

#[test]
fn an_image_that_no_release_has_written_is_an_error() {
    let broken: Item =
        json!({"pk": "call#alicom#1", "sk": "call", "sources": 7}).as_object().unwrap().clone();
    let shown = Shown { numbers: false, callee_id: &|_| None };
    let change = Change { key: key(), kind: ItemKind::Call, at: at(0), old: None, new: Some(broken) };
    assert!(events_of(change, None, &EventSettings::default(), &shown).is_err());
}

/// Of a change, the attributes are told that were written; what was not is as it was.
fn written(kind: ItemKind, old: &Value, written: &[(&str, Value)]) -> Change {
    let old = old.as_object().unwrap().clone();
    let mut new = old.clone();
    new.extend(written.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Change { key: key(), kind, at: at(0), old: Some(old), new: Some(new) }
}

#[test]
fn attempts_and_inquiries_in_vain_show_nowhere_and_all_else_may() {
    let recording = json!({"state": "pending", "attempts": 3, "last_error": "status 404", "version": 4, "due": "archive#0"});
    let shows = |changes: &[(&str, Value)]| written(ItemKind::Recording, &recording, changes).may_show();
    let later = json!("2025-06-01T03:00:00.000Z");
    let again = [
        ("attempts", json!(4)),
        ("version", json!(5)),
        ("due_at", later.clone()),
        ("next_attempt_at", later.clone()),
        ("last_error", json!("status 404")),
        ("deaths", json!(1)),
    ];
    assert!(!shows(&again));
    let with = |name: &'static str, value: Value| shows(&[&again[..], &[(name, value)]].concat());
    assert!(with("last_error", json!("status 403")));
    let failed =
        |request: &str| json!(format!("not found (status 200, code DataNotFound, request {request})"));
    let recording = json!({"state": "pending", "last_error": failed("035BE2C6")});
    let shows = |error| written(ItemKind::Recording, &recording, &[("last_error", error)]).may_show();
    assert!(!shows(failed("E2051E18-D2E5")) && shows(json!("not found (status 404, request 035BE2C6)")));
    assert!(with("state", json!("expired")), "then attempts are told");
    assert!(with("source_expires_at", later.clone()));
    assert!(with("later_release", json!(1)), "what is not known may be shown");
    assert!(
        written(ItemKind::Recording, &json!({"state": "failed", "attempts": 3}), &[("attempts", json!(4))])
            .may_show()
    );

    let call = json!({"outcome": "busy", "asked": 1, "version": 2, "call_at": "2025-06-01T02:00:00.000Z"});
    let shows = |changes: &[(&str, Value)]| written(ItemKind::Call, &call, changes).may_show();
    assert!(!shows(&[
        ("asked", json!(2)),
        ("next_ask_at", later.clone()),
        ("due_at", later.clone()),
        ("version", json!(3))
    ]));
    assert!(!shows(&[("settled_at", later.clone())]));
    assert!(shows(&[("asked", json!(2)), ("outcome", json!("answered"))]));
    assert!(shows(&[("updated_at", later)]));
    // An item that came or went, and what is not looked into.
    let whole = written(ItemKind::Call, &call, &[]);
    assert!(!whole.may_show());
    assert!(
        Change { old: None, ..whole.clone() }.may_show() && Change { new: None, ..whole.clone() }.may_show()
    );
    assert!(Change { kind: ItemKind::Conversation, ..whole }.may_show());
}
