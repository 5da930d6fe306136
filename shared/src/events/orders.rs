//! Whatever the order and the repeats of a call's pushes: what is told once has the same ids, and the last word is the same.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{item_of, key, note, recording_push, report, said, told};
use super::*;
use crate::record::merge::{CALL_WRITERS, Contribution, NOTE, QUERY, REPORT, Record, merge};

/// The pushes of a call that was answered, each as it was first received: two reports, two notes, an answer of the API's.
fn pushes() -> Vec<Contribution> {
    vec![
        report(1),
        said(
            REPORT,
            "2",
            4,
            json!({"outcome": "answered", "duration_s": 31, "originated_at": "2025-06-01T02:00:01.000Z"}),
        ),
        recording_push(2),
        note(3),
        said(NOTE, "2", 5, json!({"intent_code": "B", "has": {"conversation": true}})),
        said(
            QUERY,
            "1",
            6,
            json!({"intent_code": "C", "duration_s": 40, "has": {"conversation": true, "recording": true}}),
        ),
    ]
}

/// The events of pushes in this order, as the stream tells each write.
fn events(order: &[usize]) -> Vec<Event> {
    let pushes = pushes();
    let (mut record, mut version, mut all) = (None::<Record>, 0_u64, Vec::new());
    for push in order {
        let old = record.clone().map(|record| item_of(&key(), record, version));
        if !merge(CALL_WRITERS, &mut record, pushes[*push].clone()) {
            continue;
        }
        version += 1;
        let new = record.clone().map(|record| item_of(&key(), record, version));
        all.extend(told(ItemKind::Call, 60, old, new, None));
    }
    all
}

/// The ids of what is told once.
fn once(events: &[Event]) -> BTreeSet<String> {
    let once = |event: &&Event| {
        !matches!(event.event_type, EventType::CallUpdated | EventType::CallCorrected | EventType::CallIntent)
    };
    events.iter().filter(once).map(|event| event.id.clone()).collect()
}

/// What whoever listens to these types knows in the end.
fn last_word(events: &[Event], types: &[EventType]) -> Option<Value> {
    let last = events.iter().rev().find(|event| types.contains(&event.event_type))?;
    let mut call = last.detail["call"].clone();
    for name in ["first_received_at", "updated_at"] {
        call.as_object_mut()?.remove(name);
    }
    Some(call)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_order_tells_the_same_once_and_ends_with_the_same_word(
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        repeats in proptest::collection::vec(0_usize..6, 0..6),
    ) {
        let in_order = events(&(0..6).collect::<Vec<_>>());
        let order: Vec<_> = order.into_iter().chain(repeats).collect();
        let events = events(&order);
        prop_assert_eq!(once(&events), once(&in_order));
        for types in [
            &[EventType::CallCompleted, EventType::CallCorrected][..],
            &[EventType::CallUpdated][..],
        ] {
            prop_assert_eq!(last_word(&events, types), last_word(&in_order, types), "{:?}", types);
        }
        let intent = |events: &[Event]| {
            let last = events.iter().rev().find(|event| event.event_type == EventType::CallIntent);
            last.map(|event| (event.id.clone(), event.detail["call"]["intent_code"].clone()))
        };
        prop_assert_eq!(intent(&events), intent(&in_order));
        prop_assert!(events.is_sorted_by_key(|event| event.revision));
    }
}
