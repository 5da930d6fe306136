//! Whoever may not see a number can't infer it.

use std::io::{Cursor, Read};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use query_calls::QueryCalls;
use runtime::config::Environment;
use runtime::deadline::Deadline;
use serde_json::Value;

use crate::rig::{ALL, MASKED, NUMBER, Rig, follow, report};

/// Whether a text has six digits in a row that the number has too.
fn tells(text: &str) -> Option<String> {
    let runs = text.split(|byte: char| !byte.is_ascii_digit());
    let windows = runs.flat_map(|run| run.as_bytes().windows(6).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let number = NUMBER.as_bytes();
    let told = windows.into_iter().find(|window| number.windows(6).any(|known| known == window));
    told.map(|window| String::from_utf8(window).unwrap())
}

/// The text of a spreadsheet's parts.
fn unzipped(bytes: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = String::new();
    for place in 0..archive.len() {
        let mut part = archive.by_index(place).unwrap();
        all.push_str(&part.name().unwrap());
        part.read_to_string(&mut all).unwrap();
    }
    all
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

#[tokio::test]
async fn no_form_of_no_answer_has_a_number_for_those_who_may_not_see_it() {
    let rig = Rig::new().await;
    // An id of a call may hold the number, too.
    rig.push("alicom-call-report", &report(&format!("call-to-{NUMBER}"), "2025-06-01 11:00:00")).await;
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    let list = "/api/calls?day=2025-06-01";
    let call = "/api/calls/alicom/1000~5E7";
    let paths = [
        (list.to_owned(), "application/json"),
        (list.to_owned(), "text/csv"),
        (list.to_owned(), "application/x-ndjson"),
        (list.to_owned(), XLSX),
        (format!("{list}&download=true"), "application/json"),
        (format!("{list}&download=true"), "text/csv"),
        (format!("{list}&download=true"), XLSX),
        (call.to_owned(), "application/json"),
        (format!("{call}/vcon"), "application/vcon+json"),
        ("/api/tasks?day=2025-06-01".to_owned(), "application/json"),
        ("/api/tasks/alicom/task-1".to_owned(), "application/json"),
        ("/api/recordings".to_owned(), "application/json"),
        (format!("{call}/access"), "application/json"),
    ];
    for (path, accept) in &paths {
        for (token, may) in [(&masked, false), (&whole, true)] {
            let mut got = rig.get_with(path, token, &[("accept", accept)]).await;
            let mut text = String::new();
            if got.status == 302 {
                text = got.header("location").split("/downloads/").last().unwrap().to_owned();
                got = follow(got.header("location")).await;
            }
            assert_eq!(got.status, 200, "{path} {accept}: {}", got.text());
            text.push_str(&if *accept == XLSX { unzipped(&got.body) } else { got.text() });
            for (_, value) in &got.headers {
                text.push_str(value.to_str().unwrap());
            }
            let has = tells(&text);
            // Counts, and who looked, have no number for anybody.
            let never =
                path.contains("/tasks/alicom") || path.ends_with("/access") || path == "/api/recordings";
            match may {
                true => assert!(has.is_some() || never || path.starts_with("/api/tasks"), "{path} {accept}"),
                false => assert_eq!(has, None, "{path} {accept}: {text}"),
            }
        }
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_can_be_tried_by_those_who_may_not_see_numbers() {
    let rig = Rig::new().await;
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    let call = rig.get("/api/calls/alicom/1000~5E7", &whole).await;
    let digest = call.json()["pushes"][0]["digest"].as_str().unwrap().to_owned();
    let function = call.json()["pushes"][0]["function"].as_str().unwrap().to_owned();
    for path in [
        // By the number, in whichever form, right or wrong.
        format!("/api/calls?callee={NUMBER}"),
        format!("/api/calls?callee=%2B86{NUMBER}"),
        "/api/calls?callee=13999999999".to_owned(),
        // By what texts hold.
        format!("/api/calls?tag={NUMBER}&day=2025-06-01"),
        format!("/api/calls?tag=%E7%94%B5%E8%AF%9D:{NUMBER}&day=2025-06-01"),
        format!("/api/calls?intent={NUMBER}&day=2025-06-01"),
        // By a push's digest, right or wrong: both are refused alike.
        format!("/api/calls/alicom/1000~5E7/pushes/{function}/{digest}"),
        format!("/api/calls/alicom/1000~5E7/pushes/{function}/0000000000000000"),
    ] {
        let got = rig.get(&path, &masked).await;
        assert_eq!(got.status, 403, "{path}: {}", got.text());
        assert_eq!(got.json()["permission"], "calls.pii", "{path}");
        assert_ne!(rig.get(&path, &whole).await.status, 403, "{path}");
    }
    // An answer's tag is of what is shown, so that it can't be reckoned with a number.
    let shown = rig.get("/api/calls/alicom/1000~5E7", &masked).await;
    assert_ne!(shown.header("etag"), call.header("etag"));
    let tag = call.header("etag").to_owned();
    let again = rig.get_with("/api/calls/alicom/1000~5E7", &masked, &[("if-none-match", &tag)]).await;
    assert_eq!(again.status, 200, "the tag of the other view says nothing");
    // A cursor of a filter by number is of no use without it, and holds no number.
    let paged = rig.get(&format!("/api/calls?callee={NUMBER}&limit=1"), &whole).await.json();
    if let Some(next) = paged["next"].as_str() {
        assert_eq!(rig.get(&format!("/api/calls?cursor={next}"), &masked).await.status, 400);
    }
    // Digests are not told.
    let pushes = shown.json()["pushes"].clone();
    assert!(pushes.as_array().unwrap().iter().all(|push| push.get("digest").is_none()), "{pushes}");
    assert!(shown.json()["recordings"][0].get("source_url").is_none());
    assert_eq!(shown.json()["call"].get("extra"), None);
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_cursor_that_ends_among_calls_of_one_time_shows_none_of_them() {
    let rig = Rig::empty().await;
    for last in 0..4 {
        let id = format!("{NUMBER}-{last}");
        rig.push("alicom-call-report", &report(&id, "2025-06-01 10:00:00")).await;
        let record = serde_json::json!([{"callId": id, "recordFile": format!("https://x.oss-cn-shanghai.aliyuncs.com/{last}.wav")}]);
        rig.push("alicom-call-record", &record).await;
    }
    let token = rig.machine(MASKED).await;
    for list in ["/api/calls?day=2025-06-01&limit=1", "/api/recordings?limit=1"] {
        let (mut path, mut pages) = (list.to_owned(), 0);
        loop {
            let page = rig.get(&path, &token).await;
            assert_eq!((page.status, tells(&page.text())), (200, None), "{path}");
            let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&next).unwrap();
            assert_eq!(tells(&String::from_utf8_lossy(&bytes)), None, "{list}");
            path = format!("{list}&cursor={next}");
            pages += 1;
            // What was not sealed here is no cursor.
            assert_eq!(rig.get(&format!("{list}&cursor={}", &next[1..]), &token).await.status, 400);
        }
        assert!((3..=4).contains(&pages), "{list}: {pages}");
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_hidden_in_an_id_or_a_name_can_be_neither_read_nor_tried() {
    let rig = Rig::empty().await;
    let (id, task) = (format!("call-to-{NUMBER}"), format!("T-{NUMBER}"));
    let mut report = report(&id, "2025-06-01 10:00:00");
    report[0]["taskId"] = Value::from(task.as_str());
    rig.push("alicom-call-report", &report).await;
    let tail = &NUMBER[7..];
    let apart = format!("{}，{}，{tail}", &NUMBER[..3], &NUMBER[3..7]);
    let note = serde_json::json!([{"callId": id, "majorIntent": tail, "outputTags": {"tel": [apart], "end": [tail]}}]);
    rig.push("alicom-call-note", &note).await;
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    for path in ["/api/calls?day=2025-06-01".to_owned(), "/api/tasks?day=2025-06-01".to_owned()] {
        let got = rig.get(&path, &masked).await;
        assert_eq!((got.status, tells(&got.text())), (200, None), "{path}: {}", got.text());
        assert!(!got.text().contains(tail), "{path}: {}", got.text());
    }
    for path in [
        format!("/api/calls/alicom/{id}"),
        format!("/api/calls/alicom/{id}/vcon"),
        format!("/api/tasks/alicom/{task}"),
    ] {
        assert_eq!(rig.get(&path, &masked).await.status, 404, "{path}");
        assert_eq!(rig.get(&path, &whole).await.status, 200, "{path}");
    }
    let apart = url::form_urlencoded::byte_serialize(
        format!("tel:{}，{}，{tail}", &NUMBER[..3], &NUMBER[3..7]).as_bytes(),
    )
    .collect::<String>();
    for filter in
        [format!("intent={tail}"), format!("tag=end:{tail}"), format!("tag={apart}"), format!("task={task}")]
    {
        let path = format!("/api/calls?day=2025-06-01&{filter}");
        let found =
            |got: &crate::rig::Got| got.status == 200 && !got.json()["calls"].as_array().unwrap().is_empty();
        assert!(!found(&rig.get(&path, &masked).await), "{path}");
        assert!(found(&rig.get(&path, &whole).await), "{path}");
    }
    rig.stack.stop().await.unwrap();
}

/// Numbers of other countries look like any id: what tells that they are some is the call.
#[tokio::test]
async fn the_id_of_a_task_that_tells_a_callee_is_in_no_count() {
    let rig = Rig::empty().await;
    let tasks =
        [("447911123456", "447911123456"), ("157:7777:8888", "15777778888"), ("504312504312", "13650431278")];
    for (at, (task, callee)) in tasks.iter().enumerate() {
        let mut report = report(&format!("c{at}"), "2025-06-01 10:00:00");
        report[0]["taskId"] = Value::from(*task);
        report[0]["callee"] = Value::from(*callee);
        rig.push("alicom-call-report", &report).await;
    }
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    let ids = |got: crate::rig::Got| {
        let tasks = got.json()["tasks"].as_array().unwrap().clone();
        let mut ids: Vec<_> = tasks.iter().map(|task| task["task_id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let day = "/api/tasks?day=2025-06-01";
    // A few digits that the callee has as well are no number.
    assert_eq!(ids(rig.get(day, &masked).await), ["************", "***:****:****", "504312504312"]);
    assert_eq!(ids(rig.get(day, &whole).await), ["157:7777:8888", "447911123456", "504312504312"]);
    for (task, status) in [("447911123456", 404), ("157:7777:8888", 404), ("504312504312", 200)] {
        let path = format!("/api/tasks/alicom/{}", task.replace(':', "~3A"));
        assert_eq!(rig.get(&path, &masked).await.status, status, "{path}");
        assert_eq!(rig.get(&path, &whole).await.status, 200, "{path}");
    }
    rig.stack.stop().await.unwrap();
}

/// A list by what tells a callee is that of somebody who is not there: in its calls, its counts and its pages.
#[tokio::test]
async fn what_is_left_out_of_a_list_is_in_no_figure_of_it() {
    let rig = Rig::empty().await;
    let call = async |id: &str, task: &str, callee: &str, minute: u32| {
        let mut report = report(id, &format!("2025-06-01 10:{minute:02}:00"));
        report[0]["taskId"] = Value::from(task);
        report[0]["callee"] = Value::from(callee);
        rig.push("alicom-call-report", &report).await;
    };
    // Of the first task every call is left out; of the second those before and behind the one that is not.
    call("a", "447911123456", "447911123456", 0).await;
    for minute in [0, 1, 3, 4] {
        call(&format!("b{minute}"), "157:7777:8888", "15777778888", minute).await;
    }
    call("b2", "157:7777:8888", "13600001234", 2).await;
    let tagged = serde_json::json!([{"callId": "b2", "outputTags": {"tel": ["136_0000_1234"]}}]);
    rig.push("alicom-call-note", &tagged).await;
    let (masked, whole) = (rig.machine(MASKED).await, rig.machine(ALL).await);
    let figures = async |path: &str, token: &str| {
        let got = rig.get(path, token).await.json();
        (got["calls"].as_array().unwrap().len(), got["scanned"].as_u64().unwrap(), got["next"].is_null())
    };
    for (task, seen, all) in [("447911123456", 0, 1), ("157:7777:8888", 1, 5), ("447911123457", 0, 0)] {
        for more in [
            "",
            "&order=asc",
            "&day=2025-06-01",
            "&limit=1",
            "&limit=1&order=asc",
            "&outcome=answered&limit=1",
        ] {
            let path = format!("/api/calls?task={task}{more}");
            assert_eq!(figures(&path, &masked).await, (seen, seen as u64, true), "{path}");
            if !more.contains("limit") {
                assert_eq!(figures(&path, &whole).await, (all, all as u64, true), "{path}");
            }
        }
    }
    // A tag that holds a number is not looked for, whether a call has it or not.
    for tag in ["tel:136_0000_1234", "tel:136_0000_1235", "tel:157:7777:8888"] {
        let got = rig.get(&format!("/api/calls?day=2025-06-01&tag={tag}"), &masked).await;
        assert_eq!((got.status, got.json()["permission"].as_str()), (403, Some("calls.pii")), "{tag}");
    }
    assert_eq!(figures("/api/calls?day=2025-06-01&tag=tel:136_0000_1234", &whole).await, (1, 6, true));
    assert_eq!(figures("/api/calls?day=2025-06-01&tag=tel", &masked).await, (1, 6, true));
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn the_name_of_a_recordings_file_tells_no_number() {
    let rig = Rig::empty().await;
    let id = format!("to-{NUMBER}");
    rig.push("alicom-call-report", &report(&id, "2025-06-01 10:00:00")).await;
    let record =
        serde_json::json!([{"callId": id, "recordFile": "https://x.oss-cn-shanghai.aliyuncs.com/1.wav"}]);
    rig.push("alicom-call-record", &record).await;
    rig.archive(&crate::rig::key(shared::model::Provider::Alicom, &id)).await;
    for (scope, may) in [(MASKED, false), (ALL, true)] {
        let token = rig.machine(scope).await;
        let got = rig.get(&format!("/api/calls/alicom/{id}/recordings/main"), &token).await;
        // The id tells the number: for whoever may not see it there is no such call.
        assert_eq!(got.status, if may { 302 } else { 404 });
        if !may {
            continue;
        }
        let audio = follow(got.header("location")).await;
        assert_eq!(audio.status, 200);
        assert!(tells(audio.header("content-disposition")).is_some(), "{audio:?}");
        assert_eq!(audio.header("content-type"), "audio/wav");
    }
    let listed: Value = rig.get("/api/calls?day=2025-06-01", &rig.machine(MASKED).await).await.json();
    assert_eq!(listed["calls"][0].get("href"), None, "it would tell it");
    rig.stack.stop().await.unwrap();
}

/// As on a stack without a secret of callees' ids, and on a machine without any.
#[tokio::test]
async fn without_a_key_of_callees_cursors_show_no_call_either() {
    const KEY: &str = "a key of thirty-two characters or more";
    let rig = Rig::empty().await;
    for last in 0..3 {
        rig.push("alicom-call-report", &report(&format!("{NUMBER}-{last}"), "2025-06-01 10:00:00")).await;
    }
    let authorization = format!("Bearer {}", rig.machine(MASKED).await);
    let reader = |session_key: Option<&str>| {
        let look_up = |variable: &str| match variable {
            "OIDC_ISSUER" => Some(rig.stack.issuer().url().to_owned()),
            "SESSION_KEY" => session_key.map(str::to_owned),
            store => rig.stack.variable(store),
        };
        QueryCalls::new(&Environment::new(&look_up)).unwrap()
    };
    let page = async |reader: &QueryCalls, cursor: &str| {
        let event = serde_json::json!({
            "rawPath": "/api/calls", "rawQueryString": format!("day=2025-06-01&limit=1{cursor}"),
            "headers": {"authorization": authorization}, "requestContext": {"http": {"method": "GET"}},
        });
        let deadline = Deadline::after(std::time::Duration::from_secs(29));
        let answer = query_calls::handle(reader, serde_json::from_value(event).unwrap(), deadline).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status_code, body["next"].as_str().map(|next| format!("&cursor={next}")))
    };
    for session_key in [Some(KEY), None] {
        let first = reader(session_key);
        let (status, next) = page(&first, "").await;
        let next = next.unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&next["&cursor=".len()..]).unwrap();
        assert_eq!((status, tells(&String::from_utf8_lossy(&bytes))), (200, None), "{next}");
        // What is sealed within would be base64 itself.
        let within = BASE64_URL_SAFE_NO_PAD.decode(bytes.as_slice());
        assert!(within.is_err(), "{next}");
        assert_eq!(page(&first, &next).await.0, 200);
        // Another process knows it by the key that both have, and by none otherwise.
        let other = page(&reader(session_key), &next).await.0;
        assert_eq!(other, if session_key.is_some() { 200 } else { 400 });
    }
    rig.stack.stop().await.unwrap();
}

/// Neither by its place among tasks that are named by numbers, nor by what a later push hides of the callee.
#[tokio::test]
async fn no_order_and_no_later_push_tells_an_id_that_is_hidden() {
    let rig = Rig::empty().await;
    let call = async |id: &str, task: &str, callee: &str| {
        let mut report = report(id, "2025-06-01 10:00:00");
        for (field, value) in [("taskId", task), ("callee", callee), ("outId", task)] {
            report[0][field] = Value::from(value);
        }
        rig.push("alicom-call-report", &report).await;
    };
    call("a", "447911123456", "447911123456").await;
    for fence in ["44791112", "447911123", "44791113"] {
        call(fence, fence, "13600001234").await;
    }
    let masked = rig.machine(MASKED).await;
    let tasks = async || {
        let got = rig.get("/api/tasks?day=2025-06-01", &masked).await.json();
        let ids =
            got["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(tasks().await, ["44791112", "447911123", "44791113", "************"]);
    call("a", "447911123456", "447****3456").await;
    let listed = rig.get("/api/calls?day=2025-06-01", &masked).await.json();
    let of_a = listed["calls"].as_array().unwrap().iter().find(|call| call["call_id"] == "a").unwrap();
    assert_eq!((&of_a["task_id"], &of_a["out_id"]), (&"************".into(), &"************".into()));
    assert_eq!(
        rig.get("/api/calls?task=447911123456", &masked).await.json()["calls"],
        Value::Array(Vec::new())
    );
    assert_eq!(tasks().await.last().unwrap(), "************");
    rig.stack.stop().await.unwrap();
}
