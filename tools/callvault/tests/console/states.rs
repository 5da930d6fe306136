//! Odd states: each has words.

use serde_json::{Value, json};
use shared::model::{Provider, Recording, RecordingState};
use shared::record::{item, keys};

use crate::browser::Browser;
use crate::rig::{ALL, MASKED, Rig, key, report};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_words() {
    let rig = Rig::empty().await;
    rig.push("alicom-call-report", &json!([{"callId": "bare"}])).await;
    let mut zero = report("zero", "2025-06-01 10:00:00");
    zero[0]["duration"] = json!(0);
    zero[0]["smartStatusCode"] = json!("NO_ANSWER");
    zero[0].as_object_mut().unwrap().remove("callee");
    rig.push("alicom-call-report", &zero).await;
    let mut browser = Browser::of(&rig, ALL).await;
    let shown = browser.get("/calls/alicom/bare").await;
    for words in [
        "Number unknown",
        "Unknown",
        "No recording came for this call",
        "No conversation came for this call",
        "Nobody has heard",
    ] {
        shown.has(words);
    }
    browser
        .get("/calls/alicom/zero")
        .await
        .has("No answer")
        .has("Number unknown")
        .has("<dt>Duration</dt><dd>0:00</dd>");
    for (page, words) in [
        ("/calls?day=2020-01-01", "No call matches"),
        ("/tasks?day=2020-01-01", "No task had calls on this day"),
        ("/?day=2020-01-01", "No calls on this day"),
        ("/operations", "Nothing is wrong with archiving"),
        ("/operations", "No recording waits"),
        ("/operations", "Nothing was rejected"),
        ("/calls/next?day=2020-01-01", "No unheard call matches this filter"),
    ] {
        browser.get(page).await.has(words);
    }
    let rejected = http::Request::post(format!("{}/push/alicom-call-report/local", rig.stack.url()));
    crate::browser::send(rejected.body("[{\"no\": \"13900000000\"}]".into()).unwrap()).await;
    browser
        .get("/operations")
        .await
        .has("alicom-call-report")
        .has("no usable call id in callId")
        .lacks("Nothing was rejected")
        .lacks("13900000000");
    browser.headers = vec![("accept-language", "zh-CN".to_owned())];
    browser.get("/operations").await.has("字段 callId 中没有可用的通话 ID").lacks("no usable call id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_tells_in_each_state_what_became_of_it() {
    let rig = Rig::new().await;
    let of_call = key(Provider::Alicom, "1000^7");
    let table = rig.stack.store().table();
    let stored = table.get(&keys::call_pk(&of_call), &keys::recording_sk("main")).await.unwrap().unwrap();
    let archived: Recording = item::typed(stored).unwrap();
    let mut browser = Browser::of(&rig, ALL).await;
    let call = "/calls/alicom/1000~5E7";
    let shown = browser.get(call).await;
    shown
        .has("data-type=\"audio/wav\"")
        .has("src=\"/calls/alicom/1000~5E7/recordings/main\"")
        .has("Archived");
    let policy = shown.header("content-security-policy").to_owned();
    let recording = browser.get(&format!("{call}/recordings/main")).await;
    let origin = url::Url::parse(recording.location()).unwrap().origin().ascii_serialization();
    assert!(policy.contains(&format!("media-src 'self' {origin};")), "{policy}");
    const STATUS: &str = "the source answered with status 404";
    const HOST: &str = "the host a.example is not allowed";
    const OWN: &str = "文件已被删除";
    for (state, reason, words, in_chinese, chinese) in [
        (RecordingState::Pending, "", "It is being fetched from the platform", "", "正在从平台获取"),
        (
            RecordingState::Pending,
            STATUS,
            "It could not be fetched so far, and is tried again",
            "录音服务器返回状态码 404",
            "将继续重试",
        ),
        (
            RecordingState::Pending,
            HOST,
            "its host is not allowed. If the host belongs to the platform, ask your callvault administrator to add it to RecordingHosts",
            "主机 a.example 不在 RecordingHosts 允许范围内",
            "请联系 callvault 管理员将其加入 RecordingHosts",
        ),
        (
            RecordingState::Pending,
            "a.example has an address that is refused (loopback)",
            "the address of its host is not public",
            "主机 a.example 的地址不允许访问（本机回环地址）",
            "准确的主机和端口（host:port）",
        ),
        (
            RecordingState::Expired,
            STATUS,
            "link expired before it could be fetched",
            "录音服务器返回状态码 404",
            "平台链接在获取前已失效",
        ),
        (RecordingState::Failed, OWN, "The platform could not provide it", "（平台原文）", "未能从平台获取"),
    ] {
        let other = Recording {
            state,
            object_key: None,
            last_error: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            ..archived.clone()
        };
        table.put(item::recording_item(&of_call, other)).await.unwrap();
        browser.headers = vec![("accept-language", "zh-CN".to_owned())];
        let shown = browser.get(call).await;
        shown.has(chinese).has(in_chinese).lacks("<audio");
        assert_eq!(shown.text.contains(reason), reason.is_empty() || reason == OWN, "{reason}");
        browser.headers.clear();
        let shown = browser.get(call).await;
        shown.has(words).has(reason).lacks("<audio");
        // Once, not once more beside it.
        assert_eq!(shown.text.matches("class=\"state\"").count(), 1, "{reason}");
        assert_eq!(shown.text.contains("the platform's own words"), reason == OWN, "{reason}");
        let shown = browser.get(&format!("{call}/recordings/main")).await;
        assert_eq!(shown.status, 404);
        shown.has("not in the archive");
    }
    // Two slots, of which one is named as nobody knows.
    let slots = ["full", "a<b"].map(|slot| Recording { slot: slot.to_owned(), ..archived.clone() });
    for other in slots {
        table.put(item::recording_item(&of_call, other)).await.unwrap();
    }
    browser.get(call).await.has("Full recording").has("a&lt;b").has("data-do=\"slot\"");
    // Who may not listen is told so.
    let mut reader = Browser::of(&rig, "calls.read").await;
    reader.get(call).await.has("recordings.listen").has("Full recording").lacks("<audio").lacks("download");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_turns_are_one_page() {
    let rig = Rig::empty().await;
    let turns: Vec<Value> = (0..20_000)
        .map(|turn| {
            let (kind, at) = (["ROBOT", "PERSON"][turn % 2], turn as u64 * 1_000);
            json!({"text": format!("好的，第{turn}句"), "type": kind, "startOffset": at, "endOffset": at + 900})
        })
        .collect();
    let call = json!({"callId": "long", "resultStatus": "ANSWERED", "chatDuration": 20_000, "callDetailList": turns});
    rig.push("ai-voice-call-record", &call).await;
    let mut browser = Browser::of(&rig, MASKED).await;
    let shown = browser.get("/calls/ai-voice/long").await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.text.matches("<li class=\"").count(), 20_000);
    // Without a recording no turn leads to its second.
    shown.has(">5:33:19<").has("20,000 turns").lacks("href=\"#t=");
    assert!(shown.text.len() < 5_000_000, "{}", shown.text.len());
    // As it is sent.
    browser.headers = vec![("accept-encoding", "gzip".to_owned())];
    let shown = browser.get("/calls/ai-voice/long").await;
    assert_eq!(shown.header("content-encoding"), "gzip");
    let bytes: u64 = shown.header("content-length").parse().unwrap();
    assert!(bytes < 1_000_000, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_also_json_and_a_table_also_a_file() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    for (page, name) in [
        ("/today.json?day=2025-06-01", "hours"),
        ("/calls.json?day=2025-06-01", "calls"),
        ("/calls/alicom/1000~5E7.json", "conversation"),
        ("/tasks.json?day=2025-06-01", "tasks"),
        ("/tasks/alicom/task-1.json", "outcomes"),
        ("/operations.json", "pending"),
    ] {
        let shown = browser.get(page).await;
        assert_eq!(shown.header("content-type"), "application/json", "{page}");
        let json: Value = serde_json::from_str(&shown.text).unwrap();
        assert!(json.get(name).is_some(), "{page}: {json}");
    }
    browser.headers = vec![("accept-language", "zh-CN".to_owned())];
    let table = browser.get("/tasks/alicom/task-1.csv").await;
    table
        .has("统计维度,项目,呼叫量")
        .has("呼叫转化漏斗,已呼叫,1")
        .has("呼叫结果分布,已接通,1")
        .has("意向分布,A,1")
        .has("各时段呼叫量,10:00,1");
    for (page, numbers) in
        [("/calls.csv?day=2025-06-01", false), ("/calls.csv?day=2025-06-01&numbers=true", true)]
    {
        let shown = browser.get(page).await;
        assert_eq!(shown.status, 302, "{page}: {}", shown.text);
        let file = crate::rig::follow(shown.location()).await;
        let name = if numbers { "calls-with-numbers.csv" } else { "calls.csv" };
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        let file = file.text();
        assert!(file.contains("呼叫时间（Asia/Shanghai）") && file.contains("2025-06-01 10:00:00"), "{file}");
        // As the page has it, not as programs do.
        assert!(file.contains(",已接通,客户,") && !file.contains("answered"), "{file}");
        assert_eq!(file.contains(crate::rig::NUMBER), numbers, "{page}");
    }
    let mut reviewer = Browser::of(&rig, MASKED).await;
    assert_eq!(reviewer.get("/calls.csv?day=2025-06-01&numbers=true").await.status, 403);
}

/// What people think of calls is in the files of whoever may review them, and in nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn files_have_the_verdict_and_the_note_for_whoever_reviews() {
    let rig = Rig::new().await;
    let mut reviewer = Browser::of(&rig, MASKED).await;
    let call = "/calls/alicom/1000~5E7";
    let fields = [("verdict", "bad"), ("note", "=1+1 call 13700009182")];
    assert_eq!(reviewer.submit(call, &format!("{call}/review"), &fields).await.status, 303);
    let task = "/tasks/alicom/task-1";
    reviewer.submit(task, &format!("{task}/name"), &[("name", "Autumn, of 13700009182")]).await;
    reviewer
        .get(task)
        .await
        .has("<h1>Autumn, of ***********</h1>")
        .has("Seven and more digits in a name are hidden");
    for (language, heading, verdict) in [("en", "Verdict", "Problem"), ("zh-CN", "质检结论", "不合格")]
    {
        reviewer.headers = vec![("accept-language", language.to_owned())];
        let shown = reviewer.get("/calls.csv?day=2025-06-01").await;
        let file = crate::rig::follow(shown.location()).await.text();
        let mut rows = csv::Reader::from_reader(file.trim_start_matches('\u{feff}').as_bytes());
        let place = rows.headers().unwrap().iter().position(|name| name == heading).unwrap();
        let row = rows.records().next().unwrap().unwrap();
        assert_eq!((&row[place], &row[place + 1]), (verdict, "'=1+1 call ***********"), "{file}");
        assert!(row.iter().any(|cell| cell == "somebody"), "{file}");
        // The task by its name, and the call's page, not where the API has it.
        assert!(row.iter().any(|cell| cell == "Autumn, of ***********"), "{file}");
        let link = row.iter().find(|cell| cell.contains("://")).unwrap_or_else(|| panic!("{file}"));
        assert!(link.ends_with("/calls/alicom/1000~5E7") && !link.contains("/api/"), "{link}");
    }
    let mut reader = Browser::of(&rig, "calls.read").await;
    let shown = reader.get("/calls.csv?day=2025-06-01").await;
    let file = crate::rig::follow(shown.location()).await.text();
    assert!(!file.contains("Verdict") && !file.contains("=1+1"), "{file}");
}
