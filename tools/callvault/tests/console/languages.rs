//! Both languages, the zone, and what a browser is sent.

use serde_json::json;

use crate::browser::Browser;
use crate::rig::{ALL, Rig};

const PAGES: [&str; 7] = [
    "/?day=2025-06-01",
    "/calls?day=2025-06-01",
    "/calls/alicom/1000~5E7",
    "/tasks?day=2025-06-01",
    "/tasks/alicom/task-1",
    "/operations",
    "/nowhere",
];

/// What stands on a page between its tags.
fn words(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    body.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_in_the_language_that_its_reader_wants() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    for page in PAGES {
        browser.headers = vec![("accept-language", "zh-CN,zh;q=0.9,en;q=0.8".to_owned())];
        let chinese = browser.get(page).await;
        assert_eq!(chinese.header("content-language"), "zh-CN", "{page}");
        chinese.has("<html lang=\"zh-CN\">").has("退出登录").has("通话记录");
        // Of English, only names and what the platform or the operator's commands say.
        for word in [
            "Recording",
            "Unknown",
            "Answered",
            "Duration",
            "Callee",
            "Sign out",
            "Nobody",
            "Calls",
            "Nothing",
        ] {
            assert!(!words(&chinese.text).contains(word), "{page}: {word} in {}", words(&chinese.text));
        }
        browser.headers = vec![("accept-language", "en-GB".to_owned())];
        let english = browser.get(page).await;
        english.has("<html lang=\"en\">").has("Sign out");
        let own = words(&english.text).replace("简体中文", "");
        for word in ["退出", "通话", "录音", "已接通"] {
            assert!(!own.contains(word), "{page}: {word}");
        }
    }
}

/// Where a sign of English stands beside Chinese words: `、` and `：` belong there.
fn misplaced_sign(text: &str) -> Option<String> {
    let is_han = |character: &char| ('\u{4e00}'..='\u{9fff}').contains(character);
    let characters: Vec<char> = text.chars().collect();
    let at = characters.windows(2).position(|pair| {
        is_han(&pair[0]) && matches!(pair[1], ',' | ':' | ';' | '!' | '?')
            || matches!(pair[0], ',' | ':' | ';' | '!' | '?') && is_han(&pair[1])
    })?;
    Some(characters[at.saturating_sub(10)..(at + 10).min(characters.len())].iter().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn chinese_pages_have_chinese_signs() {
    let rig = Rig::empty().await;
    rig.push("alicom-call-report", &crate::rig::report("1000^7", "2025-06-01 10:00:00")).await;
    let tags = json!([{"callId": "1000^7", "outputTags": {"关注点": ["价格", "续航"], "电话": []}}]);
    rig.push("alicom-call-note", &tags).await;
    let file = "https://x.oss-cn-shanghai.aliyuncs.com/1.wav?Expires=1749000000";
    rig.push("alicom-call-record", &json!([{"callId": "1000^7", "taskId": "task-1", "recordFile": file}]))
        .await;
    let mut browser = Browser::of(&rig, ALL).await;
    browser.headers = vec![("accept-language", "zh-CN".to_owned())];
    let call = "/calls/alicom/1000~5E7";
    browser.submit(call, &format!("{call}/review"), &[("verdict", "good"), ("then", "stay")]).await;
    browser
        .get(call)
        .await
        .has("关注点：价格、续航")
        .has("收听人 somebody · ")
        .has("通话录音")
        .lacks("关注点: ");
    for page in PAGES {
        let shown = browser.get(page).await;
        // The counts of a task name its tags as the filter has them.
        let text = words(&shown.text).replace("关注点:", "");
        assert_eq!(misplaced_sign(&text), None, "{page}");
    }
    // What somebody may not see is told in one sentence, and so is what they need for it.
    let mut reader = Browser::of(&rig, "calls.read").await;
    reader.headers.clone_from(&browser.headers);
    let refused = reader.get("/operations").await;
    refused
        .has("没有访问权限，所需权限：运维（<code>operations.read</code>）。请联系 callvault 管理员开通。");
    // A column and a figure of numbers are not called as the list of calls is.
    browser.get("/tasks?day=2025-06-01").await.has("<th class=\"number\" scope=\"col\">呼叫量</th>");
    browser.get("/tasks/alicom/task-1").await.has("<dt>呼叫量</dt>").has(">导出<").has(">阶段<");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_and_the_zone_that_somebody_chose_are_kept() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    let call = "/calls/alicom/1000~5E7";
    browser.get(call).await.has("2025-06-01 10:00:00").has("Times are in Shanghai (UTC+8:00)");
    let shown = browser
        .submit("/calls?day=2025-06-01", "/choices", &[("language", "zh"), ("zone", "Asia/Jakarta")])
        .await;
    assert_eq!((shown.status, shown.location()), (303, "/calls?day=2025-06-01"));
    browser
        .get(call)
        .await
        .has("2025-06-01 09:00:00")
        .has("显示时区：雅加达（UTC+7:00）")
        .has("<option value=\"Asia/Jakarta\" selected>雅加达</option>");
    // A page's own zone goes before it; what is none, nowhere.
    browser.get("/calls?day=2025-06-01&zone=UTC").await.has("06-01 02:00<span");
    // A page may show times of summer and of winter.
    browser.get("/calls?day=2025-06-01&zone=Europe/London").await.has("伦敦（UTC+0:00/+1:00）");
    browser.submit("/calls", "/choices", &[("zone", "Mars/Olympus"), ("here", "//evil.example")]).await;
    browser.get(call).await.has("Asia/Jakarta");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_small_and_asks_nobody_else() {
    let rig = Rig::empty().await;
    for minute in 0..50 {
        let id = format!("10000161{minute:04}^1000018{minute:04}");
        let at = format!("2025-06-01 10:{minute:02}:00");
        rig.push("alicom-call-report", &crate::rig::report(&id, &at)).await;
    }
    let mut browser = Browser::of(&rig, ALL).await;
    let plain = browser.get("/calls?day=2025-06-01").await;
    assert_eq!(plain.text.matches("<td class=\"callee\">").count(), 50);
    let mut parts = plain.text.split(['"', '\'']);
    let elsewhere = parts.find(|part| part.starts_with("http") || part.starts_with("//"));
    assert_eq!(elsewhere, None, "another origin");
    browser.headers = vec![("accept-encoding", "gzip, br".to_owned())];
    let page: usize = browser.get("/calls?day=2025-06-01").await.header("content-length").parse().unwrap();
    let paths = plain
        .text
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect::<std::collections::BTreeSet<_>>();
    let mut all = page;
    for path in paths {
        let asset = browser.get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.header("cache-control").contains("immutable"), "{path}");
        all += asset.header("content-length").parse::<usize>().unwrap();
    }
    // Page, style and script together.
    assert!(all <= 40 * 1024, "{all}");
}
