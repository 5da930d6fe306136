//! Odd ids are found through the gateway, by the links that records carry.

use serde_json::json;
use shared::model::Provider;
use shared::path_id::escaped;

use crate::rig::{ALL, AUDIO, Rig, follow, key, report};

const ODD: [&str; 16] = [
    "a/b",
    "10000161^1000018",
    "a#b",
    "100%",
    "a%2Fb",
    "a?b=c",
    "~",
    "~2F",
    "漢字",
    "a b",
    "x/vcon",
    "x/recordings/main",
    "..",
    ".",
    "a&b=c;d",
    "'\"<script>+,\u{1f600}",
];

#[tokio::test]
async fn odd_ids_of_calls_and_tasks_are_found_by_their_links() {
    let rig = Rig::empty().await;
    for (minute, id) in ODD.iter().enumerate() {
        let mut report = report(id, &format!("2025-06-01 10:{minute:02}:00"));
        report[0]["taskId"] = json!(format!("task {id}"));
        rig.push("alicom-call-report", &report).await;
        let record = json!([{"callId": id, "recordFile": "https://x.oss-cn-shanghai.aliyuncs.com/1.wav"}]);
        rig.push("alicom-call-record", &record).await;
        rig.archive(&key(Provider::Alicom, id)).await;
    }
    let token = rig.machine(ALL).await;
    let list = rig.get("/api/calls?day=2025-06-01&order=asc", &token).await.json();
    let calls = list["calls"].as_array().unwrap();
    let ids: Vec<_> = calls.iter().map(|call| call["call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ODD);
    for call in calls {
        let (id, href) = (call["call_id"].as_str().unwrap(), call["href"].as_str().unwrap());
        assert!(href.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_~-".contains(&byte)), "{href}");
        let whole = rig.get(href, &token).await;
        assert_eq!(whole.json()["call"]["call_id"], *id, "{href}: {}", whole.text());
        // Whatever the gateway decodes, it is the same call.
        assert_eq!(rig.get(&href.replace('~', "%7E"), &token).await.json()["call"]["call_id"], *id);
        let vcon = rig.get(&format!("{href}/vcon"), &token).await.json();
        assert_eq!(vcon["vcon"], "0.4.0", "{href}");
        let recording = whole.json()["recordings"][0]["href"].as_str().unwrap().to_owned();
        let found = rig.get(&recording, &token).await;
        assert_eq!(found.status, 302, "{recording}: {}", found.text());
        assert_eq!(follow(found.header("location")).await.body, AUDIO, "{id}");
        let push = whole.json()["pushes"][0]["href"].as_str().unwrap().to_owned();
        assert_eq!(rig.get(&push, &token).await.json()["callId"], *id, "{push}");
        let log = rig.get(&format!("{href}/access"), &token).await.json();
        assert!(log["access"].as_array().unwrap().len() >= 5, "{id}");
        let task = format!("task {id}");
        let counts = rig.get(&format!("/api/tasks/alicom/{}", escaped(&task)), &token).await.json();
        assert_eq!((counts["task_id"].as_str(), counts["calls"].as_u64()), (Some(&*task), Some(1)));
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("task", &task).finish();
        let listed = rig.get(&format!("/api/calls?{query}"), &token).await.json();
        assert_eq!(listed["calls"][0]["call_id"], *id, "{query}");
    }
    rig.stack.stop().await.unwrap();
}
