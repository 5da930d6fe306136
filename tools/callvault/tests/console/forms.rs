//! Forms: who may send them, and what they keep.

use serde_json::json;
use shared::model::Provider;
use shared::record::keys;
use sweep_erased::Remover;

use crate::browser::Browser;
use crate::rig::{ALL, MASKED, NUMBER, Rig, key, report};

const CALL: &str = "/calls/alicom/1000~5E7";
/// Every form that changes or shows something.
const FORMS: [&str; 6] = [
    "/calls/alicom/1000~5E7/review",
    "/calls/alicom/1000~5E7/reveal",
    "/tasks/alicom/task-1/name",
    "/calls",
    "/choices",
    "/logout",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_no_page_of_ours_has_sent_does_nothing() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    let mut other = Browser::of(&rig, ALL).await;
    let (own, foreign) = (browser.get(CALL).await.form_token(), other.get(CALL).await.form_token());
    let fields =
        |token: &str| [("form", token.to_owned()), ("name", "x".to_owned()), ("number", NUMBER.to_owned())];
    for form in FORMS {
        for (token, headers) in [
            (None, vec![]),
            (Some(""), vec![]),
            // Of somebody else's page.
            (Some(foreign.as_str()), vec![]),
            (Some(own.as_str()), vec![("origin", "https://evil.example".to_owned())]),
            (Some(own.as_str()), vec![("sec-fetch-site", "cross-site".to_owned())]),
            (Some(own.as_str()), vec![("sec-fetch-site", "same-site".to_owned())]),
        ] {
            browser.headers = headers;
            let fields = fields(token.unwrap_or_default());
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let fields = if token.is_some() { &fields[..] } else { &fields[1..] };
            let shown = browser.post(form, fields).await;
            assert_eq!(shown.status, 403, "{form} {token:?} {:?}", browser.headers);
            shown.has("This form has expired").lacks(NUMBER);
        }
        browser.headers.clear();
        // Nobody is signed in: the way there, and nothing done.
        let shown = Browser::new(&rig).post(form, &[("form", &own)]).await;
        assert_eq!(
            (shown.status, shown.location()),
            (401, ""),
            "{form}: a browser follows no redirect to elsewhere from a form"
        );
        shown.has("what you sent was not saved").has("href=\"/login?to=%2F").lacks(NUMBER);
    }
    // One comes back to the page on which the form stands, with its filters; and to no other console.
    for (here, back) in [
        ("/calls/alicom/1000~5E7?task=task-1", "%2Fcalls%2Falicom%2F1000%7E5E7%3Ftask%3Dtask-1"),
        ("//evil.example", "%2F"),
    ] {
        let shown = Browser::new(&rig).post(FORMS[0], &[("here", here)]).await;
        shown.has(&format!("href=\"/login?to={back}\""));
    }
    // The language is chosen on the page that tells so, too: it is that of the form.
    browser.post(FORMS[0], &[]).await.has("name=\"here\" value=\"/calls/alicom/1000~5E7\"");
    let table = rig.stack.store().table();
    assert!(table.query(&keys::review_pk(&key(Provider::Alicom, "1000^7"))).await.unwrap().is_empty());
    assert!(rig.access_log().await.iter().all(|entry| entry.what.as_str() == "call"));
    // As it stands on the page it is taken, where the browser tells no origin, too.
    browser.headers = vec![("origin", "null".to_owned()), ("sec-fetch-site", "same-origin".to_owned())];
    let shown = browser.post("/calls", &[("form", &own), ("number", NUMBER)]).await;
    assert_eq!((shown.status, shown.location()), (303, "/calls/found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_kept_beside_the_call_and_goes_with_it() {
    let rig = Rig::new().await;
    let of_call = key(Provider::Alicom, "1000^7");
    let table = rig.stack.store().table();
    let before = table.query(&keys::call_pk(&of_call)).await.unwrap();
    let mut reviewer = Browser::of(&rig, MASKED).await;
    reviewer.get(CALL).await.has("Nobody has heard this call yet");
    let here = format!("{CALL}?task=task-1");
    let fields = [("verdict", "bad"), ("note", "Called by a wrong name\r\n\u{202e}twice"), ("then", "stay")];
    let shown = reviewer.submit(&here, &format!("{CALL}/review"), &fields).await;
    assert_eq!((shown.status, shown.location()), (303, here.as_str()));
    reviewer
        .get(CALL)
        .await
        .has("Heard by somebody")
        .has("Called by a wrong name\ntwice")
        .has("value=\"bad\" checked");
    reviewer.get("/calls?day=2025-06-01").await.has("Problem");
    let item = &table.query(&keys::review_pk(&of_call)).await.unwrap()[0];
    assert_eq!((item["verdict"].as_str(), item["heard_by"].as_str()), (Some("bad"), Some("somebody")));
    assert_eq!(table.query(&keys::call_pk(&of_call)).await.unwrap(), before, "never a write to a call");
    // A verdict that there is not is refused, and one who says nothing of the note takes nothing of it.
    let review = format!("{CALL}/review");
    for fields in [&[("verdict", "<b>")][..], &[("verdict", "<b>"), ("note", "another")]] {
        let shown = reviewer.submit(CALL, &review, fields).await;
        assert_eq!(shown.status, 400, "{fields:?}");
        shown.has("This value is not understood").has("Verdict");
    }
    for fields in [
        &[("verdict", "bad")][..],
        &[("then", "stay")],
        &[("verdict", ""), ("note", "Called by a wrong name\r\ntwice")],
    ] {
        assert_eq!(reviewer.submit(CALL, &review, fields).await.status, 303, "{fields:?}");
    }
    let again = &table.query(&keys::review_pk(&of_call)).await.unwrap()[0];
    assert_eq!(again, item);
    // It goes with the call.
    let bucket = rig.stack.store().bucket();
    let remover = Remover { table, bucket, bypass_governance: false };
    let removed = remover.erase(&of_call, runtime::clock::now()).await;
    removed.unwrap();
    assert!(table.query(&keys::review_pk(&of_call)).await.unwrap().is_empty());
    reviewer.get(CALL).await.has("There is no such call");
    let token = reviewer.get("/calls").await.form_token();
    let shown = reviewer.post(&format!("{CALL}/review"), &[("form", &token), ("verdict", "good")]).await;
    assert_eq!(shown.status, 404);
    assert!(table.query(&keys::review_pk(&of_call)).await.unwrap().is_empty(), "nothing comes back");
}

/// Somebody has a call open twice, or two people have it: what one page says nothing new of is kept as the other has said it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_older_takes_back_nothing_that_it_did_not_change() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, MASKED).await;
    let review = format!("{CALL}/review");
    let kept = async || {
        let items = rig.stack.store().table().query(&keys::review_pk(&key(Provider::Alicom, "1000^7"))).await;
        let item = items.unwrap().remove(0);
        ["verdict", "note"]
            .map(|name| item.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned())
    };
    // Both pages were opened before anything was said.
    let blank = [("verdict_was", ""), ("note_was", "")];
    for (said, expected) in [
        ([("verdict", "good"), ("note", "said first\r\ntwice")], ["good", "said first\ntwice"]),
        ([("verdict", "bad"), ("note", "")], ["bad", "said first\ntwice"]),
        ([("verdict", ""), ("note", "said last")], ["bad", "said last"]),
    ] {
        let fields = [&blank[..], &said].concat();
        assert_eq!(browser.submit(CALL, &review, &fields).await.status, 303);
        assert_eq!(kept().await, expected, "{said:?}");
    }
    // Of what a page shows, all may be taken back.
    browser
        .get(CALL)
        .await
        .has("name=\"note_was\" value=\"said last\"")
        .has("name=\"verdict_was\" value=\"bad\"");
    let emptied = [("verdict_was", "bad"), ("note_was", "said last"), ("verdict", "good"), ("note", "")];
    browser.submit(CALL, &review, &emptied).await;
    assert_eq!(kept().await, ["good", ""]);
    // A verdict that stands can be taken back; where none stands there is nothing to take.
    browser.get(CALL).await.has("value=\"none\"");
    let taken = [("verdict_was", "good"), ("note_was", ""), ("verdict", "none"), ("note", "")];
    browser.submit(CALL, &review, &taken).await;
    assert_eq!(kept().await, ["", ""]);
    browser.get(CALL).await.lacks("value=\"none\"").has("Heard by");
    let given = [("verdict_was", ""), ("note_was", ""), ("verdict", "good"), ("note", "")];
    browser.submit(CALL, &review, &given).await;
    // A page that shows another verdict than there is by now, and leaves it so, says nothing of it.
    let old = [("verdict_was", "bad"), ("note_was", ""), ("verdict", "bad"), ("note", "")];
    browser.submit(CALL, &review, &old).await;
    assert_eq!(kept().await, ["good", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_is_the_next_that_nobody_has_heard() {
    let rig = Rig::empty().await;
    for (id, at) in [("a", "10:00:00"), ("b", "10:01:00"), ("c", "10:02:00")] {
        rig.push("alicom-call-report", &report(id, &format!("2025-06-01 {at}"))).await;
    }
    let mut browser = Browser::of(&rig, ALL).await;
    let next = "/calls/next?task=task-1";
    let first = browser.get(next).await;
    assert_eq!(first.location(), "/calls/alicom/c?task=task-1", "the newest first");
    // Saved, it leads to the next; and so on, until none is left.
    let mut at = first.location().to_owned();
    for expected in ["/calls/alicom/b?task=task-1", "/calls/alicom/a?task=task-1"] {
        let form = format!("{}/review", at.split('?').next().unwrap());
        let saved = browser.submit(&at, &form, &[("verdict", "good"), ("then", "next")]).await;
        at = browser.get(saved.location()).await.location().to_owned();
        assert_eq!(at, expected);
    }
    // Whoever skips goes on, and around.
    let page = browser.get(&at).await.text;
    let skip = page.split("href=\"").find(|part| part.starts_with("/calls/next")).unwrap();
    let skip = skip.split('"').next().unwrap().replace("&amp;", "&");
    browser.get(&skip).await.has("No unheard call matches this filter");
    browser.get("/calls?task=task-1&reviewed=false").await.has("/calls/alicom/a?").lacks("/calls/alicom/b?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_has_the_name_that_people_give_it() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, MASKED).await;
    let page = "/tasks/alicom/task-1";
    let shown =
        browser.submit(page, &format!("{page}/name"), &[("name", " 六月<回访> 13700009182\u{202e} ")]).await;
    assert_eq!((shown.status, shown.location()), (303, page));
    browser.get(page).await.has("六月&lt;回访&gt; ***********").lacks(NUMBER);
    browser.get("/tasks?day=2025-06-01").await.has("六月&lt;回访&gt;");
    browser.get(CALL).await.has("六月&lt;回访&gt;");
    browser.submit(page, &format!("{page}/name"), &[("name", "")]).await;
    browser.get(page).await.lacks("六月");
    // One that has no call has no name.
    for none in ["/tasks/alicom/task-2", "/tasks/laaffic/task-1"] {
        let shown = browser.submit(page, &format!("{none}/name"), &[("name", "x")]).await;
        assert_eq!(shown.status, 404, "{none}");
        shown.has("There is no call of such a task");
    }
    let other = rig.stack.store().table().query(&keys::task_name_pk(Provider::Alicom, "task-2")).await;
    assert!(other.unwrap().is_empty());
    let mut reader = Browser::of(&rig, "calls.read").await;
    let shown = reader.submit(page, &format!("{page}/name"), &[("name", "x")]).await;
    assert_eq!(shown.status, 403);
    let items =
        rig.stack.store().table().query(&keys::task_name_pk(Provider::Alicom, "task-1")).await.unwrap();
    assert_eq!(items[0]["name"], json!(""));
}
