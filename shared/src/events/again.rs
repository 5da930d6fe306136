//! What is told again of calls, as data: of erased ones, and of those that changed after they were told.

use serde_json::{Value, json};

use super::change::events_again;
use super::tests::{at, item_of, note, record, recording_push, report, said, told};
use super::*;
use crate::model::{CallId, CallKey, Provider};
use crate::record::item::Item;
use crate::record::merge::{CALL_WRITERS, Contribution, NOTE, RECORD, REPORT, Record, merge};
use crate::record::tombstone::{HiddenId, tombstone};
use crate::view::Shown;

/// A foreign number, written without a plus: by its pattern alone nobody knows it.
const FOREIGN: &str = "442079460958";

fn keyed(text: &str) -> Option<String> {
    Some(format!("keyed {text}"))
}

fn again(key: &CallKey, item: Item) -> Vec<Event> {
    let shown = Shown { numbers: false, callee_id: &keyed };
    let settings = EventSettings { types: EventTypes::all(), ..EventSettings::default() };
    events_again(key.clone(), ItemKind::Call, at(60), item, None, &settings, &shown).unwrap()
}

/// What the stream tells of a change of a call.
fn live(key: &CallKey, second: i64, old: Item, new: &Item) -> Vec<Event> {
    let shown = Shown { numbers: false, callee_id: &keyed };
    let (key, new) = (key.clone(), Some(new.clone()));
    let change = Change { key, kind: ItemKind::Call, at: at(second), old: Some(old), new };
    events_of(change, None, &EventSettings::default(), &shown).unwrap()
}

#[test]
fn an_erased_call_is_told_again_as_it_was_told_and_its_id_tells_no_number() {
    let key = CallKey {
        provider: Provider::AiVoice,
        call_id: CallId::new(format!("10000161-{FOREIGN}-7")).unwrap(),
    };
    let facts = json!({"outcome": "busy", "callee": FOREIGN, "originated_at": "2025-06-01T02:00:00.000Z"});
    let call = record(&[said("ai-voice-call-record", "1", 1, facts)]);
    let mut stone = tombstone(&key, at(50), [], None, 2);
    HiddenId::of(&key, &call).unwrap().keep_in(&mut stone);
    let live = live(&key, 60, item_of(&key, call, 1), &stone);
    let later = again(&key, stone);
    assert_eq!(live, later);
    assert_eq!(later.len(), 1);
    let detail = serde_json::to_string(&later[0].detail).unwrap();
    assert!(!detail.contains(&FOREIGN[..8]) && !detail.contains("href"), "{detail}");
}

#[test]
fn a_tombstone_keeps_nothing_where_the_id_tells_no_number() {
    assert_eq!(HiddenId::of(&tests::key(), &record(&[report(1)])), None);
}

/// A call that was told without all, since it was waited for long enough.
fn settled(then: &[Contribution]) -> Record {
    let mut call = record(&[report(1)]);
    call.inquiry.settled_at = Some(at(3_700));
    let mut call = Some(call);
    for said in then {
        merge(CALL_WRITERS, &mut call, said.clone());
    }
    call.unwrap()
}

#[test]
fn what_changed_after_a_call_was_settled_is_told_again_as_a_correction() {
    let key = tests::key();
    let corrections = |record: Record| -> Vec<String> {
        let events = again(&key, item_of(&key, record, 3)).into_iter();
        events.filter(|event| event.event_type == EventType::CallCorrected).map(|event| event.id).collect()
    };
    assert_eq!(corrections(settled(&[])), [""; 0]);
    let (before, now) = (settled(&[]), settled(&[recording_push(3_800), note(3_801)]));
    let live = live(&key, 3_801, item_of(&key, before, 1), &item_of(&key, now.clone(), 3));
    let live = live.into_iter().find(|event| event.event_type == EventType::CallCorrected).unwrap();
    assert_eq!(corrections(now), [live.id]);
}

/// The report of a call of this day, which everything is known of with it.
fn of_day(body: &'static str, second: i64, day: &str, more: Value) -> Contribution {
    let mut facts = json!({"outcome": "busy", "originated_at": format!("2025-{day}T02:00:00.000Z")});
    facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    said(REPORT, body, second, facts)
}

/// A platform that told the wrong day first.
#[test]
fn a_call_that_was_old_when_it_became_complete_and_is_not_any_more_is_completed_then() {
    let old = [of_day("1", 1, "05-01", json!({})), note(2), said(RECORD, "1", 3, json!({}))];
    let key = tests::key();
    let was = item_of(&key, record(&old), 3);
    let now = item_of(&key, record(&[&old[..], &[of_day("2", 10, "06-01", json!({}))]].concat()), 4);
    let of = |old: Option<Item>, new: &Item| {
        let events = told(ItemKind::Call, 60, old, Some(new.clone()), None).into_iter();
        events.map(|event| event.event_type).collect::<Vec<_>>()
    };
    assert!(!of(None, &was).contains(&EventType::CallCompleted), "an old call alerts nobody");
    let events = of(Some(was), &now);
    assert!(events.contains(&EventType::CallCompleted), "{events:?}");
    assert!(!events.contains(&EventType::CallCorrected), "nobody knows it: {events:?}");
}

#[test]
fn a_call_that_was_told_and_turns_out_to_be_old_is_corrected_all_the_same() {
    let told = [of_day("1", 1, "06-01", json!({})), note(2), of_day("2", 10, "05-01", json!({}))];
    let more = [&told[..], &[of_day("3", 20, "05-01", json!({"duration_s": 9}))]].concat();
    let (was, is) = (record(&told), record(&more));
    let types: Vec<_> =
        live(&tests::key(), 20, item_of(&tests::key(), was, 3), &item_of(&tests::key(), is, 4))
            .into_iter()
            .map(|event| event.event_type)
            .collect();
    assert_eq!(types, [EventType::CallCorrected]);
}

#[test]
fn the_intent_of_a_call_that_only_seemed_to_be_old_is_told_once_it_does_not() {
    let old = [of_day("1", 1, "05-01", json!({})), note(2)];
    let recent = [&old[..], &[of_day("2", 10, "06-01", json!({}))]].concat();
    let (was, is) = (item_of(&tests::key(), record(&old), 2), item_of(&tests::key(), record(&recent), 3));
    let types: Vec<_> = live(&tests::key(), 10, was, &is).into_iter().map(|event| event.event_type).collect();
    assert_eq!(types, [EventType::CallCompleted, EventType::CallIntent]);
}

/// As an outsider saw it: a report with one more field that nobody knows corrected nothing, and was told again as a correction.
#[test]
fn what_changed_no_fact_is_told_again_as_no_correction() {
    let all = [of_day("1", 1, "06-01", json!({})), note(2)];
    let mut repeated = of_day("2", 10, "06-01", json!({}));
    repeated.extra.insert("newField".to_owned(), "x".into());
    let call = record(&[&all[..], &[repeated]].concat());
    let types = |record| {
        let events = again(&tests::key(), item_of(&tests::key(), record, 3)).into_iter();
        events.map(|event| event.event_type).collect::<Vec<_>>()
    };
    assert!(!types(call).contains(&EventType::CallCorrected));
    let changed = record(&[&all[..], &[of_day("2", 10, "06-01", json!({"duration_s": 9}))]].concat());
    assert!(types(changed).contains(&EventType::CallCorrected));
}

/// As an outsider saw it: the report that was told had no times, so that the call seemed to be of the day on which it was heard of.
#[test]
fn a_call_that_was_told_without_times_and_turns_out_to_be_old_is_corrected_at_each_change() {
    let old = |body, second, outcome: &str, more: Value| {
        of_day(body, second, "05-01", {
            let mut more = more;
            more["outcome"] = outcome.into();
            more
        })
    };
    let told = [
        said(REPORT, "1", 1, json!({"outcome": "no_answer", "duration_s": 0})),
        note(2),
        old("2", 10, "answered", json!({"duration_s": 30, "answered_at": "2025-05-01T02:00:05.000Z"})),
    ];
    for last in [
        old("3", 20, "answered", json!({"duration_s": 44, "answered_at": "2025-05-01T02:00:05.000Z"})),
        old("3", 20, "no_answer", json!({"duration_s": 0})),
        said(NOTE, "2", 20, json!({"intent_code": "B", "has": {"conversation": true}})),
    ] {
        let (was, is) = (record(&told), record(&[&told[..], std::slice::from_ref(&last)].concat()));
        let events = live(&tests::key(), 20, item_of(&tests::key(), was, 3), &item_of(&tests::key(), is, 4));
        let types: Vec<_> = events.iter().map(|event| event.event_type).collect();
        assert_eq!(types, [EventType::CallCorrected], "{last:?}");
    }
}
