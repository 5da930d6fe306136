//! Whether a call is hidden, or not there, can't be told by what is read before the answer, and so not by how long that takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench::billing::{Bill, Meter};
use local_stack::Options;
use serde_json::{Value, json};
use shared::model::{CallId, CallKey, Provider};
use sweep_erased::Remover;

use crate::faults::{Fault, FaultyDynamoDb};
use crate::rig::{ALL, Got, MASKED, NUMBER, Rig, report};

/// A stack that reads what another has stored by way of a proxy at `endpoint`.
async fn behind(rig: &Rig, endpoint: &str) -> Rig {
    let options = Options {
        dynamodb_endpoint: Some(endpoint.to_owned()),
        s3_endpoint: rig.stack.stores().s3_endpoint.clone(),
        ..Options::in_memory()
    };
    Rig::with(options).await
}

#[tokio::test]
async fn a_hidden_call_takes_no_more_reading_than_one_that_is_not_there() {
    let rig = Rig::empty().await;
    // The one tells a number by itself; of the other, abroad, the callee tells it.
    let hidden = [
        (format!("to-{NUMBER}"), format!("86{NUMBER}")),
        ("c447911123456".to_owned(), "447911123456".to_owned()),
    ];
    let turns: Vec<_> = (0..900).map(|n| json!({"role": "user", "content": format!("word {n}")})).collect();
    for (id, callee) in &hidden {
        let mut report = report(id, "2025-06-01 10:00:00");
        report[0]["callee"] = Value::from(callee.as_str());
        rig.push("alicom-call-report", &report).await;
        rig.push("alicom-call-note", &json!([{"callId": id, "conversationRecord": turns}])).await;
    }
    let meter = Meter::start(rig.stack.stores().dynamodb_endpoint.as_ref().unwrap()).await.unwrap();
    let metered = behind(&rig, meter.endpoint()).await;
    let (masked, whole) = (metered.machine(MASKED).await, metered.machine(ALL).await);
    // What is read once for a key, and the access log of whoever may see it.
    metered.get("/api/calls?day=2025-06-01", &masked).await;
    let read = async |path: &str, token: &str| -> (Got, f64) {
        let _: Bill = meter.take();
        let got = metered.get(path, token).await;
        (got, meter.take().read())
    };
    for part in ["", "/vcon", "/access", "/recordings/main"] {
        for (id, _) in &hidden {
            // As much a number as the other.
            let none = id.replace('9', "8");
            let path = |id: &str| format!("/api/calls/alicom/{id}{part}");
            let (got, units) = read(&path(id), &masked).await;
            let (missing, units_of_none) = read(&path(&none), &masked).await;
            assert_eq!((got.status, got.body), (404, missing.body), "{id}{part}");
            assert_eq!(units, units_of_none, "{id}{part}");
            let (got, units) = read(&path(id), &whole).await;
            assert!(got.status == 200 || part == "/recordings/main", "{id}{part}: {}", got.status);
            assert!(units > units_of_none, "{id}{part}");
        }
    }
    metered.stack.stop().await.unwrap();
    rig.stack.stop().await.unwrap();
}

/// By a foreign number an id is known while the callee is. Its erasure must not make it one that can be tried.
#[tokio::test]
async fn a_hidden_call_is_not_there_after_it_was_erased_either() {
    let rig = Rig::empty().await;
    let (id, callee) = ("c447911123456", "447911123456");
    let mut told = report(id, "2025-06-01 10:00:00");
    told[0]["callee"] = Value::from(callee);
    rig.push("alicom-call-report", &told).await;
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    assert_eq!(rig.get(&format!("/api/calls/alicom/{id}"), &whole).await.status, 200);
    let store = rig.stack.store();
    let remover = Remover { table: store.table(), bucket: store.bucket(), bypass_governance: false };
    let key = CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() };
    let access = format!("/api/calls/alicom/{id}/access");
    assert_eq!(rig.get(&access, &masked).await.status, 404);
    remover.erase(&key, runtime::clock::now()).await.unwrap();
    let (got, none) =
        (rig.get(&access, &masked).await, rig.get("/api/calls/alicom/c447911123457/access", &masked).await);
    assert_eq!((got.status, got.body), (404, none.body));
    assert_eq!(rig.get(&access, &whole).await.status, 200);
    rig.stack.stop().await.unwrap();
}

/// One put is begun, and given up before the store would begin another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_log_that_answers_nothing_is_not_waited_for_long() {
    let rig = Rig::new().await;
    let target = rig.stack.stores().dynamodb_endpoint.clone().unwrap();
    let puts = Arc::new(AtomicU64::new(0));
    let begun = Arc::clone(&puts);
    let faulty = FaultyDynamoDb::start(&target, move |_, operation| match operation {
        "PutItem" => {
            begun.fetch_add(1, Ordering::SeqCst);
            Fault::Silent
        }
        _ => Fault::None,
    })
    .await;
    let silent = behind(&rig, &faulty.endpoint).await;
    let token = silent.machine(MASKED).await;
    // Connections, and what is read once.
    silent.get("/api/calls?day=2025-06-01", &token).await;
    let got = silent.get("/api/calls/alicom/1000~5E7", &token).await;
    assert_eq!((got.status, got.json()["type"].as_str()), (503, Some("urn:callvault:problem:unavailable")));
    assert_eq!(puts.load(Ordering::SeqCst), 1);
    silent.stack.stop().await.unwrap();
    rig.stack.stop().await.unwrap();
}

/// The order of calls and recordings of the same time is not that of their ids, which may be hidden.
#[tokio::test]
async fn no_order_within_a_time_tells_between_which_others_a_hidden_id_is() {
    let rig = Rig::empty().await;
    let ids: Vec<_> = (0..12).map(|n| format!("call-{n:02}")).collect();
    for id in &ids {
        rig.push("alicom-call-report", &report(id, "2025-06-01 10:00:00")).await;
        let record = json!([{"callId": id, "recordFile": format!("https://x.oss-cn-shanghai.aliyuncs.com/{id}.wav?OSSAccessKeyId=k&Expires=1999000000&Signature=s")}]);
        rig.push("alicom-call-record", &record).await;
    }
    let token = rig.machine(MASKED).await;
    for (list, name) in [
        ("/api/calls?day=2025-06-01&order=asc", "calls"),
        ("/api/calls?day=2025-06-01", "calls"),
        ("/api/recordings?", "recordings"),
    ] {
        let ids_of = |got: &Value| -> Vec<String> {
            let all = got[name].as_array().unwrap().iter();
            all.map(|one| one["call_id"].as_str().unwrap().to_owned()).collect()
        };
        let all = ids_of(&rig.get(list, &token).await.json());
        assert_eq!(all.len(), ids.len(), "{list}");
        // By chance once in 12! times.
        assert!(!all.is_sorted() && !all.iter().rev().is_sorted(), "{list}: {all:?}");
        // It is the same order for everybody, and page by page.
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = rig.get(&format!("{list}&limit=5{cursor}"), &rig.machine(ALL).await).await.json();
            paged.extend(ids_of(&page));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, all, "{list}");
    }
    rig.stack.stop().await.unwrap();
}

/// What is alike but for a hidden id is told apart by how long the calls were.
#[tokio::test]
async fn no_order_of_hidden_tasks_tells_between_which_others_one_is() {
    let rig = Rig::empty().await;
    for n in 0..12_u64 {
        let mut told = report(&format!("call-{n}"), "2025-06-01 10:00:00");
        told[0]["taskId"] = format!("139123456{:02}", 10 + n).into();
        told[0]["duration"] = (100 + n).into();
        rig.push("alicom-call-report", &told).await;
    }
    let tasks = rig.get("/api/tasks?day=2025-06-01", &rig.machine(MASKED).await).await.json();
    let tasks = tasks["tasks"].as_array().unwrap();
    let lasted: Vec<_> = tasks.iter().map(|task| task["duration_s"]["sum"].as_u64().unwrap()).collect();
    assert!(tasks.iter().all(|task| task["task_id"] == "***********" && task["href"].is_null()), "{tasks:?}");
    assert_eq!(lasted.len(), 12);
    // By chance once in 12! times.
    assert!(!lasted.is_sorted() && !lasted.iter().rev().is_sorted(), "{lasted:?}");
    rig.stack.stop().await.unwrap();
}
