//! Who is erased is in no object of the bucket any more, however it is looked for.

use std::time::Duration;

use futures_util::TryStreamExt;
use runtime::clock;
use serde_json::{Value, json};
use shared::access::CalleeIds;

use crate::rig::{CALLEE_ID_KEY, NUMBER, Rig};

/// The person's name, as the agent notes it, and as it is said.
const NAME: &str = "歐陽小梅";
/// Somebody else's.
const OTHER_NUMBER: &str = "13900001111";
const OTHER: &str = "somebody-else";

/// What is known of a call of Alibaba's, in the hour `2025-06-01T02`.
async fn push_call(rig: &Rig, call_id: &str, number: &str, name: &str) {
    let report = json!([{
        "callId": call_id, "taskId": "t", "outId": format!("out-{call_id}"), "callee": number,
        "originateTime": "2025-06-01 10:00:00", "startTime": "2025-06-01 10:00:03", "duration": 90,
        "smartStatusCode": "ANSWERED", "moreOfIt": number,
    }]);
    rig.push("alicom-call-report", &report).await;
    let turns = json!([
        {"role": "assistant", "content": format!("{name}，您好")},
        {"role": "user", "content": format!("我的号码是{number}")},
    ]);
    let note = json!([{
        "callId": call_id, "taskId": "t", "majorIntent": "A", "outputTags": {"客户称呼": name},
        "conversationRecord": turns.to_string(),
    }]);
    rig.push("alicom-call-note", &note).await;
    let record = json!([{
        "callId": call_id, "taskId": "t", "startTime": "2025-06-01 10:00:03", "endTime": "2025-06-01 10:01:33",
        "recordFile": format!("http://nowhere.test/{number}.wav"),
    }]);
    rig.push("alicom-call-record", &record).await;
}

/// Every version of every object, as it is stored, and as its columns and rows say when they are decoded.
async fn everything(rig: &Rig) -> Vec<(String, Vec<u8>)> {
    let bucket = &rig.bucket().0;
    let versions: Vec<_> = sweep_erased::versions(bucket, "").try_collect().await.unwrap();
    let mut all = Vec::new();
    for version in versions {
        let get = bucket.client.get_object().bucket(&bucket.name).key(&version.key).version_id(&version.id);
        let bytes = get.send().await.unwrap().body.collect().await.unwrap().to_vec();
        let decoded = match version.key.rsplit_once('.').unwrap().1 {
            "parquet" => {
                let rows = export_calls::rows(bytes.clone()).unwrap();
                Value::from_iter(rows.into_iter().map(Value::Object))
            }
            "json" => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("what is {other}?"),
        };
        all.push((version.key.clone(), decoded.to_string().into_bytes()));
        all.push((version.key, bytes));
    }
    all
}

/// Which of these are anywhere.
fn found<'t>(traces: &[&'t str], everything: &[(String, Vec<u8>)]) -> Vec<&'t str> {
    let is_there = |trace: &&&str| {
        everything.iter().any(|(key, bytes)| {
            key.contains(**trace) || bytes.windows(trace.len()).any(|part| part == trace.as_bytes())
        })
    };
    traces.iter().filter(is_there).copied().collect()
}

/// A stack with the person's calls, and somebody else's, all of which are in its files.
async fn rig(numbers: &str) -> Rig {
    let rig = Rig::with(&[("EXPORT_NUMBERS", numbers)]).await;
    push_call(&rig, "the-person", NUMBER, NAME).await;
    push_call(&rig, OTHER, OTHER_NUMBER, "王先生").await;
    // Another platform knows them, too, in an hour where nobody else is.
    let status = json!([{
        "voiceId": "the-person-too", "taskId": "42", "callee": NUMBER, "callStatusNew": 1,
        "callTime": "1748754000000", "cost": "0.12345678901", "currency": "USD",
    }]);
    rig.push("laaffic-status-report", &status).await;
    rig.settle().await;
    rig
}

/// The end of this minute: whoever publishes changes marks an hour once in a minute.
async fn next_minute() {
    let rest = 60_000 - clock::now().epoch_millis() % 60_000;
    tokio::time::sleep(Duration::from_millis(rest.unsigned_abs())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_object_of_the_bucket() {
    let ids = CalleeIds::with_key(CALLEE_ID_KEY.as_bytes()).unwrap();
    let callee_id = ids.id_of(NUMBER).unwrap();
    let shown = ["the-person", "out-the-person", NAME, callee_id.as_str(), "the-person-too", "0.12345678901"];
    let rigs = [("masked", rig("masked").await), ("full", rig("full").await)];
    for (numbers, rig) in &rigs {
        let before = everything(rig).await;
        assert_eq!(found(&shown, &before), shown, "{numbers}: there is something to erase");
        assert_eq!(found(&[NUMBER], &before).len(), usize::from(*numbers == "full"), "{numbers}");
        let summaries: Vec<_> = before.into_iter().filter(|(key, _)| key.starts_with("summaries/")).collect();
        assert_eq!(found(&[NAME, "0.12345678901"], &summaries).len(), 2, "tags and amounts are counted");
        // A run died while it uploaded a file that has the person.
        let bucket = &rig.bucket().0;
        let key = "turns/day=2025-06-01/02.parquet";
        let upload = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key);
        let id = upload.send().await.unwrap().upload_id.unwrap();
        let part = bucket.client.upload_part().bucket(&bucket.name).key(key).upload_id(id).part_number(1);
        part.body(NUMBER.as_bytes().to_vec().into()).send().await.unwrap();
    }
    next_minute().await;
    for (numbers, rig) in rigs {
        let (succeeded, said) = rig.operate(&["erase", "--callee", NUMBER]).await;
        assert!(succeeded, "{said}");
        rig.settle().await;
        let after = everything(&rig).await;
        assert_eq!(found(&shown, &after), [""; 0], "{numbers}");
        assert_eq!(found(&[NUMBER], &after), [""; 0], "{numbers}");
        assert_eq!(found(&[OTHER], &after), [OTHER], "{numbers}: nobody else is gone");
        let bucket = &rig.bucket().0;
        let uploads = bucket.client.list_multipart_uploads().bucket(&bucket.name).send().await.unwrap();
        assert!(uploads.uploads().is_empty(), "{numbers}: {uploads:?}");
        rig.stack.stop().await.unwrap();
    }
}
