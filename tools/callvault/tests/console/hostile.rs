//! Hostile texts, wherever they may come from: on every page they are text.

use serde_json::json;
use shared::path_id::escaped;

use crate::browser::{Browser, Shown};
use crate::rig::{ALL, Rig, report};

/// Texts that would do harm where they were taken for markup, a link, a formula, or would turn around what follows.
const TEXTS: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</textarea></pre></title><svg onload=alert(1)>",
    "\u{202e}evil\u{2066}\u{200f}",
    "nul\u{0}bel\u{7}",
    "{{7*7}}${7*7}&lt;b&gt;",
];

/// Nothing of a page is markup that came in a push.
#[track_caller]
fn check(page: &str, shown: &Shown) {
    let text = &shown.text;
    for part in [
        "<script>",
        "<img",
        "onerror=alert(1)>",
        "<svg onload",
        "href=\"javascript:",
        "\u{202e}",
        "\u{2066}",
        "\u{0}",
        "\u{7}",
    ] {
        assert!(!text.contains(part), "{page}: {part:?} in {text}");
    }
    assert_eq!(text.matches("<script").count(), 1, "{page}: the script is ours alone");
    assert!(text.ends_with("</html>"), "{page}");
    assert!(!shown.header("content-security-policy").contains("unsafe"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_came_in_a_push_is_text_on_every_page() {
    let rig = Rig::empty().await;
    for (at, text) in TEXTS.iter().enumerate() {
        let id = format!("{at}{text}");
        let mut one = report(&id, "2025-06-01 10:00:00");
        one[0]["taskId"] = json!(text);
        one[0]["outId"] = json!(text);
        one[0]["statusMsg"] = json!(text);
        one[0]["hangupDirection"] = json!(text);
        one[0][text] = json!(text);
        rig.push("alicom-call-report", &one).await;
        let turns =
            json!([{"role": "assistant", "content": text}, {"role": "user", "content": text, "x": text}]);
        let note = json!([{
            "callId": id, "taskId": text, "majorIntent": text, "outputTags": {*text: [text]},
            "conversationRecord": turns.to_string(),
        }]);
        rig.push("alicom-call-note", &note).await;
    }
    let mut browser = Browser::of(&rig, ALL).await;
    for page in ["/?day=2025-06-01", "/calls?day=2025-06-01", "/tasks?day=2025-06-01", "/operations"] {
        let shown = browser.get(page).await;
        assert_eq!(shown.status, 200, "{page}");
        check(page, &shown);
    }
    for (at, text) in TEXTS.iter().enumerate() {
        let call = format!("/calls/alicom/{}", escaped(&format!("{at}{text}")));
        let shown = browser.get(&call).await;
        assert_eq!(shown.status, 200, "{call}");
        check(&call, &shown);
        let note = ("note", *text);
        let refused = browser.submit(&call, &format!("{call}/review"), &[note, ("verdict", text)]).await;
        assert_eq!(refused.status, 400);
        check(&call, &refused);
        browser.submit(&call, &format!("{call}/review"), &[note, ("verdict", "bad")]).await;
        check(&call, &browser.get(&call).await);
        check(&call, &browser.submit_and_see(&call, &format!("{call}/reveal"), &[]).await);
        let task = format!("/tasks/alicom/{}", escaped(text));
        browser.submit(&task, &format!("{task}/name"), &[("name", text)]).await;
        let shown = browser.get(&task).await;
        assert_eq!(shown.status, 200, "{task}");
        check(&task, &shown);
        let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for name in ["task", "intent", "tag", "day", "limit", "cursor", "unknown", "after", "zone", "outcome"]
        {
            let page = format!("/calls?{name}={query}");
            let shown = browser.get(&page).await;
            assert!(matches!(shown.status, 200 | 400), "{page}: {}", shown.status);
            check(&page, &shown);
        }
        let shown = browser.submit_and_see("/calls", "/calls", &[("number", text)]).await;
        assert_eq!(shown.status, 200, "{text}");
        check("the search", &shown);
        let csv = browser.get(&format!("{task}.csv")).await;
        assert!(csv.text.lines().all(|line| !line.contains(",=") && !line.contains(",@")), "{}", csv.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_end_breaks_no_page() {
    let rig = Rig::empty().await;
    let long = "語".repeat(100_000 / 3);
    let mut one = report("long", "2025-06-01 10:00:00");
    one[0]["outId"] = json!(long);
    rig.push("alicom-call-report", &one).await;
    let turns = json!([{"role": "user", "content": long}]);
    let note = json!([{
        "callId": "long", "majorIntent": long, "outputTags": {"a": [long]}, "conversationRecord": turns.to_string(),
    }]);
    rig.push("alicom-call-note", &note).await;
    let mut browser = Browser::of(&rig, ALL).await;
    for page in ["/calls?day=2025-06-01", "/?day=2025-06-01", "/tasks?day=2025-06-01"] {
        let shown = browser.get(page).await;
        assert!(shown.status == 200 && shown.text.len() < 30_000, "{page}: {}", shown.text.len());
    }
    let shown = browser.get("/calls/alicom/long").await;
    assert!(shown.status == 200 && shown.text.len() < 150_000, "{}", shown.text.len());
}
