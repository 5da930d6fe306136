//! What announcements of recordings come to.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use alicom_call_record::PUSH;
use serde_json::{Value, json};
use shared::normalize::Normalized;

const SAMPLE: &str = include_str!("../test_data/sample.json");

fn normalized(element: Value) -> Normalized {
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
fn every_leaf_of_the_documents_sample_is_kept_outside_the_verbatim_push() {
    testkit::check_leaves(&PUSH, SAMPLE);
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
fn the_start_is_that_of_the_call_and_the_duration_is_not_computed() {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let call = normalized(sample[0].clone()).call;
    assert_eq!(call.originated_at.unwrap().to_string(), "2025-05-22T04:29:20.000Z");
    assert_eq!(call.answered_at, None);
    assert_eq!(call.ended_at.unwrap().seconds_since(call.originated_at.unwrap()), 131);
    assert_eq!(call.duration_s, Some(125));
}

#[test]
fn a_url_lives_until_its_signature_expires_and_without_one_for_seven_days_from_its_receipt() {
    for (url, expiry) in [
        ("http://a.oss.aliyuncs.com/r.wav", "2025-06-08T02:05:33.120Z"),
        (
            "http://a.oss.aliyuncs.com/r.wav?OSSAccessKeyId=k&Expires=1749000000&Signature=s",
            "2025-06-04T01:20:00.000Z",
        ),
    ] {
        let recordings = normalized(json!({"callId": "a^1", "recordFile": url})).recordings;
        assert_eq!(recordings[0].expires_at.unwrap().to_string(), expiry, "{url}");
    }
}
