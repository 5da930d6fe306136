//! A program that asks again and again for what is new, while pushes come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::rig::{MASKED, Rig, report};

const CALLS: usize = 60;
/// How far each round goes back behind the beginning of the one before: longer than a push takes until it is stored.
const MARGIN_S: i64 = 60;

/// As docs/api.md tells it: each round begins where the one before began, less a margin, and walks to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_again_for_what_is_new_misses_nothing_that_is_pushed_meanwhile() {
    let rig = Rig::empty().await;
    let token = rig.machine(MASKED).await;
    let over = AtomicBool::new(false);
    // Calls come in no order, half of them get their conversation later, and some their true time with it.
    let pushes = async {
        let mut calls: Vec<_> = (0..CALLS).collect();
        fastrand::shuffle(&mut calls);
        for (place, call) in calls.iter().enumerate() {
            let id = format!("c{call}");
            let note = json!([{"callId": id, "majorIntent": "A", "conversationRecord": "[]"}]);
            let report = report(&id, &format!("2025-06-01 10:{call:02}:00"));
            let (first, second) = if place % 2 == 0 { (&note, &report) } else { (&report, &note) };
            let functions = ["alicom-call-note", "alicom-call-report"];
            let (one, other) = if place % 2 == 0 { (0, 1) } else { (1, 0) };
            rig.push(functions[one], first).await;
            rig.push(functions[other], second).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    let polls = async {
        let mut known = BTreeMap::new();
        let mut since = runtime::clock::now().plus_seconds(-MARGIN_S);
        let (mut rounds, mut last) = (0, false);
        while !last {
            last = over.load(Ordering::SeqCst);
            let began = runtime::clock::now();
            let list = format!("/api/calls?day=2025-06-01&updated_since={}&limit=7", since.to_text());
            let mut path = list.clone();
            loop {
                let page = rig.get(&path, &token).await;
                assert_eq!(page.status, 200, "{path}: {}", page.text());
                let page = page.json();
                for call in page["calls"].as_array().unwrap() {
                    let whole = call["intent_code"] == "A" && call["outcome"] == "answered";
                    known.insert(call["call_id"].as_str().unwrap().to_owned(), whole);
                }
                let Some(next) = page["next"].as_str() else { break };
                path = format!("{list}&cursor={next}");
            }
            since = began.plus_seconds(-MARGIN_S);
            rounds += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (known, rounds)
    };
    let ((), (known, rounds)) = tokio::join!(pushes, polls);
    assert_eq!(
        (known.len(), known.values().filter(|whole| **whole).count()),
        (CALLS, CALLS),
        "{rounds} rounds"
    );
    assert!(rounds > 1, "it asked while pushes came");
    rig.stack.stop().await.unwrap();
}

/// What is told by a time is when a push came. What becomes of a recording, and what readers say, is no news of the call.
#[tokio::test]
async fn what_is_no_push_is_no_news() {
    let rig = Rig::new().await;
    let token = rig.machine(MASKED).await;
    let call = "/api/calls/alicom/1000~5E7";
    let updated = async || rig.get(call, &token).await.json()["call"]["updated_at"].clone();
    let before = updated().await;
    rig.archive(&crate::rig::key(shared::model::Provider::Alicom, "1000^7")).await;
    assert_eq!(updated().await, before);
    rig.push(
        "alicom-call-record",
        &json!([{"callId": "1000^7", "recordFile": "https://x.oss-cn-shanghai.aliyuncs.com/2.wav"}]),
    )
    .await;
    let after = updated().await;
    assert!(after.as_str() > before.as_str(), "{before} {after}");
    // Those that came before are not among what is new since.
    let since =
        |at: &serde_json::Value| format!("/api/calls?day=2025-06-01&updated_since={}", at.as_str().unwrap());
    let found = rig.get(&since(&after), &token).await.json();
    assert_eq!((found["calls"].as_array().unwrap().len(), &found["calls"][0]["updated_at"]), (1, &after));
    rig.stack.stop().await.unwrap();
}
