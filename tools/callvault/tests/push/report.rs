//! A call report, end to end.

use local_stack::dynamodb;
use local_stack::{Options, Stack};
use serde_json::{Value, json};
use shared::model::{CallFacts, HangupBy, Outcome};
use shared::record::item;
use shared::record::keys;
use tokio::net::TcpListener;

use crate::support::{
    REPORTS, SAMPLE, SAMPLE_ID, all_items, items, options, post, post_with, rejected, stack, without_stamps,
};

#[tokio::test]
async fn the_documents_sample_becomes_a_call_and_stays_verbatim() {
    let stack = stack().await;
    let answer = post(&format!("{}{REPORTS}", stack.url()), SAMPLE).await;
    assert_eq!(answer, (200, json!({"code": 0, "msg": "stored 1"})));

    let items = items(&stack, SAMPLE_ID).await;
    let [call, push] = &items[..] else { panic!("a call and a push, not {items:#?}") };
    let element = SAMPLE.trim().strip_prefix('[').unwrap().strip_suffix(']').unwrap();
    assert_eq!(push["body"], element, "the push is kept exactly as it came");

    let facts: CallFacts = item::typed(item::record(call.clone()).unwrap().facts).unwrap();
    assert_eq!(facts.outcome, Some(Outcome::Answered));
    assert_eq!(facts.hangup_by, Some(HangupBy::Callee));
    assert_eq!(facts.duration_s, Some(330));
    assert_eq!(call["answered_at"], "2025-06-01T02:00:00.000Z");
    assert_eq!(call["call_at"], call["originated_at"]);
    assert_eq!(call["task_key"], "alicom#1181**************");
    assert_eq!(call.get("callee_key"), None, "a masked number is no key");
    assert_eq!(call["extra"]["alicom-call-report"]["bDuration"], 320);
}

#[tokio::test]
async fn the_same_push_five_times_more_leaves_the_same_items() {
    let stack = stack().await;
    let url = format!("{}{REPORTS}", stack.url());
    post(&url, SAMPLE).await;
    let first = without_stamps(items(&stack, SAMPLE_ID).await);
    for _ in 0..5 {
        assert_eq!(post(&url, SAMPLE).await.0, 200);
    }
    assert_eq!(without_stamps(items(&stack, SAMPLE_ID).await), first);
    assert_eq!(all_items(&stack).await.len(), 2);
}

#[tokio::test]
async fn a_bad_element_is_kept_as_rejected_and_the_others_are_stored() {
    let stack = stack().await;
    let body = r#"[{"callId": "a"}, {"duration": 3}, {"callId": "b", "duration": "abc"}]"#;
    let answer = post(&format!("{}{REPORTS}", stack.url()), body).await;
    assert_eq!(answer, (200, json!({"code": 0, "msg": "stored 2, rejected 1"})));

    let rejected = rejected(&stack).await;
    let [(key, reject)] = &rejected[..] else { panic!("one reject, not {rejected:#?}") };
    assert!(key.starts_with("rejected/alicom-call-report/20"), "{key}");
    assert_eq!(reject["body"], r#"{"duration": 3}"#);
    assert_eq!(reject["field"], "callId");
    assert_eq!(reject["reason"], "no usable call id in callId");
    assert_eq!(items(&stack, "a").await.len(), 2);
    let unsound = items(&stack, "b").await;
    assert_eq!(
        unsound[0]["extra"]["alicom-call-report"]["duration"], "abc",
        "a wrong value is kept, the rest stored"
    );
    assert_eq!(unsound[0].get("duration_s"), None);
}

#[tokio::test]
async fn what_is_not_json_is_told_where_and_kept() {
    let stack = stack().await;
    let url = format!("{}{REPORTS}", stack.url());
    let answer = post(&url, "[{\"callId\": \"a\",\n  oops}]").await;
    assert_eq!(answer, (400, json!({"code": 400, "msg": "the body is not JSON: line 2, column 3"})));
    assert_eq!(rejected(&stack).await[0].1["body"], "[{\"callId\": \"a\",\n  oops}]");

    let answer = post(&url, &b"\xff\xfe[\x00]\x00"[..]).await;
    assert_eq!(answer.0, 400);
    let kept: Vec<Value> =
        rejected(&stack).await.into_iter().map(|(_, reject)| reject["body_base64"].clone()).collect();
    assert!(kept.contains(&json!("//5bAF0A")), "{kept:?}");
}

#[tokio::test]
async fn whoever_has_no_token_leaves_no_trace() {
    let stack = stack().await;
    for path in [
        "/push/alicom-call-report/wrong",
        "/push/alicom-call-report/CANARY-TOKEN",
        "/push/alicom-call-report/canary-token%20",
    ] {
        let answer = post(&format!("{}{path}", stack.url()), SAMPLE).await;
        assert_eq!(answer, (401, json!({"code": 401, "msg": "unknown token"})), "{path}");
    }
    for path in [
        "/push/alicom-call-report",
        "/push/alicom-call-report/",
        "/push/nothing/canary-token",
        "/push/alicom-call-report/canary-token/",
    ] {
        assert_eq!(post(&format!("{}{path}", stack.url()), SAMPLE).await.0, 404, "{path}");
    }
    assert_eq!(all_items(&stack).await.len(), 0);
    assert_eq!(rejected(&stack).await.len(), 0);
}

#[tokio::test]
async fn bodies_may_be_anything_a_platform_sends() {
    let stack = stack().await;
    let url = format!("{}{REPORTS}", stack.url());
    let octets = [("content-type", "application/octet-stream")];
    assert_eq!(post_with(&url, r#"[{"callId":"as base64"}]"#, &octets).await.1["msg"], "stored 1");
    assert_eq!(post_with(&url, r#"{"callId":"without a type"}"#, &[]).await.1["msg"], "stored 1");
    assert_eq!(post(&url, "\u{feff}[{\"callId\":\"behind a mark\"}]").await.1["msg"], "stored 1");
    assert_eq!(post(&url, "[]").await, (200, json!({"code": 0, "msg": "stored 0"})));
    assert_eq!(post(&url, "{}").await, (200, json!({"code": 0, "msg": "stored 0, rejected 1"})));
    assert_eq!(post(&url, "\"text\"").await.0, 400);

    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(post_with(&url, "zipped", &gzip).await.0, 415);
    let large = format!("[\"{}\"]", "x".repeat(5 << 20));
    assert_eq!(post(&url, large.clone()).await.0, 413);
    let kept: Vec<_> = rejected(&stack).await.into_iter().map(|(_, reject)| reject["body"].clone()).collect();
    assert!(kept.contains(&json!("zipped")) && kept.contains(&json!(large)), "even these are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_in_one_push_are_stored_and_acknowledged() {
    let stack = stack().await;
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let calls: Vec<Value> = (0..1000)
        .map(|number| {
            let mut call = sample[0].clone();
            call["callId"] = json!(format!("{number}^1"));
            call
        })
        .collect();
    let answer = post(&format!("{}{REPORTS}", stack.url()), Value::from(calls).to_string()).await;
    assert_eq!(answer, (200, json!({"code": 0, "msg": "stored 1000"})));
    assert_eq!(all_items(&stack).await.len(), 2000, "a call and a push each");
}

#[tokio::test]
async fn twice_the_same_call_in_one_push_is_one_call() {
    let stack = stack().await;
    let bodies = [1, 2].map(|duration| format!(r#"{{"callId":"a","duration":{duration}}}"#));
    let body = format!("[{0},{0},{1}]", bodies[0], bodies[1]);
    assert_eq!(post(&format!("{}{REPORTS}", stack.url()), body).await.1["msg"], "stored 3");
    let items = items(&stack, "a").await;
    assert_eq!(items.len(), 3, "a call and two different pushes");
    let last = if keys::element_digest(&bodies[0]) > keys::element_digest(&bodies[1]) { 1 } else { 2 };
    assert_eq!(items[0]["duration_s"], last, "both were received at once: the digest decides");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_dynamodb_is_down_nothing_is_acknowledged_and_pushing_again_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dynamodb = dynamodb::start(listener, Some(folder.path())).await.unwrap();
    let options = Options { dynamodb_endpoint: Some(format!("http://{address}")), ..options() };
    let stack = Stack::start(&options).await.unwrap();
    let url = format!("{}{REPORTS}", stack.url());

    dynamodb.stop().await.unwrap();
    let answer = post(&url, SAMPLE).await;
    assert_eq!(answer, (503, json!({"code": 503, "msg": "not stored, push again"})));

    let dynamodb =
        dynamodb::start(TcpListener::bind(address).await.unwrap(), Some(folder.path())).await.unwrap();
    assert_eq!(post(&url, SAMPLE).await.0, 200);
    assert_eq!(items(&stack, SAMPLE_ID).await.len(), 2);
    dynamodb.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_s3_is_down_nothing_rejected_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let s3 = s3_emulator::start(listener, None).await.unwrap();
    let options = Options { s3_endpoint: Some(format!("http://{address}")), ..options() };
    let stack = Stack::start(&options).await.unwrap();
    s3.stop().await.unwrap();
    let url = format!("{}{REPORTS}", stack.url());
    assert_eq!(post(&url, r#"[{"callId":"a"},{}]"#).await.0, 503, "the reject is not durable");
    assert_eq!(post(&url, "not JSON").await.0, 503);
    assert_eq!(post(&url, r#"[{"callId":"a"}]"#).await.0, 200, "what needs no S3 does not wait for it");
}
