//! What a push must never do, whatever it holds.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shared::testing::{arbitrary_json, mutated};

use crate::support::{REPORTS, SAMPLE, all_items, items, post, rejected, stack};

#[tokio::test]
async fn what_the_table_could_never_take_is_not_answered_503() {
    let stack = stack().await;
    let url = format!("{}{REPORTS}", stack.url());
    let long = "9".repeat(1025);
    let digits = "1".repeat(40);
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for (body, message) in [
        (json!([{"callId": long}]).to_string(), "stored 0, rejected 1"),
        (
            json!([{"callId": "a", "taskId": "t".repeat(3000), "callee": "1".repeat(5000)}]).to_string(),
            "stored 1",
        ),
        (format!(r#"[{{"callId":"b","duration":{digits},"new":{digits}}}]"#), "stored 1"),
        (format!(r#"[{{"callId":"c","new":{}}}]"#, deep(40)), "stored 1"),
        (format!(r#"[{{"callId":"d","new":{}}}]"#, deep(400)), "stored 0, rejected 1"),
        (
            r#"[{"callId":"e","":"an empty name","new":{"":1},"tiny":1e-400,"huge":1e400}]"#.to_owned(),
            "stored 1",
        ),
        (r#"[{"callId":"\ud800"}]"#.to_owned(), "stored 0, rejected 1"),
        (r#"[{"callId":"f","$serde_json::private::Number":"x"}]"#.to_owned(), "stored 0, rejected 1"),
        (r#"[{"callId":"g","new":{"$serde_json::private::Number":"x"}}]"#.to_owned(), "stored 0, rejected 1"),
    ] {
        let (status, answer) = post(&url, body.clone()).await;
        assert_eq!((status, answer["msg"].as_str()), (200, Some(message)), "{body:.200}");
    }
    let extra = items(&stack, "b").await[0]["extra"]["alicom-call-report"].clone();
    assert_eq!(extra["new"], json!(digits), "a number of 40 digits is kept as text");
    assert_eq!(items(&stack, "c").await[0]["extra"]["alicom-call-report"]["new"], json!(deep(40)));
    assert_eq!(rejected(&stack).await.len(), 5);
}

#[tokio::test]
async fn a_field_larger_than_an_item_is_stored_whole() {
    let stack = stack().await;
    let huge: String = ('a'..='z').cycle().take(600_000).collect();
    let body = json!([{"callId": "a", "statusMsg": huge, "duration": 1}]);
    let (status, answer) = post(&format!("{}{REPORTS}", stack.url()), body.to_string()).await;
    assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 1")));
    let items = items(&stack, "a").await;
    let [call, push] = &items[..] else { panic!("a call and a push") };
    assert_eq!(call["duration_s"], 1);
    let bucket = stack.store().bucket();
    let extra = call["extra"]["alicom-call-report"]["large_key"].as_str().unwrap();
    let extra: Value = serde_json::from_slice(&bucket.get(extra).await.unwrap()).unwrap();
    assert_eq!(extra["statusMsg"], huge);
    let verbatim = bucket.get(push["body_key"].as_str().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(verbatim).unwrap(), body[0].to_string());
}

#[test]
fn whatever_comes_is_stored_rejected_or_refused_and_never_an_error_of_ours() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stack = runtime.block_on(stack());
    let url = format!("{}{REPORTS}", stack.url());
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let with_id = arbitrary_json().prop_map(|value| json!([{"callId": "a", "taskId": value, "new": value}]));
    let bodies = prop_oneof![arbitrary_json(), with_id, mutated(sample)];
    runner
        .run(&bodies, |body| {
            let (status, answer) = runtime.block_on(post(&url, body.to_string()));
            prop_assert!(matches!(status, 200 | 400), "{} {}", status, answer);
            Ok(())
        })
        .unwrap();
    assert!(!runtime.block_on(all_items(&stack)).is_empty(), "some of it was stored");
}
