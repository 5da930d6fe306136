//! What call notes come to.

use alicom_call_note::PUSH;
use serde_json::{Value, json};

const SAMPLE: &str = include_str!("../test_data/sample.json");

#[test]
fn every_fixture_gives_its_golden_output() {
    testkit::check_golden_outputs(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_fixture_makes_its_golden_vcons() {
    testkit::vcon::check_golden_vcons(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_leaf_of_the_documents_fields_is_kept_outside_the_verbatim_push() {
    testkit::check_leaves_in_other_words(&PUSH, SAMPLE, &[("assistant", "agent"), ("user", "callee")]);
}

#[test]
fn a_null_takes_back_what_its_field_said_and_nothing_else() {
    testkit::check_nulls(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn nothing_a_push_can_hold_makes_it_panic() {
    testkit::check_no_panic(&PUSH, SAMPLE);
}

#[test]
fn a_conversation_that_cannot_be_read_whole_stays_as_it_came() {
    for record in [
        json!(""),
        json!("not JSON"),
        json!("[{\"content\":\"您好\",\"role\":\"assistant\"},{\"role\":\"user\"}]"),
        json!([{"content": "您好", "role": "assistant"}, null]),
    ] {
        let element = json!({"callId": "a^1", "conversationRecord": record}).to_string();
        let normalized = PUSH.normalized(&element, &testkit::context()).unwrap();
        assert_eq!(normalized.conversation.turns, None, "{record}");
        assert_eq!(normalized.extra["conversationRecord"], record);
    }
}

#[test]
fn tags_too_large_for_an_attribute_stay_behind() {
    let tags: Value = (0..2000).map(|tag| (format!("tag {tag}"), json!("value"))).collect();
    let element = json!({"callId": "a^1", "outputTags": tags}).to_string();
    let normalized = PUSH.normalized(&element, &testkit::context()).unwrap();
    assert_eq!((normalized.call.tags, normalized.conversation.tags), (None, None));
    assert_eq!(normalized.extra["outputTags"], tags);
}
