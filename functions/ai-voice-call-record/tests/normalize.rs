//! What call records come to.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use ai_voice_call_record::PUSH;
use serde_json::{Value, json};
use shared::model::{Outcome, Speaker};
use shared::normalize::{Normalized, Rejection};

const SAMPLE: &str = include_str!("../test_data/sample.json");
const UPSTREAM: &str = include_str!("../test_data/upstream-wrapped.json");
const WORDS: &[(&str, &str)] = &[("ROBOT", "agent"), ("PERSON", "callee")];

fn normalized(element: &Value) -> Normalized {
    PUSH.normalized(&element.to_string(), &testkit::context()).unwrap()
}

#[test]
fn every_fixture_gives_its_golden_output() {
    testkit::check_golden_outputs(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_fixture_makes_its_golden_vcons() {
    testkit::vcon::check_golden_vcons(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_leaf_of_both_documents_fields_is_kept_outside_the_verbatim_push() {
    testkit::check_leaves_in_other_words(&PUSH, SAMPLE, WORDS);
    testkit::check_leaves_in_other_words(&PUSH, UPSTREAM, WORDS);
}

#[test]
fn a_null_takes_back_what_its_field_said_and_nothing_else() {
    testkit::check_nulls(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn nothing_a_push_can_hold_makes_it_panic() {
    testkit::check_no_panic(&PUSH, SAMPLE);
    testkit::check_no_panic(&PUSH, UPSTREAM);
}

#[test]
fn every_result_of_the_document_is_an_outcome_and_none_is_counted_as_unknown() {
    for (result, outcome) in [
        ("ANSWERED", Outcome::Answered),
        ("NO_ANSWER", Outcome::NoAnswer),
        ("BUSY", Outcome::Busy),
        ("POWER_OFF", Outcome::PoweredOff),
        ("OUT_OF_SERVICE", Outcome::Suspended),
        ("REFUSED", Outcome::Rejected),
        ("VACANT_NUMBER", Outcome::InvalidNumber),
        ("CAN_NOT_CONNECT", Outcome::Unreachable),
        ("FROM_PHONE_ERROR", Outcome::CallerError),
        ("SYSTEM_ERROR", Outcome::SystemError),
        ("CALL_LOSS", Outcome::Abandoned),
        ("TRANSFER_ARTIFICIAL", Outcome::Abandoned),
    ] {
        let normalized = normalized(&json!({"callId": "a", "resultStatus": result}));
        assert_eq!(normalized.call.outcome, Some(outcome), "{result}");
        assert_eq!(normalized.call.status.unwrap()["resultStatus"], result);
        assert_eq!(normalized.unknown_values, [""; 0], "{result}");
    }
}

#[test]
fn ids_and_times_mean_the_same_as_numbers_and_as_text() {
    let upstream = json!({"callId": 119, "robotCallJobId": 43, "dialogFlowId": 12, "startTime": 1754617273, "callCount": 2});
    let query = json!({
        "callId": "119", "robotCallJobId": "43", "dialogFlowId": "12", "startTime": "2025-08-08 09:41:13", "callCount": "2",
    });
    assert_eq!(normalized(&upstream), normalized(&query));
}

#[test]
fn a_wrapped_record_is_the_bare_one_and_its_wrapping_is_kept() {
    let bare: Value = serde_json::from_str(SAMPLE).unwrap();
    let mut unwrapped = normalized(&json!({"dataType": "ROBOT_CALL_RECORD", "data": bare}));
    assert_eq!(unwrapped.extra.remove("dataType"), Some(json!("ROBOT_CALL_RECORD")));
    assert_eq!(unwrapped, normalized(&bare));
}

#[test]
fn another_kind_of_message_is_rejected_by_its_name() {
    let message = json!({"dataType": "ROBOT_CALL_SMS", "data": {"callRecordId": 119}}).to_string();
    assert_eq!(
        PUSH.normalized(&message, &testkit::context()),
        Err(Rejection::OtherMessage { field: "dataType", kind: "ROBOT_CALL_SMS".to_owned() })
    );
}

#[test]
fn a_dialogue_of_two_megabytes_is_taken_whole() {
    let lines: Vec<_> = (0..20_000_u64)
        .map(|line| match line % 2 {
            0 => {
                json!({"callDetailId": line, "text": format!("{line}: {}", "好".repeat(20)), "type": "ROBOT"})
            }
            _ => json!({
                "callDetailId": line, "text": format!("{line}: {}", "嗯".repeat(20)), "type": "PERSON",
                "startOffset": line * 1000, "endOffset": line * 1000 + 999,
            }),
        })
        .collect();
    let element = json!({"callId": "a", "callDetailList": lines});
    assert!(element.to_string().len() > 2_000_000);

    let normalized = normalized(&element);
    let turns = normalized.conversation.turns.unwrap();
    assert_eq!(turns.len(), 20_000);
    let last = &turns[19_999];
    assert_eq!(last.text, format!("19999: {}", "嗯".repeat(20)));
    assert_eq!(
        (last.speaker, last.start_ms, last.end_ms),
        (Some(Speaker::Callee), Some(19_999_000), Some(19_999_999))
    );
    assert_eq!(normalized.extra, serde_json::Map::new());
}
