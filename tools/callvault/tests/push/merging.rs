//! Several pushes about one call: whatever the order, the repetition or the crash, the same items.

use local_stack::Stack;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime::config::Environment;
use runtime::ingress::receive::Receiver;
use serde_json::{Value, json};
use shared::model::{Recording, RecordingState};
use shared::record::item::{self, Item};

use crate::faults::{Fault, FaultyDynamoDb};
use crate::support::{TOKEN, all_items, items, post, stack, without_stamps};

const ID: &str = "10000161^1000018";

/// The three pushes of one call: function and body.
fn pushes() -> [(&'static str, String); 3] {
    let ids = json!({"callId": ID, "taskId": "1181", "detailId": "9662", "batchId": "B202", "outId": "7\n"});
    let with = |fields: Value| {
        let mut element = ids.clone();
        element.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!([element]).to_string()
    };
    [
        (
            "alicom-call-report",
            with(json!({
                "startTime": "2025-06-01 10:00:00", "endTime": "2025-06-01 10:05:30", "duration": 330, "caller": "05710000",
                "realCaller": "05711111", "callee": "13900000001", "smartStatusCode": "ANSWERED", "hangupDirection": "User",
                "originateTime": "2025-06-01 09:59:45", "bDuration": 320,
            })),
        ),
        (
            "alicom-call-record",
            with(json!({
                "startTime": "2025-06-01 09:59:44", "endTime": "2025-06-01 10:05:31", "duration": 125,
                "recordFile": "http://a.oss-cn-hangzhou.aliyuncs.com/b.wav?OSSAccessKeyId=c&Expires=1749350000&Signature=d",
            })),
        ),
        (
            "alicom-call-note",
            with(json!({
                "majorIntent": "A", "outputTags": {"interest": ["high"]}, "call_times": 2, "realCaller": "05712222",
                "conversationRecord": r#"[{"role":"assistant","content":"您好"},{"role":"user","content":"<客户打断>喂"}]"#,
            })),
        ),
    ]
}

/// A receiver of the stack's own, with its own way to the stores.
pub(crate) fn receiver(stack: &Stack, dynamodb_endpoint: &str, s3_endpoint: &str) -> Receiver {
    let look_up = |variable: &str| match variable {
        "DYNAMODB_ENDPOINT" => Some(dynamodb_endpoint.to_owned()),
        "S3_ENDPOINT" => Some(s3_endpoint.to_owned()),
        "PUSH_TOKEN_SHA256" => Some(catalog::token::digest(TOKEN)),
        store => stack.variable(store),
    };
    Receiver::new(&Environment::new(&look_up), &catalog::pushes()).unwrap()
}

/// Pushes through the function, past the HTTP socket.
pub(crate) async fn push(receiver: &Receiver, function: &str, body: &str) -> u16 {
    let function = catalog::PUSH_FUNCTIONS.into_iter().find(|known| known.push.function == function).unwrap();
    let mut event: Value = serde_json::from_str(function.event).unwrap();
    event["body"] = body.into();
    event["pathParameters"]["token"] = TOKEN.into();
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    receiver.receive(&function.push, request).await.status().as_u16()
}

/// What a push goes through before it is acknowledged.
#[derive(Clone, Debug)]
struct Delivery {
    /// Which of the three pushes.
    push: usize,
    /// The function crashes after so many writes of this push, and the push is then repeated.
    crash_after: Option<u64>,
    /// It is under way at the same time as the next one.
    with_next: bool,
}

fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let delivery = |push| {
        (Just(push), proptest::option::of(0..4_u64), any::<bool>())
            .prop_map(|(push, crash_after, with_next)| Delivery { push, crash_after, with_next })
    };
    let each = (delivery(0), delivery(1), delivery(2));
    let repeats = proptest::collection::vec((0..3_usize).prop_flat_map(delivery), 0..3);
    (each, repeats).prop_map(|((a, b, c), repeats)| [vec![a, b, c], repeats].concat()).prop_shuffle()
}

async fn deliver(stack: &Stack, delivery: &Delivery) {
    let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
    let s3 = stack.stores().s3_endpoint.clone().unwrap();
    let (function, body) = &pushes()[delivery.push];
    if let Some(writes) = delivery.crash_after {
        let crashing = FaultyDynamoDb::start(&endpoint, move |number, _| match number < writes {
            true => Fault::None,
            false => Fault::Crash,
        });
        let crashing = crashing.await;
        push(&receiver(stack, &crashing.endpoint, &s3), function, body).await;
    }
    assert_eq!(push(&receiver(stack, &endpoint, &s3), function, body).await, 200);
}

async fn outcome_of(deliveries: &[Delivery]) -> Vec<Item> {
    let stack = stack().await;
    let mut deliveries = deliveries.iter().peekable();
    while let Some(delivery) = deliveries.next() {
        match deliveries.peek() {
            Some(next) if delivery.with_next => {
                tokio::join!(deliver(&stack, delivery), deliver(&stack, next));
                deliveries.next();
            }
            _ => deliver(&stack, delivery).await,
        }
    }
    let items = without_stamps(items(&stack, ID).await);
    stack.stop().await.unwrap();
    items
}

#[test]
fn three_pushes_in_any_order_with_repeats_crashes_and_races_end_in_the_same_items() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let in_order: Vec<_> =
        (0..3).map(|push| Delivery { push, crash_after: None, with_next: false }).collect();
    let expected = runtime.block_on(outcome_of(&in_order));
    assert_eq!(expected.len(), 6, "call, conversation, recording and three pushes");
    assert_eq!(expected[0]["originated_at"], "2025-06-01T01:59:45.000Z", "the report's");
    assert_eq!(expected[0]["extra"]["alicom-call-record"]["startTime"], "2025-06-01T01:59:44.000Z");
    assert_eq!(expected[0]["intent_code"], "A");

    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&deliveries(), |deliveries| {
            prop_assert_eq!(&runtime.block_on(outcome_of(&deliveries)), &expected);
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_before_or_after_they_took_effect_are_repeated_until_they_are_durable() {
    let stack = stack().await;
    let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
    // A fixed sequence without a pattern that two requests in step could fall into.
    let faulty = FaultyDynamoDb::start(&endpoint, |number, _| {
        match (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61 {
            0 => Fault::ErrorAfter,
            1 => Fault::ErrorBefore,
            2 => Fault::Throttled,
            _ => Fault::None,
        }
    });
    let faulty = faulty.await;
    let receiver = receiver(&stack, &faulty.endpoint, stack.stores().s3_endpoint.as_deref().unwrap());
    for (function, body) in pushes() {
        let mut status = 0;
        for _ in 0..5 {
            status = push(&receiver, function, &body).await;
            if status == 200 {
                break;
            }
            assert_eq!(status, 503);
        }
        assert_eq!(status, 200, "{function}");
    }
    assert_eq!(items(&stack, ID).await.len(), 6);
}

#[tokio::test]
async fn a_repeat_of_a_recording_push_leaves_an_archived_recording_archived() {
    let stack = stack().await;
    let (function, body) = &pushes()[1];
    let url = format!("{}/push/{function}/canary-token", stack.url());
    post(&url, body.clone()).await;
    let stored = items(&stack, ID).await.into_iter().find(|item| item["sk"] == "recording#main").unwrap();
    assert_eq!(stored["state"], "pending");
    assert_eq!(stored["source_expires_at"], "2025-06-08T02:33:20.000Z", "the signed URL tells");
    assert!(stored["due"].as_str().unwrap().starts_with("archive#"));

    let mut archived: Recording = item::typed(stored).unwrap();
    archived.state = RecordingState::Archived;
    archived.next_attempt_at = None;
    let key = crate::support::call(shared::model::Provider::Alicom, ID);
    let mut item = Item::from(item::recording_item(&key, archived));
    item.insert("version".to_owned(), json!(2));
    stack.store().table().put(item.clone()).await.unwrap();

    let fresher = body.replace("Expires=1749350000", "Expires=1750000000");
    for body in [body, &fresher] {
        assert_eq!(post(&url, body.clone()).await.0, 200);
        let stored = items(&stack, ID).await.into_iter().find(|item| item["sk"] == "recording#main").unwrap();
        assert_eq!(stored, item);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialogue_of_twenty_thousand_lines_is_stored_whole_and_reads_back_whole() {
    let stack = stack().await;
    let lines: Vec<Value> = (0..20_000)
        .map(|line| json!({"callDetailId": line, "text": format!("第{line}句,{}", "好".repeat(15)), "type": "PERSON", "startOffset": line * 10, "endOffset": line * 10 + 9}))
        .collect();
    let body = json!({"callId": "long", "resultStatus": "ANSWERED", "callDetailList": lines}).to_string();
    assert!(body.len() > 2 << 20, "{} bytes", body.len());
    let answer = post(&format!("{}/push/ai-voice-call-record/canary-token", stack.url()), body.clone()).await;
    assert_eq!(answer, (200, json!({"code": 0, "msg": "stored 1"})));

    let items = all_items(&stack).await;
    let find = |sk: &str| items.iter().find(|item| item["sk"].as_str().unwrap().starts_with(sk)).unwrap();
    let object = |item: &Item, name: &str| {
        let key = item[name].as_str().unwrap().to_owned();
        let bucket = stack.store().bucket();
        async move { bucket.get(&key).await.unwrap() }
    };
    assert_eq!(find("call")["outcome"], "answered");
    assert_eq!(String::from_utf8(object(find("push#"), "body_key").await).unwrap(), body);
    let turns: Vec<Value> = serde_json::from_slice(&object(find("conversation"), "turns_key").await).unwrap();
    assert_eq!(turns.len(), 20_000);
    assert_eq!(turns[19_999]["text"], lines[19_999]["text"]);
    assert_eq!(turns[19_999]["end_ms"], 199_999);
}
