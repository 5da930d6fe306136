//! What the doctor finds, on the page of operations.

use runtime::clock;
use serde_json::{Value, json};
use shared::model::{Provider, Recording, RecordingSource};
use shared::reading::Zone;
use shared::record::item;

use crate::browser::Browser;
use crate::rig::{ALL, Rig, key, report};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_in_the_readers_language_and_zone() {
    let rig = Rig::empty().await;
    rig.push("alicom-call-report", &report("1000^7", "2025-06-01 10:00:00")).await;
    let now = clock::now();
    let [soon, past] = [3_600, -3_600].map(|seconds| now.plus_seconds(seconds));
    for (slot, expires_at) in [("main", soon), ("full", past)] {
        let source = RecordingSource {
            slot: slot.to_owned(),
            url: Some("https://a.example/1.wav".to_owned()),
            id: None,
            expires_at: Some(expires_at),
            call_at: now,
        };
        let reason = "the host a.example is not allowed".to_owned();
        let waits = Recording { attempts: 1, last_error: Some(reason), ..Recording::new(source, now) };
        let item = item::recording_item(&key(Provider::Alicom, "1000^7"), waits);
        rig.stack.store().table().put(item).await.unwrap();
    }
    let mut browser = Browser::of(&rig, ALL).await;
    let local = |at| Zone::default().local(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let english = browser.get("/operations").await;
    english
        .has("<strong>a.example: 2 failed and are tried again: its host is not in RecordingHosts")
        .has("If the host is the platform's, add <code>a.example</code> to RecordingHosts")
        .has(&format!("1 recording expires within a day, the first at {}: alicom/", local(soon)))
        // What is over is told as such.
        .has("<dt>Link expires</dt>")
        .has("<dt>Link expired</dt>")
        .lacks("`");
    browser.headers = vec![("accept-language", "zh-CN".to_owned())];
    let chinese = browser.get("/operations").await;
    chinese
        .has("<strong>a.example：2 条录音暂未归档成功，将继续重试：主机不在 RecordingHosts 允许范围内")
        .has("请在 RecordingHosts 中加入 <code>a.example</code> 并重新部署")
        .has("1 条录音的链接将在 24 小时内失效，最先失效的是 alicom/")
        .has(&format!("（{}）", local(soon)))
        .lacks("tried again")
        .lacks("the host")
        .lacks("`");
    // The local stack has no queues: how many dead letters there are is not known, which is not none.
    english.has("<dt>Dead letters</dt><dd>Unknown</dd>").has("no queue is set");
    chinese.has("<dt>死信</dt><dd>未知</dd>");
    // Programs have the kind, and the words of the commands.
    let data: Value = serde_json::from_str(&browser.get("/operations.json").await.text).unwrap();
    assert_eq!(data["dead_letters"], json!({"runs": null, "events": null}));
    let found: Vec<_> = data["findings"].as_array().unwrap().iter().collect();
    let codes: Vec<_> = found.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["urls_expired", "urls_expire_soon", "recordings_fail"], "{data}");
    let what = found[2]["what"].as_str().unwrap();
    assert!(what.starts_with("a.example: 2 failed and are tried again"), "{what}");
}

/// By its pattern alone nobody knows a foreign number: what hides it is what is known of the call.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_names_no_call_by_its_callees_number() {
    const FOREIGN: &str = "6281255554444";
    let rig = Rig::empty().await;
    let now = clock::now();
    let id = format!("x{FOREIGN}");
    let mut one = report(&id, "2025-06-01 10:00:00");
    one[0]["callee"] = json!(FOREIGN);
    rig.push("alicom-call-report", &one).await;
    // One of which nothing but its recording is stored.
    for id in [id.as_str(), "y6281255554445"] {
        let source = RecordingSource {
            slot: "main".to_owned(),
            url: Some("https://a.example/1.wav".to_owned()),
            id: None,
            expires_at: Some(now.plus_seconds(3_600)),
            call_at: now,
        };
        let reason = "the host a.example is not allowed".to_owned();
        let waits =
            Recording { attempts: 1, last_error: Some(reason), deaths: 1, ..Recording::new(source, now) };
        rig.stack.store().table().put(item::recording_item(&key(Provider::Alicom, id), waits)).await.unwrap();
    }
    for permissions in ["operations.read", ALL] {
        let mut browser = Browser::of(&rig, permissions).await;
        for page in ["/operations", "/operations.json"] {
            let shown = browser.get(page).await;
            shown.has("x*************").lacks(&FOREIGN[..8]);
        }
    }
}
