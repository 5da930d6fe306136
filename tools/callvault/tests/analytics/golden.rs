//! Calls whose files other programs read, too (`.ci/analytics`): with `ANALYTICS_FILES` set, they are left there.

use std::path::Path;

use serde_json::{Value, json};

use crate::rig::Rig;

/// The calls, of three tasks, over three hours of two days.
fn pushes() -> Vec<(&'static str, Value)> {
    let mut pushes = Vec::new();
    let outcomes = ["ANSWERED", "NO_ANSWER", "USER_BUSY", "ANSWERED", "INTELLIGENT_ANSWER"];
    let (intents, places) = (["A", "B", "C"], ["東京", "Köln"]);
    for number in 0..60_u32 {
        let (id, task) = (format!("{number}^1"), format!("任务-{}", number % 3));
        let (day, hour) = (2 + number % 2, 9 + number % 3);
        let at = |second: u32| format!("2025-06-{day:02} {hour:02}:{:02}:{second:02}", number % 60);
        let outcome = outcomes[number as usize % outcomes.len()];
        let answered = outcome == "ANSWERED";
        let mut report = json!({
            "callId": id, "taskId": task, "callee": format!("861390000{number:04}"), "originateTime": at(0),
            "smartStatusCode": outcome, "duration": if answered { 10 + number } else { 0 },
            "hangupDirection": "User",
        });
        if answered {
            report["startTime"] = at(5).into();
        }
        pushes.push(("alicom-call-report", json!([report])));
        if answered {
            let turns = json!([
                {"role": "assistant", "content": "您好😀，請問方便嗎？"},
                {"role": "user", "content": format!("好的 {}", number % 4)},
            ]);
            let note = json!({
                "callId": id, "taskId": task, "majorIntent": intents[number as usize / 5 % 3],
                "outputTags": {"是否本人": "是", "地區": places[number as usize % 2]}, "conversationRecord": turns.to_string(),
            });
            pushes.push(("alicom-call-note", json!([note])));
            let record = json!({"callId": id, "taskId": task, "startTime": at(5), "recordFile": format!("http://nowhere.test/{number}.wav")});
            pushes.push(("alicom-call-record", json!([record])));
        }
    }
    // Amounts that no floating-point number has, and whose sum none would come to. Two of the last would overflow any sum.
    let amounts = [
        "0.1",
        "0.2",
        "0.0000000001",
        "1234567890123456.7890123456",
        "0.12345678901",
        "9999999999999999999999999999",
        "9999999999999999999999999999",
    ];
    for (number, cost) in amounts.into_iter().enumerate() {
        let report = json!({
            "voiceId": format!("laaffic-{number}"), "taskId": "42", "calledNumber": format!("62812000{number:04}"), "callStatusNew": 1,
            "callTime": (1_748_829_600_000_u64 + 1_000 * number as u64).to_string(), "cost": cost, "currency": "USD",
        });
        pushes.push(("laaffic-status-report", json!([report])));
    }
    pushes
}

#[tokio::test(flavor = "multi_thread")]
async fn files_for_other_programs_are_written() {
    let rig = Rig::new().await;
    for (function, body) in pushes() {
        rig.push(function, &body).await;
    }
    let hours: Vec<_> = ["2025-06-02", "2025-06-03"]
        .into_iter()
        .flat_map(|day| (0..24).map(move |hour| format!("{day}T{hour:02}")))
        .collect();
    let hours: Vec<_> = hours.iter().map(String::as_str).collect();
    let run = rig.export(&hours).await;
    assert_eq!((run.calls, run.unreadable, run.failed), (67, 0, 0));
    let objects = rig.objects().await;
    let files = objects.keys().filter(|key| key.starts_with("calls/")).count();
    assert!(files >= 4, "{:?}", objects.keys());
    if let Ok(folder) = std::env::var("ANALYTICS_FILES") {
        for (key, bytes) in objects {
            let path = Path::new(&folder).join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    rig.stack.stop().await.unwrap();
}
