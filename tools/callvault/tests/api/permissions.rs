//! Who may see what, and that every look is written down before it is answered.

use serde_json::Value;
use shared::access::permission::PERMISSIONS;
use shared::model::Provider;

use crate::faults::{Fault, FaultyDynamoDb};
use crate::rig::{ALL, MASKED, NUMBER, Rig, key, report};

/// Every request, the permission that it takes, its status for whoever has it, and what the access log says then: without `calls.pii`, and
/// with it. `nothing` is no entry.
fn requests(digest: &str) -> Vec<(String, &'static str, u16, &'static str, &'static str)> {
    let call = "/api/calls/alicom/1000~5E7";
    vec![
        ("/api/calls?day=2025-06-01".to_owned(), "calls.read", 200, "nothing", "list"),
        ("/api/calls?day=2025-06-01&download=true".to_owned(), "calls.read", 302, "nothing", "download"),
        (call.to_owned(), "calls.read", 200, "call", "call with numbers"),
        (format!("{call}/vcon"), "calls.read", 200, "vcon", "vcon with numbers"),
        (format!("{call}/recordings/main"), "recordings.listen", 302, "recording main", "recording main"),
        (format!("{call}/pushes/alicom-call-report/{digest}"), "calls.pii", 200, "nothing", "push"),
        (format!("{call}/access"), "operations.read", 200, "nothing", "nothing"),
        ("/api/recordings".to_owned(), "operations.read", 200, "nothing", "list"),
        ("/api/tasks?day=2025-06-01".to_owned(), "calls.read", 200, "nothing", "tasks"),
        ("/api/tasks/alicom/task-1".to_owned(), "calls.read", 200, "nothing", "tasks"),
    ]
}

/// The digest by which the report of the call is asked for.
async fn digest(rig: &Rig) -> String {
    let got = rig.get("/api/calls/alicom/1000~5E7", &rig.machine(ALL).await).await.json();
    let pushes = got["pushes"].as_array().unwrap().clone();
    let report = pushes.iter().find(|push| push["function"] == "alicom-call-report").unwrap();
    report["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_request_takes_its_permission_and_every_look_is_written_down() {
    let rig = Rig::new().await;
    let requests = requests(&digest(&rig).await);
    let mut tried = 0;
    for set in 0..1 << PERMISSIONS.len() {
        let has = |place: usize| set & (1 << place) != 0;
        let names = PERMISSIONS.iter().enumerate().filter(|(place, _)| has(*place)).map(|(_, row)| row.name);
        let names: Vec<_> = names.collect();
        let scope = names.join(" ");
        let mut tokens = vec![("person:", rig.person(&scope).await)];
        // The issuer gives no program a token for nothing.
        if !names.is_empty() {
            tokens.push(("machine:", rig.machine(&scope).await));
        }
        for (actor, token) in tokens {
            let before = rig.access_log().await.len();
            let mut seen = Vec::new();
            for (path, permission, status, masked, whole) in &requests {
                let got = rig.get(path, &token).await;
                let expected = if names.contains(permission) { *status } else { 403 };
                assert_eq!(got.status, expected, "{path} for {actor} {scope}: {}", got.text());
                if expected == 403 {
                    assert_eq!(got.json()["permission"], *permission, "{path}");
                    continue;
                }
                let what = if names.contains(&"calls.pii") { *whole } else { *masked };
                seen.extend((what != "nothing").then_some(what));
                assert_eq!(got.header("cache-control"), "no-store");
                assert_eq!(got.header("x-content-type-options"), "nosniff");
            }
            let log = rig.access_log().await;
            let mut told: Vec<_> = log[before..].iter().map(|entry| entry.what.as_str()).collect();
            // Entries of one millisecond have no order.
            told.sort_unstable();
            seen.sort_unstable();
            assert_eq!(told, seen, "{actor} {scope}");
            assert!(
                log[before..]
                    .iter()
                    .all(|entry| entry.actor.starts_with(actor) && entry.via.as_str() == "api")
            );
            tried += requests.len();
        }
    }
    assert_eq!(tried, 10 * (32 + 31));
    let log = rig.access_log().await;
    assert!(log.iter().all(|entry| !format!("{entry:?}").contains(NUMBER)), "no number is in the log");
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_known_sees_nothing_and_leaves_nothing() {
    let rig = Rig::new().await;
    let requests = requests("0000000000000000");
    for token in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."] {
        for (path, ..) in &requests {
            let got = rig.get(path, token).await;
            assert_eq!((got.status, got.header("content-type")), (401, "application/problem+json"), "{path}");
            assert!(got.header("www-authenticate").starts_with("Bearer"));
        }
    }
    assert_eq!(rig.access_log().await, []);
    assert_eq!(rig.get("/api/openapi.json", "").await.status, 200, "it tells nothing of anybody");
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_filter_by_number_is_noted_as_its_id() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    let got = rig.get(&format!("/api/calls?callee={NUMBER}"), &token).await.json();
    let call = &got["calls"][0];
    let id = call["callee_id"].as_str().unwrap();
    assert_eq!((call["call_id"].as_str(), id.len()), (Some("1000^7"), 32));
    let log = rig.access_log().await;
    assert_eq!(log.last().unwrap().what.as_str(), format!("list callee_id={id}"));
    // The same by its id, for those who may not see numbers too.
    let masked = rig.machine(MASKED).await;
    let found = rig.get(&format!("/api/calls?callee_id={id}&day=2025-06-01"), &masked).await.json();
    assert_eq!(found["calls"][0]["call_id"], "1000^7");
    let refused = rig.get(&format!("/api/calls?callee={NUMBER}"), &masked).await;
    assert_eq!((refused.status, refused.json()["permission"].as_str()), (403, Some("calls.pii")));
    let none = rig.get("/api/calls?callee=13999999999", &token).await.json();
    assert_eq!(none["calls"], Value::Array(Vec::new()));
    assert!(rig.access_log().await.last().unwrap().what.as_str().starts_with("list callee_id="));
    rig.stack.stop().await.unwrap();
}

/// A text that holds a number finds whoever has it, as the number itself does.
#[tokio::test]
async fn a_number_in_a_filter_of_texts_is_noted_as_its_id_too() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    let listed = rig.get("/api/calls?day=2025-06-01", &token).await.json();
    let calls = listed["calls"].as_array().unwrap();
    let call = calls.iter().find(|call| call["call_id"] == "1000^7").unwrap();
    let id = call["callee_id"].as_str().unwrap();
    let last = async || rig.access_log().await.last().unwrap().what.as_str().to_owned();
    let tag: String = url::form_urlencoded::byte_serialize("电话".as_bytes()).collect();
    for (filter, found) in [
        (format!("tag={tag}:{NUMBER}"), 1),
        (format!("tag=%2B86%20{NUMBER}"), 0),
        (format!("intent={NUMBER}"), 0),
        (format!("task=T-{NUMBER}"), 0),
    ] {
        let got = rig.get(&format!("/api/calls?day=2025-06-01&{filter}"), &token).await.json();
        assert_eq!(got["calls"].as_array().unwrap().len(), found, "{filter}");
        assert_eq!(last().await, format!("list callee_id={id}"), "{filter}");
        let path = format!("/api/calls?day=2025-06-01&{filter}&download=true");
        assert_eq!(rig.get(&path, &token).await.status, 302, "{filter}");
        assert_eq!(last().await, format!("download callee_id={id}"), "{filter}");
    }
    // Each of them is, and of one that is hidden in part only that it was looked for.
    rig.get(&format!("/api/calls?day=2025-06-01&tag={NUMBER},139****0000&intent={NUMBER}"), &token).await;
    assert_eq!(last().await, format!("list callee_id={id} callee_id=unknown"));
    // Whatever stands between the digits, and whosever number it is: so many of them may be one.
    for (spellings, count) in [
        (
            vec![
                "157_7777_8888",
                "157/7777/8888",
                "157%E3%80%817777%E3%80%818888",
                "15777778888",
                "x-157%2C7777_8888",
            ],
            5,
        ),
        (vec!["447911123456", "%2B44%207911%20123456", "44_7911_123456", "44%207911%20123456"], 4),
        (vec!["1181234567890123456"], 1),
    ] {
        let mut noted = Vec::new();
        for spelling in &spellings {
            for filter in ["task", "tag", "intent"] {
                rig.get(&format!("/api/calls?day=2025-06-01&{filter}={spelling}"), &token).await;
                noted.push(last().await);
            }
        }
        assert!(
            noted.iter().all(|what| what.starts_with("list callee_id=") && !what.contains("unknown")),
            "{noted:?}"
        );
        noted.dedup();
        assert_eq!((noted.len(), spellings.len()), (1, count), "{spellings:?}: {noted:?}");
    }
    for plain in
        ["tag=A", "intent=302", "task=task-1", "task=123-456", "tag=2025-06-01", "tag=1a2b3c4d5e6f7g8"]
    {
        rig.get(&format!("/api/calls?day=2025-06-01&{plain}"), &token).await;
        assert_eq!(last().await, "list", "{plain}");
    }
    // Nobody who may not see numbers finds anybody by one, and so nothing is to be noted.
    let (masked, before) = (rig.machine(MASKED).await, rig.access_log().await.len());
    for path in ["/api/calls?task=1181234567890123456", "/api/calls?task=1181234567890123456&download=true"] {
        assert!(rig.get(path, &masked).await.status < 400, "{path}");
    }
    assert_eq!(rig.access_log().await.len(), before);
    rig.stack.stop().await.unwrap();
}

/// Counts of a task are of whoever its id tells.
#[tokio::test]
async fn a_task_that_is_looked_for_by_a_number_is_noted_as_its_id() {
    let rig = Rig::empty().await;
    let mut told = report("1", "2025-06-01 10:00:00");
    told[0]["taskId"] = Value::from("157_0000_9182");
    told[0]["callee"] = Value::from("15700009182");
    rig.push("alicom-call-report", &told).await;
    let token = rig.machine(ALL).await;
    let listed = rig.get("/api/calls?callee=15700009182", &token).await.json();
    let id = listed["calls"][0]["callee_id"].as_str().unwrap().to_owned();
    let last = async || rig.access_log().await.last().unwrap().what.as_str().to_owned();
    for (task, status) in [("157_0000_9182", 200), ("15700009182", 404)] {
        assert_eq!(rig.get(&format!("/api/tasks/alicom/{task}"), &token).await.status, status, "{task}");
        assert_eq!(last().await, format!("tasks callee_id={id}"), "{task}");
    }
    let before = rig.access_log().await.len();
    assert_eq!(rig.get("/api/tasks/alicom/none", &token).await.status, 404);
    assert_eq!(rig.access_log().await.len(), before, "nothing was looked for that anybody has");
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn where_a_look_cannot_be_written_down_nothing_is_shown() {
    let rig = Rig::new().await;
    let stores = rig.stack.stores();
    let target = stores.dynamodb_endpoint.clone().unwrap();
    let faulty = FaultyDynamoDb::start(&target, |_, operation| match operation {
        "PutItem" => Fault::ErrorBefore,
        _ => Fault::None,
    })
    .await;
    let options = local_stack::Options {
        dynamodb_endpoint: Some(faulty.endpoint.clone()),
        s3_endpoint: stores.s3_endpoint.clone(),
        ..local_stack::Options::in_memory()
    };
    let failing = Rig::with(options).await;
    let token = failing.machine(ALL).await;
    let requests = requests(&digest(&rig).await);
    let before = rig.access_log().await;
    for (path, _, status, _, whole) in &requests {
        let got = failing.get(path, &token).await;
        match *whole {
            "nothing" => assert_eq!(got.status, *status, "{path}"),
            _ => {
                assert_eq!(got.status, 503, "{path}: {}", got.text());
                assert_eq!(got.header("location"), "");
                assert!(!got.text().contains("call_id") && !got.text().contains(NUMBER), "{}", got.text());
            }
        }
    }
    assert_eq!(rig.access_log().await, before);
    failing.stack.stop().await.unwrap();
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn who_looked_at_a_call_is_told_even_after_it_was_erased() {
    let rig = Rig::new().await;
    let (lead, auditor) = (rig.person("calls.read").await, rig.machine("operations.read").await);
    assert_eq!(rig.get("/api/calls/alicom/1000~5E7", &lead).await.status, 200);
    let key = key(Provider::Alicom, "1000^7");
    let now = runtime::clock::now();
    let stone = shared::record::tombstone::tombstone(&key, now, [], None, 2);
    rig.stack.store().table().put(stone).await.unwrap();
    assert_eq!(rig.get("/api/calls/alicom/1000~5E7", &lead).await.status, 404);
    assert_eq!(rig.get("/api/calls/alicom/1000~5E7/vcon", &lead).await.status, 404);
    let listed = rig.get("/api/calls?day=2025-06-01", &lead).await.json();
    assert_eq!(listed["calls"], Value::Array(Vec::new()));
    let log = rig.get("/api/calls/alicom/1000~5E7/access", &auditor).await.json();
    assert_eq!(
        (log["access"][0]["what"].as_str(), log["access"].as_array().unwrap().len()),
        (Some("call"), 1)
    );
    assert!(log["access"][0]["actor"].as_str().unwrap().starts_with("person:"));
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn of_a_call_that_never_was_nobody_can_have_looked() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &report(&format!("to-{NUMBER}"), "2025-06-01 11:00:00")).await;
    let (auditor, whole) = (rig.machine("operations.read").await, rig.machine(ALL).await);
    let access = |id: &str| format!("/api/calls/alicom/{id}/access");
    let none = rig.get(&access("never"), &auditor).await;
    assert_eq!(
        (none.status, none.json()["type"].as_str()),
        (404, Some("urn:callvault:problem:no-such-call"))
    );
    let unseen = rig.get(&access("1000~5E7"), &auditor).await;
    assert_eq!((unseen.status, &unseen.json()["access"]), (200, &Value::Array(Vec::new())));
    // An id that tells a number can't be tried here either, whether anybody has looked or not.
    for _ in 0..2 {
        for (id, status) in [(format!("to-{NUMBER}"), 200), (format!("to-{}", NUMBER.replace('2', "3")), 404)]
        {
            assert_eq!(rig.get(&access(&id), &auditor).await.status, 404, "{id}");
            assert_eq!(rig.get(&access(&id), &whole).await.status, status, "{id}");
        }
        assert_eq!(rig.get(&format!("/api/calls/alicom/to-{NUMBER}"), &whole).await.status, 200);
    }
    rig.stack.stop().await.unwrap();
}
