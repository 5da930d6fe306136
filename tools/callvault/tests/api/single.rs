//! One call, its recordings and its counts.

use serde_json::{Value, json};
use shared::model::Provider;

use crate::rig::{ALL, AUDIO, MASKED, NUMBER, Rig, follow, key, report};

const CALL: &str = "/api/calls/alicom/1000~5E7";

#[tokio::test]
async fn a_call_is_shown_whole() {
    let rig = Rig::new().await;
    let got = rig.get(CALL, &rig.machine(ALL).await).await.json();
    assert_eq!(got["call"]["call_id"], "1000^7");
    assert_eq!(got["call"]["callee"], format!("86{NUMBER}"));
    assert_eq!(got["call"]["call_at"], "2025-06-01T02:00:00.000Z");
    assert_eq!(got["call"]["extra"]["alicom-call-report"]["moreOfIt"], NUMBER);
    assert_eq!(got["conversation"]["turns"][1]["text"], format!("我的号码是{NUMBER}"));
    assert_eq!(
        (got["recordings"][0]["slot"].as_str(), got["recordings"][0]["state"].as_str()),
        (Some("main"), Some("archived"))
    );
    assert_eq!(got["pushes"].as_array().unwrap().len(), 3);
    assert_eq!(got["review"], Value::Null);
    let masked = rig.get(CALL, &rig.machine(MASKED).await).await.json();
    assert_eq!(masked["call"]["callee"], "861********82");
    assert_eq!(masked["call"]["callee_id"], got["call"]["callee_id"]);
    assert_eq!(masked["conversation"]["turns"][1]["text"], "我的号码是***********");
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_has_not_changed_is_not_sent_again() {
    let rig = Rig::new().await;
    let token = rig.machine(MASKED).await;
    for path in [CALL.to_owned(), format!("{CALL}/vcon")] {
        let first = rig.get(&path, &token).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again = rig.get_with(&path, &token, &[("if-none-match", &known)]).await;
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, &*tag), "{known}");
        }
    }
    let before = rig.get(CALL, &token).await.header("etag").to_owned();
    rig.push("alicom-call-note", &json!([{"callId": "1000^7", "majorIntent": "B"}])).await;
    let after = rig.get_with(CALL, &token, &[("if-none-match", &before)]).await;
    assert_eq!((after.status, &after.json()["call"]["intent_code"]), (200, &json!("B")));
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_recording_is_had_by_a_url_that_expires() {
    let rig = Rig::new().await;
    let token = rig.machine("recordings.listen").await;
    for (query, seconds) in [("", 300), ("?expires=60", 60), ("?expires=3600", 3_600)] {
        let got = rig.get(&format!("{CALL}/recordings/main{query}"), &token).await;
        assert_eq!((got.status, got.header("cache-control")), (302, "no-store"));
        let location = got.header("location");
        assert!(location.contains(&format!("X-Amz-Expires={seconds}")), "{location}");
        let audio = follow(location).await;
        assert_eq!((audio.body.as_slice(), audio.header("content-type")), (AUDIO, "audio/wav"));
        assert_eq!(audio.header("content-disposition"), "attachment; filename=\"alicom-1000~5E7-main.wav\"");
    }
    let missing = rig.get(&format!("{CALL}/recordings/full"), &token).await;
    assert_eq!(
        (missing.status, missing.json()["type"].as_str()),
        (404, Some("urn:callvault:problem:not-found"))
    );
    rig.push(
        "alicom-call-record",
        &json!([{"callId": "2", "recordFile": "https://x.oss-cn-shanghai.aliyuncs.com/2.wav"}]),
    )
    .await;
    let pending = rig.get("/api/calls/alicom/2/recordings/main", &token).await;
    assert_eq!((pending.status, pending.json()["state"].as_str()), (404, Some("pending")));
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn recordings_that_wait_are_listed() {
    let rig = Rig::empty().await;
    for id in ["a^1", "b"] {
        rig.push("alicom-call-report", &report(id, "2025-06-01 10:00:00")).await;
        let record = json!([{"callId": id, "recordFile": format!("https://x.oss-cn-shanghai.aliyuncs.com/{NUMBER}.wav?Expires=1999000000")}]);
        rig.push("alicom-call-record", &record).await;
    }
    let got = rig.get("/api/recordings", &rig.machine("operations.read").await).await.json();
    let recordings = got["recordings"].as_array().unwrap();
    assert_eq!((recordings.len(), &got["next"], &got["unreadable"]), (2, &Value::Null, &json!(0)));
    let first = recordings.iter().find(|recording| recording["call_id"] == "a^1").unwrap();
    assert_eq!(
        (first["state"].as_str(), first["call"].as_str()),
        (Some("pending"), Some("/api/calls/alicom/a~5E1"))
    );
    assert_eq!(first["href"], "/api/calls/alicom/a~5E1/recordings/main");
    assert_eq!(first.get("source_url"), None);
    let one = rig.get("/api/recordings?limit=1", &rig.machine(ALL).await).await.json();
    assert!(one["recordings"][0]["source_url"].as_str().unwrap().contains(NUMBER));
    let next = one["next"].as_str().unwrap();
    let two =
        rig.get(&format!("/api/recordings?limit=1&cursor={next}"), &rig.machine(ALL).await).await.json();
    assert_ne!(one["recordings"][0]["call_id"], two["recordings"][0]["call_id"]);
    let other =
        rig.get(&format!("/api/recordings?state=failed&cursor={next}"), &rig.machine(ALL).await).await;
    assert_eq!(other.status, 400);
    rig.archive(&key(Provider::Alicom, "b")).await;
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn tasks_are_counted() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &report("other", "2025-06-01 23:30:00")).await;
    let token = rig.machine(MASKED).await;
    let task = rig.get("/api/tasks/alicom/task-1", &token).await.json();
    assert_eq!((task["calls"].as_u64(), task["complete"].as_bool()), (Some(2), Some(true)));
    assert_eq!(
        (&task["outcomes"], &task["hours"][10], &task["hours"][23]),
        (&json!({"answered": 2}), &json!(1), &json!(1))
    );
    assert_eq!((&task["duration_s"]["sum"], &task["intents"]), (&json!(180), &json!({"A": 1})));
    assert_eq!(
        (task["first_call_at"].as_str(), task["last_call_at"].as_str()),
        (Some("2025-06-01T02:00:00.000Z"), Some("2025-06-01T15:30:00.000Z"))
    );
    let tags = task["tags"].as_object().unwrap();
    assert!(tags.keys().all(|tag| !tag.contains(NUMBER)) && tags.len() == 2, "{tags:?}");
    let day = rig.get("/api/tasks?day=2025-06-01", &token).await.json();
    assert_eq!(
        (day["day"].as_str(), day["tasks"][0]["task_id"].as_str()),
        (Some("2025-06-01"), Some("task-1"))
    );
    let none = rig.get("/api/tasks?day=2025-06-01&provider=laaffic", &token).await.json();
    assert_eq!(none["tasks"], json!([]));
    assert_eq!(rig.get("/api/tasks/alicom/none", &token).await.status, 404);
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_for_an_answer_is_a_file() {
    let rig = Rig::empty().await;
    let turns: Vec<_> =
        (0..5_000).map(|n| json!({"role": "user", "content": format!("{n} {}", "\"".repeat(340))})).collect();
    let note = json!([{"callId": "long", "conversationRecord": turns}]);
    rig.push("alicom-call-note", &note).await;
    let token = rig.machine(MASKED).await;
    let got = rig.get("/api/calls/alicom/long", &token).await;
    assert_eq!(got.status, 302, "{}", got.body.len());
    let file = follow(got.header("location")).await;
    assert_eq!(file.json()["conversation"]["turns"].as_array().unwrap().len(), 5_000);
    assert_eq!(file.header("content-type"), "application/json");
    rig.stack.stop().await.unwrap();
}
