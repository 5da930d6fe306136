//! A 200 means durable, whatever the stores do: each fault, once, several times, and for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use local_stack::dynamodb;
use local_stack::{Options, Stack};
use serde_json::{Value, json};
use shared::record::item::Item;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::faults::{Fault, FaultyDynamoDb, FaultyS3};
use crate::merging::{push, receiver};
use crate::support::{
    REPORTS, SAMPLE, SAMPLE_ID, all_items, items, options, rejected, stack, without_stamps,
};

/// The functions answer in time for Lambda to end by itself: each attempt has 400 ms, and there are six.
const LONGEST: Duration = Duration::from_secs(15);

/// Two calls, each with a recording, and one element that is none: six items and a reject.
fn body() -> String {
    json!([
        {"callId": "a", "duration": 3, "startTime": "2025-06-01 10:00:00", "recordFile": "http://a.aliyuncs.com/1.wav"},
        {"callId": "b", "duration": 4, "startTime": "2025-06-01 10:00:01", "recordFile": "http://a.aliyuncs.com/2.wav"},
        {"duration": 5},
    ])
    .to_string()
}

async fn contents(stack: &Stack) -> (Vec<Item>, Vec<Value>) {
    let mut items = without_stamps(all_items(stack).await);
    for item in &mut items {
        item.remove("source_expires_at");
    }
    items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
    let kept = rejected(stack).await.into_iter().map(|(_, reject)| reject["body"].clone()).collect();
    (items, kept)
}

/// What is stored of the push where nothing fails.
async fn whole() -> (Vec<Item>, Vec<Value>) {
    let stack = stack().await;
    let (dynamodb, s3) = endpoints(&stack);
    assert_eq!(push(&receiver(&stack, &dynamodb, &s3), "alicom-call-record", &body()).await, 200);
    let whole = contents(&stack).await;
    assert_eq!((whole.0.len(), whole.1.len()), (6, 1));
    whole
}

fn endpoints(stack: &Stack) -> (String, String) {
    let stores = stack.stores().clone();
    (stores.dynamodb_endpoint.unwrap(), stores.s3_endpoint.unwrap())
}

/// Pushes through failing stores, and gives back the status. Whatever it is: after a 200 all of it is there; after anything else a
/// repeat, through sound stores, makes it so, and finds nothing there that a repeat does not explain.
async fn status_under(
    dynamodb_fails: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    s3_fails: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
) -> u16 {
    let whole = whole().await;
    let stack = stack().await;
    let (dynamodb, s3) = endpoints(&stack);
    let faulty_dynamodb = FaultyDynamoDb::start(&dynamodb, dynamodb_fails).await;
    let faulty_s3 = FaultyS3::start(&s3, s3_fails).await;
    let began = Instant::now();
    let receiver_of_faults = receiver(&stack, &faulty_dynamodb.endpoint, &faulty_s3.endpoint);
    let status = push(&receiver_of_faults, "alicom-call-record", &body()).await;
    assert!(began.elapsed() < LONGEST, "answered after {:?}", began.elapsed());
    let stored = contents(&stack).await;
    if status == 200 {
        assert_eq!(stored, whole, "a 200, and not all of it is there");
    } else {
        assert_eq!(status, 503);
        for item in &stored.0 {
            assert!(whole.0.contains(item), "{item:?} is no item of the push");
        }
        assert_eq!(push(&receiver(&stack, &dynamodb, &s3), "alicom-call-record", &body()).await, 200);
        assert_eq!(contents(&stack).await, whole, "a repeat makes up for it");
    }
    stack.stop().await.unwrap();
    status
}

fn never(_: u64, _: &str) -> Fault {
    Fault::None
}

/// Every way in which a request can fail that may succeed when it is tried again.
const PASSING: [Fault; 6] =
    [Fault::ErrorBefore, Fault::ErrorAfter, Fault::Throttled, Fault::Late, Fault::CutBefore, Fault::CutAfter];

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_once_is_tried_again_and_then_durable() {
    for fault in PASSING {
        let first = move |number, _: &str| if number == 0 { fault } else { Fault::None };
        assert_eq!(status_under(first, never).await, 200, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_is_never_given_on_hope_whichever_write_fails_for_good() {
    for fault in PASSING.into_iter().chain([Fault::Crash]) {
        // The batch of verbatim pushes never gets through.
        let batches =
            move |_, operation: &str| if operation == "BatchWriteItem" { fault } else { Fault::None };
        assert_eq!(status_under(batches, never).await, 503, "{fault:?} of the batch");
        // The records never do; those that took effect are found there by the next attempt, which is as good.
        let records = move |_, operation: &str| if operation == "PutItem" { fault } else { Fault::None };
        let status = status_under(records, never).await;
        assert_eq!(status, 503, "{fault:?} of the records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_third_write_fails_in_every_way() {
    for fault in PASSING {
        let third = move |number: u64, _: &str| if number.is_multiple_of(3) { fault } else { Fault::None };
        let status = status_under(third, third).await;
        assert!(matches!(status, 200 | 503), "{fault:?}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_leaves_unprocessed_is_sent_again_and_at_last_given_up_as_503() {
    assert_eq!(status_under(|_, _| Fault::HalfUnprocessed, never).await, 200);
    let at_first = |number, _: &str| if number < 5 { Fault::Unprocessed } else { Fault::None };
    assert_eq!(status_under(at_first, never).await, 200);
    assert_eq!(status_under(|_, _| Fault::Unprocessed, never).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_that_can_not_be_kept_is_no_200() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter, Fault::Throttled, Fault::CutBefore, Fault::CutAfter]
    {
        let first = move |number, _: &str| if number == 0 { fault } else { Fault::None };
        assert_eq!(status_under(never, first).await, 200, "{fault:?} once");
    }
    for fault in [Fault::ErrorBefore, Fault::Throttled, Fault::CutBefore, Fault::Crash] {
        assert_eq!(status_under(never, move |_, _| fault).await, 503, "{fault:?} for good");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_finished_though_its_sender_has_hung_up() {
    let dynamodb = dynamodb::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), None).await.unwrap();
    let writing = Arc::new(Notify::new());
    let gone = Arc::new(AtomicBool::new(false));
    // Nothing can be written before the sender is gone.
    let faulty = FaultyDynamoDb::start(&dynamodb.endpoint(), {
        let (writing, gone) = (Arc::clone(&writing), Arc::clone(&gone));
        move |_, _| {
            writing.notify_one();
            if gone.load(Ordering::SeqCst) { Fault::None } else { Fault::Silent }
        }
    })
    .await;
    let options = Options { dynamodb_endpoint: Some(faulty.endpoint.clone()), ..options() };
    let stack = Stack::start(&options).await.unwrap();
    let host = stack.url().replace("http://", "");
    let mut sender = TcpStream::connect(&host).await.unwrap();
    let head = format!("POST {REPORTS} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n", SAMPLE.len());
    sender.write_all(format!("{head}{SAMPLE}").as_bytes()).await.unwrap();
    writing.notified().await;
    drop(sender);
    // Time to notice it. Each of six attempts waits for 0.4 s: that is time enough on a busy machine, too.
    tokio::time::sleep(Duration::from_millis(20)).await;
    gone.store(true, Ordering::SeqCst);

    let patience = Instant::now() + LONGEST;
    while items(&stack, SAMPLE_ID).await.len() < 2 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(items(&stack, SAMPLE_ID).await.len(), 2, "the call and the push");
    stack.stop().await.unwrap();
}
