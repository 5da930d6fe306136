//! What the answers of QueryConversationDetailInfo come to.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use fetch_conversations::ANSWER;
use serde_json::{Value, json};
use shared::normalize::Normalized;

const SAMPLE: &str = include_str!("../test_data/sample.json");

/// The mark of an interruption, which becomes a flag.
const INTERRUPTED: &str = "<客户打断>";

fn normalized(data: Value) -> Normalized {
    ANSWER.normalized(&data.to_string(), &testkit::context()).unwrap()
}

#[test]
fn every_fixture_gives_its_golden_output() {
    testkit::check_golden_outputs(&ANSWER, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_fixture_makes_its_golden_vcons() {
    testkit::vcon::check_golden_vcons(&ANSWER, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_leaf_of_the_documents_sample_is_kept_outside_the_verbatim_answer() {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let mut interrupting = Vec::new();
    testkit::leaves(&sample, "", &mut |_, leaf| {
        interrupting.extend(leaf.strip_prefix(INTERRUPTED).map(|words| (leaf.to_owned(), words.to_owned())));
    });
    assert_eq!(interrupting.len(), 3);
    let mut words = vec![("assistant", "agent"), ("user", "callee")];
    words.extend(interrupting.iter().map(|(theirs, ours)| (theirs.as_str(), ours.as_str())));
    testkit::check_leaves_in_other_words(&ANSWER, SAMPLE, &words);
}

#[test]
fn a_null_takes_back_what_its_field_said_and_nothing_else() {
    testkit::check_nulls(&ANSWER, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn nothing_an_answer_can_hold_makes_it_panic() {
    testkit::check_no_panic(&ANSWER, SAMPLE);
}

#[test]
fn the_samples_twelve_turns_are_in_order_with_speakers_and_interruptions() {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let record: Vec<Value> = serde_json::from_str(sample["ConversationRecord"].as_str().unwrap()).unwrap();
    let turns = serde_json::to_value(normalized(sample).conversation.turns.unwrap()).unwrap();
    let turns = turns.as_array().unwrap();
    assert_eq!(turns.len(), 12);
    for (turn, entry) in turns.iter().zip(&record) {
        let content = entry["content"].as_str().unwrap();
        assert_eq!(turn["text"], content.replace(INTERRUPTED, ""));
        assert_eq!(turn["speaker"] == "callee", entry["role"] == "user", "{content}");
        assert_eq!(turn["interrupted"] == true, content.contains(INTERRUPTED), "{content}");
    }
    let interrupted: Vec<_> = (0..12).filter(|turn| turns[*turn]["interrupted"] == true).collect();
    assert_eq!(interrupted, [1, 2, 8]);
}

#[test]
fn times_that_are_none_are_kept_and_not_believed() {
    let normalized = normalized(serde_json::from_str(SAMPLE).unwrap());
    assert_eq!((normalized.call.originated_at, normalized.call.ended_at), (None, None));
    assert_eq!(normalized.call.answered_at.unwrap().to_string(), "2025-08-08T01:41:13.000Z");
    assert_eq!(normalized.extra["StartCallTime"], json!(123_123_123_123_123_i64));
    assert_eq!(normalized.extra["ReleaseTime"], json!(98));
    assert_eq!(normalized.call.out_id.as_deref(), Some("bb3bc32d-54b8-49c4-80d3-61583417d22e"));
}

#[test]
fn a_tags_value_is_a_text_or_a_list_in_json_or_nothing() {
    let tag = |name: &str, value: Value| json!({"Id": "1", "OutputTagName": name, "OutputTagValue": value});
    let list = json!([
        tag("list", json!("[\"a\", 2]")),
        tag("text", json!("a")),
        tag("text", json!("b")),
        tag("cut off", json!("[\"a")),
        tag("nested", json!("[{\"a\":1}]")),
        tag("number", json!(5)),
        tag("empty", json!("")),
        tag("null", Value::Null),
        tag("bare", json!(["c"])),
    ]);
    let normalized = normalized(json!({"CallId": "a^1", "OutputTags": list}));
    assert_eq!(
        serde_json::to_value(normalized.call.tags).unwrap(),
        json!({
            "list": ["a", "2"], "text": ["a", "b"], "cut off": ["[\"a"], "nested": ["[{\"a\":1}]"], "number": ["5"],
            "empty": [], "null": [], "bare": ["c"],
        })
    );
    assert_eq!(normalized.extra["OutputTags_listed"], list);
}

#[test]
fn tags_and_conversations_that_cannot_be_read_whole_stay_as_they_came() {
    for tags in
        [json!([{"Id": "1"}]), json!([{"OutputTagName": "a", "OutputTagValue": {}}]), json!("[]"), json!([])]
    {
        let normalized = normalized(json!({"CallId": "a^1", "OutputTags": tags}));
        assert_eq!(normalized.call.tags, None, "{tags}");
        assert_eq!(normalized.extra["OutputTags"], tags);
    }
    for record in [json!(""), json!("[]"), json!("not JSON"), json!("[{\"role\":\"user\"}]")] {
        let normalized = normalized(json!({"CallId": "a^1", "ConversationRecord": record}));
        assert_eq!(normalized.conversation.turns, None, "{record}");
        assert_eq!(normalized.extra["ConversationRecord"], record);
    }
}
