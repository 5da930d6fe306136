//! What is in the files.

use serde_json::{Value, json};
use shared::model::Provider;

use crate::rig::{NUMBER, Rig, key};

/// A call of which all is told; in the hour `2025-06-01T02`.
async fn push_all(rig: &Rig) {
    let report = json!([{
        "callId": "1000^7", "taskId": "任务-1", "outId": "out-1", "callee": format!("86{NUMBER}"),
        "caller": "05710000001", "realCaller": "05710000002", "originateTime": "2025-06-01 10:00:00",
        "startTime": "2025-06-01 10:00:03", "duration": 90, "smartStatusCode": "ANSWERED",
        "hangupDirection": "User", "statusMsg": format!("to {NUMBER}"), "moreOfIt": NUMBER,
    }]);
    rig.push("alicom-call-report", &report).await;
    let turns = json!([
        {"role": "assistant", "content": "您好😀"},
        {"role": "user", "content": format!("我的号码是{NUMBER}")},
    ]);
    let note = json!([{
        "callId": "1000^7", "majorIntent": "A", "outputTags": {"电话": NUMBER, "x": "1"}, "taskId": "任务-1",
        "conversationRecord": turns.to_string(),
    }]);
    rig.push("alicom-call-note", &note).await;
    let record = json!([{
        "callId": "1000^7", "taskId": "任务-1", "startTime": "2025-06-01 10:00:03", "endTime": "2025-06-01 10:01:33",
        "recordFile": format!("https://x.oss-cn-shanghai.aliyuncs.com/{NUMBER}.wav?Expires=1749000000"),
    }]);
    rig.push("alicom-call-record", &record).await;
}

const HOUR: &str = "2025-06-01T02";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_row_its_turns_and_its_recordings_too() {
    let rig = Rig::new().await;
    push_all(&rig).await;
    let summary = rig.export(&[HOUR]).await;
    assert_eq!((summary.hours, summary.calls, summary.put, summary.failed), (1, 1, 4, 0));
    let calls = rig.rows("calls", HOUR).await.unwrap();
    assert_eq!(calls.len(), 1);
    let expected = json!({
        "provider": "alicom", "call_id": "1000^7", "local_hour": 10, "task_id": "任务-1", "out_id": "out-1",
        "outcome": "answered", "answered": true, "connected": true, "complete": true, "hangup_by": "callee",
        "intent_code": "A", "duration_s": 90, "turn_count": 2, "recording_count": 1, "extra": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&calls[0][name], value, "{name}");
    }
    assert_eq!(calls[0]["callee_id"].as_str().unwrap().len(), 32);
    let turns = rig.rows("turns", HOUR).await.unwrap();
    let said: Vec<_> =
        turns.iter().map(|turn| (turn["turn"].clone(), turn["text"].as_str().unwrap())).collect();
    assert_eq!(said[0], (json!(0), "您好😀"));
    assert!(said[1].1.starts_with("我的号码是"), "{said:?}");
    assert_eq!((&turns[0]["speaker"], &turns[1]["speaker"]), (&json!("agent"), &json!("callee")));
    let recordings = rig.rows("recordings", HOUR).await.unwrap();
    assert_eq!((&recordings[0]["slot"], &recordings[0]["state"]), (&json!("main"), &json!("pending")));
    // Nobody's number is anywhere in the bucket.
    for (set, rows) in [("calls", calls), ("turns", turns), ("recordings", recordings)] {
        let text = Value::from_iter(rows.into_iter().map(Value::Object)).to_string();
        assert!(!text.contains(&NUMBER[3..]), "{set}: {text}");
    }
    for (name, bytes) in rig.objects().await.into_iter().filter(|(name, _)| name.ends_with(".json")) {
        assert!(!String::from_utf8_lossy(&bytes).contains(&NUMBER[3..]), "{name}");
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_whole_numbers_has_them_and_what_is_full_of_them() {
    let rig = Rig::with(&[("EXPORT_NUMBERS", "full")]).await;
    push_all(&rig).await;
    rig.export(&[HOUR]).await;
    let calls = rig.rows("calls", HOUR).await.unwrap();
    assert_eq!(calls[0]["callee"], format!("86{NUMBER}"));
    assert!(calls[0]["extra"].as_str().unwrap().contains("moreOfIt"));
    let turns = rig.rows("turns", HOUR).await.unwrap();
    assert_eq!(turns[1]["text"], format!("我的号码是{NUMBER}"));
    rig.stack.stop().await.unwrap();
}

/// And an amount that a column can't hold is told as text.
#[tokio::test(flavor = "multi_thread")]
async fn money_is_exact_to_the_last_digit() {
    let rig = Rig::new().await;
    let (thirty, ninety) = ("123456789012345678901234567890", "123456789012345678901234567890".repeat(3));
    let costs = [
        ("1", "0.1"),
        ("2", "1234567890123456.7890123456"),
        ("3", "0.12345678901"),
        ("4", ""),
        ("5", "1234567890123456789012345678.1234567891"),
        ("6", thirty),
        ("7", &ninety),
        ("8", "0.1234567890123456789012345678901234567891"),
        ("9", "free"),
    ];
    for (id, cost) in costs {
        let report = json!({"voiceId": id, "calledNumber": NUMBER, "callStatusNew": 1, "callTime": "1748743200000", "cost": cost, "currency": "USD"});
        rig.push("laaffic-status-report", &json!([report])).await;
    }
    let stored = rig.store().calls(&[key(Provider::Laaffic, "2")]).await.unwrap();
    let call = stored.values().next().unwrap();
    assert!(call.facts.get("cost").is_some(), "{:?}", call.facts);
    let hour = shared::model::Hour::of(shared::view::call_at(call)).to_string();
    rig.export(&[&hour]).await;
    let calls = rig.rows("calls", &hour).await.unwrap();
    let cost = |id: &str| {
        let row = calls.iter().find(|row| row["call_id"] == id).unwrap();
        (row["cost_amount"].clone(), row["cost_text"].clone(), row["cost_currency"].clone())
    };
    let (nothing, usd) = (Value::Null, json!("USD"));
    let in_text = |text: &str| (Value::Null, json!(text), json!("USD"));
    assert_eq!(cost("1"), (json!("0.1000000000"), nothing.clone(), usd.clone()));
    assert_eq!(cost("2"), (json!("1234567890123456.7890123456"), nothing.clone(), usd));
    assert_eq!(cost("3"), in_text("0.12345678901"));
    assert_eq!(cost("4"), (nothing.clone(), nothing.clone(), nothing.clone()));
    assert_eq!(cost("5"), in_text("1234567890123456789012345678.1234567891"), "a sum of such would overflow");
    assert_eq!(cost("6"), in_text(thirty));
    assert_eq!(cost("7"), in_text(&ninety));
    assert_eq!(cost("8"), in_text("0.1234567890123456789012345678901234567891"));
    assert_eq!(cost("9"), (nothing.clone(), nothing.clone(), nothing), "what is no amount stays in extra");
    // What is counted: the sum of those that it can hold, and how many others there are.
    let (summary, _) = rig.bucket().summary(hour.parse().unwrap()).await.unwrap().unwrap();
    let counted: Value = serde_json::from_slice(&summary.to_json()).unwrap();
    assert_eq!(counted["tasks"][0]["cost"], json!({"USD": "1234567890123457.01246913461"}));
    assert_eq!(counted["tasks"][0]["costs_left_out"], 4);
    rig.stack.stop().await.unwrap();
}

/// Rows stand in the order of their time, and large turns, which lie in the bucket, are there whole.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_sorted_and_large_conversations_are_whole() {
    let rig = Rig::new().await;
    let line = "好的".repeat(60);
    for (number, minute) in (0..30).map(|number| (number, (number * 7) % 60)) {
        let id = format!("{number}^1");
        let at = format!("2025-06-01 10:{minute:02}:00");
        rig.push("alicom-call-report", &json!([{"callId": id, "taskId": "t", "originateTime": at}])).await;
        let count = if number == 3 { 1_000 } else { 2 };
        let turns: Vec<_> =
            (0..count).map(|turn| json!({"role": "user", "content": format!("{turn} {line}")})).collect();
        let note =
            json!([{"callId": id, "taskId": "t", "conversationRecord": Value::from(turns).to_string()}]);
        rig.push("alicom-call-note", &note).await;
    }
    rig.export(&[HOUR]).await;
    let calls = rig.rows("calls", HOUR).await.unwrap();
    let times: Vec<_> = calls.iter().map(|row| row["call_at"].as_str().unwrap().to_owned()).collect();
    assert!(times.is_sorted() && times.len() == 30, "{times:?}");
    let turns = rig.rows("turns", HOUR).await.unwrap();
    assert_eq!(turns.len(), 1_000 + 29 * 2);
    let large: Vec<_> = turns.iter().filter(|turn| turn["call_id"] == "3^1").collect();
    assert!(large.iter().enumerate().all(|(at, turn)| turn["text"] == format!("{at} {line}")));
    rig.stack.stop().await.unwrap();
}
