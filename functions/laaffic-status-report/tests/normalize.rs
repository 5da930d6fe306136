//! What status reports come to.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use laaffic_status_report::PUSH;
use serde_json::{Value, json};
use shared::model::{HangupBy, Outcome};
use shared::normalize::Normalized;

const SAMPLE: &str = include_str!("../test_data/sample.json");

/// The report with these fields, and an id.
fn normalized(mut report: Value) -> Normalized {
    report["voiceId"] = json!("1");
    PUSH.normalized(&report.to_string(), &testkit::context()).unwrap()
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
fn the_envelope_a_bare_list_and_a_bare_object_mean_the_same() {
    let enveloped: Value = serde_json::from_str(SAMPLE).unwrap();
    let list = &enveloped["array"];
    let outcome_of = |body: &Value| testkit::outcome_of(&PUSH, body.to_string().as_bytes());
    assert_eq!(outcome_of(&enveloped)[0]["call_id"], "260326152224160100152");
    assert_eq!(outcome_of(list), outcome_of(&enveloped));
    assert_eq!(outcome_of(&list[0]), outcome_of(&enveloped));
}

#[test]
fn every_value_of_both_vocabularies_is_an_outcome_and_none_is_counted_as_unknown() {
    use Outcome::*;
    let documented = [
        ("callDescription", 1, Answered),
        ("callDescription", 2, Voicemail),
        ("callDescription", 3, Answered),
        ("callDescription", 4, Answered),
        ("callDescription", 5, Canceled),
        ("callDescription", 6, Busy),
        ("callDescription", 7, Unreachable),
        ("callDescription", 8, NoAnswer),
        ("callDescription", 10, Answered),
        ("callStatusNew", 1, Answered),
        ("callStatusNew", 2, Answered),
        ("callStatusNew", 3, NoAnswer),
        ("callStatusNew", 4, NoAnswer),
        ("callStatus", 10, Busy),
        ("callStatus", 20, NoAnswer),
        ("callStatus", 30, Other),
        ("callStatus", 40, Voicemail),
        ("callStatus", 50, Answered),
        ("callStatus", 60, Other),
        ("terminationCode", 0, Answered),
        ("terminationCode", 487, Other),
    ];
    for (field, value, outcome) in documented {
        for value in [json!(value), json!(value.to_string())] {
            let normalized = normalized(json!({field: value}));
            assert_eq!(normalized.call.outcome, Some(outcome), "{field} {value}");
            assert_eq!(normalized.call.status.unwrap()[field], value);
            assert_eq!(normalized.unknown_values, [""; 0], "{field} {value}");
        }
    }
}

#[test]
fn of_several_codes_the_one_worth_most_decides() {
    use Outcome::*;
    for (description, new, old, termination, outcome) in [
        // A description that says why nobody was talked to stands above all.
        (Some(2), Some(1), Some(50), Some(0), Voicemail),
        (Some(6), Some(3), Some(20), Some(486), Busy),
        (Some(7), Some(4), Some(30), Some(480), Unreachable),
        // Else the newer status,
        (Some(1), Some(1), Some(50), Some(0), Answered),
        (Some(4), Some(2), Some(30), Some(1), Answered),
        (Some(1), Some(3), Some(50), Some(0), NoAnswer),
        (None, Some(1), Some(10), None, Answered),
        // to which the older may add the kind,
        (None, Some(3), Some(10), Some(486), Busy),
        (None, Some(4), Some(40), None, Voicemail),
        (None, Some(3), Some(30), None, NoAnswer),
        // else the older,
        (None, None, Some(20), Some(0), NoAnswer),
        // else a description of a connected call, else whether it succeeded at all.
        (Some(3), None, None, Some(487), Answered),
        // What no document knows says nothing,
        (Some(9), Some(1), None, None, Answered),
        (Some(9), Some(0), Some(70), Some(0), Answered),
        // and if nothing is said otherwise, it is some other outcome.
        (Some(9), None, None, None, Other),
        (None, None, Some(70), None, Other),
    ] {
        let report = json!({
            "callDescription": description, "callStatusNew": new, "callStatus": old, "terminationCode": termination,
        });
        assert_eq!(normalized(report.clone()).call.outcome, Some(outcome), "{report}");
    }
    assert_eq!(normalized(json!({"terminationReason": "?"})).call.outcome, None);
}

#[test]
fn who_hung_up_is_known_only_where_the_report_says_so() {
    for (report, hangup_by) in [
        (json!({"terminationReason": "Called hang up"}), Some(HangupBy::Callee)),
        (json!({"terminationReason": " CALLED HANG UP"}), Some(HangupBy::Callee)),
        (json!({"terminationReason": "Calling hang up", "callDescription": 5}), Some(HangupBy::Agent)),
        (json!({"callDescription": "5"}), Some(HangupBy::Agent)),
        (json!({"terminationReason": "Normal", "callDescription": 1}), None),
        (json!({"callDescription": 8}), None),
    ] {
        assert_eq!(normalized(report.clone()).call.hangup_by, hangup_by, "{report}");
    }
}

#[test]
fn a_time_means_the_same_in_each_of_its_forms() {
    for (time, instant) in [
        (json!(1774509744963_i64), "2026-03-26T07:22:24.963Z"),
        (json!("1774509744963"), "2026-03-26T07:22:24.963Z"),
        (json!("20260326152224963"), "2026-03-26T07:22:24.963Z"),
        (json!("20260326152224"), "2026-03-26T07:22:24.000Z"),
        (json!(20260326152224_i64), "2026-03-26T07:22:24.000Z"),
    ] {
        let call = normalized(json!({"callTime": time})).call;
        assert_eq!(call.originated_at.unwrap().to_string(), instant, "{time}");
    }
}

#[test]
fn a_call_has_one_recording_however_it_is_named() {
    for recording in [
        json!({"recordingFileId": "7.wav"}),
        json!({"recordingFileUrl": "https://rec.example.com/1.wav"}),
        json!({"recordingFileId": "7".repeat(901), "recordingFileUrl": "https://rec.example.com/1.wav"}),
    ] {
        let recordings = normalized(recording.clone()).recordings;
        assert_eq!((recordings.len(), recordings[0].slot.as_str()), (1, "main"), "{recording}");
        assert_eq!(recordings[0].id.as_deref(), recording["recordingFileId"].as_str());
    }
}
