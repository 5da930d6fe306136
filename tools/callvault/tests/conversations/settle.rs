//! Calls of which not all comes to be known are settled after an hour, and told as completed.

use std::time::Duration;

use serde_json::{Value, json};
use shared::record::keys;

use crate::rig::{Rig, SECRET, SOON, report};

/// An hour, and a little.
const SETTLED: i64 = 3_700;

/// The events of completed calls, once there are so many.
async fn completed(rig: &Rig, count: usize) -> Vec<Value> {
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let events = rig.stack.bus().events().unwrap().into_iter();
        let events: Vec<_> = events.filter(|event| event["detail-type"] == "call.completed").collect();
        if events.len() >= count || tokio::time::Instant::now() >= end {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// In which partitions of the index calls are due.
async fn partitions(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    for partition in keys::conversation_due_keys().chain(keys::settled_due_keys()) {
        let far = runtime::clock::now().plus_seconds(365 * 86_400);
        let due = rig.stack.store().table().due(&partition, far, 100).await.unwrap();
        found.extend(due.iter().map(|_| partition.split('#').next().unwrap().to_owned()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_settled_with_keys_or_without_and_may_still_be_asked_for() {
    for secret in [None, Some(SECRET)] {
        let rig = Rig::new().await;
        let call = rig.call("1", 1);
        rig.push("alicom-call-report", &[report(&call)]).await;
        rig.push("ai-voice-call-record", &[json!({"callId": "2"})]).await;
        let run = |seconds| rig.run_with(seconds, secret, Duration::from_secs(60));
        assert_eq!(run(SOON).await.settled, 0);
        assert_eq!(completed(&rig, 0).await, [Value::Null; 0]);
        assert_eq!(run(SETTLED).await.settled, 2, "{secret:?}");
        let told = completed(&rig, 2).await;
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|event| event["detail"]["complete"] == false), "{told:?}");
        assert!(rig.item("1^1", "call").await.unwrap().contains_key("settled_at"));
        assert_eq!(run(SETTLED + 300).await.settled, 0, "once");
        assert_eq!(partitions(&rig).await, ["settled"], "AI-voice is asked for nothing");
        // The platform knows it by then.
        rig.provider.add_call(call);
        let summary = rig.run(SETTLED + 40_000).await;
        assert_eq!((summary.fetched, summary.settled), (1, 0));
        assert!(rig.item("1^1", "call").await.unwrap().contains_key("settled_at"));
        assert_eq!(completed(&rig, 2).await.len(), 2, "what follows is a correction");
        rig.stack.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_complete_or_erased_is_not_settled() {
    let rig = Rig::new().await;
    rig.push("ai-voice-call-record", &[json!({"callId": "1", "resultStatus": "NO_ANSWER"})]).await;
    assert_eq!(rig.run_with(SETTLED, None, Duration::from_secs(60)).await.settled, 0);
    assert_eq!(partitions(&rig).await, [""; 0]);
}
